"""Who touched what: the elements of each array that was written, and shared memory from barrier to barrier.

Colours alone say nothing that is not also written in the cells, and are Okabe and Ito's.
"""

from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib import colormaps, rc_context
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.font_manager import fontManager
from matplotlib.patches import Patch, Rectangle

from mediml.exercises._doctor.arrays import Origin
from mediml.exercises._doctor.findings import Finding
from mediml.exercises._doctor.recording import READ
from mediml.plots.style import _LOOK, CYCLE, GREY, INK, text_colour

if TYPE_CHECKING:
    from mediml.exercises._doctor.report import Report

__all__ = ["described", "draw"]

_CELL = 0.34  # inches
_WIDEST, _MOST_ROWS, _MOST_STEPS, _MOST_PANELS = 32, 32, 12, 3
_CHINESE = ("Noto Sans CJK SC", "Source Han Sans SC", "WenQuanYi Micro Hei", "Microsoft YaHei", "PingFang SC", "SimHei")
_FAULT = "#D00000"


class _Cells:
    """A grid of cells with a text each."""

    def __init__(self, ax: Axes, rows: int, widest: int):
        self.ax = ax
        ax.set(xlim=(0, widest), ylim=(rows, 0), aspect="equal", anchor="W")
        ax.tick_params(length=0, labelsize=7)
        for spine in ax.spines.values():
            spine.set_visible(False)

    def label(self, columns: int, rows: list[str]) -> None:
        """Numbers of the columns, names of the rows."""
        ticks = np.arange(0, columns, 4 if columns > 12 else 1)
        self.ax.set_xticks(ticks + 0.5, [str(tick) for tick in ticks])
        self.ax.set_yticks(np.arange(len(rows)) + 0.5, rows)

    def fill(self, row: int, column: int, colour: Any, text: str, dashed: bool = False) -> None:
        style = {"facecolor": colour, "edgecolor": GREY if dashed else "white", "linestyle": ":" if dashed else "-"}
        self.ax.add_patch(Rectangle((column, row), 1, 1, linewidth=0.8, **style))
        ink = INK if dashed else text_colour(to_rgba(colour))
        size = {1: 7, 2: 7, 3: 6, 4: 5}.get(len(text), 4)
        self.ax.text(column + 0.5, row + 0.52, text, ha="center", va="center", fontsize=size, color=ink)

    def blank(self, row: int, column: int) -> None:
        self.ax.add_patch(Rectangle((column, row), 1, 1, facecolor="none", edgecolor=GREY, hatch="////", linewidth=0.5))

    def cross(self, row: int, column: int, small: bool = True) -> None:
        """Mark a cell; a small mark leaves its text to be read."""
        frame = Rectangle((column + 0.05, row + 0.05), 0.9, 0.9, facecolor="none", edgecolor=_FAULT, linewidth=1.5)
        if small:
            self.ax.add_patch(frame)
        low, high = (0.68, 0.95) if small else (0.15, 0.85)
        for x in ((column + low, column + high), (column + high, column + low)):
            for colour, width in (("white", 3.0), (_FAULT, 1.5)):
                self.ax.plot(x, (row + 1 - high, row + 1 - low), color=colour, linewidth=width)


def _panels(report: "Report") -> tuple[list[Origin], list[Origin]]:
    """The arrays to draw: those written in global memory, or with a finding, and the shared ones of one block."""
    record = report._record
    faulty = {f.array for f in report.findings}
    written = [o for o in record.origins("global") if o.data.size and (report.writes[o.name] or o.name in faulty)]
    written.sort(key=lambda o: report.writes[o.name] == 0)
    guilty = [f.blocks[0] for f in report.findings if f.space == "shared" and f.blocks]
    block = next((n for n in range(len(record.blocks)) if guilty and record.who_block(n) == guilty[0]), 0)
    return written[:_MOST_PANELS], [o for o in record.origins("shared") if o.block == block][:_MOST_PANELS]


def draw(report: "Report", words: Mapping[str, str], language: str) -> Figure:
    """The figure."""
    outputs, shared = _panels(report)
    plans = [(_output_size(report, o), _output, o) for o in outputs] + [
        (_shared_size(report, o), _shared, o) for o in shared
    ]
    widest = max([8, *(columns for (_, columns), _, _ in plans)])
    width = (widest + 4) * _CELL
    heights = [rows * _CELL + 0.75 for (rows, _), _, _ in plans] or [1.0]
    look = dict(_LOOK)
    if language == "zh":
        chinese = [f for f in _CHINESE if f in {font.name for font in fontManager.ttflist}]
        look["font.family"] = [*chinese[:1], "DejaVu Sans"]
        if not chinese:  # boxes would say nothing: the code's own words will do
            words = {**words, **_NEUTRAL}
    with rc_context(look):
        figure = Figure(figsize=(width, sum(heights) + 0.3), layout="constrained")
        if not plans:
            figure.text(0.5, 0.5, report.kernel, ha="center")
            return figure
        axes = figure.subplots(len(plans), 1, squeeze=False, height_ratios=heights)[:, 0]
        for ax, (size, one, origin) in zip(axes, plans):
            one(report, _Cells(ax, size[0], widest), origin, words)
    return figure


