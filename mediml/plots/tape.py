"""The tape of automatic differentiation, drawn from the nodes that `mediml.autograd` has recorded."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

from matplotlib.axes import Axes

from mediml.autograd import Node
from mediml.plots.display import Alt, show
from mediml.plots.style import CYCLE, GREY, INK, new_figure
from mediml.tensor import Tensor

__all__ = ["show_tape", "tape_of"]


@dataclass
class _Box:
    """A node as drawn: what it says, what it depends on, where it stands."""

    text: str
    is_leaf: bool
    inputs: list[str] = field(default_factory=list)
    column: int = 0


def show_tape(output: Tensor, names: Mapping[str, Tensor] | None = None, alt: Alt | None = None) -> None:
    """Draw all operations between the leaves (left, blue) and `output` (right).

    Values flow along the arrows, gradients against them.

    Parameters
    ----------
    output : Tensor
        On the tape.
    names : mapping of str to Tensor, optional
        Symbols for leaves.
    alt : pair of str, optional
        By default the list of operations.
    """
    boxes = tape_of(output, names or {})
    rows = defaultdict(list)
    for key, box in boxes.items():
        rows[box.column].append(key)
    height = max(len(keys) for keys in rows.values())
    place = {
        key: (1.75 * column, (len(keys) - 1) / 2 - position)
        for column, keys in rows.items()
        for position, key in enumerate(keys)
    }
    figure, axes = new_figure(1.35 * len(rows) + 0.4, 0.8 * height + 0.3)
    for key, box in boxes.items():
        _draw_box(axes[0, 0], box, place[key])
        for source in box.inputs:
            _draw_arrow(axes[0, 0], boxes[source], place[source], box, place[key])
    axes[0, 0].set(xlim=(-0.8, 1.75 * (len(rows) - 1) + 0.8), ylim=(-height / 2 - 0.1, height / 2 + 0.1))
    axes[0, 0].set_axis_off()
    order = " → ".join(box.text.replace("\n", " ") for box in boxes.values())
    show(figure, alt or (f"Graph of the tape, inputs first: {order}.", f"计算图（输入在前）：{order}。"))


def tape_of(output: Tensor, names: Mapping[str, Tensor]) -> dict[str, _Box]:
    """The boxes from the leaves to `output`, in the order of recording.

    Raises
    ------
    ValueError
        If `output` is not on the tape.
    """
    if output._node is None:
        raise ValueError(
            "show_tape: the tensor is not on the tape; expected the result of operators on requires_grad tensors"
        )
    symbols = {id(tensor): symbol for symbol, tensor in names.items()}
    boxes: dict[str, _Box] = {}
    _visit(output._node, symbols, boxes)
    return boxes


def _visit(node: Node, symbols: Mapping[int, str], boxes: dict[str, _Box]) -> str:
    leaf = getattr(node, "tensor", None)
    key = f"leaf {id(leaf)}" if leaf is not None else f"node {node.order}"
    if key in boxes:
        return key
    if leaf is not None:
        symbol = symbols.get(id(leaf), "·")
        boxes[key] = _Box(f"{symbol}\n{tuple(leaf.shape)}", is_leaf=True)
        return key
    inputs = [_visit(edge[0], symbols, boxes) for edge in node.next_nodes if edge is not None]
    boxes[key] = _Box(node.name, False, inputs, 1 + max((boxes[source].column for source in inputs), default=0))
    return key


def _draw_box(ax: Axes, box: _Box, place: tuple[float, float]) -> None:
    colour = CYCLE[5] if box.is_leaf else "#f3e3c3"
    ax.text(
        *place, box.text, ha="center", va="center", fontsize=8.5, color=INK, linespacing=1.4,
        bbox={"boxstyle": "square,pad=0.5" if box.is_leaf else "round,pad=0.6", "facecolor": colour, "edgecolor": GREY},
    )  # fmt: skip


def _draw_arrow(ax: Axes, source: _Box, start: tuple[float, float], target: _Box, end: tuple[float, float]) -> None:
    shrink = {"shrinkA": _half_width(source), "shrinkB": _half_width(target)}
    ax.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": GREY, "lw": 1.3, **shrink})


def _half_width(box: _Box) -> float:
    """In points, with a little air."""
    return 2.7 * max(len(line) for line in box.text.split("\n")) + 9
