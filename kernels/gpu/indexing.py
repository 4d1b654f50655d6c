"""``x[index]`` and ``x[index] = value`` on the device."""

import numpy as np

from kernels.gpu.array import DeviceArray

__all__ = ["get", "set"]


def get(x, index):
    index = index if isinstance(index, tuple) else (index,)
    return x._view(x._geometry[index if Ellipsis in index else (*index, Ellipsis)])


def set(x, index, value):
    from kernels.gpu.copying import copy_into

    view = get(x, index)
    if isinstance(value, DeviceArray):
        copy_into(view, value)
    else:
        view.fill(value)
