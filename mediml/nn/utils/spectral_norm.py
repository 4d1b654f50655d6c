"""Spectral normalisation: a layer whose weight is divided by its largest singular value at every call.

A layer that multiplies by W stretches no vector by more than sigma, the largest singular value of W. Divided by sigma
it stretches none at all (it is 1-Lipschitz), and so a discriminator of such layers cannot become arbitrarily steep,
which keeps a generator's gradients useful; the Wasserstein objective even depends on it. Power iteration finds sigma:

    v = W^T u / |W^T u|,    u = W v / |W v|,    sigma = u^T W v

u is kept from call to call, and W changes little in a step of training, so one iteration a step suffices. The gradient
goes through sigma, with u and v as constants: d sigma / d W = u v^T.

References
----------
T. Miyato et al., "Spectral Normalization for Generative Adversarial Networks", arXiv:1802.05957, algorithm 1.
"""

from typing import Any, TypeVar

import mediml
from mediml.nn import functional as F
from mediml.nn.modules.hooks import RemovableHandle
from mediml.nn.modules.module import Module
from mediml.nn.parameter import Parameter
from mediml.tensor import Tensor

__all__ = ["remove_spectral_norm", "spectral_norm"]

AnyModule = TypeVar("AnyModule", bound=Module)


class SpectralNorm:
    """The hook that computes the weight before each forward, and the one that lets go of it afterwards."""

    def __init__(self, name: str, n_power_iterations: int, dim: int, eps: float):
        if isinstance(n_power_iterations, bool) or not isinstance(n_power_iterations, int) or n_power_iterations < 1:
            raise ValueError(f"spectral_norm: n_power_iterations expects an int above 0, got {n_power_iterations!r}")
        self.name = name
        self.n_power_iterations = n_power_iterations
        self.dim = dim
        self.eps = eps

    def as_matrix(self, weight: Tensor) -> Tensor:
        """The weight with one row for each output: the axis `dim` first, all others as one."""
        if self.dim:
            weight = weight.permute(self.dim, *(axis for axis in range(weight.ndim) if axis != self.dim))
        return weight.reshape(weight.shape[0], -1)

    def weight_of(self, module: Module, iterate: bool) -> Tensor:
        """The weight over sigma, after a power iteration if `iterate`."""
        weight, u, v = (getattr(module, self.name + suffix) for suffix in ("_orig", "_u", "_v"))
        matrix = self.as_matrix(weight)
        if iterate:
            with mediml.no_grad():
                for _ in range(self.n_power_iterations):
                    v.copy_(F.normalize(mediml.mv(matrix.t(), u), dim=0, eps=self.eps))
                    u.copy_(F.normalize(mediml.mv(matrix, v), dim=0, eps=self.eps))
        # copies: D(real) - D(fake) calls twice before its backward, and the second call changes u and v in place
        return weight / mediml.dot(u.clone(), mediml.mv(matrix, v.clone()))

    def __call__(self, module: Module, inputs: Any) -> None:
        setattr(module, self.name, self.weight_of(module, module.training))

    def let_go(self, module: Module, inputs: Any, output: Any) -> None:
        """Keep the weight's value only: a module that holds a part of a tape could not be copied."""
        setattr(module, self.name, getattr(module, self.name).detach())


def spectral_norm(
    module: AnyModule, name: str = "weight", n_power_iterations: int = 1, eps: float = 1e-12, dim: int | None = None
) -> AnyModule:
    """Divide a parameter of a module by its spectral norm before every forward.

    Parameters
    ----------
    module : Module
    name : str
        Of the parameter; it becomes a plain attribute, computed from the parameter ``<name>_orig``.
    n_power_iterations : int
        For every forward in training; none in `eval`.
    eps : float
        Least norm that the iteration divides by.
    dim : int, optional
        The axis of the outputs: 0, and 1 for transposed convolutions.

    Returns
    -------
    Module
        The same one, with the buffers ``<name>_u`` and ``<name>_v``. Its ``state_dict`` has torch's keys.

    Raises
    ------
    ValueError, TypeError, KeyError
        If the module has no such parameter, or the parameter is normalised already.

    Notes
    -----
    After a forward the plain attribute holds the value without its gradient, so that the module can be copied; in torch
    it stays on the tape.
    """
    _check(module, name)
    dim = (1 if getattr(module, "transposed", False) else 0) if dim is None else dim
    hook = SpectralNorm(name, n_power_iterations, dim, eps)
    weight = module._parameters[name]
    if weight is None:
        raise ValueError(f"spectral_norm: expected a parameter, but {name!r} is None")
    if weight.ndim == 0 or weight.numel() == 0 or not -weight.ndim <= dim < weight.ndim:
        raise ValueError(f"spectral_norm: {name!r} expects an axis {dim} and elements, got shape {tuple(weight.shape)}")
    hook.dim = dim % weight.ndim
    with mediml.no_grad():
        u, v = (
            F.normalize(mediml.randn(size, dtype=weight.dtype, device=weight.device), dim=0, eps=eps)
            for size in hook.as_matrix(weight).shape
        )
    delattr(module, name)
    module.register_parameter(f"{name}_orig", weight)
    setattr(module, name, weight.data)  # something may look at the weight before the first forward
    module.register_buffer(f"{name}_u", u)
    module.register_buffer(f"{name}_v", v)
    module.register_forward_pre_hook(hook)
    module.register_forward_hook(hook.let_go)
    return module


def remove_spectral_norm(module: AnyModule, name: str = "weight") -> AnyModule:
    """Make the normalised weight a parameter again, with the value that it has in `eval`.

    Raises
    ------
    ValueError
        If the parameter is not normalised.
    """
    hook = _hook_of(module, name)
    if hook is None:
        raise ValueError(f"remove_spectral_norm: expected a module whose {name!r} is normalised, got {module!r}")
    with mediml.no_grad():
        weight = hook.weight_of(module, iterate=False).detach()
    for attribute in (name, f"{name}_u", f"{name}_v", f"{name}_orig"):
        delattr(module, attribute)
    module.register_parameter(name, Parameter(weight))
    for hooks in (module._forward_pre_hooks, module._forward_hooks):
        for key, (function, _) in list(hooks.items()):
            if function is hook or getattr(function, "__self__", None) is hook:
                RemovableHandle(hooks, key).remove()
    return module


def _check(module: Module, name: str) -> None:
    if not isinstance(module, Module):
        raise TypeError(f"spectral_norm: module expects a mediml.nn.Module, got {type(module).__name__}")
    if _hook_of(module, name) is not None:
        raise ValueError(f"spectral_norm: cannot register two spectral_norm hooks on the same parameter {name!r}")
    if name not in module._parameters:
        raise KeyError(f"spectral_norm: {type(module).__name__} has no parameter {name!r}")


def _hook_of(module: Module, name: str) -> SpectralNorm | None:
    hooks = (function for function, _ in module._forward_pre_hooks.values())
    return next((hook for hook in hooks if isinstance(hook, SpectralNorm) and hook.name == name), None)
