"""How numba-cuda hands arguments over to a kernel, and what it must be told."""

import ctypes
from types import SimpleNamespace

import numpy as np
from numba import types

__all__ = ["NothingAsZero", "handed_over"]


class NothingAsZero:
    """An extension of numba-cuda's dispatcher: None is passed as the pointer-sized 0 that the compiled kernel expects.

    A kernel with ``if bias is not None`` compiles to a version without bias when None is given; that version still has
    a parameter, of 8 bytes, that nobody reads. numba-cuda (0.30) raises NotImplementedError instead of filling it.
    """

    def prepare_args(self, kind, value, stream, retr):
        """The type and the value to be passed instead."""
        return (types.uint64, 0) if kind == types.none else (kind, value)


def handed_over(dispatcher, signature, arguments):
    """Sizes in bytes of what a launch would hand to the kernel, in order. Needs no GPU: it is for ``ptx.py``.

    Parameters
    ----------
    dispatcher : numba.cuda.dispatcher.CUDADispatcher
    signature : sequence of Numba types
    arguments : sequence
        NumPy arrays in the place of arrays on the device; numbers; tuples of them.
    """
    from numba.cuda.args import ArgHint
    from numba.cuda.dispatcher import _Kernel

    class OnDevice(ArgHint):
        def to_device(self, retr, stream=0):
            layout = SimpleNamespace(strides_in_bytes=self.value.strides)
            return SimpleNamespace(
                size=self.value.size, dtype=self.value.dtype, ptr=0, shape=self.value.shape, _layout=layout
            )

    def stand_in(value):
        if isinstance(value, tuple):
            return tuple(stand_in(part) for part in value)
        return OnDevice(value) if isinstance(value, np.ndarray) else value

    launched = _Kernel.__new__(_Kernel)
    launched.extensions = dispatcher.extensions
    handed = []
    for kind, value in zip(signature, arguments):
        launched._prepare_args(kind, stand_in(value), 0, [], handed)
    return [_size(value) for value in handed]


def _size(value):
    """Bytes of a value as cuda.core passes it: Python's int is a pointer, its float a double."""
    if isinstance(value, (bool, np.bool_)):
        return 1
    return 8 if isinstance(value, (int, float)) else getattr(value, "nbytes", None) or ctypes.sizeof(value)
