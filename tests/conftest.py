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
    properties = [
        (name, value)
        for report in reports
        if getattr(report, "when", None) == "call" or getattr(report, "skipped", False)
        for name, value in report.user_properties
    ]
    told = dict.fromkeys(value for name, value in properties if name == "told")
    cuda = [value for name, value in properties if name == "cuda"]
    if told or cuda:
        terminalreporter.section("counted")
        for text in told:
            terminalreporter.line(text)
    if cuda:
        counts = " · ".join(f"{where} {cuda.count(where)}" for where in ("real", "simulated", "not run"))
        terminalreporter.line(f"CUDA: {counts}")
