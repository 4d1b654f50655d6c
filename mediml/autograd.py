"""Reverse-mode automatic differentiation: the tape that every operator writes, and the walk back along it.

An operator computes its result with NumPy or a kernel and calls `record` with a function that turns the gradient of the
result into the gradients of its inputs. `backward` visits the recorded nodes from the newest to the oldest, so each
node has received all contributions to its gradient before it passes it on.

References
----------
A. Griewank, A. Walther, "Evaluating Derivatives", SIAM 2008, chapter 3. Taught in lesson 08, automatic differentiation.
"""

import heapq
import itertools
import threading
from collections.abc import Callable, Sequence
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from mediml import arrays

if TYPE_CHECKING:
    from mediml.tensor import Tensor

__all__ = ["Node", "backward", "enable_grad", "grad", "is_grad_enabled", "no_grad", "record", "set_grad_enabled"]

#: Gradients of the outputs in, gradients of the inputs out (None: no gradient for this input).
BackwardFunction: TypeAlias = Callable[..., tuple["np.ndarray | None", ...]]

_creation_order = itertools.count()


class Node:
    """One operation on the tape.

    Attributes
    ----------
    name : str
        The operator, as in ``grad_fn=<conv2d>``.
    next_nodes : tuple of (Node, int) or None
        For each input the node that made it and which of that node's outputs it is.
    """

    def __init__(self, name: str, next_nodes: tuple["tuple[Node, int] | None", ...], function: BackwardFunction | None):
        self.name = name
        self.next_nodes = next_nodes
        self.function = function
        self.order = next(_creation_order)
        self.saved: list[tuple[Tensor, int]] = []
        self.output_shapes: list[tuple[tuple[int, ...], np.dtype[Any]]] = []
        self.output_hooks: dict[int, list[Callable[[Tensor], Tensor | None]]] = {}

    def __repr__(self) -> str:
        return f"<{self.name}>"

    def backward(self, gradients: list["np.ndarray | None"]) -> tuple["np.ndarray | None", ...]:
        """Gradients of the inputs from those of the outputs; an output that nothing used counts as zeros."""
        if self.function is None:
            raise RuntimeError(
                f"{self.name}: backward was already called through this graph and what it had saved is gone; "
                f"pass retain_graph=True to the first call to walk it twice"
            )
        for tensor, version in self.saved:
            if tensor._version != version:
                raise RuntimeError(
                    f"{self.name}: a tensor of shape {tuple(tensor.shape)} that its gradient needs was changed "
                    f"in place (it is at version {tensor._version}, expected version {version}); "
                    f"change a copy instead: x = x.clone()"
                )
        result = self.function(*(gradients if len(gradients) == 1 else self._filled(gradients)))
        if len(result) != len(self.next_nodes):
            raise RuntimeError(f"{self.name}: backward gave {len(result)} gradients for {len(self.next_nodes)} inputs")
        return result

    def _filled(self, gradients: list["np.ndarray | None"]) -> list[np.ndarray]:
        """Zeros, made where the others lie, for the outputs that nothing used."""
        present = next(gradient for gradient in gradients if gradient is not None)
        return [
            arrays.zeros(shape, dtype, present) if gradient is None else gradient
            for gradient, (shape, dtype) in zip(gradients, self.output_shapes)
        ]

    def release(self) -> None:
        """Let go of what backward has used."""
        self.function = None
        self.saved = []


class _Leaf(Node):
    """Where the walk ends: adds to ``.grad`` of a tensor that the user made."""

    def __init__(self, tensor: "Tensor"):
        super().__init__("leaf", (), None)
        self.tensor = tensor


class _GradMode(threading.local):
    enabled = True


_mode = _GradMode()


def is_grad_enabled() -> bool:
    """Whether operators are recorded in this thread."""
    return _mode.enabled


class set_grad_enabled:  # noqa: N801 - torch's name
    """Switch recording on or off: at once, and until the end of a ``with`` block if used as one."""

    def __init__(self, mode: bool):
        self._new = bool(mode)
        self._previous: list[bool] = [_mode.enabled]
        _mode.enabled = self._new

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        _mode.enabled = self._previous.pop()  # used as a decorator: nothing is switched until the call
        return _switching(function, self._new)

    def __enter__(self) -> None:
        _mode.enabled = self._new

    def __exit__(self, *exception: object) -> None:
        _mode.enabled = self._previous[-1]


def _switching(function: Callable[..., Any], value: bool) -> Callable[..., Any]:
    @wraps(function)
    def switched(*args: Any, **kwargs: Any) -> Any:
        with set_grad_enabled(value):
            return function(*args, **kwargs)

    return switched


