"""Activation functions and layers: torch's values, gradients, signatures, texts, in-place rules and refusals."""

import importlib
import inspect
import warnings

import numpy as np
import pytest

import mediml
from mediml import nn
from mediml.nn import functional as F
from mediml.nn.modules import activation as layers
from mediml.verify.cases.activation import CASES

DEVICES = pytest.mark.parametrize("device", ["cpu", "reference"])
DTYPES = pytest.mark.parametrize("dtype", ["float32", "float64"])
INF, NAN = np.inf, np.nan

#: rtol and atol; float32's are those of torch.testing.assert_close.
TOLERANCES = {"float32": (1.3e-6, 1e-5), "float64": (1e-9, 1e-12)}

#: Infinities, corners, and numbers beyond which float32 over- and underflows; often enough for torch's vector code.
SPECIAL = np.array([-0.0, NAN, INF, -INF, 1e3, -1e3, 1e-40, 3, -3, 6, 0.5, -0.5, 20.5, -20, 88.9, -89, -104] * 4)

INPLACE = ["relu", "relu6", "leaky_relu", "rrelu", "elu", "selu", "celu", "silu", "mish", "hardtanh", "hardsigmoid",
           "hardswish"]  # fmt: skip

LAYERS = {
    "CELU": (0.5,), "ELU": (0.5,), "GELU": ("tanh",), "GLU": (1,), "Hardshrink": (), "Hardsigmoid": (), "Hardswish": (),
    "Hardtanh": (-2.0, 2.0), "LeakyReLU": (0.2,), "LogSigmoid": (), "LogSoftmax": (1,), "Mish": (), "PReLU": (6,),
    "RReLU": (), "ReLU": (True,), "ReLU6": (), "SELU": (), "SiLU": (), "Sigmoid": (), "Softmax": (1,), "Softmax2d": (),
    "Softmin": (1,), "Softplus": (2.0,), "Softshrink": (), "Softsign": (), "Tanh": (), "Tanhshrink": (),
    "Threshold": (0.1, 20.0),
}  # fmt: skip


def values(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def compare(torch, op, arrays, options, dtype, device):
    """Call ours and torch's, forward and backward with a random cotangent, and compare all that comes out."""
    arrays = {name: np.asarray(array, dtype) for name, array in arrays.items()}
    ours = {name: mediml.tensor(array, requires_grad=True, device=device) for name, array in arrays.items()}
    theirs = {name: torch.tensor(array, requires_grad=True) for name, array in arrays.items()}
    y, y_torch = getattr(F, op)(**ours, **options), getattr(torch.nn.functional, op)(**theirs, **options)
    cotangent = values(tuple(y_torch.shape), 1).astype(dtype)
    y.backward(mediml.tensor(cotangent, device=device))
    y_torch.backward(torch.tensor(cotangent))
    rtol, atol = TOLERANCES[dtype]
    for a, b in [(y, y_torch), *((ours[name].grad, theirs[name].grad) for name in arrays)]:
        assert tuple(a.shape) == tuple(b.shape) and str(a.dtype) == str(b.dtype).split(".")[1]
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol, atol, err_msg=f"{op} {options}")


@pytest.mark.torch
@DEVICES
@DTYPES
def test_every_case_equals_torch(dtype, device):
    torch = pytest.importorskip("torch")
    for case in CASES:
        if case.op != "hardsigmoid":  # 1/6 is a float32 in torch's gradient; by hand in tests/kernels
            compare(torch, case.op, case.draw(), case.options, dtype, device)


@pytest.mark.torch
@DEVICES
@DTYPES
def test_special_numbers_equal_torch(dtype, device):
    torch = pytest.importorskip("torch")
    for case in {case.op: case for case in CASES if case.op not in ("prelu", "glu", "gelu", "hardsigmoid")}.values():
        options = {**case.options, "dim": 0} if "dim" in case.options else case.options
        compare(torch, case.op, {"input": SPECIAL}, options, dtype, device)
    compare(torch, "gelu", {"input": SPECIAL[SPECIAL != INF]}, {}, dtype, device)  # torch: nan at inf, in float32 only


@pytest.mark.torch
def test_signatures_are_torchs():
    torch = pytest.importorskip("torch")
    compared = 0
    # by importlib: the package's own `softmax` is the function
    modules = [importlib.import_module(f"mediml.nn.functional.{stem}") for stem in ("activation", "softmax")]
    for name in (name for module in modules for name in module.__all__):
        try:
            theirs = inspect.signature(getattr(torch.nn.functional, name))
        except ValueError:  # written in C: their arguments are covered by the comparisons above
            continue
        assert arguments(inspect.signature(getattr(F, name))) == arguments(theirs), name
        compared += 1
    assert compared > 15
    assert set(layers.__all__) == set(torch.nn.modules.activation.__all__) - {"MultiheadAttention"} == set(LAYERS)
    for name in layers.__all__:
        ours, theirs = inspect.signature(getattr(nn, name)), inspect.signature(getattr(torch.nn, name))
        assert arguments(ours) == arguments(theirs), name


