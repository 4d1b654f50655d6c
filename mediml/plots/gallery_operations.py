"""What each operation of preprocessing makes of a picture of the gallery.

Strengths follow the picture: widths of values are multiples of its noise or parts of its window, so that one table
serves HU, arbitrary units and grey levels.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mediml import imaging
from mediml.plots.gallery_exhibits import Exhibit, Limits

__all__ = ["GROUPS", "Pair", "number"]

#: Pixels around a detail that a filter may look at.
MARGIN = 24


@dataclass(frozen=True, eq=False)
class Pair:
    """Before and after, ready to be drawn.

    Attributes
    ----------
    before, after : ndarray of shape (rows, columns)
        Each shown between its limits; those of `after` are the same but where its unit is another.
    limits, after_limits : (low, high)
    note : str
        The parameters, in symbols and units.
    inset : ndarray or None
        Drawn small into a corner of `after`: blue below, white at, red above 0, up to `inset_limit`.
    inset_limit : float
    zoomed : bool
        Both pictures get an enlarged detail in a corner.
    histograms : bool
        Both pictures get their histogram, with the numbers of their limits.
    outline : ndarray of bool or None
        A mask whose outline is drawn on `after`.
    plain : bool
        `after` is no image of the body any more: its large values are white, whatever the polarity.
    """

    before: NDArray[Any]
    after: NDArray[Any]
    limits: Limits
    after_limits: Limits
    note: str = ""
    inset: NDArray[Any] | None = None
    inset_limit: float = 1.0
    zoomed: bool = False
    histograms: bool = False
    outline: NDArray[np.bool_] | None = None
    plain: bool = False


Operation = Callable[[Exhibit], Pair | None]


def number(value: float) -> str:
    """Two or three digits."""
    return f"{value:.0f}" if abs(value) >= 10 else f"{value:.2g}"


def with_unit(value: float, shown: Exhibit) -> str:
    return number(value) + ("" if shown.units == "arbitrary" else f" {shown.units}")


def _local(operate: Callable[[NDArray[Any], Exhibit], tuple[NDArray[Any], str]]) -> Operation:
    """A filter that changes the detail; the inset is what it changed."""

    def run(shown: Exhibit) -> Pair:
        row, column, side = shown.detail
        top, left = min(row, MARGIN), min(column, MARGIN)
        around = shown.values[
            row - top : row + side + MARGIN,
            column - left : column + side + MARGIN,
        ]
        after, note = operate(around, shown)
        inner = (slice(top, top + side), slice(left, left + side))
        before, after = around[inner], after[inner]
        width = shown.window[1] - shown.window[0]
        return Pair(before, after, shown.window, shown.window, note, after - before, 0.2 * width)

    return run


def _derivative(operate: Callable[[NDArray[Any], Exhibit], NDArray[Any]], signed: bool, unit: str) -> Operation:
    """A filter whose result is in another unit. Noise would cover the edges, so a blur goes first, as is usual."""

    def run(shown: Exhibit) -> Pair:
        y = operate(imaging.gaussian_filter(shown.values, 2.0), shown)[shown.square]
        bound = float(np.percentile(np.abs(y), 99.5))
        low = -bound if signed else 0.0
        per = unit if shown.spacing_mm else unit.replace("mm", "px")
        name = "" if shown.units == "arbitrary" else shown.units
        note = f"G(2 px), {number(low)} … {number(bound)} {name}/{per}"
        return Pair(shown.values[shown.square], y, shown.window, (low, bound), note, plain=True)

    return run


def _grey(operate: Callable[[NDArray[Any], Exhibit], NDArray[Any]], note: str) -> Operation:
    """A curve or an equalisation of what is shown, 0 to 1 before and after."""

    def run(shown: Exhibit) -> Pair:
        before = _upright(shown, shown.shown)
        after = _upright(shown, np.asarray(operate(shown.shown, shown)))
        return Pair(before, after, (0, 1), (0, 1), note, zoomed=True)

    return run


def _upright(shown: Exhibit, grey: NDArray[Any]) -> NDArray[Any]:
    """What is shown, in the polarity of the values, so that drawing turns it back."""
    return 1 - grey if shown.inverted else grey


def _window(shown: Exhibit) -> Pair:
    low, high = shown.window
    after = imaging.window(shown.values, (low + high) / 2, high - low, "LINEAR_EXACT")
    whole = (float(shown.values.min()), float(shown.values.max()))
    note = f"{number(whole[0])} … {number(whole[1])} → {number(low)} … {with_unit(high, shown)}"
    return Pair(shown.values, after, whole, (0, 1), note, zoomed=True)


def _normalised(operate: Callable[[Exhibit], NDArray[Any]], limits: Limits, note: str) -> Operation:
    def run(shown: Exhibit) -> Pair:
        return Pair(shown.values, operate(shown), shown.limits, limits, note, histograms=True)

    return run


def _matched(shown: Exhibit) -> Pair:
    """The same body as another machine might give it: another gain and curve, undone by the first one's histogram."""
    low, high = shown.limits
    grey = np.clip((shown.values - low) / (high - low), 0, 1)
    other = (low + (high - low) * (0.15 + 0.6 * grey**0.6)).astype(np.float32)
    after = imaging.match_histogram(other, shown.values)
    return Pair(other, after, shown.limits, shown.limits, "F → G", histograms=True)


