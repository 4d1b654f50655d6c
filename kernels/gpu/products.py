"""``np.matmul``, ``np.dot`` and ``np.einsum`` on device arrays: everything ends in the product of ``matmul.py``."""

import math

import numpy as np

from kernels.gpu import matmul as tiled
from kernels.gpu.array import DeviceArray
from kernels.gpu.copying import copy_into
from kernels.gpu.geometry import broadcast
from kernels.gpu.memory import empty, zeros

__all__ = ["dot", "einsum", "matmul"]

#: Matrices of one launch: the z axis of a grid.
_MOST_MATRICES = 65535


def matmul(a, b, out=None):
    """Products of vectors, matrices, or stacks of matrices with broadcasting."""
    if not (isinstance(a, DeviceArray) and isinstance(b, DeviceArray)):
        raise TypeError("numpy.matmul: both operands must be arrays on the device")
    if not a.ndim or not b.ndim:
        raise ValueError("matmul: input operand does not have enough dimensions (it has none)")
    dtype = np.result_type(a.dtype, b.dtype)
    if dtype.char in "e?":
        raise TypeError(f"numpy.matmul is not supported on the device for {dtype.name}")
    left = a.astype(dtype, copy=False)[None] if a.ndim == 1 else a.astype(dtype, copy=False)
    right = b.astype(dtype, copy=False)[:, None] if b.ndim == 1 else b.astype(dtype, copy=False)
    if left.shape[-1] != right.shape[-2]:
        raise ValueError(f"matmul: expected as many columns on the left as rows on the right, got {a.shape}, {b.shape}")
    stack = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
    y = _multiplied(
        *(broadcast(m, (*stack, *m.shape[-2:])).reshape(math.prod(stack), *m.shape[-2:]) for m in (left, right))
    )
    y = y.reshape(*stack, *(() if a.ndim == 1 else (left.shape[-2],)), *(() if b.ndim == 1 else (right.shape[-1],)))
    if out is None:
        return y
    copy_into(out, y)
    return out


def _multiplied(a, b):
    """Matrices times matrices, (B, M, K) and (B, K, N)."""
    shape = (a.shape[0], a.shape[1], b.shape[2])
    if not math.prod(shape) or not a.shape[2]:
        return zeros(shape, a.dtype)
    y = empty(shape, a.dtype)
    for start in range(0, shape[0], _MOST_MATRICES):
        part = slice(start, start + _MOST_MATRICES)
        tiled.matmul(a[part], b[part], y[part])
    return y


def dot(a, b, out=None):
    """Products of vectors and matrices; a number scales."""
    if not np.ndim(a) or not np.ndim(b):
        return np.multiply(a, b, out=out)
    if b.ndim > 2:
        raise TypeError("numpy.dot of more than two axes is not supported on the device; use numpy.matmul")
    return matmul(a, b, out)


def einsum(subscripts, *operands, out=None, optimize=False, **refused):
    """Sum of products by Einstein's convention; letters do not repeat within an operand, no ``...``.

    Two operands at a time, from the left: what only one of them has and nobody needs is summed, the rest is a stack of
    matrix products: the letters of both that are still needed number the matrices, those not needed are summed over.
    """
    left, arrow, right = subscripts.replace(" ", "").partition("->")
    terms = left.split(",")
    if refused or "..." in subscripts or any(len(set(term)) < len(term) for term in (*terms, right)):
        raise TypeError(f"numpy.einsum is not supported on the device for {subscripts!r}")
    if len(terms) != len(operands) or any(len(t) != np.ndim(o) for t, o in zip(terms, operands)):
        raise ValueError(f"einsum: {subscripts!r} does not fit operands of shapes {[np.shape(o) for o in operands]}")
    letters = "".join(terms)
    output = right if arrow else "".join(sorted(c for c in set(letters) if letters.count(c) == 1))
    term, array = _summed(terms[0], operands[0], set("".join(terms[1:])) | set(output))
    for i in range(1, len(terms)):
        needed = set("".join(terms[i + 1 :])) | set(output)
        other_term, other = _summed(terms[i], operands[i], set(term) | needed)
        term, array = _summed(term, array, set(other_term) | needed)
        term, array = _contracted(term, array, other_term, other, needed)
    y = array.transpose([term.index(c) for c in output]) if output else array
    y = y.copy() if y.base is not None else y
    if out is None:
        return y
    copy_into(out, y)
    return out


def _summed(term, array, needed):
    """Without the letters that nobody needs."""
    axes = tuple(i for i, c in enumerate(term) if c not in needed)
    return "".join(c for c in term if c in needed), array.sum(axis=axes, dtype=array.dtype) if axes else array


def _contracted(a_term, a, b_term, b, needed):
    both = [c for c in a_term if c in b_term]
    kept, summed = [c for c in both if c in needed], [c for c in both if c not in needed]
    a_own, b_own = [c for c in a_term if c not in both], [c for c in b_term if c not in both]
    sizes = {**dict(zip(a_term, a.shape)), **dict(zip(b_term, b.shape))}

    def matrices(term, array, *groups):
        order = array.transpose([term.index(c) for group in groups for c in group]) if term else array
        return order.reshape([math.prod(sizes[c] for c in group) for group in groups])

    y = matmul(matrices(a_term, a, kept, a_own, summed), matrices(b_term, b, kept, summed, b_own))
    return "".join(kept + a_own + b_own), y.reshape([sizes[c] for c in kept + a_own + b_own])
