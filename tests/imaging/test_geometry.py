import numpy as np
import pytest

from mediml.imaging import (
    Image,
    Volume,
    bounding_box,
    center_square,
    crop,
    crop_image,
    crop_volume,
    pad_to,
    pad_volume,
    resample_volume,
    resize_area,
)

TILTED = ((0.0, 0.6, 0.8), (0.0, 0.8, -0.6), (-1.0, 0.0, 0.0))


def volume(**changes):
    values = np.random.default_rng(0).normal(0, 100, (6, 9, 8)).astype(np.float32)
    described = {
        "stored": values.astype(np.int16),
        "values": values,
        "spacing_mm": (5.0, 2.0, 0.5),
        "directions": TILTED,
        "origin_mm": (-10.0, -20.0, 30.0),
        "units": "HU",
    }
    return Volume(**(described | changes))


def mask_with(*places, shape=(6, 9, 8)):
    mask = np.zeros(shape, np.uint8)
    for place in places:
        mask[place] = 2
    return mask


def value_at(volume, place_mm):
    index = np.linalg.solve(volume.affine, (*place_mm, 1))[:3]
    np.testing.assert_allclose(index, index.round(), atol=1e-9)
    return volume.values[tuple(index.round().astype(int))]


def test_mean_of_blocks_by_hand():
    x = np.array([[1, 3, 5, 7], [5, 7, 1, 3]], np.float32)
    np.testing.assert_allclose(resize_area(x, (1, 2)), [[4, 4]])
    np.testing.assert_allclose(resize_area(x, (2, 2)), [[2, 6], [6, 2]])


def test_pixels_are_shared_by_overlap():
    # 3 pixels to 2: the middle one is halved. (1 + 0.5 * 4) / 1.5 and (0.5 * 4 + 7) / 1.5
    np.testing.assert_allclose(resize_area(np.array([[1.0, 4.0, 7.0]]), (1, 2)), [[2, 6]])


@pytest.mark.parametrize(("shape", "new"), [((97, 61), (28, 28)), ((28, 28), (28, 28)), ((5, 3), (7, 11))])
def test_mean_is_kept_and_nothing_overshoots(shape, new):
    x = np.random.default_rng(0).uniform(0, 1, shape)
    y = resize_area(x, new)
    assert y.shape == new and x.min() <= y.min() and y.max() <= x.max()
    np.testing.assert_allclose(y.mean(), x.mean(), rtol=1e-12)
    if shape == new:
        np.testing.assert_allclose(y, x)


def test_agrees_with_pillows_box_filter_where_sizes_divide():
    from PIL import Image

    x = np.random.default_rng(1).uniform(0, 1, (84, 112)).astype(np.float32)
    expected = np.asarray(Image.fromarray(x).resize((28, 28), Image.Resampling.BOX))
    np.testing.assert_allclose(resize_area(x, (28, 28)), expected, atol=2e-6)


def test_agrees_with_means_of_a_finer_grid_where_they_do_not():
    x = np.random.default_rng(2).uniform(0, 1, (9, 13))
    fine = np.repeat(np.repeat(x, 4, 0), 6, 1)
    expected = fine.reshape(4, 9, 6, 13).mean((1, 3))
    np.testing.assert_allclose(resize_area(x, (4, 6)), expected, rtol=1e-12)


def test_square_is_in_the_middle():
    x = np.arange(35).reshape(5, 7)
    np.testing.assert_array_equal(center_square(x), x[:, 1:6])
    np.testing.assert_array_equal(center_square(x.T), x.T[1:6])


def test_square_follows_the_body_and_not_the_pixels():
    # Pixels twice as high as wide: 4 rows are as long as 8 columns.
    assert center_square(np.zeros((4, 20)), aspect=2.0).shape == (4, 8)
    assert center_square(np.zeros((20, 4)), aspect=2.0).shape == (2, 4)


@pytest.mark.parametrize("call", [
    lambda: resize_area(np.zeros((2, 2, 3)), (1, 1)), lambda: resize_area(np.zeros((0, 2)), (1, 1)),
    lambda: resize_area(np.zeros((2, 2)), (0, 1)), lambda: center_square(np.zeros(3)),
    lambda: center_square(np.zeros((3, 3)), aspect=0.0),
])  # fmt: skip
def test_refusals(call):
    with pytest.raises(ValueError, match="expect"):
        call()


