"""What the doctor says: `Report`, in English and in Chinese."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from mediml.exercises._doctor import words_en, words_zh
from mediml.exercises._doctor.analysis import Record
from mediml.exercises._doctor.findings import Finding
from mediml.exercises._doctor.recording import READ

__all__ = ["LANGUAGES", "Report", "named", "told"]

LANGUAGES: dict[str, Mapping[str, str]] = {"en": words_en.WORDS, "zh": words_zh.WORDS}
_MOST = 4  # threads or elements named one by one
_WARP = 32
_MOST_ROWS = 1024 // _WARP
_HINT_BELOW = 0.5


class Report:
    """What one examination found.

    Attributes
    ----------
    kernel : str
    findings : list of Finding
    arrays : dict of str to numpy.ndarray
        The arguments as the kernel left them.
    reads, writes : dict of str to int
        Accesses to each array in global memory; an atomic operation is one of both.
    shared_reads, shared_writes : int
    barriers : int
        How often a block passed one, all blocks together.
    neighbours : dict of str to float
        For each array in global memory, the share of accesses by the threads of a warp that touch neighbouring
        elements, which the GPU fetches together.
    """

    def __init__(self, record: Record, findings: list[Finding], arrays: dict[str, NDArray[Any]]):
        self._record = record
        self.kernel, self.findings, self.arrays = record.kernel, findings, arrays
        self.reads: dict[str, int] = {}
        self.writes: dict[str, int] = {}
        self._by_element: dict[str, tuple[NDArray[np.int64], NDArray[np.int64]]] = {}
        for origin in record.origins("global"):
            mine = record.origin == origin.number
            counts = [mine & (record.kind != 1), mine & (record.kind != READ)]
            self.reads[origin.name], self.writes[origin.name] = (int(c.sum()) for c in counts)
            for_each = np.zeros((2, *origin.shape), np.int64)
            for done, some in zip(for_each, counts):
                where, times = np.unique(record.offset[some], return_counts=True)
                for offset, number in zip(where.tolist(), times.tolist()):
                    done[origin.index(offset)] = number
            self._by_element[origin.name] = for_each[0], for_each[1]
        shared = np.array([o.space == "shared" for o in record.recorder.origins] or [False])[record.origin]
        self.shared_reads = int((shared & (record.kind != 1)).sum())
        self.shared_writes = int((shared & (record.kind != READ)).sum())
        self.barriers = record.recorder.barriers
        self.neighbours, self.hints = _coalescing(record)

    @property
    def ok(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    def reads_of_elements(self, array: str) -> NDArray[np.int64]:
        """How often each element of an array in global memory was read."""
        return self._by_element[array][0]

    def writes_of_elements(self, array: str) -> NDArray[np.int64]:
        """How often each element was written."""
        return self._by_element[array][1]

    def require(
        self,
        reads: Mapping[str, int] | None = None,
        writes: Mapping[str, int] | None = None,
        shared_reads: int | None = None,
        barriers: int | None = None,
    ) -> "Report":
        """The same report, with a finding for each count that is larger than allowed.

        Parameters
        ----------
        reads, writes : mapping of str to int, optional
            Most accesses to an array in global memory.
        shared_reads, barriers : int, optional
        """
        limits: list[tuple[str, str | None, int, int]] = [
            ("reads", name, self._count("reads", name), most) for name, most in (reads or {}).items()
        ]
        limits += [("writes", name, self._count("writes", name), most) for name, most in (writes or {}).items()]
        if shared_reads is not None:
            limits.append(("shared_reads", None, self.shared_reads, shared_reads))
        if barriers is not None:
            limits.append(("barriers", None, self.barriers, barriers))
        for what, name, count, most in limits:
            if count > most:
                details = {"what": what, "most": most}
                self.findings.append(Finding("too_many", self.kernel, array=name, count=count, details=details))
        return self

    def _count(self, what: str, name: str) -> int:
        counts: dict[str, int] = getattr(self, what)
        if name not in counts:
            raise ValueError(f"{what}: the kernel has no array {name!r}; it has {', '.join(counts)}")
        return counts[name]

    def text(self, language: str = "en") -> str:
        """All of it in words: ``"en"`` or ``"zh"``."""
        words = _words(language)
        launch = {"kernel": self.kernel, "blocks": len(self._record.blocks), "threads": len(self._record.threads)}
        count = len(self.findings)
        head = words["found" if count > 1 else "found_one" if count else "healthy"].format(count=count, **launch)
        parts = [head]
        parts += [f"{number}. {told(f, language)}" for number, f in enumerate(self.findings, 1)]
        memory = [
            words["counted"].format(array=name, reads=self.reads[name], writes=self.writes[name])
            for name in self.reads
        ]  # fmt: skip
        if self.shared_reads or self.shared_writes:
            memory.append(words["shared"].format(reads=self.shared_reads, writes=self.shared_writes))
        if self.barriers:
            memory.append(words["barriers"].format(count=self.barriers))
        parts.append(words["memory"] + words["separator"].join(memory) + words["stop"])
        parts += [words["hint"].format(**{**hint, "share": round(100 * hint["share"])}) for hint in self.hints]
        return "\n\n".join(parts)

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        kinds = ", ".join(f.kind for f in self.findings) or "ok"
        return f"<examination of {self.kernel}: {kinds}>"

    def plot(self, language: str = "en") -> Figure:
        """Who touched what: the elements written, shared memory from barrier to barrier, and the findings on them.

        Its description is ``alt(language)``; in a notebook, `show` displays both.
        """
        from mediml.exercises._doctor.picture import draw  # here: it needs reports

        return draw(self, _words(language), language)

    def alt(self, language: str = "en") -> str:
        """What the figure shows, for readers who do not see it."""
        from mediml.exercises._doctor.picture import described

        return described(self, _words(language))

    def show(self) -> None:
        """Display the figure in a notebook, described in both languages."""
        from mediml.plots.display import show

        show(self.plot(), (self.alt("en"), self.alt("zh")))


def _words(language: str) -> Mapping[str, str]:
    if language not in LANGUAGES:
        raise ValueError(f"language: expected one of {', '.join(LANGUAGES)}, got {language!r}")
    return LANGUAGES[language]


def told(finding: Finding, language: str) -> str:
    """A finding in words: what, where, who, why it is wrong, what to do."""
    words = _words(language)
    f = finding
    kind = f.kind
    details = dict(f.details)
    if kind == "too_many":
        what = words[f"of_{details['what']}"].format(array=f.array)
        return words["too_many"].format(what=what, count=f.count, most=details["most"])
    values: dict[str, Any] = {
        **details,
        "kernel": f.kernel, "array": f.array, "element": _element(f.array, f.index), "count": f.count,
        "elements": named(f, words),
        "space": words[f"space_{f.space}"] if f.space else "",
        "line": f.line, "text": f.text, "other_line": f.other_line, "other_text": f.other_text,
    }  # fmt: skip
    if "shape" in details:
        values["last"] = _element(f"{f.array}[…]" if details["part"] else f.array, _last(details["shape"]))
        values["array"] = f"{f.array}[…]" if details["part"] else f.array
        values["size"] = " × ".join(map(str, details["shape"]))
    if "missing" in details:
        values["missing"] = _people(details["missing"], words)
        values["lines"] = words["and"].join(map(str, details["lines"]))
    if "does" in details:
        values["one_does"], values["other_does"] = (words[f"does_{d}"] for d in details["does"])
        values["one"], values["other"] = (_people([who], words) for who in f.who)
    lines = [words[f"{kind}_title"].format(**values)]
    if f.line is not None:
        lines.append(words["at"].format(**values))
    if f.other_line is not None and f.other_line != f.line:
        lines.append(words["at"].format(kernel=details["other_kernel"], line=f.other_line, text=f.other_text))
    if f.who and "does" not in details:
        lines.append(words["by"].format(who=_people(f.who, words)))
    why = words[f"{kind}_why"].format(**values)
    advice = words[_advice(f)].format(**values)
    return "\n   ".join([*lines, why, words["advice"] + advice])


def named(f: Finding, words: Mapping[str, str]) -> str:
    """The elements that a finding concerns."""
    name = f"{f.array}[…]" if f.details.get("part") else f.array  # the index counts within a part
    return _several([_element(name, i) for i in f.indices], words)


def _advice(f: Finding) -> str:
    """The key of what to do."""
    if f.kind == "error" and f.details["error"] in ("ZeroDivisionError",):
        return "error_zero_do"
    if f.kind in ("race", "race_between_blocks") and f.line == f.other_line and "A" not in f.details["does"]:
        return f"{f.kind}_same_line_do"
    if f.kind == "same_value_race" and f.details["across"]:
        return "same_value_race_across_do"
    return f"{f.kind}_do"


def _element(array: str | None, index: Any) -> str:
    return "" if index is None else f"{array}[{', '.join(map(str, index)) if isinstance(index, tuple) else index}]"


def _last(shape: tuple[int, ...]) -> Any:
    return shape[0] - 1 if len(shape) == 1 else tuple(size - 1 for size in shape)


def _several(names: list[str], words: Mapping[str, str]) -> str:
    if len(names) <= _MOST:
        return words["comma"].join(names)
    return words["and_more"].format(some=words["comma"].join(names[: _MOST - 1]), more=len(names) - _MOST + 1)


def _people(who: Any, words: Mapping[str, str]) -> str:
    """Threads, block by block, with runs of numbers drawn together."""
    blocks: dict[Any, list[Any]] = defaultdict(list)
    for block, thread in who:
        blocks[block].append(thread)
    parts = []
    for block, threads in blocks.items():
        key = "thread" if len(threads) == 1 else "threads"
        parts.append(words[key].format(threads=_several(_spans(threads), words), block=block))
    if len(parts) <= _MOST:
        return words["semicolon"].join(parts)
    return words["and_blocks"].format(some=words["semicolon"].join(parts[: _MOST - 1]), more=len(parts) - _MOST + 1)


def _spans(threads: list[Any]) -> list[str]:
    if not all(isinstance(t, int) for t in threads):
        return [str(t) for t in threads]
    spans: list[list[int]] = []
    for t in sorted(threads):
        if spans and t == spans[-1][1] + 1:
            spans[-1][1] = t
        else:
            spans.append([t, t])
    return [str(a) if a == b else f"{a}–{b}" for a, b in spans]


def _coalescing(record: Record) -> tuple[dict[str, float], list[dict[str, Any]]]:
    """For each global array, the share of a warp's accesses to neighbouring elements, and the lines that do worst."""
    shares: dict[str, float] = {}
    hints = []
    for origin in record.origins("global"):
        mine = np.flatnonzero(record.origin == origin.number)
        if not len(mine):
            continue
        place, thread, offset = record.place[mine], record.thread[mine], record.offset[mine]
        what = place * 3 + record.kind[mine]
        times = _occurrences(what, thread)
        y, x = np.divmod(thread, record.run.threads[0])  # a row of the block in x; a small one is no whole warp
        warp = y * _MOST_ROWS + x // _WARP
        order = np.lexsort((offset, times, warp, what))
        keys = np.stack([what, warp, times])[:, order]
        starts = np.flatnonzero(np.r_[True, (keys[:, 1:] != keys[:, :-1]).any(0)])
        counts = np.diff(np.r_[starts, len(order)])
        low, high = (f.reduceat(offset[order], starts) for f in (np.minimum, np.maximum))
        near = (high - low) // origin.data.itemsize < counts
        several = counts > 1
        if not several.any():
            continue
        shares[origin.name] = float(near[several].mean())
        at = place[order][starts]
        for number in np.unique(at[several]):
            here = several & (at == number)
            share = float(near[here].mean())
            if share < _HINT_BELOW:
                where = record.recorder.places[number]
                hints.append({"array": origin.name, "line": where.line, "text": where.text, "share": share})
    return shares, hints


def _occurrences(what: NDArray[np.int64], thread: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each entry, how many times this thread had done the same before."""
    order = np.lexsort((thread, what))  # stable: time stays in order
    new = np.r_[True, (what[order][1:] != what[order][:-1]) | (thread[order][1:] != thread[order][:-1])]
    starts = np.flatnonzero(new)
    result = np.empty(len(order), np.int64)
    result[order] = np.arange(len(order)) - np.repeat(starts, np.diff(np.r_[starts, len(order)]))
    return result
