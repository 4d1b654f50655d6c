"""Transposed convolution layers under torch's names, with torch's initial values."""

from collections.abc import Sequence
from typing import Any

import mediml
from mediml.nn import functional as F
from mediml.nn.arguments import Sizes
from mediml.nn.modules.conv import _ConvNd
from mediml.nn.modules.module import Module
from mediml.nn.parameter import Parameter
from mediml.tensor import Tensor

__all__ = ["ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d"]


class _ConvTransposeNd(_ConvNd):
    """Its fan_in, by which the initial values are drawn, is C_out / groups times the taps, as in torch."""

    padding: tuple[int, ...]

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Sizes,
        stride: Sizes = 1,
        padding: Sizes = 0,
        output_padding: Sizes = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Sizes = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        Module.__init__(self)
        self.in_channels = in_channels
        self.out_channels = out_channels
        self.kernel_size = self._per_axis(kernel_size)
        self.stride = self._per_axis(stride)
        self.padding = self._per_axis(padding)
        self.dilation = self._per_axis(dilation)
        self.transposed = True
        self.output_padding = self._per_axis(output_padding)
        self.groups = groups
        self.padding_mode = padding_mode
        self._check()
        shape = (in_channels, out_channels // groups, *self.kernel_size)
        self.weight = Parameter(mediml.empty(shape, device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(mediml.empty((out_channels,), device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def _check(self) -> None:
        name = type(self).__name__
        if self.groups <= 0:
            raise ValueError(f"{name}: groups must be a positive integer, got {self.groups}")
        for role, channels in (("in_channels", self.in_channels), ("out_channels", self.out_channels)):
            if channels % self.groups:
                raise ValueError(f"{name}: {role} must be divisible by groups, got {channels} and {self.groups}")
        if self.padding_mode != "zeros":
            raise ValueError(f"{name}: padding_mode must be 'zeros', got {self.padding_mode!r}; pad before the layer")

    def forward(self, input: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        """The output; `output_size`, its spatial sizes or its whole shape, takes the place of `output_padding`."""
        output_padding = self.output_padding
        if output_size is not None:
            output_padding = self._output_padding(input, output_size)
        return type(self)._function(
            input, self.weight, self.bias, self.stride, self.padding, output_padding, self.groups, self.dilation
        )

    def _output_padding(self, input: Tensor, output_size: Sequence[int]) -> tuple[int, ...]:
        """What must be added to the smallest output to get one of this size.

        Of the sizes from the smallest to stride - 1 more a convolution of this geometry gives back the input's size.
        """
        name, rank = type(self).__name__, self._rank
        if input.ndim not in (rank + 1, rank + 2):
            raise ValueError(f"{name}: input expects {rank + 1} or {rank + 2} axes, got shape {tuple(input.shape)}")
        wanted = tuple(output_size)
        if len(wanted) == input.ndim:
            wanted = wanted[input.ndim - rank :]
        if len(wanted) != rank:
            raise ValueError(
                f"{name}: output_size expects {rank} or {input.ndim} numbers for an input of {input.ndim} axes, "
                f"got {output_size!r}"
            )
        axes = zip(tuple(input.shape)[-rank:], self.stride, self.padding, self.dilation, self.kernel_size)
        least = [(size - 1) * step - 2 * p + dil * (k - 1) + 1 for size, step, p, dil, k in axes]
        most = [size + step - 1 for size, step in zip(least, self.stride)]
        if not all(low <= size <= high for low, size, high in zip(least, wanted, most)):
            raise ValueError(
                f"{name}: output_size expects {least} to {most} for an input of shape {tuple(input.shape)}, "
                f"got {list(wanted)}"
            )
        return tuple(size - low for size, low in zip(wanted, least))

    def extra_repr(self) -> str:
        parts = [f"{self.in_channels}, {self.out_channels}, kernel_size={self.kernel_size}, stride={self.stride}"]
        if self.padding != (0,) * self._rank:
            parts.append(f"padding={self.padding}")
        if self.dilation != (1,) * self._rank:
            parts.append(f"dilation={self.dilation}")
        if self.output_padding != (0,) * self._rank:
            parts.append(f"output_padding={self.output_padding}")
        if self.groups != 1:
            parts.append(f"groups={self.groups}")
        if self.bias is None:
            parts.append("bias=False")
        return ", ".join(parts)


class ConvTranspose1d(_ConvTransposeNd):
    """Stamps kernels along rows: (N, C_in, W_in) to (N, C_out, W_out). See `ConvTranspose2d`."""

    _rank = 1
    _function = staticmethod(F.conv_transpose1d)


class ConvTranspose2d(_ConvTransposeNd):
    """Stamps kernels onto pictures: (N, C_in, H_in, W_in) to (N, C_out, H_out, W_out), with or without N.

    Parameters
    ----------
    in_channels, out_channels : int
        C_in and C_out.
    kernel_size, stride, dilation : int or sequence of two int
        Stride 2 doubles the picture: with kernel_size 4 and padding 1, exactly.
    padding : int or sequence of two int
        Places taken away on either side of the output.
    output_padding : int or sequence of two int
        Places more at the end of the output; less than stride or dilation. `forward` takes an output_size instead.
    groups : int
        Divides both numbers of channels: each group of inputs stamps onto its own group of outputs.
    bias : bool
        Add a number for each output channel.
    padding_mode : str
        ``"zeros"``; there is no other.
    device, dtype : optional
        Of the parameters.

    Attributes
    ----------
    weight : Parameter of shape (C_in, C_out / groups, K_h, K_w)
    bias : Parameter of shape (C_out,) or None

    See Also
    --------
    mediml.nn.functional.conv_transpose2d : shapes and what is refused.
    kernels.conv_transpose.reference.conv_transpose2d_forward : the formula.
    """

    _rank = 2
    _function = staticmethod(F.conv_transpose2d)


class ConvTranspose3d(_ConvTransposeNd):
    """Stamps kernels into volumes: (N, C_in, D_in, H_in, W_in) to (N, C_out, D_out, H_out, W_out).

    See `ConvTranspose2d`.
    """

    _rank = 3
    _function = staticmethod(F.conv_transpose3d)
