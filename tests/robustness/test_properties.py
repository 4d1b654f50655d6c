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

#: The operators with more to compile and more to compute.
FEWER = settings(REPEATABLE, max_examples=60)


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
def transposed_convolutions(draw):
    rank = 2
    groups, inputs, per_group = (draw(st.integers(1, 2)) for _ in range(3))
    sizes = [draw(st.integers(1, 5)) for _ in range(rank)]
    taps = [draw(st.integers(1, 3)) for _ in range(rank)]
    batch = draw(st.sampled_from([(), (1,), (2,)]))
    channels = groups * inputs + draw(st.sampled_from([0, 0, 0, 0, 1]))
    arrays = {
        "input": normal(draw, (*batch, channels, *sizes)),
        "weight": normal(draw, (groups * inputs, per_group, *taps)),
    }
    if draw(st.booleans()):
        arrays["bias"] = normal(draw, groups * per_group)
    options = {
        "stride": tuple(draw(st.integers(1, 3)) for _ in range(rank)),
        "padding": tuple(draw(st.integers(0, 2)) for _ in range(rank)),
        "output_padding": tuple(draw(st.integers(0, 2)) for _ in range(rank)),
        "dilation": tuple(draw(st.integers(1, 3)) for _ in range(rank)),
        "groups": groups,
    }
    return Call("conv_transpose2d", arrays, options, frozenset(arrays))


@st.composite
def interpolations(draw):
    mode, rank = draw(
        st.sampled_from(
            [("linear", 1), ("bilinear", 2), ("bicubic", 2), ("trilinear", 3), ("area", 2)]
            + [(mode, rank) for mode in ("nearest", "nearest-exact") for rank in (1, 2, 3)]
        )
    )
    shape = (draw(st.integers(1, 2)), draw(st.integers(1, 2)), *(draw(st.integers(1, 6)) for _ in range(rank)))
    options = {"mode": mode, "size": tuple(draw(st.integers(1, 8)) for _ in range(rank))}
    if mode.endswith(("linear", "cubic")):
        options["align_corners"] = draw(st.booleans())
    return Call("interpolate", {"input": normal(draw, shape)}, options, frozenset(["input"]))


@st.composite
def normalisations(draw):
    kind, groups = draw(st.sampled_from(["batch", "group"])), draw(st.integers(1, 3))
    C = groups * draw(st.integers(1, 3)) + draw(st.sampled_from([0, 0, 0, 1]))
    inner = [draw(st.integers(1, 4)) for _ in range(draw(st.integers(0, 3)))]
    arrays = {"input": normal(draw, (draw(st.integers(1, 3)), C, *inner))}
    arrays |= {name: normal(draw, C) for name in ("weight", "bias")} if draw(st.booleans()) else {}
    gradients = frozenset(arrays)
    if kind == "group":
        return Call("group_norm", arrays, {"num_groups": groups, "eps": 0.1}, gradients)
    arrays |= {"running_mean": normal(draw, C), "running_var": 0.5 + normal(draw, C) ** 2}
    return Call("batch_norm", arrays, {"training": draw(st.booleans()), "eps": 0.1}, gradients)


@st.composite
def recurrences(draw):
    kind, gates = draw(st.sampled_from([("lstm", 4), ("gru", 3)]))
    layers, directions, biased = draw(st.integers(1, 3)), draw(st.integers(1, 2)), draw(st.booleans())
    size_in, size_hid, batch = draw(st.integers(1, 4)), draw(st.integers(1, 5)), draw(st.integers(1, 4))
    options = {"has_biases": biased, "num_layers": layers, "dropout": 0.0, "train": draw(st.booleans())}
    options["bidirectional"] = directions == 2
    lengths = sorted((draw(st.integers(1, 5)) for _ in range(batch)), reverse=True)
    if draw(st.booleans()):
        counts = np.int64([sum(length > t for length in lengths) for t in range(lengths[0])])
        arrays = {"data": normal(draw, (sum(lengths), size_in)), "batch_sizes": counts}
    else:
        options["batch_first"] = draw(st.booleans())
        shape = (batch, lengths[0]) if options["batch_first"] else (lengths[0], batch)
        arrays = {"input": normal(draw, (*shape, size_in))}
    for name in ("hx[0]", "hx[1]") if kind == "lstm" else ("hx",):
        arrays[name] = normal(draw, (layers * directions, batch, size_hid))
    shapes = []
    for run_of_layer in range(layers * directions):
        width = size_in if run_of_layer < directions else directions * size_hid
        shapes += [(gates * size_hid, width), (gates * size_hid, size_hid), *[(gates * size_hid,)] * (2 * biased)]
    arrays |= {f"params[{i}]": normal(draw, shape) for i, shape in enumerate(shapes)}
    return Call(kind, arrays, options, frozenset(arrays) - {"batch_sizes"})


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


@FEWER
@given(transposed_convolutions())
@pytest.mark.filterwarnings("ignore")
def test_transposed_convolution(call):
    check(call)


@FEWER
@given(interpolations())
@pytest.mark.filterwarnings("ignore")
def test_interpolation(call):
    check(call)


@FEWER
@given(normalisations())
@pytest.mark.filterwarnings("ignore")
def test_normalisation(call):
    check(call)


@FEWER
@given(recurrences())
@pytest.mark.filterwarnings("ignore")
def test_recurrent_network(call):
    check(call)
