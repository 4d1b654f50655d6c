"""New grids: by hand, by scikit-image, and by the place and size of bodies that are known in millimetres."""

import numpy as np
import pytest
from scipy import ndimage

from mediml.imaging import (
    Image,
    Volume,
    resample,
    resample_image,
    resample_mask,
    resample_volume,
    resize,
    resize_mask,
)

DIRECTIONS = ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0))
TILTED = ((0.0, 0.6, 0.8), (0.0, 0.8, -0.6), (-1.0, 0.0, 0.0))


def picture(shape=(64, 80), seed=0, dtype=np.float32):
    return np.random.default_rng(seed).uniform(-1000, 1000, shape).astype(dtype)


def volume(values, spacing=(3.0, 1.0, 1.5), directions=DIRECTIONS, **more):
    return Volume(
        stored=values, values=values, spacing_mm=spacing, directions=directions, origin_mm=(-30.0, 12.0, 7.0), **more
    )


def sphere(spacing, shape, centre_mm, radius_mm, finer=4):
    """Share of each voxel that lies in a sphere about `centre_mm`, from the corner of the grid, by points within it."""
    axes = [(np.arange(n * finer) + 0.5) * step / finer - centre for n, step, centre in zip(shape, spacing, centre_mm)]
    inside = (axes[0] ** 2)[:, None, None] + (axes[1] ** 2)[:, None] + axes[2] ** 2 < radius_mm**2
    blocks = inside.reshape(shape[0], finer, shape[1], finer, shape[2], finer)
    return blocks.mean((1, 3, 5)).astype(np.float32)


def centre_of_mass(found):
    """In the patient, in mm."""
    return (found.affine @ (*ndimage.center_of_mass(found.values.astype(float)), 1))[:3]


@pytest.mark.parametrize("order", [0, 1, 3])
@pytest.mark.parametrize("shape", [(31, 57), (128, 91), (64, 80), (20, 200), (1, 1)])
@pytest.mark.parametrize("anti_alias", [True, False])
def test_resizing_equals_scikit_image(shape, order, anti_alias):
    transform = pytest.importorskip("skimage.transform")
    x = picture()
    options = {"mode": "edge", "clip": False, "preserve_range": True, "anti_aliasing": anti_alias}
    expected = transform.resize(x, shape, order, **options)
    found = resize(x, shape, order, anti_alias)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=2e-4)  # of 1000: float32


def test_resizing_a_volume_and_colours():
    transform = pytest.importorskip("skimage.transform")
    x = picture((9, 20, 14), dtype=np.float64)
    np.testing.assert_allclose(resize(x, (5, 31, 14)), transform.resize(x, (5, 31, 14), 1, mode="edge"), atol=1e-9)
    colours = picture((20, 14, 3))
    found = resize(colours, (9, 30))
    assert found.shape == (9, 30, 3)
    for c in range(3):
        np.testing.assert_array_equal(found[..., c], resize(colours[..., c], (9, 30)))


def test_linear_by_hand():
    # Two pixels to four: new centres at -1/4, 1/4, 3/4, 5/4 of the old steps; beyond the edge its value.
    np.testing.assert_allclose(resize([[0.0, 4]], (1, 4)), [[0, 1, 3, 4]])
    # Four to two without smoothing: centres at 1/2 and 5/2.
    np.testing.assert_allclose(resize([[0.0, 2, 6, 8]], (1, 2), anti_alias=False), [[1, 7]])


def test_smoothing_by_hand():
    # Halving: sigma = (2 - 1) / 2 pixels, cut off at 4 sigma = 2 pixels.
    weights = np.exp(-(np.arange(-2, 3) ** 2) / (2 * 0.5**2))
    weights /= weights.sum()
    x = np.zeros((1, 12))
    x[0, 5] = 1
    smoothed = np.zeros(12)
    smoothed[3:8] = weights
    np.testing.assert_allclose(resize(x, (1, 6))[0], (smoothed[::2] + smoothed[1::2]) / 2, atol=1e-12)


@pytest.mark.parametrize("order", [0, 1, 3])
def test_a_uniform_disc_stays_as_bright_and_a_ramp_stays_a_ramp(order):
    np.testing.assert_allclose(resize(np.full((50, 40), 37.5), (17, 90), order), 37.5)
    ramp = np.arange(100.0)[None]  # value = index: the new one is the old index of each centre
    if order > 0:
        inner = slice(3, -3)
        found = resize(ramp, (1, 40), order)[0, inner]
        np.testing.assert_allclose(found, ((np.arange(40) + 0.5) * 2.5 - 0.5)[inner], atol=2e-3 if order == 3 else 1e-9)


