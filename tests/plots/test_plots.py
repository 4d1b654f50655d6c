"""Figures: what is drawn, what is refused, and that each says in words what it shows."""

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

import mediml
from mediml import plots
from mediml.plots import curves, display, source, style, tape

ALT = ("A test.", "测试。")


@pytest.fixture
def shown(monkeypatch):
    """What the plots publish instead of displaying it."""
    pictures = []
    monkeypatch.setattr(display, "_publish", pictures.append)
    monkeypatch.setattr(source, "_publish", pictures.append)
    return pictures


def draw_all():
    x = np.arange(16.0).reshape(4, 4)
    plots.show_numbers({"x": x, "y": x[:2]}, ALT, between=["="], digits=1)
    plots.show_windows(x, kernel_size=2, stride=2)
    plots.show_windows(x, kernel_size=3, stride=1, padding=1, dilation=1)
    plots.show_images({"x": x, "y": x.T}, ALT, unit="HU", spacing_mm=(0.5, 0.7))
    plots.show_images({"x": x - 8}, ALT, signed=True)
    plots.show_curves(np.arange(4), {"a": x[0], "b": x[1]}, ALT, "$x$", "$y$", marks=[2])
    plots.show_learning_curves([1, 2], {"a": [1, 0.5]}, {"b": [0.5, 0.9]}, ALT)
    plots.show_confusion([[5, 1], [2, 7]], ["0", "1"], ALT)
    plots.show_reliability([0.2, 0.8], [0.1, 0.9], ([0.0, 0.7], [0.3, 1.0]), [10, 10], ALT)


def test_every_figure_is_a_png_with_its_description_in_both_languages(shown):
    draw_all()
    assert len(shown) == 9
    for picture in shown:
        data, metadata = picture._repr_mimebundle_()
        image = Image.open(BytesIO(data["image/png"]))
        assert image.format == "PNG" and image.width > picture.width > 90
        assert metadata["image/png"]["alt_en"] == picture.alt[0] and metadata["image/png"]["alt_zh"] == picture.alt[1]
        assert data["text/plain"] == "\n".join(picture.alt)


def test_the_same_figure_is_the_same_file(shown):
    draw_all()
    draw_all()
    assert [picture.png for picture in shown[:9]] == [picture.png for picture in shown[9:]]


@pytest.mark.parametrize("alt", [("", "测试"), ("only one",), ("A test.", " ")])
def test_a_figure_without_a_description_is_refused(shown, alt):
    with pytest.raises(ValueError, match="a description in English and one in Chinese"):
        plots.show_images({"x": np.eye(3)}, alt)


def test_nothing_is_left_in_pyplots_list(shown):
    import matplotlib.pyplot

    draw_all()
    assert matplotlib.pyplot.get_fignums() == []


def test_a_sweep_has_a_frame_for_each_output_and_stops(shown):
    x, weight = np.arange(20.0).reshape(4, 5), np.ones((3, 2))
    plots.show_sweep(x, weight, np.zeros((2, 3)), stride=2, padding=1)
    image = Image.open(BytesIO(shown[0].png))
    assert image.n_frames == 6 and image.info["loop"] == 2
    first, last = (np.asarray((image.seek(k), image.convert("RGB"))[1]) for k in (0, 5))
    assert (first != last).any()
    assert "3 by 2 window" in shown[0].alt[0] and "3×2" in shown[0].alt[1]


def test_a_sweep_refuses_an_output_that_does_not_belong_to_it(shown):
    with pytest.raises(ValueError, match=r"y expects the shape \(3, 4\)"):
        plots.show_sweep(np.zeros((5, 5)), np.zeros((3, 2)), np.zeros((4, 4)))


def test_windows_describe_themselves_and_refuse_what_does_not_fit(shown):
    plots.show_windows(np.eye(5), kernel_size=3, stride=1)
    assert "framed: 3 of its 3 by 3 windows" in shown[0].alt[0]
    with pytest.raises(ValueError, match="a window of 5 does not fit"):
        plots.show_windows(np.eye(4), kernel_size=3, stride=1, dilation=2)


