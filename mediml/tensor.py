"""The tensor: an array, and where it stands on the tape.

What can be done with a tensor lives in ``mediml/ops`` (arithmetic, reductions, shapes, indexing) under torch's names;
`mediml.ops.methods` attaches each of these functions as a method as well.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mediml import arrays, autograd
from mediml.bookkeeping import HookHandle, Size, Version
from mediml.device import CPU, Device
from mediml.dtypes import default_float, dtype_name

__all__ = ["Tensor", "from_array"]


class Tensor:
    """An n-dimensional array with a gradient.

    Made by `mediml.tensor`, `mediml.from_numpy`, `mediml.zeros` …; the constructor itself takes anything that
    `numpy.asarray` takes and makes a tensor of the default floating dtype, as ``torch.Tensor(data)`` does.

    Attributes
    ----------
    shape : Size
    dtype : numpy.dtype
        ``mediml.float32`` is ``numpy.dtype("float32")``.
    device : Device
    requires_grad : bool
    grad : Tensor or None
        What `backward` has added up; None before, and for tensors that are not leaves.
    grad_fn : Node or None
        The operation that made it.
    """

    __array_priority__ = 1000  # ndarray + Tensor is Tensor.__radd__

    def __init__(self, data: ArrayLike = (), *, device: str | Device | None = None):
        place = CPU if device is None else Device(device)
        self._set(arrays.moved(np.array(data, default_float()), place), place)

    def _set(self, array: NDArray[Any], device: Device) -> None:
        self._array = array
        self._device = device
        self._requires_grad = False
        self._node: autograd.Node | None = None
        self._output_index = 0
        self._version_counter = Version()
        self._base: Tensor | None = None
        self._hooks: list[Callable[[Tensor], Tensor | None]] = []
        self.grad: Tensor | None = None

    if TYPE_CHECKING:  # attached by mediml.ops.methods

        def __getattr__(self, name: str) -> Any: ...
        def _unary(self) -> "Tensor": ...
        def _binary(self, other: Any) -> "Tensor": ...
        def __getitem__(self, index: Any) -> "Tensor": ...
        def __setitem__(self, index: Any, value: Any) -> None: ...

        __neg__ = __abs__ = __invert__ = _unary
        __add__ = __radd__ = __iadd__ = __sub__ = __rsub__ = __isub__ = __mul__ = __rmul__ = __imul__ = _binary
        __truediv__ = __rtruediv__ = __itruediv__ = __pow__ = __rpow__ = __ipow__ = __matmul__ = _binary
        __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __and__ = __or__ = __xor__ = _binary
        __lt__ = __le__ = __gt__ = __ge__ = _binary
        __eq__ = __ne__ = _binary  # type: ignore[assignment]

    # -- what it is ------------------------------------------------------------------------------------------------

    @property
    def shape(self) -> Size:
        return Size(self._array.shape)

    @property
    def dtype(self) -> "np.dtype[Any]":
        return self._array.dtype

    @property
    def device(self) -> Device:
        return self._device

    @property
    def ndim(self) -> int:
        return self._array.ndim

    @property
    def requires_grad(self) -> bool:
        return self._requires_grad

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    @property
    def grad_fn(self) -> "autograd.Node | None":
        return self._node

    @property
    def is_cuda(self) -> bool:
        return self._device.type == "cuda"

    @property
    def is_leaf(self) -> bool:
        return self._node is None

    @property
    def data(self) -> "Tensor":
        """The same memory without the tape. Changes through it are not seen by the tape's checks."""
        alias = self.detach()
        alias._version_counter = Version()
        return alias

    @data.setter
    def data(self, value: "Tensor") -> None:
        self._array = value._array
        self._device = value._device

    @property
    def T(self) -> "Tensor":  # noqa: N802 - torch's name
        return self.permute(*reversed(range(self.ndim)))

    @property
    def mT(self) -> "Tensor":  # noqa: N802 - torch's name
        return self.transpose(-2, -1)

    def size(self, dim: int | None = None) -> Any:
        """The shape, or its entry `dim`."""
        return self.shape if dim is None else self.shape[dim]

    def dim(self) -> int:
        """Number of dimensions."""
        return self.ndim

    def numel(self) -> int:
        """Number of elements."""
        return int(self._array.size)

    nelement, ndimension = numel, dim

    def element_size(self) -> int:
        """Bytes of one element."""
        return self._array.itemsize

    def stride(self, dim: int | None = None) -> Any:
        """Steps between neighbours along each dimension, in elements."""
        steps = tuple(step // self._array.itemsize for step in self._array.strides)
        return steps if dim is None else steps[dim]

    def is_contiguous(self) -> bool:
        """Whether the elements lie in memory in C order."""
        return bool(self._array.flags.c_contiguous)

    def is_floating_point(self) -> bool:
        """Whether the dtype is a float."""
        return self._array.dtype.kind == "f"

    def data_ptr(self) -> int:
        """Address of the first element."""
        return int(self._array.ctypes.data)

    # -- out of the tensor -----------------------------------------------------------------------------------------

    def numpy(self, *, force: bool = False) -> NDArray[Any]:
        """The array behind the tensor, without a copy.

        Raises
        ------
        ValueError
            If the tensor requires a gradient; call ``.detach()`` first, or pass ``force=True``.
        TypeError
            If it is on a GPU; call ``.cpu()`` first, or pass ``force=True``, which copies.
        """
        if self._requires_grad and not force:
            raise ValueError("numpy: the tensor requires a gradient that an array cannot carry; use .detach().numpy()")
        if self.is_cuda and not force:
            raise TypeError(
                "numpy: the tensor is on a GPU, which NumPy cannot read; copy it to the host with .cpu().numpy()"
            )
        return arrays.to_host(self._array)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        array = self.numpy()
        if dtype is not None and np.dtype(dtype) != array.dtype:
            if copy is False:
                raise ValueError(f"array: a change from {array.dtype} to {np.dtype(dtype)} needs a copy")
            return array.astype(dtype)
        return array.copy() if copy else array

    def __dlpack__(self, **options: Any) -> Any:
        if self.is_cuda:
            return self._shared().__dlpack__(**options)
        return self.numpy().__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._array.__dlpack_device__()

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        if not self.is_cuda:
            raise AttributeError("__cuda_array_interface__: the tensor is not on a GPU")
        return self._shared().__cuda_array_interface__

    def _shared(self) -> Any:
        """The array, for another library."""
        if self._requires_grad:
            raise ValueError("the tensor requires a gradient that another library cannot carry; use .detach()")
        return self._array

    def item(self) -> Any:
        """The value of a tensor of one element, as a Python number."""
        if self._array.size != 1:
            raise ValueError(f"item: expected a tensor of one element, got shape {tuple(self.shape)}")
        return arrays.to_host(self._array).item()

    def tolist(self) -> Any:
        """The values as nested lists of Python numbers."""
        return arrays.to_host(self._array).tolist()

    def __float__(self) -> float:
        return float(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __index__(self) -> int:
        if self._array.dtype.kind not in "iub":
            raise TypeError(f"only an integer tensor can be used as an index, got {dtype_name(self.dtype)}")
        return int(self.item())

    def __bool__(self) -> bool:
        if self._array.size != 1:
            raise ValueError(
                f"bool: a tensor of shape {tuple(self.shape)} is neither true nor false; use .any() or .all()"
            )
        return bool(self.item())

    def __len__(self) -> int:
        if self.ndim == 0:
            raise TypeError("len() of a tensor without dimensions")
        return self._array.shape[0]

    def __iter__(self) -> Iterator["Tensor"]:
        if self.ndim == 0:
            raise TypeError("iteration over a tensor without dimensions")
        return (self[i] for i in range(len(self)))

    def __contains__(self, value: Any) -> bool:
        if value is None:
            return False
        return bool(arrays.to_host((self._array == (value._array if isinstance(value, Tensor) else value)).any()))

    def __hash__(self) -> int:
        return id(self)

    def __repr__(self) -> str:
        array = arrays.to_host(self._array)
        values = np.array2string(array, separator=", ", precision=4, suppress_small=True, prefix="tensor(")
        notes = [] if self.dtype in (default_float(), np.int64, np.bool_) else [f"dtype={dtype_name(self.dtype)}"]
        if self._device != CPU:
            notes.append(f"device={str(self._device)!r}")
        if self._node is not None:
            notes.append(f"grad_fn={self._node!r}")
        elif self._requires_grad:
            notes.append("requires_grad=True")
        return f"tensor({', '.join([values, *notes])})"

    def __format__(self, specification: str) -> str:
        return format(self.item(), specification) if self.ndim == 0 else format(str(self), specification)

    def __deepcopy__(self, memo: dict[int, Any]) -> "Tensor":
        if self._node is not None:
            raise ValueError("deepcopy: only a leaf can be copied deeply; use .clone() or .detach()")
        copy = type(self).__new__(type(self))
        memo[id(self)] = copy
        copy._set(self._array.copy(), self._device)
        copy._requires_grad = self._requires_grad
        copy.grad = None if self.grad is None else self.grad.__deepcopy__(memo)
        return copy

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_array": arrays.to_host(self._array)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._array = arrays.moved(self._array, self._device)

    # -- on the tape -----------------------------------------------------------------------------------------------

    def requires_grad_(self, requires_grad: bool = True) -> "Tensor":
        """Ask for a gradient (of a leaf of a floating dtype), or no longer."""
        if requires_grad and not self.is_floating_point():
            raise ValueError(
                f"requires_grad: expected a floating dtype, got {dtype_name(self.dtype)}; use .float() first"
            )
        if not requires_grad and self._node is not None:
            raise ValueError("requires_grad: only a leaf can do without a gradient; use .detach()")
        self._requires_grad = bool(requires_grad)
        return self

    def backward(
        self,
        gradient: "Tensor | None" = None,
        retain_graph: bool | None = None,
        create_graph: bool = False,
        inputs: "Sequence[Tensor] | None" = None,
    ) -> None:
        """Add the gradient of this tensor to ``.grad`` of every leaf it depends on; see `mediml.autograd.backward`."""
        autograd.backward(self, gradient, retain_graph, create_graph, inputs)

    def detach(self) -> "Tensor":
        """The same memory, not on the tape."""
        alias = from_array(self._array, self._device)
        alias._version_counter = self._version_counter
        return alias

    def retain_grad(self) -> None:
        """Keep the gradient of a tensor that is not a leaf in its ``.grad``, too."""
        if self._node is not None:
            self.register_hook(self._keep_gradient)

    def _keep_gradient(self, gradient: "Tensor") -> None:
        autograd._accumulate(self, gradient._array)

    def register_hook(self, hook: "Callable[[Tensor], Tensor | None]") -> "HookHandle":
        """Call ``hook(gradient)`` when the gradient of this tensor is known; what it returns replaces the gradient."""
        if not self._requires_grad:
            raise ValueError("register_hook: the tensor does not require a gradient")
        hooks = self._hooks if self._node is None else self._node.output_hooks.setdefault(self._output_index, [])
        hooks.append(hook)
        return HookHandle(hooks, hook)

    @property
    def _version(self) -> int:
        return self._version_counter.value

    def _bump_version(self) -> None:
        """Say that the memory was changed in place."""
        self._version_counter.value += 1

    def _attach(self, node: autograd.Node, output_index: int) -> None:
        self._node, self._output_index, self._requires_grad = node, output_index, True

    def _as_view_of(self, base: "Tensor") -> "Tensor":
        """Mark this tensor as sharing the memory of `base`."""
        self._base = base if base._base is None else base._base
        self._version_counter = base._version_counter
        return self

    def _overwrite(self, result: "Tensor") -> "Tensor":
        """Take over the values of `result` in this tensor's own memory, and its place on the tape.

        Every in-place operation ends here. What computed `result` must not read this tensor's values afterwards: it
        works on a ``clone()`` where its gradient needs them.
        """
        tracked = autograd.is_grad_enabled() and (result.requires_grad or self._requires_grad)
        if tracked and self._node is None and self._requires_grad:
            raise ValueError("in-place: a leaf that requires a gradient cannot be changed; use no_grad(), or a copy")
        if tracked and self._base is not None:
            raise ValueError("in-place: a view of a tensor on the tape cannot be changed; change the tensor itself")
        if result.device != self.device:
            raise ValueError(f"in-place: expected a result on {self.device}, got {result.device}; move it with .to()")
        if np.broadcast_shapes(result._array.shape, self._array.shape) != self._array.shape:
            raise ValueError(f"in-place: result of shape {tuple(result.shape)} does not fit into {tuple(self.shape)}")
        if not np.can_cast(result.dtype, self.dtype, "same_kind"):
            raise ValueError(f"in-place: {dtype_name(result.dtype)} cannot be stored in {dtype_name(self.dtype)}")
        self._array[...] = result._array
        self._bump_version()
        if tracked and result._node is not None:
            self._attach(result._node, result._output_index)
        return self


def from_array(array: Any, device: Device = CPU) -> Tensor:
    """A tensor around an array, without copy or check: for operators' results. One on the GPU is on ``"cuda"``."""
    result = Tensor.__new__(Tensor)
    if isinstance(array, np.ndarray):  # nearly always
        result._set(array, device)
    elif arrays.on_device(array):
        result._set(array, device if device.type == "cuda" else Device("cuda"))
    else:
        result._set(np.asarray(array), device)
    return result
