"""Image and mask moved together: exact where whole voxels move, by physics where they do not."""

import numpy as np
import pytest
from scipy import ndimage

from mediml.imaging import elastic_displacement, flip, move

AXIAL = ("H", "P", "L")


def pair(shape=(16, 16), seed=0):
    image = np.random.default_rng(seed).normal(0, 100, shape).astype(np.float32)
    return image, (image > 50).astype(np.uint8) + (image > 120).astype(np.uint8)


def kidneys():
    """Labels 1 on the patient's right (low columns, for columns that lead to the left), 2 on the left, 3 between."""
    mask = np.zeros((4, 10, 20), np.int16)
    mask[1:3, 3:6, 2:5], mask[1:3, 4:7, 14:18], mask[:, 8:, 9:11] = 1, 2, 3
    return np.where(mask > 0, 100.0, -20.0).astype(np.float32), mask


def test_a_mirror_from_left_to_right_is_refused():
    image, mask = kidneys()
    with pytest.raises(ValueError, match=r"flip: axis 2 leads from left to right, .* wrong side; give .*swap"):
        flip(image, mask, 2, axis_codes=AXIAL)
    with pytest.raises(ValueError, match="axis -1 leads from left to right"):
        flip(image, mask, -1, axis_codes=("H", "P", "R"))
    with pytest.raises(ValueError, match="axis 0 may lead from left to right"):  # nothing is known: any axis might
        flip(image, mask, 0)
    with pytest.raises(ValueError, match="leads from left to right"):  # the picture alone has sides, too
        flip(image[0], None, 1, axis_codes=("F", "L"))


def test_a_mirror_swaps_the_numbers_of_the_sides():
    image, mask = kidneys()
    flipped, labels = flip(image, mask, 2, axis_codes=AXIAL, swap=((1, 2),))
    np.testing.assert_array_equal(flipped, image[:, :, ::-1])
    assert labels.dtype == mask.dtype
    # The right kidney is still on the right, now with the left one's size; the third label keeps its number.
    assert (np.argwhere(labels == 1)[:, 2] < 10).all() and (np.argwhere(labels == 2)[:, 2] >= 10).all()
    assert [(labels == k).sum() for k in range(4)] == [(mask == k).sum() for k in (0, 2, 1, 3)]
    for one, two in zip(flip(flipped, labels, 2, axis_codes=AXIAL, swap=((1, 2),)), (image, mask)):
        np.testing.assert_array_equal(one, two)


def test_a_mirror_of_another_axis_swaps_nothing():
    image, mask = kidneys()
    for axis in (0, 1):
        flipped, labels = flip(image, mask, axis, axis_codes=AXIAL, swap=((1, 2),))
        np.testing.assert_array_equal(flipped, np.flip(image, axis))
        np.testing.assert_array_equal(labels, np.flip(mask, axis))
        np.testing.assert_array_equal(flip(image, mask, axis, axis_codes=AXIAL)[1], np.flip(mask, axis))
    sagittal = ("L", "P", "F")  # the planes lead sideways
    assert flip(image, mask, 2, axis_codes=sagittal)[1] is not None
    with pytest.raises(ValueError, match="axis 0 leads from left to right"):
        flip(image, mask, 0, axis_codes=sagittal)


def test_a_mirror_where_nothing_names_a_side():
    image, mask = kidneys()
    flipped, labels = flip(image, mask, -1, laterality_matters=False)
    np.testing.assert_array_equal(labels, mask[:, :, ::-1])
    assert not np.shares_memory(flipped, image) and not np.shares_memory(labels, mask)
    assert flip(image, None, 0, laterality_matters=False)[1] is None
    with pytest.raises(ValueError, match="swap expects axis_codes"):  # or a mirror from front to back would swap
        flip(image, mask, 1, laterality_matters=False, swap=((1, 2),))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"axis": 3}, "axis expects 0 to 2, got 3"),
        ({"axis": 0, "axis_codes": ("H", "P")}, "axis_codes expects 3 of R, L, A, P, F, H"),
        ({"axis": 0, "axis_codes": "XYZ"}, "axis_codes expects 3"),
        ({"axis": 2, "axis_codes": AXIAL, "swap": ((1, 2), (2, 3))}, "swap expects pairs of label numbers, each"),
        ({"axis": 2, "axis_codes": AXIAL, "swap": ((1, 2, 3),)}, "swap expects pairs"),
        ({"axis": 2, "axis_codes": AXIAL, "swap": ((1, 1),)}, "swap expects pairs"),
    ],
)
def test_flip_refuses(options, message):
    with pytest.raises(ValueError, match=message):
        flip(*kidneys(), **options)


def test_masks_that_are_none():
    image, mask = pair()
    for call in (lambda m: flip(image, m, 0, laterality_matters=False), lambda m: move(image, m)):
        for wrong in (mask[:-1], mask.astype(float)):
            with pytest.raises(ValueError, match="mask expects whole numbers or booleans of the image's shape"):
                call(wrong)
    with pytest.raises(ValueError, match="image expects 2 or 3 axes"):
        move(np.zeros(4), None)


