"""Generated data sets as files: what `mediml data make` can write, and how it goes on after an interruption.

A recipe is either one file, or a number of cases. A case depends on the seed and on its number only, so that a set can
be made longer, and it is written to a folder of another name first: a folder ``case_0007`` is complete. ``set.json``
says what was asked for; another request does not write into the same folder.
"""

import importlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mediml.data.catalog import CatalogError
from mediml.imaging.export import Provenance, write_image, write_series
from mediml.imaging.image import Image
from mediml.imaging.volume import Volume
from mediml.utils.files import write_atomically

__all__ = ["RECIPES", "Case", "Recipe", "make", "write_case"]


@dataclass(frozen=True)
class Case:
    """One generated case, as it is to be written.

    Attributes
    ----------
    images : mapping of str to Image, Volume or sequence of Image
        An `Image` becomes ``<name>.dcm``, a `Volume` and a sequence of images of one series a folder of that name.
    masks : mapping of str to ndarray
        Of whole numbers. One of two dimensions becomes ``<name>.png``, where 255 stands for True; one of three
        becomes ``<name>.nii.gz`` on the grid of the first volume of its shape among `images`.
    truth : mapping
        What is known about the case; becomes ``truth.json``.
    provenance : Provenance, or mapping of str to Provenance
        Of all images, or of each by its name.
    """

    images: Mapping[str, Any]
    masks: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    truth: Mapping[str, Any] = field(default_factory=dict)
    provenance: Provenance | Mapping[str, Provenance] = field(default_factory=Provenance)


@dataclass(frozen=True)
class Recipe:
    """One set that can be made.

    Attributes
    ----------
    title : str
    modality : str
        As the catalogue's.
    count : int
        Of images or cases, unless another number is asked for.
    case : str
        ``"module:function"`` of ``function(number, seed) -> Case``, with numbers from 0; or
    whole : str
        ``"module:function"`` of ``function(folder, count, seed) -> None``, which writes everything.
    least : int
        Smallest number that can be asked for: one for each split.
    nifti : bool
        Whether something of it is written as NIfTI, which needs nibabel.
    """

    title: str
    modality: str
    count: int
    case: str = ""
    whole: str = ""
    least: int = 1
    nifti: bool = False


#: The only list of generated sets; a line per set. Modules are loaded when a set is made.
RECIPES: dict[str, Recipe] = {
    "chest-xray": Recipe(
        "chest-X-ray-like pictures of 28 × 28 pixels with and without an opacity, in MedMNIST's format",
        "CR",
        2100,
        whole="mediml.data.recipes:chest_xray",
        least=3,
    ),
    "volumes": Recipe(
        "MR-like volumes with masks of a structure of two parts, as NIfTI in the Decathlon's layout",
        "MR",
        20,
        whole="mediml.data.recipes:volumes",
        least=2,
        nifti=True,
    ),
    "chest-xray-dicom": Recipe(
        "chest radiographs: clear, nodule, opacity, effusion, pneumothorax; DICOM and masks",
        "DX",
        10,
        case="mediml.data.phantom_cases:chest_xray",
    ),
    "chest-ct": Recipe(
        "chest CT by filtered back-projection, nodules, two doses; DICOM series and labels of all tissues",
        "CT",
        6,
        case="mediml.data.phantom_cases:chest_ct",
        nifti=True,
    ),
    "brain-mr": Recipe(
        "MR of the head in several sequences: healthy, tumour, stroke, white-matter lesions; DICOM and masks",
        "MR",
        6,
        case="mediml.data.phantom_cases:brain",
        nifti=True,
    ),
    "ultrasound": Recipe(
        "ultrasound of liver, kidney and a superficial gland with speckle, cysts, stones; DICOM and masks",
        "US",
        8,
        case="mediml.data.phantom_cases:ultrasound",
    ),
    "barium": Recipe(
        "double-contrast enemas in three projections: clear, polyp, ulcer, stenosis; DICOM and masks",
        "RF",
        6,
        case="mediml.data.phantom_cases:barium",
    ),
    "patients": Recipe(
        "patients with a growing nodule: CT and radiograph at each visit, survival with censoring; DICOM and masks",
        "CT",
        4,
        case="mediml.data.phantom_cases:patients",
        nifti=True,
    ),
}


