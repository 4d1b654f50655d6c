"""Pooling layers under torch's names. They hold no parameters; the work is done in `mediml.nn.functional`."""

from collections.abc import Sequence

from mediml.nn import functional as F
from mediml.nn.arguments import Sizes, sizes
from mediml.nn.functional.adaptive_pooling import OutputSize
from mediml.nn.modules.module import Module
from mediml.tensor import Tensor

__all__ = [
    "AdaptiveAvgPool1d", "AdaptiveAvgPool2d", "AdaptiveAvgPool3d", "AdaptiveMaxPool1d", "AdaptiveMaxPool2d",
    "AdaptiveMaxPool3d", "AvgPool1d", "AvgPool2d", "AvgPool3d", "LPPool1d", "LPPool2d", "LPPool3d", "MaxPool1d",
    "MaxPool2d", "MaxPool3d", "MaxUnpool1d", "MaxUnpool2d", "MaxUnpool3d",
]  # fmt: skip


class _MaxPoolNd(Module):
    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        dilation: Sizes = 1,
        return_indices: bool = False,
        ceil_mode: bool = False,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = stride if stride is not None else kernel_size
        self.padding = padding
        self.dilation = dilation
        self.return_indices = return_indices
        self.ceil_mode = ceil_mode

    def extra_repr(self) -> str:
        return (
            f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}, "
            f"dilation={self.dilation}, ceil_mode={self.ceil_mode}"
        )