def test_nothing_asked_for_changes_nothing():
    for shape in ((16, 17), (5, 6, 7), (1, 9)):
        image, mask = pair(shape)
        for displacement in (None, np.zeros((len(shape), *shape))):
            moved, labels = move(image, mask, spacing_mm=0.7, displacement_mm=displacement)
            np.testing.assert_allclose(moved, image, atol=1e-4)
            np.testing.assert_array_equal(labels, mask)


def test_shifts_are_in_millimetres_and_forward():
    image, mask = pair((12, 15))
    moved, labels = move(image, mask, spacing_mm=(2.0, 0.5), shift_mm=(4.0, -1.5), fill=-9)
    np.testing.assert_allclose(moved[2:, :-3], image[:-2, 3:], atol=1e-4)
    np.testing.assert_array_equal(labels[2:, :-3], mask[:-2, 3:])
    assert (moved[:2] == -9).all() and (moved[:, -3:] == -9).all() and not labels[:2].any()
    edged, edge_labels = move(image, mask, spacing_mm=(2.0, 0.5), shift_mm=(4.0, 0))
    np.testing.assert_allclose(edged[:2], np.broadcast_to(image[0], (2, 15)), atol=1e-4)
    np.testing.assert_array_equal(edge_labels[:2], np.broadcast_to(mask[0], (2, 15)))


def test_quarter_turns_are_those_of_numpy():
    image, mask = pair()
    moved, labels = move(image, mask, rotation_rad=np.pi / 2)
    np.testing.assert_allclose(moved, np.rot90(image), atol=1e-3)  # from the first axis to the second
    np.testing.assert_array_equal(labels, np.rot90(mask))
    cube, cube_mask = pair((8, 8, 8))
    for axis, plane in enumerate(((1, 2), (2, 0), (0, 1))):
        angles = np.zeros(3)
        angles[axis] = np.pi / 2
        moved, labels = move(cube, cube_mask, rotation_rad=angles)
        np.testing.assert_allclose(moved, np.rot90(cube, axes=plane), atol=1e-3)
        np.testing.assert_array_equal(labels, np.rot90(cube_mask, axes=plane))
    np.testing.assert_allclose(move(cube, None, rotation_rad=0.3)[0], move(cube, None, rotation_rad=(0.3, 0, 0))[0])


def test_three_turns_follow_one_another():
    """R = R_plane R_row R_column: a point on a known place goes where the matrices say."""
    angles = np.array([0.4, -0.3, 0.6])
    c, s = np.cos(angles), np.sin(angles)
    about_plane = np.array([[1, 0, 0], [0, c[0], -s[0]], [0, s[0], c[0]]])
    about_row = np.array([[c[1], 0, s[1]], [0, 1, 0], [-s[1], 0, c[1]]])
    about_column = np.array([[c[2], -s[2], 0], [s[2], c[2], 0], [0, 0, 1]])
    blob = np.zeros((41, 41, 41))
    start = np.array([6.0, -8.0, 9.0])
    blob[tuple((start + 20).astype(int))] = 1
    moved, _ = move(ndimage.gaussian_filter(blob, 1.5), None, rotation_rad=angles)
    found = np.array(ndimage.center_of_mass(moved)) - 20
    np.testing.assert_allclose(found, about_plane @ about_row @ about_column @ start, atol=0.02)


def test_a_body_is_turned_and_not_its_array():
    """An ellipse of 20 by 10 mm on pixels of 1 by 2 mm, turned by 90 degrees, is one of 10 by 20 mm."""
    row, column = np.ogrid[-40:41, -20:21]
    ellipse = (row / 20) ** 2 + (column * 2 / 10) ** 2 <= 1
    image = ndimage.gaussian_filter(ellipse.astype(float), 0.5)
    _, mask = move(image, ellipse, spacing_mm=(1.0, 2.0), rotation_rad=np.pi / 2)
    expected = (row / 10) ** 2 + (column * 2 / 20) ** 2 <= 1
    assert 2 * (mask & expected).sum() / (mask.sum() + expected.sum()) > 0.95  # whole pixels of 2 mm
    assert mask.dtype == np.bool_


@pytest.mark.parametrize("scale", [0.83, 1.27])
def test_a_ball_grows_by_the_cube_of_the_scale(scale):
    axes = np.meshgrid(*[np.arange(-24, 25) * step for step in (2.0, 1.0, 1.0)], indexing="ij", sparse=True)
    ball = sum(axis**2 for axis in axes) < 15**2
    moved, mask = move(ball.astype(np.float32), ball, spacing_mm=(2.0, 1.0, 1.0), scale=scale, shift_mm=(2.0, 1, -1))
    assert mask.sum() / ball.sum() == pytest.approx(scale**3, rel=0.035)
    np.testing.assert_allclose(np.array(ndimage.center_of_mass(mask)) - 24, (1, 1, -1), atol=0.05)
    assert moved.min() >= 0 and moved.max() <= 1


