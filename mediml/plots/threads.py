"""Which thread of which block does which element."""

import numpy as np
from matplotlib.patches import Rectangle

from mediml.plots.display import Alt, show
from mediml.plots.style import CYCLE, GREY, INK, new_figure

__all__ = ["show_threads"]

#: Inches per element.
CELL = 0.44


def show_threads(shape: tuple[int, ...], block: tuple[int, ...], alt: Alt | None = None) -> None:
    """The elements of an array, each with its thread; a colour for each block; threads without an element in grey.

    Parameters
    ----------
    shape : tuple of one or two int
        (W,) or (H, W) of the array; at most 16 by 24.
    block : tuple of one or two int
        Threads of a block along the same axes.
    alt : pair of str, optional
        By default made from the sizes.
    """
    if len(shape) != len(block) or len(shape) not in (1, 2) or min(*shape, *block) < 1 or max(shape) > 24:
        raise ValueError(f"show_threads: expected one or two sizes of 1 to 24 for both, got {shape} and {block}")
    sizes, threads = ((1, *shape)[-2:], (1, *block)[-2:])
    blocks = tuple(-(-size // count) for size, count in zip(sizes, threads))
    height, width = (count * each for count, each in zip(blocks, threads))
    figure, axes = new_figure(CELL * width + 0.1, CELL * height + 0.1)
    one_axis = len(shape) == 1
    for row, column in np.ndindex(height, width):
        inside = row < sizes[0] and column < sizes[1]
        number = row // threads[0] * blocks[1] + column // threads[1]
        colour = CYCLE[number % 6]
        axes[0, 0].add_patch(
            Rectangle(
                (column + 0.04, row + 0.04), 0.92, 0.92, facecolor=colour if inside else "white", alpha=0.75,
                edgecolor=colour, lw=1.2, linestyle="-" if inside else ":",
            )
        )  # fmt: skip
        label = str(column % threads[1]) if one_axis else f"{column % threads[1]},{row % threads[0]}"
        axes[0, 0].text(
            column + 0.5, row + 0.5, label, ha="center", va="center", fontsize=10 if one_axis else 7.5,
            color=INK if inside else GREY,
        )  # fmt: skip
    axes[0, 0].set(xlim=(0, width), ylim=(height, 0), aspect="equal")
    axes[0, 0].set_axis_off()
    idle = height * width - sizes[0] * sizes[1]
    across, each = " × ".join(map(str, shape)), " × ".join(map(str, block))
    show(figure, alt or (
        f"{across} elements shared out to {blocks[0] * blocks[1]} blocks of {each} threads; each cell carries its "
        f"thread's index in the block. {idle} threads lie beyond the end and are drawn empty.",
        f"{across} 个元素分给 {blocks[0] * blocks[1]} 个线程块，每块 {each} 个线程；格中的数是线程在块内的编号。"
        f"有 {idle} 个线程落在数组之外，以空格表示。",
    ))  # fmt: skip
