"""Every tensor operation on the GPU against the same operation on the CPU, forward and backward."""

import sys
from pathlib import Path

import numpy as np
import pytest

import mediml
from kernels.gpu.transfer import TRANSFERS

sys.path.insert(0, str(Path(__file__).parent.parent / "ops"))

from operations import CASES

ON_GPU = {"device": "cuda"}


class OnDevice:
    """`mediml`, whose new tensors are on the GPU."""

    def __getattr__(self, name):
        return getattr(mediml, name)

    def tensor(self, *arguments, **options):
        return mediml.tensor(*arguments, **options, device="cuda")


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(("function", "shapes", "span"), CASES)
def test_value_and_gradient(function, shapes, span, dtype):
    generator = np.random.default_rng(7)
    arrays = [generator.uniform(*span, shape).astype(dtype) for shape in shapes]
    theirs = [mediml.tensor(array, requires_grad=True) for array in arrays]
    ours = [mediml.tensor(array, requires_grad=True, device="cuda") for array in arrays]
    got, expected = function(OnDevice(), *ours), function(mediml, *theirs)
    assert (got.device.type, got.dtype, got.shape) == ("cuda", expected.dtype, expected.shape)
    assert got.requires_grad == expected.requires_grad
    tolerance = {"rtol": 1e-11, "atol": 1e-11} if dtype == "float64" else {"rtol": 1e-5, "atol": 1e-5}
    np.testing.assert_allclose(got.numpy(force=True), expected.detach().numpy(), **tolerance)
    if not expected.requires_grad:
        return
    cotangent = generator.standard_normal(tuple(expected.shape)).astype(dtype)
    got.backward(mediml.tensor(cotangent, device="cuda"))
    expected.backward(mediml.tensor(cotangent))
    for our, their in zip(ours, theirs):
        assert (our.grad is None) == (their.grad is None)
        if our.grad is not None:
            assert our.grad.device.type == "cuda"
            np.testing.assert_allclose(our.grad.cpu().numpy(), their.grad.numpy(), **tolerance)


#: Operations that must look at elements on the host, and why.
LOOKS = {
    "index mask": "how many elements a mask keeps decides the shape",
    "masked_select": "as above",
    "median": "the position of the middle element is a number",
    "index twice": "the list is copied to the device",
    "repeat_interleave": "the positions are counted on the host and copied",
    "diagonal": "its gradient counts positions on the host",
    "diagonal below": "as above",
}


@pytest.mark.parametrize(("function", "shapes", "span"), [c for c in CASES if c.id not in LOOKS])
def test_nothing_is_copied(function, shapes, span):
    generator = np.random.default_rng(7)
    ours = [mediml.tensor(generator.uniform(*span, s), requires_grad=True, device="cuda") for s in shapes]

    class Counting(OnDevice):
        """Tensors that the case itself makes do not count."""

        made = 0

        def tensor(self, *arguments, **options):
            type(self).made += 1
            return super().tensor(*arguments, **options)

    before = (TRANSFERS.to_device, TRANSFERS.to_host)
    got = function(Counting(), *ours)
    if got.requires_grad:
        got.sum().backward()
    assert (TRANSFERS.to_device - Counting.made, TRANSFERS.to_host) == before


DTYPES = ["float32", "float64", "int64", "int32", "uint8", "bool"]


@pytest.mark.parametrize("left", DTYPES)
@pytest.mark.parametrize("right", [*DTYPES, "0-d float64", "0-d int64", 2, 2.5, True])
def test_promotion_is_that_of_the_cpu(left, right):
    def other(device):
        if not isinstance(right, str):
            return right
        array = np.array(1).astype(right[4:]) if right.startswith("0-d") else np.ones(2, right)
        return mediml.tensor(array, device=device)

    for operation in ("mul", "div", "add", "eq", "maximum"):
        got = getattr(mediml, operation)(mediml.tensor(np.ones(2, left), device="cuda"), other("cuda"))
        expected = getattr(mediml, operation)(mediml.tensor(np.ones(2, left)), other("cpu"))
        assert (got.dtype, got.tolist()) == (expected.dtype, expected.tolist())


@pytest.mark.parametrize(
    "make",
    [
        lambda **on: mediml.zeros(2, 3, **on),
        lambda **on: mediml.ones((2, 3), dtype=mediml.float64, **on),
        lambda **on: mediml.full((2,), 3, **on),
        lambda **on: mediml.full((2,), 3.5, **on),
        lambda **on: mediml.full((2,), True, **on),
        lambda **on: mediml.arange(5, 0, -2, **on),
        lambda **on: mediml.linspace(0, 1, 5, **on),
        lambda **on: mediml.eye(3, 2, **on),
        lambda **on: mediml.zeros_like(mediml.tensor([1, 2], **on)),
        lambda **on: mediml.full_like(mediml.tensor([1.0, 2]), 7, **on),
        lambda **on: mediml.tensor([[1, 2], [3, 4]], **on),
        lambda **on: mediml.tensor([], **on),
        lambda **on: mediml.tensor(3.5, **on).new_zeros(2),
        lambda **on: mediml.zeros(0, 3, **on),
    ],
)
def test_creation(make):
    got, expected = make(**ON_GPU), make()
    assert (got.device.type, got.dtype, got.shape) == ("cuda", expected.dtype, expected.shape)
    assert got.tolist() == expected.tolist()


def test_zeros_are_made_on_the_device():
    before = TRANSFERS.to_device
    mediml.zeros(3, **ON_GPU), mediml.full((2,), 7.0, **ON_GPU), mediml.ones(2, **ON_GPU)
    assert TRANSFERS.to_device == before


@pytest.mark.parametrize(
    "fault",
    [
        lambda **on: mediml.zeros(2, 3, **on) + mediml.zeros(4, **on),
        lambda **on: mediml.zeros(2, 3, **on).reshape(4, 2),
        lambda **on: mediml.zeros(2, 3, **on).t().view(6),
        lambda **on: mediml.zeros(2, 3, **on).expand(3, 3),
        lambda **on: mediml.cat([mediml.zeros(2, 3, **on), mediml.zeros(2, 4, **on)]),
        lambda **on: mediml.zeros(2, 3, **on)[5],
        lambda **on: mediml.zeros(2, 3, **on) @ mediml.zeros(2, 3, **on),
        lambda **on: mediml.zeros(2, **on).item(),
        lambda **on: bool(mediml.zeros(2, **on)),
        lambda **on: mediml.zeros(2, 3, **on).topk(4),
        lambda **on: mediml.zeros(0, **on).max(),
        lambda **on: mediml.zeros(2, requires_grad=True, **on).add_(1),
        lambda **on: mediml.tensor([1, 2], **on).add_(1.5),
        lambda **on: mediml.zeros(2, **on).add_(mediml.zeros(3, 2, **on)),
    ],
)
def test_what_the_cpu_refuses_is_refused_with_the_same_words(fault):
    with pytest.raises((ValueError, TypeError, IndexError)) as expected:
        fault()
    with pytest.raises(type(expected.value)) as got:
        fault(**ON_GPU)
    assert str(got.value) == str(expected.value)
