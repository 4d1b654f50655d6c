"""Recurrent networks under torch's names: layers and directions put together, kernels called, gradients recorded.

torch has these functions in its top level, not in torch.nn.functional. A network is one operation on the tape: its
gradient walks back through the layers and, inside each kernel, through time.
"""

from collections.abc import Callable, Sequence
from typing import Any

from mediml.nn.arguments import overloaded
from mediml.nn.functional.recurrence import network, step
from mediml.tensor import Tensor

__all__ = ["gru", "gru_cell", "lstm", "lstm_cell", "rnn_relu", "rnn_relu_cell", "rnn_tanh", "rnn_tanh_cell"]


def lstm(
    input: Tensor, hx: Sequence[Tensor], params: Sequence[Tensor], has_biases: bool, num_layers: int, dropout: float,
    train: bool, bidirectional: bool, batch_first: bool,
) -> tuple[Tensor, Tensor, Tensor]:  # fmt: skip
    """Layers of long short-term memory, one upon the other.

    Parameters
    ----------
    input : Tensor of shape (T, N, F_in), or (N, T, F_in) with `batch_first`, float32 or float64
        N sequences of T steps, T at least 1. L: `num_layers`. D: 2 if `bidirectional`, else 1.
    hx : sequence of two Tensor
        The states h of shape (L * D, N, F_out) and c of shape (L * D, N, F_hid) before the first step.
    params : sequence of Tensor
        For each layer and in it for each direction: w_ih (4 F_hid, F_in or D * F_out), w_hh (4 F_hid, F_out), with
        `has_biases` b_ih and b_hh (4 F_hid,), and where F_out differs from F_hid the projection w_hr (F_out, F_hid).
        The gates stand in the order i, f, g, o.
    has_biases : bool
    num_layers : int
    dropout : float
        Probability with which each number of the output of all layers but the last is set to 0, in training.
    train : bool
    bidirectional : bool
        Read each sequence from its end, too; the outputs of both directions stand side by side.
    batch_first : bool

    Returns
    -------
    output : Tensor of shape (T, N, D * F_out), or (N, T, D * F_out) with `batch_first`
        States of the last layer after each step.
    h_n : Tensor of shape (L * D, N, F_out)
    c_n : Tensor of shape (L * D, N, F_hid)
        States of all layers after the last step.

    Raises
    ------
    TypeError, ValueError
        If dtypes differ or shapes do not fit.

    Notes
    -----
    Formula: ``kernels.rnn.reference_lstm.lstm_forward``. Sequences of different lengths, as in torch:
    ``lstm(data, batch_sizes, hx, params, has_biases, num_layers, dropout, train, bidirectional)`` with what
    `mediml.nn.utils.rnn.PackedSequence` holds; the output is then of the form of `data`.
    """
    options = (has_biases, num_layers, dropout, train, bidirectional, batch_first)
    return network("lstm", input, None, hx, params, *options)


def gru(
    input: Tensor, hx: Tensor, params: Sequence[Tensor], has_biases: bool, num_layers: int, dropout: float,
    train: bool, bidirectional: bool, batch_first: bool,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Layers of gated recurrent units, one upon the other: as `lstm`, but with one state.

    `hx` has the shape (L * D, N, F_hid); the weights have 3 F_hid rows, gates in the order r, z, new; there is no
    projection. Returns output and h_n. Formula: ``kernels.rnn.reference_gru.gru_forward``.
    """
    options = (has_biases, num_layers, dropout, train, bidirectional, batch_first)
    return network("gru", input, None, (hx,), params, *options)


def rnn_tanh(
    input: Tensor, hx: Tensor, params: Sequence[Tensor], has_biases: bool, num_layers: int, dropout: float,
    train: bool, bidirectional: bool, batch_first: bool,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """Layers of Elman's network, one upon the other: as `gru`, but with weights of F_hid rows.

    Formula: ``kernels.rnn.reference.rnn_tanh_forward``.
    """
    options = (has_biases, num_layers, dropout, train, bidirectional, batch_first)
    return network("rnn_tanh", input, None, (hx,), params, *options)


def rnn_relu(
    input: Tensor, hx: Tensor, params: Sequence[Tensor], has_biases: bool, num_layers: int, dropout: float,
    train: bool, bidirectional: bool, batch_first: bool,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """`rnn_tanh` with max(0, a) for tanh(a)."""
    options = (has_biases, num_layers, dropout, train, bidirectional, batch_first)
    return network("rnn_relu", input, None, (hx,), params, *options)


def lstm_cell(
    input: Tensor, hx: Sequence[Tensor], w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """One step of `lstm`: input (N, F_in), hx a pair of (N, F_hid); the new pair."""
    h, c = step("lstm", "lstm_cell", input, hx, w_ih, w_hh, b_ih, b_hh)
    return h, c


def gru_cell(
    input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None
) -> Tensor:
    """One step of `gru`: input (N, F_in), hx (N, F_hid); the new state."""
    return step("gru", "gru_cell", input, (hx,), w_ih, w_hh, b_ih, b_hh)[0]


def rnn_tanh_cell(
    input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None
) -> Tensor:
    """One step of `rnn_tanh`: input (N, F_in), hx (N, F_hid); the new state."""
    return step("rnn_tanh", "rnn_tanh_cell", input, (hx,), w_ih, w_hh, b_ih, b_hh)[0]


def rnn_relu_cell(
    input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None
) -> Tensor:
    """One step of `rnn_relu`: input (N, F_in), hx (N, F_hid); the new state."""
    return step("rnn_relu", "rnn_relu_cell", input, (hx,), w_ih, w_hh, b_ih, b_hh)[0]


# -- the second signature --------------------------------------------------------------------------------------------


def _is_packed(args: tuple[Any, ...], kwargs: dict[str, Any]) -> bool:
    """Whether a call is of the signature for packed sequences, which has `params` in the fourth place."""
    return "data" in kwargs or "batch_sizes" in kwargs or (len(args) > 3 and isinstance(args[3], (list, tuple)))


def _packed_lstm(
    data: Tensor, batch_sizes: Tensor, hx: Sequence[Tensor], params: Sequence[Tensor], has_biases: bool,
    num_layers: int, dropout: float, train: bool, bidirectional: bool,
) -> tuple[Tensor, ...]:  # fmt: skip
    return network("lstm", data, batch_sizes, hx, params, has_biases, num_layers, dropout, train, bidirectional, False)


def _packed(op: str) -> Callable[..., tuple[Tensor, ...]]:
    """The same for a network of one state."""

    def packed(
        data: Tensor, batch_sizes: Tensor, hx: Tensor, params: Sequence[Tensor], has_biases: bool, num_layers: int,
        dropout: float, train: bool, bidirectional: bool,
    ) -> tuple[Tensor, ...]:  # fmt: skip
        options = (has_biases, num_layers, dropout, train, bidirectional, False)
        return network(op, data, batch_sizes, (hx,), params, *options)

    return packed


lstm = overloaded(lstm, _packed_lstm, _is_packed)
gru = overloaded(gru, _packed("gru"), _is_packed)
rnn_tanh = overloaded(rnn_tanh, _packed("rnn_tanh"), _is_packed)
rnn_relu = overloaded(rnn_relu, _packed("rnn_relu"), _is_packed)