class MaxPool1d(_MaxPoolNd):
    """Largest value of each window along one axis: (N, C, W_in) to (N, C, W_out). See `MaxPool2d`."""

    def forward(self, input: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        return F.max_pool1d(
            input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode, self.return_indices
        )


class MaxPool2d(_MaxPoolNd):
    """Largest value of each window of a picture: (N, C, H_in, W_in) to (N, C, H_out, W_out).

    Parameters
    ----------
    kernel_size, stride, padding, dilation : int or sequence of two int
        `stride` None: `kernel_size`. `padding` at most half of `kernel_size`.
    return_indices : bool
        Return the places of the maxima, too, as `MaxUnpool2d` needs them.
    ceil_mode : bool
        Round the size of the output up.

    See Also
    --------
    mediml.nn.functional.max_pool2d : the rules for ties and NaN, and what is refused.
    """

    def forward(self, input: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        return F.max_pool2d(
            input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode, self.return_indices
        )


class MaxPool3d(_MaxPoolNd):
    """Largest value of each window of a volume: (N, C, D_in, H_in, W_in) to (N, C, D_out, H_out, W_out)."""

    def forward(self, input: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        return F.max_pool3d(
            input, self.kernel_size, self.stride, self.padding, self.dilation, self.ceil_mode, self.return_indices
        )


class _MaxUnpoolNd(Module):
    _rank: int

    def __init__(self, kernel_size: Sizes, stride: Sizes | None = None, padding: Sizes = 0) -> None:
        super().__init__()
        name = type(self).__name__
        self.kernel_size = sizes(name, "kernel_size", kernel_size, self._rank)
        self.stride = sizes(name, "stride", kernel_size if stride is None else stride, self._rank)
        self.padding = sizes(name, "padding", padding, self._rank)

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class MaxUnpool1d(_MaxUnpoolNd):
    """Values of one axis put back to where `MaxPool1d` found them, zeros elsewhere: input (N, C, W_in)."""

    _rank = 1

    def forward(self, input: Tensor, indices: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        return F.max_unpool1d(input, indices, self.kernel_size, self.stride, self.padding, output_size)


class MaxUnpool2d(_MaxUnpoolNd):
    """Values of a picture put back to where `MaxPool2d` found them, zeros elsewhere: input (N, C, H_in, W_in).

    Parameters
    ----------
    kernel_size, stride, padding : int or sequence of two int
        Those of the pooling.

    See Also
    --------
    mediml.nn.functional.max_unpool2d : `indices` and `output_size`.
    """

    _rank = 2

    def forward(self, input: Tensor, indices: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        return F.max_unpool2d(input, indices, self.kernel_size, self.stride, self.padding, output_size)


class MaxUnpool3d(_MaxUnpoolNd):
    """Values of a volume put back to where `MaxPool3d` found them, zeros elsewhere: input (N, C, D_in, H_in, W_in)."""

    _rank = 3

    def forward(self, input: Tensor, indices: Tensor, output_size: Sequence[int] | None = None) -> Tensor:
        return F.max_unpool3d(input, indices, self.kernel_size, self.stride, self.padding, output_size)


class _AvgPoolNd(Module):
    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
        divisor_override: int | None = None,
    ) -> None:
        super().__init__()
        self.kernel_size = kernel_size
        self.stride = stride if stride is not None else kernel_size
        self.padding = padding
        self.ceil_mode = ceil_mode
        self.count_include_pad = count_include_pad
        self.divisor_override = divisor_override

    def extra_repr(self) -> str:
        return f"kernel_size={self.kernel_size}, stride={self.stride}, padding={self.padding}"


class AvgPool1d(_AvgPoolNd):
    """Mean of each window along one axis: input (N, C, W_in). See `AvgPool2d`."""

    def __init__(
        self,
        kernel_size: Sizes,
        stride: Sizes | None = None,
        padding: Sizes = 0,
        ceil_mode: bool = False,
        count_include_pad: bool = True,
    ) -> None:
        kernel_size = sizes("AvgPool1d", "kernel_size", kernel_size, 1)
        stride = kernel_size if stride is None else sizes("AvgPool1d", "stride", stride, 1)
        super().__init__(kernel_size, stride, sizes("AvgPool1d", "padding", padding, 1), ceil_mode, count_include_pad)

    def forward(self, input: Tensor) -> Tensor:
        return F.avg_pool1d(input, self.kernel_size, self.stride, self.padding, self.ceil_mode, self.count_include_pad)


class AvgPool2d(_AvgPoolNd):
    """Mean of each window of a picture: input (N, C, H_in, W_in).

    Parameters
    ----------
    kernel_size, stride, padding : int or sequence of two int
        `stride` None: `kernel_size`. `padding` at most half of `kernel_size`.
    ceil_mode : bool
        Round the size of the output up.
    count_include_pad : bool
        Count the zeros of the padding in the mean.
    divisor_override : int, optional
        Divide every sum by this instead of the number of elements.
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.avg_pool2d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )


class AvgPool3d(_AvgPoolNd):
    """Mean of each window of a volume: input (N, C, D_in, H_in, W_in)."""

    def forward(self, input: Tensor) -> Tensor:
        return F.avg_pool3d(
            input,
            self.kernel_size,
            self.stride,
            self.padding,
            self.ceil_mode,
            self.count_include_pad,
            self.divisor_override,
        )


class _LPPoolNd(Module):
    def __init__(
        self, norm_type: float, kernel_size: Sizes, stride: Sizes | None = None, ceil_mode: bool = False
    ) -> None:
        super().__init__()
        self.norm_type = norm_type
        self.kernel_size = kernel_size
        self.stride = stride
        self.ceil_mode = ceil_mode

    def extra_repr(self) -> str:
        return (
            f"norm_type={self.norm_type}, kernel_size={self.kernel_size}, stride={self.stride}, "
            f"ceil_mode={self.ceil_mode}"
        )


class LPPool1d(_LPPoolNd):
    """Power sum (sum of x ** p) ** (1 / p) of each window of one axis: input (N, C, W_in)."""

    def forward(self, input: Tensor) -> Tensor:
        return F.lp_pool1d(input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode)


class LPPool2d(_LPPoolNd):
    """Power sum (sum of x ** p) ** (1 / p) of each window of a picture: input (N, C, H_in, W_in).

    Parameters
    ----------
    norm_type : float
        1: the sum; infinity: the largest magnitude. Not 0.
    kernel_size, stride : int or sequence of two int
        `stride` None: `kernel_size`.
    ceil_mode : bool
        Round the size of the output up.
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.lp_pool2d(input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode)


class LPPool3d(_LPPoolNd):
    """Power sum (sum of x ** p) ** (1 / p) of each window of a volume: input (N, C, D_in, H_in, W_in)."""

    def forward(self, input: Tensor) -> Tensor:
        return F.lp_pool3d(input, float(self.norm_type), self.kernel_size, self.stride, self.ceil_mode)


class _AdaptiveMaxPoolNd(Module):
    def __init__(self, output_size: OutputSize, return_indices: bool = False) -> None:
        super().__init__()
        self.output_size = output_size
        self.return_indices = return_indices

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveMaxPool1d(_AdaptiveMaxPoolNd):
    """Largest value of each of output_size windows that cover one axis evenly: input (N, C, W_in)."""

    def forward(self, input: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        return F.adaptive_max_pool1d(input, self.output_size, self.return_indices)


class AdaptiveMaxPool2d(_AdaptiveMaxPoolNd):
    """Largest value of each of output_size windows that cover a picture evenly: input (N, C, H_in, W_in).

    Parameters
    ----------
    output_size : int, or sequence of two int or None
        One int counts for both axes, None keeps the size of the input; 1 is global pooling.
    return_indices : bool
        Return the places of the maxima, too.
    """

    def forward(self, input: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        return F.adaptive_max_pool2d(input, self.output_size, self.return_indices)


class AdaptiveMaxPool3d(_AdaptiveMaxPoolNd):
    """Largest value of each of output_size windows that cover a volume evenly: input (N, C, D_in, H_in, W_in)."""

    def forward(self, input: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        return F.adaptive_max_pool3d(input, self.output_size, self.return_indices)


class _AdaptiveAvgPoolNd(Module):
    def __init__(self, output_size: OutputSize) -> None:
        super().__init__()
        self.output_size = output_size

    def extra_repr(self) -> str:
        return f"output_size={self.output_size}"


class AdaptiveAvgPool1d(_AdaptiveAvgPoolNd):
    """Mean of each of output_size windows that cover one axis evenly: input (N, C, W_in)."""

    def forward(self, input: Tensor) -> Tensor:
        return F.adaptive_avg_pool1d(input, self.output_size)


class AdaptiveAvgPool2d(_AdaptiveAvgPoolNd):
    """Mean of each of output_size windows that cover a picture evenly: input (N, C, H_in, W_in).

    Parameters
    ----------
    output_size : int, or sequence of two int or None
        One int counts for both axes, None keeps the size of the input; 1 is global average pooling.
    """

    def forward(self, input: Tensor) -> Tensor:
        return F.adaptive_avg_pool2d(input, self.output_size)


class AdaptiveAvgPool3d(_AdaptiveAvgPoolNd):
    """Mean of each of output_size windows that cover a volume evenly: input (N, C, D_in, H_in, W_in)."""

    def forward(self, input: Tensor) -> Tensor:
        return F.adaptive_avg_pool3d(input, self.output_size)