def test_numbers_refuse_what_nobody_can_read(shown):
    with pytest.raises(ValueError, match="at most 24 × 24"):
        plots.show_numbers({"x": np.zeros((30, 30))}, ALT)


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [(2.0, 1, "2"), (2.5, 1, "2.5"), (-3.0, 0, "−3"), (-0.04, 1, "0"), (np.inf, 0, "∞"), (-np.inf, 0, "−∞")],
)
def test_numbers_are_written_as_people_write_them(value, digits, text):
    from mediml.plots.numbers import _number

    assert _number(value, digits) == text


def test_text_stands_out_from_every_colour_of_the_maps():
    for values in (np.linspace(0, 1, 50), np.linspace(-1, 1, 50)):
        colours, scale = style.number_colours(values)
        for value in values:
            background = colours(scale(value))
            assert _contrast(background, style.text_colour(background)) > 3  # WCAG 2, large text


def _contrast(background, name):
    from matplotlib.colors import to_rgb

    one, other = sorted(_luminance(colour) for colour in (background[:3], to_rgb(name)))
    return (other + 0.05) / (one + 0.05)


def _luminance(rgb):
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in rgb]
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def test_powers_of_ten_are_drawn_at_equal_distances_and_what_has_no_logarithm_is_refused(shown, monkeypatch):
    drawn = []
    monkeypatch.setattr(curves, "show", lambda figure, alt: drawn.append(figure))
    plots.show_curves([0, 1, 2], {"a": [1e-9, 1e-3, 1e3]}, ALT, "$x$", "$y$", logarithmic=True)
    heights = drawn[0].axes[0].transData.transform([(0, 1e-9), (1, 1e-3), (2, 1e3)])[:, 1]
    np.testing.assert_allclose(np.diff(heights), heights[1] - heights[0])
    for bad in (0.0, -1.0, np.nan):
        with pytest.raises(ValueError, match="expects positive values, curve 'a' has"):
            plots.show_curves([0, 1], {"a": [1.0, bad]}, ALT, "$x$", "$y$", logarithmic=True)


def test_images_must_have_two_axes(shown):
    with pytest.raises(ValueError, match="expected a 2-D image"):
        plots.show_images({"x": np.zeros((3, 4, 4))}, ALT)


def test_a_confusion_matrix_needs_a_row_for_each_class(shown):
    with pytest.raises(ValueError, match=r"counts expects shape \(3, 3\)"):
        plots.show_confusion([[1, 2], [3, 4]], ["a", "b", "c"], ALT)


def test_the_tape_is_drawn_as_it_was_recorded(shown):
    a = mediml.tensor([1.0, 2.0], requires_grad=True)
    b = mediml.tensor([3.0, 4.0], requires_grad=True)
    result = (a * b + a).sum()
    boxes = tape.tape_of(result, {"a": a, "b": b})
    assert [box.text.split("\n")[0] for box in boxes.values()] == ["a", "b", "mul", "add", "sum"]
    assert [box.column for box in boxes.values()] == [0, 0, 1, 2, 3]
    assert len(boxes[f"node {result._node.order}"].inputs) == 1
    plots.show_tape(result, {"a": a, "b": b})
    assert "a (2,) → b (2,) → mul → add → sum" in shown[0].alt[0]


def test_a_tensor_off_the_tape_cannot_be_drawn(shown):
    with pytest.raises(ValueError, match="not on the tape"):
        plots.show_tape(mediml.tensor([1.0]))


def test_source_is_shown_with_its_place_and_without_decorator_magic(shown):
    from kernels.pooling import reference

    plots.show_source(reference._max_pool2d)
    data = shown[0]._repr_mimebundle_()
    assert data["text/markdown"].startswith("[`kernels/pooling/reference.py`](../../kernels/pooling/reference.py)")
    assert "@kernel\ndef _max_pool2d(" in data["text/plain"]


def test_source_without_docstring_keeps_the_code(shown):
    plots.show_source(style.new_figure, docstring=False)
    assert "A figure of" not in shown[0].text and "figure.subplots" in shown[0].text


def test_source_of_two_modules_is_refused(shown):
    with pytest.raises(ValueError, match="expected functions of one module"):
        plots.show_source(style.new_figure, tape.tape_of)
