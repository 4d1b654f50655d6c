"""Geometry at random, right and wrong: whatever PyTorch answers is answered alike, whatever it refuses is refused."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from operators import Call, difference, run, run_torch, wrong_refusal

pytestmark = pytest.mark.torch

#: The same examples at every run, and no time limit on a busy machine.
REPEATABLE = settings(
    max_examples=150, deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)


def check(call):
    """Refusal for refusal, answer for answer; on both back ends."""
    pytest.importorskip("torch")
    theirs = run_torch(call)
    for device in ("cpu", "reference"):
        ours = run(call, device)
        if theirs.error is not None:
            assert ours.error is not None, f"{call} on {device}: answered, PyTorch refuses: {theirs.error}"
            assert wrong_refusal(call.op, ours.error) is None, f"{call} on {device}"
        else:
            assert ours.error is None, f"{call} on {device}: {ours.error!r}"
            assert difference(ours, theirs) is None, f"{call} on {device}: {difference(ours, theirs)}"


def normal(draw, shape):
    """Float64: rounding cannot hide a wrong tap."""
    return np.random.default_rng(draw(st.integers(0, 2**32 - 1))).standard_normal(shape)


@st.composite
def convolutions(draw):
    rank = draw(st.integers(1, 3))
    groups, per_group, outputs = draw(st.integers(1, 3)), draw(st.integers(1, 3)), draw(st.integers(1, 3))
    sizes = [draw(st.integers(1, 7)) for _ in range(rank)]
    taps = [draw(st.integers(1, 4)) for _ in range(rank)]
    batch = draw(st.sampled_from([(), (0,), (1,), (2,)]))
    channels = groups * per_group + draw(st.sampled_from([0, 0, 0, 0, 1]))
    arrays = {
        "input": normal(draw, (*batch, channels, *sizes)),
        "weight": normal(draw, (groups * outputs, per_group, *taps)),
    }
    if draw(st.booleans()):
        arrays["bias"] = normal(draw, groups * outputs)
    options = {
        "stride": tuple(draw(st.integers(1, 4)) for _ in range(rank)),
        "padding": tuple(draw(st.integers(0, 4)) for _ in range(rank)),
        "dilation": tuple(draw(st.integers(1, 3)) for _ in range(rank)),
        "groups": groups,
    }
    return Call(f"conv{rank}d", arrays, options, frozenset(arrays))


@st.composite
def poolings(draw):
    rank, kind = draw(st.integers(1, 3)), draw(st.sampled_from(["max", "avg"]))
    batch = draw(st.sampled_from([(), (0,), (1,), (2,)]))
    shape = (*batch, draw(st.integers(1, 3)), *(draw(st.integers(1, 8)) for _ in range(rank)))
    options = {
        "kernel_size": tuple(draw(st.integers(1, 4)) for _ in range(rank)),
        "stride": draw(st.one_of(st.none(), st.tuples(*[st.integers(1, 4)] * rank))),
        "padding": tuple(draw(st.integers(0, 2)) for _ in range(rank)),
        "ceil_mode": draw(st.booleans()),
    }
    if kind == "avg":
        options["count_include_pad"] = draw(st.booleans())
    elif not any(options["padding"]):  # together with padding PyTorch writes beyond its memory
        options["dilation"] = tuple(draw(st.integers(1, 3)) for _ in range(rank))
    return Call(f"{kind}_pool{rank}d", {"input": normal(draw, shape)}, options, frozenset(["input"]))


@st.composite
def products(draw):
    sizes = st.integers(0, 4)
    inner, rows, columns = draw(sizes), draw(sizes), draw(sizes)
    left, right = draw(st.sampled_from([((), ()), ((2,), ()), ((), (3,)), ((3, 1), (2,)), ((2,), (3,))]))
    other = inner + draw(st.sampled_from([0, 0, 0, 1]))
    arrays = {"input": normal(draw, (*left, rows, inner)), "other": normal(draw, (*right, other, columns))}
    return Call("matmul", arrays, {}, frozenset(arrays))


@REPEATABLE
@given(convolutions())
@pytest.mark.filterwarnings("ignore")
def test_convolution(call):
    check(call)


@REPEATABLE
@given(poolings())
@pytest.mark.filterwarnings("ignore")
def test_pooling(call):
    check(call)


@REPEATABLE
@given(products())
@pytest.mark.filterwarnings("ignore")
def test_matrix_product(call):
    check(call)
