"""Pooling functions and layers: torch's values, gradients, signatures, names and refusals."""

import inspect

import numpy as np
import pytest

import mediml
from mediml import nn
from mediml.nn import functional as F
from mediml.verify.cases.pooling import CASES

RANKS = pytest.mark.parametrize("rank", [1, 2, 3])
TOLERANCE = {"float32": 2e-6, "float64": 1e-12}
LAYERS = ["MaxPool", "AvgPool", "LPPool", "AdaptiveMaxPool", "AdaptiveAvgPool", "MaxUnpool"]
FUNCTIONS = ["max_pool", "avg_pool", "lp_pool", "adaptive_max_pool", "adaptive_avg_pool", "max_unpool"]


def values(shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def parts(result):
    return result if isinstance(result, tuple) else (result,)


@pytest.mark.torch
@pytest.mark.parametrize("device", ["cpu", "reference"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_case_equals_torch(dtype, device):
    torch = pytest.importorskip("torch")
    for case in CASES:
        drawn = {name: a.astype(dtype) if a.dtype == np.float64 else a for name, a in case.draw().items()}
        gradient = {name: case.arrays[name].gradient for name in drawn}
        ours = {n: mediml.tensor(a, requires_grad=gradient[n], device=device) for n, a in drawn.items()}
        theirs = {n: torch.tensor(a, requires_grad=gradient[n]) for n, a in drawn.items()}
        y, y_torch = (parts(getattr(m, case.op)(**t, **case.options)) for m, t in
                      ((F, ours), (torch.nn.functional, theirs)))  # fmt: skip
        assert len(y) == len(y_torch), case.name
        cotangent = values(y[0].shape).astype(dtype)
        y[0].backward(mediml.tensor(cotangent, device=device))
        y_torch[0].backward(torch.tensor(cotangent))
        pairs = [*zip(y, y_torch), *((ours[n].grad, theirs[n].grad) for n in drawn if gradient[n])]
        for a, b in pairs:
            assert tuple(a.shape) == tuple(b.shape) and str(a.dtype) == str(b.dtype).split(".")[1], case.name
            tolerance = TOLERANCE[dtype]
            np.testing.assert_allclose(
                a.detach().numpy(), b.detach().numpy(), rtol=tolerance, atol=tolerance, err_msg=case.name
            )


@pytest.mark.torch
@RANKS
def test_functions_and_layers_have_torchs_signatures(rank):
    torch = pytest.importorskip("torch")
    for name in LAYERS:
        ours, theirs = getattr(nn, f"{name}{rank}d"), getattr(torch.nn, f"{name}{rank}d")
        assert arguments(ours) == arguments(theirs), name
    for name in ("max_unpool", "lp_pool", "max_pool", "adaptive_max_pool"):
        suffix = "_with_indices" if "max_pool" in name else ""
        theirs = getattr(torch.nn.functional, f"{name}{rank}d{suffix}")
        assert arguments(getattr(F, f"{name}{rank}d{suffix}")) == arguments(theirs), name
        assert arguments(getattr(F, f"{name}{rank}d")) == arguments(theirs), name


def arguments(function):
    return [(p.name, p.default) for p in inspect.signature(function).parameters.values()]


@pytest.mark.torch
@RANKS
def test_layers_print_and_compute_as_torchs(rank):
    torch = pytest.importorskip("torch")
    x = values((2, 3, *(8, 7, 6)[:rank]))
    for name, options in [
        ("MaxPool", {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True}),
        ("MaxPool", {"kernel_size": 2, "dilation": 2, "return_indices": True}),
        ("AvgPool", {"kernel_size": 3, "padding": 1, "count_include_pad": False}),
        ("LPPool", {"norm_type": 2, "kernel_size": 2, "ceil_mode": True}),
        ("AdaptiveMaxPool", {"output_size": 3, "return_indices": True}),
        ("AdaptiveAvgPool", {"output_size": 2}),
    ]:
        ours, theirs = (getattr(m, f"{name}{rank}d")(**options) for m in (nn, torch.nn))
        assert repr(ours) == repr(theirs)
        for a, b in zip(parts(ours(mediml.tensor(x))), parts(theirs(torch.tensor(x)))):
            np.testing.assert_allclose(a.numpy(), b.numpy(), rtol=1e-12)


@pytest.mark.torch
@RANKS
def test_unpooling_undoes_pooling_as_torchs(rank):
    torch = pytest.importorskip("torch")
    x = values((2, 3, *(7, 8, 6)[:rank]))  # odd: the size cannot be known without output_size
    grads = []
    for m, tensor in ((mediml, mediml.tensor), (torch, torch.tensor)):
        pool = getattr(m.nn, f"MaxPool{rank}d")(2, return_indices=True)
        unpool = getattr(m.nn, f"MaxUnpool{rank}d")(2)
        source = tensor(x, requires_grad=True)
        y, indices = pool(source)
        back = unpool(y, indices, output_size=source.shape)
        assert tuple(back.shape) == x.shape
        (back**3).sum().backward()
        grads.append((repr(unpool), back.detach().numpy(), source.grad.numpy()))
    assert grads[0][0] == grads[1][0]
    np.testing.assert_array_equal(grads[0][1], grads[1][1])
    np.testing.assert_allclose(grads[0][2], grads[1][2], rtol=1e-12)


@RANKS
def test_input_without_batch(rank):
    x = values((3, *(6,) * rank))
    for name in FUNCTIONS[:-1]:
        options = (2, 2) if name == "lp_pool" else (2,)
        pool = getattr(F, f"{name}{rank}d")
        single, batch = mediml.tensor(x, requires_grad=True), mediml.tensor(x[None], requires_grad=True)
        y, y_batch = pool(single, *options), pool(batch, *options)
        assert tuple(y.shape) == tuple(y_batch.shape)[1:]
        for tensor, result in ((single, y), (batch, y_batch)):
            (result * result).sum().backward()
            assert tensor.grad.shape == tensor.shape
        np.testing.assert_array_equal(single.grad.numpy(), batch.grad.numpy()[0])


def test_global_pooling_is_adaptive_pooling_to_one():
    x = values((2, 3, 5, 7))
    pooled = nn.AdaptiveAvgPool2d(1)(mediml.tensor(x)).numpy()
    np.testing.assert_allclose(pooled[..., 0, 0], x.mean(axis=(2, 3)), rtol=1e-12)
    assert (nn.AdaptiveMaxPool2d(1)(mediml.tensor(x)).numpy()[..., 0, 0] == x.max(axis=(2, 3))).all()


def test_power_sum_without_content_has_no_gradient():
    x = mediml.tensor(np.zeros((1, 1, 4, 4)), requires_grad=True)
    F.lp_pool2d(x, 2, 2).sum().backward()
    assert (x.grad.numpy() == 0).all()


def test_indices_changed_in_place_stop_the_gradient():
    x = mediml.tensor(values((1, 1, 4, 4)), requires_grad=True)
    y, indices = F.max_pool2d(x, 2, return_indices=True)
    indices += 1
    with pytest.raises(RuntimeError, match="in place"):
        y.sum().backward()


def test_without_gradient_nothing_is_recorded():
    x = mediml.tensor(values((1, 1, 4, 4)), requires_grad=True)
    with mediml.no_grad():
        assert not F.max_pool2d(x, 2).requires_grad
    assert F.max_pool2d(x, 2).requires_grad
    assert not F.max_pool2d_with_indices(x, 2)[1].requires_grad


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda x: F.max_pool2d(x, 2.0), TypeError, "kernel_size expects an int or a sequence of 2"),
        (lambda x: F.max_pool2d(x, True), TypeError, "kernel_size expects an int"),
        (lambda x: F.max_pool2d(x, None), TypeError, "kernel_size expects an int"),
        (lambda x: F.max_pool2d(x, (2, 2, 2)), ValueError, "kernel_size expects one int or 2"),
        (lambda x: F.max_pool2d(x, 3, padding=2), ValueError, "padding expects at most half"),
        (lambda x: F.max_pool2d(x, 5), ValueError, "output of at least 1"),
        (lambda x: F.max_pool2d(x[0, 0], 2), ValueError, "4 axes"),
        (lambda x: F.max_pool2d(x.numpy(), 2), TypeError, "input expects a mediml.Tensor"),
        (lambda x: F.max_pool3d(x[0], 2), ValueError, "5 axes"),
        (lambda x: F.avg_pool2d(x, 2, divisor_override=0), ValueError, "other than 0"),
        (lambda x: F.adaptive_avg_pool2d(x, (1, 2, 3)), ValueError, "output_size of one int or 2"),
        (lambda x: F.adaptive_max_pool2d(x, -1), ValueError, "at least 0"),
        (lambda x: F.lp_pool2d(x, 0, 2), ValueError, "norm_type expects a number other than 0"),
        (lambda x: F.lp_pool2d(x, "2", 2), TypeError, "norm_type expects a number"),
        (lambda x: F.max_unpool2d(x, mediml.tensor(np.zeros((1, 4, 4), np.int64)), 2), ValueError, "shape of input"),
        (lambda x: F.max_unpool2d(x, x, 2), TypeError, "int64"),
        (lambda x: unpool(x, (6, 6)), ValueError, "less than one stride"),
        (lambda x: unpool(x, (4,)), ValueError, "2 or 4 numbers"),
        (lambda x: unpool(x, (3, 3)), ValueError, "from 0 to 8"),
        (lambda x: nn.MaxUnpool2d((2, 2, 2)), ValueError, "MaxUnpool2d: kernel_size"),
    ],
)
def test_refusals(call, error, message):
    with pytest.raises(error, match=message):
        call(mediml.tensor(np.arange(16.0).reshape(1, 1, 4, 4)))


def unpool(x, output_size):
    y, indices = F.max_pool2d(x, 2, return_indices=True)
    return F.max_unpool2d(y, indices, 2, output_size=output_size)


def test_stride_defaults_to_the_kernel_size():
    x = mediml.tensor(values((1, 1, 9, 9)))
    for stride in (None, [], 3, (3, 3), [3]):
        assert tuple(F.max_pool2d(x, (3,), stride).shape) == (1, 1, 3, 3)