class _Switch:
    _value: bool

    def __new__(cls, function: Callable[..., Any] | None = None) -> Any:
        return (
            super().__new__(cls) if function is None else _switching(function, cls._value)
        )  # @no_grad, no parentheses

    def __init__(self) -> None:
        self._previous: list[bool] = []

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        return _switching(function, self._value)

    def __enter__(self) -> None:
        self._previous.append(_mode.enabled)
        _mode.enabled = self._value

    def __exit__(self, *exception: object) -> None:
        _mode.enabled = self._previous.pop()


class no_grad(_Switch):  # noqa: N801 - torch's name
    """Record nothing inside the ``with`` block or the decorated function."""

    _value = False


class enable_grad(_Switch):  # noqa: N801 - torch's name
    """Record inside the ``with`` block or the decorated function, also within `no_grad`."""

    _value = True


def record(
    name: str,
    output: "np.ndarray | tuple[np.ndarray, ...]",
    inputs: "Sequence[Tensor | None]",
    function: BackwardFunction,
    saved: "Sequence[Tensor | None]" = (),
    saves_output: bool = False,
) -> Any:
    """Wrap an operator's result in tensors and, where an input requires a gradient, write the operation on the tape.

    Parameters
    ----------
    name : str
    output : ndarray or tuple of ndarray
        Integer arrays among them (indices) never require a gradient.
    inputs : sequence of Tensor or None
    function : callable
        Takes one gradient per output and returns one per input, of the input's shape; None where there is none. It
        returns new arrays, views, or the gradient it was given, and never changes what it is given.
    saved : sequence of Tensor, optional
        Inputs whose values `function` reads. An in-place change of one of them makes `backward` raise.
    saves_output : bool
        Whether `function` reads the output's values; then the same holds for the output.

    Returns
    -------
    Tensor, or tuple of Tensor where `output` is a tuple
    """
    from mediml.tensor import from_array  # here: tensor.py builds on this module

    device = next(tensor.device for tensor in inputs if tensor is not None)
    arrays = output if isinstance(output, tuple) else (output,)
    tensors = tuple(from_array(array, device) for array in arrays)
    if _mode.enabled and any(tensor is not None and tensor.requires_grad for tensor in inputs):
        node = Node(name, tuple(_edge(tensor) for tensor in inputs), function)
        node.saved = [(tensor, tensor._version) for tensor in saved if tensor is not None]
        for index, tensor in enumerate(tensors):
            node.output_shapes.append((tensor.shape, tensor.dtype))
            if tensor.dtype.kind == "f":
                tensor._attach(node, index)
        if saves_output:
            # Guard a detached alias: the node must not hold its own output alive.
            node.saved.extend((alias, alias._version) for alias in (tensor.detach() for tensor in tensors))
    return tensors if isinstance(output, tuple) else tensors[0]


def _edge(tensor: "Tensor | None") -> tuple[Node, int] | None:
    if tensor is None or not tensor.requires_grad:
        return None
    if tensor._node is None:
        return _Leaf(tensor), 0
    return tensor._node, tensor._output_index


def backward(
    tensors: "Tensor | Sequence[Tensor]",
    grad_tensors: "Tensor | Sequence[Tensor | None] | None" = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: "Tensor | Sequence[Tensor] | None" = None,
) -> None:
    """Add the gradient of `tensors` to ``.grad`` of every leaf that they depend on.

    Parameters
    ----------
    tensors : Tensor or sequence of Tensor
        Usually the loss.
    grad_tensors : Tensor or sequence of Tensor, optional
        Gradients of something for `tensors`, of their shapes. May be omitted for tensors of one element: then 1.
    retain_graph : bool, optional
        Keep what the operators have saved, so that the graph can be walked again.
    create_graph : bool
        Must be False: gradients of gradients are not recorded.
    inputs : Tensor or sequence of Tensor, optional
        Only these leaves get a gradient.
    """
    roots = _as_sequence(tensors)
    wanted = None if inputs is None else _as_sequence(inputs)
    if wanted is not None and not wanted:
        raise ValueError("backward: inputs is empty; leave it out to reach all leaves")
    leaves, captured = _walk(roots, grad_tensors, retain_graph, create_graph, wanted)
    for tensor, gradient in captured:
        _accumulate(tensor, gradient)
    if wanted is None:
        for tensor, gradient in leaves:
            _accumulate(tensor, gradient)


def grad(
    outputs: "Tensor | Sequence[Tensor]",
    inputs: "Tensor | Sequence[Tensor]",
    grad_outputs: "Tensor | Sequence[Tensor | None] | None" = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    allow_unused: bool | None = None,
) -> "tuple[Tensor | None, ...]":
    """Gradient of `outputs` for each of `inputs`, without touching any ``.grad``. Arguments as in `backward`.

    Raises
    ------
    ValueError
        If an input does not require a gradient, or was not used and `allow_unused` is not True.
    """
    from mediml.tensor import from_array

    wanted = _as_sequence(inputs)
    for position, tensor in enumerate(wanted):
        if not tensor.requires_grad:
            raise ValueError(f"grad: input {position} does not require a gradient; call requires_grad_() on it")
    _, captured = _walk(_as_sequence(outputs), grad_outputs, retain_graph, create_graph, wanted)
    found = {id(tensor): gradient for tensor, gradient in captured}
    for position, tensor in enumerate(wanted):
        if id(tensor) not in found and not allow_unused:
            raise ValueError(
                f"grad: input {position} was not used for the outputs; allow_unused=True gives None for it"
            )
    return tuple(from_array(found[id(t)], t.device) if id(t) in found else None for t in wanted)


def _walk(
    roots: "Sequence[Tensor]",
    seeds: "Tensor | Sequence[Tensor | None] | None",
    retain_graph: bool | None,
    create_graph: bool,
    wanted: "Sequence[Tensor] | None",
) -> "tuple[list[tuple[Tensor, np.ndarray]], list[tuple[Tensor, np.ndarray]]]":
    """Go back from the roots. Returns the leaves reached with their gradients, and the same for what was wanted."""
    if create_graph:
        raise ValueError("create_graph=True: gradients of gradients are not recorded; derive the formula and record it")
    seeds = [None] * len(roots) if seeds is None else _as_sequence(seeds)
    if len(seeds) != len(roots):
        raise ValueError(f"backward: expected {len(roots)} gradients, one per tensor, got {len(seeds)}")
    pending: dict[Node, list[np.ndarray | None]] = {}
    queue: list[tuple[int, Node]] = []
    leaf_gradients: dict[int, tuple[Tensor, np.ndarray]] = {}

    def deliver(edge: tuple[Node, int], gradient: np.ndarray) -> None:
        node, index = edge
        if isinstance(node, _Leaf):
            key = id(node.tensor)
            before = leaf_gradients.get(key)
            leaf_gradients[key] = (node.tensor, gradient if before is None else before[1] + gradient)
            return
        if node not in pending:
            pending[node] = [None] * len(node.output_shapes)
            heapq.heappush(queue, (-node.order, node))
        slots = pending[node]
        slot = slots[index]
        slots[index] = gradient if slot is None else slot + gradient

    for root, seed in zip(roots, seeds):
        edge = _edge(root)
        if edge is None:
            raise ValueError("backward: the tensor does not require a gradient, and nothing it was made from does")
        deliver(edge, _seed(root, seed))
    wanted_outputs = {(t._node, t._output_index): t for t in wanted or () if t._node is not None}
    captured: list[tuple[Tensor, np.ndarray]] = []
    while queue:
        _, node = heapq.heappop(queue)
        gradients = pending.pop(node)
        for index, hooks in node.output_hooks.items():
            gradients[index] = _run_hooks(hooks, gradients[index])
        for index, gradient in enumerate(gradients):
            if (node, index) in wanted_outputs and gradient is not None:
                captured.append((wanted_outputs[node, index], gradient))
        for edge, gradient in zip(node.next_nodes, node.backward(gradients)):
            if edge is not None and gradient is not None:
                deliver(edge, gradient)
        if not retain_graph:
            node.release()
    leaves = [(tensor, _run_hooks(tensor._hooks, gradient)) for tensor, gradient in leaf_gradients.values()]
    wanted_leaves = {id(tensor) for tensor in wanted or ()}
    captured.extend(pair for pair in leaves if id(pair[0]) in wanted_leaves)
    return leaves, captured


def _seed(root: "Tensor", gradient: "Tensor | None") -> np.ndarray:
    if gradient is None:
        if root._array.size != 1:
            raise ValueError(
                f"backward: only a tensor of one element has an implicit gradient, got shape {tuple(root.shape)}; "
                f"reduce it (.sum(), .mean()) or pass gradient"
            )
        return arrays.ones(root.shape, root.dtype, root.device)
    if gradient.shape != root.shape:
        raise ValueError(
            f"backward: gradient expects shape {tuple(root.shape)}, that of its tensor, got {tuple(gradient.shape)}"
        )
    return gradient._array.astype(root.dtype, copy=False)


def _run_hooks(hooks: "Sequence[Callable[[Tensor], Tensor | None]]", gradient: Any) -> Any:
    from mediml.tensor import from_array

    for hook in tuple(hooks):
        if gradient is not None:
            replaced = hook(from_array(gradient))
            gradient = gradient if replaced is None else replaced._array
    return gradient


def _accumulate(tensor: "Tensor", gradient: np.ndarray) -> None:
    """Add to ``tensor.grad``. The first gradient is copied: it may be a view, or shared with another leaf."""
    from mediml.tensor import from_array

    if tensor.grad is None:
        tensor.grad = from_array(arrays.copied(gradient, tensor.dtype), tensor.device)
    else:
        tensor.grad._array += gradient
        tensor.grad._bump_version()


def _as_sequence(tensors: Any) -> Any:
    return tensors if isinstance(tensors, (tuple, list)) else (tensors,)
