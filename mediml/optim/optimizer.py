"""The base of all optimizers: groups of parameters with their options, and a state for each parameter."""

import copy
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from mediml.autograd import enable_grad, no_grad
from mediml.interchange import as_tensor
from mediml.tensor import Tensor

__all__ = ["Optimizer"]

#: What identifies a group's parameters in a state dict; everything else in a group is an option.
_NOT_OPTIONS = ("params", "param_names")


class Optimizer:
    """Base class. An optimizer of one's own overrides `_update` (or `step`, as in torch).

    Parameters
    ----------
    params : iterable of Tensor, of (name, Tensor) or of dict
        What to optimize. A dict is a group: ``{"params": [...], "lr": 0.1}`` with options that differ from `defaults`.
    defaults : dict
        Options of groups that do not say otherwise.

    Attributes
    ----------
    param_groups : list of dict
        ``"params"`` and the options of each group; what is changed here counts from the next step on.
    state : dict
        For each parameter what the optimizer remembers of it.

    Raises
    ------
    TypeError
        If `params` is one tensor, a group is not a dict, or a parameter not a tensor.
    ValueError
        If there is nothing to optimize, a parameter was computed by an operation, or appears twice.
    """

    def __init__(self, params: Iterable[Any], defaults: dict[str, Any]) -> None:
        if isinstance(params, Tensor):
            raise TypeError("params: expected an iterable of tensors or dicts, got one tensor; pass [tensor]")
        self.defaults = defaults
        self.state: defaultdict[Any, dict[str, Any]] = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        self._step_was_called = False
        groups = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list; has the model any parameters?")
        for group in groups if isinstance(groups[0], dict) else [{"params": groups}]:
            self.add_param_group(group)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Move every parameter that has a gradient, in place.

        Parameters
        ----------
        closure : callable, optional
            Computes the loss and its gradients anew; called before the step.

        Returns
        -------
        What `closure` returned, or None.
        """
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        with no_grad():
            for group in self.param_groups:
                for param in group["params"]:
                    if param.grad is not None:
                        self._update(param, param.grad, group)
                        param._bump_version()
        self._step_was_called = True
        return loss

    def _update(self, param: Tensor, grad: Tensor, group: dict[str, Any]) -> None:
        """Move one parameter by its gradient in place, and keep ``self.state[param]`` up to date."""
        raise NotImplementedError(f"{type(self).__name__}: override step or _update")

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients, or set them to 0."""
        for group in self.param_groups:
            for param in group["params"]:
                if set_to_none:
                    param.grad = None
                elif param.grad is not None:
                    param.grad.detach().zero_()

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Optimize more parameters, for example layers that were frozen at first. `param_group` is completed in place.

        Parameters
        ----------
        param_group : dict
            ``"params"``, and options that differ from the defaults.
        """
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group: expected a dict, got {type(param_group).__name__}")
        _name_params(param_group)
        for param in param_group["params"]:
            if not isinstance(param, Tensor):
                raise TypeError(f"optimizer can only optimize tensors, but one of params is {type(param).__name__}")
            if not param.is_leaf:
                raise ValueError("can't optimize a non-leaf tensor: it was computed by an operation; detach() it")
        for name, default in self.defaults.items():
            param_group.setdefault(name, default)
        ids = [id(param) for param in param_group["params"]]
        if len(ids) != len(set(ids)):
            warnings.warn("optimizer contains a parameter group with duplicate parameters", stacklevel=3)
        if not set(ids).isdisjoint(id(param) for group in self.param_groups for param in group["params"]):
            raise ValueError("some parameters appear in more than one parameter group")
        if any(("param_names" in param_group) != ("param_names" in group) for group in self.param_groups):
            raise ValueError("all optimizer param groups should be with names, or all without")
        self.param_groups.append(param_group)

    def state_dict(self) -> dict[str, Any]:
        """``{"state": …, "param_groups": …}`` in torch's layout: parameters are numbered through all groups.

        The tensors in it are the optimizer's own; ``copy.deepcopy`` keeps a copy of this moment.
        """
        number: dict[int, int] = {}
        groups = []
        start = 0
        for group in self.param_groups:
            for offset, param in enumerate(group["params"]):
                number.setdefault(id(param), start + offset)
            start += len(group["params"])
            packed = {name: value for name, value in group.items() if name != "params"}
            groups.append({**packed, "params": [number[id(param)] for param in group["params"]]})
        state = {number[id(key)] if isinstance(key, Tensor) else key: value for key, value in self.state.items()}
        return {"state": state, "param_groups": groups}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take over a copy of a state dict: of this class of optimizer, or of its twin in torch.

        Raises
        ------
        ValueError
            If the groups do not have the same numbers of parameters.
        """
        saved = [{**group, "params": list(group["params"])} for group in state_dict["param_groups"]]
        ours = [len(group["params"]) for group in self.param_groups]
        theirs = [len(group["params"]) for group in saved]
        if ours != theirs:
            raise ValueError(
                f"load_state_dict: expected parameter groups of {ours} parameters, got groups of {theirs}; "
                f"make the optimizer from the same model and groups"
            )
        by_number = {
            number: param
            for group, old in zip(self.param_groups, saved)
            for number, param in zip(old["params"], group["params"])
        }
        state: defaultdict[Any, dict[str, Any]] = defaultdict(dict)
        for number, entry in state_dict["state"].items():
            param = by_number.get(number)
            state[number if param is None else param] = (
                copy.deepcopy(entry)
                if param is None
                else {name: _restored(name, value, param) for name, value in entry.items()}
            )
        for group, old in zip(self.param_groups, saved):
            group.update({name: copy.deepcopy(v) for name, v in old.items() if name not in _NOT_OPTIONS})
        self.state = state

    def __repr__(self) -> str:
        lines = [f"{type(self).__name__} ("]
        for index, group in enumerate(self.param_groups):
            lines.append(f"Parameter Group {index}")
            lines += [f"    {name}: {group[name]}" for name in sorted(group) if name != "params"]
        return "\n".join([*lines, ")"])


