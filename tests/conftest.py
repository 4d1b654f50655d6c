"""Every test runs with new arrays full of NaN, so that an element no kernel writes is seen."""

import pytest

from kernels import memory


@pytest.fixture(autouse=True)
def new_arrays_are_nan():
    before = memory.fill_new_arrays_with_nan(True)
    yield
    memory.fill_new_arrays_with_nan(before)


@pytest.fixture
def tell(record_property):
    """``tell(text)``: lines that the end of the run shows, also when the tests ran in several processes."""
    return lambda text: record_property("told", text)


def pytest_terminal_summary(terminalreporter):
    reports = [report for group in terminalreporter.stats.values() for report in group]
    told = [value for report in reports for name, value in getattr(report, "user_properties", ()) if name == "told"]
    if told:
        terminalreporter.section("counted")
        for text in dict.fromkeys(told):
            terminalreporter.line(text)