def test_fine_stripes_do_not_come_back_as_coarse_ones():
    """A wave of 2.2 pixels on a grid of every 5th cannot be shown: it has to vanish, not to fold."""
    wave = np.sin(2 * np.pi * np.arange(400) / 2.2)[None]
    assert resize(wave, (1, 80), anti_alias=False).std() > 0.7
    assert resize(wave, (1, 80))[0, 2:-2].std() < 0.001


def test_noise_is_averaged_as_its_filter_says():
    """White noise of sigma 20 HU, halved in each direction: the weights' squares add up."""
    x = np.random.default_rng(0).normal(0, 20, (400, 400))
    taps = np.exp(-(np.arange(-2, 3) ** 2) / 0.5)
    taps = np.convolve(taps / taps.sum(), [0.5, 0.5])
    assert resample(x, (1, 1), 2).std() == pytest.approx(20 * (taps**2).sum(), rel=0.02)


def test_spacing_is_what_was_asked_for_and_the_middle_stays():
    assert resample(picture((64, 80)), (0.5, 0.25), (1, 1)).shape == (32, 20)
    assert resample(picture((10, 10)), (1, 1), 0.7).shape == (14, 14)  # 14.28
    assert resample(picture((10, 10)), (1, 1), 100).shape == (1, 1)
    assert resample(picture((3, 3)), (0.7, 0.7), 0.6).shape == (4, 4)  # 3.5 is rounded up
    # 10 pixels of 1 mm to 3 of 4 mm: the centres lie at the middle -4, 0, +4 mm, old index 4.5 - 4, 4.5, 4.5 + 4.
    ramp = np.tile(np.arange(10.0), (2, 1))
    np.testing.assert_allclose(resample(ramp, (1, 1), (1, 4), anti_alias=False)[0], [0.5, 4.5, 8.5])


def test_where_the_extent_divides_it_is_resizing():
    np.testing.assert_array_equal(resample(picture(), (1, 2), (2, 5)), resize(picture(), (32, 32)))


def test_the_trap_of_zoom():
    """What the module says of scipy: a bar's width changes by (n - 1) / n · m / (m - 1)."""
    x = np.zeros((1, 10))
    x[0, 4:6] = 1  # in the middle, 2 mm wide
    ours = resample(x, (1, 1), (1, 0.25))
    assert ours.shape == (1, 40) and ours.sum() * 0.25 == pytest.approx(2)
    zoomed = ndimage.zoom(x, (1, 4), order=1)
    assert zoomed.sum() * 0.25 == pytest.approx(2 * 39 / 40 * 10 / 9, abs=0.02) and zoomed.sum() * 0.25 > 2.1


@pytest.mark.parametrize("directions", [DIRECTIONS, TILTED])
@pytest.mark.parametrize("spacing", [1.0, (2.0, 2.0, 2.0), (4.5, 0.7, 1.1), (3.0, 1.0, 1.5)])
def test_a_sphere_stays_in_its_place_and_keeps_its_volume(spacing, directions):
    old = volume(sphere((3, 1, 1.5), (21, 60, 41), (32.1, 27.3, 31.8), 15), directions=directions)
    new = resample_volume(old, spacing)
    assert new.spacing_mm == pytest.approx(np.broadcast_to(spacing, 3)) and new.directions == old.directions
    moved = np.abs(np.linalg.solve(old.affine[:3, :3], centre_of_mass(new) - centre_of_mass(old)))
    assert (moved < 0.05).all()
    before, after = (found.values.sum(dtype=float) * np.prod(found.spacing_mm) for found in (old, new))
    assert before == pytest.approx(4 / 3 * np.pi * 15**3, rel=5e-3) and after == pytest.approx(before, rel=5e-3)


@pytest.mark.parametrize("spacing", [(1.0, 1.0, 1.0), (2.0, 2.0, 2.0), (4.5, 0.7, 1.1)])
def test_masks_of_spheres_keep_their_place_and_volume(spacing):
    """Whole voxels round each sphere's place by some hundredths; over several spheres no drift may be left."""
    drifts, steps = [], np.array([3, 1, 1.5])
    for centre in ((32.1, 27.3, 31.8), (31.2, 28.6, 30.4), (33.3, 26.1, 31.1), (30.7, 27.8, 32.6), (32.5, 28.1, 29.9)):
        old = (sphere(steps, (21, 60, 41), centre, 15) >= 0.5).astype(np.uint8)
        new = resample_mask(old, steps, spacing)
        assert new.dtype == np.uint8 and new.sum() * np.prod(spacing) == pytest.approx(old.sum() * 4.5, rel=0.03)
        (before, after) = (
            (np.array(ndimage.center_of_mass(mask)) - (np.array(mask.shape) - 1) / 2) * step
            for mask, step in ((old, steps), (new, np.array(spacing)))
        )
        drifts.append((after - before) / spacing)
    assert np.abs(np.mean(drifts, 0)).max() < 0.05 and np.abs(drifts).max() < 0.15


