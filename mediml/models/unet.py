"""The U-Net for images and volumes of any size, and the loss that segmentation trains it with.

The article names segmentation and prints no program for it. A path down (convolve, halve), a path up (double,
convolve), and at every resolution a bridge from the one to the other, which carries the detail that halving loses.

References
----------
O. Ronneberger, P. Fischer, T. Brox, "U-Net: convolutional networks for biomedical image segmentation", MICCAI 2015,
https://arxiv.org/abs/1505.04597; in three dimensions: Ö. Çiçek et al., MICCAI 2016, https://arxiv.org/abs/1606.06650.
F. Milletari et al., "V-Net", 3DV 2016, https://arxiv.org/abs/1606.04797: the Dice loss.
"""

from collections.abc import Sequence
from itertools import pairwise

import mediml.nn.functional as F
from mediml import Tensor, cat, nn

NORMS = ("batch", "instance", "group", "none")
UPS = ("transposed", "linear")


def soft_dice_loss(logits: Tensor, target: Tensor, smooth: float = 1.0) -> Tensor:
    """One minus the mean Dice coefficient of the classes but the background, with probabilities in place of masks.

    For class c with probabilities p and its mask q, over all positions of the batch together:
    ``dice = (2 Σ p q + smooth) / (Σ p + Σ q + smooth)``.

    Parameters
    ----------
    logits : Tensor of shape (N, C, d_1, d_2, …), C > 1
    target : Tensor of shape (N, d_1, d_2, …), int64
        Class of each position, from 0 (background) to C - 1.
    smooth : float
        In positions. What keeps a class that neither occurs nor is predicted at a Dice of 1, and the gradient finite.

    Returns
    -------
    Tensor of shape (), in [0, 1]
    """
    C = logits.shape[1]  # noqa: N806 - the symbol of the formula
    if C < 2 or target.shape != (logits.shape[0], *logits.shape[2:]):
        raise ValueError(
            f"soft_dice_loss: logits of shape (N, C > 1, …) expect a target of shape (N, …), "
            f"got {tuple(logits.shape)} and {tuple(target.shape)}"
        )
    p = F.softmax(logits, dim=1)
    q = F.one_hot(target, C).movedim(-1, 1).to(logits.dtype)
    positions = [axis for axis in range(p.ndim) if axis != 1]
    dice = (2 * (p * q).sum(positions) + smooth) / (p.sum(positions) + q.sum(positions) + smooth)
    return 1 - dice[1:].mean()


def segmentation_loss(logits: Tensor, target: Tensor) -> Tensor:
    """Cross entropy plus soft Dice: the first teaches every position, the second counts a small structure in full."""
    return F.cross_entropy(logits, target) + soft_dice_loss(logits, target)


class ConvBlock(nn.Module):
    """Twice convolution (3 taps along each axis, same size), normalisation, ReLU.

    A convolution has a bias only where no normalisation follows, which would subtract it again.
    """

    def __init__(self, in_channels: int, out_channels: int, rank: int, norm: str) -> None:
        super().__init__()
        conv = {2: nn.Conv2d, 3: nn.Conv3d}[rank]
        bias = norm == "none"
        self.conv1 = conv(in_channels, out_channels, 3, padding=1, bias=bias)
        self.norm1 = _normalisation(norm, rank, out_channels)
        self.conv2 = conv(out_channels, out_channels, 3, padding=1, bias=bias)
        self.norm2 = _normalisation(norm, rank, out_channels)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.norm1(self.conv1(x)))
        return F.relu(self.norm2(self.conv2(x)))


class Up(nn.Module):
    """From half the resolution to that of the bridge: a transposed convolution, or interpolation and a convolution."""

    def __init__(self, in_channels: int, out_channels: int, rank: int, up: str) -> None:
        super().__init__()
        self.mode = {2: "bilinear", 3: "trilinear"}[rank] if up == "linear" else None
        if up == "linear":
            self.conv = {2: nn.Conv2d, 3: nn.Conv3d}[rank](in_channels, out_channels, 1, bias=False)
        else:
            transposed = {2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}[rank]
            self.conv = transposed(in_channels, out_channels, 2, stride=2, bias=False)

    def forward(self, x: Tensor, size: Sequence[int]) -> Tensor:
        x = self.conv(x)
        if self.mode is not None:
            return F.interpolate(x, size=tuple(size), mode=self.mode, align_corners=False)
        if tuple(x.shape[2:]) == tuple(size):
            return x
        return x[(slice(None), slice(None), *(slice(length) for length in size))]