def check_state_device(name: str, state: Tensor, param: Tensor) -> None:
    """Refuse a state that stayed behind when its parameter was moved between the GPU and the host."""
    if state.is_cuda != param.is_cuda:
        raise ValueError(
            f"{name}: a parameter is on {param.device}, what is remembered of it on {state.device}: the model "
            "was moved after the first step. Make the optimizer after model.to(...); a new one takes over what the old "
            "one remembers by new.load_state_dict(old.state_dict())"
        )


def refuse_differentiable(name: str, differentiable: bool, foreach: bool | None, fused: bool | None) -> None:
    """Torch's choices of an implementation: ours is always the fused one, and never differentiable."""
    if differentiable:
        raise ValueError(f"{name}: differentiable=True: gradients through a step of the optimizer are not recorded")
    if fused and foreach:
        raise ValueError(f"{name}: fused and foreach cannot be True together")


def check_not_negative(text: str, value: Any) -> None:
    """Refuse a negative number, NaN, or a tensor of several numbers."""
    if isinstance(value, Tensor) and value.numel() != 1:
        raise ValueError(f"{text}: a tensor of one element is expected, got shape {tuple(value.shape)}")
    if not float(value) >= 0.0:
        raise ValueError(f"Invalid {text}: {value}; expected a number of at least 0")


def _name_params(group: dict[str, Any]) -> None:
    """Make ``group["params"]`` a list of tensors; names that came with them become ``group["param_names"]``."""
    params = group["params"]
    if isinstance(params, set):
        raise TypeError("params: expected an ordered collection, got a set, whose order changes between runs")
    entries = [params] if isinstance(params, Tensor) else list(params)
    names = [entry[0] for entry in entries if isinstance(entry, tuple)]
    if names and len(names) != len(entries):
        raise ValueError("params: some parameters came with names and some without; expected all or none")
    group["params"] = [entry[1] for entry in entries] if names else entries
    if names:
        group["param_names"] = names


def _restored(name: str, value: Any, param: Tensor) -> Any:
    """A copy of a saved value: arrays and tensors (torch's too) as tensors of the parameter's dtype and device."""
    if isinstance(value, (Tensor, np.ndarray)) or hasattr(value, "__dlpack__"):
        tensor = as_tensor(value).detach()
        if name == "step":  # a number that the CPU reads at every step
            return tensor.to(device="cpu" if param.is_cuda else param.device, copy=True)
        return tensor.to(dtype=param.dtype, device=param.device, copy=True)
    return copy.deepcopy(value)
