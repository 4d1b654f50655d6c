"""What makes a `DeviceArray` an array for NumPy: operators, ufuncs, functions, and the methods that compute.

Everything here hands on to the modules that hold the kernels; which of NumPy's functions work, and which cannot, is
said in ``numpy_functions.py``.
"""

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

__all__ = ["NumpyProtocol"]


class _Address:
    """``x.ctypes.data``."""

    def __init__(self, pointer):
        self.data = pointer


class NumpyProtocol(NDArrayOperatorsMixin):
    """The part of `DeviceArray` that computes."""

    __slots__ = ()

    # The modules with kernels import array.py, which imports this one: so they are imported where they are used.

    def __array_ufunc__(self, ufunc, method, *inputs, **options):
        from kernels.gpu import ufuncs

        return ufuncs.call(ufunc, method, inputs, options)

    def __array_function__(self, function, kinds, arguments, options):
        from kernels.gpu import numpy_functions

        return numpy_functions.call(function, arguments, options)

    def __array__(self, dtype=None, copy=None):
        raise TypeError(
            "an array on the device is not copied to the host in secret; call .get() on it, or .cpu() on its tensor"
        )

    # -- to the host, counted in kernels.gpu.transfer ----------------------------------------------------------------

    def item(self):
        """The value of an array of one element as a Python number: a copy to the host."""
        if self.size != 1:
            raise ValueError(f"item: expected an array of one element, got shape {self.shape}")
        return self.get().item()

    def tolist(self):
        """The values as nested lists: a copy to the host."""
        return self.get().tolist()

    def __bool__(self):
        if self.size != 1:
            raise ValueError(f"an array of shape {self.shape} is neither true nor false; use .any() or .all()")
        return bool(self.item())

    def __int__(self):
        return int(self.item())

    def __float__(self):
        return float(self.item())

    def __index__(self):
        if self.dtype.kind not in "iu" or self.ndim:
            raise TypeError(f"only an integer without axes can be an index, got {self!r}")
        return int(self.item())

    @property
    def ctypes(self):
        """``x.ctypes.data`` is the address on the device."""
        return _Address(self.pointer)

    # -- to other libraries, without a copy --------------------------------------------------------------------------

    def __dlpack__(self, **options):
        from kernels.gpu import exchange

        return exchange.dlpack(self, **options)

    def __dlpack_device__(self):
        from kernels.gpu import exchange

        return exchange.dlpack_device(self)

    @property
    def __cuda_array_interface__(self):
        from kernels.gpu import exchange

        return exchange.interface(self)

    # -- copies ------------------------------------------------------------------------------------------------------

    def copy(self, order="C"):
        """The elements in memory of their own, C-contiguous."""
        from kernels.gpu import copying

        return copying.copied(self)

    def astype(self, dtype, order="K", casting="unsafe", subok=True, copy=True):
        """The elements in another dtype."""
        from kernels.gpu import copying

        dtype = np.dtype(dtype)
        if dtype == self.dtype and not copy:
            return self
        if not np.can_cast(self.dtype, dtype, casting):
            raise TypeError(f"astype: {self.dtype} cannot be cast to {dtype} by the rule {casting!r}")
        return copying.copied(self, dtype)

    def fill(self, value):
        """Write one value everywhere."""
        from kernels.gpu import copying

        copying.fill(self, value)

    def __copy__(self):
        return self.copy()

    def __deepcopy__(self, memo):
        return self.copy()

    # -- elements by their place -------------------------------------------------------------------------------------

    def __getitem__(self, index):
        from kernels.gpu import indexing

        return indexing.get(self, index)

    def __setitem__(self, index, value):
        from kernels.gpu import indexing

        indexing.set(self, index, value)

    # -- operators where NumPy's arrays do not just call the ufunc ----------------------------------------------------

    def __pow__(self, exponent):
        if type(exponent) in (int, float) and exponent == 2:
            return np.square(self)
        if type(exponent) is float and exponent == 0.5 and self.dtype.kind == "f":
            return np.sqrt(self)
        if isinstance(exponent, int) and exponent < 0 and self.dtype.kind in "iu":
            raise ValueError("Integers to negative integer powers are not allowed.")
        return np.power(self, exponent)


def _method(name, doc):
    def method(self, *arguments, **options):
        return getattr(np, name)(self, *arguments, **options)

    method.__name__ = method.__qualname__ = name
    method.__doc__ = doc
    return method


for _name in (
    "all", "any", "argmax", "argmin", "argsort", "clip", "cumprod", "cumsum", "diagonal", "dot", "max", "mean", "min",
    "nonzero", "prod", "repeat", "round", "std", "sum", "take", "var",
):  # fmt: skip
    setattr(NumpyProtocol, _name, _method(_name, f"`numpy.{_name}` of this array."))
