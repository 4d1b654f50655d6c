"""Recurrent kernels: by hand, both back ends alike, gradients by finite differences, equal to PyTorch, refusals."""

import inspect
import math

import numpy as np
import pytest

from kernels import parallel
from kernels.rnn import cpu, reference

BACKENDS = pytest.mark.parametrize("kernels", [reference, cpu], ids=["reference", "cpu"])
GATES = {"rnn_tanh": 1, "rnn_relu": 1, "gru": 3, "lstm": 4}
KINDS = [("rnn_tanh", False), ("rnn_relu", False), ("gru", False), ("lstm", False), ("lstm", True)]
ALL_KINDS = pytest.mark.parametrize(("op", "projected"), KINDS, ids=[f"{op}{'_proj' * p}" for op, p in KINDS])

#: T, N, F_in, F_hid: single ones, across eight sequences and 8 or 16 lanes, empty.
SIZES = [
    (1, 1, 1, 2), (3, 2, 4, 5), (4, 9, 17, 16), (5, 17, 3, 33), (2, 0, 3, 4), (3, 3, 0, 4), (3, 3, 2, 0),
    (6, 8, 20, 50),
]  # fmt: skip


class Layer:
    """Random arguments of a layer, and its two functions on them."""

    def __init__(self, op, projected=False, sizes=(4, 3, 2, 5), dtype=np.float64, lengths=None, reverse=False, seed=0):
        T, N, F_in, F_hid = sizes
        generator = np.random.default_rng(seed)
        F_out, G = (max(F_hid - 1, 0) if projected else F_hid), GATES[op] * F_hid

        def draw(*shape):
            return (generator.standard_normal(shape) / math.sqrt(max(shape[-1], 1))).astype(dtype)

        self.op = op
        self.floats = {"x": draw(T, N, F_in), "h_0": draw(N, F_out)}
        self.floats |= {"c_0": draw(N, F_hid)} if op == "lstm" else {}
        self.floats |= {"weight_ih": draw(G, F_in), "weight_hh": draw(G, F_out)}
        self.floats |= {"weight_hr": draw(F_out, F_hid) if projected else None} if op == "lstm" else {}
        self.floats |= {"bias_ih": draw(G), "bias_hh": draw(G)}
        self.rest = {"lengths": lengths, "reverse": reverse}
        self.states = 2 if op == "lstm" else 1
        shapes = ((T, N, F_out), (N, F_out), (N, F_hid))[: 1 + self.states]
        self.cotangents = [generator.standard_normal(shape).astype(dtype) for shape in shapes]

    def forward(self, kernels, **changed):
        return getattr(kernels, f"{self.op}_forward")(**{**self.floats, **self.rest, **changed})

    def backward(self, kernels, results, **changed):
        """Gradients by argument."""
        given = {k: v for k, v in {**self.floats, **self.rest, **changed}.items() if not k.startswith("bias")}
        saved = [results[0], *results[1 + self.states :]]
        found = getattr(kernels, f"{self.op}_backward_all")(*self.cotangents, *given.values(), *saved)
        return dict(zip(self.floats, found, strict=True))

    def projection(self, kernels, **changed):
        """The outputs times the cotangents."""
        return sum((c * y).sum() for c, y in zip(self.cotangents, self.forward(kernels, **changed)))


# -- by hand ---------------------------------------------------------------------------------------------------------


def sigmoid(a):
    return 1 / (1 + math.exp(-a))


def column(*values):
    return np.array(values, float).reshape(-1, 1)


@BACKENDS
def test_elman_by_hand(kernels):
    x, h = np.array([[[1.0]], [[2.0]]]), np.array([[0.5]])
    arguments = (x, h, column(0.3), column(-0.4), np.array([0.1]), np.array([0.2]), None, False)
    first = math.tanh(0.3 * 1 - 0.4 * 0.5 + 0.3)
    y, h_n = kernels.rnn_tanh_forward(*arguments)
    np.testing.assert_allclose(y.ravel(), [first, math.tanh(0.3 * 2 - 0.4 * first + 0.3)], rtol=1e-14)
    assert h_n[0, 0] == y[1, 0, 0]
    y, h_n = kernels.rnn_relu_forward(*arguments)
    np.testing.assert_allclose(y.ravel(), [0.4, 0.3 * 2 - 0.4 * 0.4 + 0.3], rtol=1e-14)


