"""A series of DICOM slices as one volume with its place in the patient, or a refusal that says why not.

References
----------
DICOM PS3.3: C.7.6.2.1.1 (image position and orientation), C.7.6.16 (functional groups), C.8.8.3.2 (dose grids).
Taught in lesson 02, DICOM and geometry.
"""

import os
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import numpy as np

from mediml.imaging.image import Step
from mediml.imaging.stacking.assemble import assemble, read_slice
from mediml.imaging.stacking.choices import Stack, StackSummary, stacks_of
from mediml.imaging.stacking.scan import SeriesError, Slice, scan
from mediml.imaging.stacking.stack import Grid, fit_grid, same_place
from mediml.imaging.stacking.straighten import straighten
from mediml.imaging.standard.header import tag_name
from mediml.imaging.volume import Volume, check_voxel_count

__all__ = ["SeriesError", "list_series", "read_series"]

Source = str | os.PathLike[str] | Iterable[str | os.PathLike[str]]


def read_series(
    source: Source,
    *,
    series: int | None = None,
    gaps: str = "refuse",
    duplicates: str = "refuse",
    tilt: str = "refuse",
    progress: Callable[[int, int], Any] | None = None,
    isolated: bool = False,
) -> Volume:
    """Read parallel slices as one volume, whatever the names and the order of their files.

    Parameters
    ----------
    source : path-like, or iterable of them
        A folder, with all folders below it; the files; or one multi-frame file. Of a folder, files that are no DICOM
        images (also a DICOMDIR) are left aside and counted in the account.
    series : int, optional
        Which one, where there are several: see `list_series`. Several series, or several stacks in one series (other
        sizes, orientations, echoes, times …), are refused without it.
    gaps : {"refuse", "fill"}
        Planes missing between others. ``"fill"`` gives them the lowest measured value and marks them as `padding`.
    duplicates : {"refuse", "equal", "first"}
        Slices at one position. ``"equal"`` drops those with the same pixels; ``"first"`` keeps the one of the lowest
        Instance Number, whatever the others hold.
    tilt : {"refuse", "resample"}
        Slices shifted within their planes, as a tilted CT gantry gives them. ``"resample"`` moves each within its plane
        onto a rectangular grid that holds them all: linear interpolation of `values`, the nearest number in `stored`,
        `padding` outside.
    progress : callable, optional
        Called with the number of slices that are read, and of all.
    isolated : bool
        Decode in a process of its own, as `read_image` does, for files that nobody vouches for. The headers are read
        here. A file of many frames goes there once for each of them.

    Returns
    -------
    Volume
        Axes plane, row, column. Planes count along row direction × column direction: from the feet to the head for
        axial slices. Each slice's values are its own rescaling of its stored ones. Of an RT dose, `values` are the
        dose, in ``"GY"`` or, where it is relative, ``"arbitrary"``.

    Raises
    ------
    SeriesError
        If the slices make no regular volume: a gap, a duplicate, a shear, several stacks, uneven steps, a missing
        position, orientation or spacing, frames without places, a segmentation, colour, or one slice alone, whose
        step to the next is unknown (`read_image` reads it). The message names the attribute and what to pass.
    DicomError
        If a file is damaged or its pixels cannot be read rightly: see `read_image`.

    Notes
    -----
    * Slices are sorted by position · (row direction × column direction), never by name or Instance Number.
    * The step is that of the positions, never Slice Thickness; Spacing Between Slices, where it says something else, is
      a doubt. A slice may lie off its place by a twentieth of the step, and within its plane by a quarter of a pixel.
    * Pixel Spacing is (between rows, between columns). Detector spacings are not taken for it.
    * Headers are read first, and the size is checked before pixels are; slices are then decoded one at a time.
    * Planes missing at either end cannot be noticed: no attribute says reliably how many there were.

    Taught in lesson 02, DICOM and geometry.
    """
    _check_choice("gaps", gaps, ("refuse", "fill"))
    _check_choice("duplicates", duplicates, ("refuse", "equal", "first"))
    _check_choice("tilt", tilt, ("refuse", "resample"))
    found = scan(source)
    stack = _choose(stacks_of(found.slices), series)
    _check_geometry(stack)
    slices, dropped = _without_duplicates(list(stack.slices), duplicates, isolated)
    grid = _grid(slices, gaps, tilt)
    volume = assemble(slices, grid, progress, isolated)
    account = list(volume.account)
    if dropped:
        account.append(Step("duplicates_dropped", {"count": dropped}))
    if found.aside:
        account.append(Step("files_aside", {"count": found.aside}))
    volume = replace(volume, account=tuple(account), doubts=(*volume.doubts, *_spacing_doubt(slices, grid)))
    return volume if grid.is_straight(volume.spacing_mm[1:]) else straighten(volume, grid)


def list_series(source: Source) -> tuple[StackSummary, ...]:
    """What `read_series` could read from a folder or from files: headers only, and nothing identifying in the answer.

    Parameters
    ----------
    source : path-like, or iterable of them
        As of `read_series`.

    Returns
    -------
    tuple of StackSummary
        Each with the `index` to pass as `series`, sorted by Series Number; ``print`` one to see it in words.

    Raises
    ------
    SeriesError
        If there is no DICOM image, or a damaged file.
    """
    return tuple(stack.summary(index) for index, stack in enumerate(stacks_of(scan(source).slices)))


