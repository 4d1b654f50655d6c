"""Adam, and AdamW, which keeps the weight decay out of the averages."""

from collections.abc import Iterable
from typing import Any

import numpy as np

from mediml.device import CPU, backend
from mediml.dtypes import default_float
from mediml.ops.creation import zeros_like
from mediml.optim.optimizer import Optimizer, check_not_negative, check_state_device, refuse_differentiable
from mediml.tensor import Tensor, from_array

__all__ = ["Adam", "AdamW"]


class Adam(Optimizer):
    """Adam: steps along the mean gradient, divided by how large the gradient usually is.

    Parameters
    ----------
    params : iterable of Tensor or dict
        See `Optimizer`.
    lr : float or Tensor of one element
        Learning rate.
    betas : tuple of two float
        In [0, 1): how much of the mean gradient and of the mean squared gradient is kept at each step.
    eps : float
        Added to the divisor.
    weight_decay : float
        L2 penalty: times the parameter added to its gradient; see `decoupled_weight_decay`.
    amsgrad : bool
        Divide by the largest mean so far.
    maximize : bool
        Ascend instead of descend.
    decoupled_weight_decay : bool
        Shrink the parameter itself instead, as `AdamW` does.
    foreach, capturable, fused : bool, optional
        Torch's choices of an implementation; accepted, the result is the same.
    differentiable : bool
        Must be False.

    Raises
    ------
    ValueError
        For a negative number, or a beta outside [0, 1).

    Notes
    -----
    Formula: ``kernels.optim.reference.adam_update``.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
    ) -> None:
        check_not_negative("learning rate", lr)
        check_not_negative("epsilon value", eps)
        check_not_negative("weight_decay value", weight_decay)
        refuse_differentiable(type(self).__name__, differentiable, foreach, fused)
        defaults = {
            "lr": lr,
            "betas": _checked_betas(betas),
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
            "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults)

    def _update(self, param: Tensor, grad: Tensor, group: dict[str, Any]) -> None:
        kernels = backend("optim", param=param, grad=grad)
        state = self.state[param]
        if not state:
            # on the CPU, as in torch: the step decides numbers that the kernel is called with
            state["step"] = from_array(np.zeros((), default_float()), CPU if param.is_cuda else param.device)
            names = ("exp_avg", "exp_avg_sq") + (("max_exp_avg_sq",) if group["amsgrad"] else ())
            state.update({name: zeros_like(param) for name in names})
        check_state_device(type(self).__name__, state["exp_avg"], param)
        largest = state["max_exp_avg_sq"]._array if group["amsgrad"] else None
        kernels.adam_update(
            param._array,
            grad._array,
            state["exp_avg"]._array,
            state["exp_avg_sq"]._array,
            largest,
            int(state["step"].item()) + 1,
            float(group["lr"]),
            *(float(beta) for beta in group["betas"]),
            float(group["eps"]),
            float(group["weight_decay"]),
            bool(group["decoupled_weight_decay"]),
            bool(group["maximize"]),
        )
        state["step"]._array += 1


class AdamW(Adam):
    """Adam with decoupled weight decay: each step first multiplies the parameter by 1 - lr * weight_decay.

    Parameters as `Adam`.
    """

    def __init__(
        self,
        params: Iterable[Any],
        lr: float | Tensor = 1e-3,
        betas: tuple[float | Tensor, float | Tensor] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        super().__init__(
            params,
            lr,
            betas,
            eps,
            weight_decay,
            amsgrad,
            foreach=foreach,
            maximize=maximize,
            capturable=capturable,
            differentiable=differentiable,
            fused=fused,
            decoupled_weight_decay=True,
        )


def _checked_betas(betas: Any) -> tuple[float, float]:
    if not all(isinstance(beta, (float, Tensor)) for beta in betas) or len(betas) != 2:
        raise ValueError(f"Invalid betas: {betas}; expected two floats, or two tensors of one element")
    for index, beta in enumerate(betas):
        if not 0.0 <= float(beta) < 1.0:
            raise ValueError(f"Invalid beta parameter at index {index}: {beta}; expected a number in [0, 1)")
    return float(betas[0]), float(betas[1])