_NEUTRAL = {
    "legend_block": "blockIdx {block}",
    "legend_thread": "threadIdx",
    "legend_blank": "?",
    "legend_unread": "?",
    "legend_fault": "✕",
}


def _marked(report: "Report", origin: Origin) -> set[Any]:
    """The elements of an array that findings name."""
    same_space = [f for f in report.findings if f.array == origin.name and f.space == origin.space]
    marks: set[Any] = set()
    for f in same_space:
        if f.space != "shared" or not f.blocks or _block_of(report, origin) in f.blocks or len(f.who) == 2:
            marks.update(i if isinstance(i, tuple) else (i,) for i in f.indices)
    return marks


def _block_of(report: "Report", origin: Origin) -> Any:
    return report._record.who_block(origin.block)


def _layout(shape: tuple[int, ...]) -> tuple[int, int]:
    """Rows and columns: vectors are folded, more than two axes are joined."""
    if len(shape) < 2:
        size = shape[0] if shape else 1
        return -(-size // _WIDEST), min(size, _WIDEST)
    return int(np.prod(shape[:-1])), shape[-1]


def _cell(shape: tuple[int, ...], index: tuple[int, ...]) -> tuple[int, int]:
    if len(shape) < 2:
        return divmod(index[0] if index else 0, _WIDEST)
    row = 0
    for size, i in zip(shape[:-1], index):
        row = row * size + i
    return row, index[-1]


def _beyond(report: "Report", origin: Origin) -> int:
    """How far beyond the end of a vector the kernel reached, within a row."""
    if len(origin.shape) != 1:
        return 0
    return min(max([i[0] + 1 - origin.shape[0] for i in _marked(report, origin)] + [0]), _WIDEST)


def _output_size(report: "Report", origin: Origin) -> tuple[int, int]:
    shape = (origin.shape[0] + _beyond(report, origin),) if len(origin.shape) == 1 else origin.shape
    rows, columns = _layout(shape)
    return min(rows, _MOST_ROWS), min(columns, 2 * _WIDEST)


def _short(index: Any) -> str:
    return ",".join(map(str, index)) if isinstance(index, tuple) else str(index)


def _output(report: "Report", cells: _Cells, origin: Origin, words: Mapping[str, str]) -> None:
    record = report._record
    rows, columns = _output_size(report, origin)
    mine = np.flatnonzero((record.origin == origin.number) & (record.kind != READ))
    if not len(mine):
        mine = np.flatnonzero(record.origin == origin.number)
    owners: dict[tuple[int, ...], list[int]] = defaultdict(list)
    for offset, thread in zip(record.offset[mine].tolist(), record.thread[mine].tolist()):
        owners[origin.index(offset)].append(thread)
    blocks = set()
    for index in np.ndindex(*origin.shape):
        row, column = _cell(origin.shape, index)
        if row >= rows or column >= columns:
            continue
        if index in owners:
            threads = list(dict.fromkeys(owners[index]))
            block = threads[0] // len(record.threads)
            blocks.add(block)
            text = _short(record.who(threads[0]).thread) if len(threads) == 1 else f"{len(threads)}×"
            cells.fill(row, column, CYCLE[block % len(CYCLE)], text)
        else:
            cells.blank(row, column)
    for index in _marked(report, origin):
        if len(index) == 1 and origin.shape and index[0] < 0:
            index = (index[0] + origin.shape[0],)
        if len(index) != len(origin.shape):
            continue
        row, column = _cell(origin.shape, index)
        if 0 <= row < rows and 0 <= column < columns:
            if any(i >= size for i, size in zip(index, origin.shape)):
                cells.fill(row, column, "none", "", dashed=True)
                cells.cross(row, column, small=False)
            else:
                cells.cross(row, column)
    cells.ax.set_title(f"{origin.name}  ({' × '.join(map(str, origin.shape))})", loc="left", color=INK)
    step = _WIDEST if len(origin.shape) == 1 else 1
    cells.label(columns, [f"+{row * step}" if step > 1 else str(row) for row in range(rows)])
    handles = [
        Patch(color=CYCLE[b % len(CYCLE)], label=words["legend_block"].format(block=_short(record.who_block(b))))
        for b in sorted(blocks)[:6]
    ]
    if len(owners) < origin.data.size:
        blank = "legend_unread" if (record.kind[mine] == READ).all() else "legend_blank"
        handles.append(Patch(facecolor="none", edgecolor=GREY, hatch="////", label=words[blank]))
    _legend(cells.ax, handles, words, bool(_marked(report, origin)))


def _legend(ax: Axes, handles: list[Any], words: Mapping[str, str], faults: bool) -> None:
    if faults:
        (cross,) = ax.plot([], [], "x", color=_FAULT, markersize=7, markeredgewidth=2, label=words["legend_fault"])
        handles = [*handles, cross]
    if handles:
        ax.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.0, 1.0), fontsize=7, frameon=False)


