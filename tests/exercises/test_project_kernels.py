"""None of the project's own CUDA kernels has anything that the doctor knows of.

The calls are those of ``tests/cuda``, with the doctor in place of the simulator. They are run where the simulator is
chosen, since tiles and blocks are small there: ``make test-cuda``.
"""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest
from numba import cuda

from kernels.gpu.launch import kernel, per_element
from kernels.gpu.memory import empty, zeros
from kernels.gpu.target import SIMULATED
from kernels.gpu.transfer import to_device

CUDA = Path(__file__).parent.parent / "cuda"
sys.path[:0] = [str(Path(__file__).parent), str(CUDA)]

from rounds import Rounds  # noqa: E402

FILES = sorted(path.stem for path in CUDA.glob("test_*.py") if "CALLS" in path.read_text() and path.stem != "test_ptx")

#: Calls of these files are many threads each; the first says enough.
ONE_CALL = ("test_convolution",)

pytestmark = pytest.mark.skipif(not SIMULATED, reason="tiles of full size take too long; make test-cuda runs it")


@pytest.mark.slow
@pytest.mark.parametrize("stem", FILES)
def test_the_doctor_finds_nothing(stem, tell):
    calls = importlib.import_module(stem).CALLS
    rounds = Rounds()
    with rounds():
        for call in calls[:1] if stem in ONE_CALL else calls:
            before = len(rounds.reports)
            call.on_device("float32")
            for report in rounds.reports[before:]:
                print(f"{call}:\n{report}\n")
    tell(f"the doctor examined {rounds.launches} launches of {len(rounds.kernels)} CUDA kernels: {stem[5:]}")
    assert rounds.launches
    assert not rounds.reports


@kernel
def _half_written(y):
    i = cuda.grid(1)
    if i < y.size and i % 2 == 0:
        y[i] = i


@kernel
def _copy(x, y):
    i = cuda.grid(1)
    if i < y.size:
        y[i] = x[i]


@kernel
def _all_to_one(x, y):
    y[0] += x[cuda.grid(1)]


def test_on_his_rounds_the_doctor_remembers_who_wrote_what():
    rounds = Rounds()
    with rounds():
        x, y = to_device(np.ones(20, np.float32)), empty(20, np.float32)
        grid = per_element(20)
        _copy[grid](x, y)
        _copy[grid](zeros(20, np.int64), y)
        assert not rounds.reports
        _half_written[grid](y := empty(20, np.float32))
        _copy[grid](y.reshape(4, 5).T.reshape(-1), x)
        (report,) = rounds.reports
        (finding,) = report.findings
        assert (finding.kind, finding.count) == ("uninitialised_read", 10)
        _all_to_one[grid](x, y)
    assert [[g.kind for g in report.findings] for report in rounds.reports[1:]] == [
        ["out_of_bounds_read", "race_between_blocks"]
    ]
    assert rounds.launches >= 5