class UNet(nn.Module):
    """Scores of every class at every pixel or voxel.

    Parameters
    ----------
    in_channels : int
        1 for a grey image or a volume of one modality.
    num_classes : int
        Number of scores per position, the background's included.
    widths : sequence of int
        Channels at each resolution, from the full one down; one halving less than there are entries.
    rank : int
        2 for images, 3 for volumes.
    norm : str
        ``"batch"``; ``"instance"`` or ``"group"`` where a batch holds one or two volumes; ``"none"``.
    up : str
        ``"transposed"``: the way up learns its own interpolation; ``"linear"``: linear interpolation, then 1 tap.

    Raises
    ------
    ValueError
        If an option is not one of these, or the input has another number of axes or channels.

    Notes
    -----
    Shapes: (N, in_channels, H, W) or (N, in_channels, D, H, W) in, (N, num_classes, the same size) out. The outputs
    are logits. Any size is taken: where an odd length is halved, the half is rounded up, and on the way up the result
    is cut to the bridge's size; nothing is padded but by the convolutions.
    """

    def __init__(
        self,
        in_channels: int = 1,
        num_classes: int = 2,
        widths: Sequence[int] = (8, 16, 32),
        rank: int = 2,
        norm: str = "batch",
        up: str = "transposed",
    ) -> None:
        super().__init__()
        for name, value, expected in (("rank", rank, (2, 3)), ("norm", norm, NORMS), ("up", up, UPS)):
            if value not in expected:
                raise ValueError(f"UNet: {name} expects one of {expected}, got {value!r}")
        if not widths or min(widths) < 1:
            raise ValueError(f"UNet: widths expects channels at each resolution, such as (8, 16, 32), got {widths}")
        self.in_channels, self.rank = in_channels, rank
        self.pool = {2: nn.MaxPool2d, 3: nn.MaxPool3d}[rank](2, ceil_mode=True)
        inputs = (in_channels, *widths)
        self.down = nn.ModuleList([ConvBlock(a, b, rank, norm) for a, b in zip(inputs, widths)])
        steps = list(pairwise(widths))[::-1]
        self.up = nn.ModuleList([Up(below, here, rank, up) for here, below in steps])
        self.merge = nn.ModuleList([ConvBlock(2 * here, here, rank, norm) for here, _ in steps])
        self.head = {2: nn.Conv2d, 3: nn.Conv3d}[rank](widths[0], num_classes, 1)

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim != self.rank + 2 or x.shape[1] != self.in_channels:
            raise ValueError(
                f"UNet: expected (N, {self.in_channels}, {'H, W' if self.rank == 2 else 'D, H, W'}), "
                f"got {tuple(x.shape)}"
            )
        bridges = []
        for level, block in enumerate(self.down):
            x = block(self.pool(x) if level else x)
            bridges.append(x)
        for up, merge, bridge in zip(self.up, self.merge, bridges[-2::-1]):
            x = merge(cat([bridge, up(x, bridge.shape[2:])], 1))
        return self.head(x)


def _normalisation(norm: str, rank: int, channels: int) -> nn.Module:
    if norm == "batch":
        return {2: nn.BatchNorm2d, 3: nn.BatchNorm3d}[rank](channels)
    if norm == "instance":
        return {2: nn.InstanceNorm2d, 3: nn.InstanceNorm3d}[rank](channels, affine=True)
    if norm == "group":
        return nn.GroupNorm(
            next(groups for groups in (8, 4, 2, 1) if channels % (2 * groups) == 0 or groups == 1), channels
        )
    return nn.Identity()