@BACKENDS
def test_lstm_by_hand(kernels):
    x, h, c = np.array([[[2.0]]]), np.array([[0.5]]), np.array([[-1.0]])
    w_ih, w_hh = column(0.1, 0.2, 0.3, 0.4), column(0.5, 0.6, 0.7, 0.8)
    b_ih, b_hh = np.array([0.01, 0.02, 0.03, 0.04]), np.array([-0.1, 0.2, -0.3, 0.4])
    a = [0.2 + 0.25 - 0.09, 0.4 + 0.3 + 0.22, 0.6 + 0.35 - 0.27, 0.8 + 0.4 + 0.44]
    i, f, g, o = sigmoid(a[0]), sigmoid(a[1]), math.tanh(a[2]), sigmoid(a[3])
    cell = f * -1 + i * g
    y, h_n, c_n, gates, cells = kernels.lstm_forward(x, h, c, w_ih, w_hh, None, b_ih, b_hh, None, False)
    np.testing.assert_allclose(gates.ravel(), [i, f, g, o], rtol=1e-14)
    np.testing.assert_allclose([c_n[0, 0], cells[0, 0, 0]], cell, rtol=1e-14)
    np.testing.assert_allclose([y[0, 0, 0], h_n[0, 0]], o * math.tanh(cell), rtol=1e-14)
    w_hr = np.array([[3.0]])
    y = kernels.lstm_forward(x, h, c, w_ih, w_hh, w_hr, b_ih, b_hh, None, False)[0]
    np.testing.assert_allclose(y, 3 * o * math.tanh(cell), rtol=1e-14)


@BACKENDS
def test_gru_by_hand(kernels):
    x, h = np.array([[[2.0]]]), np.array([[0.5]])
    w_ih, w_hh = column(0.1, 0.2, 0.3), column(0.5, 0.6, 0.7)
    b_ih, b_hh = np.array([0.01, 0.02, 0.03]), np.array([-0.1, 0.2, -0.3])
    r, z = sigmoid(0.2 + 0.25 - 0.09), sigmoid(0.4 + 0.3 + 0.22)
    new = math.tanh(0.6 + 0.03 + r * (0.35 - 0.3))  # the second bias stands inside the product with r
    y, h_n, gates = kernels.gru_forward(x, h, w_ih, w_hh, b_ih, b_hh, None, False)
    np.testing.assert_allclose(gates.ravel(), [r, z, new, 0.05], rtol=1e-13)
    np.testing.assert_allclose([y[0, 0, 0], h_n[0, 0]], (1 - z) * new + z * 0.5, rtol=1e-14)


@BACKENDS
def test_one_step_back_by_hand(kernels):
    x, h, w_ih, w_hh = np.array([[[2.0]]]), np.array([[0.5]]), column(0.3), column(-0.4)
    y, _ = kernels.rnn_tanh_forward(x, h, w_ih, w_hh, None, None, None, False)
    slope = 1 - math.tanh(0.4) ** 2
    grads = kernels.rnn_tanh_backward_all(np.full((1, 1, 1), 2.0), np.ones((1, 1)), x, h, w_ih, w_hh, None, False, y)
    expected = [3 * slope * 0.3, 3 * slope * -0.4, 3 * slope * 2, 3 * slope * 0.5, 3 * slope, 3 * slope]
    np.testing.assert_allclose(np.ravel([grad.item() for grad in grads]), expected, rtol=1e-14)


