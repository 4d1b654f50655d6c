"""The generated sets of `mediml.data.make`, one function each."""

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mediml.data.medmnist import save
from mediml.data.synthetic import chest_xray_data

__all__ = ["chest_xray", "volumes"]


def chest_xray(folder: Path, count: int, seed: int) -> None:
    """``chest-xray.npz`` of `mediml.data.synthetic`: four of seven images train, one validates, two test."""
    target = folder / "chest-xray.npz"
    if target.exists():
        return
    val, test = max(1, round(count / 7)), max(1, round(2 * count / 7))
    temporary = folder / ".chest-xray.npz.part"
    save(temporary, chest_xray_data(count - val - test, val, test, seed=seed))
    os.replace(temporary, target)


def volumes(folder: Path, count: int, seed: int) -> None:
    """``imagesTr`` and ``labelsTr`` of `mediml.data.volumes.generated_volumes`; the last fifth is drawn for testing."""
    from mediml.data.volumes import generated_volumes

    test = max(1, count // 5)
    for part in ("imagesTr", "labelsTr"):
        (folder / part).mkdir(exist_ok=True)
    data = generated_volumes(count - test, test, seed=seed)
    for number, volume in enumerate((*data.train, *data.test)):
        name = f"volume_{number:04d}.nii.gz"  # in the order in which load_volumes divides them
        if not (folder / "labelsTr" / name).exists():
            _write_nifti(folder / "imagesTr" / name, volume.image, volume.spacing_mm)
            _write_nifti(folder / "labelsTr" / name, volume.label, volume.spacing_mm)


def _write_nifti(path: Path, array: NDArray[Any], spacing_mm: tuple[float, float, float]) -> None:
    """Axes as of `mediml.data.volumes`: planes to the head, rows to the front, columns to the right."""
    from mediml.imaging.nifti import write_nifti
    from mediml.imaging.volume import Volume

    directions = ((0.0, 0.0, 1.0), (0.0, -1.0, 0.0), (-1.0, 0.0, 0.0))
    write_nifti(path, Volume(array, array.astype(np.float32), spacing_mm, directions, (0.0, 0.0, 0.0)))
