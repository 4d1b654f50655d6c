"""The body found in pictures whose truth is known."""

import numpy as np
import pytest
from scipy import ndimage

from mediml.imaging import body_mask, otsu_threshold
from mediml.imaging.body import _opened

SPACING = (4.0, 2.0, 2.0)


def thorax(noise_hu=20.0):
    """A chest of known voxels in HU on a table: the whole volume, its body, its table. No voxel touches both."""
    plane, row, column = np.ogrid[-5:5, -64:64, -80:80]
    body = ((row / 40) ** 2 + (column / 60) ** 2 < 1) & (plane > -9)
    lungs = ((row / 25) ** 2 + ((np.abs(column) - 28) / 18) ** 2 < 1) & body
    windpipe = ((row**2 + column**2) < 4**2) & body
    table = np.broadcast_to((row >= 42) & (row < 44) & (np.abs(column) < 75), body.shape)
    hu = np.full(body.shape, -1000.0)
    hu[body], hu[lungs], hu[windpipe], hu[table] = 40, -850, -1000, 100
    hu += np.random.default_rng(0).normal(0, noise_hu, hu.shape)
    return hu.astype(np.float32), body, table


def test_ct_without_table_with_lungs():
    hu, body, table = thorax()
    assert not (body & table).any()
    np.testing.assert_array_equal(body_mask(hu, -500), body)


def test_ct_on_a_table_that_touches_needs_the_opening():
    hu, body, table = thorax()
    bridge = np.zeros(hu.shape, bool)
    bridge[:, 100:108, 79:81] = True  # a fold of cloth, 4 mm thin, from the back to the table
    hu[bridge & ~body] = 0
    joined = body_mask(hu, -500)
    assert (joined & table).any()
    parted = body_mask(hu, -500, opening_mm=4, spacing_mm=SPACING)
    assert not (parted & table).any()
    dice = 2 * (parted & body).sum() / (parted.sum() + body.sum())
    assert dice > 0.995


def test_lungs_stay_outside_where_holes_are_not_filled():
    hu, body, _ = thorax()
    np.testing.assert_array_equal(body_mask(hu, -500, fill_holes=False), body & (hu > -500))


def test_holes_are_filled_in_each_plane_though_the_windpipe_is_open():
    hu = np.full((3, 9, 9), -1000.0)
    hu[:, 1:8, 1:8] = 40
    hu[:, 4, 4] = -1000  # open at the top and the bottom of the stack
    assert body_mask(hu, -500)[:, 4, 4].all()


def test_opening_counts_millimetres():
    x = np.zeros((40, 40))
    x[5:35, 5:35] = 1
    x[20, 35:] = 1  # a line one pixel thick
    thick = body_mask(x, 0.5, opening_mm=0.4, spacing_mm=1)
    assert thick[20, 39]
    assert not body_mask(x, 0.5, opening_mm=1.0, spacing_mm=1)[20, 37:].any()
    assert body_mask(x, 0.5, opening_mm=1.0, spacing_mm=5)[20, 39]
    # Unequal steps: a wall of 2 rows of 1 mm falls to an opening of 2 mm, one of 2 columns of 10 mm stays.
    cross = np.zeros((60, 60))
    cross[10:50, 10:50] = 1
    cross[29:31, 50:] = 1
    cross[50:, 29:31] = 1
    opened = body_mask(cross, 0.5, opening_mm=2, spacing_mm=(1, 10))
    assert not opened[29:31, 51:].any() and opened[55:, 29:31].all()


@pytest.mark.parametrize(
    ("shape", "steps"), [((30, 40), (1.0, 1.0)), ((12, 30, 25), (3.0, 0.7, 1.1)), ((1, 9), (1, 2))]
)
def test_opening_is_that_of_distances(shape, steps):
    random = np.random.default_rng(0)
    body = ndimage.gaussian_filter(random.standard_normal(shape), [1.5 / step for step in steps]) > -0.1
    for radius in (0.5, 1.0, 2.2, 3.0, 4.4, 100.0):
        core = body if body.all() else ndimage.distance_transform_edt(body, steps) > radius * (1 + 1e-6)
        far = np.full(shape, np.inf) if not core.any() else ndimage.distance_transform_edt(~core, steps)
        np.testing.assert_array_equal(_opened(body, radius, steps), far <= radius * (1 + 1e-6))


