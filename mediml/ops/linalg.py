"""Products of matrices: everything ends in the matrix product of ``kernels/linear``."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mediml.autograd import record
from mediml.tensor import Tensor

__all__ = ["addmm", "bmm", "dot", "einsum", "matmul", "mm", "mv", "outer"]

Array = NDArray[Any]


def matmul(input: Tensor, other: Tensor) -> Tensor:
    """Matrix product: of vectors, matrices, or stacks of matrices with broadcasting."""
    from mediml.nn.functional.linear import matmul as product  # here: functional builds on the tensor

    return product(input, other)


def _product(name: str, input: Tensor, other: Tensor, ndims: tuple[int, int]) -> Tensor:
    if (input.ndim, other.ndim) != ndims:
        raise ValueError(
            f"{name}: expected tensors of {ndims[0]} and {ndims[1]} dimensions, "
            f"got {tuple(input.shape)} and {tuple(other.shape)}"
        )
    return matmul(input, other)


def mm(input: Tensor, mat2: Tensor) -> Tensor:
    """Product of two matrices."""
    return _product("mm", input, mat2, (2, 2))


def bmm(input: Tensor, mat2: Tensor) -> Tensor:
    """Products of two stacks of matrices of equal height."""
    if input.ndim == mat2.ndim == 3 and input.shape[0] != mat2.shape[0]:
        raise ValueError(f"bmm: expected as many matrices in both, got {tuple(input.shape)} and {tuple(mat2.shape)}")
    return _product("bmm", input, mat2, (3, 3))


def mv(input: Tensor, vec: Tensor) -> Tensor:
    """Product of a matrix and a vector."""
    return _product("mv", input, vec, (2, 1))


def dot(input: Tensor, other: Tensor) -> Tensor:
    """Inner product of two vectors."""
    return _product("dot", input, other, (1, 1))


def outer(input: Tensor, vec2: Tensor) -> Tensor:
    """Every element of one vector times every element of the other."""
    if input.ndim != 1 or vec2.ndim != 1:
        raise ValueError(f"outer: expected two vectors, got {tuple(input.shape)} and {tuple(vec2.shape)}")
    return input.unsqueeze(1) * vec2.unsqueeze(0)


def addmm(input: Tensor, mat1: Tensor, mat2: Tensor, *, beta: float = 1, alpha: float = 1) -> Tensor:
    """beta * input + alpha * mat1 @ mat2."""
    return input * beta + mm(mat1, mat2) * alpha


def einsum(equation: str, *tensors: Any) -> Tensor:
    """Sum of products by Einstein's convention, such as ``einsum("bij,bjk->bik", a, b)``.

    Raises
    ------
    ValueError
        If a letter repeats within one operand (a diagonal), or ``...`` is used: write these out with `diagonal`,
        `reshape`.
    """
    if len(tensors) == 1 and isinstance(tensors[0], (tuple, list)):
        tensors = tuple(tensors[0])
    left, arrow, right = equation.replace(" ", "").partition("->")
    terms = left.split(",")
    if "..." in equation or any(len(set(term)) != len(term) for term in terms):
        raise ValueError(f"einsum: expected letters that do not repeat within an operand, got {equation!r}")
    if len(terms) != len(tensors):
        raise ValueError(f"einsum: {equation!r} names {len(terms)} operands, got {len(tensors)}")
    letters = "".join(terms)
    output = right if arrow else "".join(sorted(c for c in set(letters) if letters.count(c) == 1))
    arrays = [tensor._array for tensor in tensors]
    sizes = {c: size for term, array in zip(terms, arrays) for c, size in zip(term, array.shape)}

    def gradient_of(position: int, grad_y: Array) -> Array:
        others = [(t, a) for i, (t, a) in enumerate(zip(terms, arrays)) if i != position]
        term = terms[position]
        known = set(output).union(*(set(t) for t, _ in others))
        reached = "".join(c for c in term if c in known)
        inputs = ",".join([output, *(t for t, _ in others)])
        gradient = np.einsum(f"{inputs}->{reached}", grad_y, *(a for _, a in others), optimize=True)
        placed = gradient.reshape([sizes[c] if c in known else 1 for c in term])
        return np.broadcast_to(placed, [sizes[c] for c in term])  # a letter summed over here alone

    def backward(grad_y: Array) -> tuple[Array | None, ...]:
        return tuple(gradient_of(i, grad_y) if t.requires_grad else None for i, t in enumerate(tensors))

    for term, tensor in zip(terms, tensors):
        if tensor.ndim != len(term):
            raise ValueError(f"einsum: {term!r} names {len(term)} dimensions, got shape {tuple(tensor.shape)}")
    y = np.einsum(f"{left}->{output}", *arrays, optimize=True)
    return record("einsum", y, tensors, backward, tensors)
