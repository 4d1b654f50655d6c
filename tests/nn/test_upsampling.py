"""Interpolation and pixel shuffle: torch's arguments, answers, refusals and layers."""

import numpy as np
import pytest

import mediml
from mediml import nn
from mediml.nn import functional as F


def draw(*shape):
    return np.random.default_rng(0).standard_normal(shape)


def agree_with(torch, ours, theirs, array):
    """Output and gradient for a random cotangent."""
    x, z = mediml.tensor(array, requires_grad=True), torch.tensor(array, requires_grad=True)
    y, expected = ours(x), theirs(z)
    np.testing.assert_allclose(y.detach().numpy(), expected.detach().numpy(), rtol=1e-9, atol=1e-12)
    grad_y = np.random.default_rng(1).standard_normal(tuple(expected.shape))
    y.backward(mediml.tensor(grad_y))
    expected.backward(torch.tensor(grad_y))
    np.testing.assert_allclose(x.grad.numpy(), z.grad.numpy(), rtol=1e-9, atol=1e-12)


@pytest.mark.torch
@pytest.mark.parametrize(
    "options",
    [
        {"scale_factor": 2},
        {"size": (3, 9), "mode": "nearest-exact"},
        {"scale_factor": (1.7, 0.6), "mode": "bilinear"},
        {"scale_factor": 1.7, "mode": "bilinear", "recompute_scale_factor": True},
        {"size": 8, "mode": "bicubic", "align_corners": True},
        {"scale_factor": 0.4, "mode": "bicubic", "antialias": True},
        {"size": [3, 4], "mode": "bilinear", "antialias": True, "align_corners": True},
        {"size": (2, 9), "mode": "lanczos", "antialias": True},
        {"scale_factor": 0.5, "mode": "area"},
    ],
)
def test_interpolation_is_torchs(options):
    torch = pytest.importorskip("torch")
    agree_with(
        torch,
        lambda x: F.interpolate(x, **options),
        lambda z: torch.nn.functional.interpolate(z, **options),
        draw(2, 3, 5, 7),
    )


@pytest.mark.parametrize(
    ("shape", "options", "error", "text"),
    [
        ((1, 1, 4), {}, ValueError, "either size or scale_factor"),
        ((1, 1, 4), {"size": 2, "scale_factor": 2.0}, ValueError, "either size or scale_factor"),
        ((1, 1, 4), {"size": 2, "align_corners": False}, ValueError, "align_corners expects a linear or cubic mode"),
        ((1, 1, 4, 4), {"size": (2,)}, ValueError, "size expects one int or 2"),
        ((1, 1, 4, 4), {"scale_factor": (2.0,)}, ValueError, "scale_factor expects one number or 2"),
        ((1, 1, 4), {"scale_factor": -1.0}, ValueError, "scale_factor expects positive"),
        ((1, 1, 4), {"scale_factor": float("nan")}, ValueError, "scale_factor expects positive"),
        ((1, 1, 4), {"scale_factor": "two"}, TypeError, "scale_factor expects a number"),
        ((1, 1, 4), {"scale_factor": 0.1}, ValueError, "sizes expects 1 numbers from 1"),
        ((1, 1, 4), {"size": 0}, ValueError, "sizes expects 1 numbers from 1"),
        ((1, 1, 4), {"size": 2.0}, TypeError, "size expects an int"),
        ((1, 1, 4), {"size": 2, "recompute_scale_factor": True}, ValueError, "goes with scale_factor"),
        ((1, 1, 4), {"size": 2, "mode": "bilinear"}, ValueError, "input expects 4 axes"),
        ((1, 1, 4, 4), {"size": 2, "mode": "linear"}, ValueError, "input expects 3 axes"),
        ((4, 4), {"size": 2}, ValueError, "input expects 3 or 4 or 5 axes"),
        ((1, 1, 4), {"size": 2, "mode": "sharp"}, ValueError, "mode expects one of nearest"),
        ((1, 1, 4, 4), {"size": 2, "antialias": True}, ValueError, "antialias expects the mode"),
        ((1, 1, 4, 4), {"size": 2, "mode": "lanczos"}, ValueError, "expects antialias=True"),
        ((1, 0, 4), {"size": 2}, ValueError, "no empty axis"),
    ],
)
def test_refusals_are_torchs(shape, options, error, text):
    with pytest.raises(error, match=f"interpolate: .*{text}"):
        F.interpolate(mediml.zeros(shape), **options)


def test_pixel_shuffle_by_hand():
    x = mediml.tensor(np.array([[[1.0]], [[2.0]], [[3.0]], [[4.0]]]))
    y = F.pixel_shuffle(x, 2)
    assert y.tolist() == [[[1, 2], [3, 4]]]
    assert F.pixel_unshuffle(y, 2).tolist() == x.tolist()


@pytest.mark.parametrize(
    ("function", "shape", "factor", "text"),
    [
        (F.pixel_shuffle, (8, 2, 2), 3, "channels that 3 \\* 3 divides"),
        (F.pixel_shuffle, (4, 4), 2, "at least 3 axes"),
        (F.pixel_shuffle, (4, 2, 2), 0, "upscale_factor expects a number of at least 1"),
        (F.pixel_unshuffle, (1, 4, 5), 2, "sizes that 2 divides"),
        (F.pixel_unshuffle, (1, 5, 4), 2, "sizes that 2 divides"),
        (F.pixel_unshuffle, (1, 4, 4), -2, "downscale_factor expects"),
    ],
)
def test_shuffles_that_do_not_come_out_even_are_refused(function, shape, factor, text):
    with pytest.raises(ValueError, match=text):
        function(mediml.zeros(shape), factor)


@pytest.mark.torch
@pytest.mark.parametrize(
    ("name", "arguments", "shape"),
    [
        ("Upsample", {"scale_factor": 2}, (1, 2, 5)),
        ("Upsample", {"size": (3, 4), "mode": "bilinear", "align_corners": True}, (1, 2, 5, 6)),
        ("Upsample", {"scale_factor": (2, 1.5), "mode": "bicubic", "recompute_scale_factor": True}, (1, 2, 3, 5)),
        ("UpsamplingNearest2d", {"scale_factor": 3}, (2, 1, 3, 2)),
        ("UpsamplingBilinear2d", {"size": 7}, (2, 1, 3, 2)),
        ("PixelShuffle", {"upscale_factor": 2}, (1, 8, 2, 3)),
        ("PixelUnshuffle", {"downscale_factor": 3}, (1, 2, 3, 6)),
    ],
)
def test_layers_are_torchs(name, arguments, shape):
    torch = pytest.importorskip("torch")
    layer, peer = getattr(nn, name)(**arguments), getattr(torch.nn, name)(**arguments)
    assert repr(layer) == repr(peer)
    agree_with(torch, layer, peer, draw(*shape))
