"""Convolution layers under torch's names, with torch's initial values."""

import math
from collections.abc import Callable
from typing import Any, ClassVar

import mediml
from mediml.nn import functional as F
from mediml.nn import init
from mediml.nn.arguments import Sizes
from mediml.nn.modules.module import Module
from mediml.nn.parameter import Parameter
from mediml.tensor import Tensor

__all__ = ["Conv1d", "Conv2d", "Conv3d"]

PADDING_MODES = ("zeros", "reflect", "replicate", "circular")


class _ConvNd(Module):
    _rank: ClassVar[int]
    _function: ClassVar[Callable[..., Tensor]]

    weight: Parameter
    bias: Parameter | None

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: str | Sizes = 0,
        dilation: Sizes = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = self._per_axis(kernel_size)
        self.stride = self._per_axis(stride)
        self.padding = padding if isinstance(padding, str) else self._per_axis(padding)
        self.dilation = self._per_axis(dilation)
        self.transposed = False
        self.output_padding = (0,) * self._rank
        self.groups = groups
        self.padding_mode = padding_mode
        self._check()
        shape = (out_channels, in_channels // groups, *self.kernel_size)
        self.weight = Parameter(mediml.empty(shape, device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(mediml.empty((out_channels,), device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def _per_axis(self, sizes: Sizes) -> tuple[int, ...]:
        return (sizes,) * self._rank if isinstance(sizes, int) else tuple(sizes)

    def _check(self) -> None:
        name = type(self).__name__
        if self.groups <= 0:
            raise ValueError(f"{name}: groups must be a positive integer, got {self.groups}")
        for role, channels in (("in_channels", self.in_channels), ("out_channels", self.out_channels)):
            if channels % self.groups:
                raise ValueError(f"{name}: {role} must be divisible by groups, got {channels} and {self.groups}")
        if isinstance(self.padding, str):
            if self.padding not in ("same", "valid"):
                raise ValueError(f"{name}: padding expects numbers, 'same' or 'valid', got {self.padding!r}")
            if self.padding == "same" and any(step != 1 for step in self.stride):
                raise ValueError(f"{name}: padding='same' is not supported for strided convolutions, {self.stride}")
        if self.padding_mode not in PADDING_MODES:
            raise ValueError(f"{name}: padding_mode must be one of {PADDING_MODES}, got {self.padding_mode!r}")

    def reset_parameters(self) -> None:
        """Draw the parameters anew: uniform in ±1/sqrt(fan_in), fan_in the number of products in each output."""
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in = math.prod(self.weight.shape[1:])
            bound = 1 / math.sqrt(fan_in) if fan_in > 0 else 0
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input: Tensor) -> Tensor:
        padding: str | Sizes = self.padding
        if self.padding_mode != "zeros":
            input, padding = F.pad(input, self._around(), mode=self.padding_mode), 0
        return type(self)._function(input, self.weight, self.bias, self.stride, padding, self.dilation, self.groups)

    def _around(self) -> list[int]:
        """Before and after, the last axis first, as `mediml.nn.functional.pad` takes it."""
        if self.padding == "valid":
            pairs = [(0, 0)] * self._rank
        elif self.padding == "same":
            totals = [dil * (size - 1) for dil, size in zip(self.dilation, self.kernel_size)]
            pairs = [(total // 2, total - total // 2) for total in totals]
        else:
            pairs = [(int(width), int(width)) for width in self.padding]
        return [width for pair in reversed(pairs) for width in pair]

    def extra_repr(self) -> str:
        parts = [f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"]
        if self.padding != (0,) * self._rank:
            parts.append(f"padding={self.padding}")
        if self.dilation != (1,) * self._rank:
            parts.append(f"dilation={self.dilation}")
        if self.groups != 1:
            parts.append(f"groups={self.groups}")
        if self.bias is None:
            parts.append("bias=False")
        if self.padding_mode != "zeros":
            parts.append(f"padding_mode={self.padding_mode}")
        return ", ".join(parts)


class Conv1d(_ConvNd):
    """Slides kernels along rows: (N, C_in, W_in) to (N, C_out, W_out). See `Conv2d`."""

    _rank = 1
    _function = staticmethod(F.conv1d)


class Conv2d(_ConvNd):
    """Slides kernels over pictures: (N, C_in, H_in, W_in) to (N, C_out, H_out, W_out), with or without N.

    Parameters
    ----------
    in_channels, out_channels : int
        C_in and C_out.
    kernel_size, stride, dilation : int or sequence of two int
    padding : int, sequence of two int, ``"valid"`` or ``"same"``
        Places around the picture. ``"same"``: as many as make the output as large as the input.
    groups : int
        Divides both numbers of channels: each group of outputs sees its own group of inputs.
    bias : bool
        Add a number for each output channel.
    padding_mode : str
        What stands around the picture: ``"zeros"``, ``"reflect"``, ``"replicate"`` or ``"circular"``.
    device, dtype : optional
        Of the parameters.

    Attributes
    ----------
    weight : Parameter of shape (C_out, C_in / groups, K_h, K_w)
    bias : Parameter of shape (C_out,) or None

    See Also
    --------
    mediml.nn.functional.conv2d : shapes and what is refused.
    kernels.conv.reference.conv2d_forward : the formula.
    """

    _rank = 2
    _function = staticmethod(F.conv2d)


class Conv3d(_ConvNd):
    """Slides kernels through volumes: (N, C_in, D_in, H_in, W_in) to (N, C_out, D_out, H_out, W_out). See `Conv2d`."""

    _rank = 3
    _function = staticmethod(F.conv3d)
