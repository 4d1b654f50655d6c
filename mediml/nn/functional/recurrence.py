"""Recurrent networks on arrays: layers upon layers, both directions, dropout between them, and the gradient of it all.

A network is one operation on the tape. Its gradient walks back through the layers and, in each kernel, through time.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from kernels.memory import FLOATS
from mediml import arrays
from mediml.autograd import record
from mediml.device import Device, backend
from mediml.random import kept
from mediml.tensor import Tensor

__all__ = ["checked_batch_sizes", "network", "step"]

Array = np.ndarray[Any, Any]

#: Rows of a weight for each number of the state.
_GATES = {"rnn_tanh": 1, "rnn_relu": 1, "gru": 3, "lstm": 4}


def network(
    op: str, input: Tensor, batch_sizes: Tensor | None, hx: Sequence[Tensor], params: Sequence[Tensor],
    has_biases: bool, num_layers: int, dropout: float, train: bool, bidirectional: bool, batch_first: bool,
) -> Any:  # fmt: skip
    """Check, compute, record; the one place where the forms of a batch are told apart."""
    kernels, directions = backend("rnn", input=input), 2 if bidirectional else 1
    batch = _Batch(op, input, batch_sizes, batch_first)
    names = _check(op, batch, hx, params, input, has_biases, num_layers, directions)
    drop = _Drop(backend("dropout", input=input), float(dropout) if train and num_layers > 1 else 0.0, input.device)
    if not 0 <= drop.p <= 1:
        raise ValueError(f"{op}: dropout expects a probability from 0 to 1, got {dropout}")
    states, weights = [state._array for state in hx], [tensor._array for tensor in params]
    x = batch.padded(input._array)
    y, lasts, layers = _forward(op, kernels, x, states, weights, names, directions, batch.lengths, drop)

    def backward(grad_y: Array, *grad_lasts: Array) -> tuple[Array | None, ...]:
        grad_y = batch.padded(grad_y)
        grad_x, grad_starts, grad_params = _backward(op, kernels, grad_y, grad_lasts, layers, names, drop)
        return batch.unpadded(grad_x), *grad_starts, *grad_params

    inputs = (input, *hx, *params)
    return record(op, (batch.unpadded(y), *lasts), inputs, backward, saved=inputs)


def _check_floats(op: str, label: str, tensor: Tensor) -> None:
    """Refuse what kernels do not compute."""
    if tensor.dtype not in FLOATS:
        raise TypeError(f"{op}: {label} expects float32 or float64, got {tensor.dtype}; convert it with .to()")


def checked_batch_sizes(op: str, batch_sizes: Tensor, rows: int) -> Any:
    """The array of `batch_sizes`; refused unless they do not grow and add up to `rows`."""
    sizes = arrays.to_host(batch_sizes._array)
    if sizes.ndim != 1 or sizes.dtype != np.int64 or sizes.size == 0:
        raise ValueError(f"{op}: batch_sizes expects one axis of int64, not empty, got {sizes.shape} of {sizes.dtype}")
    if sizes.min() < 0 or (np.diff(sizes) > 0).any() or sizes.sum() != rows:
        raise ValueError(
            f"{op}: batch_sizes expects numbers that do not grow and add up to the {rows} rows of data, "
            f"got {sizes.tolist()!s:.60}; use pack_padded_sequence or pack_sequence"
        )
    return sizes


class _Batch:
    """The sequences of a call: padded to (T, N, F) and back to the form in which they came."""

    def __init__(self, op: str, input: Tensor, batch_sizes: Tensor | None, batch_first: bool) -> None:
        self.name = "input" if batch_sizes is None else "data"
        self.lengths: Array | None = None
        self.inside: Array | None = None
        self.batch_first = batch_first
        axes = 3 if batch_sizes is None else 2
        if input.ndim != axes:
            raise ValueError(f"{op}: {self.name} expects {axes} axes, got shape {tuple(input.shape)}")
        _check_floats(op, self.name, input)
        if batch_sizes is None:
            self.T, self.N = (input.shape[1], input.shape[0]) if batch_first else input.shape[:2]
        else:
            self._read(op, input, batch_sizes)
        if self.T == 0:
            raise ValueError(f"{op}: {self.name} expects at least one step, got shape {tuple(input.shape)}")

    def _read(self, op: str, data: Tensor, batch_sizes: Tensor) -> None:
        sizes = checked_batch_sizes(op, batch_sizes, data.shape[0])
        self.T, self.N = len(sizes), int(sizes[0])
        inside = np.arange(self.N) < sizes[:, None]
        # on a GPU: which rows of (T * N, F) they are, copied there once
        self.inside = arrays.moved(np.flatnonzero(inside), data.device) if data.is_cuda else inside
        self.lengths = arrays.moved(inside.sum(0), data.device)

    def padded(self, array: Array) -> Array:
        """(T, N, F), 0 beyond a sequence's length."""
        if self.inside is None:
            return array.swapaxes(0, 1) if self.batch_first else array
        padded = arrays.zeros((self.T, self.N, array.shape[1]), array.dtype, array)
        self._rows(padded)[self.inside] = array
        return padded

    def _rows(self, array: Array) -> Array:
        """The array as `inside` tells its rows."""
        return array.reshape(self.T * self.N, -1) if arrays.on_device(array) else array

    def unpadded(self, array: Array) -> Array:
        """An array of its own, in the form in which the input came: changed in place, it changes no other."""
        if self.inside is not None:
            return self._rows(array)[self.inside]
        return arrays.copied(array.swapaxes(0, 1) if self.batch_first else array)


