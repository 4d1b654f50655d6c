"""Recurrent layers on the GPU: both ways through time, sequences of several lengths, and how much is launched."""

import numpy as np
import pytest
from cuda_harness import DTYPES, Call, check

from kernels.gpu import transfer
from kernels.gpu.launch import LAUNCHES
from kernels.gpu.transfer import to_device
from kernels.rnn import cuda, cuda_steps, reference

GATES = {"rnn_tanh": 1, "rnn_relu": 1, "gru": 3, "lstm": 4}
SMALL, LARGE = cuda_steps.MOST_HIDDEN, cuda_steps.MOST_HIDDEN + 2  # in one launch, step by step


def layer(draw, op, sizes, projected=False, lengths=None, reverse=False, biases="both", beyond=None):
    """Arguments of forward. `beyond` is what x holds where a sequence has ended."""
    T, N, F_in, F_hid = sizes
    F_out, G = (F_hid - 1 if projected else F_hid), GATES[op] * F_hid

    def scaled(*shape):
        return draw(*shape) / draw.array(np.sqrt(max(shape[-1], 1)))

    lengths = None if lengths is None else np.array(lengths)
    x, states = draw(T, N, F_in), [draw(N, F_out)]
    if beyond is not None:
        x[np.arange(T)[:, None] >= lengths] = beyond
    weights = [scaled(G, F_in), scaled(G, F_out)]
    if op == "lstm":
        states.append(draw(N, F_hid))
        weights.append(scaled(F_out, F_hid) if projected else None)
    bias_ih = draw(G) if biases in ("both", "ih") else None
    bias_hh = draw(G) if biases in ("both", "hh") else None
    return (x, *states, *weights, bias_ih, bias_hh, lengths, reverse)


def layer_back(draw, op, sizes, **options):
    """Arguments of backward_all, with what forward has saved."""
    *given, _, _, lengths, reverse = arguments = layer(draw, op, sizes, **options)
    results = getattr(reference, f"{op}_forward")(*arguments)
    count = 3 if op == "lstm" else 2
    cotangents = [draw(*result.shape) for result in results[:count]]
    return (*cotangents, *given, lengths, reverse, results[0], *results[count:])


CASES = {
    "one of all": ((1, 1, 1, 1), {}),
    "small": ((3, 2, 4, SMALL), {}),
    "small reverse lengths": ((4, 3, 2, 3), {"lengths": [2, 4, 1], "reverse": True, "beyond": np.nan}),
    "small lengths": ((3, 4, 3, 2), {"lengths": [3, 0, 1, 2], "beyond": np.nan, "biases": "ih"}),
    "large": ((2, 2, 3, LARGE), {"biases": "hh"}),
    "large reverse lengths": ((3, 3, 2, LARGE), {"lengths": [0, 3, 2], "reverse": True, "biases": "none"}),
    "large lengths": ((3, 2, 1, LARGE), {"lengths": [1, 3], "beyond": np.inf}),
    "no sequences": ((2, 0, 3, 4), {}),
    "no features": ((2, 2, 0, 3), {}),
    "empty state": ((2, 2, 3, 0), {}),
    "no step taken": ((2, 2, 1, 3), {"lengths": [0, 0], "reverse": True}),
}

CALLS = [
    Call("rnn", f"{op}_{end}", lambda draw, m=make, o=op, s=sizes, k=options: m(draw, o, s, **k), note)
    for op in GATES
    for end, make in (("forward", layer), ("backward_all", layer_back))
    for note, (sizes, options) in CASES.items()
] + [
    Call("rnn", f"lstm_{end}", lambda draw, m=make, s=sizes, k=options: m(draw, "lstm", s, projected=True, **k), note)
    for end, make in (("forward", layer), ("backward_all", layer_back))
    for note, sizes, options in (
        ("projected", (3, 2, 3, 4), {}),
        ("projected lengths", (3, 3, 2, 3), {"lengths": [2, 0, 3], "beyond": np.nan}),
        ("projected reverse lengths", (3, 3, 2, 3), {"lengths": [2, 0, 3], "reverse": True}),
        ("projected to one", (2, 1, 1, 2), {"biases": "none"}),
    )
]  # fmt: skip


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("call", CALLS, ids=str)
def test_call(call, dtype):
    check(call, dtype)


