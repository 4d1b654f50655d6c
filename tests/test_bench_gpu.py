"""Timing on a GPU, shown without one: the arithmetic with made-up clocks, and what is refused."""

import json
from types import SimpleNamespace

import pytest

pytest.importorskip("torch")

import torch

import mediml
from kernels.gpu import target
from mediml import cli
from mediml.bench import gpu, runner, timing
from mediml.bench.gpu import GpuRow

pytestmark = pytest.mark.torch


def scripted(log, name, *seconds):
    """A clock that tells these times one after the other, whatever it is given."""
    times = iter(seconds)

    def sample(call, count):
        log.append((name, count))
        return next(times)

    return sample


def test_medians_of_samples_taken_in_turn():
    log = []
    warm = (0.004, 0.001, 0.002)  # the fastest says how often a sample repeats its call
    timed = [
        (lambda: log.append("a called"), scripted(log, "a", *warm, 0.003, 0.9, 0.002)),
        (lambda: None, scripted(log, "b", 1, 1, 1, 5, 4, 6)),
        (lambda: None, scripted(log, "c", *warm, 0.001, 0.001, 7)),
    ]
    medians, runs = timing.in_turn(timed, seconds=0, fewest_runs=3, least=0.01)
    assert medians == pytest.approx([3, 5000, 1])  # milliseconds; one slow sample changes nothing
    assert runs == 3
    assert log[0] == "a called"  # once before any clock runs: it compiles
    assert log[-9:] == [("a", 10), ("b", 1), ("c", 10)] * 3


def test_the_gpu_is_asked_between_two_marks(monkeypatch):
    log = []

    class Event:
        def __init__(self, enable_timing):
            assert enable_timing

        def record(self):
            log.append("mark")

        def synchronize(self):
            log.append("wait for the mark")

        def elapsed_time(self, end):
            return 6.0  # milliseconds

    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: log.append("wait"))
    assert gpu.events(lambda: log.append("call"), 3) == pytest.approx(0.002)
    assert log == ["wait", "mark", "call", "call", "call", "mark", "wait for the mark"]


def flags():
    return torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32


def test_tf32_is_set_for_both_kinds_of_work_and_set_back():
    before = flags()
    with gpu.tf32(True):
        assert flags() == (True, True)
        with pytest.raises(ZeroDivisionError), gpu.tf32(False):
            assert flags() == (False, False)
            raise ZeroDivisionError
        assert flags() == (True, True)
    assert flags() == before


class Prepared:
    """Something to time, whose clock below is 2 ms for ours, and for the peer 8 ms, with TF32 3 ms."""

    def __init__(self, name):
        self.name = name
        self.devices = []

    def prepare(self, device="cpu"):
        self.devices.append(device)
        return (lambda: "ours"), (lambda: "peer")


def made_up_clock(call, count):
    return 0.002 if call() == "ours" else 0.003 if flags() == (True, True) else 0.008


def test_each_is_timed_against_pytorch_without_and_with_tf32():
    timed = Prepared("an operator")
    with gpu.tf32(False):
        (row,) = gpu.time_rows([(timed, "a group")], 0, made_up_clock)
    assert timed.devices == ["cuda"]
    assert (row.name, row.group, row.runs) == ("an operator", "a group", 11)
    assert (row.ours_ms, row.peer_ms, row.peer_tf32_ms) == pytest.approx((2, 8, 3))
    assert (row.ratio, row.ratio_tf32) == pytest.approx((4, 1.5))


def test_geometric_means_by_group_and_over_all():
    rows = [GpuRow("1", "b", 1, 4, 2, 11), GpuRow("2", "b", 2, 2, 1, 11), GpuRow("3", "a", 1, 0.25, 1, 11)]
    means = gpu.means(rows)
    assert list(means) == ["a", "b", "all"]
    assert means["b"] == pytest.approx({"rows": 2, "tf32_off": 2, "tf32_on": 1})
    assert means["all"] == pytest.approx({"rows": 3, "tf32_off": 1, "tf32_on": 1})


def refused(capsys, *arguments):
    """The one line that is said instead of a table."""
    assert cli.main(["bench", *arguments, "--device", "cuda"]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    return printed.err


@pytest.fixture
def nothing_runs(monkeypatch):
    """Fail if anything is prepared, compared or timed."""
    for module, name in ((gpu, "chosen"), (gpu, "in_turn"), (runner, "compare")):
        monkeypatch.setattr(module, name, lambda *a, **k: pytest.fail("something was run"))


@pytest.fixture
def torch_with_gpu(monkeypatch):
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)


