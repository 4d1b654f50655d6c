"""The comparison with PyTorch must itself be able to fail."""

import json
import subprocess
import sys

import numpy as np
import pytest

import kernels.pooling.cpu
from mediml import cli
from mediml.nn import functional
from mediml.verify import make_golden, peers, runner
from mediml.verify.answers import Answer, answer_of_mediml
from mediml.verify.case import Array, Case
from mediml.verify.tolerances import TOLERANCES, Tolerance, error

POOL = Case("avg_pool2d", {"input": Array((2, 3, 5, 7))}, {"kernel_size": 2})
ROUGH = Tolerance(relative=1e-3, floor=1.0)


class Fixed:
    """A peer with one answer to everything."""

    name = "fixed"

    def __init__(self, answer):
        self._answer = answer

    def answer(self, case):
        return self._answer

    def comparable(self, array):
        return array


@pytest.fixture
def only_pool(monkeypatch):
    monkeypatch.setattr(runner, "all_cases", lambda: {"pooling": [POOL]})


@pytest.fixture
def right():
    """Our own float64 answer: enough to test the comparison, whoever the peer is."""
    return answer_of_mediml(POOL, "reference", "float64")


def failed(answer, **options):
    return runner.compare(peer=Fixed(answer), dtypes=("float64",), devices=("cpu",), **options)


@pytest.mark.parametrize(
    ("actual", "expected", "distance"),
    [
        ([1.0, 2.0], [1.0, 2.0], 0.0),
        ([1.0, 2.002], [1.0, 2.0], 1e-3),
        ([0.0, 0.002], [0.0, 0.001], 1e-3),  # below the floor: absolute
        ([2000.0], [1000.0], 1.0),
        ([np.nan], [1.0], np.inf),
        ([1.0], [np.nan], np.inf),
        ([np.inf], [-np.inf], np.inf),
        ([np.nan, np.inf, 1.0], [np.nan, np.inf, 1.0], 0.0),
        ([3], [3], 0.0),
        ([3], [4], np.inf),
        ([], [], 0.0),
    ],
)
def test_error(actual, expected, distance):
    assert error(np.array(actual), np.array(expected), ROUGH) == pytest.approx(distance)


def test_tolerances_are_those_promised():
    assert TOLERANCES["float64"].relative <= 1e-7
    assert TOLERANCES["float32"].relative == pytest.approx(1.3e-6)
    assert TOLERANCES["float32"].relative * TOLERANCES["float32"].floor == pytest.approx(1e-5)


def test_what_agrees_passes(only_pool, right):
    comparison = failed(right)
    assert (comparison.cases, comparison.failed) == (2, 0)
    assert [row.direction for row in comparison.rows] == ["backward", "forward"]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda y: np.where(np.arange(y.size).reshape(y.shape) == 3, y + 1e-6, y),
        lambda y: np.where(np.arange(y.size).reshape(y.shape) == 3, np.nan, y),
        lambda y: y[:1],
        lambda y: y.transpose(0, 1, 3, 2),
        lambda y: y.astype(np.int64),
    ],
    ids=["deviation", "nan", "shape", "transposed", "dtype"],
)
def test_what_differs_fails(only_pool, right, spoil):
    forward = failed(Answer((spoil(right.outputs[0]),), right.gradients))
    assert [row.failed for row in forward.rows] == [0, 1]
    backward = failed(Answer(right.outputs, {"input": spoil(right.gradients["input"])}))
    assert [row.failed for row in backward.rows] == [1, 0]


def test_a_missing_output_fails(only_pool, right):
    comparison = failed(Answer((*right.outputs, right.outputs[0]), right.gradients))
    assert comparison.failed == 2
    assert "1 outputs, expected 2" in comparison.rows[0].failures[0].reason


def test_a_mutated_kernel_is_caught(only_pool, right, monkeypatch):
    forward = kernels.pooling.cpu.avg_pool2d_forward
    monkeypatch.setattr(kernels.pooling.cpu, "avg_pool2d_forward", lambda *a, **k: forward(*a, **k) * (1 + 1e-6))
    assert [row.failed for row in failed(right).rows] == [0, 1]


def test_a_kernel_that_raises_is_a_failure_with_its_reason(only_pool, right, monkeypatch):
    def broken(*_arguments, **_options):
        raise RuntimeError("out of order")

    monkeypatch.setattr(kernels.pooling.cpu, "avg_pool2d_forward", broken)
    comparison = failed(right)
    assert comparison.failed == 2
    assert comparison.rows[0].failures[0].reason == "RuntimeError: out of order"


def test_an_argument_that_was_changed_is_a_failure(only_pool, right, monkeypatch):
    forward = kernels.pooling.cpu.avg_pool2d_forward

    def vandal(x, *arguments, **options):
        y = forward(x, *arguments, **options)
        x += 1
        return y

    monkeypatch.setattr(kernels.pooling.cpu, "avg_pool2d_forward", vandal)
    assert "changed its argument 'input'" in failed(right).rows[0].failures[0].reason


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ({"op": "no_such_op"}, "no case for operator 'no_such_op'"),
        ({"devices": ("gpu",)}, "unknown device 'gpu'; expected cpu, reference"),
        ({"dtypes": ("float16",)}, "unknown dtype 'float16'; expected float32, float64"),
    ],
)
def test_a_request_that_compares_nothing_is_refused(request_, message, right):
    with pytest.raises(ValueError, match=message):
        runner.compare(peer=Fixed(right), **request_)


