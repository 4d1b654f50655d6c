"""NumPy's element-by-element functions on device arrays: ``np.add``, ``np.exp``, ``x * y``, ``np.less(x, 3, out=y)``.

NumPy itself says what dtypes an operation has (``ufunc.resolve_dtypes``), so promotion is its own, Python's numbers
being weak. A kernel is compiled for an operation and its dtypes; the formula of one element is in
``scalar_formulas.py``. One thread owns the elements i, i + gridsize, …: neighbours in a warp read neighbours in memory.

Numbers (Python's, NumPy's scalars, host arrays without axes) are passed to the kernel as numbers. A host array with
axes is refused: it would have to be copied to the device, which is asked for and never done in secret.
"""

from functools import cache, lru_cache

import numpy as np
from numba import cuda

from kernels.gpu.array import DeviceArray
from kernels.gpu.geometry import at, broadcast, joined, kernel_shape, offset_of, overlap, span, steps
from kernels.gpu.launch import kernel, strided
from kernels.gpu.memory import empty
from kernels.gpu.scalar_formulas import formula_of

__all__ = ["apply", "call", "elementwise", "operand"]

_NUMBERS = (bool, int, float)


def call(ufunc, method, inputs, options):
    """What NumPy calls for ``ufunc(...)``, ``ufunc.reduce(...)``, ``ufunc.at(...)`` with a device array among them."""
    if method == "__call__":
        return _called(ufunc, inputs, **options)
    from kernels.gpu import positions, reductions, scattering  # here: they compute with ufuncs

    ways = {"reduce": reductions.reduce, "accumulate": positions.accumulate, "at": scattering.ufunc_at}
    if method not in ways:
        raise TypeError(f"numpy.{ufunc.__name__}.{method} is not supported on the device")
    return ways[method](ufunc, *inputs, **options)


def _called(ufunc, inputs, out=None, where=True, casting="same_kind", order="K", dtype=None, subok=True):
    name = ufunc.__name__
    if where is not True:
        raise TypeError(f"numpy.{name} with where= is not supported on the device; use numpy.where")
    out = out[0] if isinstance(out, tuple) else out
    if out is not None and not isinstance(out, DeviceArray):
        raise TypeError(f"numpy.{name}: out expects an array on the device, as the operands are")
    if name == "matmul":
        from kernels.gpu.products import matmul  # here: it computes with ufuncs

        return matmul(*inputs, out=out)
    return apply(ufunc, *inputs, out=out, dtype=dtype, casting=casting)


def apply(ufunc, *inputs, out=None, dtype=None, casting="same_kind"):
    """A ufunc of one result."""
    name = ufunc.__name__
    values = [operand(value, name) for value in inputs]
    if ufunc.nout != 1 or len(values) > 2:
        raise TypeError(f"numpy.{name} is not supported on the device")
    kinds = tuple(type(value) if type(value) in _NUMBERS else value.dtype for value in values)
    *loop, result = _resolved(
        ufunc, kinds, None if out is None else out.dtype, None if dtype is None else np.dtype(dtype), casting
    )
    shape = np.broadcast_shapes(*(value.shape for value in values if isinstance(value, DeviceArray)))
    new = out is None
    if new:
        out = empty(shape, result)
    elif np.broadcast_shapes(shape, out.shape) != out.shape:
        raise ValueError(f"numpy.{name}: a result of shape {shape} does not fit into out of shape {out.shape}")
    return elementwise(name, values, tuple(loop), out, result, new)


@lru_cache(4096)
def _resolved(ufunc, kinds, out, dtype, casting):
    """Dtypes that the operands are computed in, and that of the result."""
    kinds = tuple(np.dtype(bool) if kind is bool else kind for kind in kinds)
    wanted = {} if dtype is None else {"signature": (*(None,) * len(kinds), dtype)}
    return ufunc.resolve_dtypes((*kinds, out), casting=casting, **wanted)


def operand(value, name):
    """A device array, or a number.

    Raises
    ------
    TypeError
        For anything else.
    """
    if isinstance(value, (DeviceArray, np.generic)) or type(value) in _NUMBERS:
        return value
    if isinstance(value, (int, float)):
        return int(value) if isinstance(value, int) else float(value)
    if isinstance(value, np.ndarray) and value.ndim == 0:
        return value[()]
    if isinstance(value, np.ndarray):
        raise TypeError(
            f"numpy.{name}: one operand is on the device and one, of shape {value.shape}, on the host; copy it there "
            f'with kernels.gpu.transfer.to_device(array), a tensor with .to("cuda")'
        )
    raise TypeError(f"numpy.{name}: expected arrays on the device and numbers, got {type(value).__name__}")


