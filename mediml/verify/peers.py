"""Whom our operators are compared with: PyTorch where it is installed, else its answers on file."""

import hashlib
import json
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mediml.verify.answers import Answer, answer_of_torch
from mediml.verify.case import Case

__all__ = ["ELEMENTS_KEPT", "GOLDEN", "GoldenFiles", "Peer", "PyTorch", "choose", "file_key", "sample"]

GOLDEN = Path(__file__).resolve().parent / "golden"

#: Elements of an array that a golden file keeps: the files stay small, and every case still has its say.
ELEMENTS_KEPT = 24


class Peer(Protocol):
    """Answers cases in float64."""

    name: str

    def answer(self, case: Case) -> Answer:
        """The expected outputs and gradients."""

    def comparable(self, array: NDArray[Any]) -> NDArray[Any]:
        """The part of one of our arrays that this peer can judge, flat."""


class PyTorch:
    """PyTorch in this process."""

    def __init__(self) -> None:
        import torch

        self.name = f"PyTorch {torch.__version__.partition('+')[0]}"

    def answer(self, case: Case) -> Answer:
        """The expected outputs and gradients, computed now."""
        return answer_of_torch(case)

    def comparable(self, array: NDArray[Any]) -> NDArray[Any]:
        """All of it."""
        return array


class GoldenFiles:
    """Answers that PyTorch gave when the files were made: up to `ELEMENTS_KEPT` elements of every array."""

    def __init__(self, folder: Path = GOLDEN) -> None:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        self.name = f"golden files made with {manifest['made_with']} on {manifest['made_on']}"
        self._arrays: dict[str, NDArray[Any]] = {}
        for file_name, digest in manifest["sha256"].items():
            content = (folder / file_name).read_bytes()
            if hashlib.sha256(content).hexdigest() != digest:
                raise ValueError(f"golden files: {file_name} is not the file that manifest.json describes; restore it")
            with np.load(folder / file_name, allow_pickle=False) as stored:
                self._arrays.update(stored)

    def answer(self, case: Case) -> Answer:
        """The expected outputs and gradients, from the files."""
        key = file_key(case)
        outputs = tuple(self._numbered(f"{key}/output"))
        if not outputs:
            raise ValueError(
                f"golden files: no answer to the case {case.name!r}; where PyTorch is installed, "
                f"make them again: python -m mediml.verify.make_golden"
            )
        return Answer(outputs, {name: self._arrays[f"{key}/grad_{name}"] for name in case.differentiated})

    def comparable(self, array: NDArray[Any]) -> NDArray[Any]:
        """The elements that the files keep of an array of this size."""
        return sample(array)

    def _numbered(self, stem: str) -> Iterable[NDArray[Any]]:
        number = 0
        while f"{stem}{number}" in self._arrays:
            yield self._arrays[f"{stem}{number}"]
            number += 1


def choose(name: str = "auto") -> Peer:
    """The peer called ``"torch"``, ``"golden"``, or the first of the two that is here (``"auto"``)."""
    if name not in ("auto", "torch", "golden"):
        raise ValueError(f"verify: peer expects 'auto', 'torch' or 'golden', got {name!r}")
    if name == "golden":
        return GoldenFiles()
    try:
        return PyTorch()
    except ImportError:
        if name == "auto":
            return GoldenFiles()
        raise ValueError("verify: PyTorch is not installed; install mediml[torch], or compare with golden") from None


def file_key(case: Case) -> str:
    """Under what a case's answers are filed."""
    return hashlib.sha256(case.name.encode()).hexdigest()[:12]


def sample(array: NDArray[Any]) -> NDArray[Any]:
    """At most `ELEMENTS_KEPT` elements, flat: the first and the last, and others drawn by the array's size."""
    return array.reshape(-1)[_kept(array.size)]


@cache
def _kept(size: int) -> NDArray[np.int64]:
    if size <= ELEMENTS_KEPT:
        return np.arange(size)
    between = np.random.default_rng(size).choice(np.arange(1, size - 1), ELEMENTS_KEPT - 2, replace=False)
    return np.concatenate([[0], np.sort(between), [size - 1]])