@BACKENDS
@ALL_KINDS
@pytest.mark.parametrize("reverse", [False, True])
def test_a_sequence_ends_where_its_length_says(kernels, op, projected, reverse):
    """Every sequence is what it is alone and cut; beyond, outputs are 0 and what stands there does not count."""
    lengths = np.array([4, 0, 2])
    layer = Layer(op, projected, lengths=lengths, reverse=reverse)
    layer.floats["x"][np.arange(4)[:, None] >= lengths] = np.nan
    results = layer.forward(kernels)
    grads = layer.backward(kernels, results)
    for n, length in enumerate(lengths):
        assert (results[0][length:, n] == 0).all()
        assert (grads["x"][length:, n] == 0).all()
        if length == 0:
            np.testing.assert_array_equal(results[1][n], layer.floats["h_0"][n])
            continue
        rows = {name: layer.floats[name][n : n + 1] for name in ("h_0", "c_0") if name in layer.floats}
        alone = layer.forward(kernels, x=layer.floats["x"][:length, n : n + 1], lengths=None, **rows)
        np.testing.assert_allclose(results[0][:length, n], alone[0][:, 0], rtol=1e-12)
        for together, single in zip(results[1 : 1 + layer.states], alone[1:]):
            np.testing.assert_allclose(together[n], single[0], rtol=1e-12)
    assert all(np.isfinite(grad).all() for grad in grads.values() if grad is not None)


@BACKENDS
@ALL_KINDS
def test_reverse_is_the_reversed_sequence(kernels, op, projected):
    layer = Layer(op, projected)
    forward = layer.forward(kernels, x=layer.floats["x"][::-1])
    backward = layer.forward(kernels, reverse=True)
    np.testing.assert_array_equal(forward[0][::-1], backward[0])
    np.testing.assert_array_equal(forward[1], backward[1])


# -- back ends against the formula -----------------------------------------------------------------------------------


def test_both_back_ends_have_the_same_functions():
    assert cpu.__all__ == reference.__all__ and len(cpu.__all__) == 8
    for name in cpu.__all__:
        assert inspect.signature(getattr(cpu, name)) == inspect.signature(getattr(reference, name)), name


@ALL_KINDS
@pytest.mark.parametrize(("dtype", "tolerance"), [(np.float64, 1e-11), (np.float32, 1e-5)])
@pytest.mark.parametrize("ragged", [False, True])
def test_cpu_equals_reference(op, projected, dtype, tolerance, ragged):
    for position, sizes in enumerate(SIZES):
        if projected and sizes[3] == 0:
            continue
        lengths = np.random.default_rng(1).integers(0, sizes[0] + 1, sizes[1]) if ragged else None
        for reverse in (False, True):
            layer = Layer(op, projected, sizes, dtype, lengths, reverse, seed=position)
            results = layer.forward(reference)
            for ours, expected in zip(layer.forward(cpu), results, strict=True):
                assert ours.dtype == dtype
                np.testing.assert_allclose(ours, expected, rtol=tolerance, atol=tolerance, err_msg=str(sizes))
            found, expected = (layer.backward(kernels, results) for kernels in (cpu, reference))
            for name, gradient in expected.items():
                if gradient is not None:
                    assert found[name].dtype == dtype and found[name].shape == layer.floats[name].shape
                    bound = 10 * tolerance * max(1, abs(gradient).max(initial=0))
                    np.testing.assert_allclose(found[name], gradient, rtol=0, atol=bound, err_msg=f"{name} {sizes}")


@BACKENDS
@ALL_KINDS
def test_without_biases_is_with_zeros(kernels, op, projected):
    layer = Layer(op, projected)
    zeros = np.zeros_like(layer.floats["bias_ih"])
    for given in ({"bias_ih": None, "bias_hh": None}, {"bias_ih": None}, {"bias_hh": None}):
        filled = dict.fromkeys(given, zeros)
        for ours, expected in zip(layer.forward(kernels, **given), layer.forward(kernels, **filled)):
            np.testing.assert_allclose(ours, expected, rtol=1e-14)


