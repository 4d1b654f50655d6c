"""Which stacks of slices a folder holds: one for each series, or several where a series mixes what is no one volume."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mediml.imaging.stacking.scan import Slice, told
from mediml.imaging.stacking.stack import ANGLE_TOLERANCE, same_place, unit_directions
from mediml.imaging.standard.header import tag_name
from mediml.imaging.volume import Volume, vector3

__all__ = ["Stack", "StackSummary", "stacks_of"]

#: Two spacings this near to each other, as a part, are one: over 500 pixels they part by a twentieth of one.
SPACING_TOLERANCE = 1e-4


@dataclass(frozen=True)
class StackSummary:
    """One choice of `read_series`, described without a word that could name anybody.

    Attributes
    ----------
    index : int
        What to pass as `series`.
    number : int
        Series Number of the files, or -1.
    modality : str
    images : int
    shape : (rows, columns)
    axis_codes : str
        Where planes, rows and columns lead, ``"HPL"`` for axial slices; empty where the files do not say.
    detail : str
        What tells this stack from others of the same series, such as ``"Echo Time (0018,0081) 30"``.
    """

    index: int
    number: int
    modality: str
    images: int
    shape: tuple[int, int]
    axis_codes: str
    detail: str = ""

    def __str__(self) -> str:
        number = f"number {self.number}, " if self.number >= 0 else ""
        turned = f", axes {self.axis_codes}" if self.axis_codes else ""
        detail = f", {self.detail}" if self.detail else ""
        images = "1 image" if self.images == 1 else f"{self.images} images"
        return (
            f"series={self.index}: {number}{self.modality}, {images} of {self.shape[0]} × {self.shape[1]}"
            f"{turned}{detail}"
        )


@dataclass(frozen=True)
class Stack:
    """Slices that may make one volume, and by which attributes they were told from the rest of their series."""

    slices: tuple[Slice, ...]
    divided_by: tuple[str, ...] = ()

    def summary(self, index: int) -> StackSummary:
        """The description of this stack as choice number `index`."""
        first = self.slices[0]
        details = (_detail(keyword, first) for keyword in self.divided_by)
        return StackSummary(
            index, first.number, first.modality, len(self.slices), first.size, _codes(first),
            ", ".join(text for text in details if text),
        )  # fmt: skip


def stacks_of(slices: Iterable[Slice]) -> list[Stack]:
    """All stacks, in an order that depends on what the files say and not on their names."""
    series: dict[str, list[Slice]] = {}
    for each in slices:
        series.setdefault(each.series, []).append(each)
    groups = sorted(series.values(), key=lambda group: (min(each.number for each in group), group[0].series))
    return [stack for group in groups for stack in _divide(sorted(group, key=_file_order))]


def _file_order(each: Slice) -> tuple[int, str, int]:
    return each.order, each.instance, each.frame or 0


def _divide(group: list[Slice]) -> list[Stack]:
    """A series by what one volume has in common, then by what tells repeated positions apart."""
    parts: dict[tuple[Any, ...], list[Slice]] = {}
    orientations: list[tuple[float, ...]] = []
    spacings: list[tuple[float, ...]] = []
    for each in group:
        key = (
            _nearest(each.orientation, orientations, ANGLE_TOLERANCE, relative=False),
            _nearest(each.spacing_mm, spacings, SPACING_TOLERANCE, relative=True),
            *each.always,
        )
        parts.setdefault(key, []).append(each)
    keys = list(parts)
    names = ("ImageOrientationPatient", "PixelSpacing", *(keyword for keyword, _ in group[0].always))
    differ = tuple(name for column, name in enumerate(names) if len({str(key[column]) for key in keys}) > 1)
    stacks: list[Stack] = []
    for part in sorted(parts.values(), key=lambda part: (-len(part), _file_order(part[0]))):
        stacks.extend(Stack(tuple(inner), differ + by) for inner, by in _by_repetition(part))
    return stacks


def _nearest(value: tuple[float, ...], known: list[tuple[float, ...]], tolerance: float, relative: bool) -> int:
    """The number of the first known value that `value` agrees with; it becomes a new one where there is none."""
    for number, other in enumerate(known):
        limits = [tolerance * (max(abs(a), abs(b)) if relative else 1) for a, b in zip(value, other)]
        if len(value) == len(other) and all(abs(a - b) <= limit for a, b, limit in zip(value, other, limits)):
            return number
    known.append(value)
    return len(known) - 1


def _by_repetition(part: list[Slice]) -> list[tuple[list[Slice], tuple[str, ...]]]:
    """Slices whose positions repeat, divided by the first attribute that explains it; undivided where none does."""
    if not all(each.position and each.orientation and each.spacing_mm for each in part):
        return [(part, ())]
    places = same_place(part[0].orientation, [each.position for each in part], part[0].spacing_mm)
    place = dict(zip(map(id, part), places))
    repeated = max(np.bincount(list(place.values())))
    if repeated == 1:
        return [(part, ())]
    for column, (keyword, _) in enumerate(part[0].sometimes):
        groups: dict[Any, list[Slice]] = {}
        for each in part:
            groups.setdefault(each.sometimes[column][1], []).append(each)
        alone = all(len({int(place[id(each)]) for each in group}) == len(group) for group in groups.values())
        if alone and len(groups) == repeated:
            return [(groups[key], (keyword,)) for key in sorted(groups)]
    return [(part, ())]


def _codes(first: Slice) -> str:
    if not first.orientation:
        return ""
    try:
        row, column, normal = unit_directions(first.orientation)
    except ValueError:
        return ""
    empty, directions = np.zeros((1, 1, 1)), (vector3(normal), vector3(column), vector3(row))
    return "".join(Volume(empty, empty, (1.0, 1.0, 1.0), directions, (0.0, 0.0, 0.0)).axis_codes)


def _detail(keyword: str, first: Slice) -> str:
    """One attribute by its name and its value; empty where the value cannot be told."""
    if keyword in ("Rows", "Columns", "Modality", "ImageOrientationPatient"):
        return ""  # the description has it
    value = first.spacing_mm if keyword == "PixelSpacing" else dict(first.always + first.sometimes).get(keyword)
    words = told(keyword, value)
    return f"{tag_name(keyword)} {words}" if words else ""
