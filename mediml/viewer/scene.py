"""What the page is told: one description of pixels, geometry, views and facts, whatever the picture is made of."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mediml.imaging import CT_WINDOWS, Image, LookupView, Volume, WindowView
from mediml.imaging.image import Step
from mediml.viewer.panes import Pane, affine, image_pane, three_panes
from mediml.viewer.pixels import Encoded, encode, to_text

__all__ = ["Picture", "Scene", "build_scene", "check_picture"]

#: What can be shown: one image, a volume, or the frames of a cine loop.
Picture: TypeAlias = "Image | Volume | Sequence[Image]"

View: TypeAlias = WindowView | LookupView

#: Of `CT_WINDOWS`, those that are offered for values in HU, in this order.
_PRESETS = ("lung", "mediastinum", "bone", "brain")

#: Doubts under which nobody knows where left and right are.
_UNPLACED = frozenset({"nifti_unplaced"})

#: Steps that say how values come from stored numbers.
_LINEAR_STEPS = frozenset({"rescaled", "nifti_scaled"})


@dataclass(frozen=True, eq=False)
class Scene:
    """Pixels with axes (plane, row, column), and what is known of them.

    Attributes
    ----------
    kind : str
        ``"image"``, ``"volume"`` or ``"frames"``.
    first : Image or Volume
        What speaks for all of it: units, views, facts.
    grey : Encoded or None
        None for colour.
    colour : ndarray of uint8, shape (planes, rows, columns, 3), or None
    colour_rounded : bool
        True where colours had more than 8 bits.
    panes : tuple of Pane
    affines : list
        One for all planes, or one a plane: see `panes.affine`; None where the place is unknown.
    spacing_mm : tuple of three float or None
        The first is None where planes have no distance.
    every, count : int
        Every how many-th plane was taken of how many.
    """

    kind: str
    first: Image | Volume
    grey: Encoded | None
    colour: NDArray[np.uint8] | None
    colour_rounded: bool
    panes: tuple[Pane, ...]
    affines: list[list[list[float]] | None]
    spacing_mm: tuple[float | None, float, float] | None
    views: tuple[View, ...]
    views_differ: bool = False
    every: int = 1
    count: int = 1
    shape: tuple[int, int, int] = field(default=(1, 1, 1))

    @property
    def planes(self) -> NDArray[Any]:
        """The codes, or the colours, plane by plane."""
        return self.colour if self.grey is None else self.grey.codes  # type: ignore[return-value]

    @property
    def area_mm2(self) -> float | None:
        """Of a pixel, in the patient."""
        if self.spacing_mm is None or self.at != "patient":
            return None
        return self.spacing_mm[1] * self.spacing_mm[2]

    @property
    def at(self) -> str | None:
        """Where the spacing holds: ``"patient"``, ``"detector"``."""
        return "patient" if isinstance(self.first, Volume) else self.first.spacing_at

    def described(self, compress: bool = True) -> dict[str, Any]:
        """Everything but the pixels, as JSON takes it."""
        first = self.first
        aspect = first.aspect if isinstance(first, Image) else 1.0
        return {
            "kind": self.kind,
            "modality": first.modality,
            "units": first.units,
            "shape": self.shape,
            "every": self.every,
            "spacing": self.spacing_mm,
            "spacingAt": self.at,
            "aspect": aspect,
            "affines": self.affines,
            "panes": [asdict(pane) for pane in self.panes],
            "views": [_view(view, compress) for view in self.views],
            "inverted": bool(first.inverted),
            "presets": {name: asdict(CT_WINDOWS[name]) for name in _PRESETS if first.units == "HU"},
            "mapping": None if self.grey is None else _mapping(self.grey, compress),
        }


def build_scene(picture: Picture, every: int = 1) -> Scene:
    """A scene of an image, a volume, or frames.

    Raises
    ------
    TypeError
        If it is none of these.
    ValueError
        If it is empty, or its frames are not of one size and kind.
    """
    if isinstance(every, bool) or not isinstance(every, int) or every < 1:
        raise ValueError(f"write_viewer: every expects a whole number of at least 1, got {every!r}")
    check_picture("write_viewer", picture)
    if isinstance(picture, Volume):
        return _of_volume(picture, every)
    return _of_frames([picture] if isinstance(picture, Image) else list(picture), every)


def check_picture(function: str, picture: Any) -> None:
    """Refuse what is no image, volume or sequence of images, and what holds no pixel.

    Raises
    ------
    TypeError, ValueError
    """
    if not isinstance(picture, (Image, Volume)):
        frames = list(picture) if isinstance(picture, Sequence) else [None]
        if not all(isinstance(frame, Image) for frame in frames):
            raise TypeError(
                f"{function}: expected an Image, a Volume, or a sequence of Image, got {type(picture).__name__}; "
                f"read one with mediml.imaging.read_image or read_series"
            )
        picture = frames[0] if frames else None
    if picture is None or 0 in picture.values.shape:
        raise ValueError(f"{function}: expected at least one pixel, got none")


def _of_volume(volume: Volume, every: int) -> Scene:
    taken = slice(None, None, every)
    padding = None if volume.padding is None else volume.padding[taken]
    spacing = (volume.spacing_mm[0] * every, *volume.spacing_mm[1:])
    matrix = affine(volume)
    panes = three_panes(volume)
    if any(doubt.code in _UNPLACED for doubt in volume.doubts):
        matrix, panes = None, tuple(replace(pane, letters=None) for pane in panes)
    elif matrix is not None:
        matrix = [[row[0] * every, *row[1:]] for row in matrix]
    grey = encode(volume.stored[taken], volume.values[taken], padding, _rescale(volume.account))
    return Scene(
        kind="volume",
        first=volume,
        grey=grey,
        colour=None,
        colour_rounded=False,
        panes=panes,
        affines=[matrix],
        spacing_mm=spacing,
        views=volume.views,
        every=every,
        count=volume.shape[0],
        shape=grey.codes.shape,
    )


def _of_frames(frames: list[Image], every: int) -> Scene:
    first, taken = frames[0], frames[::every]
    kinds = {(frame.values.shape, frame.units, frame.inverted, frame.spacing_mm) for frame in frames}
    if len(kinds) > 1:
        raise ValueError(
            f"write_viewer: image expects frames of one size, unit, polarity and spacing, got {len(kinds)} kinds; "
            f"write a page for each"
        )
    values = np.stack([frame.values for frame in taken])
    grey, colour, rounded = None, None, False
    if first.is_grey:
        grey = encode(np.stack([f.stored for f in taken]), values, _stacked_padding(taken), _rescale(first.account))
    else:
        colour = np.rint(values).clip(0, 255).astype(np.uint8)
        rounded = not np.array_equal(colour, values)
    affines = [affine(frame) for frame in taken]
    views = _distinct([view for frame in taken for view in frame.views])
    return Scene(
        kind="image" if len(frames) == 1 else "frames",
        first=first,
        grey=grey,
        colour=colour,
        colour_rounded=rounded,
        panes=(image_pane(first),),
        affines=affines if any(each != affines[0] for each in affines) else affines[:1],
        spacing_mm=None if first.spacing_mm is None else (None, *first.spacing_mm),
        views=views,
        views_differ=len(views) > len(first.views),
        every=every,
        count=len(frames),
        shape=values.shape[:3],
    )


def _stacked_padding(frames: list[Image]) -> NDArray[np.bool_] | None:
    if all(frame.padding is None for frame in frames):
        return None
    return np.stack([np.zeros(f.shape, bool) if f.padding is None else f.padding for f in frames])


def _distinct(views: list[View]) -> tuple[View, ...]:
    found: dict[Any, View] = {}
    for view in views:
        found.setdefault(view if isinstance(view, WindowView) else (view.first, view.bits, view.table.tobytes()), view)
    return tuple(found.values())


def _rescale(account: Sequence[Step]) -> tuple[float, float]:
    values: Mapping[str, Any] = next((step.values for step in account if step.code in _LINEAR_STEPS), {})
    return (float(values.get("slope", 1.0)), float(values.get("intercept", 0.0)))


def _view(view: View, compress: bool) -> dict[str, Any]:
    if isinstance(view, WindowView):
        return {"kind": "window", **asdict(view)}
    table = to_text(view.table.astype("<u2").tobytes(), compress)
    return {"kind": "table", "first": int(view.first), "bits": int(view.bits), "table": table}


def _mapping(grey: Encoded, compress: bool) -> dict[str, Any]:
    """How the page gets values from codes: by the rule, which is short, or by a table."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], grey.padding, [False]]))).tolist()
    common = {
        "codes": int(grey.table.size),
        "firstStored": grey.first_stored,
        "single": grey.table.dtype == np.float32,
        "padding": [[start, stop] for start, stop in zip(edges[::2], edges[1::2])],
        "error": grey.error,
    }
    if grey.linear is not None:
        return {**common, "slope": grey.linear[0], "intercept": grey.linear[1]}
    return {**common, "table": to_text(grey.table.astype("<f8").tobytes(), compress)}
