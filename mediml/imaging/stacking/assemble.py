"""Decoding slices one after the other into the arrays of a volume."""

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
from pydicom.dataset import Dataset

from mediml.imaging.dicom import read_dataset_image, read_image
from mediml.imaging.frames import open_dataset
from mediml.imaging.image import Image, LookupView, Step, WindowView
from mediml.imaging.stacking.scan import SeriesError, Slice
from mediml.imaging.stacking.stack import Grid
from mediml.imaging.standard.header import tag_name
from mediml.imaging.volume import Volume, vector3

__all__ = ["assemble", "read_slice"]

#: What is said of a volume once, and not for each of its planes.
_OF_ONE_IMAGE = {"frame"}


def read_slice(each: Slice, isolated: bool = False) -> Image:
    """The pixels of one slice."""
    return next(_images([each], isolated))


def assemble(
    slices: list[Slice], grid: Grid, progress: Callable[[int, int], Any] | None = None, isolated: bool = False
) -> Volume:
    """The volume of slices whose places on a grid are known.

    `directions` and `origin_mm` are those of the first slice; a shear is left to `straighten`.
    """
    first, count = slices[0], len(slices)
    shape = (grid.count, *first.size)
    order = sorted(range(count), key=lambda k: (slices[k].path, slices[k].frame or 0))  # each file is parsed once
    builder = _Builder(shape)
    for done, (k, image) in enumerate(zip(order, _images((slices[k] for k in order), isolated)), 1):
        builder.add(int(grid.planes[k]), image)
        if progress is not None:
            progress(done, count)
    builder.finish()
    rows, columns = first.spacing_mm
    step = Step("multiframe" if first.frame is not None else "series", {"count": count, "step": grid.step_mm})
    return Volume(
        stored=builder.stored,
        values=builder.values,
        spacing_mm=(grid.step_mm, rows, columns),
        directions=(vector3(grid.normal), vector3(grid.column), vector3(grid.row)),
        origin_mm=vector3(slices[grid.first].position),
        padding=builder.padding if builder.padding.any() else None,
        account=(step, *builder.account),
        **builder.common(),
    )


def _images(slices: Iterable[Slice], isolated: bool) -> Iterator[Image]:
    """The pictures one at a time; a file of many frames is parsed once."""
    path, dataset = None, Dataset()
    for each in slices:
        if each.frame is None or isolated:
            image = read_image(each.path, each.frame, isolated=isolated)
        else:
            if each.path != path:
                path, dataset = each.path, open_dataset(each.path)
            image = read_dataset_image(dataset, each.frame)
        yield image


class _Builder:
    """Fills the arrays plane by plane, and keeps of each image what the volume will say."""

    def __init__(self, shape: tuple[int, int, int]):
        self.shape = shape
        self.images: dict[int, dict[str, Any]] = {}
        self.filled = np.zeros(shape[0], bool)
        self.account: list[Step] = []

    def add(self, plane: int, image: Image) -> None:
        if not self.images:
            self.stored = np.zeros(self.shape, image.stored.dtype)
            self.values = np.zeros(self.shape, image.values.dtype)
            self.padding = np.zeros(self.shape, bool)
            self.units = image.units
        if image.values.shape != self.shape[1:] or image.stored.dtype != self.stored.dtype:
            raise SeriesError(
                f"a slice decodes to {image.values.shape} of {image.stored.dtype}, the others to {self.shape[1:]} of "
                f"{self.stored.dtype}; export the series again"
            )
        if image.units != self.units:
            raise SeriesError(f"{tag_name('RescaleType')}: the values of the slices have different units")
        self.stored[plane], self.values[plane], self.filled[plane] = image.stored, image.values, True
        if image.padding is not None:
            self.padding[plane] = image.padding
        names = ("modality", "views", "inverted", "facts", "age_years", "account", "doubts")
        self.images[plane] = {name: getattr(image, name) for name in names}

    def finish(self) -> None:
        """Planes without a slice: the lowest measured value, and padding. Then the account of all planes."""
        self.planes = [self.images[plane] for plane in sorted(self.images)]
        missing = np.flatnonzero(~self.filled)
        alike = len({tuple(map(_view_key, image["views"])) for image in self.planes}) == 1
        self.account = _account([image["account"] for image in self.planes], alike)
        if len(missing):
            measured = ~self.padding
            measured[missing] = False
            inside = np.nonzero(measured) if measured.any() else np.nonzero(self.filled)
            lowest = tuple(axis[int(np.argmin(self.values[inside]))] for axis in inside)
            self.values[missing], self.stored[missing] = self.values[lowest], self.stored[lowest]
            self.padding[missing] = True
            self.account.append(Step("planes_filled", {"count": len(missing)}))

    def common(self) -> dict[str, Any]:
        """What all planes share; of the windows, those of the middle plane."""
        first, middle = self.planes[0], self.planes[len(self.planes) // 2]
        doubts = dict.fromkeys((step.code, tuple(step.values.items())) for x in self.planes for step in x["doubts"])
        return {
            "units": self.units,
            "modality": first["modality"],
            "views": middle["views"],
            "inverted": first["inverted"],
            "facts": _shared_facts([image["facts"] for image in self.planes]),
            "age_years": first["age_years"],
            "doubts": tuple(Step(code, dict(values)) for code, values in doubts),
        }


def _view_key(view: WindowView | LookupView) -> tuple[Any, ...]:
    if isinstance(view, WindowView):
        return (view.center, view.width, view.function)
    return (view.first, view.bits, view.table.tobytes())


def _account(accounts: list[tuple[Step, ...]], views_alike: bool) -> list[Step]:
    """The steps of all planes as the steps of the volume, in the order in which they were done."""
    by_code: dict[str, list[Step]] = {}
    for each in accounts:
        for step in each:
            by_code.setdefault(step.code, []).append(step)
    result = []
    for code, steps in by_code.items():
        if code in _OF_ONE_IMAGE:
            continue
        alike = len(steps) == len(accounts) and all(dict(step.values) == dict(steps[0].values) for step in steps)
        if code == "padding":
            result.append(Step(code, {"count": sum(step.values["count"] for step in steps)}))
        elif code == "rescaled" and not alike:
            slopes = [step.values["slope"] for step in steps]
            result.append(Step("rescaled_by_plane", {"low": min(slopes), "high": max(slopes)}))
        elif code.startswith("view_") and not views_alike:
            result.append(Step("views_by_plane"))
        else:
            result.append(steps[0])
    return list({(step.code, str(step)): step for step in result}.values())


def _shared_facts(facts: list[Any]) -> dict[str, str]:
    """A fact that all planes share; YES where one plane is lossy or may have text burned in."""
    result = {}
    for name in facts[0]:
        values = {each.get(name, "") for each in facts}
        result[name] = "YES" if "YES" in values else values.pop() if len(values) == 1 else ""
    return result
