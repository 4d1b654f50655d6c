"""None of the project's own CUDA kernels has anything that the doctor knows of.

The calls are those of ``tests/cuda``. The doctor runs them without the simulator and without a GPU; in the simulator,
where tiles are small, it does so as well.
"""

import importlib
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parent.parent / "cuda"))

from rounds import Rounds

CUDA = Path(__file__).parent.parent / "cuda"
FILES = sorted(path.stem for path in CUDA.glob("test_*.py") if "CALLS" in path.read_text() and path.stem != "test_ptx")


@pytest.mark.parametrize("stem", FILES)
def test_the_doctor_finds_nothing(stem, tell):
    rounds = Rounds()
    with rounds():
        for call in importlib.import_module(stem).CALLS:
            before = len(rounds.reports)
            call.on_device("float32")
            for report in rounds.reports[before:]:
                print(f"{call}:\n{report}\n")
    tell(f"the doctor examined {rounds.launches} launches of {len(rounds.kernels)} kernels for {stem[5:]}")
    assert rounds.launches
    assert not rounds.reports
