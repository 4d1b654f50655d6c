"""Interpolation as formula and plain loops: what a learner reads, what every test trusts. Taught in lesson 14."""

import numpy as np

from kernels.jit import kernel
from kernels.memory import empty, readable, zeros
from kernels.upsampling import shapes

__all__ = ["interpolate_backward_x", "interpolate_forward"]


def interpolate_forward(x, sizes, mode, align_corners, scales, antialias):
    """Each new pixel is a weighted mean of the old pixels around its place.

        y[n, c, d, h, w] = sum over t_d, t_h, t_w of
            weight_d[t_d] * weight_h[t_h] * weight_w[t_w] * x[n, c, source_d[t_d], source_h[t_h], source_w[t_w]]

        t_w from begin_w[w] to begin_w[w + 1] - 1; likewise t_d, t_h; with one or two axes the others are missing.

    Where new pixel i lies along an axis of the old picture, and its neighbours:

        corners aligned     place = i (W_in - 1) / (W_out - 1)         the centres of the corner pixels stay in place
        edges aligned       place = (i + 1/2) step - 1/2               half a pixel lies before the first centre
                            step = 1 / scale, or W_in / W_out without a scale

        nearest             floor(i step)                              counts pixels from their left edge
        nearest-exact       floor((i + 1/2) step)                      from their centre, as other libraries do
        linear              j = floor(max(place, 0)), t = place - j:   (1 - t) x[j] + t x[j + 1]
        cubic               j = floor(place), t = place - j:           sum of k(t - m) x[j + m], m = -1, 0, 1, 2

        k(d) = (A + 2) |d|^3 - (A + 3) |d|^2 + 1                       |d| <= 1, A = -3/4
               A |d|^3 - 5 A |d|^2 + 8 A |d| - 4 A                     1 < |d| < 2

    Neighbours outside count as the pixel at the edge. A cubic's weights are negative on either side: it sharpens, and
    overshoots.

    With antialias a picture that shrinks is smoothed as much: new pixel i is the mean of all pixels j with weights
    f((j + 1/2 - (i + 1/2) step) / max(step, 1)) divided by their sum, f(d) = 1 - |d| (linear), k(d) with A = -1/2
    (cubic), or sin(pi d) / (pi d) * sin(pi d / 3) / (pi d / 3) for |d| < 3 (lanczos).

    Parameters
    ----------
    x : ndarray of shape (N, C, W_in), (N, C, H_in, W_in) or (N, C, D_in, H_in, W_in), float32 or float64
    sizes : tuple of int
        Sizes of the new axes.
    mode : str
        ``"nearest"``, ``"nearest-exact"``, ``"linear"``, ``"cubic"``, ``"lanczos"`` (antialiased only).
    align_corners : bool
        For linear and cubic.
    scales : tuple of (float or None)
        For each axis the scale that places are computed with; None: that of the sizes.
    antialias : bool
        For linear, cubic and lanczos.

    Returns
    -------
    ndarray of shape (N, C, *sizes), dtype of `x`

    Raises
    ------
    TypeError, ValueError
        What `kernels.upsampling.shapes.forward` refuses.

    Notes
    -----
    Accumulates in float64. Places are computed in the dtype of `x`, as in torch, so that both round to the same pixel.

    See Also
    --------
    mediml.nn.Upsample : the layer.

    References
    ----------
    R. G. Keys, "Cubic convolution interpolation for digital image processing", IEEE Trans. ASSP 29(6), 1981.
    """
    y = empty(shapes.forward("interpolate", x, sizes, mode, align_corners, scales, antialias), np.float64)
    tables = _tables(x.shape, sizes, mode, align_corners, scales, antialias, x.dtype)
    _forward(_volumes(readable(x)), *tables, _volumes(y))
    return y.astype(x.dtype)


def interpolate_backward_x(grad_y, x_shape, mode, align_corners, scales, antialias):
    """Gradient for `x`: each new pixel sends its gradient to the old pixels it was made of, with the same weights.

    `x_shape` is the shape of x; the other parameters are as in `interpolate_forward`. Sums are float64.
    """
    shapes.backward_x("interpolate", grad_y, x_shape, mode, align_corners, scales, antialias)
    grad_x = zeros(x_shape, np.float64)
    tables = _tables(x_shape, grad_y.shape[2:], mode, align_corners, scales, antialias, grad_y.dtype)
    _backward_x(_volumes(readable(grad_y)), *tables, _volumes(grad_x))
    return grad_x.astype(grad_y.dtype)


def _tables(x_shape, sizes, mode, align_corners, scales, antialias, dtype):
    """begin, source and weight of depth, height and width; an axis that is missing shows its one pixel."""
    missing = (np.array([0, 1]), np.array([0]), np.array([1.0]))
    tables = [missing] * (3 - len(sizes))
    for size_in, size_out, scale in zip(x_shape[2:], sizes, scales):
        tables.append(shapes.axis_table(size_in, size_out, mode, bool(align_corners), scale, bool(antialias), dtype))
    return [array for table in tables for array in table]


def _volumes(array):
    """Batch and channels as one axis, and three axes of space."""
    space = array.shape[2:]
    return array.reshape(array.shape[0] * array.shape[1], *(1,) * (3 - len(space)), *space)


@kernel
def _forward(x, begin_d, source_d, weight_d, begin_h, source_h, weight_h, begin_w, source_w, weight_w, y):
    for n, d, h, w in np.ndindex(y.shape):
        acc = 0.0
        for t_d in range(begin_d[d], begin_d[d + 1]):
            for t_h in range(begin_h[h], begin_h[h + 1]):
                for t_w in range(begin_w[w], begin_w[w + 1]):
                    weight = weight_d[t_d] * weight_h[t_h] * weight_w[t_w]
                    acc += weight * x[n, source_d[t_d], source_h[t_h], source_w[t_w]]
        y[n, d, h, w] = acc


@kernel
def _backward_x(grad_y, begin_d, source_d, weight_d, begin_h, source_h, weight_h, begin_w, source_w, weight_w, grad_x):
    for n, d, h, w in np.ndindex(grad_y.shape):
        for t_d in range(begin_d[d], begin_d[d + 1]):
            for t_h in range(begin_h[h], begin_h[h + 1]):
                for t_w in range(begin_w[w], begin_w[w + 1]):
                    weight = weight_d[t_d] * weight_h[t_h] * weight_w[t_w]
                    grad_x[n, source_d[t_d], source_h[t_h], source_w[t_w]] += weight * grad_y[n, d, h, w]