def arguments(signature):
    """Names and defaults; a layer without arguments shows torch's base class's ``*args, **kwargs``."""
    return [
        (p.name, p.default) for p in signature.parameters.values() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
    ]


@pytest.mark.torch
@pytest.mark.parametrize("name", LAYERS)
def test_layers_equal_torch(name):
    torch = pytest.importorskip("torch")
    ours, theirs = getattr(nn, name)(*LAYERS[name]), getattr(torch.nn, name)(*LAYERS[name])
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    x = values((2, 6, 3, 4)).astype(np.float32)
    y, expected = ours.eval()(mediml.tensor(x)), theirs.eval()(torch.tensor(x))
    np.testing.assert_allclose(y.detach().numpy(), expected.detach().numpy(), rtol=1.3e-6, atol=1e-6)


# -- in place ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("op", INPLACE)
def test_inplace_has_the_same_result_and_gradient(op):
    x = values((5, 7))
    results = []
    for inplace in (False, True):
        leaf = mediml.tensor(x, requires_grad=True)
        middle = leaf * 1.5
        y = getattr(F, op)(middle, inplace=inplace)
        assert (y is middle) == inplace
        (y * mediml.tensor(values((5, 7), 1))).sum().backward()
        results.append((y.detach().numpy(), leaf.grad.numpy()))
    np.testing.assert_array_equal(results[0][0], results[1][0])
    np.testing.assert_array_equal(results[0][1], results[1][1])


def test_inplace_names_write_into_their_argument():
    for name in ("relu_", "leaky_relu_", "rrelu_", "elu_", "selu_", "celu_", "hardtanh_"):
        x = mediml.tensor(values(20))
        expected = getattr(F, name[:-1])(x)
        assert getattr(F, name)(x) is x
        np.testing.assert_array_equal(x.numpy(), expected.numpy())
    x = mediml.tensor([0.5, 1.5])
    assert F.threshold_(x, 1.0, 7.0) is x and x.tolist() == [7.0, 1.5]


def test_inplace_on_a_leaf_and_change_of_what_the_gradient_needs_are_errors():
    leaf = mediml.tensor([1.0, -1.0], requires_grad=True)
    with pytest.raises(ValueError, match="leaf"):
        F.relu(leaf, inplace=True)
    for op in ("silu", "tanh"):
        x = leaf * 1.0
        y = getattr(F, op)(x)
        changed = x if op == "silu" else y
        changed.add_(1.0)
        with pytest.raises(RuntimeError, match="changed in place"):
            y.sum().backward()


# -- random ------------------------------------------------------------------------------------------------------------


def test_rrelu_draws_a_slope_for_each_negative_element():
    mediml.manual_seed(0)
    x = mediml.tensor(values(1000), requires_grad=True)
    y = F.rrelu(x, 0.2, 0.4, training=True)
    y.sum().backward()
    slopes = x.grad.numpy()
    np.testing.assert_allclose(y.detach().numpy(), slopes * x.detach().numpy())
    negative = x.detach().numpy() < 0
    assert (slopes[~negative] == 1).all()
    assert 0.2 <= slopes[negative].min() < 0.21 and 0.39 < slopes[negative].max() <= 0.4


def test_gumbel_softmax_draws_in_proportion():
    mediml.manual_seed(0)
    logits = mediml.tensor(np.log(np.tile([[0.1, 0.2, 0.7]], (20_000, 1))), requires_grad=True)
    hard = F.gumbel_softmax(logits, tau=0.5, hard=True)
    drawn = hard.detach().numpy()
    np.testing.assert_allclose(np.sort(drawn, axis=1), np.tile([0, 0, 1], (20_000, 1)), atol=1e-12)
    np.testing.assert_allclose(drawn.mean(axis=0), [0.1, 0.2, 0.7], atol=0.015)
    (hard * mediml.tensor([1.0, 2.0, 3.0], dtype=mediml.float64)).sum().backward()
    gradient = logits.grad.numpy()
    assert np.abs(gradient).max() > 0.1  # the soft values' gradient, not that of the one-hot ones
    np.testing.assert_allclose(gradient.sum(axis=1), 0, atol=1e-12)
    soft = F.gumbel_softmax(logits.detach(), dim=0).numpy()
    np.testing.assert_allclose(soft.sum(axis=0), 1)


# -- dim, dtype, refusals ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("op", ["softmax", "log_softmax", "softmin"])
@pytest.mark.parametrize(("shape", "dim"), [((), 0), ((4,), 0), ((4, 3), 1), ((4, 3, 2), 0), ((2, 4, 3, 2), 1)])
def test_implicit_dim_warns_where_it_was_called(op, shape, dim):
    x = mediml.tensor(values(shape))
    layer = {"softmax": nn.Softmax, "log_softmax": nn.LogSoftmax, "softmin": nn.Softmin}[op]()
    for call in (getattr(F, op), layer):
        with pytest.warns(UserWarning, match=f"Implicit dimension choice for {op} has been deprecated") as caught:
            y = call(x)
        np.testing.assert_array_equal(y.numpy(), getattr(F, op)(x, dim).numpy())
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        getattr(F, op)(x)
    assert caught[0].filename == __file__