def _steps(report: "Report", origin: Origin) -> list[tuple[int, str]]:
    """(interval, R or W) in which something happens to a shared array."""
    record = report._record
    mine = record.origin == origin.number
    found = {(int(e), "R" if k == READ else "W") for e, k in zip(record.epoch[mine], record.kind[mine])}
    return sorted(found, key=lambda s: (s[0], s[1] == "R"))[:_MOST_STEPS]


def _shared_size(report: "Report", origin: Origin) -> tuple[int, int]:
    return max(len(_steps(report, origin)), 1), min(max(origin.data.size + _beyond(report, origin), 1), 2 * _WIDEST)


def _shared(report: "Report", cells: _Cells, origin: Origin, words: Mapping[str, str]) -> None:
    record = report._record
    _, columns = _shared_size(report, origin)
    mine = np.flatnonzero(record.origin == origin.number)
    touched: dict[tuple[int, str, int], list[int]] = defaultdict(list)
    for entry in mine.tolist():
        flat = int(np.ravel_multi_index(origin.index(int(record.offset[entry])), origin.shape))
        does = "R" if record.kind[entry] == READ else "W"
        touched[int(record.epoch[entry]), does, flat].append(int(record.thread[entry]) % len(record.threads))
    colours = colormaps["cividis"](np.linspace(0.05, 1, len(record.threads)))
    marked = {
        int(np.ravel_multi_index(i, origin.shape)) if all(0 <= j < s for j, s in zip(i, origin.shape)) else i[0]
        for i in _marked(report, origin)
    }  # fmt: skip
    steps = _steps(report, origin)
    for row, (epoch, does) in enumerate(steps):
        for column in range(columns):
            threads = list(dict.fromkeys(touched.get((epoch, does, column), [])))
            if threads:
                text = _short(record.who(threads[0]).thread) if len(threads) == 1 else f"{len(threads)}×"
                cells.fill(row, column, colours[threads[0]], text)
                both = [*touched.get((epoch, "R", column), []), *touched.get((epoch, "W", column), [])]
                if column in marked and (len(set(both)) > 1 or does == "R"):
                    cells.cross(row, column)
        if row and steps[row - 1][0] != epoch:
            cells.ax.axhline(row, color=INK, linewidth=1.5)
    for column in marked:
        if column >= origin.data.size and column < columns:
            cells.fill(0, column, "none", "", dashed=True)
            cells.cross(0, column, small=False)
    cells.ax.set_title(
        f"{origin.name} (cuda.shared)  blockIdx {_short(_block_of(report, origin))}   ━ syncthreads()",
        loc="left",
        color=INK,
    )
    cells.label(columns, [f"{epoch} {does}" for epoch, does in steps])
    ends = {0: colours[0], len(record.threads) - 1: colours[-1]}
    handles = [
        Patch(color=colour, label=f"{words['legend_thread']} {_short(record.who(number).thread)}")
        for number, colour in ends.items()
    ]  # fmt: skip
    _legend(cells.ax, handles, words, bool(marked))


def described(report: "Report", words: Mapping[str, str]) -> str:
    """The figure in words."""
    outputs, shared = _panels(report)
    parts = [
        words["alt_output" if report.writes[o.name] else "alt_input"].format(array=o.name, count=int(o.data.size))
        for o in outputs
    ]
    parts += [words["alt_shared"].format(array=o.name, block=_short(_block_of(report, o))) for o in shared]
    if not parts:
        return words["alt_nothing"]
    names = [_names(f, words) for f in report.findings if f.indices]
    parts.append(words["alt_faults"].format(elements=words["semicolon"].join(names)) if names else words["alt_healthy"])
    return " ".join(parts)


def _names(finding: Finding, words: Mapping[str, str]) -> str:
    from mediml.exercises._doctor.report import named

    return named(finding, words)
