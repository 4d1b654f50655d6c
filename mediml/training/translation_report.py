"""How well a translator removes noise, and what it invents: figures, a warning, a picture.

A network that was trained to make images look real puts structure where the source holds only noise. Mean figures such
as PSNR do not tell: an invented opacity is a few pixels. So three questions are asked of it by themselves, and of the
noisy image and two classical filters, too:

* *Invented*: of images without an opacity, how many come out with a bright blob somewhere that the clean image does not
  have, at least half as strong as a typical opacity?
* *Lost*: of the same images with an opacity, in how many is less than half of it left?
* *Flat*: shown an even grey surface under the same noise, how much structure does it draw?

The generator of the images knows every patient with and without the opacity, so the answer is exact.
"""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, median_filter

from mediml import nn
from mediml.data.noise import DenoisingData, DenoisingSplit, best_gaussian, gaussian, low_dose
from mediml.data.synthetic import chest_xrays
from mediml.evaluation import mean_quality, psnr, ssim, wilson
from mediml.training.run import figure
from mediml.training.translation import translate

__all__ = ["inventions", "measure", "methods", "picture", "warnings_of"]

Method: TypeAlias = Callable[[NDArray[np.float32]], NDArray[np.float32]]

#: Scale of a blob, as a share of the image's side: a little less than an opacity's radius.
_BLOB = 1 / 16
#: Seed of the patients that the inventions are measured on, beside the data's own: nobody trained on them.
_OTHERS = 1_000_003


def methods(translator: nn.Module, val: DenoisingSplit) -> dict[str, Method]:
    """What is compared, each taking noisy images; the filters' strengths are those best on validation."""
    sigma = best_gaussian(val)
    widths = (1, 3, 5, 7)
    errors = [float(np.mean((_median(val.noisy, width) - val.clean) ** 2)) for width in widths]
    width = widths[int(np.argmin(errors))]
    return {
        "noisy image": lambda noisy: noisy,
        f"Gaussian, sigma {sigma:.1f}": lambda noisy: gaussian(noisy, sigma),
        f"median, {width} x {width}": lambda noisy: _median(noisy, width),
        "pix2pix": lambda noisy: translate(translator, noisy),
    }


def measure(translator: nn.Module, data: DenoisingData, split: str, patients: int = 200) -> dict[str, Any]:
    """The figures of a split as a summary holds them, and those of the inventions, on other generated patients."""
    part: DenoisingSplit = getattr(data, split)
    values: dict[str, Any] = {}
    for name, method in methods(translator, data.val).items():
        made, key = method(part.noisy), name.partition(",")[0].replace(" ", "_")
        values[f"psnr_{key}"] = figure(f"PSNR, {name}", _mean(psnr(made, part.clean)), "dB", 2)
        values[f"ssim_{key}"] = figure(f"SSIM, {name}", _mean(ssim(made, part.clean)))
    values.update(inventions(methods(translator, data.val), data, part.clean.shape[-1], patients))
    return {
        "split": split,
        "measured_on": f"the {split} split of {data.name}: {len(part)} pairs; what is invented and lost on "
        f"{patients} other generated patients, each with and without an opacity",
        "values": values,
    }


def inventions(
    compared: Mapping[str, Method], data: DenoisingData, size: int, patients: int = 200, seed: int = _OTHERS
) -> dict[str, Any]:
    """How often each method invents or loses an opacity, and what it draws on an even surface.

    Parameters
    ----------
    compared : mapping of str to callable
        Each takes noisy images of shape (N, 1, size, size).
    data : DenoisingData
        For its dose.
    size, patients, seed : int
        Of the generated patients, each of whom is seen without and with the opacity, under the same noise.

    Returns
    -------
    dict of figures
    """
    clear, ill = _twins(size, patients, seed)
    lesion = ill - clear
    typical = float(np.median(_blobs(lesion).max((1, 2, 3))))
    flat = np.full((50, 1, size, size), np.float32(0.5))
    seen = {name: low_dose(images, data.photons, seed) for name, images in (("c", clear), ("i", ill), ("f", flat))}
    values = {}
    for name, method in compared.items():
        key = name.partition(",")[0].replace(" ", "_")
        invented = _blobs(method(seen["c"]) - clear).max((1, 2, 3)) > typical / 2
        left = ((method(seen["i"]) - clear) * lesion).sum((1, 2, 3)) / (lesion**2).sum((1, 2, 3))
        drawn = _blobs(method(seen["f"])).std((1, 2, 3)).mean() / typical
        count = len(clear)
        values[f"invented_{key}"] = figure(f"opacity invented where there is none, {name}", _share(invented, count))
        values[f"lost_{key}"] = figure(f"more than half of an opacity lost, {name}", _share(left < 0.5, count))
        values[f"flat_{key}"] = figure(f"structure drawn on an even surface, in opacities, {name}", drawn)
    return values


