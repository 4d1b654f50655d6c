"""Sobel and Laplacian: by hand, on ramps and parabolas whose derivatives are known, and against scipy."""

import itertools

import numpy as np
import pytest
from scipy import ndimage

from mediml.imaging.edges import laplacian, sobel

BORDERS = ("reflect", "mirror", "nearest", "wrap", "constant")

#: One pixel, one row, odd and even sides, and volumes; windows larger than an axis among them.
SHAPES = ((1, 1), (1, 9), (8, 1), (23, 18), (1, 6, 7), (7, 12, 10))

SPACING = {2: (0.5, 2.0), 3: (5.0, 0.5, 2.0)}


def image(shape, offset=-700.0, scale=150.0, dtype=np.float32):
    """Noise on a large offset, as HU have."""
    return (np.random.default_rng(0).normal(size=shape) * scale + offset).astype(dtype)


def ball(side, ndim, radius):
    """True within `radius` pixels of the centre."""
    axes = np.meshgrid(*[np.arange(side) - (side - 1) / 2] * ndim, indexing="ij")
    return sum(axis**2 for axis in axes) <= radius**2


def sum_of_window(x, kernel, place):
    """The formula at one place that is far enough from the border."""
    radius = [size // 2 for size in kernel.shape]
    return sum(
        kernel[tap] * float(x[tuple(p + k - r for p, k, r in zip(place, tap, radius))])
        for tap in itertools.product(*map(range, kernel.shape))
    )


def ramp(shape, slopes, spacing):
    """Grows by `slopes` per mm along each axis."""
    return sum(slope * step * index for slope, step, index in zip(slopes, spacing, np.indices(shape)))


def test_sobel_by_hand():
    x = np.zeros((5, 5))
    x[2, 2] = 8
    down, right = sobel(x).components
    # The impulse shows the kernel turned about its centre, for this is correlation.
    np.testing.assert_array_equal(right[1:4, 1:4], [[1, 0, -1], [2, 0, -2], [1, 0, -1]])
    np.testing.assert_array_equal(down[1:4, 1:4], [[1, 2, 1], [0, 0, 0], [-1, -2, -1]])


def test_the_laplacian_by_hand():
    x = np.zeros((5, 5))
    x[2, 2] = 1
    np.testing.assert_array_equal(laplacian(x)[1:4, 1:4], [[0, 1, 0], [1, -4, 1], [0, 1, 0]])
    np.testing.assert_array_equal(laplacian(x, (0.5, 2))[1:4, 1:4], [[0, 4, 0], [0.25, -8.5, 0.25], [0, 4, 0]])
    volume = np.zeros((3, 3, 4))
    volume[1, 1, 1] = 1
    assert laplacian(volume)[1, 1, 1] == -6 and laplacian(volume, (1, 0.5, 2))[1, 1, 1] == -2 - 8 - 0.5


@pytest.mark.parametrize("ndim", [2, 3])
def test_a_ramp_gives_its_slope(ndim):
    slopes, spacing = (3.0, -0.5, 7.0)[:ndim], SPACING[ndim]
    x = ramp((7, 9, 8)[:ndim], slopes, spacing)
    inner = (slice(1, -1),) * ndim
    gradient = sobel(x.astype(np.float32), spacing)
    for axis, slope in enumerate(slopes):
        np.testing.assert_allclose(gradient.components[axis][inner], slope, rtol=1e-5)
        np.testing.assert_allclose(sobel(x).components[axis][inner], slope * spacing[axis], rtol=1e-12)
    length = np.sqrt(np.sum(np.square(slopes)))
    np.testing.assert_allclose(gradient.magnitude[inner], length, rtol=1e-5)
    for axis, slope in enumerate(slopes):
        np.testing.assert_allclose(gradient.direction[axis][inner], slope / length, rtol=1e-5)
    np.testing.assert_allclose(laplacian(x, spacing)[inner], 0, atol=1e-9)


@pytest.mark.parametrize("ndim", [2, 3])
def test_a_parabola_gives_its_curvature(ndim):
    curvatures, spacing = (3.0, -0.5, 7.0)[:ndim], SPACING[ndim]
    place = np.indices((7, 9, 8)[:ndim])
    x = sum(c * (step * index) ** 2 / 2 for c, step, index in zip(curvatures, spacing, place))
    inner = (slice(1, -1),) * ndim
    np.testing.assert_allclose(laplacian(x, spacing)[inner], sum(curvatures), rtol=1e-10)


@pytest.mark.parametrize("mode", BORDERS)
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_equals_scipy(shape, mode):
    x = image(shape)
    exact = x.astype(np.float64)
    outside = 0.0  # scipy.ndimage.sobel pads its own intermediate result; only with 0 that is the formula
    np.testing.assert_allclose(laplacian(x, mode=mode), ndimage.laplace(exact, mode=mode, cval=outside), atol=1e-3)
    for axis, component in enumerate(sobel(x, mode=mode).components):
        expected = ndimage.sobel(exact, axis, mode=mode, cval=outside) / (2 * 4 ** (len(shape) - 1))
        np.testing.assert_allclose(component, expected, atol=6e-4)


def test_a_constant_outside_is_the_whole_kernel_over_the_padded_image():
    x = image((6, 7), dtype=np.float64)
    across = np.outer([0.25, 0.5, 0.25], [-0.5, 0, 0.5])
    padded = np.pad(x, 1, constant_values=-1000.0)
    expected = [[sum_of_window(padded, across, (i + 1, j + 1)) for j in range(7)] for i in range(6)]
    np.testing.assert_allclose(sobel(x, mode="constant", cval=-1000).components[1], expected, atol=1e-9)
    expected = ndimage.laplace(x, mode="constant", cval=-1000)
    np.testing.assert_allclose(laplacian(x, mode="constant", cval=-1000), expected, atol=1e-9)


def test_directions_on_a_disc_point_to_its_centre():
    x = ndimage.gaussian_filter(np.where(ball(61, 2, 20), 100.0, 0.0), 2)
    gradient = sobel(x)
    place = np.indices(x.shape) - 30.0
    rim = gradient.magnitude > 5
    towards = -place / np.hypot(*place).clip(1e-9)
    assert (np.sum(towards * gradient.direction, axis=0)[rim] > 0.99).all()
    np.testing.assert_allclose(np.hypot(*gradient.direction)[rim], 1)
    assert gradient.angle[30, 10] == pytest.approx(0, abs=1e-9)  # on the left rim, to the right
    assert gradient.angle[10, 30] == pytest.approx(np.pi / 2)  # on the upper rim, down
    assert (gradient.direction[:, 0, 0] == 0).all() and gradient.angle[0, 0] == 0


def test_angles_are_for_pictures():
    with pytest.raises(ValueError, match="angle: expects the gradient of a picture"):
        _ = sobel(np.zeros((4, 4, 4))).angle


@pytest.mark.parametrize("mode", BORDERS[:4])
def test_a_constant_has_no_edges_at_all(mode):
    for shape in SHAPES:
        x = np.full(shape, -1000.1, np.float32)
        assert not sobel(x, mode=mode).components.any()
        assert not laplacian(x, mode=mode).any()


def test_dtypes_nan_and_layout():
    x = image((10, 11))
    assert sobel(x).components.dtype == sobel(x).magnitude.dtype == sobel(x).direction.dtype == np.float32
    assert laplacian(x.astype(np.float64)).dtype == sobel(x.astype(np.float64)).magnitude.dtype == np.float64
    whole = np.arange(20, dtype=np.uint8).reshape(4, 5)[:, ::-1]
    assert laplacian(whole).dtype == np.float32
    np.testing.assert_array_equal(sobel(whole).components[1, :, 1:-1], -1)  # no wrap-around of unsigned numbers
    x[4, 5] = np.nan
    for y in (laplacian(x), *sobel(x).components):
        assert np.isnan(y[3:6, 4:7]).sum() == np.isnan(y).sum() == 9


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: sobel(np.zeros(5)), "sobel: image expects shape"),
        (lambda: laplacian(np.zeros((4, 5, 3))), "laplacian: image expects grey values"),
        (
            lambda: sobel(np.zeros((5, 5)), (1.0, -1.0)),
            "sobel: spacing_mm expects 2 positive numbers",
        ),
        (lambda: laplacian(np.zeros((5, 5)), (1.0, 1.0, 1.0)), "laplacian: spacing_mm expects"),
        (lambda: sobel(np.zeros((5, 5)), mode="edge"), "sobel: mode expects one of reflect"),
        (lambda: laplacian(np.zeros((5, 5)), mode="edge"), "laplacian: mode expects one of reflect"),
    ],
)
def test_refusals(call, text):
    with pytest.raises(ValueError, match=text):
        call()
