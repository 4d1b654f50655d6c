"""However an array or a gradient lies in memory, the result has the same bits, and nothing is written into it."""

import hostile
import numpy as np
import pytest
from operators import OPERATORS, UPDATED, call_of, cotangent, run, run_torch, same_bits, some

#: Ways in which a gradient may arrive that has one value everywhere.
ONES = {
    "expanded": lambda shape, dtype: np.broadcast_to(np.ones((), dtype), shape),
    "contiguous": lambda shape, dtype: np.ones(shape, dtype),
}


@pytest.mark.parametrize("op", OPERATORS)
@pytest.mark.parametrize("device", ["cpu", "reference"])
def test_layout_of_inputs(op, device):
    for case in some(op, 3):
        call = call_of(case, "float64")
        expected = run(call, device)
        assert expected.error is None
        for name, array in call.arrays.items():
            for layout, variant in hostile.layouts(array):
                assert np.array_equal(variant, array)
                fault = same_bits(run(call.replace(name, variant), device), expected)
                assert fault is None, f"{call}: {name} in {layout}: {fault}"


@pytest.mark.parametrize("op", OPERATORS)
@pytest.mark.parametrize("device", ["cpu", "reference"])
def test_layout_of_gradients(op, device):
    for case in some(op, 3):
        call = call_of(case)
        expected = run(call, device)
        for position in range(6):
            fault = same_bits(run(call, device, lambda *like, at=position: _laid_out(at, *like)), expected)
            assert fault is None, f"{call}: gradient in layout {position}: {fault}"
        fault = same_bits(run(call, device, ONES["expanded"]), run(call, device, ONES["contiguous"]))
        assert fault is None, f"{call}: expanded gradient: {fault}"


def _laid_out(position, shape, dtype):
    gradient = cotangent(shape, dtype)
    layouts = list(hostile.layouts(gradient))
    return layouts[position % len(layouts)][1]


@pytest.mark.torch
@pytest.mark.parametrize("op", OPERATORS)
def test_a_row_of_a_batch_is_what_it_is_alone(op):
    """Where PyTorch's operator treats the rows of the batch one by one, ours does, too, to the last bit."""
    pytest.importorskip("torch")
    for case in some(op, 4):
        call = call_of(case)
        if UPDATED[op] & call.arrays.keys():
            continue  # what it returns beside its rows has none
        if not all(_has_rows(call, name) for name in _DATA & call.arrays.keys()) or not _by_rows(call, run_torch):
            continue
        whole = run(call)
        for row in range(len(next(iter(call.arrays.values())))):
            alone = run(_only(call, row))
            assert alone.error is None, f"{call}: row {row} alone: {alone.error!r}"
            for together, single in zip(whole.outputs, alone.outputs):
                np.testing.assert_array_equal(together[row : row + 1], single, err_msg=str(call))


#: Arguments that have a row for each of the batch.
_DATA = {"input", "input1", "input2", "x1", "x2", "anchor", "positive", "negative", "target", "indices"}


def _has_rows(call, name):
    return call.arrays[name].ndim > 0 and 1 < len(call.arrays[name]) == len(next(iter(call.arrays.values())))


def _only(call, row):
    for name in _DATA & call.arrays.keys():
        call = call.replace(name, call.arrays[name][row : row + 1])
    return call


def _by_rows(call, runner):
    whole, first, last = (
        runner(call),
        runner(_only(call, 0)),
        runner(_only(call, -1 + len(call.arrays["input"]) if "input" in call.arrays else 0)),
    )
    if whole.error or first.error or last.error:
        return False
    return all(
        a.shape[1:] == b.shape[1:] and a.ndim and len(b) == 1
        and np.allclose(a[:1], b, 1e-4, 1e-5) and np.allclose(a[-1:], c, 1e-4, 1e-5)
        for a, b, c in zip(whole.outputs, first.outputs, last.outputs)
    )  # fmt: skip
