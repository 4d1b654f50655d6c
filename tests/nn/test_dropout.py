"""Dropout functions and layers: what is dropped, what stays, seeds, gradients, corners, torch's names and refusals."""

import importlib
import inspect
import warnings

import numpy as np
import pytest

import mediml
from mediml import nn
from mediml.nn import functional as F
from mediml.nn.modules import dropout as layers

DEVICES = pytest.mark.parametrize("device", ["cpu", "reference"])
#: Each function, the shape it is tried on, and over how many first axes its mask goes.
FUNCTIONS = {
    "dropout": ((20, 30, 4), 3),
    "dropout1d": ((20, 30, 4), 2),
    "dropout2d": ((20, 30, 2, 3), 2),
    "dropout3d": ((20, 30, 2, 1, 3), 2),
    "alpha_dropout": ((20, 30, 4), 3),
    "feature_alpha_dropout": ((20, 30, 4), 2),
}
LAYERS = ["Dropout", "Dropout1d", "Dropout2d", "Dropout3d", "AlphaDropout", "FeatureAlphaDropout"]


def positive(shape, **options):
    return mediml.tensor(np.random.default_rng(0).uniform(1, 2, shape), **options)


@DEVICES
@pytest.mark.parametrize("name", FUNCTIONS)
def test_drops_whole_parts_and_scales_the_rest(name, device):
    shape, axes = FUNCTIONS[name]
    mediml.manual_seed(3)
    x = positive(shape, requires_grad=True, device=device)
    y = getattr(F, name)(x, 0.3, training=True)
    y.backward(mediml.tensor(np.ones(shape), device=device))
    gradient = x.grad.numpy()
    kept = gradient != 0
    parts = kept.reshape(*shape[:axes], -1)
    assert (parts == parts[..., :1]).all()  # a channel stays or goes as a whole
    assert abs(parts[..., 0].mean() - 0.7) < 0.06
    factor = gradient.max()
    np.testing.assert_allclose(gradient[kept], factor)
    shift = y.detach().numpy() - factor * x.detach().numpy()
    if "alpha" in name:
        assert np.ptp(y.detach().numpy()[~kept]) < 1e-12 and np.ptp(shift[kept]) < 1e-12
    else:
        assert factor == pytest.approx(1 / 0.7)
        assert (y.detach().numpy()[~kept] == 0).all() and np.abs(shift[kept]).max() < 1e-12


@pytest.mark.parametrize("name", FUNCTIONS)
def test_seed_repeats_the_mask_on_every_device(name):
    results = []
    for device in ("cpu", "cpu", "reference"):
        mediml.manual_seed(5)
        results.append(getattr(F, name)(positive(FUNCTIONS[name][0], device=device), training=True).numpy())
    np.testing.assert_array_equal(results[0], results[1])
    np.testing.assert_allclose(results[0], results[2])
    again = getattr(F, name)(positive(FUNCTIONS[name][0]), training=True).numpy()
    assert (again != results[0]).any()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_identity_outside_training_and_at_p_0(name):
    x = positive(FUNCTIONS[name][0])
    assert getattr(F, name)(x, 0.5, training=False) is x
    assert getattr(F, name)(x, 0.0, training=True) is x


@pytest.mark.parametrize("name", FUNCTIONS)
def test_p_1_gives_zeros_and_keeps_nan(name):
    x = positive(FUNCTIONS[name][0])
    x[0, 0] = float("nan")
    y = getattr(F, name)(x, 1.0, training=True).numpy()
    assert np.isnan(y[0, 0]).all()
    assert (y[1:] == 0).all()


@pytest.mark.parametrize("name", FUNCTIONS)
def test_inplace_writes_into_the_input_and_has_the_same_gradient(name):
    results = []
    for inplace in (False, True):
        mediml.manual_seed(1)
        leaf = positive(FUNCTIONS[name][0], requires_grad=True)
        middle = leaf * 2.0
        y = getattr(F, name)(middle, 0.4, True, inplace)
        assert (y is middle) == inplace
        y.sum().backward()
        results.append((y.detach().numpy(), leaf.grad.numpy()))
    np.testing.assert_array_equal(results[0][0], results[1][0])
    np.testing.assert_array_equal(results[0][1], results[1][1])


