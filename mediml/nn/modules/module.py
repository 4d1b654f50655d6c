"""The base of all layers and models: owns parameters, buffers and other modules, and knows them by name."""

import functools
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

import numpy as np

from mediml import arrays, autograd
from mediml.device import Device
from mediml.dtypes import to_dtype
from mediml.interchange import as_tensor
from mediml.nn.modules.hooks import HooksDict, RemovableHandle
from mediml.nn.parameter import Buffer, Parameter
from mediml.tensor import Tensor

__all__ = ["Module"]


class IncompatibleKeys(NamedTuple):
    """What `Module.load_state_dict` did not find, and what it found no place for."""

    missing_keys: list[str]
    unexpected_keys: list[str]


class Module:
    """Base class: assign parameters and modules as attributes in ``__init__``, compute in ``forward``.

    Attributes
    ----------
    training : bool
        Set by `train` and `eval`; dropout and normalisation layers behave accordingly.
    """

    training: bool
    forward: Callable[..., Any]

    #: Of its own parameters and buffers, those that a state to load may lack; they then keep their values.
    _optional_keys: frozenset[str] = frozenset()

    def __init__(self) -> None:
        fields = {
            "training": True,
            "_parameters": OrderedDict(),
            "_buffers": OrderedDict(),
            "_modules": OrderedDict(),
            "_not_saved": set(),
            "_forward_hooks": HooksDict(),
            "_forward_pre_hooks": HooksDict(),
        }
        for name, value in fields.items():
            object.__setattr__(self, name, value)

    # -- attributes ------------------------------------------------------------------------------------------------

    def __setattr__(self, name: str, value: Any) -> None:
        registries = self.__dict__
        if "_parameters" not in registries:
            if isinstance(value, (Parameter, Module)):
                raise AttributeError(f"{type(self).__name__}: call super().__init__() before assigning {name!r}")
            object.__setattr__(self, name, value)
        elif isinstance(value, Parameter):
            self._forget(name)
            self.register_parameter(name, value)
        elif isinstance(value, Module):
            self._forget(name)
            self._modules[name] = value
        elif isinstance(value, Buffer):
            self._forget(name)
            self.register_buffer(name, value, value.persistent)
        elif name in self._parameters and value is not None:
            raise TypeError(
                f"{type(self).__name__}.{name}: expected a Parameter or None, got {type(value).__name__}; "
                f"wrap it in nn.Parameter"
            )
        elif (registry := self._registry_of(name)) is not None and (value is None or isinstance(value, Tensor)):
            registry[name] = value
        else:
            self._forget(name)
            object.__setattr__(self, name, value)

    def __getattr__(self, name: str) -> Any:
        for registry in ("_parameters", "_buffers", "_modules"):
            if name in self.__dict__.get(registry, ()):
                return self.__dict__[registry][name]
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __delattr__(self, name: str) -> None:
        if self._registry_of(name) is None:
            object.__delattr__(self, name)
        self._forget(name)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *self._parameters, *self._buffers, *self._modules})

    def _registry_of(self, name: str) -> Any:
        return next((r for r in (self._parameters, self._buffers, self._modules) if name in r), None)

    def _forget(self, name: str) -> None:
        self.__dict__.pop(name, None)
        for registry in (self._parameters, self._buffers, self._modules):
            registry.pop(name, None)
        self._not_saved.discard(name)

    def _check_name(self, kind: str, name: str) -> None:
        if not isinstance(name, str):
            raise TypeError(f"{kind} name: expected a str, got {type(name).__name__}")
        if not name or "." in name:
            raise KeyError(f"{kind} name: expected a name without a dot, got {name!r}")
        if hasattr(self, name) and self._registry_of(name) is None:
            raise KeyError(f"attribute {name!r} already exists")

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Own a parameter under a name; None keeps the name without a parameter."""
        self._check_name("parameter", name)
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(f"register_parameter: expected a Parameter or None, got {type(param).__name__}")
        self._parameters[name] = param

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Own a tensor that is state but not trained; saved with the module if `persistent`."""
        self._check_name("buffer", name)
        if tensor is not None and not isinstance(tensor, Tensor):
            raise TypeError(f"register_buffer: expected a Tensor or None, got {type(tensor).__name__}")
        self._buffers[name] = tensor
        (self._not_saved.discard if persistent else self._not_saved.add)(name)

    def add_module(self, name: str, module: "Module | None") -> None:
        """Own another module under a name."""
        self._check_name("module", name)
        if module is not None and not isinstance(module, Module):
            raise TypeError(f"add_module: expected a Module or None, got {type(module).__name__}")
        self._modules[name] = module

    register_module = add_module

    # -- calls and hooks -------------------------------------------------------------------------------------------

    def __call__(self, *inputs: Any, **options: Any) -> Any:
        for hook, with_options in self._forward_pre_hooks.items_in_order():
            changed = hook(self, inputs, options) if with_options else hook(self, inputs)
            if changed is not None:
                if with_options:
                    inputs, options = changed
                else:
                    inputs = changed if isinstance(changed, tuple) else (changed,)
        output = self.forward(*inputs, **options)
        for hook, with_options in self._forward_hooks.items_in_order():
            changed = hook(self, inputs, options, output) if with_options else hook(self, inputs, output)
            output = output if changed is None else changed
        return output

    def register_forward_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, inputs, output)`` after every forward; what it returns replaces the output."""
        return self._forward_hooks.add(hook, prepend, with_kwargs)

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """Call ``hook(module, inputs)`` before every forward; what it returns replaces the inputs."""
        return self._forward_pre_hooks.add(hook, prepend, with_kwargs)

    def register_full_backward_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """Call ``hook(module, None, (grad_output,))`` when the gradient of the module's output is known.

        The gradient of the input is not passed on (None): ask the input tensor itself with ``register_hook``.
        """

        def watch(module: Module, inputs: Any, output: Any) -> None:
            if isinstance(output, Tensor) and output.requires_grad:
                output.register_hook(lambda gradient: hook(module, None, (gradient,)))

        return self.register_forward_hook(watch)

    # -- what it owns ----------------------------------------------------------------------------------------------

    def named_modules(
        self, memo: set[int] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, "Module"]]:
        """This module and all below it, each with its dotted name ("" for this one)."""
        memo = set() if memo is None else memo
        if id(self) in memo:
            return
        if remove_duplicate:
            memo.add(id(self))
        yield prefix, self
        for name, module in self._modules.items():
            if module is not None:
                yield from module.named_modules(memo, f"{prefix}.{name}" if prefix else name, remove_duplicate)

    def modules(self) -> Iterator["Module"]:
        """This module and all below it."""
        return (module for _, module in self.named_modules())

    def named_children(self) -> Iterator[tuple[str, "Module"]]:
        """The modules directly below, by name."""
        return ((name, module) for name, module in self._modules.items() if module is not None)

    def children(self) -> Iterator["Module"]:
        """The modules directly below."""
        return (module for _, module in self.named_children())

    def _named_members(self, registry: str, prefix: str, recurse: bool, unique: bool) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()
        owners = self.named_modules(prefix=prefix, remove_duplicate=unique) if recurse else [(prefix, self)]
        for owner_name, owner in owners:
            for name, member in getattr(owner, registry).items():
                if member is not None and not (unique and id(member) in seen):
                    seen.add(id(member))
                    yield (f"{owner_name}.{name}" if owner_name else name), member

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """Parameters of this module and those below, each with its dotted name."""
        return self._named_members("_parameters", prefix, recurse, remove_duplicate)

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """Parameters of this module and those below."""
        return (parameter for _, parameter in self.named_parameters(recurse=recurse))

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """Buffers of this module and those below, each with its dotted name."""
        return self._named_members("_buffers", prefix, recurse, remove_duplicate)

    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """Buffers of this module and those below."""
        return (buffer for _, buffer in self.named_buffers(recurse=recurse))

    def _get_by_path(self, kind: str, target: str, wanted: type) -> Any:
        found: Any = functools.reduce(getattr, target.split("."), self) if target else self
        if not isinstance(found, wanted):
            raise AttributeError(f"{target!r} is not a {kind}")
        return found

    def get_submodule(self, target: str) -> "Module":
        """The module with a dotted name."""
        return self._get_by_path("module", target, Module)

    def get_parameter(self, target: str) -> Parameter:
        """The parameter with a dotted name."""
        return self._get_by_path("parameter", target, Parameter)

    # -- state -----------------------------------------------------------------------------------------------------

    def state_dict(
        self, *, destination: Any = None, prefix: str = "", keep_vars: bool = False
    ) -> "OrderedDict[str, Tensor]":
        """Parameters and persistent buffers by dotted name, sharing memory with the module."""
        state: OrderedDict[str, Tensor] = OrderedDict() if destination is None else destination
        own = {**self._parameters, **{k: v for k, v in self._buffers.items() if k not in self._not_saved}}
        for name, tensor in own.items():
            if tensor is not None:
                state[prefix + name] = tensor if keep_vars else tensor.detach()
        for name, module in self.named_children():
            module.state_dict(destination=state, prefix=f"{prefix}{name}.", keep_vars=keep_vars)
        return state

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> IncompatibleKeys:
        """Copy values into parameters and buffers by name: tensors, arrays, or torch's CPU tensors.

        Nothing is copied where anything does not fit. What a layer owns only since a later version of torch, as
        `num_batches_tracked` of batch normalisation, may be missing.

        Raises
        ------
        ValueError
            If `strict` and names are missing or left over, or if a shape differs.
        """
        if not isinstance(state_dict, Mapping):
            raise TypeError(f"load_state_dict: expected a mapping, got {type(state_dict).__name__}")
        own = self.state_dict(keep_vars=True)
        given = {name: _as_array(value) for name, value in state_dict.items() if name in own}
        owners = self.named_modules(remove_duplicate=False)
        optional = {f"{path}.{key}" if path else key for path, owner in owners for key in owner._optional_keys}
        missing = [name for name in own if name not in state_dict and name not in optional]
        keys = IncompatibleKeys(missing, [name for name in state_dict if name not in own])
        faults = [
            f"{name}: expected shape {tuple(own[name].shape)}, got {array.shape}"
            for name, array in given.items()
            if array.shape != own[name].shape
        ]
        if strict:
            faults += [f"missing: {', '.join(keys.missing_keys)}"] if keys.missing_keys else []
            faults += [f"unexpected: {', '.join(keys.unexpected_keys)}"] if keys.unexpected_keys else []
        if faults:
            raise ValueError(f"load_state_dict of {type(self).__name__}: " + "; ".join(faults))
        for name, array in given.items():
            target = own[name]
            if assign:
                target._array = arrays.moved(arrays.copied(array), target.device)
            else:
                target._array[...] = arrays.moved(array, target.device)
            target._bump_version()
        return keys

    # -- everything below ------------------------------------------------------------------------------------------

    def apply(self, fn: Callable[["Module"], Any]) -> "Module":
        """Call a function on every module, children first; returns the module itself."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def train(self, mode: bool = True) -> "Module":
        """Behave as in training, here and below."""
        if not isinstance(mode, bool):
            raise ValueError(f"train: mode expects a bool, got {mode!r}")
        for module in self.modules():
            module.training = mode
        return self

    def eval(self) -> "Module":
        """Behave as in use: dropout off, running statistics."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> "Module":
        """Ask for gradients of all parameters, or no longer."""
        for parameter in self.parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters, or set them to 0."""
        for parameter in self.parameters():
            if set_to_none or parameter.grad is None:
                parameter.grad = None
            else:
                parameter.grad.detach().zero_()

    def to(self, device: Any = None, dtype: Any = None, non_blocking: bool = False) -> "Module":
        """Move all parameters and buffers to a device, floating ones also to a dtype."""
        if isinstance(device, (np.dtype, type)):
            device, dtype = None, device
        target = None if device is None else Device(device)
        float_dtype = None if dtype is None else to_dtype(dtype)
        with autograd.no_grad():
            for tensor in (*self.parameters(), *self.buffers()):
                for part in (tensor, tensor.grad):
                    if part is not None:
                        part.data = part.detach().to(
                            device=target, dtype=float_dtype if part.is_floating_point() else None
                        )
        return self

    def double(self) -> "Module":
        """Floating parameters and buffers as float64."""
        return self.to(dtype="float64")

    def float(self) -> "Module":
        """Floating parameters and buffers as float32."""
        return self.to(dtype="float32")

    def cpu(self) -> "Module":
        """Everything on the CPU."""
        return self.to("cpu")

    def cuda(self, device: Any = None) -> "Module":
        """Everything on the GPU."""
        return self.to("cuda" if device is None else Device(device))

    def extra_repr(self) -> str:
        """What stands between the parentheses of ``repr``; layers override it."""
        return ""

    def _get_name(self) -> str:
        return type(self).__name__

    def __repr__(self) -> str:
        extra = self.extra_repr()
        lines = [line for line in extra.split("\n") if extra]
        children = [f"({name}): " + repr(module).replace("\n", "\n  ") for name, module in self._modules.items()]
        if not children:
            return f"{self._get_name()}({extra})"
        return f"{self._get_name()}(\n  " + "\n  ".join(lines + children) + "\n)"


def _as_array(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value._array
    value = value.detach() if hasattr(value, "detach") else value
    if hasattr(value, "__cuda_array_interface__"):
        return as_tensor(value)._array
    return np.asarray(value)
