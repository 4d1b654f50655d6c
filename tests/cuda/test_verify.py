"""`mediml verify` on the GPU or in the simulator: every operator, forward and backward, against PyTorch's answers."""

import pytest

from kernels.activation import cuda as activation
from kernels.gpu.target import SIMULATED
from mediml import cli
from mediml.verify import peers, runner

#: At most so many cases at once, so that several processes share the work.
ONE_TEST = 10

#: In the simulator only every nth case of these families: all take a quarter of an hour, by ``mediml verify``.
EVERY = {"rnn": 16, "conv_transpose": 6}


def parts():
    """The cases by name: of one operator, as many as `ONE_TEST`."""
    for family, cases in runner.all_cases().items():
        for op in dict.fromkeys(case.op for case in cases):
            own = [case for case in cases if case.op == op][:: EVERY.get(family, 1) if SIMULATED else 1]
            for start in range(0, len(own), ONE_TEST):
                yield pytest.param(own[start : start + ONE_TEST], id=f"{family}-{op}-{start // ONE_TEST}")


@pytest.fixture(scope="module")
def golden():
    return peers.GoldenFiles()


@pytest.mark.parametrize("cases", list(parts()))
def test_operators_answer_as_pytorch(cases, golden):
    comparison = runner.compare(cases, devices=("cuda",), peer=golden)
    assert comparison.cases
    assert not comparison.failed, [failure for row in comparison.rows for failure in row.failures][:3]


def test_the_command_compares_what_can_be_used_here(capsys):
    assert cli.main(["verify", "--op", "relu6", "--with", "golden"]) == 0
    printed = capsys.readouterr().out
    assert {line.split()[1] for line in printed.splitlines() if line.startswith("relu6")} == {
        "cpu",
        "reference",
        "cuda",
    }


def test_a_cuda_kernel_that_is_wrong_is_caught(monkeypatch, golden):
    forward = activation.hardtanh_forward
    monkeypatch.setattr(activation, "hardtanh_forward", lambda *arguments: forward(*arguments) * 1.001)
    assert runner.compare(op="relu6", devices=("cuda",), peer=golden).failed


@pytest.mark.anywhere
def test_what_is_missing_to_compile_is_said_in_one_line(capsys):
    from kernels.gpu import ptx

    if ptx.problem() is None:
        pytest.skip("nothing is missing here")
    assert cli.main(["verify", "--ptx"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
