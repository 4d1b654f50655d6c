"""Modules that hold modules: in a chain, in a list, by name; and lists and dicts of parameters."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from mediml.nn.modules.module import Module
from mediml.nn.parameter import Parameter
from mediml.tensor import Tensor

__all__ = ["ModuleDict", "ModuleList", "ParameterList", "Sequential"]


class _Numbered(Module):
    """Modules under the names "0", "1", …"""

    def _position(self, index: int) -> str:
        size = len(self)
        if not -size <= index < size:
            raise IndexError(f"{self._get_name()}: index {index} is outside its {size} modules")
        return list(self._modules)[index]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._modules.values())

    def __setitem__(self, index: int, module: Module) -> None:
        self._modules[self._position(index)] = module

    def _replace_all(self, modules: Iterable[Module | None]) -> None:
        self._modules.clear()
        for position, module in enumerate(modules):
            self.add_module(str(position), module)

    def __delitem__(self, index: "int | slice") -> None:
        kept = list(self._modules.values())
        del kept[index]
        self._replace_all(kept)

    def append(self, module: Module) -> Any:
        """Add a module at the end."""
        self.add_module(str(len(self)), module)
        return self

    def extend(self, modules: Iterable[Module]) -> Any:
        """Add several modules at the end."""
        for module in modules:
            self.append(module)
        return self

    def insert(self, index: int, module: Module) -> Any:
        """Add a module before a position."""
        together = list(self._modules.values())
        together.insert(index, module)
        self._replace_all(together)
        return self


class Sequential(_Numbered):
    """Modules in a chain: each receives what the one before it returned.

    Parameters
    ----------
    *args : Module, or one mapping of names to modules
    """

    def __init__(self, *args: Any):
        super().__init__()
        if len(args) == 1 and isinstance(args[0], Mapping):
            for name, module in args[0].items():
                self.add_module(name, module)
        else:
            self._replace_all(args)

    def forward(self, input: Any) -> Any:
        """The chain applied to `input`."""
        for module in self._modules.values():
            input = module(input)
        return input

    def __getitem__(self, index: "int | slice") -> Any:
        if isinstance(index, slice):
            return type(self)(OrderedDict(list(self._modules.items())[index]))
        return self._modules[self._position(index)]


class ModuleList(_Numbered):
    """A list of modules whose parameters are registered; its forward is for the user to write."""

    def __init__(self, modules: Iterable[Module] | None = None):
        super().__init__()
        self.extend(modules or ())

    def __getitem__(self, index: "int | slice") -> Any:
        if isinstance(index, slice):
            return type(self)(list(self._modules.values())[index])
        return self._modules[self._position(index)]


class ModuleDict(Module):
    """Modules by name, with their parameters registered."""

    def __init__(self, modules: "Mapping[str, Module] | None" = None):
        super().__init__()
        self.update(modules or {})

    def update(self, modules: "Mapping[str, Module]") -> None:
        """Add or replace modules by name."""
        for name, module in modules.items():
            self[name] = module

    def __getitem__(self, name: str) -> Any:
        return self._modules[name]

    def __setitem__(self, name: str, module: Module) -> None:
        self.add_module(name, module)

    def __delitem__(self, name: str) -> None:
        del self._modules[name]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, name: str) -> bool:
        return name in self._modules

    def keys(self) -> Any:
        """The names."""
        return self._modules.keys()

    def items(self) -> Any:
        """Names and modules."""
        return self._modules.items()

    def values(self) -> Any:
        """The modules."""
        return self._modules.values()


class ParameterList(Module):
    """A list of parameters, registered under the names "0", "1", …"""

    def __init__(self, values: Iterable[Tensor] | None = None):
        super().__init__()
        for value in values or ():
            self.append(value)

    def append(self, value: Tensor) -> "ParameterList":
        """Add a parameter at the end; a tensor becomes one."""
        parameter = value if isinstance(value, Parameter) else Parameter(value)
        self.register_parameter(str(len(self)), parameter)
        return self

    def __len__(self) -> int:
        return len(self._parameters)

    def __iter__(self) -> Iterator[Any]:
        return iter(self._parameters.values())

    def __getitem__(self, index: int) -> Any:
        return list(self._parameters.values())[index]
