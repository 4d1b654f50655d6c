"""From the record of a run to findings and counts."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mediml.exercises._doctor.arrays import Origin
from mediml.exercises._doctor.findings import KINDS, Finding, Who
from mediml.exercises._doctor.recording import ATOMIC, COLUMNS, READ, WRITE, Fault, Recorder
from mediml.exercises._doctor.running import Run, indices

__all__ = ["Record", "analyse"]


class Record:
    """The record of a run in columns.

    Attributes
    ----------
    origin, offset, thread, epoch, place, kind : numpy.ndarray
        See ``recording.COLUMNS``; ``block`` beside them.
    """

    origin: NDArray[np.int64]
    offset: NDArray[np.int64]
    thread: NDArray[np.int64]
    epoch: NDArray[np.int64]
    place: NDArray[np.int64]
    kind: NDArray[np.int64]

    def __init__(self, kernel: str, recorder: Recorder, run: Run, form: tuple[int, int]):
        self.kernel, self.recorder, self.run, self.form = kernel, recorder, run, form
        columns = np.frombuffer(recorder.log, np.int64).reshape(-1, len(COLUMNS)).T.copy()
        for name, column in zip(COLUMNS, columns):
            setattr(self, name, column)
        self.threads = indices(run.threads)
        self.blocks = indices(run.blocks)
        self.block = self.thread // len(self.threads)
        regions = {id(o.region): n for n, o in enumerate(recorder.origins)}
        self._regions = np.array([regions[id(o.region)] for o in recorder.origins] or [0], np.int64)
        self.region = self._regions[self.origin]
        self.values = np.zeros(len(self.kind), object)
        self.values[self.kind == WRITE] = np.fromiter(recorder.values, object, len(recorder.values))

    def who(self, thread: int) -> Who:
        """A thread of the grid by its block and its place there, in the form of the launch."""
        block, number = divmod(int(thread), len(self.threads))
        return Who(_form(self.blocks[block], self.form[0]), _form(self.threads[number], self.form[1]))

    def who_block(self, block: int) -> Any:
        """A block in the form of the launch."""
        return _form(self.blocks[block], self.form[0])

    def region_of(self, origin: Origin) -> int:
        """The number of an array's region."""
        return int(self._regions[origin.number])

    def origins(self, space: str) -> list[Origin]:
        """The arrays in global or in shared memory."""
        return [o for o in self.recorder.origins if o.space == space]


def _form(index: tuple[int, int, int], axes: int) -> Any:
    return index[0] if axes == 0 else index[:axes]


def _index(index: tuple[int, ...]) -> Any:
    return index[0] if len(index) == 1 else index


def analyse(record: Record, outputs: Iterable[Origin]) -> list[Finding]:
    """All findings, the gravest first, then by line."""
    found = [*_faults(record), *_races(record), *_blank_reads(record)]
    if record.run.complete and not any(f.kind in ("unsupported", "endless", "error") for f in found):
        found += _unwritten(record, outputs)
    return sorted(found, key=lambda f: (KINDS.index(f.kind), f.line or 0, f.array or ""))


def _finding(record: Record, kind: str, place: int, **values: Any) -> Finding:
    at = record.recorder.places[place]
    return Finding(kind, at.function, at.line or None, at.text, **values)


def _faults(record: Record) -> Iterator[Finding]:
    groups: dict[Any, list[Fault]] = defaultdict(list)
    for fault in record.recorder.faults:
        name = fault.origin.name if fault.origin else fault.details.get("error")
        key = "barrier" if "barrier" in fault.kind else fault.place
        groups[fault.kind, key, name].append(fault)
    for (kind, _, _), group in groups.items():
        first = group[0]
        threads = list(dict.fromkeys(record.who(f.thread) for f in group))
        details = dict(first.details)
        if "missing" in details:
            missing = {number for f in group for number in f.details["missing"]}
            details["missing"] = tuple(record.who(number) for number in sorted(missing))
            places = [record.recorder.places[p] for p in sorted({p for f in group for p in f.details["places"]})]
            details["lines"] = sorted({place.line for place in places})
        hit = tuple(dict.fromkeys(_index(f.index) for f in group)) if first.origin else ()
        yield _finding(
            record, kind, first.place,
            array=first.origin.name if first.origin else None,
            space=first.origin.space if first.origin else None,
            index=hit[0] if hit else None,
            indices=hit,
            who=tuple(threads),
            count=len(group),
            details=details,
        )  # fmt: skip