def make(
    name: str,
    folder: str | os.PathLike[str],
    count: int | None = None,
    seed: int = 0,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Path:
    """Write a generated set; what is there already of the same set is kept.

    Parameters
    ----------
    name : str
        A key of `RECIPES`.
    folder : path
        Made if it is not there. It is empty, or holds a part of this set.
    count : int, optional
        At least the recipe's `least`; its own number by default.
    seed : int
        Not negative.
    progress : callable
        Called with the number of finished cases and of all.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    CatalogError
        If there is no such set, a number is out of range, or the folder holds something else.
    ImportError
        If the set needs nibabel and it is not installed. Nothing is written then.
    """
    if name not in RECIPES:
        raise CatalogError(f"make: no generated set {name!r}; expected one of {', '.join(RECIPES)}")
    recipe, folder = RECIPES[name], Path(folder)
    count = recipe.count if count is None else count
    if count < recipe.least or seed < 0:
        raise CatalogError(f"make: {name} expects count >= {recipe.least} and seed >= 0, got {count} and {seed}")
    if recipe.nifti:
        from mediml.imaging.nifti import load_nibabel

        load_nibabel()
    _claim(folder, {"name": name, "seed": seed} | ({"count": count} if recipe.whole else {}))
    if recipe.whole:
        _function(recipe.whole)(folder, count, seed)
        progress(count, count)
        return folder
    function = _function(recipe.case)
    for number in range(count):
        progress(number, count)
        if not (folder / _case_name(number)).is_dir():
            write_case(folder / _case_name(number), function(number, seed))
    progress(count, count)
    return folder


def write_case(folder: str | os.PathLike[str], case: Case) -> None:
    """Write one case; the folder gets its name when all is in it.

    Parameters
    ----------
    folder : path
        Not there yet; its parent is.
    case : Case

    Raises
    ------
    ImportError
        If a mask of three dimensions is to be written and nibabel is not installed.
    ValueError
        If DICOM cannot say an image, or a mask has no grid, or no whole numbers from 0 to 255.
    """
    folder = Path(folder)
    part = folder.with_name(f".{folder.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    try:
        for number, (name, image) in enumerate(case.images.items(), 1):
            told = case.provenance if isinstance(case.provenance, Provenance) else case.provenance[name]
            provenance = replace(told, series=f"{told.series} {name}", series_number=number)
            if isinstance(image, Image):
                write_image(part / f"{name}.dcm", image, provenance)
            else:
                write_series(part / name, image, provenance)
        for name, mask in case.masks.items():
            _write_mask(part, name, np.asarray(mask), case)
        text = json.dumps(case.truth, indent=1, ensure_ascii=False, allow_nan=False, default=_plain)
        (part / "truth.json").write_text(text + "\n", encoding="utf-8")
        os.rename(part, folder)
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def _claim(folder: Path, asked: Mapping[str, Any]) -> None:
    """Say in an empty folder what it is for; refuse one that is for something else."""
    note = folder / "set.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise CatalogError(f"make: {folder} cannot be a folder, a file is in its way; name another") from None
    if note.is_file():
        try:
            found = json.loads(note.read_text(encoding="utf-8"))
        except ValueError:
            found = None
        if found != asked:
            raise CatalogError(f"make: {folder} holds another set ({found}), {dict(asked)} was asked for; name another")
    elif any(not entry.name.startswith(f".{note.name}.") for entry in folder.iterdir()):  # but for a killed run's
        raise CatalogError(f"make: {folder} holds something that this command did not write; name an empty folder")
    else:
        write_atomically(note, json.dumps(dict(asked)) + "\n")


def _write_mask(folder: Path, name: str, mask: NDArray[Any], case: Case) -> None:
    if (
        mask.dtype.kind not in "biu"
        or mask.ndim not in (2, 3)
        or (mask.size and not 0 <= mask.min() <= mask.max() < 256)
    ):
        raise ValueError(
            f"make: mask {name!r} expects whole numbers from 0 to 255 in two or three dimensions, "
            f"got {mask.dtype} of shape {mask.shape}"
        )
    if mask.ndim == 2:
        from PIL import Image as Picture

        Picture.fromarray(mask.astype(np.uint8) * (255 if mask.dtype == bool else 1)).save(folder / f"{name}.png")
        return
    volumes = (image for image in case.images.values() if isinstance(image, Volume))
    grid = next((volume for volume in volumes if volume.shape == mask.shape), None)
    if grid is None:
        raise ValueError(f"make: mask {name!r} of shape {mask.shape} has no volume of its shape to lie on")
    from mediml.imaging.nifti import write_nifti

    stored = mask.astype(np.uint8)
    write_nifti(
        folder / f"{name}.nii.gz",
        replace(grid, stored=stored, values=stored.astype(np.float32), padding=None, views=()),
    )


def _plain(value: Any) -> Any:
    """NumPy's numbers and arrays as JSON says them."""
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    raise TypeError(f"make: truth holds {type(value).__name__}, which JSON cannot say")


def _case_name(number: int) -> str:
    return f"case_{number:04d}"


def _function(place: str) -> Callable[..., Any]:
    module, name = place.split(":")
    function: Callable[..., Any] = getattr(importlib.import_module(module), name)
    return function