def test_dtype_converts_first():
    x = mediml.tensor([1, 2, 3])
    y = F.softmax(x, 0, dtype=mediml.float64)
    assert y.dtype == mediml.float64
    np.testing.assert_allclose(y.numpy(), np.exp([1, 2, 3]) / np.exp([1, 2, 3]).sum())
    with pytest.raises(TypeError, match=r"softmax: input expects float32 or float64, got mediml\.int64"):
        F.softmax(x, 0)


def test_integers_as_in_torch():
    x = mediml.tensor([-9, -1, 0, 2, 9])
    assert F.relu(x).tolist() == [0, 0, 0, 2, 9] and F.relu(x).dtype == mediml.int64
    assert F.relu6(x).tolist() == [0, 0, 0, 2, 6]
    assert F.hardtanh(x).tolist() == [-1, -1, 0, 1, 1]
    assert F.threshold(x, 0, 5).tolist() == [5, 5, 5, 2, 9]
    for op in ("sigmoid", "tanh", "tanhshrink", "softsign"):
        assert getattr(F, op)(x).dtype == mediml.float32
        np.testing.assert_array_equal(getattr(F, op)(x).numpy(), getattr(F, op)(x.float()).numpy())
    assert F.relu_(x) is x and x.tolist() == [0, 0, 0, 2, 9]


@pytest.mark.parametrize(
    "op", ["leaky_relu", "elu", "selu", "celu", "gelu", "silu", "mish", "softplus", "logsigmoid", "hardsigmoid",
           "hardswish", "hardshrink", "softshrink", "glu"],
)  # fmt: skip
def test_integers_are_refused_as_in_torch(op):
    with pytest.raises(TypeError, match=f"{op}: input expects float32 or float64, got mediml.int64"):
        getattr(F, op)(mediml.tensor([1, 2]))


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda x: F.relu(x > 0), TypeError, "relu: input expects float32 or float64, got mediml"),
        (lambda x: F.tanhshrink(x > 0), TypeError, "tanhshrink: input expects float32 or float64, got mediml"),
        (lambda x: F.relu(x.numpy()), TypeError, "input expects a mediml.Tensor"),
        (lambda x: F.relu([1.0]), TypeError, "input expects a mediml.Tensor"),
        (lambda x: F.celu(x, 0.0), ValueError, "alpha expects a number other than 0"),
        (lambda x: F.softshrink(x, -1.0), ValueError, "lambd expects a number of at least 0"),
        (lambda x: F.hardtanh(x, 1.0, -1.0), ValueError, "expected min_val <= max_val"),
        (lambda x: F.rrelu(x, 0.5, 0.2), ValueError, "lower <= upper"),
        (lambda x: F.gelu(x, approximate="erf"), ValueError, "approximate expects"),
        (lambda x: F.softmax(x, 2), ValueError, "axis expects -2 to 1"),
        (lambda x: F.glu(x, 1), ValueError, "even size"),
        (lambda x: F.glu(x.sum()), ValueError, "even size"),
        (lambda x: F.prelu(x, x), ValueError, "weight expects 0 or 1 dimensions"),
        (lambda x: F.prelu(x, x[0, :2]), ValueError, "weight expects 1 slope, or 3"),
        (lambda x: F.prelu(x, x[0].double()), TypeError, "weight expects the dtype of x"),
        (lambda x: nn.Hardtanh(1.0, 1.0), ValueError, "expected min_val 1.0 below max_val 1.0"),
        (lambda x: nn.Softmax2d()(x), ValueError, "input expects 3 or 4 dimensions"),
    ],
)
def test_refusals(call, error, text):
    with pytest.raises(error, match=text):
        call(mediml.tensor(values((2, 3)).astype(np.float32)))


def test_prelu_learns_and_takes_a_weight_without_dimensions():
    layer = nn.PReLU(3, init=0.5)
    assert layer.weight.tolist() == [0.5, 0.5, 0.5]
    layer(mediml.tensor([[-1.0, 2.0, -3.0]])).sum().backward()
    assert layer.weight.grad.tolist() == [-1, 0, -3]
    slope = mediml.tensor(0.5, requires_grad=True)
    F.prelu(mediml.tensor([-4.0, 2.0, -1.0]), slope).sum().backward()
    assert slope.grad.shape == () and slope.grad.item() == -5


def test_hardtanh_takes_the_old_names():
    with pytest.warns(FutureWarning, match="min_value"):
        layer = nn.Hardtanh(min_value=-3.0)
    assert layer.min_val == -3.0
