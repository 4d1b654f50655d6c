"""An array in the memory of the GPU, with NumPy's interface.

Shape, strides and views are NumPy's own business: inside, a `DeviceArray` holds a NumPy array that points to device
memory. It is asked for its geometry only (``x.reshape``, ``x.T``, ``x[2:, None]`` are new geometries of the same
memory) and never for an element; elements are computed by kernels.
"""

import numpy as np
from numba import cuda

from kernels.gpu.target import memory_is_host
from kernels.memory import Array

__all__ = ["DeviceArray"]


class _Pointer:
    """What NumPy makes an array of without looking at the memory."""

    def __init__(self, pointer, shape, dtype, strides=None):
        self.__array_interface__ = {
            "data": (pointer, False), "shape": tuple(shape), "typestr": np.dtype(dtype).str, "strides": strides,
            "version": 3,
        }  # fmt: skip


class DeviceArray:
    """An array on the device.

    Made by ``kernels.gpu.memory.empty``, ``kernels.gpu.transfer.to_device`` and by NumPy's functions on other such
    arrays. There is no implicit way to the host: `numpy.asarray` raises; `get` copies.

    Attributes
    ----------
    shape, strides : tuple of int
        Strides in bytes.
    dtype : numpy.dtype
    ndim, size, itemsize, nbytes : int
    """

    __slots__ = ("__weakref__", "_block", "_geometry", "_kernel_view")

    def __init__(self, geometry, block):
        self._geometry = geometry
        self._block = block  # keeps the memory alive
        self._kernel_view = None

    @classmethod
    def over(cls, block, shape, dtype, strides=None):
        """The array of this shape at the beginning of a block (something with an address, ``block.pointer``)."""
        interface = _Pointer(block.pointer, shape, dtype, strides)
        geometry = np.asarray(interface)
        return cls(geometry, block)

    def _view(self, geometry):
        return DeviceArray(geometry, self._block)

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

    def __getitem__(self, index):
        """A view for integers, slices, None and ``...`` (with integers for every axis: an array without axes)."""
        index = index if isinstance(index, tuple) else (index,)
        return self._view(self._geometry[index if Ellipsis in index else (*index, Ellipsis)])

    def ravel(self):
        """All elements in one axis."""
        return self.reshape(-1)

    def transpose(self, *axes):
        """The axes in another order, as a view."""
        return self._view(self._geometry.transpose(*axes))

    @property
    def T(self):  # noqa: N802 - NumPy's name
        return self.transpose()

    # -- elements: kernels ------------------------------------------------------------------------------------------

    def copy(self, order="C"):
        """The elements in memory of their own, C-contiguous."""
        return _copying().copied(self)

    def astype(self, dtype, copy=True):
        """The elements in another dtype."""
        if np.dtype(dtype) == self.dtype and not copy:
            return self
        return _copying().copied(self, np.dtype(dtype))

    def fill(self, value):
        """Write one value everywhere."""
        _copying().fill(self, value)

    def __array__(self, dtype=None, copy=None):
        raise TypeError(
            "an array on the device is not copied to the host in secret; call .get() on it, or .cpu() on its tensor"
        )

    def __repr__(self):
        return f"DeviceArray(shape={self.shape}, dtype={self.dtype})"


def _copying():
    from kernels.gpu import copying  # here: kernels are launched with arrays, so their module imports this one

    return copying


Array.register(DeviceArray)