# -- layers ----------------------------------------------------------------------------------------------------------


class _Run(NamedTuple):
    """What one layer in one direction was given and what it gave, for its gradient."""

    slots: tuple[int, ...]  # where in `params` its tensors stand
    x: Array
    arguments: tuple[Any, ...]  # states before the first step, weights, lengths, reverse
    results: tuple[Array, ...]  # y, and what the kernel saves


class _Layer(NamedTuple):
    """A layer that was computed: one run or two, and the mask of the dropout before it."""

    runs: list[_Run]
    mask: Array | None


def _check(
    op: str, batch: _Batch, hx: Sequence[Tensor], params: Sequence[Tensor], input: Tensor, has_biases: bool,
    num_layers: int, directions: int,
) -> tuple[str, ...]:  # fmt: skip
    """What stands in `params` for each layer and direction; every shape and dtype checked."""
    count, dtype = 2 if op == "lstm" else 1, input.dtype
    if len(hx) != count:
        raise ValueError(f"{op}: hx expects {count} tensors, got {len(hx)}")
    if num_layers < 1:
        raise ValueError(f"{op}: num_layers expects a number of at least 1, got {num_layers}")
    labels = ("hx[0]", "hx[1]") if count == 2 else ("hx",)
    for label, state in zip(labels, hx):
        _expect(op, label, state, dtype, (num_layers * directions, batch.N, state.shape[-1] if state.ndim else 0))
    size_out, size_hid, size_in = hx[0].shape[2], hx[-1].shape[2], input.shape[-1]
    names = ("w_ih", "w_hh", *(("b_ih", "b_hh") if has_biases else ()), *(("w_hr",) if size_out != size_hid else ()))
    if len(params) != num_layers * directions * len(names):
        raise ValueError(
            f"{op}: params expects {num_layers * directions * len(names)} tensors, {', '.join(names)} for each of "
            f"{num_layers} layers in {directions} directions, got {len(params)}"
        )
    rows = _GATES[op] * size_hid
    for position, tensor in enumerate(params):
        layer, name = position // (directions * len(names)), names[position % len(names)]
        matrices = {
            "w_ih": (rows, directions * size_out if layer else size_in),
            "w_hh": (rows, size_out),
            "w_hr": (size_out, size_hid),
        }
        shape: tuple[int, ...] = matrices.get(name, (rows,))
        _expect(op, f"params[{position}] ({name} of layer {layer})", tensor, dtype, shape)
    return names


def _expect(op: str, label: str, tensor: Tensor, dtype: Any, shape: tuple[int, ...]) -> None:
    """Refuse a tensor of another dtype or shape."""
    if tensor.dtype != dtype:
        raise TypeError(f"{op}: {label} expects {dtype}, the dtype of the input, got {tensor.dtype}; convert one")
    if tuple(tensor.shape) != shape:
        raise ValueError(f"{op}: {label} expects shape {shape}, got {tuple(tensor.shape)}")


def _forward(
    op: str, kernels: Any, x: Array, states: Sequence[Array], params: Sequence[Array], names: tuple[str, ...],
    directions: int, lengths: Array | None, drop: "_Drop",
) -> tuple[Array, list[Array], list[_Layer]]:  # fmt: skip
    """Output of the last layer, states of all after the last step, and what the gradient needs."""
    forward, x = getattr(kernels, f"{op}_forward"), arrays.contiguous(x)
    lasts = [arrays.empty(state.shape, state.dtype, state) for state in states]
    layers: list[_Layer] = []
    for first in range(0, len(states[0]), directions):
        x, mask = drop.forward(x) if first else (x, None)
        runs = []
        for at in range(first, first + directions):
            slots = tuple(range(at * len(names), (at + 1) * len(names)))
            given = dict(zip(names, (params[slot] for slot in slots)))
            weights = [given["w_ih"], given["w_hh"], *([given.get("w_hr")] if op == "lstm" else [])]
            start, reverse = [state[at] for state in states], at > first
            y, *rest = forward(x, *start, *weights, given.get("b_ih"), given.get("b_hh"), lengths, reverse)
            for last, state in zip(lasts, rest):
                last[at] = state
            runs.append(_Run(slots, x, (*start, *weights, lengths, reverse), (y, *rest[len(states) :])))
        layers.append(_Layer(runs, mask))
        x = runs[0].results[0] if directions == 1 else np.concatenate([run.results[0] for run in runs], axis=2)
    return x, lasts, layers


