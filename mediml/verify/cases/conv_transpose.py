"""Geometries on which transposed convolution is compared with PyTorch.

Every geometry of one axis below is met in 1-D, 2-D and 3-D, beside others on the other axes, and with channels that
cross the 8 rows and the 8 or 16 lanes of the fast kernel's tiles. Left out on purpose: padding that leaves an output of
size 0, which ours refuses and PyTorch answers or refuses by dtype.
"""

import math
from typing import Any

from mediml.verify.case import Array, Case

__all__ = ["CASES"]

#: Along one axis: size of the input, kernel, stride, padding, output_padding, dilation.
_AXES: list[tuple[int, int, int, int, int, int]] = [
    (4, 3, 1, 0, 0, 1),
    (5, 4, 2, 1, 0, 1),  # a DCGAN's: twice as large
    (4, 3, 2, 1, 1, 1),  # its other form
    (1, 4, 1, 0, 0, 1),  # a DCGAN's first: one pixel
    (5, 1, 1, 0, 0, 1),
    (4, 1, 3, 0, 2, 1),  # places that no stamp reaches
    (3, 2, 2, 0, 0, 1),  # stamps side by side
    (3, 2, 5, 1, 4, 1),  # far apart
    (7, 5, 1, 2, 0, 1),
    (2, 3, 3, 0, 0, 2),  # taps that meet those of the next stamp but one
    (6, 3, 2, 2, 0, 2),
    (4, 2, 1, 0, 2, 3),  # output_padding that dilation alone allows
    (6, 1, 1, 0, 1, 2),  # the same without a stamp there
    (1, 5, 4, 2, 3, 1),  # one pixel, cropped
    (6, 3, 1, 3, 0, 1),  # padding as large as the kernel
    (9, 2, 1, 1, 0, 7),
    (19, 3, 2, 1, 0, 1),  # wider than a vector
    (3, 6, 4, 1, 1, 1),
]

#: C_in, C_out, groups.
_CHANNELS: list[tuple[int, int, int]] = [
    (2, 3, 1), (1, 1, 1), (4, 6, 2), (3, 1, 1), (9, 2, 1), (2, 17, 1), (6, 3, 3), (5, 5, 5), (3, 9, 3), (17, 1, 1),
    (8, 16, 4),
]  # fmt: skip


def _case(rank: int, number: int, axes: list[tuple[int, ...]], channels: tuple[int, int, int]) -> Case:
    """The case of these axes; bias and batch (one picture if it is large), or none of them, change with the number."""
    c_in, c_out, groups = channels
    sizes, kernel, stride, padding, output_padding, dilation = zip(*axes)
    batch = [(2,), (1,), (), (3,)][number % 4] if math.prod(sizes) < 60 else [(1,), ()][number % 2]
    arrays = {"input": Array((*batch, c_in, *sizes)), "weight": Array((c_in, c_out // groups, *kernel))}
    if number % 3:
        arrays["bias"] = Array((c_out,))
    options: dict[str, Any] = {"stride": stride, "padding": padding, "output_padding": output_padding}
    return Case(f"conv_transpose{rank}d", arrays, {**options, "groups": groups, "dilation": dilation})


def _cases(rank: int, count: int) -> list[Case]:
    """`count` cases: each axis goes through all geometries at its own pace, and so do the channels.

    But for the last of one or two, axes are short, and volumes have few channels: float32 should round, not add up
    thousands of numbers.
    """
    cases = []
    few = [(c_in, c_out, groups) for c_in, c_out, groups in _CHANNELS if rank < 3 or c_in * c_out // groups <= 16]
    for number in range(count):
        axes = [_AXES[(number * (1, 5, 7)[axis] + 2 * axis) % len(_AXES)] for axis in range(rank)]
        longest = [5] * (rank - 1) + [99 if rank < 3 else 5]
        short = [(min(size, most), *geometry) for (size, *geometry), most in zip(axes, longest)]
        cases.append(_case(rank, number, short, few[(number + number // len(_AXES)) % len(few)]))
    return cases


def _edges() -> list[Case]:
    """Left to the defaults, numbers instead of tuples, and no batch at all."""
    cases = []
    for rank, sizes in ((1, (5,)), (2, (4, 3)), (3, (3, 2, 4))):
        op, kernel = f"conv_transpose{rank}d", (3, 2, 2)[:rank]
        batch = {"input": Array((2, 3, *sizes)), "weight": Array((3, 2, *kernel))}
        alike = {"stride": 2, "padding": 1, "output_padding": 1, "dilation": [2] * rank}
        cases += [Case(op, batch), Case(op, {**batch, "bias": Array((2,))}, alike)]
        cases += [Case(op, {**batch, "input": Array((0, 3, *sizes))}, {"stride": (2,)})]
    return cases


CASES: list[Case] = [*_cases(1, 90), *_cases(2, 110), *_cases(3, 62), *_edges()]
