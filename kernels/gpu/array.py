"""An array in the memory of the GPU, with NumPy's interface.

Shape, strides and views are NumPy's own business: inside, a `DeviceArray` holds a NumPy array that points to device
memory. It is asked for its geometry only (``x.reshape``, ``x.T``, ``x[2:, None]`` are new geometries of the same
memory) and never for an element; elements are computed by kernels. NumPy's functions and operators, and the methods
that have elements to look at, are in ``protocol.py``.
"""

import numpy as np
from numba import cuda

from kernels.gpu.protocol import NumpyProtocol
from kernels.gpu.target import memory_is_host
from kernels.memory import OnDevice

__all__ = ["DeviceArray"]


class _Pointer:
    """What NumPy makes an array of without looking at the memory."""

    def __init__(self, pointer, shape, dtype, strides=None):
        self.__array_interface__ = {
            "data": (pointer, False), "shape": tuple(shape), "typestr": np.dtype(dtype).str, "strides": strides,
            "version": 3,
        }  # fmt: skip


class DeviceArray(NumpyProtocol, OnDevice):
    """An array on the device.

    Made by ``kernels.gpu.memory.empty``, ``kernels.gpu.transfer.to_device`` and by NumPy's functions on other such
    arrays. There is no implicit way to the host: `numpy.asarray` raises; `get` copies.

    Attributes
    ----------
    shape, strides : tuple of int
        Strides in bytes.
    dtype : numpy.dtype
    ndim, size, itemsize, nbytes : int
    base : DeviceArray or None
        The array of which this one is a view.
    """

    __slots__ = ("__weakref__", "_base", "_block", "_geometry", "_kernel_view")

    def __init__(self, geometry, block, base=None):
        self._geometry = geometry
        self._block = block  # keeps the memory alive
        self._base = base
        self._kernel_view = None

    @classmethod
    def over(cls, block, shape, dtype, strides=None):
        """The array of this shape at the beginning of a block (something with an address, ``block.pointer``)."""
        return cls(np.asarray(_Pointer(block.pointer, shape, dtype, strides)), block)

    @classmethod
    def at_address(cls, owner, pointer, count):
        """`count` elements in one axis from an address in the memory of `owner` on."""
        return cls(np.asarray(_Pointer(pointer, (count,), owner.dtype)), owner._block, owner)

    def _view(self, geometry):
        if not geometry.flags.writeable:  # Numba would compile another version for it
            pointer = geometry.__array_interface__["data"][0]
            geometry = np.asarray(_Pointer(pointer, geometry.shape, geometry.dtype, geometry.strides))
        return DeviceArray(geometry, self._block, self if self._base is None else self._base)

    def restrided(self, shape, strides, offset=0):
        """A view with this shape and these strides (in bytes), whose first element is `offset` bytes further on."""
        return self._view(np.asarray(_Pointer(self.pointer + offset, shape, self.dtype, tuple(strides))))

    @property
    def shape(self):
        return self._geometry.shape

    @property
    def strides(self):
        return self._geometry.strides

    @property
    def dtype(self):
        return self._geometry.dtype

    @property
    def ndim(self):
        return self._geometry.ndim

    @property
    def size(self):
        return self._geometry.size

    @property
    def itemsize(self):
        return self._geometry.itemsize

    @property
    def nbytes(self):
        return self._geometry.nbytes

    @property
    def base(self):
        return self._base

    @property
    def flags(self):
        """NumPy's flags, of which ``c_contiguous`` and ``f_contiguous`` mean something here."""
        return self._geometry.flags

    @property
    def pointer(self):
        """Address of the first element on the device."""
        return self._geometry.__array_interface__["data"][0]

    @property
    def is_contiguous(self):
        """Whether the elements lie in C order without gaps."""
        return self._geometry.flags.c_contiguous

    @property
    def for_kernel(self):
        """The array as Numba takes it."""
        if self._kernel_view is None:
            self._kernel_view = self._geometry if memory_is_host() else self._numba_view()
        return self._kernel_view

    def _numba_view(self):
        interface = dict(self._geometry.__array_interface__)
        interface.pop("descr", None)
        return cuda.from_cuda_array_interface({**interface, "version": 3, "stream": None}, sync=False)

    # -- geometry: no element is touched ----------------------------------------------------------------------------

    def reshape(self, *shape, order="C"):
        """The elements in another shape: a view where the strides allow it, else a copy."""
        shape = shape[0] if len(shape) == 1 and not isinstance(shape[0], (int, np.integer)) else shape
        try:
            return self._view(np.reshape(self._geometry, shape, copy=False))
        except ValueError:
            if self.is_contiguous:  # the shape does not fit, and a copy would not help
                raise
            return self.copy().reshape(shape)

    def ravel(self, order="C"):
        """All elements in one axis: a view where the strides allow it."""
        return self.reshape(-1)

    def flatten(self, order="C"):
        """All elements in one axis, copied."""
        return self.copy().reshape(-1)

    def transpose(self, *axes):
        """The axes in another order, as a view."""
        return self._view(self._geometry.transpose(*axes))

    def swapaxes(self, axis1, axis2):
        """Two axes exchanged, as a view."""
        return self._view(self._geometry.swapaxes(axis1, axis2))

    def squeeze(self, axis=None):
        """Without the axes of size 1, or those of `axis` alone, as a view."""
        return self._view(self._geometry.squeeze(axis))

    def view(self, dtype=None):
        """The same memory; with a dtype its bytes understood as that."""
        return self._view(self._geometry.view() if dtype is None else self._geometry.view(dtype))

    @property
    def T(self):  # noqa: N802 - NumPy's name
        return self.transpose()

    @property
    def mT(self):  # noqa: N802 - NumPy's name
        return self.swapaxes(-1, -2)

    def __len__(self):
        return len(self._geometry)

    def __iter__(self):
        if not self.ndim:
            raise TypeError("iteration over an array without axes")
        return (self[i] for i in range(len(self)))

    def __repr__(self):
        return f"DeviceArray(shape={self.shape}, dtype={self.dtype})"