def test_largest_part_by_voxels_and_what_is_not_finite():
    x = np.zeros((10, 10))
    x[0, :6], x[5:8, 5:8] = 5, 3
    x[6, 6] = np.nan
    x[5, 4] = np.inf
    mask = body_mask(x, 1, fill_holes=False)
    assert mask.sum() == 8 and not mask[6, 6] and not mask[5, 4] and not mask[0].any()


def test_magnitude_mr_head_in_rayleigh_noise():
    """Otsu parts a head of several tissues from the air: Rayleigh noise there, Rice inside (sigma 4)."""
    random, sigma = np.random.default_rng(0), 4
    row, column = np.ogrid[-64:64, -64:64]
    radius = np.hypot(row / 50, column / 42)
    signal = np.select([radius < 0.35, radius < 0.8, radius < 0.9, radius < 1], [40, 100, 15, 120], 0)
    x = np.hypot(signal + random.normal(0, sigma, signal.shape), random.normal(0, sigma, signal.shape))
    mask, truth = body_mask(x.astype(np.float32)), radius < 1
    assert 2 * (mask & truth).sum() / (mask.sum() + truth.sum()) > 0.99


@pytest.mark.parametrize("dtype", [np.int16, np.uint16, np.float64])
def test_dtypes_and_read_only_views(dtype):
    hu, body, _ = thorax(0)
    x = (hu + 1024).astype(dtype)[:, ::-1]
    x.flags.writeable = False
    mask = body_mask(x, 524)
    assert mask.dtype == np.bool_
    np.testing.assert_array_equal(mask, body[:, ::-1])


def test_otsu_by_hand():
    # Bins of width 2.5 over 0 to 10: three values in the first (centre 1.25), one in the last (8.75). Any cut between
    # them parts alike; the first is at the centre of bin 0.
    assert otsu_threshold([0, 0, 0, 10], bins=4) == 1.25
    # w0 w1 (m0 - m1)^2 for counts 2 1 0 3: cut after bin 0: 2·4·(1.25 - (3.75 + 3·8.75)/4)^2 = 312.5,
    # after bin 1: 3·3·((2·1.25 + 3.75)/3 - 8.75)^2 = 400: the centre of bin 1
    assert otsu_threshold([0, 0, 3, 10, 10, 10], bins=4) == 3.75


@pytest.mark.parametrize("shift", [0.0, 1e4])
def test_otsu_equals_scikit_image(shift):
    filters = pytest.importorskip("skimage.filters")
    random = np.random.default_rng(0)
    x = np.concatenate([random.normal(0, 1, 3000), random.normal(6, 2, 1000)]) + shift
    assert otsu_threshold(x) == pytest.approx(filters.threshold_otsu(x), rel=1e-12)
    with_nan = np.append(x, [np.nan, np.inf])
    assert otsu_threshold(with_nan) == otsu_threshold(x)
    assert otsu_threshold(np.append(x, 1e9), mask=np.append(np.ones(4000), 0)) == otsu_threshold(x)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: otsu_threshold(np.ones(5)), "values that differ, got 1 only"),
        (lambda: otsu_threshold(np.arange(5), 1), "bins expects"),
        (lambda: body_mask(np.zeros((4, 4)), -500, opening_mm=-1), "opening_mm expects a finite number"),
        (lambda: body_mask(np.zeros((4, 4)), 0), "a body above 0 that is thicker than"),
        (lambda: body_mask(np.eye(9), 0.5, opening_mm=3), "a body above 0.5 that is thicker than twice opening_mm = 3"),
        (lambda: body_mask(np.zeros(4), -1), "2 or 3 axes"),
        (lambda: body_mask(np.zeros((4, 4, 4)), -1, spacing_mm=(1, 1)), "spacing_mm expects 3 positive numbers"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_one_pixel_and_a_body_that_fills_the_image():
    assert body_mask([[1.0]], 0).all()
    assert body_mask(np.ones((5, 6)), 0, opening_mm=2).all()
