"""A recurrent network, folded as a loop and unrolled over time."""

from typing import Literal

from matplotlib.axes import Axes
from matplotlib.patches import Circle, FancyArrowPatch

from mediml.plots.display import Alt, show
from mediml.plots.style import CYCLE, GREY, INK, new_figure

__all__ = ["show_unrolled", "unrolled_edges"]

_Place = tuple[int, int]

#: Data units: from step to step, from row to row, and the radius of a node.
_STEP, _ROW, _RADIUS = 1.45, 1.25, 0.36
_BACK = CYCLE[1]


def show_unrolled(
    steps: int, layers: int = 1, gradients: bool = False, cuts: tuple[int, ...] = (), alt: Alt | None = None
) -> None:
    """Draw a recurrent network as a loop (left) and unrolled over its steps (right).

    Inputs $x_t$ stand below (blue), states $h_t$ above them. Arrows of one colour in one row carry the same weights.

    Parameters
    ----------
    steps : int
        1 to 8.
    layers : int
        1 to 3; the state of layer l at step t is $h_t^{(l)}$ where there are several.
    gradients : bool
        Also draw the way of the gradients, against the arrows, as dashed ones.
    cuts : tuple of int
        Steps after which the state is detached: no gradient goes back from step t + 1 to step t.
    alt : pair of str, optional
        By default made from the arguments.

    Raises
    ------
    ValueError
        If `steps`, `layers` or `cuts` are outside what can be drawn.
    """
    edges = unrolled_edges(steps, layers, cuts)
    figure, axes = new_figure(0.62 * _STEP * (steps + 3.2), 0.72 * _ROW * (layers + 1.15))
    ax = axes[0, 0]
    for row in range(layers + 1):
        _draw_node(ax, (-2, row), _symbol(row, layers, "t"), row)
        for step in range(1 if row == 0 else 0, steps + 1):
            _draw_node(ax, (step, row), _symbol(row, layers, str(step)), row)
    for row in range(layers):
        of_layer = "" if layers == 1 else f"^{{({row + 1})}}"
        _draw_arrow(ax, (-2, row), (-2, row + 1), "up", f"$W_{{ih}}{of_layer}$")
        _draw_loop(ax, (-2, row + 1), f"$W_{{hh}}{of_layer}$")
    ax.text(-1 * _STEP, _ROW * layers / 2, "=", ha="center", va="center", fontsize=18, color=INK)
    for start, end, kind, has_gradient in edges:
        _draw_arrow(ax, start, end, kind)
        if gradients and has_gradient:
            _draw_arrow(ax, end, start, "back")
    for cut in cuts:
        ax.plot([(cut + 0.5) * _STEP] * 2, [0.55 * _ROW, (layers + 0.45) * _ROW], color=INK, lw=2.2)
    ax.set(xlim=(-2.85 * _STEP, (steps + 0.45) * _STEP), ylim=(-0.5 * _ROW, (layers + 0.62) * _ROW), aspect="equal")
    ax.set_axis_off()
    show(figure, alt or _describe(steps, layers, gradients, cuts))


def unrolled_edges(
    steps: int, layers: int = 1, cuts: tuple[int, ...] = ()
) -> list[tuple[_Place, _Place, Literal["up", "on"], bool]]:
    """The arrows of the unrolled network.

    Returns
    -------
    list of (start, end, kind, has_gradient)
        `start` and `end` are (step, row), row 0 being the inputs; kind ``"up"`` from a row to the next, ``"on"`` from a
        step to the next; `has_gradient` is False where a cut stops it.
    """
    if not (1 <= steps <= 8 and 1 <= layers <= 3):
        raise ValueError(f"show_unrolled: expected 1 to 8 steps and 1 to 3 layers, got {steps} and {layers}")
    if not all(1 <= cut < steps for cut in cuts):
        raise ValueError(f"show_unrolled: cuts expects steps from 1 to {steps - 1}, got {cuts}")
    up = [((t, row), (t, row + 1), "up", True) for t in range(1, steps + 1) for row in range(layers)]
    on = [((t, row), (t + 1, row), "on", t not in cuts) for t in range(steps) for row in range(1, layers + 1)]
    return [*up, *on]  # type: ignore[list-item]