def test_each_voxel_is_where_it_was():
    """Values that are their own place: x, y and z of the patient, linear and so exact within the old centres."""
    shape, more = (12, 20, 16), {"directions": TILTED}
    places = np.einsum("ab,bijk->aijk", volume(np.zeros(shape), **more).affine[:3, :3], np.indices(shape))
    for axis in range(3):
        old = volume(places[axis] + volume(np.zeros(shape), **more).origin_mm[axis], **more)
        new = resample_volume(old, (2.0, 1.3, 1.0))
        index = np.indices(new.shape).reshape(3, -1)
        expected = (new.affine @ np.vstack([index, np.ones(index.shape[1])]))[axis].reshape(new.shape)
        inner = (slice(2, -2),) * 3  # smoothing along an axis that got coarser bends the ends
        np.testing.assert_allclose(new.values[inner], expected[inner], atol=1e-2)


def test_mask_by_hand_and_labels_are_names():
    # 1 beside 3: by numbers a 2 would come between them.
    mask = np.array([[1, 1, 1, 1, 3, 3, 3, 3]], np.int16)
    for order in (0, 1):
        finer = resample_mask(mask, (1, 1), (1, 0.25), order)
        np.testing.assert_array_equal(finer, [[1] * 16 + [3] * 16])
        assert finer.dtype == np.int16
    np.testing.assert_array_equal(resize_mask(mask, (1, 4)), [[1, 1, 3, 3]])
    np.testing.assert_array_equal(resize_mask(mask, (1, 4), 0), [[1, 1, 3, 3]])
    np.testing.assert_array_equal(resize_mask(np.array([[True, False]]), (1, 4)), [[True, True, False, False]])
    for even in ([[2, 5]], [[5, 2]]):  # equal shares: the lower label, on whichever side it lies
        np.testing.assert_array_equal(resize_mask(even, (1, 1)), [[2]])
    # Lines of one pixel in the middle of new pixels of three: the nearest voxel, but a third of what is there.
    lines = np.tile([0, 1, 0], 4)[None]
    assert resize_mask(lines, (1, 4), 0).all() and not resize_mask(lines, (1, 4)).any()


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int64, bool])
def test_no_new_labels_ever(order, dtype):
    mask = np.random.default_rng(0).choice([0, 1, 7, 200], (9, 15, 12)).astype(dtype)
    for shape in ((5, 31, 7), (18, 15, 40)):
        found = resize_mask(mask, shape, order)
        assert found.dtype == dtype and found.shape == shape and set(np.unique(found)) <= set(np.unique(mask))


def test_masks_and_images_stay_together():
    """The border of a mask follows the half-way value of its image on every grid."""
    smooth = ndimage.gaussian_filter(np.random.default_rng(1).standard_normal((60, 90)), 5)
    for spacing in (0.4, 1.0, 1.7):
        image, mask = resample(smooth, (1, 1), spacing), resample_mask(smooth > 0, (1, 1), spacing)
        assert ((image > 0) == mask).mean() > 0.98


def test_padding_does_not_leak():
    values = np.full((6, 40, 40), 50, np.float32)
    padding = np.zeros(values.shape, bool)
    padding[:, :, :10] = True
    values[padding] = -2000
    old = volume(values, padding=padding)
    for spacing, order in ((1.0, 1), (2.2, 1), (1.0, 3)):
        new = resample_volume(old, spacing, order)
        assert set(np.unique(new.values.round(3))) == {-2000, 50}
        np.testing.assert_array_equal(new.values == -2000, new.padding)
        assert new.padding.mean() == pytest.approx(0.25, abs=0.03) and new.stored is new.values
    whole = resample_volume(volume(values, padding=np.ones(values.shape, bool)), 1.0)
    assert whole.padding.all() and whole.padding.shape == whole.shape
    assert resample_volume(volume(values), 1.0).padding is None


