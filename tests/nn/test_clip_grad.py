"""Clipping of gradients: by hand, torch's answers with NaN and infinity, refusals."""

import inspect

import numpy as np
import pytest

import mediml
from mediml.nn import utils

INF, NAN = float("inf"), float("nan")


def parameter(gradient, dtype=np.float64):
    tensor = mediml.zeros(np.shape(gradient), dtype=dtype, requires_grad=True)
    tensor.grad = None if gradient is None else mediml.tensor(np.asarray(gradient, dtype))
    return tensor


def test_by_hand():
    tensors = [parameter([3.0, 0.0]), parameter(4.0), mediml.zeros(2, requires_grad=True)]
    norm = utils.clip_grad_norm_(tensors, 1.0)
    assert norm.item() == 5 and norm.shape == ()
    np.testing.assert_allclose(tensors[0].grad.numpy(), [0.6, 0], rtol=1e-6)
    assert tensors[1].grad.item() == pytest.approx(0.8, rel=1e-6)
    assert tensors[2].grad is None
    assert utils.clip_grad_norm_(iter(tensors), 2.0).item() == pytest.approx(1, rel=1e-6)
    assert tensors[1].grad.item() == pytest.approx(0.8, rel=1e-6)  # shorter than allowed: as it was
    one = parameter([3.0, -4.0, 0.5])
    utils.clip_grad_value_(one, 1)
    assert one.grad.tolist() == [1, -1, 0.5]


@pytest.mark.torch
@pytest.mark.parametrize("norm_type", [2.0, 1, 0.0, 0.5, -1.0, INF, -INF, "inf", NAN])
@pytest.mark.parametrize("max_norm", [1.0, 10.0, 0.0, -1.0, NAN, INF])
@pytest.mark.parametrize("gradients", [([3.0, 4.0], [[1.0], [-7.0]]), ([INF, 1.0],), ([NAN], [2.0]), ([0.0], [0.0])])
def test_norms_are_torchs(norm_type, max_norm, gradients):
    torch = pytest.importorskip("torch")
    for dtype in (np.float32, np.float64):
        ours, theirs = (
            [parameter(g, dtype) for g in gradients],
            [torch.tensor(np.zeros_like(g, dtype)) for g in gradients],
        )
        for tensor, gradient in zip(theirs, gradients):
            tensor.requires_grad_().grad = torch.tensor(np.asarray(gradient, dtype))
        norm, expected = (
            package.clip_grad_norm_(tensors, max_norm, norm_type)
            for package, tensors in ((utils, ours), (torch.nn.utils, theirs))
        )
        assert norm.dtype == dtype
        np.testing.assert_allclose(norm.numpy(), expected.numpy(), rtol=1e-6)
        for tensor, peer in zip(ours, theirs):
            assert tensor.grad.dtype == dtype
            np.testing.assert_allclose(tensor.grad.numpy(), peer.grad.numpy(), rtol=2e-6)


@pytest.mark.torch
@pytest.mark.parametrize("limit", [1.0, 0.0, -1.0, NAN, INF])
def test_values_are_torchs(limit):
    torch = pytest.importorskip("torch")
    values = [3.0, -4.0, NAN, 0.5, INF, -INF]
    ours, theirs = parameter(values), torch.zeros(6, dtype=torch.float64, requires_grad=True)
    theirs.grad = torch.tensor(values, dtype=torch.float64)
    utils.clip_grad_value_([ours], limit)
    torch.nn.utils.clip_grad_value_([theirs], limit)
    np.testing.assert_array_equal(ours.grad.numpy(), theirs.grad.numpy())


def test_a_sum_of_squares_beyond_float32_is_still_a_norm():
    tensor = parameter([3e30, 4e30], np.float32)
    assert utils.clip_grad_norm_(tensor, 1.0).item() == pytest.approx(5e30, rel=1e-6)
    np.testing.assert_allclose(tensor.grad.numpy(), [0.6, 0.8], rtol=1e-6)


def test_dtypes_meet_as_in_torch():
    norm = utils.get_total_norm([mediml.ones(2), mediml.ones(2, dtype=mediml.float64)])
    assert norm.dtype == np.float64 and norm.item() == 2
    assert utils.get_total_norm([]).item() == 0 and utils.clip_grad_norm_([], 1.0).dtype == np.float32


def test_a_clipped_gradient_has_a_new_version():
    tensor = parameter([3.0, 4.0])
    before = tensor.grad._version
    utils.clip_grad_norm_(tensor, 1.0)
    assert tensor.grad._version > before


def test_refusals():
    with pytest.raises(ValueError, match=r"norm of order 2.0 of the gradients is inf"):
        utils.clip_grad_norm_(parameter([INF]), 1.0, error_if_nonfinite=True)
    with pytest.raises(ValueError, match="norm of order inf expects tensors with elements"):
        utils.clip_grad_norm_([parameter([1.0]), parameter(np.zeros(0))], 1.0, INF)
    with pytest.raises(TypeError, match=r"clip_grad_value_: expected a mediml.Tensor"):
        utils.clip_grad_value_([1.0], 1.0)
    with pytest.raises(TypeError, match="floating dtypes, got int64"):
        utils.get_total_norm([mediml.tensor([1])])
    with pytest.raises(TypeError, match="total_norm expects a Tensor of one element"):
        utils.clip_grads_with_norm_([parameter([1.0])], 1.0, 2.0)
    with pytest.warns(UserWarning, match="empty generator"):
        utils.clip_grad_norm_((p for p in ()), 1.0)


def test_a_refused_norm_leaves_the_gradients_alone():
    tensor = parameter([INF, 1.0])
    with pytest.raises(ValueError, match="nothing can be scaled"):
        utils.clip_grad_norm_(tensor, 0.5, error_if_nonfinite=True)
    assert tensor.grad.tolist() == [INF, 1]


@pytest.mark.torch
def test_names_and_arguments_are_torchs():
    torch = pytest.importorskip("torch")
    for name in utils.__all__:
        if callable(getattr(utils, name)):
            ours, theirs = (inspect.signature(getattr(u, name)).parameters for u in (utils, torch.nn.utils))
            assert [(p.name, p.default) for p in ours.values()] == [(p.name, p.default) for p in theirs.values()], name