class FixedDraw:
    """Normal numbers of float32, as the harness draws them."""

    def __init__(self):
        self.generator = np.random.default_rng(0)

    def __call__(self, *shape):
        return self.generator.standard_normal(shape).astype(np.float32)

    def array(self, values):
        return np.array(values, np.float32)


def on_device(arguments):
    return [to_device(a) if isinstance(a, np.ndarray) else a for a in arguments]


@pytest.mark.parametrize("op", GATES)
@pytest.mark.parametrize("make", [layer, layer_back])
def test_both_ways_through_time_agree(op, make, monkeypatch):
    function = getattr(cuda, f"{op}_{'forward' if make is layer else 'backward_all'}")
    given = on_device(make(FixedDraw(), op, (3, 3, 2, 4), lengths=[3, 1, 2]))
    in_one_launch = function(*given)
    for module in (cuda, cuda.gru_forward, cuda.lstm_forward):
        names = module.__globals__ if callable(module) else vars(module)
        monkeypatch.setitem(names, "fits_one_block", lambda F_hid: False)
    for once, stepwise in zip(in_one_launch, function(*given)):
        assert (once is None) == (stepwise is None)
        if once is not None:
            np.testing.assert_allclose(once.get(), stepwise.get(), atol=1e-5)


@pytest.mark.parametrize("op", GATES)
def test_more_steps_are_not_more_launches(op):
    def launches(T):
        forward = on_device(layer(FixedDraw(), op, (T, 1, 2, 2)))
        backward = on_device(layer_back(FixedDraw(), op, (T, 1, 2, 2)))
        counts = []
        for end, given in (("forward", forward), ("backward_all", backward)):
            before = LAUNCHES.value
            getattr(cuda, f"{op}_{end}")(*given)
            counts.append(LAUNCHES.value - before)
        return counts

    few, many = launches(2), launches(12)
    assert many[0] == few[0]
    assert many[1] < few[1] + 10  # a longer sum may take another round; a launch for each step would be 10 more


def test_transposed_views_are_read_as_they_stand():
    arguments = layer(FixedDraw(), "gru", (3, 2, 4, 3))
    expected = reference.gru_forward(*arguments)
    x, h_0, weight_ih, weight_hh = (to_device(a.T.copy()).T for a in arguments[:4])
    assert not x.is_contiguous
    rest = on_device(arguments[4:])
    for ours, theirs in zip(cuda.gru_forward(x, h_0, weight_ih, weight_hh, *rest), expected):
        np.testing.assert_allclose(ours.get(), theirs, atol=1e-5)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("end", ["forward", "backward_all"])
def test_lengths_out_of_range_are_reported_late_and_read_nothing_foreign(end, reverse):
    make = layer if end == "forward" else layer_back
    arguments = make(FixedDraw(), "lstm", (2, 2, 1, 2), lengths=[2, 0], reverse=reverse)
    expected = getattr(reference, f"lstm_{end}")(*arguments)[0]
    wrong = [np.array([5, -3]) if getattr(a, "dtype", None) == np.int64 else a for a in arguments]
    ours = getattr(cuda, f"lstm_{end}")(*on_device(wrong))[0]  # nobody waits
    with pytest.raises(IndexError, match=r"lstm: lengths expects numbers from 0 to 2, got (5|-3)"):
        ours.get()
    np.testing.assert_allclose(ours.get(), expected, atol=1e-5)


def test_nothing_is_copied_to_the_host():
    given = on_device(layer_back(FixedDraw(), "gru", (2, 2, 1, 2), lengths=[1, 2]))
    before = transfer.TRANSFERS.to_host
    cuda.gru_backward_all(*given)
    assert transfer.TRANSFERS.to_host == before


@pytest.mark.parametrize("op", GATES)
def test_host_arrays_are_refused(op):
    arguments = layer(FixedDraw(), op, (1, 1, 1, 1))
    for position, argument in enumerate(arguments):
        if isinstance(argument, np.ndarray):
            mixed = on_device(arguments)
            mixed[position] = argument
            with pytest.raises(TypeError, match="expects an array on the device, got ndarray"):
                getattr(cuda, f"{op}_forward")(*mixed)
