"""What the updates of parameters accept, once for all back ends, and how they are written back."""

import numpy as np

from kernels.memory import FLOATS, readable

__all__ = ["check_update", "flat", "write_back"]


def check_update(op, param, grad, **state):
    """Refuse a gradient or a state (None: absent) that is not of the shape and dtype of the parameter."""
    if not isinstance(param, np.ndarray) or param.dtype not in FLOATS:
        got = getattr(param, "dtype", type(param).__name__)
        raise TypeError(f"{op}: param expects a float32 or float64 numpy.ndarray, got {got}")
    for name, array in (("grad", grad), *state.items()):
        if array is None:
            continue
        if not isinstance(array, np.ndarray) or array.dtype != param.dtype:
            got = getattr(array, "dtype", type(array).__name__)
            raise TypeError(f"{op}: {name} expects {param.dtype}, the dtype of param, got {got}")
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
