"""Recurrent layers and functions: torch's answers, parameters and refusals; truncated back-propagation; dropout."""

import itertools
import warnings

import numpy as np
import pytest

import mediml
from mediml import nn
from mediml.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from mediml.verify.case import Case, arguments
from mediml.verify.cases.rnn import CASES

TOLERANCE = {"float32": 1e-5, "float64": 1e-10}
CONFIGURATIONS = [
    (kind, {"num_layers": layers, "bidirectional": both, "bias": bias, "batch_first": first, **extra})
    for (kind, extra), layers, both, bias, first in itertools.product(
        [("RNN", {}), ("RNN", {"nonlinearity": "relu"}), ("GRU", {}), ("LSTM", {}), ("LSTM", {"proj_size": 3})],
        (1, 2), (False, True), (True, False), (False, True),
    )
]  # fmt: skip


def values(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def flat(result):
    """The tensors of a layer's result, one by one."""
    if isinstance(result, tuple) and not hasattr(result, "batch_sizes"):
        return [tensor for part in result for tensor in flat(part)]
    return [getattr(result, "data", result)] if hasattr(result, "batch_sizes") else [result]


# -- functions -------------------------------------------------------------------------------------------------------


@pytest.mark.torch
@pytest.mark.parametrize("device", ["cpu", "reference"])
def test_every_case_equals_torch_in_each_gradient(device):
    torch = pytest.importorskip("torch")
    for case in CASES[::3]:
        assert isinstance(case, Case)
        drawn, found = case.draw(), []
        for library, options in ((mediml, {"device": device}), (torch, {})):
            tensors = {
                n: library.tensor(a, requires_grad=n in case.differentiated, **options) for n, a in drawn.items()
            }
            outputs = flat(getattr(library, case.op)(**arguments(tensors), **case.options))
            sum((y * library.tensor(values(*y.shape, seed=1), **options)).sum() for y in outputs).backward()
            found.append([*outputs, *(tensors[name].grad for name in case.differentiated)])
        for ours, theirs in zip(*found, strict=True):
            np.testing.assert_allclose(
                ours.detach().numpy(), theirs.detach().numpy(), rtol=1e-9, atol=1e-10, err_msg=case.name
            )


def lstm_arguments(**changed):
    tensors = {
        "input": mediml.zeros(4, 2, 3),
        "hx": [mediml.zeros(1, 2, 5), mediml.zeros(1, 2, 5)],
        "params": [mediml.zeros(20, 3), mediml.zeros(20, 5), mediml.zeros(20), mediml.zeros(20)],
        "has_biases": True, "num_layers": 1, "dropout": 0.0, "train": False, "bidirectional": False,
        "batch_first": False,
    }  # fmt: skip
    return {**tensors, **changed}


def replaced(name, position, value):
    parts = list(lstm_arguments()[name])
    parts[position] = value
    return {name: parts}


@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        (replaced("params", 3, None), TypeError, r"lstm: params\[3\] expects a sequence of mediml.Tensor, got None"),
        (replaced("params", 2, mediml.zeros(20).double()), TypeError, r"params\[2\] .b_ih of layer 0. expects float32"),
        (
            replaced("params", 3, mediml.zeros(20).to("reference")),
            ValueError,
            r"params\[3\] expects the device of input",
        ),
        (
            replaced("params", 0, mediml.zeros(20, 4)),
            ValueError,
            r"params\[0\] .w_ih of layer 0. expects shape .20, 3.",
        ),
        (replaced("params", 3, mediml.zeros(5)), ValueError, r"params\[3\] .b_hh of layer 0. expects shape .20,."),
        (replaced("hx", 1, mediml.zeros(1, 3, 5)), ValueError, r"hx\[1\] expects shape .1, 2, 5., got .1, 3, 5."),
        (replaced("hx", 0, mediml.zeros(2, 2, 5)), ValueError, r"hx\[0\] expects shape .1, 2, 5."),
        (
            replaced("hx", 0, mediml.zeros(1, 2, 3)),
            ValueError,
            r"params expects 5 tensors, w_ih, w_hh, b_ih, b_hh, w_hr",
        ),
        ({"hx": mediml.zeros(2, 1, 2, 5)}, TypeError, "lstm: hx expects a sequence of mediml.Tensor"),
        ({"hx": [mediml.zeros(1, 2, 5)]}, ValueError, "lstm: hx expects 2 tensors, got 1"),
        ({"has_biases": False}, ValueError, "params expects 2 tensors, w_ih, w_hh for each of 1 layers"),
        ({"num_layers": 0}, ValueError, "num_layers expects a number of at least 1, got 0"),
        ({"bidirectional": True}, ValueError, r"hx\[0\] expects shape .2, 2, 5."),
        ({"input": mediml.zeros(0, 2, 3)}, ValueError, "input expects at least one step"),
        ({"input": mediml.zeros(2, 3)}, ValueError, "lstm: input expects 3 axes"),
        ({"input": mediml.zeros(4, 2, 3).long()}, TypeError, "input expects float32 or float64, got int64"),
        ({"train": 1}, TypeError, "train expects a bool"),
    ],
)
def test_functions_name_what_is_wrong(changed, error, message):
    with pytest.raises(error, match=message):
        mediml.lstm(**lstm_arguments(**changed))


