"""Padding layers under torch's names, over `mediml.nn.functional.pad`. They hold no parameters."""

from collections.abc import Sequence
from typing import ClassVar

from mediml.nn import functional as F
from mediml.nn.arguments import Sizes
from mediml.nn.modules.module import Module
from mediml.tensor import Tensor

__all__ = [
    "CircularPad1d", "CircularPad2d", "CircularPad3d", "ConstantPad1d", "ConstantPad2d", "ConstantPad3d",
    "ReflectionPad1d", "ReflectionPad2d", "ReflectionPad3d", "ReplicationPad1d", "ReplicationPad2d",
    "ReplicationPad3d", "ZeroPad1d", "ZeroPad2d", "ZeroPad3d",
]  # fmt: skip


class _PadNd(Module):
    """Pads the last axes: `padding` is one int for every side, or before and after for the last axis, the one before …

    Negative numbers crop. See `mediml.nn.functional.pad` for the modes and for what is refused.
    """

    _rank: ClassVar[int]
    _mode: ClassVar[str]

    padding: Sequence[int]

    def __init__(self, padding: Sizes) -> None:
        super().__init__()
        self.padding = (padding,) * (2 * self._rank) if isinstance(padding, int) else tuple(padding)

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, self._mode)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _CircularPadNd(_PadNd):
    _mode = "circular"

    def forward(self, input: Tensor) -> Tensor:
        if input.ndim not in (self._rank + 1, self._rank + 2):
            raise ValueError(
                f"{type(self).__name__}: input expects {self._rank + 1} or {self._rank + 2} axes, "
                f"got shape {tuple(input.shape)}"
            )
        return super().forward(input)


class _ConstantPadNd(_PadNd):
    _mode = "constant"

    def __init__(self, padding: Sizes, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, self._mode, self.value)

    def extra_repr(self) -> str:
        return f"padding={self.padding}, value={self.value}"


class _ZeroPadNd(_ConstantPadNd):
    def __init__(self, padding: Sizes) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        return f"{self.padding}"


class _ReflectionPadNd(_PadNd):
    _mode = "reflect"


class _ReplicationPadNd(_PadNd):
    _mode = "replicate"


class ConstantPad1d(_ConstantPadNd):
    """Puts a constant around a row: (C, W) or (N, C, W)."""

    _rank = 1


class ConstantPad2d(_ConstantPadNd):
    """Puts a constant around a picture: (C, H, W) or (N, C, H, W)."""

    _rank = 2


class ConstantPad3d(_ConstantPadNd):
    """Puts a constant around a volume: (C, D, H, W) or (N, C, D, H, W)."""

    _rank = 3


class ZeroPad1d(_ZeroPadNd):
    """Puts zeros around a row: (C, W) or (N, C, W)."""

    _rank = 1


class ZeroPad2d(_ZeroPadNd):
    """Puts zeros around a picture: (C, H, W) or (N, C, H, W)."""

    _rank = 2


class ZeroPad3d(_ZeroPadNd):
    """Puts zeros around a volume: (C, D, H, W) or (N, C, D, H, W)."""

    _rank = 3


class ReflectionPad1d(_ReflectionPadNd):
    """Puts the mirrored row around a row: (C, W) or (N, C, W)."""

    _rank = 1


class ReflectionPad2d(_ReflectionPadNd):
    """Puts the mirrored picture around a picture: (C, H, W) or (N, C, H, W)."""

    _rank = 2


class ReflectionPad3d(_ReflectionPadNd):
    """Puts the mirrored volume around a volume: (C, D, H, W) or (N, C, D, H, W)."""

    _rank = 3


class ReplicationPad1d(_ReplicationPadNd):
    """Puts its border, repeated around a row: (C, W) or (N, C, W)."""

    _rank = 1


class ReplicationPad2d(_ReplicationPadNd):
    """Puts its border, repeated around a picture: (C, H, W) or (N, C, H, W)."""

    _rank = 2


class ReplicationPad3d(_ReplicationPadNd):
    """Puts its border, repeated around a volume: (C, D, H, W) or (N, C, D, H, W)."""

    _rank = 3


class CircularPad1d(_CircularPadNd):
    """Puts the opposite side around a row: (C, W) or (N, C, W)."""

    _rank = 1


class CircularPad2d(_CircularPadNd):
    """Puts the opposite side around a picture: (C, H, W) or (N, C, H, W)."""

    _rank = 2


class CircularPad3d(_CircularPadNd):
    """Puts the opposite side around a volume: (C, D, H, W) or (N, C, D, H, W)."""

    _rank = 3
