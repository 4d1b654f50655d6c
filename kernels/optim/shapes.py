"""What the updates of parameters accept, once for all back ends, and how they are written back."""

import numpy as np

from kernels.memory import FLOATS, Array, readable

__all__ = ["check_update", "flat", "write_back"]


def check_update(op, param, grad, **state):
    """Refuse a gradient or a state (None: absent) that is not of the shape and dtype of the parameter."""
    for name, array in (("param", param), ("grad", grad), *state.items()):
        if array is None and name in state:
            continue
        if not isinstance(array, Array):
            raise TypeError(f"{op}: {name} expects a numpy.ndarray, got {type(array).__name__}")
        if array.dtype not in FLOATS:
            raise TypeError(f"{op}: {name} expects float32 or float64, got {array.dtype}")
        if array.dtype != param.dtype:
            raise TypeError(f"{op}: {name} expects {param.dtype}, the dtype of param, got {array.dtype}")
        if array.shape != param.shape:
            raise ValueError(f"{op}: {name} expects the shape of param {param.shape}, got {array.shape}")
    for name, array in (("param", param), *state.items()):
        if array is not None and not array.flags.writeable:
            raise ValueError(f"{op}: {name} is changed in place and expects a writable array, got a read-only one")


def flat(array):
    """The elements as one axis: the array's own memory where it is in C order, else a copy (see `write_back`)."""
    return readable(array).reshape(-1)


def write_back(array, values):
    """Put `values`, made by `flat`, into the array they were made from, unless they are its own memory."""
    if not np.may_share_memory(array, values):
        array[...] = values.reshape(array.shape)