@pytest.mark.parametrize("sizes", [[2, 2], [1, 2, 1], [5, -1], [], [[2, 2]], [2.0, 2.0]])
def test_batch_sizes_that_describe_no_batch_are_refused(sizes):
    given = lstm_arguments(batch_sizes=mediml.tensor(sizes), data=mediml.zeros(5, 3))
    del given["input"], given["batch_first"]
    with pytest.raises(ValueError, match="lstm: batch_sizes expects"):
        mediml.lstm(**given)


def test_outputs_may_be_changed_in_place():
    """They share no memory with what the gradient needs, nor does h_n with the output."""
    layer, x = nn.LSTM(3, 4), mediml.tensor(values(5, 2, 3).astype("float32"))
    expected = mediml.autograd.grad(layer(x)[0].sum(), list(layer.parameters()))
    y, (h, _) = layer(x)
    loss = y.sum()
    y.detach().zero_()
    h.detach().zero_()
    for ours, before in zip(mediml.autograd.grad(loss, list(layer.parameters())), expected):
        np.testing.assert_array_equal(ours.numpy(), before.numpy())


# -- layers against torch --------------------------------------------------------------------------------------------


@pytest.mark.torch
@pytest.mark.parametrize("form", ["batch", "packed", "unsorted", "one"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_layers_equal_torchs(form, dtype):
    torch = pytest.importorskip("torch")
    for position, (kind, options) in enumerate(CONFIGURATIONS):
        theirs = getattr(torch.nn, kind)(4, 6, **options).to(getattr(torch, dtype))
        ours = getattr(nn, kind)(4, 6, **options).to(dtype=dtype)
        ours.load_state_dict(theirs.state_dict())
        first, rows = options["batch_first"], options["num_layers"] * (1 + options["bidirectional"])
        shape = ((3, 5, 4) if first else (5, 3, 4)) if form != "one" else (5, 4)
        states = [
            values(rows, *((3,) if form != "one" else ()), size, seed=2) for size in (options.get("proj_size") or 6, 6)
        ]
        results = []
        for library, layer in ((mediml, ours), (torch, theirs)):
            x = library.tensor(values(*shape).astype(dtype), requires_grad=True)
            hx = [library.tensor(state.astype(dtype), requires_grad=True) for state in states]
            lengths = {"packed": [5, 3, 1], "unsorted": [2, 5, 4]}.get(form)
            packer = library.nn.utils.rnn.pack_padded_sequence
            given = packer(x, lengths, first, form == "packed") if lengths else x
            hidden = None if position % 3 == 0 else tuple(hx) if kind == "LSTM" else hx[0]
            outputs = flat(layer(given, hidden))
            sum((y * library.tensor(values(*y.shape, seed=1).astype(dtype))).sum() for y in outputs).backward()
            used = hx[: 1 + (kind == "LSTM")] if hidden is not None else []
            results.append([*outputs, x.grad, *(h.grad for h in used), *(p.grad for p in layer.parameters())])
        for a, b in zip(*results, strict=True):
            assert tuple(a.shape) == tuple(b.shape)
            bound = TOLERANCE[dtype]
            np.testing.assert_allclose(
                a.detach().numpy(), b.detach().numpy(), rtol=bound, atol=bound, err_msg=str(options)
            )


@pytest.mark.torch
@pytest.mark.parametrize(("kind", "cells"), [("RNNCell", 1), ("GRUCell", 1), ("LSTMCell", 2)])
@pytest.mark.parametrize("batched", [True, False])
@pytest.mark.parametrize("bias", [True, False])
def test_cells_equal_torchs(kind, cells, batched, bias):
    torch = pytest.importorskip("torch")
    for extra in ({}, {"nonlinearity": "relu"}) if kind == "RNNCell" else ({},):
        theirs = getattr(torch.nn, kind)(3, 5, bias, **extra).double()
        ours = getattr(nn, kind)(3, 5, bias, **extra).double()
        ours.load_state_dict(theirs.state_dict())
        for given in (True, False):
            results = []
            for library, cell in ((mediml, ours), (torch, theirs)):
                x = library.tensor(values(*((2, 3) if batched else (3,))), requires_grad=True)
                hx = [library.tensor(values(*((2, 5) if batched else (5,)), seed=s)) for s in range(cells)]
                hidden = (tuple(hx) if cells == 2 else hx[0]) if given else None
                outputs = flat(cell(x, hidden))
                sum((y * y).sum() for y in outputs).backward()
                results.append([*outputs, x.grad, *(p.grad for p in cell.parameters())])
                cell.zero_grad()
            for a, b in zip(*results, strict=True):
                np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-10, atol=1e-12)


@pytest.mark.torch
def test_names_order_and_repr_of_the_parameters_are_torchs():
    torch = pytest.importorskip("torch")
    for kind, options in [*CONFIGURATIONS, ("LSTM", {"num_layers": 3, "dropout": 0.5})]:
        ours, theirs = getattr(nn, kind)(4, 6, **options), getattr(torch.nn, kind)(4, 6, **options)
        shapes = {name: tuple(tensor.shape) for name, tensor in theirs.state_dict().items()}
        assert {name: tuple(tensor.shape) for name, tensor in ours.state_dict().items()} == shapes
        assert [name for name, _ in ours.named_parameters()] == [name for name, _ in theirs.named_parameters()]
        assert repr(ours) == repr(theirs)
        assert [len(weights) for weights in ours.all_weights] == [len(weights) for weights in theirs.all_weights]
    for kind, options in (("RNNCell", {"nonlinearity": "relu"}), ("GRUCell", {"bias": False}), ("LSTMCell", {})):
        assert repr(getattr(nn, kind)(3, 5, **options)) == repr(getattr(torch.nn, kind)(3, 5, **options))


def test_initial_values_are_uniform():
    mediml.manual_seed(0)
    for layer in (nn.LSTM(20, 64, 2, bidirectional=True), nn.GRUCell(20, 64)):
        for parameter in layer.parameters():
            drawn = parameter.detach().numpy() * 8  # times sqrt(64): uniform in ±1
            assert abs(drawn).max() <= 1 and abs(drawn).max() > 0.95
            assert abs(drawn.std() - 1 / np.sqrt(3)) < 0.05


def test_flatten_parameters_does_nothing_and_may_be_called():
    layer = nn.GRU(2, 3)
    before = {name: tensor.numpy().copy() for name, tensor in layer.state_dict().items()}
    assert layer.flatten_parameters() is None
    assert all(np.array_equal(tensor.numpy(), before[name]) for name, tensor in layer.state_dict().items())


def test_a_replaced_parameter_is_used():
    layer, x = nn.RNN(2, 3), mediml.ones(1, 1, 2)
    for name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"):
        setattr(layer, name, nn.Parameter(mediml.zeros(*getattr(layer, name).shape)))
    assert (layer(x)[0].detach().numpy() == 0).all()


# -- time ------------------------------------------------------------------------------------------------------------


def test_truncated_back_propagation():
    """A state that is detached between chunks hands its value on, but no gradient.

    One number, h_t = tanh(w h_{t-1} + x_t), chunks of two steps. With s_t = 1 - h_t^2 the gradient of h_2 + h_4 is
    s_2 (h_1 + w s_1 h_0) + s_4 (h_3 + w s_3 h_2), while without the cut h_4 goes on back through h_2 and h_1.
    """
    w, h, x = 0.7, [0.3], [0.5, -0.2, 0.9, 0.4]
    for value in x:
        h.append(np.tanh(w * h[-1] + value))
    s = [1 - value**2 for value in h]
    back_2 = s[2] * (h[1] + w * s[1] * h[0])
    back_4 = s[4] * (h[3] + w * s[3] * h[2])
    for detach, expected in ((True, back_2 + back_4), (False, back_2 + back_4 + s[4] * w * s[3] * w * back_2)):
        layer = nn.RNN(1, 1, bias=False).double()
        layer.load_state_dict({"weight_ih_l0": np.ones((1, 1)), "weight_hh_l0": np.full((1, 1), w)})
        state, loss = mediml.tensor(np.full((1, 1, 1), h[0])), 0
        for chunk in (x[:2], x[2:]):
            y, state = layer(mediml.tensor(np.array(chunk).reshape(2, 1, 1)), state)
            loss = loss + y[-1].sum()
            state = state.detach() if detach else state
        loss.backward()
        np.testing.assert_allclose(layer.weight_hh_l0.grad.item(), expected, rtol=1e-12)


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_chunks_make_the_whole(kind):
    layer, x = getattr(nn, kind)(3, 4, 2).double(), mediml.tensor(values(7, 2, 3))
    whole, last = layer(x)
    first, state = layer(x[:3])
    second, end = layer(x[3:], state)
    np.testing.assert_allclose(mediml.cat([first, second]).detach().numpy(), whole.detach().numpy(), rtol=1e-12)
    for a, b in zip(flat(end), flat(last)):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-12)


