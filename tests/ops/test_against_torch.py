"""Every tensor operation, forward and backward, against torch on the same numbers."""

import numpy as np
import pytest

import mediml

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

POSITIVE, UNIT, ANY = (0.2, 3.0), (-0.9, 0.9), (-2.0, 2.0)


def case(name, function, *shapes, span=ANY):
    return pytest.param(function, shapes, span, id=name)


UNARY = [
    *[(n, ANY) for n in ("abs", "exp", "exp2", "expm1", "square", "sin", "cos", "atan", "sinh", "cosh", "asinh")],
    *[(n, ANY) for n in ("erf", "erfc", "neg", "sign", "floor", "ceil", "trunc", "frac", "round", "nan_to_num")],
    *[(n, ANY) for n in ("sigmoid", "tanh", "relu")],
    *[(n, POSITIVE) for n in ["log", "log2", "log10", "log1p", "sqrt", "rsqrt", "reciprocal", "tan"]],
    *[(n, UNIT) for n in ["asin", "acos", "atanh"]],
]

CASES = [
    *[case(n, lambda T, x, n=n: getattr(x, n)(), (3, 4), span=s) for n, s in UNARY],
    case("acosh", lambda T, x: (x + 1).acosh(), (3, 4), span=POSITIVE),
    case("add broadcast", lambda T, x, y: x + y, (3, 1, 4), (2, 1)),
    case("add alpha", lambda T, x, y: T.add(x, y, alpha=3), (3,), (3,)),
    case("sub broadcast", lambda T, x, y: x - y, (2, 3), (3,)),
    case("sub alpha", lambda T, x, y: T.sub(x, y, alpha=0.5), (3,), (3,)),
    case("rsub", lambda T, x: 2 - x, (3,)),
    case("mul broadcast", lambda T, x, y: x * y, (4, 1), (1, 3)),
    case("div broadcast", lambda T, x, y: x / y, (4, 1), (1, 3), span=POSITIVE),
    case("div number", lambda T, x: x / 3 + 3 / (x + 5), (4,)),
    case("div floor", lambda T, x: T.div(x, 0.7, rounding_mode="floor"), (4,)),
    case("div trunc", lambda T, x: T.div(x, 0.7, rounding_mode="trunc"), (4,)),
    case("floordiv", lambda T, x: x.detach() // 0.3 + 0 * x, (5,)),
    case("remainder", lambda T, x, y: x % y, (5,), (5,)),
    case("fmod", lambda T, x, y: T.fmod(x, y), (5,), (5,)),
    case("pow number", lambda T, x: x**3, (5,)),
    case("pow half", lambda T, x: x**0.5, (5,), span=POSITIVE),
    case("pow zero", lambda T, x: x**0 + x, (5,)),
    case("pow tensor", lambda T, x, y: x**y, (2, 3), (3,), span=POSITIVE),
    case("rpow", lambda T, x: 2**x, (5,)),
    case("maximum", lambda T, x, y: T.maximum(x, y), (4,), (4,)),
    case("minimum", lambda T, x, y: T.minimum(x, y), (4,), (4,)),
    case("maximum ties", lambda T, x: T.maximum(x, x * 1), (4,)),
    case("clamp", lambda T, x: x.clamp(-0.5, 0.7), (9,)),
    case("clamp min", lambda T, x: x.clamp(min=0), (9,)),
    case("clamp max tensor", lambda T, x, y: x.clamp(max=y), (9,), (9,)),
    case("where", lambda T, x, y: T.where(x > 0, x, y), (3, 4), (4,)),
    case("lerp", lambda T, x, y: T.lerp(x, y, 0.3), (4,), (4,)),
    case("atan2", lambda T, x, y: T.atan2(x, y), (4,), (4,)),
    case("sum", lambda T, x: x.sum(), (3, 4)),
    case("sum dim", lambda T, x: x.sum(1), (3, 4, 2)),
    case("sum dims keep", lambda T, x: x.sum((0, -1), keepdim=True), (3, 4, 2)),
    case("mean", lambda T, x: x.mean(), (3, 4)),
    case("mean dims", lambda T, x: x.mean((1, 2)), (3, 4, 2)),
    case("prod", lambda T, x: x.prod(), (2, 3)),
    case("prod dim", lambda T, x: x.prod(1), (3, 4)),
    case("prod with zero", lambda T, x: (x * T.tensor([1.0, 0, 1], dtype=x.dtype)).prod(1), (2, 3)),
    case("prod keep", lambda T, x: x.prod(0, keepdim=True), (3, 4)),
    case("var", lambda T, x: x.var(), (3, 4)),
    case("var dim", lambda T, x: x.var(1, unbiased=False), (3, 4)),
    case("var correction", lambda T, x: x.var((0, 2), correction=2, keepdim=True), (3, 4, 2)),
    case("std", lambda T, x: x.std(1), (3, 4)),
    case("norm", lambda T, x: x.norm(), (3, 4)),
    case("norm 1", lambda T, x: x.norm(1, 1), (3, 4)),
    case("norm 3", lambda T, x: x.norm(3, 1, keepdim=True), (3, 4)),
    case("norm inf", lambda T, x: x.norm(float("inf"), 0), (3, 4)),
    case("norm of zeros", lambda T, x: (x * 0).norm(), (3,)),
    case("norm 0", lambda T, x: x.round().norm(0, 1) + x.sum(1), (3, 4)),
    case("logsumexp", lambda T, x: (x * 500).logsumexp(1), (3, 4)),
    case("logsumexp keep", lambda T, x: x.logsumexp((0, 1), keepdim=True), (3, 4)),
    case("cumsum", lambda T, x: x.cumsum(1), (3, 4)),
    case("max", lambda T, x: x.max(), (3, 4)),
    case("max dim", lambda T, x: x.max(1).values, (3, 4)),
    case("min dim keep", lambda T, x: x.min(0, keepdim=True)[0], (3, 4)),
    case("max indices", lambda T, x: x.max(1).indices + 0 * x.sum(), (3, 4)),
    case("amax ties", lambda T, x: x.round().amax(1), (3, 9)),
    case("amin", lambda T, x: x.amin((0, 1)), (3, 4)),
    case("sort", lambda T, x: x.sort(1)[0], (3, 4)),
    case("sort descending", lambda T, x: x.sort(0, descending=True)[0], (3, 4)),
    case("topk", lambda T, x: x.topk(2, 1)[0], (3, 4)),
    case("topk smallest", lambda T, x: x.topk(2, 0, largest=False)[0], (3, 4)),
    case("median", lambda T, x: x.median(), (3, 4)),
    case("median dim", lambda T, x: x.median(1)[0], (3, 4)),
    case("argmax", lambda T, x: x.argmax(1) + 0 * x.sum(), (3, 4)),
    case("argsort", lambda T, x: x.argsort(1) + 0 * x.sum(), (3, 4)),
    case("reshape", lambda T, x: x.reshape(2, -1) * 2, (3, 4)),
    case("view", lambda T, x: x.view(-1, 2) * 2, (3, 4)),
    case("flatten", lambda T, x: x.flatten(1) * 2, (3, 4, 2)),
    case("unflatten", lambda T, x: x.unflatten(1, (2, 2)) * 2, (3, 4)),
    case("permute", lambda T, x: x.permute(2, 0, 1) * 2, (3, 4, 2)),
    case("transpose", lambda T, x: x.transpose(0, -1) * 2, (3, 4, 2)),
    case("t and T", lambda T, x: x.t() @ x, (3, 4)),
    case("mT", lambda T, x: x.mT @ x, (2, 3, 4)),
    case("movedim", lambda T, x: x.movedim(0, 2) * 2, (3, 4, 2)),
    case("movedim several", lambda T, x: x.movedim((0, 1), (2, 0)) * 2, (3, 4, 2)),
    case("squeeze", lambda T, x: x.squeeze() * 2, (1, 3, 1)),
    case("squeeze dim", lambda T, x: x.squeeze(1) * 2, (1, 3, 1)),
    case("unsqueeze", lambda T, x: x.unsqueeze(-1) * 2, (3, 4)),
    case("expand", lambda T, x: x.expand(2, -1, 4) * 2, (3, 1)),
    case("repeat", lambda T, x: x.repeat(2, 1, 3) * 2, (3, 2)),
    case("tile", lambda T, x: T.tile(x, (2,)) * 2, (3, 2)),
    case("flip", lambda T, x: x.flip(0, 1) * 2, (3, 4)),
    case("roll", lambda T, x: x.roll((1, -2), (0, 1)) * 2, (3, 4)),
    case("tril", lambda T, x: x.tril(-1), (4, 4)),
    case("triu", lambda T, x: x.triu(1), (4, 4)),
    case("cat", lambda T, x, y: T.cat([x, y, x], 1), (3, 2), (3, 4)),
    case("stack", lambda T, x, y: T.stack([x, y], -1), (3, 2), (3, 2)),
    case("split", lambda T, x: x.split(2, 1)[1] * 3, (3, 5)),
    case("split sizes", lambda T, x: x.split([1, 4], 1)[1] * 3, (3, 5)),
    case("chunk", lambda T, x: x.chunk(3, 1)[2] * 3, (3, 5)),
    case("narrow", lambda T, x: x.narrow(1, 1, 3) * 3, (3, 5)),
    case("unbind", lambda T, x: x.unbind(1)[2] * 3, (3, 5)),
    case("index slice", lambda T, x: x[1:, ::2] * 3, (3, 5)),
    case("index None and ...", lambda T, x: x[..., None, 1] * 3, (3, 5)),
    case("index twice", lambda T, x: x[[0, 0, 2]] * 3, (3, 5)),
    case("index tensor", lambda T, x: x[T.tensor([2, 0]), T.tensor([1, 1])] * 3, (3, 5)),
    case("index mask", lambda T, x: x[x > 0] * 3, (3, 5)),
    case("gather", lambda T, x: x.gather(1, T.tensor([[0, 0], [2, 1], [4, 4]])), (3, 5)),
    case("scatter", lambda T, x, y: x.scatter(1, T.tensor([[0, 1], [2, 1], [4, 3]]), y), (3, 5), (3, 2)),
    case("scatter_add", lambda T, x, y: x.scatter_add(1, T.tensor([[0, 0], [2, 1], [4, 4]]), y), (3, 5), (3, 2)),
    case("index_select", lambda T, x: x.index_select(1, T.tensor([4, 4, 0])), (3, 5)),
    case("masked_fill", lambda T, x: x.masked_fill(x > 0, 7.0), (3, 5)),
    case("masked_select", lambda T, x: x.masked_select(x > 0), (3, 5)),
    case("repeat_interleave", lambda T, x: x.repeat_interleave(2, 1), (3, 2)),
    case("diagonal", lambda T, x: x.diagonal(1) * 3, (3, 5)),
    case("diagonal below", lambda T, x: x.diagonal(-1, 1, 2) * 3, (2, 3, 3)),
    case("matmul", lambda T, x, y: x @ y, (3, 4), (4, 2)),
    case("matmul vectors", lambda T, x, y: x @ y, (4,), (4,)),
    case("matmul vector", lambda T, x, y: x @ y, (2, 3, 4), (4,)),
    case("matmul batched", lambda T, x, y: x @ y, (2, 1, 3, 4), (5, 4, 2)),
    case("bmm", lambda T, x, y: T.bmm(x, y), (2, 3, 4), (2, 4, 5)),
    case("mv dot outer", lambda T, x, y: T.outer(T.mv(x, y), y) * T.dot(y, y), (3, 4), (4,)),
    case("addmm", lambda T, x, y: T.addmm(x, y, y, beta=0.5, alpha=2), (3, 3), (3, 3)),
    case("einsum", lambda T, x, y: T.einsum("bij,bjk->ik", x, y), (2, 3, 4), (2, 4, 5)),
    case("einsum alone", lambda T, x: T.einsum("ij->j", x), (3, 4)),
    case("einsum implicit", lambda T, x, y: T.einsum("ij,kj", x, y), (3, 4), (2, 4)),
    case("in place chain", lambda T, x: (x * 1).add_(1).clamp_(max=2).mul_(2).exp_(), (3, 4)),
    case("assign number", lambda T, x: _assigned(x * 1, (slice(None), 1), 5.0), (3, 4)),
    case("iadd", lambda T, x, y: _iadd(x * 1, y), (3, 4), (4,)),
    case("meshgrid", lambda T, x, y: sum(T.meshgrid(x, y, indexing="ij")), (3,), (4,)),
    case("to float32", lambda T, x: x.float().double() * 2, (3,)),
]


def _assigned(tensor, place, value):
    tensor[place] = value
    return tensor * 2


def _iadd(x, y):
    x += y
    return x * 2


@pytest.mark.parametrize(("function", "shapes", "span"), CASES)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_value_and_gradient(function, shapes, span, dtype):
    generator = np.random.default_rng(7)
    arrays = [generator.uniform(*span, shape).astype(dtype) for shape in shapes]
    ours = [mediml.tensor(array, requires_grad=True) for array in arrays]
    theirs = [torch.tensor(array, requires_grad=True) for array in arrays]
    got, expected = function(mediml, *ours), function(torch, *theirs)
    assert got.dtype == expected.detach().numpy().dtype
    assert tuple(got.shape) == tuple(expected.shape)
    tolerance = {"rtol": 1e-12, "atol": 1e-12} if dtype == "float64" else {"rtol": 3e-6, "atol": 3e-6}
    np.testing.assert_allclose(got.detach().numpy(), expected.detach().numpy(), **tolerance)
    if not expected.requires_grad:
        assert not got.requires_grad
        return
    cotangent = generator.standard_normal(tuple(expected.shape)).astype(dtype)
    got.backward(mediml.tensor(cotangent))
    expected.backward(torch.tensor(cotangent))
    for our, their in zip(ours, theirs):
        assert (our.grad is None) == (their.grad is None)
        if our.grad is not None:
            np.testing.assert_allclose(our.grad.numpy(), their.grad.numpy(), **tolerance)


DTYPES = ["float32", "float64", "int64", "int32", "uint8", "bool"]


@pytest.mark.parametrize("left", DTYPES)
@pytest.mark.parametrize("right", [*DTYPES, "0-d float64", "0-d int64", 2, 2.5, True])
@pytest.mark.parametrize("operation", ["mul", "div", "add"])
def test_promotion_is_torchs(left, right, operation):
    def other(T):
        if not isinstance(right, str):
            return right
        return T.tensor(np.array(1).astype(right[4:])) if right.startswith("0-d") else T.tensor(np.ones(2, right))

    got = getattr(mediml, operation)(mediml.tensor(np.ones(2, left)), other(mediml))
    expected = getattr(torch, operation)(torch.tensor(np.ones(2, left)), other(torch))
    assert got.dtype == expected.numpy().dtype


@pytest.mark.parametrize(
    "make",
    [
        lambda T: T.zeros(2, 3),
        lambda T: T.ones((2, 3), dtype=T.float64),
        lambda T: T.full((2,), 3),
        lambda T: T.full((2,), 3.5),
        lambda T: T.full((2,), True),
        lambda T: T.arange(5),
        lambda T: T.arange(1, 2, 0.25),
        lambda T: T.arange(5, 0, -2),
        lambda T: T.linspace(0, 1, 5),
        lambda T: T.eye(3, 2),
        lambda T: T.zeros_like(T.tensor([1, 2])),
        lambda T: T.tensor([1.0, 2]),
        lambda T: T.tensor([[1, 2], [3, 4]]),
        lambda T: T.tensor(3.5),
        lambda T: T.tensor([True, False]),
        lambda T: T.tensor(np.float64(2.5)),
    ],
)
def test_creation_is_torchs(make):
    got, expected = make(mediml), make(torch)
    assert got.dtype == expected.numpy().dtype
    assert got.tolist() == expected.tolist()


@pytest.mark.parametrize(
    "fault",
    [
        lambda T: T.zeros(2, 3) + T.zeros(4),
        lambda T: T.zeros(2, 3).reshape(4, 2),
        lambda T: T.zeros(2, 3).t().view(6),
        lambda T: T.zeros(2, 3).sum(5),
        lambda T: T.zeros(2, 3).permute(0),
        lambda T: T.zeros(2, 3).permute(0, 0),
        lambda T: T.zeros(2, 3).expand(3, 3),
        lambda T: T.cat([T.zeros(2, 3), T.zeros(2, 4)]),
        lambda T: T.cat([]),
        lambda T: T.stack([T.zeros(2), T.zeros(3)]),
        lambda T: T.zeros(2, 3)[5],
        lambda T: T.zeros(2, 3).gather(1, T.tensor([[7], [0]])),
        lambda T: T.zeros(2, 3) @ T.zeros(2, 3),
        lambda T: T.mm(T.zeros(2, 3), T.zeros(3)),
        lambda T: T.tensor([1, 2]).mean(),
        lambda T: T.tensor([1, 2], requires_grad=True),
        lambda T: T.zeros(2).item(),
        lambda T: bool(T.zeros(2)),
        lambda T: T.zeros(2, 3).split(0, 1),
        lambda T: T.zeros(2, 3).topk(4),
        lambda T: T.zeros(0).max(),
        lambda T: T.zeros(2, requires_grad=True).backward(),
        lambda T: T.zeros(2).sum().backward(),
        lambda T: T.zeros(2, requires_grad=True).add_(1),
        lambda T: T.zeros(2, requires_grad=True).numpy(),
        lambda T: T.tensor([1, 2]).add_(1.5),
        lambda T: T.zeros(2).add_(T.zeros(3, 2)),
        lambda T: T.arange(0, 5, -1),
        lambda T: T.tensor([1]) // T.tensor([0]),
        lambda T: -T.tensor([True]),
        lambda T: T.tensor(["a"]),
        lambda T: T.zeros(-1),
    ],
)
def test_what_torch_refuses_is_refused(fault):
    with pytest.raises((RuntimeError, ValueError, TypeError, IndexError)):
        fault(torch)
    with pytest.raises((ValueError, TypeError, IndexError, ZeroDivisionError)):
        fault(mediml)