@pytest.mark.parametrize("what", ["ops", "steps"])
def test_what_is_missing_is_said_in_one_line(what, monkeypatch, capsys, nothing_runs):
    monkeypatch.setattr(target, "SIMULATED", False)
    monkeypatch.setattr(target, "problem", lambda: "no driver; without a GPU, use the simulator")
    monkeypatch.setattr(torch.version, "cuda", None)
    line = refused(capsys, what)
    assert f"PyTorch {torch.__version__} is built without CUDA" in line
    assert line.endswith("; no driver\n")  # the simulator is no way out here
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert f"PyTorch {torch.__version__} finds no GPU; no driver" in refused(capsys, what)


def test_a_gpu_that_only_pytorch_can_use_is_not_enough(monkeypatch, capsys, nothing_runs, torch_with_gpu):
    monkeypatch.setattr(target, "SIMULATED", False)
    monkeypatch.setattr(target, "problem", lambda: "the package numba-cuda is not installed")
    assert refused(capsys, "ops").endswith("bench --device cuda: the package numba-cuda is not installed\n")


def test_the_simulator_is_not_timed(monkeypatch, capsys, nothing_runs, torch_with_gpu):
    monkeypatch.setattr(target, "SIMULATED", True)
    assert "Numba's simulator here, whose times mean nothing" in refused(capsys, "steps")


def test_options_without_effect_are_refused(monkeypatch, capsys, nothing_runs):
    assert "threads of the processor" in refused(capsys, "ops", "--threads", "2")
    assert "gan-quality compares what is learned" in refused(capsys, "gan-quality")


@pytest.fixture
def faked_gpu(monkeypatch, torch_with_gpu):
    """Everything but the times: these are made up."""
    monkeypatch.setattr(gpu, "refusal", lambda: None)
    monkeypatch.setattr(gpu, "events", made_up_clock)
    monkeypatch.setattr(
        gpu, "chosen", lambda what, pattern, device: [(Prepared(f"{what} {pattern} {device}"), "group")]
    )
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda: "A made-up GPU")
    monkeypatch.setattr(torch.backends.cudnn, "version", lambda: 91000)


def test_the_rows_say_where_when_and_with_what(tmp_path, capsys, faked_gpu):
    path = tmp_path / "rows.json"
    arguments = ["bench", "steps", "--device", "cuda", "--only", "CNN*", "--quick", "--json", str(path)]
    assert cli.main(arguments) == 0
    printed = capsys.readouterr().out
    assert "on A made-up GPU" in printed
    assert "steps CNN* cuda" in printed
    result = json.loads(path.read_text())
    assert result["device"] == "A made-up GPU"
    assert result["date"].startswith("20")
    assert (result["versions"]["torch"], result["versions"]["mediml"]) == (torch.__version__, mediml.__version__)
    assert {"mediml", "numba", "numba-cuda", "numpy", "python", "cuda", "cudnn"} <= set(result["versions"])
    (row,) = result["rows"]
    assert (row["ratio"], row["ratio_tf32"]) == pytest.approx((4, 1.5))
    assert result["geometric_means"]["all"] == pytest.approx({"rows": 1, "tf32_off": 4, "tf32_on": 1.5})


def test_json_alone_on_standard_output(capsys, faked_gpu):
    assert cli.main(["bench", "ops", "--device", "cuda", "--quick", "--json", "-"]) == 0
    assert json.loads(capsys.readouterr().out)["rows"]


def test_what_disagrees_on_the_gpu_is_not_timed(monkeypatch):
    asked = []

    def compare(op, devices, dtypes, peer):
        asked.append((op, devices, dtypes))
        return SimpleNamespace(failed=2, cases=5)

    monkeypatch.setattr(runner, "compare", compare)
    with pytest.raises(ValueError, match=r"avg_pool2d is not timed: 2 of 5 cases .* --op avg_pool2d --device cuda"):
        runner.chosen("ops", "avg_pool2d*", "cuda")
    assert asked == [("avg_pool2d", ("cuda",), ("float32",))]