def elementwise(name, values, loop, out, result, new=False):
    """Compute the formula `name` on operands (device arrays, numbers) as `loop` dtypes into `out`, and return `out`.

    `result` is the dtype of the formula's result, which `out` stores in its own. `new`: nobody else has seen `out` yet.
    """
    flat, general = _kernels(name, tuple(dtype.char for dtype in loop), result.char)
    if out.size == 0:
        return out
    values = [broadcast(value, out.shape) if isinstance(value, DeviceArray) else _number(value, dtype)
              for value, dtype in zip(values, loop)]  # fmt: skip
    if not new:
        refuse_repeated(out)
        values = [_apart(value, out) if isinstance(value, DeviceArray) else value for value in values]
    arrays = [value for value in values if isinstance(value, DeviceArray)]
    if out.is_contiguous and all(array.is_contiguous for array in arrays):
        flat[strided(out.size)](*(v.reshape(-1) if isinstance(v, DeviceArray) else v for v in values), out.reshape(-1))
        return out
    shape, out_steps, *array_steps = joined(out.shape, steps(out), *(steps(array) for array in arrays))
    array_steps = iter(array_steps)
    nothing = (0,) * len(shape)
    arguments = []
    for value in values:
        arguments += (*span(value), next(array_steps)) if isinstance(value, DeviceArray) else (value, 0, nothing)
    general[strided(out.size)](*arguments, *span(out), out_steps, kernel_shape(shape), out.size)
    return out


def refuse_repeated(out):
    """An array that repeats an element (`broadcast_to`) cannot be written."""
    if any(stride == 0 and size > 1 for stride, size in zip(out.strides, out.shape)):
        raise ValueError("assignment destination is read-only: it repeats elements without a copy")


def _apart(value, out):
    """The operand, copied if writing `out` would change what other threads have still to read."""
    same = value.pointer == out.pointer and value.strides == out.strides
    return value.copy() if not same and overlap(value, out) else value


def _number(value, dtype):
    """A number as the kernel gets it."""
    return (np.float32 if dtype.char == "e" else dtype.type)(value)


def _computed_in(char):
    """The type in which a kernel computes: half precision is stored, not computed in."""
    return np.float32 if char == "e" else np.dtype(char).type


@cache
def _kernels(name, loop, result):
    """The kernel for operands without gaps, and the one for any strides."""
    kind = np.dtype(loop[0]).kind
    function = formula_of(name, kind)
    if function is None or kind not in "biuf" or len(set(loop)) > 2:
        dtypes = ", ".join(np.dtype(char).name for char in loop)
        raise TypeError(f"numpy.{name} is not supported on the device for {dtypes}")
    make = _unary if len(loop) == 1 else _binary
    made = make(function, *(_computed_in(char) for char in loop), _computed_in(result))
    for one, form in zip(made, ("", "_strided")):
        one.__name__ = f"{name}{form}"
    return made


def _unary(function, x_type, y_type):
    @kernel
    def flat(x, y):
        for i in range(cuda.grid(1), y.size, cuda.gridsize(1)):
            y[i] = y_type(function(x_type(at(x, i))))

    @kernel
    def general(x, x_first, x_steps, y, y_first, y_steps, shape, count):
        for i in range(cuda.grid(1), count, cuda.gridsize(1)):
            value = x_type(at(x, x_first + offset_of(i, shape, x_steps)))
            y[y_first + offset_of(i, shape, y_steps)] = y_type(function(value))

    return flat, general


def _binary(function, a_type, b_type, y_type):
    @kernel
    def flat(a, b, y):
        for i in range(cuda.grid(1), y.size, cuda.gridsize(1)):
            y[i] = y_type(function(a_type(at(a, i)), b_type(at(b, i))))

    @kernel
    def general(a, a_first, a_steps, b, b_first, b_steps, y, y_first, y_steps, shape, count):
        for i in range(cuda.grid(1), count, cuda.gridsize(1)):
            left = a_type(at(a, a_first + offset_of(i, shape, a_steps)))
            right = b_type(at(b, b_first + offset_of(i, shape, b_steps)))
            y[y_first + offset_of(i, shape, y_steps)] = y_type(function(left, right))

    return flat, general
