"""Shapes of matrix products, and every refusal, once for all back ends."""

from kernels.memory import FLOATS, Array

__all__ = [
    "linear", "linear_backward_bias", "linear_backward_weight", "linear_backward_x", "matmul", "matmul_backward_a",
    "matmul_backward_b",
]  # fmt: skip


def matmul(a, b):
    """Shape of the product of two stacks of matrices.

    Raises
    ------
    TypeError
        For a dtype that is not float32 or float64, or dtypes that differ.
    ValueError
        For arrays that have not three axes, or axes that do not fit.
    """
    _check("matmul", a=(a, "B M K"), b=(b, "B K N"))
    _same("matmul", "b", "matrices", b.shape[0], "a", a.shape[0], a=a, b=b)
    _same("matmul", "b", "rows", b.shape[1], "a", a.shape[2], a=a, b=b)
    return (a.shape[0], a.shape[1], b.shape[2])


def matmul_backward_a(grad_y, b):
    """Shape of the gradient for `a`. Raises as `matmul`."""
    _check("matmul", grad_y=(grad_y, "B M N"), b=(b, "B K N"))
    _same("matmul", "grad_y", "matrices", grad_y.shape[0], "b", b.shape[0], grad_y=grad_y, b=b)
    _same("matmul", "grad_y", "columns", grad_y.shape[2], "b", b.shape[2], grad_y=grad_y, b=b)
    return (b.shape[0], grad_y.shape[1], b.shape[1])


def matmul_backward_b(grad_y, a):
    """Shape of the gradient for `b`. Raises as `matmul`."""
    _check("matmul", grad_y=(grad_y, "B M N"), a=(a, "B M K"))
    _same("matmul", "grad_y", "matrices", grad_y.shape[0], "a", a.shape[0], grad_y=grad_y, a=a)
    _same("matmul", "grad_y", "rows", grad_y.shape[1], "a", a.shape[1], grad_y=grad_y, a=a)
    return (a.shape[0], a.shape[2], grad_y.shape[2])


def linear(x, weight, bias):
    """Shape of the output of a linear layer. Raises as `matmul`."""
    bias_axes = {} if bias is None else {"bias": (bias, "F_out")}
    _check("linear", x=(x, "N F_in"), weight=(weight, "F_out F_in"), **bias_axes)
    _same("linear", "weight", "input features", weight.shape[1], "x", x.shape[1], x=x, weight=weight)
    if bias is not None:
        _same("linear", "bias", "features", bias.shape[0], "weight", weight.shape[0], weight=weight, bias=bias)
    return (x.shape[0], weight.shape[0])


def linear_backward_x(grad_y, weight):
    """Shape of the gradient for `x`. Raises as `matmul`."""
    _check("linear", grad_y=(grad_y, "N F_out"), weight=(weight, "F_out F_in"))
    _same("linear", "grad_y", "features", grad_y.shape[1], "weight", weight.shape[0], grad_y=grad_y, weight=weight)
    return (grad_y.shape[0], weight.shape[1])


def linear_backward_weight(grad_y, x):
    """Shape of the gradient for `weight`. Raises as `matmul`."""
    _check("linear", grad_y=(grad_y, "N F_out"), x=(x, "N F_in"))
    _same("linear", "grad_y", "rows", grad_y.shape[0], "x", x.shape[0], grad_y=grad_y, x=x)
    return (grad_y.shape[1], x.shape[1])


def linear_backward_bias(grad_y):
    """Shape of the gradient for `bias`. Raises as `matmul`."""
    _check("linear", grad_y=(grad_y, "N F_out"))
    return grad_y.shape[1:]


def _check(op, **arrays):
    expected = None
    for name, (array, axes) in arrays.items():
        if not isinstance(array, Array):
            raise TypeError(f"{op}: {name} expects a numpy.ndarray, got {type(array).__name__}")
        if array.dtype not in FLOATS:
            raise TypeError(f"{op}: {name} expects float32 or float64, got {array.dtype}; convert it with astype")
        if expected is None:
            first, expected = name, array.dtype
        elif array.dtype != expected:
            raise TypeError(f"{op}: {name} expects {expected}, the dtype of {first}, got {array.dtype}")
        count = len(axes.split())
        if array.ndim != count:
            raise ValueError(f"{op}: {name} expects {count} axes ({', '.join(axes.split())}), got shape {array.shape}")


def _same(op, name, what, size, other, expected, **arrays):
    if size != expected:
        shapes = ", ".join(f"{key}: {array.shape}" for key, array in arrays.items())
        raise ValueError(f"{op}: {name} expects {expected} {what}, as {other} has, got {size} ({shapes})")