def _symbol(row: int, layers: int, step: str) -> str:
    if row == 0:
        return f"$x_{{{step}}}$"
    return f"$h_{{{step}}}$" if layers == 1 else f"$h_{{{step}}}^{{({row})}}$"


def _draw_node(ax: Axes, place: _Place, symbol: str, row: int) -> None:
    centre = (place[0] * _STEP, place[1] * _ROW)
    ax.add_patch(Circle(centre, _RADIUS, facecolor=CYCLE[5] if row == 0 else "#f3e3c3", edgecolor=GREY, zorder=3))
    ax.text(*centre, symbol, ha="center", va="center", fontsize=11, color=INK, zorder=4)


def _draw_arrow(ax: Axes, start: _Place, end: _Place, kind: str, label: str = "") -> None:
    """From the rim of one node to the rim of the other; a gradient's arrow beside that of the value."""
    (x0, y0), (x1, y1) = ((step * _STEP, row * _ROW) for step, row in (start, end))
    length = ((x1 - x0) ** 2 + (y1 - y0) ** 2) ** 0.5
    along = ((x1 - x0) / length, (y1 - y0) / length)
    aside = 0.16 if kind == "back" else 0.0
    shift = (aside * along[1], -aside * along[0])
    gap = _RADIUS + 0.03
    tail = (x0 + gap * along[0] + shift[0], y0 + gap * along[1] + shift[1])
    head = (x1 - gap * along[0] + shift[0], y1 - gap * along[1] + shift[1])
    colour = {"up": CYCLE[0], "on": CYCLE[2], "back": _BACK}[kind]
    ax.add_patch(FancyArrowPatch(
        tail, head, arrowstyle="-|>", mutation_scale=12, shrinkA=0, shrinkB=0, lw=1.5, color=colour,
        linestyle=(0, (3, 2)) if kind == "back" else "-",
    ))  # fmt: skip
    ax.text((x0 + x1) / 2 + 0.12, (y0 + y1) / 2, label, ha="left", va="center", fontsize=9, color=colour)


def _draw_loop(ax: Axes, place: _Place, label: str) -> None:
    x, y = place[0] * _STEP, place[1] * _ROW
    ax.add_patch(FancyArrowPatch(
        (x - 0.2, y + _RADIUS * 0.85), (x - _RADIUS * 0.97, y - 0.12), arrowstyle="-|>", mutation_scale=12, shrinkA=0,
        shrinkB=1, lw=1.5, color=CYCLE[2], connectionstyle="arc3,rad=1.6",
    ))  # fmt: skip
    ax.text(x - 0.62, y + 0.42, label, ha="right", va="center", fontsize=9, color=CYCLE[2])


def _describe(steps: int, layers: int, gradients: bool, cuts: tuple[int, ...]) -> Alt:
    english = (
        f"A recurrent network of {layers} layer{'s' if layers > 1 else ''} as a loop and unrolled over {steps} steps: "
        "an arrow from each input up to its state, and from each state on to the next"
    )
    chinese = f"{layers} 层循环网络：左边画成圈，右边展开成 {steps} 步；每个输入向上连到状态，每个状态连到下一步的状态"
    if gradients:
        english, chinese = f"{english}; dashed arrows take the gradients back", f"{chinese}；虚线箭头是梯度的回路"
    if cuts:
        where = ", ".join(map(str, cuts))
        english, chinese = (
            f"{english}; cut after step {where}",
            f"{chinese}；在第 {where.replace(', ', '、')} 步之后截断",
        )
    return f"{english}.", f"{chinese}。"
