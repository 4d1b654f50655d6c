"""Every test runs with new arrays full of NaN, so that an element no kernel writes is seen."""

import pytest

from kernels import memory


@pytest.fixture(autouse=True)
def new_arrays_are_nan():
    before = memory.fill_new_arrays_with_nan(True)
    yield
    memory.fill_new_arrays_with_nan(before)
