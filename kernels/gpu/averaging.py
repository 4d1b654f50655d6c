"""Running averages, moved in place by one launch."""

import numpy as np
from numba import cuda

from kernels.gpu.launch import kernel, per_element

__all__ = ["move_towards"]


@kernel
def _move_towards(running, value, share, scale):
    i = cuda.grid(1)
    if i < running.size:
        running[i] = (np.float64(1) - share) * running[i] + share * (scale * value[i])


def move_towards(running, value, share, scale=1.0):
    """running = (1 - share) * running + share * scale * value, in float64, in place.

    Parameters
    ----------
    running : DeviceArray of shape (C,), contiguous
    value : DeviceArray of shape (C,), float64, contiguous
    share, scale : float
    """
    _move_towards[per_element(running.size)](running, value, np.float64(share), np.float64(scale))
