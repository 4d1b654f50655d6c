"""Hostile variants of a valid call, derived mechanically: each with the name of what is wrong with it."""

import numpy as np
from operators import Raw, parameters

#: What a caller may hand over where a tensor is expected.
NOT_TENSORS = {
    "a list": [1.0, 2.0],
    "None": None,
    "a string": "input",
    "an ndarray": np.ones((2, 3, 4, 4), np.float32),
    "a number": 1.5,
}

#: What a caller may hand over as an option.
WRONG_OPTIONS = (-1, 0, 1.5, True, 2**40, 2**63, float("nan"), "two", None, (), (2,) * 7, (1, -1), [1, 1.5], {})

#: Options that, huge, ask for an output of that size: 2**40 numbers are within what some machines promise.
_SIZES_OF_OUTPUTS = ("pad", "padding", "output_size", "num_classes")

DTYPES = ("float16", "float64", "int64", "int32", "uint8", "bool")


def wrong_shapes(call):
    """One axis more, one less, one of another size, one of size 0, no axes, nothing in the batch."""
    for name, array in call.arrays.items():
        yield f"{name}: axis too many", call.replace(name, array[None])
        yield f"{name}: no axes", call.replace(name, np.ones((), array.dtype))
        yield f"{name}: one axis only", call.replace(name, array.reshape(-1))
        if array.ndim and array.shape[0]:
            yield f"{name}: axis too few", call.replace(name, np.asarray(array[0]))
        for axis, size in enumerate(array.shape):
            for new in {size + 1, size - 1, 0} - {size, -1}:
                shape = (*array.shape[:axis], new, *array.shape[axis + 1 :])
                yield f"{name}: axis {axis} of size {new}", call.replace(name, np.resize(array, shape))
    arrays = {name: array[:0] for name, array in call.arrays.items() if array.ndim}
    yield "all: empty", type(call)(call.op, {**call.arrays, **arrays}, call.options, call.differentiable)


def wrong_dtypes(call):
    """Another dtype for one argument, and for all floating ones."""
    for name, array in call.arrays.items():
        for dtype in DTYPES:
            if array.dtype != dtype:
                yield f"{name}: {dtype}", call.replace(name, _cast(array, dtype))
    for dtype in DTYPES:
        arrays = {n: _cast(a, dtype) if a.dtype.kind == "f" else a for n, a in call.arrays.items()}
        yield f"all: {dtype}", type(call)(call.op, arrays, call.options, call.differentiable)


def wrong_kinds(call):
    """Something else than a tensor for each tensor; wrong values for each option, also for those left out."""
    for name in call.arrays:
        for description, value in NOT_TENSORS.items():
            yield f"{name}: {description}", call.replace(name, Raw(value))
    for name in parameters(call.op):
        if name in call.arrays:
            continue
        for value in WRONG_OPTIONS:
            if value == 2**40 and name in _SIZES_OF_OUTPUTS:
                value = 2**48
            yield f"{name}={value!r}", call.with_option(name, value)
        if name in ("stride", "dilation") and not isinstance(call.options.get("padding"), str):
            yield f"far: {name}", call.with_option(name, 2**31 - 1)


def wild_indices(call):
    """Whole numbers that point nowhere."""
    for name, array in call.arrays.items():
        if array.dtype == np.int64 and array.size:
            for value in (-1, -100, int(array.max()) + 1, 10**6, 2**40, -(2**63), 2**63 - 1):
                wild = array.copy()
                wild.reshape(-1)[array.size // 2] = value
                yield f"{name}: a place is {value}", call.replace(name, wild)


def wild_values(call):
    """NaN, infinities and the ends of the range of numbers, in one argument and in all."""
    generator = np.random.default_rng(7)
    floats = [name for name, array in call.arrays.items() if array.dtype.kind == "f" and array.size]
    for value in (np.nan, np.inf, -np.inf, "both infinities", "huge", "tiny"):
        wild = call
        for name in floats:
            array = call.arrays[name].copy()
            places = generator.choice(array.size, size=min(2, array.size), replace=False)
            if value == "both infinities":
                array.reshape(-1)[places] = (np.inf, -np.inf)[: len(places)]
            elif isinstance(value, str):
                array *= np.finfo(array.dtype).max / 1e5 if value == "huge" else np.finfo(array.dtype).tiny
            else:
                array.reshape(-1)[places] = value
            yield f"{name}: {value}", call.replace(name, array)
            wild = wild.replace(name, array)
        if floats:
            yield f"all: {value}", wild
    for name in floats:
        yield f"{name}: NaN only", call.replace(name, np.full_like(call.arrays[name], np.nan))
        yield f"{name}: zeros", call.replace(name, np.zeros_like(call.arrays[name]))


def layouts(array):
    """The same values in every way that NumPy can lay them in memory."""
    frozen = array.copy()
    frozen.setflags(write=False)
    yield "read-only", frozen
    buffer = np.zeros(array.nbytes + 1, np.uint8)
    unaligned = np.ndarray(array.shape, array.dtype, buffer, 1)
    unaligned[...] = array
    yield "unaligned", unaligned
    if array.ndim:
        yield "Fortran order", np.asfortranarray(array)
        yield "every second", np.repeat(array, 2, axis=-1)[..., ::2]
        yield "negative strides", np.flip(np.flip(array).copy())
        moved = np.ascontiguousarray(np.moveaxis(array, -1, 0))
        yield "last axis first", np.moveaxis(moved, 0, -1)


def _cast(array, dtype):
    with np.errstate(all="ignore"):
        return array.astype(dtype)