def _races(record: Record) -> Iterator[Finding]:
    """Two threads, one element, at least one of them writing, nothing that orders them."""
    groups: dict[Any, list[_Collision]] = defaultdict(list)
    for entries in _suspects(record):
        for collision in _collisions(record, entries):
            name = record.recorder.origins[collision.origin].name
            groups[name, frozenset(collision.places)].append(collision)
    for group in groups.values():
        yield _race(record, group)


def _suspects(record: Record) -> list[NDArray[np.int64]]:
    """Entries of each element on which different threads collide, or blocks do."""
    if not len(record.kind):
        return []
    order = np.lexsort((record.thread, record.epoch, record.block, record.offset, record.region))
    keys = np.stack([record.region, record.offset, record.block, record.epoch])[:, order]
    changes = keys[:, 1:] != keys[:, :-1]
    elements = np.flatnonzero(np.r_[True, changes[:2].any(0)])
    suspicious = np.zeros(len(elements), bool)
    for starts, mark in [
        (np.flatnonzero(np.r_[True, changes.any(0)]), record.thread[order]),
        (elements, record.block[order]),
    ]:
        kind = record.kind[order]
        different = np.minimum.reduceat(mark, starts) != np.maximum.reduceat(mark, starts)
        writing = np.maximum.reduceat(kind, starts) > READ
        plain = np.minimum.reduceat(kind, starts) < ATOMIC
        bad = starts[different & writing & plain]
        suspicious[np.searchsorted(elements, bad, side="right") - 1] = True
    ends = np.r_[elements[1:], len(order)]
    return [order[start:end] for start, end in zip(elements[suspicious], ends[suspicious])]


class _Collision:
    """Two entries that collide."""

    def __init__(self, record: Record, one: int, other: int, same: bool):
        self.entries = one, other
        self.origin = int(record.origin[one])
        self.places = int(record.place[one]), int(record.place[other])
        self.across = bool(record.block[one] != record.block[other])
        self.same = same


def _collisions(record: Record, entries: NDArray[np.int64]) -> Iterator[_Collision]:
    """Pairs among the entries of one element, at most one for each pair of places, within blocks and across."""
    entries = np.sort(entries)  # in the order of time
    by_interval: dict[Any, dict[Any, list[int]]] = defaultdict(lambda: defaultdict(list))
    across: dict[Any, list[int]] = defaultdict(list)
    for entry in map(int, entries):
        block, epoch, what = int(record.block[entry]), int(record.epoch[entry]), int(record.kind[entry])
        if epoch > record.run.astray.get(block, epoch):
            continue  # since a barrier went wrong there, nothing is certain
        cls = int(record.place[entry]), what
        inside = by_interval[block, epoch][cls]
        if len(inside) < 2 and all(record.thread[e] != record.thread[entry] for e in inside):
            inside.append(entry)
        if len(across[cls]) < 2 and all(record.block[e] != record.block[entry] for e in across[cls]):
            across[cls].append(entry)
    writes = entries[record.kind[entries] == WRITE]
    same = len({repr(v) for v in record.values[writes]}) == 1
    for classes, mark in [*((c, record.thread) for c in by_interval.values()), (across, record.block)]:
        names = list(classes)
        for i, one in enumerate(names):
            for other in names[i:]:
                kinds = one[1], other[1]
                if kinds in ((READ, READ), (ATOMIC, ATOMIC)):
                    continue
                pair = next(((a, b) for a in classes[one] for b in classes[other] if mark[a] != mark[b]), None)
                if pair is not None:
                    yield _Collision(record, min(pair), max(pair), same and kinds == (WRITE, WRITE))


