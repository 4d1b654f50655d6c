"""How well a translator removes noise, and what it does to opacities: figures, warnings, a picture.

Mean figures such as PSNR do not tell what becomes of an opacity, which is a few pixels. So four questions are asked of
the network by themselves, and of the noisy image and two classical filters, too:

* *Invented*: of images without an opacity, how many come out with a bright blob somewhere that the clean image does not
  have, at least half as strong as a typical opacity?
* *Left*: of what an opacity adds to an image, how much does it add to the output?
* *Lost*: of how many opacities is less than half left?
* *Flat*: shown an even grey surface under the same noise, how much structure comes out?

The generator of the images knows every patient with and without the opacity, so the answers are exact for these
patients. The answers depend on the dose: with many photons nothing happens to any opacity, by whatever method. And they
depend on the images that were trained on: `low_dose_data(train_prevalence=0)` makes a set without any opacity, which
shows what a network does to a finding that it has never seen.
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

__all__ = ["PATIENTS", "inventions", "measure", "methods", "picture", "warnings_of"]

Method: TypeAlias = Callable[[NDArray[np.float32]], NDArray[np.float32]]

#: Generated patients that the inventions are measured on.
PATIENTS = 200
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


def measure(translator: nn.Module, data: DenoisingData, split: str, patients: int | None = None) -> dict[str, Any]:
    """The figures of a split as a summary holds them, and those of the inventions, on other generated patients."""
    patients = PATIENTS if patients is None else patients
    part: DenoisingSplit = getattr(data, split)
    compared = methods(translator, data.val)
    values: dict[str, Any] = {}
    quality: dict[str, tuple[NDArray[Any], NDArray[Any]]] = {}
    for name, method in compared.items():
        made, key = method(part.noisy), _key(name)
        quality[key] = psnr(made, part.clean).ravel(), ssim(made, part.clean).ravel()
        values[f"psnr_{key}"] = figure(f"PSNR, {name}", mean_quality(quality[key][0]), "dB", 2)
        values[f"ssim_{key}"] = figure(f"SSIM, {name}", mean_quality(quality[key][1]))
    ratio, likeness = (ours - theirs for ours, theirs in zip(quality["pix2pix"], quality["Gaussian"]))
    values["psnr_gain"] = figure("PSNR, pix2pix over Gaussian, image by image", mean_quality(ratio), "dB", 2)
    values["ssim_gain"] = figure("SSIM, pix2pix over Gaussian, image by image", mean_quality(likeness))
    values.update(inventions(compared, data, part.clean.shape[-1], patients))
    return {
        "split": split,
        "measured_on": f"the {split} split of {data.name}: {len(part)} pairs; what becomes of opacities on "
        f"{patients} other generated patients, each with and without one",
        "values": values,
    }


def inventions(
    compared: Mapping[str, Method], data: DenoisingData, size: int, patients: int = PATIENTS, seed: int = _OTHERS
) -> dict[str, Any]:
    """How often each method invents or loses an opacity, and what it draws on an even surface.

    Parameters
    ----------
    compared : mapping of str to callable
        Each takes noisy images of shape (N, 1, size, size).
    data : DenoisingData
        For its dose.
    size, patients, seed : int
        Of the generated patients, each of whom is seen without and with the opacity, at that dose.

    Returns
    -------
    dict of figures
        Shares with Wilson's interval, means with the bootstrap's.
    """
    clear, ill = _twins(size, patients, seed)
    lesion = ill - clear
    typical = float(np.median(_blobs(lesion).max((1, 2, 3))))
    flat = np.full((50, 1, size, size), np.float32(0.5))
    seen = [low_dose(images, data.photons, seed) for images in (clear, ill, flat)]
    values = {}
    for name, method in compared.items():
        key = _key(name)
        without, with_opacity, surface = (method(images) for images in seen)
        invented = _blobs(without - clear).max((1, 2, 3)) > typical / 2
        left = ((with_opacity - without) * lesion).sum((1, 2, 3)) / (lesion**2).sum((1, 2, 3))
        drawn = _blobs(surface).std((1, 2, 3)) / typical
        values[f"invented_{key}"] = figure(f"opacity invented where there is none, {name}", _share(invented))
        values[f"left_{key}"] = figure(f"share of an opacity's contrast that is left, {name}", mean_quality(left))
        values[f"lost_{key}"] = figure(f"more than half of an opacity lost, {name}", _share(left < 0.5))
        values[f"flat_{key}"] = figure(f"structure on an even surface, in opacities, {name}", mean_quality(drawn))
    return values


def warnings_of(values: Mapping[str, Mapping[str, Any]]) -> tuple[str, ...]:
    """What the figures of a translator oblige to say: what was measured, and no more than that."""
    said = [
        "The output is an estimate, not a measurement. "
        + _compared(values, "invented", "a blob at least half as strong as an opacity where there is none", "images")
        + " "
        + _compared(values, "lost", "less than half of the opacity left", "opacities"),
        f"Of an opacity's contrast {_number(values['left_pix2pix'])} is left on average, by the Gaussian filter "
        f"{_number(values['left_Gaussian'])}. On an even grey surface under the same noise there is structure of "
        f"{_number(values['flat_pix2pix'])} opacities (noisy image {_number(values['flat_noisy_image'])}, Gaussian "
        f"filter {_number(values['flat_Gaussian'])}).",
        "This holds at this dose, for generated images like those of the training, and for opacities of this kind: of "
        "other findings nothing is known. PSNR and SSIM do not show it. Never decide on a denoised image alone.",
    ]
    for name, unit in (("psnr_gain", "PSNR"), ("ssim_gain", "SSIM")):
        if name in values and values[name]["low"] <= 0:
            verdict = "worse than" if values[name]["high"] < 0 else "not measurably better than"
            said.append(f"By {unit} it is {verdict} the Gaussian filter, which needs no training.")
    return tuple(said)


def _compared(values: Mapping[str, Mapping[str, Any]], name: str, event: str, cases: str) -> str:
    """A share of pix2pix beside those of the noisy image and the Gaussian, and whether they can be told apart."""
    ours, noisy, filtered = (values[f"{name}_{key}"] for key in ("pix2pix", "noisy_image", "Gaussian"))
    shares = [f"{_percent(ours)} of {cases}", f"noisy image {_percent(noisy)}", f"Gaussian filter {_percent(filtered)}"]
    if ours["low"] > filtered["high"]:
        verdict = "more often than after the Gaussian filter"
    elif ours["high"] < filtered["low"]:
        verdict = "less often than after the Gaussian filter"
    elif ours["value"] == filtered["value"] == 0:
        verdict = f"not once, which leaves open any share up to {100 * ours['high']:.1f} %"
    else:
        verdict = "these cases do not tell it from the Gaussian filter"
    return f"Measured: {event} in {shares[0]} ({shares[1]}, {shares[2]}): {verdict}."


def _percent(share: Mapping[str, Any]) -> str:
    return f"{100 * share['value']:.1f} % [{100 * share['low']:.1f} to {100 * share['high']:.1f}]"


def _number(entry: Mapping[str, Any]) -> str:
    return f"{entry['value']:.3f} [{entry['low']:.3f} to {entry['high']:.3f}]"


def _key(name: str) -> str:
    return name.partition(",")[0].replace(" ", "_")


def picture(translator: nn.Module, data: DenoisingData, patients: int | None = None, shown: int = 4) -> bytes:
    """The images in which most was invented, as PNG: clean, noisy, filtered, translated, and what the latter added."""
    import io

    from mediml.plots.style import INK, new_figure

    size = data.test.clean.shape[-1]
    clear, _ = _twins(size, PATIENTS if patients is None else patients, _OTHERS)
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


def _share(found: NDArray[np.bool_]) -> Any:
    return wilson(int(found.sum()), len(found))
