"""Recurrent layers under torch's names, with torch's parameters and initial values."""

import math
import warnings
from numbers import Number
from typing import Any

import mediml
from mediml.nn import functional as F
from mediml.nn import init
from mediml.nn.modules.module import Module
from mediml.nn.parameter import Parameter
from mediml.nn.utils.rnn import PackedSequence
from mediml.tensor import Tensor

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "RNNBase", "RNNCell", "RNNCellBase"]

_GATES = {"LSTM": 4, "GRU": 3, "RNN_TANH": 1, "RNN_RELU": 1}


class RNNBase(Module):
    """What all recurrent networks share: parameters, checks, and the way to the functions.

    Parameters
    ----------
    mode : str
        ``"RNN_TANH"``, ``"RNN_RELU"``, ``"LSTM"`` or ``"GRU"``.
    input_size, hidden_size : int
        F_in and F_hid.
    num_layers : int
        L layers, each reading the output of the one below.
    bias : bool
    batch_first : bool
        Input and output of shape (N, T, F) instead of (T, N, F); not the states.
    dropout : float
        Probability with which each number of the output of all layers but the last is set to 0, in training.
    bidirectional : bool
        Read each sequence from its end, too: D = 2 directions, whose outputs stand side by side; else D = 1.
    proj_size : int
        F_out of an LSTM whose state is projected; 0: it is not, F_out = F_hid.
    device, dtype : optional
        Of the parameters.

    Attributes
    ----------
    weight_ih_l0, weight_hh_l0, bias_ih_l0, bias_hh_l0, weight_hr_l0 : Parameter
        Of the first layer, and so on to l(L - 1), each with the ending ``_reverse`` for the second direction. Initially
        uniform in ±1/sqrt(F_hid). Shapes: see `mediml.nn.functional.lstm`.
    """

    def __init__(
        self, mode: str, input_size: int, hidden_size: int, num_layers: int = 1, bias: bool = True,
        batch_first: bool = False, dropout: float = 0.0, bidirectional: bool = False, proj_size: int = 0,
        device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        name = type(self).__name__
        _check_sizes(name, mode, input_size, hidden_size, num_layers, proj_size)
        _check_options(name, bias, batch_first, dropout, num_layers)
        self.mode = mode
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.num_layers = num_layers
        self.bias = bias
        self.batch_first = batch_first
        self.dropout = float(dropout)
        self.bidirectional = bidirectional
        self.proj_size = proj_size
        self._all_weights: list[list[str]] = []
        for layer in range(num_layers):
            for suffix in ("", "_reverse") if bidirectional else ("",):
                self._add_layer(layer, suffix, {"device": device, "dtype": dtype})
        self.reset_parameters()

    def _add_layer(self, layer: int, suffix: str, factory: dict[str, Any]) -> None:
        """Parameters of one layer in one direction, in torch's order."""
        outputs, directions = self.proj_size or self.hidden_size, 2 if self.bidirectional else 1
        rows = _GATES[self.mode] * self.hidden_size
        shapes: dict[str, tuple[int, ...]] = {
            "weight_ih": (rows, outputs * directions if layer else self.input_size),
            "weight_hh": (rows, outputs),
        }
        if self.bias:
            shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
        if self.proj_size:
            shapes["weight_hr"] = (self.proj_size, self.hidden_size)
        names = [f"{name}_l{layer}{suffix}" for name in shapes]
        for name, shape in zip(names, shapes.values()):
            setattr(self, name, Parameter(mediml.empty(shape, **factory)))
        self._all_weights.append(names)

    def reset_parameters(self) -> None:
        """Draw the parameters anew."""
        bound = 1.0 / math.sqrt(self.hidden_size)
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def flatten_parameters(self) -> None:
        """Nothing: torch lays the parameters together for cuDNN."""

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """The parameters of each layer and direction."""
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    def forward(self, input: Any, hx: Any = None) -> tuple[Any, Any]:
        """See the layer's class."""
        packed = isinstance(input, PackedSequence)
        tensor = input.data if packed else input
        self._check_input(tensor, packed)
        batched = packed or tensor.ndim == 3
        if not batched:
            tensor = tensor.unsqueeze(0 if self.batch_first else 1)
        states = self._states(input, tensor, hx, batched)
        argument = states if self.mode == "LSTM" else states[0]
        weights = [weight for names in self.all_weights for weight in names]
        options = (self.bias, self.num_layers, self.dropout, self.training, self.bidirectional)
        function = getattr(F, self.mode.lower())
        if packed:
            output, *lasts = function(tensor, input.batch_sizes, argument, weights, *options)
            output = PackedSequence(output, *input[1:])
            lasts = [self.permute_hidden(last, input.unsorted_indices) for last in lasts]
        else:
            output, *lasts = function(tensor, argument, weights, *options, self.batch_first)
            if not batched:
                output = output.squeeze(0 if self.batch_first else 1)
                lasts = [last.squeeze(1) for last in lasts]
        return output, tuple(lasts) if self.mode == "LSTM" else lasts[0]

    def permute_hidden(self, hx: Tensor, permutation: Tensor | None) -> Tensor:
        """A state with its sequences in another order."""
        return hx if permutation is None else hx.index_select(1, permutation)

    def _check_input(self, tensor: Any, packed: bool) -> None:
        name = type(self).__name__
        if not isinstance(tensor, Tensor):
            raise TypeError(f"{name}: input expects a Tensor or a PackedSequence, got {type(tensor).__name__}")
        if tensor.ndim not in ((2,) if packed else (2, 3)):
            expected = "2 axes in its data" if packed else "2 axes (T, F) or 3"
            raise ValueError(f"{name}: input expects {expected}, got shape {tuple(tensor.shape)}")
        if tensor.shape[-1] != self.input_size:
            raise ValueError(f"{name}: input expects {self.input_size} features, got shape {tuple(tensor.shape)}")
        dtype = getattr(self, self._all_weights[0][0]).dtype
        if tensor.dtype != dtype:
            raise ValueError(f"{name}: input expects {dtype}, the dtype of the weights, got {tensor.dtype}; convert it")

    def _states(self, input: Any, tensor: Tensor, hx: Any, batched: bool) -> list[Tensor]:
        """The states before the first step, each (L * D, N, F), in the order in which the sequences are computed."""
        packed, name = isinstance(input, PackedSequence), type(self).__name__
        batch_size = int(input.batch_sizes[0]) if packed else tensor.shape[0 if self.batch_first else 1]
        rows = self.num_layers * (2 if self.bidirectional else 1)
        sizes = [self.proj_size or self.hidden_size, *([self.hidden_size] if self.mode == "LSTM" else [])]
        if hx is None:
            return [mediml.zeros((rows, batch_size, F), dtype=tensor.dtype, device=tensor.device) for F in sizes]
        if self.mode == "LSTM" and (not isinstance(hx, (tuple, list)) or len(hx) != 2):
            raise TypeError(f"{name}: hx expects a pair of Tensor, h and c, got {type(hx).__name__}")
        given = list(hx) if self.mode == "LSTM" else [hx]
        for position, (state, size) in enumerate(zip(given, sizes)):
            label = f"hx[{position}]" if self.mode == "LSTM" else "hx"
            expected = (rows, batch_size, size) if batched else (rows, size)
            if not isinstance(state, Tensor):
                raise TypeError(f"{name}: {label} expects a Tensor, got {type(state).__name__}")
            if tuple(state.shape) != expected:
                raise ValueError(f"{name}: {label} expects shape {expected}, got {tuple(state.shape)}")
        if packed:
            return [self.permute_hidden(state, input.sorted_indices) for state in given]
        return given if batched else [state.unsqueeze(1) for state in given]

    def extra_repr(self) -> str:
        defaults = {"proj_size": 0, "num_layers": 1, "bias": True, "batch_first": False, "dropout": 0.0}
        defaults["bidirectional"] = False
        changed = [f"{key}={getattr(self, key)}" for key, value in defaults.items() if getattr(self, key) != value]
        return ", ".join([f"{self.input_size}, {self.hidden_size}", *changed])


class RNN(RNNBase):
    """Elman's network: (T, N, F_in) to the states after each step, (T, N, D * F_hid), and the last of all layers.

    Takes the arguments of `RNNBase` after `mode` but `proj_size`, and after `num_layers` `nonlinearity`: ``"tanh"`` or
    ``"relu"``. Called with an input (T, N, F_in), (T, F_in) or a `PackedSequence`, and optionally the states before
    the first step, (L * D, N, F_hid) or for one sequence (L * D, F_hid); by default zeros.

    See Also
    --------
    mediml.nn.functional.rnn_tanh : what it computes.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if "proj_size" in kwargs:
            raise ValueError("RNN: proj_size is for LSTM only; leave it out")
        nonlinearity = args[3] if len(args) > 3 else kwargs.pop("nonlinearity", "tanh")
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"RNN: nonlinearity expects 'tanh' or 'relu', got {nonlinearity!r}")
        super().__init__(f"RNN_{nonlinearity.upper()}", *args[:3], *args[4:], **kwargs)
        self.nonlinearity = nonlinearity


class LSTM(RNNBase):
    """Long short-term memory: (T, N, F_in) to the states after each step, (T, N, D * F_out), and (h_n, c_n).

    Takes the arguments of `RNNBase` after `mode`. Called with an input (T, N, F_in), (T, F_in) or a `PackedSequence`,
    and optionally a pair of states before the first step, h of (L * D, N, F_out) and c of (L * D, N, F_hid), for one
    sequence without N; by default zeros.

    See Also
    --------
    mediml.nn.functional.lstm : what it computes.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__("LSTM", *args, **kwargs)


class GRU(RNNBase):
    """Gated recurrent units: (T, N, F_in) to the states after each step, (T, N, D * F_hid), and the last of all layers.

    Takes the arguments of `RNNBase` after `mode` but `proj_size`; called as `RNN`.

    See Also
    --------
    mediml.nn.functional.gru : what it computes.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if "proj_size" in kwargs:
            raise ValueError("GRU: proj_size is for LSTM only; leave it out")
        super().__init__("GRU", *args, **kwargs)


class RNNCellBase(Module):
    """What all cells share.

    Attributes
    ----------
    weight_ih, weight_hh, bias_ih, bias_hh : Parameter
        (chunks * F_hid, F_in), (chunks * F_hid, F_hid), (chunks * F_hid,); the biases None without `bias`. Initially
        uniform in ±1/sqrt(F_hid).
    """

    bias_ih: Parameter | None
    bias_hh: Parameter | None

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool, num_chunks: int, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__()
        self.input_size = input_size
        self.hidden_size = hidden_size
        self.bias = bias
        rows, factory = num_chunks * hidden_size, {"device": device, "dtype": dtype}
        self.weight_ih = Parameter(mediml.empty((rows, input_size), **factory))
        self.weight_hh = Parameter(mediml.empty((rows, hidden_size), **factory))
        for name in ("bias_ih", "bias_hh"):
            self.register_parameter(name, Parameter(mediml.empty((rows,), **factory)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the parameters anew."""
        bound = 1.0 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def _step(self, function: Any, input: Any, hx: Any, states: int = 1) -> list[Tensor]:
        """Call a cell's function, with a batch of one for a single sequence, and zeros for states left out."""
        name = type(self).__name__
        if not isinstance(input, Tensor):
            raise TypeError(f"{name}: input expects a Tensor, got {type(input).__name__}")
        given = list(hx) if isinstance(hx, (tuple, list)) else [hx]
        for label, tensor in (("input", input), *(("hx", state) for state in given if isinstance(state, Tensor))):
            if tensor.ndim not in (1, 2):
                raise ValueError(f"{name}: {label} expects 1 or 2 axes, got shape {tuple(tensor.shape)}")
        batched = input.ndim == 2
        rows = input if batched else input.unsqueeze(0)
        if hx is None:
            shape = (rows.shape[0], self.hidden_size)
            given = [mediml.zeros(shape, dtype=input.dtype, device=input.device)] * states
        elif len(given) != states or not all(isinstance(state, Tensor) for state in given):
            raise TypeError(f"{name}: hx expects {'a Tensor' if states == 1 else 'a pair of Tensor'}, got {hx!r:.60}")
        elif not batched:
            given = [state.unsqueeze(0) for state in given]
        weights = (self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        result = function(rows, given if states == 2 else given[0], *weights)
        results = list(result) if states == 2 else [result]
        return results if batched else [state.squeeze(0) for state in results]

    def extra_repr(self) -> str:
        changed = ["bias=False"] if self.bias is not True else []
        if getattr(self, "nonlinearity", "tanh") != "tanh":
            changed.append(f"nonlinearity={self.nonlinearity}")
        return ", ".join([f"{self.input_size}, {self.hidden_size}", *changed])


class RNNCell(RNNCellBase):
    """One step of Elman's network: input (N, F_in) or (F_in,), state (N, F_hid) or (F_hid,); the new state."""

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, nonlinearity: str = "tanh", device: Any = None,
        dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        if self.nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"RNNCell: nonlinearity expects 'tanh' or 'relu', got {self.nonlinearity!r}")
        return self._step(getattr(F, f"rnn_{self.nonlinearity}_cell"), input, hx)[0]


class LSTMCell(RNNCellBase):
    """One step of long short-term memory: input (N, F_in) or (F_in,), a pair of states; the new pair."""

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> tuple[Tensor, Tensor]:
        h, c = self._step(F.lstm_cell, input, hx, states=2)
        return h, c


class GRUCell(RNNCellBase):
    """One step of gated recurrent units: input (N, F_in) or (F_in,), state (N, F_hid) or (F_hid,); the new state."""

    def __init__(
        self, input_size: int, hidden_size: int, bias: bool = True, device: Any = None, dtype: Any = None
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        return self._step(F.gru_cell, input, hx)[0]


def _check_sizes(name: str, mode: str, input_size: int, hidden_size: int, num_layers: int, proj_size: int) -> None:
    if mode not in _GATES:
        raise ValueError(f"{name}: mode expects one of {', '.join(_GATES)}, got {mode!r}")
    sizes = {"input_size": input_size, "hidden_size": hidden_size, "num_layers": num_layers}
    for label, size in sizes.items():
        if isinstance(size, bool) or not hasattr(size, "__index__"):
            raise TypeError(f"{name}: {label} expects an int, got {size!r}")
        if size < 1:
            raise ValueError(f"{name}: {label} expects a number of at least 1, got {size}")
    if not 0 <= proj_size < hidden_size:
        raise ValueError(f"{name}: proj_size expects 0 or a number below hidden_size {hidden_size}, got {proj_size}")


def _check_options(name: str, bias: bool, batch_first: bool, dropout: float, num_layers: int) -> None:
    for label, value in (("bias", bias), ("batch_first", batch_first)):
        if not isinstance(value, bool):
            raise TypeError(f"{name}: {label} expects a bool, got {value!r}")
    if not isinstance(dropout, Number) or isinstance(dropout, bool) or not 0 <= dropout <= 1:
        raise ValueError(f"{name}: dropout expects a probability from 0 to 1, got {dropout!r}")
    if dropout > 0 and num_layers == 1:
        warnings.warn(
            f"{name}: dropout={dropout} has no effect with num_layers=1: it stands after all layers but the last",
            stacklevel=4,
        )
