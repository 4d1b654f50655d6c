"""Tensors that a module owns: parameters, which an optimizer changes, and buffers, which are only state."""

from mediml.tensor import Tensor, from_array

__all__ = ["Buffer", "Parameter"]


class Parameter(Tensor):
    """A tensor that a `Module` registers when it is assigned as an attribute.

    Parameters
    ----------
    data : Tensor, optional
        Its memory is shared, not copied. Empty if left out.
    requires_grad : bool
    """

    def __init__(self, data: Tensor | None = None, requires_grad: bool = True):
        source = Tensor() if data is None else data
        if not isinstance(source, Tensor):
            raise TypeError(f"Parameter: expected a mediml.Tensor, got {type(source).__name__}")
        self._set(source._array, source.device)
        self.requires_grad_(requires_grad)

    def __repr__(self) -> str:
        return f"Parameter containing:\n{super().__repr__()}"


class Buffer(Tensor):
    """A tensor that a `Module` registers as a buffer when it is assigned as an attribute."""

    def __init__(self, data: Tensor | None = None, *, persistent: bool = True):
        source = from_array(Tensor()._array) if data is None else data
        self._set(source._array, source.device)
        self.persistent = persistent