def test_image_and_mask_stay_together():
    """What is bright is still what is labelled, whatever the map."""
    random = np.random.default_rng(0)
    image = ndimage.gaussian_filter(random.standard_normal((20, 60, 50)), 4)
    bent = elastic_displacement(image.shape, 2.0, 12.0, random, (2, 1, 1))
    moved, mask = move(
        image, image > 0, spacing_mm=(2, 1, 1), rotation_rad=(0.3, 0.1, -0.1), scale=1.1, shift_mm=(3, -4, 2),
        displacement_mm=bent,
    )  # fmt: skip
    assert ((moved > 0) == mask).mean() > 0.97 and ((image > 0) == mask).mean() < 0.75


def test_a_uniform_displacement_is_a_shift_the_other_way():
    image, mask = pair((12, 15))
    bent = np.zeros((2, 12, 15))
    bent[0] = 4.0  # each place looks 4 mm further down
    for one, other in zip(
        move(image, mask, spacing_mm=(2, 1), displacement_mm=bent),
        move(image, mask, spacing_mm=(2, 1), shift_mm=(-4, 0)),
    ):
        np.testing.assert_allclose(one, other, atol=1e-4)


@pytest.mark.parametrize("dtype", ["u1", "i2", "i8", "?"])
def test_no_new_labels_and_the_dtype_stays(dtype):
    mask = np.random.default_rng(0).choice([0, 1, 5, 120], (9, 14, 11)).astype(dtype)[:, ::-1]
    mask.flags.writeable = False
    before = mask.copy()
    for options in ({}, {"displacement_mm": np.full((3, 9, 14, 11), 0.3)}):
        for fill in (None, -1000.0):
            image, labels = move(mask.astype("i2"), mask, rotation_rad=0.3, scale=0.7, fill=fill, **options)
            assert labels.dtype == np.dtype(dtype) and set(np.unique(labels)) <= set(np.unique(mask)) | {0}
            assert image.dtype == np.float32
    np.testing.assert_array_equal(mask, before)


def test_displacement_has_its_amplitude_and_smoothness():
    field = elastic_displacement((400, 500), 3.0, 15.0, np.random.default_rng(0), (1.0, 0.5))
    assert field.shape == (2, 400, 500) and field.dtype == np.float32
    assert field.std() == pytest.approx(3, rel=0.1) and abs(field.mean()) < 0.5
    slopes = np.gradient(field[0], 1.0, 0.5)  # in mm per mm: amplitude / (sqrt(2) smoothness) along both axes
    for slope in slopes:
        assert slope.std() == pytest.approx(3 / (np.sqrt(2) * 15), rel=0.1)
    assert abs(np.corrcoef(field[0].ravel(), field[1].ravel())[0, 1]) < 0.25


def test_the_strongest_displacement_does_not_fold():
    for seed in range(5):
        field = elastic_displacement((32, 64, 64), 2.0, 8.0, np.random.default_rng(seed), (2.0, 1.0, 1.0))
        slopes = np.stack([np.stack(np.gradient(part, 2.0, 1.0, 1.0)) for part in field])
        jacobian = np.linalg.det(np.moveaxis(slopes, (0, 1), (-2, -1)) + np.eye(3))
        assert jacobian.min() > 0


def test_displacement_at_the_ends():
    generator = np.random.default_rng(0)
    assert not elastic_displacement((4, 5), 0, 1, generator).any()
    wide = [elastic_displacement((8, 8), 2.0, 1000.0, np.random.default_rng(seed)) for seed in range(200)]
    assert np.std(wide) == pytest.approx(2, rel=0.1) and np.ptp(wide[0][0]) < 0.01  # the whole image as one


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: move(*pair(), scale=0), "move: scale expects a finite number above 0, got 0"),
        (lambda: move(*pair(), spacing_mm=(1, 0)), "spacing_mm expects 2 positive numbers"),
        (lambda: move(*pair(), shift_mm=(1, 2, 3)), "shift_mm expects 2 finite numbers"),
        (lambda: move(*pair(), shift_mm=np.nan), "shift_mm expects 2 finite numbers"),
        (lambda: move(*pair(), rotation_rad=(1, 2, 3)), "rotation_rad expects one finite angle"),
        (lambda: move(*pair((4, 4, 4)), rotation_rad=(1, 2)), "rotation_rad expects one finite angle"),
        (lambda: move(*pair(), rotation_rad=np.inf), "rotation_rad expects one finite angle"),
        (lambda: move(*pair(), displacement_mm=np.zeros((2, 4, 4))), r"of shape \(2, 16, 16\), got \(2, 4, 4\)"),
        (lambda: elastic_displacement((8, 8), 3, 8, np.random.default_rng(0)), "or the image folds over; got 3 and 8"),
        (lambda: elastic_displacement((8, 8), -1, 8, np.random.default_rng(0)), "amplitude_mm expects"),
        (lambda: elastic_displacement((8, 8), 0, np.nan, np.random.default_rng(0)), "amplitude_mm expects"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(ValueError, match=message):
        call()