def test_arguments_are_the_same_everywhere_and_exact_in_float32():
    drawn = POOL.draw()["input"]
    assert np.array_equal(drawn, POOL.draw()["input"])
    assert np.array_equal(drawn, drawn.astype(np.float32))
    assert drawn.flat[0] == pytest.approx(-0.679396927)  # this number is filed under the golden answers, too
    assert not np.array_equal(drawn, Case(POOL.op, POOL.arrays, {"kernel_size": 3}).draw()["input"])


def test_there_are_cases_for_every_family():
    families = runner.all_cases()
    assert {"conv", "pooling", "linear", "activation", "loss", "rnn", "norm", "conv_transpose", "gan"} <= set(families)
    names = [case.name for cases in families.values() for case in cases]
    assert len(names) == len(set(names))
    assert len(names) >= 596 + 1500
    assert all(
        np.prod(array.shape) <= 10_000 for cases in families.values() for c in cases for array in c.parts.values()
    )


#: Random (tested by their statistics), or another name or a wrapper of what has cases.
WITHOUT_CASES = {
    "alpha_dropout", "dropout", "dropout1d", "dropout2d", "dropout3d", "feature_alpha_dropout", "gumbel_softmax",
    "one_hot", "matmul", "triplet_margin_with_distance_loss",
}  # fmt: skip


def test_every_function_has_cases():
    tried = {case.op for cases in runner.all_cases().values() for case in cases}
    public = {name for name in functional.__all__ if not name.endswith(("_", "_with_indices"))}
    assert public - tried == WITHOUT_CASES


@pytest.mark.torch
def test_golden_files_hold_what_torch_says_today():
    pytest.importorskip("torch")
    golden, live = peers.GoldenFiles(), peers.PyTorch()
    for cases in runner.all_cases().values():
        for case in cases:
            stored, now = golden.answer(case), live.answer(case)
            assert len(stored.outputs) == len(now.outputs), case.name
            pairs = [
                *zip(stored.outputs, now.outputs),
                *((stored.gradients[k], now.gradients[k]) for k in now.gradients),
            ]
            for then, today in pairs:
                assert error(peers.sample(today), then, Tolerance(1e-12, 1.0)) <= 1e-12, case.name


def test_golden_files_are_small():
    assert sum(path.stat().st_size for path in peers.GOLDEN.iterdir()) < 4_000_000


@pytest.mark.torch
def test_golden_files_are_made_the_same_twice(tmp_path, only_pool, monkeypatch):
    pytest.importorskip("torch")
    monkeypatch.setattr(make_golden, "all_cases", runner.all_cases)
    first, again = make_golden.make(tmp_path / "a"), make_golden.make(tmp_path / "b")
    assert first["sha256"] == again["sha256"]
    golden = peers.GoldenFiles(tmp_path / "a")
    assert runner.compare(peer=golden).failed == 0
    with pytest.raises(ValueError, match="no answer to the case"):
        golden.answer(Case("relu", {"input": Array((3,))}))
    (tmp_path / "a" / "pooling.npz").write_bytes(b"tampered")
    with pytest.raises(ValueError, match=r"pooling\.npz is not the file"):
        peers.GoldenFiles(tmp_path / "a")


def test_a_sample_sees_small_arrays_whole_and_the_ends_of_large_ones():
    assert np.array_equal(peers.sample(np.arange(6).reshape(2, 3)), np.arange(6))
    part = peers.sample(np.arange(1000))
    assert len(part) == peers.ELEMENTS_KEPT
    assert {0, 999} <= set(part.tolist())
    assert len(set(part.tolist())) == len(part)


def test_the_command_writes_json_and_says_one_for_a_failure(only_pool, capsys, tmp_path, monkeypatch, right):
    monkeypatch.setattr(peers, "choose", lambda name: Fixed(right))
    assert cli.main(["verify", "--json", "-", "--dtype", "float64"]) == 0
    text = json.loads(capsys.readouterr().out)
    assert text["compared_with"] == "fixed"
    keys = {"op", "backend", "dtype", "direction", "cases", "failed", "max_error", "tolerance"}
    assert keys <= set(text["rows"][0])
    assert {row["backend"] for row in text["rows"]} == {"cpu", "reference"}

    monkeypatch.setattr(kernels.pooling.cpu, "avg_pool2d_forward", lambda x, *a, **k: np.full((2, 3, 2, 3), np.nan))
    path = tmp_path / "rows.json"
    assert cli.main(["verify", "--json", str(path), "--dtype", "float64"]) == 1
    assert [row["max_error"] for row in json.loads(path.read_text())["rows"]].count(None) == 1
    assert "FAILED cpu float64 forward: avg_pool2d" in capsys.readouterr().out


def test_without_torch_the_golden_files_serve():
    program = (
        "import sys\nclass NoTorch:\n    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'torch': raise ModuleNotFoundError(name)\n"
        "sys.meta_path.insert(0, NoTorch())\n"
        "from mediml.cli import main\nsys.exit(main(['verify', '--op', 'max_pool1d', '--json', '-']))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["compared_with"].startswith("golden files made with PyTorch")