def _check_choice(name: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"read_series: {name} expects one of {', '.join(map(repr, allowed))}, got {value!r}")


def _choose(stacks: list[Stack], series: int | None) -> Stack:
    choices = "; ".join(str(stack.summary(index)) for index, stack in enumerate(stacks[:20]))
    if len(stacks) > 20:
        choices += f"; and {len(stacks) - 20} more (mediml.imaging.list_series)"
    if series is None:
        if len(stacks) == 1:
            return stacks[0]
        if len({stack.slices[0].series for stack in stacks}) == 1:
            names = dict.fromkeys(keyword for stack in stacks for keyword in stack.divided_by)
            reason = f"one series of {len(stacks)} stacks, which differ in {', '.join(map(tag_name, names))}"
        else:
            reason = f"{len({stack.slices[0].series for stack in stacks})} series ({tag_name('SeriesInstanceUID')})"
        raise SeriesError(f"expected slices of one volume, got {reason}; choose with series=: {choices}")
    if isinstance(series, bool) or not isinstance(series, int) or not 0 <= series < len(stacks):
        raise SeriesError(f"read_series: series expects 0 to {len(stacks) - 1}, got {series!r}; {choices}")
    return stacks[series]


def _check_geometry(stack: Stack) -> None:
    """Refuse slices whose place is not known."""
    for each in stack.slices:
        if each.problem:
            raise SeriesError(each.problem)
        for keyword, value in (
            ("SeriesInstanceUID", each.series),
            ("ImagePositionPatient", each.position),
            ("ImageOrientationPatient", each.orientation),
            ("PixelSpacing", each.spacing_mm),
        ):
            if not value:
                unknown = (
                    "what belongs together"
                    if keyword == "SeriesInstanceUID"
                    else "the place of the slice in the patient"
                )
                raise SeriesError(
                    f"{tag_name(keyword)} is missing or incomplete: {unknown} is unknown; "
                    f"read the files one by one with mediml.imaging.read_image"
                )
        if min(each.spacing_mm) <= 0:
            raise SeriesError(f"{tag_name('PixelSpacing')} is not positive; export the series again")
    if len(stack.slices) == 1:
        raise SeriesError(
            "one slice alone has no distance to a next one, and so makes no volume; read it with "
            "mediml.imaging.read_image"
        )


def _without_duplicates(slices: list[Slice], duplicates: str, isolated: bool) -> tuple[list[Slice], int]:
    """One slice for each place, in the order of the files' Instance Numbers, and how many were dropped."""
    first = slices[0]
    places = same_place(first.orientation, [each.position for each in slices], first.spacing_mm)
    groups: dict[int, list[Slice]] = {}
    for place, each in zip(places.tolist(), slices):
        groups.setdefault(place, []).append(each)
    several = [group for group in groups.values() if len(group) > 1]
    if not several:
        return slices, 0
    dropped = sum(len(group) - 1 for group in several)
    told = f"{tag_name('ImagePositionPatient')}: {dropped} of {len(slices)} slices lie where another one lies"
    if duplicates == "refuse":
        raise SeriesError(
            f'{told}; pass duplicates="equal" to drop those with the same pixels, or "first" to keep the one of the '
            f"lowest {tag_name('InstanceNumber')}"
        )
    if duplicates == "equal" and not all(_are_equal(group, isolated) for group in several):
        raise SeriesError(f'{told}, and their pixels differ; pass duplicates="first" to keep the first of each')
    if len(groups) == 1:
        raise SeriesError(f"{told}: one place is no volume; read them with mediml.imaging.read_image")
    return [group[0] for group in groups.values()], dropped


def _are_equal(group: list[Slice], isolated: bool) -> bool:
    kept = read_slice(group[0], isolated)
    others = (read_slice(each, isolated) for each in group[1:])
    return all(np.array_equal(kept.stored, x.stored) and np.array_equal(kept.values, x.values) for x in others)


def _grid(slices: list[Slice], gaps: str, tilt: str) -> Grid:
    first = slices[0]
    orientation = np.median([each.orientation for each in slices], axis=0)
    grid = fit_grid(orientation, [each.position for each in slices], first.spacing_mm)
    if grid.missing and gaps == "refuse":
        raise SeriesError(
            f"{tag_name('ImagePositionPatient')}: at a step of {grid.step_mm:.4g} mm, {grid.missing} of {grid.count} "
            f'planes are missing; look for the files, or pass gaps="fill" to have padding there'
        )
    if not grid.is_straight(first.spacing_mm) and tilt == "refuse":
        farthest = float(np.abs(grid.shifts_mm).max())
        raise SeriesError(
            f"{tag_name('ImagePositionPatient')} and {tag_name('ImageOrientationPatient')}: the slices are shifted "
            f"within their planes by up to {farthest:.4g} mm, {grid.tilt_degrees:.1f} degrees off a straight stack (a "
            f'tilted gantry does that); pass tilt="resample" to move them onto a rectangular grid'
        )
    check_voxel_count((grid.count, *first.size), SeriesError)
    return grid


def _spacing_doubt(slices: list[Slice], grid: Grid) -> list[Step]:
    said = {round(abs(each.said_spacing), 6) for each in slices if each.said_spacing}
    wrong = [spacing for spacing in sorted(said) if abs(spacing - grid.step_mm) > 0.05 * grid.step_mm]
    return [Step("spacing_contradiction", {"said": wrong[0], "step": grid.step_mm})] if wrong else []
