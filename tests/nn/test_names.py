"""What `mediml.nn` and `mediml.nn.functional` offer is what their modules define, and mostly what torch calls it."""

import importlib
import inspect
import pkgutil

import numpy as np
import pytest

import mediml
from mediml import nn
from mediml.nn import functional

#: Helpers of the package that are not for its users.
INTERNAL = {"reduction", "hooks", "recurrence"}

#: Names that torch has elsewhere: torch.matmul, torch.lstm.
ELSEWHERE = {
    "gru", "gru_cell", "lstm", "lstm_cell", "matmul", "rnn_relu", "rnn_relu_cell", "rnn_tanh", "rnn_tanh_cell",
}  # fmt: skip

#: Names that torch does not have, since every program writes adversarial objectives out for itself; here they are
#: kernels with formulas and tests. What `mediml verify` compares them with stands in ``mediml/verify/compositions.py``.
OURS = {"DiscriminatorLoss", "GeneratorLoss", "discriminator_loss", "generator_loss"}


@pytest.mark.parametrize("package", [functional, nn.modules], ids=lambda package: package.__name__)
def test_every_name_of_every_family_is_offered(package):
    defined = set()
    for module in pkgutil.iter_modules(package.__path__):
        if module.name not in INTERNAL:
            defined |= set(importlib.import_module(f"{package.__name__}.{module.name}").__all__)
    assert set(package.__all__) == defined
    assert all(callable(getattr(package, name)) for name in defined)


@pytest.mark.torch
def test_the_names_are_torchs():
    torch = pytest.importorskip("torch")
    assert {n for n in functional.__all__ if not hasattr(torch.nn.functional, n)} == ELSEWHERE | OURS & set(
        functional.__all__
    )
    assert {n for n in nn.modules.__all__ if not hasattr(torch.nn, n)} == OURS & set(nn.modules.__all__)
    assert set(functional.__all__) | set(nn.modules.__all__) >= OURS


def _arguments(function):
    return [(p.name, p.default) for p in inspect.signature(function).parameters.values()]


def _readable(function):
    """Whether torch states the signature: not where it is written in C++ or takes whatever comes."""
    try:
        return "args" not in inspect.signature(function).parameters
    except ValueError:
        return False


@pytest.mark.torch
@pytest.mark.parametrize("package", ["nn.modules", "nn.functional"])
def test_arguments_are_torchs_in_name_order_and_default(package):
    torch = pytest.importorskip("torch")
    ours = importlib.import_module(f"mediml.{package}")
    theirs = torch.nn if package == "nn.modules" else torch.nn.functional
    names = [n for n in ours.__all__ if n not in ELSEWHERE | OURS and _readable(getattr(theirs, n))]
    assert len(names) > 60
    different = {
        name: (_arguments(getattr(ours, name)), _arguments(getattr(theirs, name)))
        for name in names
        if _arguments(getattr(ours, name)) != _arguments(getattr(theirs, name))
    }
    assert different == {}


@pytest.mark.torch
def test_what_torch_offers_at_its_top_is_offered_here():
    torch = pytest.importorskip("torch")
    for name in sorted(mediml._FROM_FUNCTIONAL):
        assert callable(getattr(torch, name))
        assert getattr(mediml, name) is getattr(functional, name)
    for name in sorted(mediml._SUBMODULES):
        assert getattr(mediml, name).__name__ == f"mediml.{name}"
    for name in ("batch_norm", "instance_norm", "embedding", "kl_div"):  # torch's own take their arguments otherwise
        assert hasattr(torch, name) and not hasattr(mediml, name)
    with pytest.raises(AttributeError, match="'mediml' has no attribute 'nothing'"):
        mediml.nothing  # noqa: B018


#: Functions of torch's top level that are written in C++, whose signatures cannot be read: further arguments by place.
BY_PLACE = {
    "adaptive_avg_pool1d": (2,),
    "avg_pool1d": (2, 1, 1, True, False),
    "celu_": (0.5,),
    "group_norm": (2, None, None, 1e-2),
    "hardshrink": (0.3,),
    "layer_norm": ((5,), None, None, 1e-2),
    "max_pool1d_with_indices": (2, 1, 1, 1, True),
    "rms_norm": ((4, 5), None, 1e-2),
    "rrelu": (0.2, 0.4, False),
    "rrelu_": (0.2, 0.4, False),
    "selu_": (),
    "threshold": (0.1, 7.0),
    "threshold_": (0.1, 7.0),
    "pixel_shuffle": (2,),
    "pixel_unshuffle": (2,),
    "conv_transpose1d": (np.ones((4, 3, 3)), np.ones(6), 2, 1, 1, 2, 3),
    "conv_transpose2d": (np.ones((4, 3, 3, 3)), np.ones(6), 2, 1, 1, 2, 3),
    "conv_transpose3d": (np.ones((4, 3, 3, 3, 3)), np.ones(6), 2, 1, 1, 2, 3),
    "pdist": (1.0,),
}

#: The shape of the first argument, where it is another than (3, 4, 5).
SHAPES = {
    **dict.fromkeys(("pixel_shuffle", "pixel_unshuffle"), (2, 4, 6, 8)),
    **{f"conv_transpose{rank}d": (2, 4, *(5,) * rank) for rank in (1, 2, 3)},
    "pdist": (5, 3),
}


@pytest.mark.torch
@pytest.mark.parametrize("name", BY_PLACE)
def test_arguments_by_place_mean_at_the_top_what_they_mean_in_torch(name):
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).standard_normal(SHAPES.get(name, (3, 4, 5)))

    def result(package):
        arrays = (package.tensor(a) if isinstance(a, np.ndarray) else a for a in (x, *BY_PLACE[name]))
        outputs = getattr(package, name)(*arrays)
        return [output.numpy() for output in (outputs if isinstance(outputs, tuple) else (outputs,))]

    for ours, theirs in zip(result(mediml), result(torch), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)
