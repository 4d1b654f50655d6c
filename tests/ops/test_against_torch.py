"""Every tensor operation, forward and backward, against torch on the same numbers."""

import numpy as np
import pytest
from operations import CASES

import mediml

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch


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
