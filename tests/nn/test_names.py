"""What `mediml.nn` and `mediml.nn.functional` offer is what their modules define, and mostly what torch calls it."""

import importlib
import inspect
import pkgutil

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
    with pytest.raises(AttributeError, match="'mediml' has no attribute 'nothing'"):
        mediml.nothing  # noqa: B018
