"""Stochastic gradient descent."""

from collections.abc import Iterable
from typing import Any

from mediml import arrays
from mediml.device import backend
from mediml.optim.optimizer import Optimizer, check_not_negative, check_state_device, refuse_differentiable
from mediml.tensor import Tensor, from_array

__all__ = ["SGD"]


class SGD(Optimizer):
    """Stochastic gradient descent, optionally with momentum.

    Parameters
    ----------
    params : iterable of Tensor or dict
        See `Optimizer`.
    lr : float or Tensor of one element
        Learning rate.
    momentum : float
        Share of the last direction that is kept; 0: none.
    dampening : float
        Share by which the gradient enters the momentum less.
    weight_decay : float
        L2 penalty: times the parameter added to its gradient.
    nesterov : bool
        Look ahead along the momentum.
    maximize : bool
        Ascend instead of descend.
    foreach, fused : bool, optional
        Torch's choices of an implementation; accepted, the result is the same.
    differentiable : bool
        Must be False.

    Raises
    ------
    ValueError
        For a negative number, or Nesterov's variant without momentum or with dampening.

    Notes
    -----
    Formula: ``kernels.optim.reference.sgd_update``.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_not_negative("learning rate", lr)
        check_not_negative("momentum value", momentum)
        check_not_negative("weight_decay value", weight_decay)
        refuse_differentiable("SGD", differentiable, foreach, fused)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
            "foreach": foreach,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)

    def _update(self, param: Tensor, grad: Tensor, group: dict[str, Any]) -> None:
        kernels = backend("optim", param=param, grad=grad)
        buffer, is_first = None, False
        if group["momentum"] != 0:
            buffer = self.state[param].get("momentum_buffer")
            is_first = buffer is None
            if buffer is None:
                buffer = from_array(arrays.empty(param.shape, param.dtype, param.device), param.device)
            check_state_device("SGD", buffer, param)
        numbers = (float(group[name]) for name in ("lr", "momentum", "dampening", "weight_decay"))
        kernels.sgd_update(
            param._array,
            grad._array,
            None if buffer is None else buffer._array,
            is_first,
            *numbers,
            bool(group["nesterov"]),
            bool(group["maximize"]),
        )
        if is_first:
            self.state[param]["momentum_buffer"] = buffer