def _masked(shown: Exhibit) -> Pair:
    share = f"{100 * shown.mask.mean():.0f} %"
    return Pair(shown.values, shown.values, shown.limits, shown.limits, share, outline=shown.mask)


def _cropped(shown: Exhibit) -> Pair:
    after = imaging.crop(shown.values, imaging.bounding_box(shown.mask, margin=4))
    return Pair(shown.values, after, shown.limits, shown.limits, _sizes(shown.values, after))


def _padded(shown: Exhibit) -> Pair:
    side = round(1.15 * max(shown.values.shape))
    black = shown.limits[1] if shown.inverted else shown.limits[0]
    after = imaging.pad_to(shown.values, (side, side), black)
    return Pair(shown.values, after, shown.limits, shown.limits, _sizes(shown.values, after))


def _resized(shown: Exhibit) -> Pair:
    after = imaging.resize(shown.values, (64, 64))
    return Pair(shown.values, after, shown.limits, shown.limits, _sizes(shown.values, after))


def _resampled(shown: Exhibit) -> Pair | None:
    if shown.spacing_mm is None:
        return None  # without a size in millimetres there is no new one
    before = shown.values[shown.square]
    step = 4 * shown.spacing_mm[0]
    after = imaging.resample(before, shown.spacing_mm, step)
    return Pair(before, after, shown.limits, shown.limits, f"{shown.spacing_mm[0]:.2g} → {step:.2g} mm")


def _augmented(shown: Exhibit) -> Pair:
    # A twentieth of the picture aside, 10 degrees, 10 % of size and contrast; in pixels where mm are unknown.
    spacing = shown.spacing_mm or (1.0, 1.0)
    reach = shown.values.shape[0] * spacing[0] / 20
    change = imaging.PairedAugmentation(
        rotation_rad=0.17, shift_mm=reach, elastic_mm=reach / 4, smoothness_mm=2 * reach, gain=0.1
    )
    done = change(shown.values, shown.mask.astype(np.uint8), generator=np.random.default_rng(4), spacing_mm=spacing)
    moved = np.asarray(done.mask, bool)
    return Pair(shown.values, done.image, shown.limits, shown.limits, "±10°, ±10 %, 5 %", outline=moved)


def _sizes(before: NDArray[Any], after: NDArray[Any]) -> str:
    return " → ".join("×".join(map(str, each.shape)) for each in (before, after))