def warnings_of(values: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    """What the figures of a translator oblige to say."""
    invented, lost, flat = (values[f"{name}_pix2pix"]["value"] for name in ("invented", "lost", "flat"))
    classical = next(key for key in values if key.startswith("invented_Gaussian"))
    return (
        f"The output is not a measurement. In {100 * invented:.1f} % of images without an opacity this network drew a "
        f"blob at least half as strong as one where the clean image has none (Gaussian filter: "
        f"{100 * values[classical]['value']:.1f} %); of {100 * lost:.1f} % of opacities it left less than half.",
        f"On an even grey surface under the same noise it drew structure of {flat:.2f} opacities (standard deviation): "
        f"what it has learnt of chests, not what was there.",
        "A high PSNR does not show this: an opacity is a few pixels. Never decide on a denoised image alone.",
    )


def picture(translator: nn.Module, data: DenoisingData, patients: int = 200, shown: int = 4) -> bytes:
    """The images in which most was invented, as PNG: clean, noisy, filtered, translated, and what the latter added."""
    import io

    from mediml.plots.style import INK, new_figure

    size = data.test.clean.shape[-1]
    clear, _ = _twins(size, patients, _OTHERS)
    noisy = low_dose(clear, data.photons, _OTHERS)
    compared = methods(translator, data.val)
    made = {name: method(noisy) for name, method in compared.items() if not name.startswith("median")}
    strength = _blobs(made["pix2pix"] - clear).max((1, 2, 3))
    worst = np.argsort(-strength, kind="stable")[:shown]
    columns = {"clean": clear, **made}
    drawing, axes = new_figure(2.0 * (len(columns) + 1), 2.1 * len(worst), len(worst), len(columns) + 1)
    for row, n in enumerate(worst):
        for ax, (title, images) in zip(axes[row], columns.items()):
            ax.imshow(images[n, 0], cmap="gray", vmin=0, vmax=1)
            ax.set_title(title if row == 0 else "", color=INK)
        difference = made["pix2pix"][n, 0] - clear[n, 0]
        drawn = axes[row, -1].imshow(difference, cmap="RdBu_r", vmin=-0.3, vmax=0.3)
        axes[row, -1].set_title("pix2pix - clean" if row == 0 else "", color=INK)
    for ax in axes.flat:
        ax.set(xticks=[], yticks=[])
    drawing.colorbar(drawn, ax=axes[:, -1], shrink=0.8)
    buffer = io.BytesIO()
    drawing.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    return buffer.getvalue()


def _twins(size: int, patients: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The same patients without and with the opacity, (N, 1, size, size) from 0 to 1."""
    both = [chest_xrays(patients, size, seed, prevalence).images for prevalence in (0.0, 1.0)]
    clear, ill = (images[:, None].astype(np.float32) / np.float32(255) for images in both)
    return clear, ill


def _blobs(images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Smoothed to the scale of an opacity, less a wider neighbourhood: what is left are blobs, not brightness."""
    small = images.shape[-1] * _BLOB
    narrow, wide = (gaussian_filter(images, (0, 0, scale, scale), mode="nearest") for scale in (small, 3 * small))
    return np.asarray(narrow - wide)


def _median(images: NDArray[np.float32], width: int) -> NDArray[np.float32]:
    return np.asarray(median_filter(images, (1, 1, width, width), mode="reflect"))


def _share(found: NDArray[np.bool_], count: int) -> Any:
    return wilson(int(found.sum()), count)


def _mean(values: Any) -> Any:
    return mean_quality(np.asarray(values, np.float64).reshape(-1))
