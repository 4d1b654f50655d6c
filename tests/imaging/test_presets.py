import numpy as np
import pytest

from mediml.imaging import CT_WINDOWS, WindowView, window


def test_the_numbers_are_those_of_the_sources():
    found = {name: (view.center, view.width) for name, view in CT_WINDOWS.items()}
    assert found == {
        "lung": (-600, 1500), "mediastinum": (40, 400), "soft_tissue": (40, 400), "abdomen": (50, 400),
        "liver": (30, 150), "brain": (40, 80), "stroke": (40, 40), "bone": (400, 1800),
    }  # fmt: skip
    assert all(isinstance(view, WindowView) and view.function == "LINEAR" for view in CT_WINDOWS.values())


def test_known_tissues_are_black_white_and_between():
    # Air -1000, lung -800, fat -90, water 0, grey and white matter 37 and 28, cortical bone 1200.
    assert CT_WINDOWS["mediastinum"].apply([-1000, -800])[1] == 0
    assert CT_WINDOWS["lung"].apply([-800, 200]).tolist() == pytest.approx([(-800 + 600.5) / 1499 + 0.5, 1])
    narrow, wide = (np.diff(CT_WINDOWS[name].apply([28, 37]))[0] for name in ("stroke", "brain"))
    assert narrow == pytest.approx(9 / 39) and wide == pytest.approx(9 / 79)
    assert 0 < CT_WINDOWS["bone"].apply(1200) < 1 and CT_WINDOWS["soft_tissue"].apply(1200) == 1


@pytest.mark.parametrize("view", CT_WINDOWS.values(), ids=CT_WINDOWS.keys())
def test_every_window_rises(view):
    shown = view.apply(np.arange(-2048, 3072))
    assert (np.diff(shown) >= 0).all() and shown[0] == 0 and shown[-1] == 1
    np.testing.assert_array_equal(shown, window(np.arange(-2048, 3072), view.center, view.width))


def test_the_presets_cannot_be_changed():
    with pytest.raises(TypeError):
        CT_WINDOWS["lung"] = WindowView(0, 1)
