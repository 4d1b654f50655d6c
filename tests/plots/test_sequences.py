"""Signals, the unrolled network and gradient norms: drawn, described in both languages, and refused where wrong."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from mediml import plots
from mediml.plots import display

ALT = ("A test.", "测试。")


@pytest.fixture
def shown(monkeypatch):
    pictures = []
    monkeypatch.setattr(display, "_publish", pictures.append)
    return pictures


def test_figures_are_repeatable_and_described(shown):
    time = np.arange(50) / 125
    for _ in range(2):
        plots.show_sequences(time, {"II": np.sin(time), "V5": np.cos(time)}, ALT, unit="mV")
        plots.show_gradient_norms({"RNN": 0.8 ** np.arange(20), "LSTM": np.ones(20)}, ALT)
        plots.show_unrolled(4)
    assert [p.png for p in shown[:3]] == [p.png for p in shown[3:]]
    for picture in shown:
        assert Image.open(BytesIO(picture.png)).width > picture.width


def test_the_unrolled_network_describes_itself(shown):
    plots.show_unrolled(3)
    plots.show_unrolled(3, gradient=False)
    assert "3 copies" in shown[0].alt[0] and "3 份" in shown[0].alt[1]
    assert "gradient" in shown[0].alt[0] and "gradient" not in shown[1].alt[0]
    assert "梯度" in shown[0].alt[1] and "梯度" not in shown[1].alt[1] and shown[0].png != shown[1].png


def test_a_norm_of_zero_leaves_a_gap(shown):
    plots.show_gradient_norms({"RNN": [0, 1e-9, 1.0]}, ALT)
    plots.show_gradient_norms({"RNN": [np.nan, 1e-9, 1.0]}, ALT)
    assert shown[0].png == shown[1].png


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: plots.show_sequences([0, 1], {}, ALT), "at least one sequence"),
        (lambda: plots.show_sequences([0, 1], {"II": [1, 2, 3]}, ALT), r"'II' expects one value for each time"),
        (lambda: plots.show_unrolled(1), "steps expects 2 to 8"),
        (lambda: plots.show_gradient_norms({"RNN": [-1.0]}, ALT), "'RNN' expects norms"),
    ],
)
def test_refusals(shown, call, text):
    with pytest.raises(ValueError, match=text):
        call()
