"""Activations along an axis under torch's names: softmax and its kin, glu. Formulas: `kernels.activation.reference`."""

import warnings
from typing import Any

import numpy as np

from mediml.autograd import record
from mediml.device import backend
from mediml.nn.functional.activation import _require_float
from mediml.random import generator, uniform_array
from mediml.tensor import Tensor, from_array

__all__ = ["glu", "gumbel_softmax", "log_softmax", "softmax", "softmin"]


def softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    """Numbers to probabilities: e^x over the sum of e^x along `dim`.

    Parameters
    ----------
    input : Tensor of any shape, float32 or float64
        Integers only with `dtype`.
    dim : int
        The axis that sums to 1. None: guessed as torch does (0 for 0, 1 and 3 dimensions, else 1), with a warning.
    _stacklevel : int
        Of that warning.
    dtype : dtype, optional
        To which `input` is converted first.

    Returns
    -------
    Tensor of the shape of `input`

    Raises
    ------
    TypeError
        For integers without `dtype`.
    ValueError
        If there is no axis `dim`.

    Notes
    -----
    NaN or +inf along the axis, or -inf everywhere, makes all of it NaN.
    """
    return _along_axis("softmax", input, dim, _stacklevel, dtype)


def log_softmax(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    """ln(softmax(x)), exact where softmax itself would round to 0. Arguments as `softmax`."""
    return _along_axis("log_softmax", input, dim, _stacklevel, dtype)


def softmin(input: Tensor, dim: int | None = None, _stacklevel: int = 3, dtype: Any = None) -> Tensor:
    """softmax(-x): the smallest number becomes the most probable. Arguments as `softmax`."""
    if dim is None:
        dim = _guessed_dim("softmin", input, _stacklevel)
    return _along_axis("softmax", -input, dim, _stacklevel, dtype)


def gumbel_softmax(logits: Tensor, tau: float = 1, hard: bool = False, eps: float = 1e-10, dim: int = -1) -> Tensor:
    """A random draw from softmax(logits) that a gradient can pass: softmax of (logits + Gumbel noise) / tau.

    Parameters
    ----------
    logits : Tensor of any shape, float32 or float64
    tau : float
        The temperature: the smaller, the closer to one-hot.
    hard : bool
        Return one-hot values, with the gradient of the soft ones.
    eps : float
        Without effect, as in torch; deviating from its default gives a warning.
    dim : int
        The axis of the categories.

    References
    ----------
    E. Jang et al., arXiv:1611.01144; C. Maddison et al., arXiv:1611.00712.
    """
    if eps != 1e-10:
        warnings.warn("gumbel_softmax: `eps` is deprecated and has no effect", stacklevel=3)
    backend("activation", logits=logits)
    _require_float("gumbel_softmax", logits)
    noise = -_log_of_exponential(logits)
    soft = softmax((logits + noise) / tau, dim)
    if not hard:
        return soft
    chosen = soft.argmax(dim, keepdim=True)
    one_hot = (soft.detach() * 0).scatter(dim, chosen, 1.0)
    return one_hot - soft.detach() + soft


def glu(input: Tensor, dim: int = -1) -> Tensor:
    """The first half of `dim`, each element times the sigmoid of its partner in the second half.

    Raises
    ------
    ValueError
        If `dim` is of odd size, or does not exist.
    """
    kernels = backend("activation", input=input)
    _require_float("glu", input)
    x = input._array

    def backward(grad_y: Any) -> tuple[Any]:
        return (kernels.glu_backward_x(grad_y, x, dim),)

    return record("glu", kernels.glu_forward(x, dim), (input,), backward, saved=(input,))


def _along_axis(name: str, input: Tensor, dim: int | None, stacklevel: int, dtype: Any) -> Tensor:
    kernels = backend("activation", input=input)
    if dim is None:
        dim = _guessed_dim(name, input, stacklevel + 1)
    if dtype is not None:
        input = input.to(dtype)
    _require_float(name, input)
    y = getattr(kernels, f"{name}_forward")(input._array, dim)
    backward_x = getattr(kernels, f"{name}_backward_x")

    def backward(grad_y: Any) -> tuple[Any]:
        return (backward_x(grad_y, y, dim),)

    return record(name, y, (input,), backward, saves_output=True)


def _guessed_dim(name: str, input: Tensor, stacklevel: int) -> int:
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. Change the call to include dim=X as an argument.",
        stacklevel=stacklevel + 1,
    )
    return 0 if input.ndim in (0, 1, 3) else 1


def _log_of_exponential(like: Tensor) -> Tensor:
    with np.errstate(divide="ignore"):
        if like.is_cuda:
            drawn = -np.log1p(-uniform_array(like.shape, like.dtype, like.device))
        else:
            drawn = generator().standard_exponential(like.shape)
        return from_array(np.log(drawn).astype(like.dtype), like.device)