def test_box_by_hand():
    mask = mask_with((1, 4, 3), (2, 2, 5))
    assert bounding_box(mask) == (slice(1, 3), slice(2, 5), slice(3, 6))
    assert bounding_box(mask, 2) == (slice(0, 5), slice(0, 7), slice(1, 8))
    assert bounding_box(mask, (0, 1, 0)) == (slice(1, 3), slice(1, 6), slice(3, 6))
    assert bounding_box([False, True, True]) == (slice(1, 3),)


def test_box_with_a_margin_in_millimetres():
    mask = mask_with((3, 4, 4))
    # 3 mm are 1 step of 5 mm, 2 of 2 mm, 6 of 0.5 mm; the last goes beyond both edges
    assert bounding_box(mask, margin_mm=3, spacing_mm=(5, 2, 0.5)) == (slice(2, 5), slice(2, 7), slice(0, 8))
    # Three times 0.1 mm is 0.30000000000000004 mm, and three steps
    assert bounding_box(mask, margin_mm=0.1 * 3, spacing_mm=0.1) == (slice(0, 6), slice(1, 8), slice(1, 8))
    assert bounding_box(mask, 1, margin_mm=1, spacing_mm=5) == (slice(1, 6), slice(2, 7), slice(2, 7))


def test_crop_is_a_copy_of_the_same_dtype():
    x = np.arange(30, dtype=np.int16).reshape(5, 6)
    x.flags.writeable = False
    box = (slice(1, 4), slice(None, 2))
    y = crop(x, box)
    np.testing.assert_array_equal(y, [[6, 7], [12, 13], [18, 19]])
    assert y.dtype == np.int16 and y.flags.writeable and not np.shares_memory(x, y)
    assert crop(np.zeros((5, 6, 3)), box).shape == (3, 2, 3)
    assert crop(x, bounding_box(x > 13)).tolist() == x[2:].tolist()


@pytest.mark.parametrize(
    "box",
    [
        (slice(0, 6), slice(0, 2)), (slice(-2, 4), slice(0, 2)), (slice(2, 2), slice(0, 2)), (slice(0, 4, 2),),
        (slice(0, 1),) * 3, (), (0, 1), (slice(3, 1), slice(0, 1)),
    ],
)  # fmt: skip
def test_a_box_that_does_not_fit_is_refused(box):
    with pytest.raises(ValueError, match="crop: box expects"):
        crop(np.zeros((5, 6)), box)


def test_a_cropped_volume_keeps_the_place_of_every_voxel():
    whole = volume(padding=mask_with((2, 3, 4)).astype(bool))
    part = crop_volume(whole, (slice(2, 5), slice(3, None), slice(1, 7)))
    assert part.shape == (3, 6, 6) and part.units == "HU" and part.spacing_mm == whole.spacing_mm
    # by hand: 2 · 5 mm along the planes, 3 · 2 mm along the rows, 1 · 0.5 mm along the columns
    assert part.origin_mm == pytest.approx((-10 - 0.5, -20 + 10 * 0.6 + 6 * 0.8, 30 + 10 * 0.8 - 6 * 0.6))
    for index in np.ndindex(*part.shape):
        assert value_at(whole, (part.affine @ (*index, 1))[:3]) == part.values[index]
    np.testing.assert_array_equal(part.stored, whole.stored[2:5, 3:, 1:7])
    assert part.padding[0, 0, 3] and part.padding.sum() == 1


def test_a_cropped_image_is_the_plane_of_the_cropped_volume():
    whole = volume()
    box = (slice(3, 8), slice(1, 7))
    image, plane = crop_image(whole.plane(4), box), crop_volume(whole, (slice(4, 5), *box)).plane(0)
    np.testing.assert_array_equal(image.values, plane.values)
    assert image.origin_mm == pytest.approx(plane.origin_mm) and image.spacing_mm == plane.spacing_mm
    flat = Image(whole.values[0], whole.values[0], origin_mm=(1.0, 2.0, 3.0))
    assert crop_image(flat, box).origin_mm is None and crop_image(flat, box).shape == (5, 6)
    colour = Image(np.zeros((9, 8, 3), np.uint8), np.zeros((9, 8, 3), np.float32))
    assert crop_image(colour, box).values.shape == (5, 6, 3)


