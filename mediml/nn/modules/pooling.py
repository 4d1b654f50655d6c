"""Pooling layers under torch's names. They hold no parameters; the work is done in `mediml.nn.functional`."""

from mediml.nn.functional import pooling as F  # noqa: N812
from mediml.nn.functional.pooling import Sizes
from mediml.nn.modules.module import Module
from mediml.tensor import Tensor

__all__ = ["MaxPool1d", "MaxPool2d", "MaxPool3d"]


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
