"""CUDA tests run on a GPU, in Numba's simulator, or not at all; the end of a run says how many did which.

The simulator must be chosen before Python starts, so it is a run of its own: ``make test-cuda``. Tests of this folder
that need neither (they compile, or look at texts) are marked ``anywhere``.
"""

import sys
from pathlib import Path

import pytest

from kernels.gpu.target import SIMULATED, problem

sys.path.insert(0, str(Path(__file__).parent))

WHERE = "simulated" if SIMULATED else "real" if problem() is None else "not run"


def pytest_collection_modifyitems(items):
    for item in items:
        if "tests/cuda/" not in item.path.as_posix() or item.get_closest_marker("anywhere"):
            continue
        item.user_properties.append(("cuda", WHERE))
        if WHERE == "real":
            item.add_marker(pytest.mark.gpu)
        elif WHERE == "not run":
            item.add_marker(pytest.mark.skip(reason="no GPU here; make test-cuda runs it in the simulator"))