def _even(operate: Callable[[Exhibit], imaging.BiasCorrection], modalities: tuple[str, ...], note: str) -> Operation:
    """A field taken out; the inset is its logarithm. Only where brightness means nothing by itself."""

    def run(shown: Exhibit) -> Pair | None:
        if shown.modality not in modalities:
            return None
        corrected, found = operate(shown)
        return Pair(shown.values, corrected, shown.limits, shown.limits, note, np.log(found), 1.0)

    return run


def _tiled(grey: NDArray[Any], shown: Exhibit) -> NDArray[Any]:
    return imaging.clahe(grey, max(2, min(grey.shape) // 8), 2.5)


def _diffused(x: NDArray[Any], shown: Exhibit) -> tuple[NDArray[Any], str]:
    kappa = 3 * shown.noise
    return imaging.anisotropic_diffusion(x, kappa, steps=10), f"κ = {with_unit(kappa, shown)}, 10 dt"


#: Each group is one figure; each entry one row: a function of `mediml.imaging` and what it makes of a picture. An
#: operation gives None where it has no meaning for the modality.
GROUPS: Mapping[str, Mapping[str, Operation]] = {
    "noise": {
        "mean_filter": _local(lambda x, shown: (imaging.mean_filter(x, 3), "3 × 3")),
        "gaussian_filter": _local(lambda x, shown: (imaging.gaussian_filter(x, 1.0), "σ = 1 px")),
        "median_filter": _local(lambda x, shown: (imaging.median_filter(x, 3), "3 × 3")),
        "bilateral_filter": _local(
            lambda x, shown: (
                imaging.bilateral_filter(x, 3 * shown.noise, 1.5),
                f"σ = {with_unit(3 * shown.noise, shown)}, 1.5 px",
            )
        ),
        "non_local_means": _local(
            lambda x, shown: (imaging.non_local_means(x, shown.noise), f"σ = {with_unit(shown.noise, shown)}")
        ),
        "anisotropic_diffusion": _local(_diffused),
        "total_variation": _local(
            lambda x, shown: (imaging.total_variation(x, shown.noise), f"λ = {with_unit(shown.noise, shown)} px")
        ),
    },
    "edges": {
        "unsharp_mask": _local(lambda x, shown: (imaging.unsharp_mask(x, 3.0, 1.0), "σ = 3 px, a = 1")),
        "sobel": _derivative(lambda x, shown: imaging.sobel(x, shown.spacing_mm).magnitude, False, "mm"),
        "laplacian": _derivative(lambda x, shown: imaging.laplacian(x, shown.spacing_mm), True, "mm²"),
    },
    "contrast": {
        "window": _window,
        "gamma": _grey(lambda grey, shown: imaging.gamma(grey, 0.6), "γ = 0.6"),
        "equalise_histogram": _grey(lambda grey, shown: imaging.equalise_histogram(grey, mask=shown.mask), "F(x)"),
        "clahe": _grey(_tiled, "1/8, ≤ 2.5"),
    },
    "normalisation": {
        "z_score": _normalised(lambda shown: imaging.z_score(shown.values, shown.mask), (-3, 3), "(x - μ) / σ"),
        "percentile_scale": _normalised(
            lambda shown: imaging.percentile_scale(shown.values, 1, 99, shown.mask), (0, 1), "1 %, 99 %"
        ),
        "match_histogram": _matched,
    },
    "geometry": {
        "body_mask": _masked,
        "crop": _cropped,
        "pad_to": _padded,
        "resize": _resized,
        "resample": _resampled,
        "PairedAugmentation": _augmented,
    },
    "field": {
        "correct_bias_field": _even(lambda shown: imaging.correct_bias_field(shown.values, shown.mask), ("MR",), "± 1"),
        "homomorphic_filter": _even(
            lambda shown: imaging.homomorphic_filter(shown.values, shown.values.shape[1] / 8, shown.mask),
            ("MR", "CR", "DX", "US", "RF", "XA"),
            "1/8, ± 1",
        ),
    },
}