@BACKENDS
@ALL_KINDS
def test_any_layout_gives_the_same_and_stays_as_it_was(kernels, op, projected):
    layer = Layer(op, projected, sizes=(3, 9, 4, 5))
    results = layer.forward(kernels)
    expected = layer.backward(kernels, results)
    for lay in (np.asfortranarray, lambda a: np.repeat(a, 2, axis=-1)[..., ::2], _locked):
        changed = {name: lay(array) for name, array in layer.floats.items() if array is not None}
        before = {name: array.copy() for name, array in changed.items()}
        for ours, same in zip(layer.forward(kernels, **changed), results):
            np.testing.assert_array_equal(ours, same)
        for name, gradient in layer.backward(kernels, [lay(r) for r in results], **changed).items():
            assert gradient is None or np.array_equal(gradient, expected[name])
        assert all(np.array_equal(changed[name], before[name]) for name in changed)


def _locked(array):
    array = array.copy()
    array.flags.writeable = False
    return array


@ALL_KINDS
def test_same_bits_for_any_number_of_threads(op, projected, monkeypatch):
    monkeypatch.setattr(parallel, "SERIAL_BELOW", 0)
    layer = Layer(op, projected, sizes=(5, 35, 20, 18), dtype=np.float32, lengths=np.arange(35) % 6, reverse=True)
    found = []
    for threads in (1, 2, 4):
        monkeypatch.setattr(parallel, "_thread_count", threads)
        results = layer.forward(cpu)
        found.append([*results, *(g for g in layer.backward(cpu, results).values() if g is not None)])
    for other in found[1:]:
        assert all(a.tobytes() == b.tobytes() for a, b in zip(found[0], other, strict=True))


@BACKENDS
@ALL_KINDS
def test_nan_stays_in_its_sequence(kernels, op, projected):
    layer = Layer(op, projected)
    clean = layer.forward(kernels)[0]
    layer.floats["x"][1, 1, 0] = np.nan
    y = layer.forward(kernels)[0]
    assert np.isnan(y[1:, 1]).all()
    np.testing.assert_array_equal(y[:, [0, 2]], clean[:, [0, 2]])
    np.testing.assert_array_equal(y[0, 1], clean[0, 1])


# -- gradients -------------------------------------------------------------------------------------------------------


@BACKENDS
@ALL_KINDS
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("lengths", [None, np.array([3, 4, 1])], ids=["full", "ragged"])
def test_gradients_by_a_random_projection(kernels, op, projected, reverse, lengths):
    """<cotangents, f(v + s d) - f(v - s d)> / 2s equals <gradient, d>, for each argument."""
    layer = Layer(op, projected, lengths=lengths, reverse=reverse, seed=3)
    gradients = layer.backward(kernels, layer.forward(kernels))
    generator, step = np.random.default_rng(5), 1e-6
    for name, gradient in gradients.items():
        if gradient is None:
            continue
        direction = generator.standard_normal(gradient.shape)
        above, below = (
            layer.projection(kernels, **{name: layer.floats[name] + sign * step * direction}) for sign in (1, -1)
        )
        np.testing.assert_allclose((gradient * direction).sum(), (above - below) / (2 * step), rtol=1e-6, err_msg=name)


# -- refusals --------------------------------------------------------------------------------------------------------


