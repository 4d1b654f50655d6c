"""Which thread has which element, as a picture."""

import pytest

from mediml.plots import show_threads
from mediml.plots import threads as module


@pytest.fixture
def shown(monkeypatch):
    figures = []
    monkeypatch.setattr(module, "show", lambda figure, alt: figures.append((figure, alt)))
    return figures


def test_threads_beyond_the_end_are_drawn_empty(shown):
    show_threads((10,), (4,))
    ((figure, alt),) = shown
    cells = figure.axes[0].patches
    assert len(cells) == 12
    assert [cell.get_linestyle() for cell in cells[-2:]] == [":", ":"] and cells[9].get_linestyle() == "-"
    assert len({cell.get_edgecolor() for cell in cells}) == 3
    assert [text.get_text() for text in figure.axes[0].texts] == list("012301230123")
    assert "3 blocks of 4" in alt[0] and "2 threads" in alt[0] and "3 个线程块" in alt[1]


def test_two_axes_carry_both_indices(shown):
    show_threads((3, 5), (2, 4))
    ((figure, alt),) = shown
    assert len(figure.axes[0].patches) == 4 * 8
    assert figure.axes[0].texts[8].get_text() == "0,1"  # x first, as in CUDA
    assert "17 threads" in alt[0]


@pytest.mark.parametrize(("shape", "block"), [((0,), (4,)), ((3, 4), (2,)), ((25,), (4,)), ((2, 2, 2), (1, 1, 1))])
def test_what_cannot_be_drawn_is_refused(shape, block):
    with pytest.raises(ValueError, match="one or two sizes of 1 to 24"):
        show_threads(shape, block)