def test_padding_by_hand():
    x = np.array([[1, 2, 3]], np.int16)
    np.testing.assert_array_equal(pad_to(x, (2, 6), -1000), [[-1000, 1, 2, 3, -1000, -1000], [-1000] * 6])
    assert pad_to(x, (2, 6), -1000).dtype == np.int16
    np.testing.assert_array_equal(pad_to(x, (1, 3)), x)
    assert pad_to(np.ones((2, 2, 3), np.uint8), (4, 4)).sum() == 12
    assert np.isnan(pad_to(np.ones((1, 1)), (1, 3), np.nan)[0, [0, 2]]).all()


def test_padding_lies_as_that_of_stacked_volumes():
    from mediml.data.volumes import LabelledVolume, stack

    x = np.random.default_rng(0).normal(size=(3, 5, 4)).astype(np.float32)
    images, _ = stack([LabelledVolume("one", x, np.zeros(x.shape, np.int64), (1, 1, 1))], shape=(8, 8, 8))
    np.testing.assert_array_equal(pad_to(x, (8, 8, 8)), images[0, 0])


def test_a_padded_volume_keeps_the_place_of_every_voxel():
    inner = volume(padding=mask_with((2, 3, 4)).astype(bool))
    outer = pad_volume(inner, (9, 10, 8), -1000)
    for index in np.ndindex(*inner.shape):
        assert value_at(outer, (inner.affine @ (*index, 1))[:3]) == inner.values[index]
    assert outer.padding.sum() == 9 * 10 * 8 - 6 * 9 * 8 + 1
    assert (outer.values[0] == -1000).all() and outer.padding[0].all() and (outer.display()[0] == 0).all()
    box = tuple(slice((o - i) // 2, (o - i) // 2 + i) for i, o in zip(inner.shape, outer.shape))
    back = crop_volume(outer, box)
    np.testing.assert_array_equal(back.values, inner.values)
    np.testing.assert_array_equal(back.padding, inner.padding)
    assert back.origin_mm == pytest.approx(inner.origin_mm)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bounding_box(np.zeros((3, 3))), "bounding_box: mask expects at least one voxel inside"),
        (
            lambda: resize_area([[1.0, np.nan]], (1, 1)),
            "resize_area: image expects finite values, got 1 that are NaN or",
        ),
        (lambda: bounding_box(np.ones((3, 3)), -1), "margin expects 2 whole numbers of at least 0"),
        (lambda: bounding_box(np.ones((3, 3)), margin_mm=2), "margin_mm expects a positive number and spacing_mm"),
        (lambda: bounding_box(np.ones((3, 3)), margin_mm=-2, spacing_mm=1), "margin_mm expects a positive number"),
        (lambda: pad_to(np.ones((3, 3)), (2, 4)), r"pad_to: shape expects at least \(3, 3\), got \(2, 4\)"),
        (lambda: pad_to(np.ones((3, 3), np.uint8), (4, 4), -1000), "what uint8 can hold, got -1000"),
        (lambda: pad_to(np.ones((3, 3), np.int16), (4, 4), 0.5), "what int16 can hold"),
        (lambda: pad_to(np.ones((3, 3), np.int16), (4, 4), np.nan), "what int16 can hold"),
        (lambda: pad_volume(volume(), (9, 9), 0), "shape expects three numbers"),
        (lambda: crop_volume(volume(), (slice(0, 1),)), "box expects three slices"),
        (lambda: crop_image(volume().plane(0), (slice(0, 1),)), "box expects two slices"),
    ],
)
def test_refusals_of_boxes(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_the_account_says_what_was_done():
    pixels = np.zeros((4, 6, 8), np.float32)
    volume = Volume(pixels, pixels, (2.0, 1.0, 1.0), ((0, 0, 1), (0, 1, 0), (1, 0, 0)), (0, 0, 0))
    cropped = crop_volume(volume, (slice(0, 2), slice(0, 6), slice(1, 8)))
    said = [str(step) for step in resample_volume(pad_volume(cropped, (3, 6, 8), 0.0), 0.5).account]
    assert said == [
        "cropped from 4 × 6 × 8 to 2 × 6 × 7 pixels",
        "padded from 2 × 6 × 7 to 3 × 6 × 8 pixels",
        "resampled from steps of 2 × 1 × 1 mm to 0.5 × 0.5 × 0.5 mm",
    ]
