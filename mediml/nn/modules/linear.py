"""Fully connected layers under torch's names, with torch's initial values."""

import math
from typing import Any

import mediml
from mediml.nn import functional as F
from mediml.nn import init
from mediml.nn.modules.module import Module
from mediml.nn.parameter import Parameter
from mediml.tensor import Tensor

__all__ = ["Bilinear", "Identity", "Linear"]


class Identity(Module):
    """Returns its input. Takes any arguments, so that it can stand in for another layer."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__()

    def forward(self, input: Tensor) -> Tensor:
        return input


class Linear(Module):
    """Every output a weighted sum of all inputs: (*, F_in) to (*, F_out).

    Parameters
    ----------
    in_features, out_features : int
        F_in and F_out.
    bias : bool
        Add a number for each output.
    device, dtype : optional
        Of the parameters.

    Attributes
    ----------
    weight : Parameter of shape (F_out, F_in)
        Initially uniform in ±1/sqrt(F_in), as is the bias.
    bias : Parameter of shape (F_out,) or None
    """

    weight: Parameter
    bias: Parameter | None

    def __init__(
        self, in_features: int, out_features: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        self.in_features = in_features
        self.out_features = out_features
        self.weight = Parameter(mediml.empty((out_features, in_features), device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(mediml.empty((out_features,), device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameters anew."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            bound = 1 / math.sqrt(self.in_features) if self.in_features > 0 else 0
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Tensor) -> Tensor:
        return F.linear(input, self.weight, self.bias)

    def extra_repr(self) -> str:
        return f"in_features={self.in_features}, out_features={self.out_features}, bias={self.bias is not None}"


class Bilinear(Module):
    """A weighted sum of all products of two inputs' elements: (*, F_1) and (*, F_2) to (*, F_out).

    Parameters
    ----------
    in1_features, in2_features, out_features : int
        F_1 (at least 1), F_2 and F_out.
    bias : bool
        Add a number for each output.
    device, dtype : optional
        Of the parameters.

    Attributes
    ----------
    weight : Parameter of shape (F_out, F_1, F_2)
        Initially uniform in ±1/sqrt(F_1), as is the bias.
    bias : Parameter of shape (F_out,) or None
    """

    weight: Parameter
    bias: Parameter | None

    def __init__(
        self, in1_features: int, in2_features: int, out_features: int, bias: bool = True, device: Any = None,
        dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        if in1_features <= 0:
            raise ValueError(f"Bilinear: in1_features expects a number of at least 1, got {in1_features}")
        self.in1_features = in1_features
        self.in2_features = in2_features
        self.out_features = out_features
        shape = (out_features, in1_features, in2_features)
        self.weight = Parameter(mediml.empty(shape, device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(mediml.empty((out_features,), device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameters anew."""
        bound = 1 / math.sqrt(self.in1_features)
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input1: Tensor, input2: Tensor) -> Tensor:
        return F.bilinear(input1, input2, self.weight, self.bias)

    def extra_repr(self) -> str:
        return (
            f"in1_features={self.in1_features}, in2_features={self.in2_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )
