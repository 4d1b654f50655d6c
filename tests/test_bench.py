"""Timing: fair, and only of what agrees."""

import gc
import json
import time

import pytest

pytest.importorskip("torch")

import torch

import kernels.pooling.cpu
from kernels import parallel
from mediml import cli
from mediml.bench import runner, steps, timing
from mediml.bench.operators import OPERATORS
from mediml.verify.runner import all_cases

pytestmark = pytest.mark.torch


def test_the_two_take_turns_with_the_collector_off():
    log = []
    result = timing.alternate(
        lambda: (log.append("ours"), time.sleep(0.003), gc.isenabled() and log.append("collecting")),
        lambda: (log.append("peer"), time.sleep(0.009)),
        seconds=0,
        fewest_runs=5,
    )
    assert log[-10:] == ["ours", "peer"] * 5
    assert gc.isenabled()
    assert result.runs == 5
    assert 1.5 < result.ratio < 4.5
    assert result.ratio == result.peer_ms / result.ours_ms


def test_both_use_the_threads_asked_for_and_get_back_their_own():
    before = torch.get_num_threads(), parallel.thread_count()
    with timing.threads(1):
        assert (torch.get_num_threads(), parallel.thread_count()) == (1, 1)
    assert (torch.get_num_threads(), parallel.thread_count()) == before


def test_geometric_mean():
    assert runner.geometric_mean([2, 0.5]) == pytest.approx(1)
    assert runner.geometric_mean([4, 1, 2]) == pytest.approx(2)


def test_every_operator_has_its_own_name_and_both_sides_give_the_same():
    names = [operator.name for operator in OPERATORS]
    assert len(names) == len(set(names))
    for operator in OPERATORS:
        if operator.name.startswith(("max_pool2d", "linear", "cross_entropy")):
            ours, peer = (call() for call in operator.prepare())
            ours, peer = (part[0] if isinstance(part, tuple) else part for part in (ours, peer))
            difference = abs(ours.detach().numpy() - peer.detach().numpy()).max()
            assert difference <= 1e-4 * max(1.0, abs(peer.detach().numpy()).max()), operator.name


def test_what_does_not_agree_is_not_timed(monkeypatch, capsys):
    forward = kernels.pooling.cpu.avg_pool2d_forward
    monkeypatch.setattr(kernels.pooling.cpu, "avg_pool2d_forward", lambda *a, **k: forward(*a, **k) * 1.01)
    assert cli.main(["bench", "ops", "--only", "avg_pool2d*", "--quick"]) == 2
    assert "avg_pool2d is not timed" in capsys.readouterr().err


def test_a_step_whose_loss_differs_is_not_timed(monkeypatch):
    monkeypatch.setattr(steps, "AGREEMENT", -1.0)
    with pytest.raises(ValueError, match="is not timed: at step 0 its loss is"):
        steps.cnn((2, 1, 8, 8), 2).prepare()


@pytest.mark.parametrize(
    "step",
    [
        steps.cnn((2, 1, 8, 8), 2),
        *(steps.recurrent(cell, (3, 5, 4)) for cell in ("rnn", "lstm", "gru")),
        steps.dcgan((4, 1, 32, 32), width=4),
        steps.unet((2, 1, 8, 8), (4, 6)),
    ],
    ids=lambda step: step.name,
)
def test_a_step_trains_both_sides_alike(step):
    calls = step.prepare()
    ours, peer = ([call() for _ in range(3)] for call in calls)
    assert ours == pytest.approx(peer, rel=1e-4)
    assert len(set(peer)) == 3  # it moves


def test_every_step_has_its_own_name_and_names_operators_that_are_verified():
    names = [step.name for step in steps.STEPS]
    assert len(names) == len(set(names))
    assert {operator for step in steps.STEPS for operator in step.operators} <= set(all_cases())


def test_a_step_of_an_operator_that_does_not_agree_is_not_timed(monkeypatch, capsys):
    forward = kernels.pooling.cpu.max_pool2d_forward
    monkeypatch.setattr(
        kernels.pooling.cpu, "max_pool2d_forward", lambda *a, **k: tuple(part * 2 for part in forward(*a, **k))
    )
    assert cli.main(["bench", "steps", "--only", "CNN*", "--quick"]) == 2
    assert "max_pool2d is not timed" in capsys.readouterr().err


def test_nothing_to_time_is_an_error(capsys):
    assert cli.main(["bench", "ops", "--only", "no_such"]) == 2
    assert "no operator matches 'no_such'" in capsys.readouterr().err
    assert cli.main(["bench", "steps", "--threads", "0"]) == 2


def test_without_torch_it_says_so(monkeypatch, capsys):
    monkeypatch.setattr(runner, "PyTorch", lambda: exec("raise ImportError"))
    assert cli.main(["bench", "ops", "--only", "avg_pool2d*"]) == 2
    assert "PyTorch is not installed" in capsys.readouterr().err


def test_the_command_writes_rows(tmp_path, capsys):
    path = tmp_path / "rows.json"
    assert cli.main(["bench", "ops", "--only", "avg_pool2d*", "--quick", "--threads", "1", "--json", str(path)]) == 0
    assert "avg_pool2d forward" in capsys.readouterr().out
    rows = json.loads(path.read_text())["rows"]
    assert [row["name"].split()[:2] for row in rows] == [["avg_pool2d", "forward"], ["avg_pool2d", "backward_x"]]
    for row in rows:
        assert row["ratio"] == pytest.approx(row["peer_ms"] / row["ours_ms"])
        assert row["threads"] == 1