def test_an_image_keeps_its_place():
    values = picture((20, 30))
    image = Image(
        values, values, spacing_mm=(1.0, 2.0), aspect=0.5, orientation=(0, 1, 0, 0, 0, -1), origin_mm=(5.0, 6.0, 7.0)
    )
    new = resample_image(image, (2.0, 1.0))
    np.testing.assert_array_equal(new.values, resample(values, (1, 2), (2, 1)))
    assert new.spacing_mm == (2, 1) and new.aspect == 2 and new.size_mm == image.size_mm
    # The first centre: half a millimetre further along the rows' direction (down: -z), half a one back across (+y).
    assert new.origin_mm == pytest.approx((5, 6 - 0.5, 7 - 0.5))
    as_volume = volume(values[None], (5.0, 1.0, 2.0), ((1, 0, 0), (0, 0, -1), (0, 1, 0)))
    plane = resample_volume(as_volume, (5.0, 2.0, 1.0)).plane(0)
    lone = resample_image(as_volume.plane(0), (2.0, 1.0))
    assert plane.origin_mm == pytest.approx(lone.origin_mm) and plane.spacing_mm == lone.spacing_mm
    unplaced = resample_image(Image(values, values, spacing_mm=(1.0, 1.0), origin_mm=(1.0, 2.0, 3.0)), 2.0)
    assert unplaced.origin_mm is None and unplaced.shape == (10, 15)
    with pytest.raises(ValueError, match="resample_image: image expects a known spacing_mm"):
        resample_image(Image(values, values), 1.0)


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32, np.float64])
def test_dtypes_range_and_read_only_views(dtype):
    x = picture(dtype=np.float64).clip(0, 200).astype(dtype)[::2, ::-1]
    x.flags.writeable = False
    before = x.copy()
    for order in (0, 1):
        y = resize(x, (50, 13), order)
        assert y.dtype == (np.float64 if dtype == np.float64 else np.float32)
        assert x.min() <= y.min() and y.max() <= x.max() + 1e-3
        np.testing.assert_array_equal(y, resize(np.ascontiguousarray(x), (50, 13), order))
    np.testing.assert_array_equal(x, before)
    same = resize(x, x.shape)
    np.testing.assert_array_equal(same, x)
    assert not np.shares_memory(same, x)


@pytest.mark.parametrize("order", [0, 1, 3])
def test_the_same_grid_gives_the_same_bits(order):
    x = picture()
    if order < 3:
        x[2, 2], x[3, 3] = np.nan, np.inf
    for again in (resize(x, x.shape, order), resample(x, (0.7, 1.3), (0.7, 1.3), order)):
        np.testing.assert_array_equal(again, x)
        assert again is not x and not np.shares_memory(again, x)


def test_nan_spreads_to_where_it_has_a_part_and_no_further():
    x = np.zeros((1, 20))
    x[0, 10] = np.nan
    np.testing.assert_array_equal(np.flatnonzero(np.isnan(resize(x, (1, 40))[0])), [19, 20, 21, 22])
    with pytest.raises(ValueError, match="finite values for a cubic spline"):
        resize(x, (1, 40), 3)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: resize(picture(), (3,)), "expects 2 or 3 axes"),
        (lambda: resize(picture(), (3, 3, 3)), "expects 2 or 3 axes"),
        (lambda: resize(picture((4, 4, 4)), (3, 3)), "expects 2 or 3 axes"),
        (lambda: resize(picture(), (0, 3)), "shape expects 2 whole numbers of at least 1"),
        (lambda: resize(picture(), (2.5, 3)), "shape expects 2 whole numbers"),
        (lambda: resize(picture(), (3, 3), 2), "order expects one of 0, 1 and 3, got 2"),
        (lambda: resize(np.zeros((0, 3)), (3, 3)), "at least 1 pixel"),
        (lambda: resample(picture(), (1, 1), (1, 0)), "resample: new spacing expects 2 positive numbers"),
        (lambda: resample(picture(), (1, -1), 1), "resample: spacing_mm expects 2 positive numbers"),
        (lambda: resample(picture(), (1, 1), (1, 1, 1)), "new spacing expects 2 positive numbers"),
        (lambda: resample_mask(picture(), (1, 1), 1), "mask expects whole numbers or booleans, got dtype float32"),
        (lambda: resize_mask(np.zeros((4, 4), int), (2, 2), 3), "order expects 0 or 1 for labels, got 3"),
        (lambda: resize_mask(np.zeros((4, 4), int), (2,)), "mask expects 1 axes"),
        (lambda: resample_mask(np.zeros((0, 4), int), (1, 1), 1), "at least one voxel"),
    ],
)
def test_refusals(call, message):
    with pytest.raises(ValueError, match=message):
        call()
