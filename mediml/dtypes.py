"""Dtypes under torch's names, and the rule by which two of them meet."""

from typing import Any

import numpy as np

__all__ = [
    "bool_", "double", "finfo", "float16", "float32", "float64", "get_default_dtype", "half", "iinfo", "int8", "int16",
    "int32", "int64", "long", "promote_types", "result_type", "set_default_dtype", "uint8",
]  # fmt: skip

float16 = half = np.dtype(np.float16)
float32 = np.dtype(np.float32)
float64 = double = np.dtype(np.float64)
int8 = np.dtype(np.int8)
int16 = np.dtype(np.int16)
int32 = np.dtype(np.int32)
int64 = long = np.dtype(np.int64)
uint8 = np.dtype(np.uint8)
bool_ = np.dtype(np.bool_)
finfo = np.finfo
iinfo = np.iinfo

_KNOWN = {float16, float32, float64, int8, int16, int32, int64, uint8, bool_} | {
    np.dtype(name) for name in ("uint16", "uint32", "uint64")
}

_default_float = float32


def default_float() -> "np.dtype[Any]":
    """The dtype of Python floats: float32 unless `set_default_dtype` said otherwise."""
    return _default_float


get_default_dtype = default_float


def set_default_dtype(dtype: Any) -> None:
    """Make Python floats, `zeros`, `randn` … this dtype (float32 or float64)."""
    global _default_float
    dtype = to_dtype(dtype)
    if dtype not in (float32, float64):
        raise TypeError(f"set_default_dtype: expected float32 or float64, got {dtype_name(dtype)}")
    _default_float = dtype


def to_dtype(dtype: Any) -> "np.dtype[Any]":
    """A dtype that tensors can have. Python's float and int are the default float and int64."""
    if dtype is float:
        return _default_float
    if dtype is None:
        raise TypeError("dtype: expected a dtype, got None")
    result = np.dtype(dtype).newbyteorder("=")
    if result not in _KNOWN:
        raise TypeError(f"dtype: a tensor cannot hold {result}; expected a float, integer or bool dtype")
    return result


def dtype_name(dtype: Any) -> str:
    """``mediml.float32`` for float32."""
    return f"mediml.{np.dtype(dtype).name}"


def promote_types(a: Any, b: Any) -> "np.dtype[Any]":
    """The dtype that holds both: as NumPy, except that a float wins over every integer with its own width."""
    a, b = to_dtype(a), to_dtype(b)
    if a.kind == "f" and b.kind != "f":
        return a
    if b.kind == "f" and a.kind != "f":
        return b
    return np.promote_types(a, b)


_RANK = {"b": 0, "u": 1, "i": 1, "f": 2}


def result_type(*operands: Any) -> "np.dtype[Any]":
    """Dtype of an operation on tensors and Python numbers, by torch's rule.

    Tensors with dimensions decide; a tensor without dimensions, or a Python number, only where it is of a higher
    category (bool < integer < float).

    References
    ----------
    https://docs.pytorch.org/docs/stable/tensor_attributes.html#type-promotion-doc
    """
    levels: list[np.dtype[Any] | None] = [None, None, None]  # with dimensions, without, Python numbers
    for operand in operands:
        array = getattr(operand, "_array", None)
        if array is not None:
            level, dtype = (0 if array.ndim else 1), array.dtype
        else:
            level, dtype = 2, _number_dtype(operand)
        previous = levels[level]
        levels[level] = dtype if previous is None else promote_types(previous, dtype)
    result: np.dtype[Any] | None = None
    for found in levels:
        if found is not None and (result is None or _RANK[found.kind] > _RANK[result.kind]):
            result = found
    if result is None:
        raise TypeError("result_type: expected at least one operand")
    return result


def _number_dtype(value: Any) -> "np.dtype[Any]":
    if isinstance(value, (bool, np.bool_)):
        return bool_
    if isinstance(value, (int, np.integer)):
        return int64
    if isinstance(value, (float, np.floating)):
        return _default_float
    raise TypeError(f"expected a mediml.Tensor or a number, got {type(value).__name__}")
