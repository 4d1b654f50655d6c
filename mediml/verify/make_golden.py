"""Write PyTorch's answers to all cases to files, for machines without PyTorch: python -m mediml.verify.make_golden

One ``.npz`` for each family of kernels, and ``manifest.json`` with their SHA-256. The same cases give the same bytes.
"""

import argparse
import datetime
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mediml.utils.files import write_atomically
from mediml.verify.answers import answer_of_torch
from mediml.verify.case import Case
from mediml.verify.peers import GOLDEN, PyTorch, file_key, sample
from mediml.verify.runner import all_cases

__all__ = ["make"]


def make(folder: Path = GOLDEN) -> dict[str, Any]:
    """Write the files, and return what the manifest says."""
    folder.mkdir(parents=True, exist_ok=True)
    digests = {}
    for family, cases in all_cases().items():
        file = folder / f"{family}.npz"
        arrays = {name: array for case in cases for name, array in _arrays(case).items()}
        with file.open("wb") as stream:
            np.savez_compressed(stream, allow_pickle=False, **arrays)
        digests[file.name] = hashlib.sha256(file.read_bytes()).hexdigest()
    made_on = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
    manifest = {"made_with": PyTorch().name, "made_on": made_on, "sha256": digests}
    write_atomically(folder / "manifest.json", (json.dumps(manifest, indent=1) + "\n").encode())
    return manifest


def _arrays(case: Case) -> dict[str, NDArray[Any]]:
    answer, key = answer_of_torch(case), file_key(case)
    arrays = {f"{key}/output{number}": sample(output) for number, output in enumerate(answer.outputs)}
    arrays.update({f"{key}/grad_{name}": sample(gradient) for name, gradient in answer.gradients.items()})
    return arrays


def main() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("folder", nargs="?", type=Path, default=GOLDEN, help="where to (default: in the package)")
    made = make(parser.parse_args().folder)
    print(f"{len(made['sha256'])} files, {made['made_with']}")


if __name__ == "__main__":
    main()