@BACKENDS
@pytest.mark.parametrize(
    ("changed", "error", "message"),
    [
        ({"x": [[1.0]]}, TypeError, "x expects a numpy.ndarray, got list"),
        ({"x": np.zeros((4, 3, 2), int)}, TypeError, "x expects float32 or float64, got int64"),
        ({"x": np.zeros((4, 3))}, ValueError, "x expects 3 axes .T, N, F_in."),
        ({"x": np.zeros((0, 3, 2))}, ValueError, "at least one step"),
        ({"x": np.zeros((4, 3, 3))}, ValueError, "weight_ih expects shape .G, F_in. = .20, 3., got .20, 2."),
        ({"h_0": np.zeros((2, 5))}, ValueError, "h_0 expects shape .N, F_out. = .3, 5., got .2, 5."),
        ({"c_0": np.zeros((2, 5))}, ValueError, "c_0 expects shape .N, F_hid. = .3, 5., got .2, 5."),
        ({"weight_ih": np.zeros((19, 2))}, ValueError, "weight_ih expects shape"),
        ({"weight_hh": np.zeros((20, 4))}, ValueError, "weight_hh expects shape"),
        ({"weight_hr": np.zeros((5, 4))}, ValueError, "weight_hr expects shape"),
        ({"bias_ih": np.zeros(5)}, ValueError, "bias_ih expects shape .G. = .20,., got .5,."),
        ({"bias_hh": np.zeros(20, np.float32)}, TypeError, "bias_hh expects float64, the dtype of x, got float32"),
        ({"lengths": [4, 4, 4]}, TypeError, "lengths expects an ndarray of int64 or None, got list"),
        ({"lengths": np.array([4, 4])}, ValueError, "one number for each of 3 sequences"),
        ({"lengths": np.array([4, 4, 5])}, ValueError, "from 0 to 4, got 4 to 5"),
        ({"lengths": np.array([4, -1, 4])}, ValueError, "from 0 to 4, got -1 to 4"),
    ],
)
def test_refusals(kernels, changed, error, message):
    with pytest.raises(error, match=f"lstm: .*({message})"):
        Layer("lstm").forward(kernels, **changed)


@BACKENDS
@ALL_KINDS
def test_gradients_of_wrong_shapes_are_refused(kernels, op, projected):
    layer = Layer(op, projected)
    results = layer.forward(kernels)
    for position in range(len(layer.cotangents)):
        whole = layer.cotangents[position]
        layer.cotangents[position] = whole[1:]
        with pytest.raises(ValueError, match=f"{op}: grad_.* expects shape"):
            layer.backward(kernels, results)
        layer.cotangents[position] = whole
    for position in {0, *range(1 + layer.states, len(results))}:
        cut = [*results[:position], results[position][..., 1:], *results[position + 1 :]]
        with pytest.raises(ValueError, match=f"{op}: (y|gates|cells) expects shape"):
            layer.backward(kernels, cut)


# -- against PyTorch -------------------------------------------------------------------------------------------------


@pytest.mark.torch
@ALL_KINDS
def test_agreement_fails_where_a_bias_is_misplaced(op, projected):
    """With the gates' biases in another order, or b_hn outside r * (…), nothing agrees with PyTorch any more."""
    torch = pytest.importorskip("torch")
    layer = Layer(op, projected, seed=11)
    names = [
        n for n in ("weight_ih", "weight_hh", "bias_ih", "bias_hh", "weight_hr") if layer.floats.get(n) is not None
    ]
    hx = [torch.tensor(layer.floats[name])[None] for name in ("h_0", "c_0") if name in layer.floats]
    params = [torch.tensor(layer.floats[name]) for name in names]
    options = (True, 1, 0.0, False, False, False)
    y = getattr(torch, op)(torch.tensor(layer.floats["x"]), hx if op == "lstm" else hx[0], params, *options)[0].numpy()

    def error(**changed):
        return max(abs(layer.forward(kernels, **changed)[0] - y).max() for kernels in (reference, cpu))

    def smallest_error(**changed):
        return min(abs(layer.forward(kernels, **changed)[0] - y).max() for kernels in (reference, cpu))

    assert error() < 1e-12
    G, F_hid = GATES[op], layer.floats["bias_ih"].size // GATES[op]
    for first in range(G - 1):
        gates = layer.floats["bias_ih"].reshape(G, F_hid).copy()
        gates[[first, first + 1]] = gates[[first + 1, first]]
        assert smallest_error(bias_ih=gates.ravel()) > 1e-3
    if op == "gru":
        moved = {name: layer.floats[name].copy() for name in ("bias_ih", "bias_hh")}
        moved["bias_ih"][2 * F_hid :] += moved["bias_hh"][2 * F_hid :]
        moved["bias_hh"][2 * F_hid :] = 0
        assert smallest_error(**moved) > 1e-3