@pytest.mark.parametrize(("name", "shape"), [("dropout1d", (50, 4)), ("dropout3d", (50, 2, 1, 3))])
def test_without_a_batch_the_first_axis_is_that_of_the_channels(name, shape):
    y = getattr(F, name)(positive(shape)).numpy().reshape(50, -1)
    kept = y != 0
    assert (kept == kept[:, :1]).all() and 0 < kept[:, 0].sum() < 50


def test_dropout2d_of_three_axes_warns_and_reads_them_as_batch_channels_length():
    with pytest.warns(UserWarning, match="1D dropout behavior"):
        y = F.dropout2d(positive((20, 30, 4))).numpy()
    kept = y != 0
    assert (kept == kept[..., :1]).all()
    assert (kept[:, :, 0].any(axis=1) & ~kept[:, :, 0].all(axis=1)).all()  # each channel for itself
    with pytest.warns(UserWarning, match="2-D input to dropout2d"):
        F.dropout2d(positive((20, 30)))
    with pytest.warns(UserWarning, match="3-D input to dropout3d"):
        F.dropout3d(positive((20, 30, 4)))


@pytest.mark.torch
def test_names_signatures_and_layers_are_torchs():
    torch = pytest.importorskip("torch")
    assert set(layers.__all__) == set(torch.nn.modules.dropout.__all__) == set(LAYERS)
    functions = importlib.import_module("mediml.nn.functional.dropout")  # the package's own `dropout` is the function
    assert set(functions.__all__) == set(FUNCTIONS)
    for name in FUNCTIONS:
        assert arguments(getattr(F, name)) == arguments(getattr(torch.nn.functional, name)), name
    for name in LAYERS:
        assert arguments(getattr(nn, name)) == arguments(getattr(torch.nn, name)), name
        assert repr(getattr(nn, name)(0.2, True)) == repr(getattr(torch.nn, name)(0.2, True))


def arguments(function):
    return [(p.name, p.default) for p in inspect.signature(function).parameters.values()]


@pytest.mark.torch
@pytest.mark.parametrize("p", [0.1, 0.5, 0.8])
def test_alpha_dropout_has_torchs_numbers(p):
    """The two values that an input of zeros can take are the same as in torch; which element takes which is chance."""
    torch = pytest.importorskip("torch")
    for name in ("alpha_dropout", "feature_alpha_dropout"):
        ours = getattr(F, name)(mediml.zeros(40, 50, dtype=mediml.float64), p, training=True).numpy()
        theirs = getattr(torch.nn.functional, name)(torch.zeros(40, 50, dtype=torch.float64), p, training=True)
        np.testing.assert_allclose(
            [ours.min(), ours.max(), len(np.unique(ours))],
            [theirs.min().item(), theirs.max().item(), len(theirs.unique())],
        )


@pytest.mark.parametrize("name", LAYERS)
def test_layers_drop_in_training_only(name):
    layer = getattr(nn, name)(0.5)
    x = positive((20, 30, 2, 2) if name == "Dropout2d" else (20, 30, 4))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Dropout3d of three axes
        assert (layer(x).numpy() != x.numpy()).any()
        assert layer.eval()(x) is x


@pytest.mark.parametrize("p", [-0.1, 1.1, float("nan")])
def test_p_must_be_a_probability(p):
    for name in FUNCTIONS:
        with pytest.raises(ValueError, match=f"{name}: dropout probability has to be between 0 and 1"):
            getattr(F, name)(positive(FUNCTIONS[name][0]), p)
    for name in LAYERS:
        with pytest.raises(ValueError, match="dropout probability has to be between 0 and 1"):
            getattr(nn, name)(p)


def test_refusals():
    with pytest.raises(TypeError, match=r"dropout: input expects float32 or float64, got mediml\.int64"):
        F.dropout(mediml.tensor([1, 2]))
    with pytest.raises(TypeError, match=r"input expects a mediml\.Tensor, got ndarray"):
        F.dropout2d(np.zeros((2, 3, 4, 4)))
    with pytest.raises(ValueError, match="dropout1d: input expects 2 or 3 dimensions"):
        F.dropout1d(positive((2, 3, 4, 5)))
    with pytest.raises(ValueError, match="feature_alpha_dropout: input expects at least 2 dimensions"):
        F.feature_alpha_dropout(positive(3), training=True)
    leaf = positive(3, requires_grad=True)
    with pytest.raises(ValueError, match="leaf"):
        F.dropout(leaf, inplace=True)
    assert F.dropout(mediml.tensor([1, 2]), training=False).tolist() == [1, 2]