def _race(record: Record, group: list[_Collision]) -> Finding:
    harmful = [c for c in group if not c.same] or group
    across = any(c.across for c in harmful)
    first = next(c for c in harmful if c.across == across)
    one, other = first.entries
    hit: dict[Any, None] = {}
    for c in group:
        origin = record.recorder.origins[c.origin]
        hit[_index(origin.index(int(record.offset[c.entries[0]])))] = None
    origin = record.recorder.origins[first.origin]
    second = record.recorder.places[first.places[1]]
    kinds = tuple("RWA"[int(record.kind[entry])] for entry in first.entries)
    return _finding(
        record, "same_value_race" if first.same else "race_between_blocks" if across else "race", first.places[0],
        array=origin.name,
        space=origin.space,
        index=_index(origin.index(int(record.offset[one]))),
        indices=tuple(hit),
        who=(record.who(record.thread[one]), record.who(record.thread[other])),
        other_line=second.line,
        other_text=second.text,
        count=len(hit),
        details={"does": kinds, "across": across, "other_kernel": second.function},
    )  # fmt: skip


def _blank_reads(record: Record) -> Iterator[Finding]:
    """Reads of what nobody had written; where another thread writes it with no barrier between, it is a race."""
    groups: dict[Any, list[int]] = defaultdict(list)
    blank = {(int(record.region[e]), int(record.offset[e])) for e in record.recorder.blank_reads}
    writers: dict[Any, list[int]] = defaultdict(list)
    for entry in map(int, np.flatnonzero(record.kind != READ)) if blank else ():
        element = int(record.region[entry]), int(record.offset[entry])
        if element in blank:
            writers[element].append(entry)
    for entry in record.recorder.blank_reads:
        origin = record.recorder.origins[record.origin[entry]]
        block, epoch = int(record.block[entry]), int(record.epoch[entry])
        if epoch > record.run.astray.get(block, epoch):
            continue
        if not any(
            record.thread[w] != record.thread[entry]
            and (record.block[w] != block or record.epoch[w] == epoch)
            and not record.kind[w] == record.kind[entry] == ATOMIC
            for w in writers[int(record.region[entry]), int(record.offset[entry])]
        ):
            groups[origin.name, int(record.place[entry])].append(entry)
    for (_, place), entries in groups.items():
        origin = record.recorder.origins[record.origin[entries[0]]]
        hit: dict[Any, None] = {}
        for entry in entries:
            hit[_index(record.recorder.origins[record.origin[entry]].index(int(record.offset[entry])))] = None
        yield _finding(
            record, "uninitialised_read", place,
            array=origin.name,
            space=origin.space,
            index=next(iter(hit)),
            indices=tuple(hit),
            who=tuple(dict.fromkeys(record.who(record.thread[entry]) for entry in entries)),
            count=len(entries),
        )  # fmt: skip


def _unwritten(record: Record, outputs: Iterable[Origin]) -> Iterator[Finding]:
    for origin in outputs:
        mine = (record.region == record.region_of(origin)) & (record.kind != READ)
        missing = origin.outside(record.offset[mine])
        if missing:
            places = record.place[(record.origin == origin.number) & (record.kind != READ)]
            hit = tuple(_index(index) for index in missing)
            values = {"array": origin.name, "space": "global", "index": hit[0], "indices": hit, "count": len(hit)}
            details = {"size": int(origin.data.size)}
            if len(places):
                yield _finding(record, "unwritten_output", int(places[0]), **values, details=details)
            else:
                yield Finding("unwritten_output", record.kernel, **values, details=details)
