"""The sums of a convolution on the device: what the kernels of a convolution and of its transpose have in common.

The same three sums as in ``kernels/convolution.py``, on device arrays:

    sum                                                      convolution        transposed convolution
    gather   coarse  = bias + sum of weight * fine           forward            backward_x
    spread   fine    = bias + sum of weight * coarse         backward_x         forward
    relate   weights = sum of coarse * fine                  backward_weight    backward_weight

where ``fine[place * stride - padding + k * dilation]`` is tap k of ``coarse[place]``. `fine` is (N, C_fine, ...),
`coarse` (N, C_coarse, ...), the weights (C_coarse, C_fine / groups, ...); the spatial axes are one to three, and
tuples of the geometry have an int for each. Nothing is checked: the caller has done so. The target array, which is
C-contiguous, is written completely.

``convolution_direct.py`` has each sum as its formula, one thread for one element; ``convolution_tiled.py`` as a matrix
product with tiles in shared memory, for all but small ones (`tile_for` decides). To see both side by side, here for a
forward pass without bias:

    x, weight, y = (array[:, :, None] for array in (x, weight, y))          pictures as volumes of depth 1
    geometry = (1, 1, 1), (0, 1, 1), (1, 1, 1), 1                           stride, padding, dilation, groups
    gather_direct(x, weight, empty(0, x.dtype), y, *geometry)
    gather_tiled(x, weight, empty(0, x.dtype), y, *geometry)
"""

import math

from kernels.gpu.convolution_direct import gather_direct, relate_direct, spread_direct, sum_channels_direct
from kernels.gpu.convolution_tiled import gather_tiled, relate_tiled, spread_tiled
from kernels.gpu.memory import empty, readable

__all__ = ["gather", "relate", "spread", "sum_channels"]


def gather(fine, weight, bias, coarse, stride, padding, dilation, groups):
    """Write into `coarse` what each place collects from its window. `bias` is (C_coarse,), or None for zeros.

    Over the padding a product counts as weight * 0, which is NaN where the weight is infinite.
    """
    geometry = _three_axes(fine.shape[2:], stride, padding, dilation)
    arrays = _volume(fine), _volume(weight), _or_none(bias, weight), _volume(coarse)
    if not gather_tiled(*arrays, *geometry, groups):
        gather_direct(*arrays, *geometry, groups)


def spread(coarse, weight, bias, fine, stride, padding, dilation, groups):
    """Write into `fine` what each place of `coarse` gives to its window. `bias` is (C_fine,), or None for zeros.

    What falls into the padding is dropped, also where the weight is infinite.
    """
    geometry = _three_axes(fine.shape[2:], stride, padding, dilation)
    arrays = _volume(coarse), _volume(weight), _or_none(bias, weight), _volume(fine)
    if not spread_tiled(*arrays, *geometry, groups):
        spread_direct(*arrays, *geometry, groups)


def relate(coarse, fine, grad_weight, stride, padding, dilation, groups):
    """Write into `grad_weight` for each tap the sum of the products of the places that it ties together."""
    geometry = _three_axes(fine.shape[2:], stride, padding, dilation)
    arrays = _volume(coarse), _volume(fine), _volume(grad_weight)
    if not relate_tiled(*arrays, *geometry, groups):
        relate_direct(*arrays, *geometry, groups)


def sum_channels(grad_y, grad_bias):
    """Write into `grad_bias` the sum of each channel: the gradient of what was added everywhere."""
    planes = readable(grad_y).reshape(*grad_y.shape[:2], math.prod(grad_y.shape[2:]))
    sum_channels_direct(planes, grad_bias)


def _or_none(bias, weight):
    """The bias as kernels take it: none is an array without elements."""
    return empty(0, weight.dtype) if bias is None else readable(bias)


def _volume(array):
    """The array with the axes (N, C, D, H, W)."""
    array = readable(array)
    return array.reshape(*array.shape[:2], *(1,) * (5 - array.ndim), *array.shape[2:])


def _three_axes(sizes, stride, padding, dilation):
    """The geometry along depth, height and width; where there is no such axis, that of a single tap.

    A step that leaves the padded picture reaches no second place, however long it is: sums of steps stay in int64.
    """
    absent = 3 - len(stride)
    padded = tuple(size + 2 * int(p) for size, p in zip(sizes, padding))
    stride, dilation = (tuple(min(int(s), most) for s, most in zip(steps, padded)) for steps in (stride, dilation))
    return (1,) * absent + stride, (0,) * absent + tuple(map(int, padding)), (1,) * absent + dilation