def test_packed_is_each_sequence_alone():
    layer, x = nn.GRU(3, 4, bidirectional=True).double(), mediml.tensor(values(6, 3, 3))
    lengths = [2, 6, 3]
    packed, state = layer(pack_padded_sequence(x, lengths, enforce_sorted=False))
    y, found = pad_packed_sequence(packed)
    assert found.tolist() == lengths
    for n, length in enumerate(lengths):
        alone, last = layer(x[:length, n])
        np.testing.assert_allclose(y[:length, n].detach().numpy(), alone.detach().numpy(), rtol=1e-12)
        np.testing.assert_allclose(state[:, n].detach().numpy(), last.detach().numpy(), rtol=1e-12)
        assert (y[length:, n].detach().numpy() == 0).all()


# -- dropout ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_dropout_stands_between_the_layers_in_training_only(kind):
    mediml.manual_seed(1)
    layer, x = getattr(nn, kind)(3, 50, 2, dropout=0.4).double(), mediml.tensor(values(2, 4, 3))
    lower, upper = getattr(nn, kind)(3, 50).double(), getattr(nn, kind)(50, 50).double()
    state = layer.state_dict()
    for number, part in enumerate((lower, upper)):
        part.load_state_dict({n.replace("l1", "l0"): v for n, v in state.items() if n.endswith(f"l{number}")})
    plain = upper(lower(x)[0])[0].detach().numpy()
    np.testing.assert_allclose(layer.eval()(x)[0].detach().numpy(), plain, rtol=1e-12)
    mediml.manual_seed(7)
    dropped = layer.train()(x)[0].detach().numpy()
    assert abs(dropped - plain).max() > 1e-3
    mediml.manual_seed(7)
    hidden = nn.functional.dropout(lower(x)[0], 0.4)  # draws the same numbers
    np.testing.assert_allclose(dropped, upper(hidden)[0].detach().numpy(), rtol=1e-12)


