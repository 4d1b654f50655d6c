"""Parallel-beam computed tomography in two dimensions: forward projection, filtered back-projection, and its noise.

A ray of view theta and offset s holds the points with ``x cos(theta) + y sin(theta) = s``; x follows the columns, y the
rows, both from the middle of the image.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "KERNELS",
    "filtered_back_projection",
    "forward_projection",
    "noise_gain",
    "noise_texture",
    "object_response",
    "ramp_filter",
    "variance_map",
]

Floats = NDArray[np.float64]

#: How the ramp falls off: up to which share of the Nyquist frequency a Hann window reaches; None for the bare ramp.
KERNELS: dict[str, float | None] = {"sharp": None, "standard": 1.0, "soft": 0.65}


def forward_projection(image: ArrayLike, angles: ArrayLike, step_mm: float = 1.0) -> NDArray[np.float32]:
    """Line integrals of images, by Joseph's method.

        p(theta, s) = integral of f along the ray

    sampled where the ray crosses each row (or each column, whichever it crosses more steeply), with linear
    interpolation between the two neighbours and the distance between crossings as weight.

    Parameters
    ----------
    image : array_like of shape (rows, columns) or (slices, rows, columns)
        Square; values per mm give integrals without unit. Outside of it there is nothing.
    angles : array_like of shape (views,)
        theta in radians.
    step_mm : float
        Side of a pixel, and the distance between neighbouring rays.

    Returns
    -------
    ndarray of shape (views, bins) or (slices, views, bins), float32
        Offsets ``(k - (bins - 1) / 2) step_mm``; as many bins as the diagonal needs, an odd number.

    References
    ----------
    Joseph, An improved algorithm for reprojecting rays through pixel images, IEEE Trans. Med. Imaging 1 (1982).
    Taught in lesson 02, DICOM and geometry.
    """
    pixels = np.asarray(image, np.float32)
    single = pixels.ndim == 2
    stack = pixels[None] if single else pixels
    if stack.ndim != 3 or stack.shape[1] != stack.shape[2] or stack.size == 0:
        raise ValueError(
            f"forward_projection: image expects shape (n, n) or (slices, n, n), at least one pixel, got {pixels.shape}"
        )
    if not step_mm > 0:
        raise ValueError(f"forward_projection: step_mm expects a positive number, got {step_mm}")
    count, size, _ = stack.shape
    bins = _bins(size)
    theta = np.asarray(angles, np.float64).ravel()
    result = np.empty((len(theta), bins, count), np.float32)
    padded = np.zeros((2, size, size + 2, count), np.float32)  # by rows, and by columns; a border of nothing
    padded[0, :, 1:-1] = stack.transpose(1, 2, 0)
    padded[1, :, 1:-1] = stack.transpose(2, 1, 0)
    flat = padded.reshape(2, size * (size + 2), count)
    along = np.arange(size) - (size - 1) / 2
    offsets = np.arange(bins) - (bins - 1) / 2
    for view, angle in enumerate(theta):
        cosine, sine = np.cos(angle), np.sin(angle)
        turned = int(abs(cosine) < abs(sine))
        if turned:
            cosine, sine = sine, cosine
        place = (offsets[None, :] - along[:, None] * sine) / cosine + (size + 1) / 2
        np.clip(place, 0, size + 0.999, out=place)
        left = place.astype(np.int64)
        part = (place - left).astype(np.float32)[..., None]
        left += np.arange(size)[:, None] * (size + 2)
        line = flat[turned][left]
        line += part * (flat[turned][left + 1] - line)
        result[view] = line.sum(axis=0) * np.float32(step_mm / abs(cosine))
    sinograms = np.ascontiguousarray(result.transpose(2, 0, 1))
    return sinograms[0] if single else sinograms


def ramp_filter(bins: int, step_mm: float, kernel: str = "standard") -> Floats:
    """The filter of back-projection as a frequency response, of length n >= 2 bins, a power of two.

        h(0) = 1 / (4 t²),   h(k) = -1 / (pi k t)² for odd k,   0 for even k;       t = step_mm

    transformed (so that the mean is right, unlike with |f| itself), times a Hann window. ``step_mm`` times it is |f|.

    References
    ----------
    Kak and Slaney, Principles of Computerized Tomographic Imaging (1988), 3.3.3.
    """
    if kernel not in KERNELS:
        raise ValueError(f"ramp_filter: kernel expects one of {', '.join(KERNELS)}, got {kernel!r}")
    length = 1 << int(np.ceil(np.log2(max(2 * bins, 2))))
    k = np.minimum(np.arange(length), length - np.arange(length))
    odd = k % 2 == 1
    impulse = np.zeros(length)
    impulse[0] = 1 / (4 * step_mm**2)
    impulse[odd] = -1 / (np.pi * k[odd] * step_mm) ** 2
    return np.fft.fft(impulse).real * _window(np.abs(np.fft.fftfreq(length)), kernel)


def _window(frequency: Floats, kernel: str) -> Floats:
    """Hann window over cycles per bin, 0.5 being Nyquist."""
    reach = KERNELS[kernel]
    if reach is None:
        return np.ones_like(frequency)
    return np.where(frequency <= reach / 2, 0.5 + 0.5 * np.cos(2 * np.pi * frequency / reach), 0.0)


def filtered_back_projection(
    sinogram: ArrayLike, angles: ArrayLike, step_mm: float, size: int, pixel_mm: float, kernel: str = "standard"
) -> NDArray[np.float32]:
    """The image whose line integrals are given.

        f(x, y) = (pi / views) sum over theta of q(theta, x cos(theta) + y sin(theta)),     q = step_mm (h * p)

    Parameters
    ----------
    sinogram : array_like of shape (views, bins) or (slices, views, bins)
    angles : array_like of shape (views,)
        Equally spaced over half a turn.
    step_mm : float
        Distance between neighbouring bins.
    size, pixel_mm : int, float
        The image is size × size pixels around the axis of rotation.
    kernel : {"sharp", "standard", "soft"}
        Bare ramp; Hann window up to the Nyquist frequency; up to 0.65 of it.

    Returns
    -------
    ndarray of shape (size, size) or (slices, size, size), float32
    """
    data = np.asarray(sinogram, np.float32)
    single = data.ndim == 2
    stack = data[None] if single else data
    theta = np.asarray(angles, np.float64).ravel()
    if stack.ndim != 3 or stack.shape[1] != len(theta) or stack.size == 0:
        raise ValueError(
            f"filtered_back_projection: sinogram expects shape ({len(theta)}, bins) or (slices, {len(theta)}, bins), "
            f"one row per angle, got {data.shape}"
        )
    count, views, bins = stack.shape
    response = ramp_filter(bins, step_mm, kernel)
    filtered = np.fft.ifft(np.fft.fft(stack, len(response), axis=-1) * response, axis=-1).real[..., :bins] * step_mm
    lines = np.zeros((views, bins + 2, count), np.float32)
    lines[:, 1:-1] = filtered.transpose(1, 2, 0)
    return _spread(lines, theta, step_mm, size, pixel_mm, np.pi / views, single)


def variance_map(
    variances: ArrayLike, angles: ArrayLike, step_mm: float, size: int, pixel_mm: float, kernel: str = "standard"
) -> NDArray[np.float32]:
    """Variance of each pixel of `filtered_back_projection`, from the variances of the line integrals.

        var(f) = (pi / views)² sum over theta of var(p) at the pixel's ray, times `noise_gain`

    Exact where the variance changes little over a few bins: the filter is short. Same parameters otherwise.
    """
    data = np.asarray(variances, np.float32)
    single = data.ndim == 2
    stack = data[None] if single else data
    theta = np.asarray(angles, np.float64).ravel()
    lines = np.zeros((len(theta), stack.shape[2] + 2, stack.shape[0]), np.float32)
    lines[:, 1:-1] = stack.transpose(1, 2, 0)
    gain = (np.pi / len(theta)) ** 2 * noise_gain(step_mm, kernel)
    return _spread(lines, theta, step_mm, size, pixel_mm, gain, single)


def noise_gain(step_mm: float, kernel: str = "standard") -> float:
    """Variance of a filtered value, interpolated linearly at a random place, for line integrals of variance 1.

        step_mm² (2/3 sum of h(k)² + 1/3 sum of h(k) h(k + 1))

    With the bare ramp it is (1 / 12 - 1 / (6 pi²)) / step_mm² · … = 0.0387 / step_mm².
    """
    response = ramp_filter(2048, step_mm, kernel)
    power = np.fft.ifft(response**2).real * step_mm**2
    return float(2 / 3 * power[0] + 1 / 3 * power[1])


def object_response(images: ArrayLike, kernel: str = "standard") -> Floats:
    """Images (slices, n, n), blurred as projection and reconstruction on their own grid blur them.

    The response at a frequency is that of the window times that of two linear interpolations, of Joseph's projection
    and of the back-projection: sinc⁴ on average.
    """
    stack = np.asarray(images, np.float64)
    size = stack.shape[-1]
    padded = np.pad(stack, ((0, 0), (8, 8), (8, 8)), mode="edge")
    response = _radial(size + 16, kernel, 2)
    return np.asarray(np.fft.ifft2(np.fft.fft2(padded) * response).real[:, 8:-8, 8:-8])


def noise_texture(random: np.random.Generator, shape: tuple[int, int, int], kernel: str = "standard") -> Floats:
    """Gaussian noise of variance 1 with the spectrum of filtered back-projection: power |f| times the response²."""
    size = shape[-1]
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(size), np.fft.fftfreq(size)))
    amplitude = np.sqrt(frequency) * _radial(size, kernel, 1)
    amplitude /= np.sqrt(np.mean(amplitude**2))
    return np.asarray(np.fft.ifft2(np.fft.fft2(random.standard_normal(shape)) * amplitude).real)


def _radial(size: int, kernel: str, interpolations: int) -> Floats:
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(size), np.fft.fftfreq(size)))
    return np.asarray(_window(frequency, kernel) * np.sinc(frequency) ** (2 * interpolations) * (frequency <= 0.5))


def _spread(
    lines: NDArray[np.float32],
    theta: Floats,
    step_mm: float,
    size: int,
    pixel_mm: float,
    weight: float,
    single: bool,
) -> NDArray[np.float32]:
    """Sum over the views of the lines, interpolated linearly at each pixel's offset; `lines` has a border of zeros."""
    _, width, count = lines.shape
    axis = (np.arange(size) - (size - 1) / 2) * (pixel_mm / step_mm)
    total = np.zeros((size * size, count), np.float32)
    for view, angle in enumerate(theta):
        place = (axis[:, None] * np.sin(angle) + axis[None, :] * np.cos(angle) + (width - 1) / 2).ravel()
        np.clip(place, 0, width - 1.001, out=place)
        left = place.astype(np.int64)
        part = (place - left).astype(np.float32)[:, None]
        line = lines[view]
        slope = np.diff(line, axis=0)
        total += line[left] + part * slope[left]
    image = (total * np.float32(weight)).reshape(size, size, count).transpose(2, 0, 1)
    image = np.ascontiguousarray(image)
    return image[0] if single else image


def _bins(size: int) -> int:
    """Enough for the diagonal; odd, so that one ray passes through the middle."""
    return int(np.ceil(size * np.sqrt(2))) // 2 * 2 + 3