def _backward(
    op: str, kernels: Any, grad: Array, grad_lasts: Sequence[Array], layers: Sequence[_Layer], names: tuple[str, ...],
    drop: "_Drop",
) -> tuple[Array, list[Array], list[Array]]:  # fmt: skip
    """Gradients of the input, of the states before the first step, and of the parameters, last layer first."""
    backward, directions, count = getattr(kernels, f"{op}_backward_all"), len(layers[0].runs), len(grad_lasts)
    grad_starts = [arrays.empty(state.shape, state.dtype, state) for state in grad_lasts]
    grad_params: dict[int, Array] = {}
    for number in reversed(range(len(layers))):
        grad_x: Any = 0
        for d, run in enumerate(layers[number].runs):
            at, width = number * directions + d, grad.shape[2] // directions
            share = grad[:, :, d * width : (d + 1) * width]
            after = [state[at] for state in grad_lasts]
            grad_input, *rest = backward(share, *after, run.x, *run.arguments, *run.results)
            for grad_start, state in zip(grad_starts, rest):
                grad_start[at] = state
            order = ("w_ih", "w_hh", *(("w_hr",) if op == "lstm" else ()), "b_ih", "b_hh")
            found = dict(zip(order, rest[count:]))
            grad_params.update(zip(run.slots, (found[name] for name in names)))
            grad_x = grad_input if d == 0 else grad_x + grad_input
        grad = drop.backward(grad_x, layers[number].mask)
    return grad, grad_starts, [grad_params[slot] for slot in sorted(grad_params)]


class _Drop(NamedTuple):
    """Dropout between the layers."""

    kernels: Any
    p: float
    device: Device

    def forward(self, x: Array) -> tuple[Array, Array | None]:
        """The input of the next layer, and which of its numbers were kept."""
        if self.p == 0:
            return x, None
        mask = kept(x.shape, self.p, self.device)
        return self.kernels.dropout_forward(x, mask, self.p), mask

    def backward(self, grad: Array, mask: Array | None) -> Array:
        """The gradient of what `forward` was given."""
        return grad if mask is None else self.kernels.dropout_backward_x(grad, mask, self.p)


def step(
    op: str, cell: str, input: Tensor, hx: Sequence[Tensor], w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None,
    b_hh: Tensor | None,
) -> tuple[Tensor, ...]:  # fmt: skip
    """A cell: a sequence of one step."""
    kernels = backend("rnn", input=input)
    _check_cell(op, cell, input, hx, w_ih, w_hh, b_ih, b_hh)
    start, x = [state._array for state in hx], input._array[None]
    weights = (w_ih._array, w_hh._array, *((None,) if op == "lstm" else ()))
    biases = [None if bias is None else bias._array for bias in (b_ih, b_hh)]
    y, *rest = getattr(kernels, f"{op}_forward")(x, *start, *weights, *biases, None, False)

    def backward(*grad_states: Array) -> tuple[Array | None, ...]:
        arguments = (np.zeros_like(y), *grad_states, x, *start, *weights, None, False, y, *rest[len(hx) :])
        grad_x, *grads = getattr(kernels, f"{op}_backward_all")(*arguments)
        if op == "lstm":
            del grads[4]  # of the projection, which a cell has not
        return grad_x[0], *grads

    inputs = (input, *hx, w_ih, w_hh, b_ih, b_hh)
    return record(cell, tuple(rest[: len(hx)]), inputs, backward, saved=inputs)


def _check_cell(
    op: str, cell: str, input: Tensor, hx: Sequence[Tensor], w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None,
    b_hh: Tensor | None,
) -> None:  # fmt: skip
    """Every shape and dtype."""
    count = 2 if op == "lstm" else 1
    if len(hx) != count:
        raise ValueError(f"{cell}: hx expects {count} tensors, got {len(hx)}")
    _check_floats(cell, "input", input)
    labels = ("hx[0]", "hx[1]") if count == 2 else ("hx",)
    for label, tensor in (("input", input), *zip(labels, hx)):
        if tensor.ndim != 2:
            raise ValueError(f"{cell}: {label} expects 2 axes (N, F), got shape {tuple(tensor.shape)}")
    batch_size, size_in, size_hid = *input.shape, hx[0].shape[1]
    rows = _GATES[op] * size_hid
    shapes: dict[str, tuple[Tensor, tuple[int, ...]]] = {
        label: (state, (batch_size, size_hid)) for label, state in zip(labels, hx)
    }
    shapes |= {"w_ih": (w_ih, (rows, size_in)), "w_hh": (w_hh, (rows, size_hid))}
    shapes |= {name: (bias, (rows,)) for name, bias in (("b_ih", b_ih), ("b_hh", b_hh)) if bias is not None}
    for label, (tensor, shape) in shapes.items():
        _expect(cell, label, tensor, input.dtype, shape)