def test_dropout_has_its_gradient():
    """With the numbers drawn alike, the loss changes as the gradient says."""
    layer, x = nn.GRU(2, 6, 2, dropout=0.5).double(), values(4, 3, 2)

    def loss(array):
        mediml.manual_seed(3)
        given = mediml.tensor(array, requires_grad=True)
        y, _ = layer(given)
        return (y * y).sum(), given

    direction, (total, given) = values(4, 3, 2, seed=9), loss(x)
    total.backward()
    above, below = (loss(x + sign * 1e-6 * direction)[0].item() for sign in (1, -1))
    np.testing.assert_allclose((given.grad.numpy() * direction).sum(), (above - below) / 2e-6, rtol=1e-6)


def test_dropout_of_a_single_layer_warns():
    with pytest.warns(UserWarning, match="LSTM: dropout=0.3 has no effect with num_layers=1"):
        nn.LSTM(2, 3, dropout=0.3)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        nn.LSTM(2, 3, 2, dropout=0.3)


# -- edges and refusals ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["RNN", "GRU", "LSTM"])
def test_an_empty_batch(kind):
    layer = getattr(nn, kind)(3, 4, 2, bidirectional=True)
    y, last = layer(mediml.zeros(5, 0, 3))
    assert tuple(y.shape) == (5, 0, 8)
    assert all(tuple(state.shape) == (4, 0, 4) for state in flat(last))
    y.sum().backward()
    assert all((parameter.grad.numpy() == 0).all() for parameter in layer.parameters())


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: nn.LSTM(0, 3), ValueError, "LSTM: input_size expects a number of at least 1"),
        (lambda: nn.LSTM(2, 3.0), TypeError, "LSTM: hidden_size expects an int, got 3.0"),
        (lambda: nn.GRU(2, 3, 0), ValueError, "GRU: num_layers expects a number of at least 1"),
        (lambda: nn.GRU(2, 3, bias=1), TypeError, "GRU: bias expects a bool"),
        (lambda: nn.GRU(2, 3, batch_first=None), TypeError, "GRU: batch_first expects a bool"),
        (lambda: nn.GRU(2, 3, 2, dropout=1.5), ValueError, "GRU: dropout expects a probability"),
        (lambda: nn.GRU(2, 3, 2, dropout=True), ValueError, "GRU: dropout expects a probability"),
        (lambda: nn.GRU(2, 3, proj_size=1), ValueError, "GRU: proj_size is for LSTM only"),
        (lambda: nn.RNN(2, 3, proj_size=1), ValueError, "RNN: proj_size is for LSTM only"),
        (lambda: nn.LSTM(2, 3, proj_size=3), ValueError, "LSTM: proj_size expects 0 or a number below hidden_size 3"),
        (lambda: nn.LSTM(2, 3, proj_size=-1), ValueError, "LSTM: proj_size expects"),
        (lambda: nn.RNN(2, 3, nonlinearity="gelu"), ValueError, "RNN: nonlinearity expects 'tanh' or 'relu'"),
        (lambda: nn.RNNBase("QRNN", 2, 3), ValueError, "RNNBase: mode expects one of"),
        (lambda: nn.LSTM(2, 3)(mediml.zeros(0, 1, 2)), ValueError, "at least one step"),
        (lambda: nn.LSTM(2, 3)(mediml.zeros(4, 1, 3)), ValueError, "LSTM: input expects 2 features"),
        (lambda: nn.LSTM(2, 3)(mediml.zeros(2)), ValueError, "LSTM: input expects 2 axes .T, F. or 3"),
        (lambda: nn.LSTM(2, 3)(np.zeros((4, 1, 2))), TypeError, "LSTM: input expects a Tensor or a PackedSequence"),
        (
            lambda: nn.LSTM(2, 3)(mediml.zeros(4, 1, 2).double()),
            ValueError,
            "expects float32, the dtype of the weights",
        ),
        (lambda: nn.LSTM(2, 3)(mediml.zeros(4, 1, 2), mediml.zeros(1, 1, 3)), TypeError, "LSTM: hx expects a pair"),
        (
            lambda: nn.LSTM(2, 3)(mediml.zeros(4, 1, 2), (mediml.zeros(1, 1, 3), mediml.zeros(1, 2, 3))),
            ValueError,
            r"LSTM: hx\[1\] expects shape \(1, 1, 3\), got \(1, 2, 3\)",
        ),
        (
            lambda: nn.GRU(2, 3)(mediml.zeros(4, 1, 2), mediml.zeros(1, 3)),
            ValueError,
            "GRU: hx expects shape .1, 1, 3.",
        ),
        (lambda: nn.GRU(2, 3)(mediml.zeros(4, 2), mediml.zeros(1, 1, 3)), ValueError, "GRU: hx expects shape .1, 3."),
        (lambda: nn.GRUCell(2, 3)(mediml.zeros(4, 1, 2)), ValueError, "GRUCell: input expects 1 or 2 axes"),
        (lambda: nn.GRUCell(2, 3)(mediml.zeros(4, 1)), ValueError, "gru_cell: w_ih expects shape .9, 1., got .9, 2."),
        (lambda: nn.GRUCell(2, 3)(mediml.zeros(4, 2), mediml.zeros(3, 3)), ValueError, "hx expects shape .4, 3."),
        (lambda: nn.LSTMCell(2, 3)(mediml.zeros(4, 2), mediml.zeros(4, 3)), TypeError, "LSTMCell: hx expects a pair"),
        (lambda: nn.RNNCell(2, 3, nonlinearity="x")(mediml.zeros(2)), ValueError, "RNNCell: nonlinearity expects"),
    ],
)
def test_refusals(make, error, message):
    with pytest.raises(error, match=message):
        make()
