"""The article's recurrent classifier, its LSTM and GRU variants, for sequences of any lengths.

What the article's program had wrong is mended: its loader yields no labels although the loop asks for them, and the
last column of a padded batch was taken for every sequence's last step.
"""

from collections.abc import Sequence

from torch import Tensor, arange, as_tensor, cat, inf, int64, nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

CELLS = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
POOLINGS = ("last", "mean", "max")


class RNN(nn.Module):
    """Classifier of sequences: embedding, recurrent layers, one vector per sequence, linear.

    Parameters
    ----------
    input_size : int
        Number of different tokens; or with ``embed=False`` the number of values per step.
    hidden_size : int
        Width of the embedding and of the hidden state.
    num_layers : int
    num_classes : int
        Number of scores per sequence.
    cell : str
        ``"rnn"`` (Elman's, with tanh), ``"lstm"`` or ``"gru"``.
    bidirectional : bool
        Read each sequence in both directions; twice as many features reach the last layer.
    dropout : float
        Probability of a zero between the recurrent layers, and in front of the last layer, during training.
    pooling : str
        How the steps of the last layer become one vector: ``"last"``, the state after the whole sequence (of the
        direction that reads backwards: after its first step), ``"mean"`` or ``"max"``.
    padding_idx : int, optional
        The token that fills short sequences up: its embedding is zero and is not trained.
    embed : bool
        False for sequences of real values, such as an ECG.

    Raises
    ------
    ValueError
        If an option is not one of these, or the shape of an input does not fit.

    Notes
    -----
    Shapes: (N, T) tokens, int64, or (N, T, input_size) values in, (N, num_classes) logits out. With `lengths`, of N
    whole numbers from 1 to T, what stands behind a sequence's end has no influence on its scores.
    """

    def __init__(
        self,
        input_size: int = 10,
        hidden_size: int = 50,
        num_layers: int = 2,
        num_classes: int = 2,
        cell: str = "rnn",
        bidirectional: bool = False,
        dropout: float = 0.0,
        pooling: str = "last",
        padding_idx: int | None = None,
        embed: bool = True,
    ) -> None:
        super().__init__()
        if cell not in CELLS:
            raise ValueError(f"RNN: cell expects one of {', '.join(CELLS)}, got {cell!r}")
        if pooling not in POOLINGS:
            raise ValueError(f"RNN: pooling expects one of {', '.join(POOLINGS)}, got {pooling!r}")
        if padding_idx is not None and not embed:
            raise ValueError(f"RNN: padding_idx ({padding_idx}) is a token; with embed=False there are none")
        self.input_size, self.cell, self.pooling, self.embed = input_size, cell, pooling, embed
        self.embedding = nn.Embedding(input_size, hidden_size, padding_idx) if embed else None
        self.rnn = CELLS[cell](
            hidden_size if embed else input_size,
            hidden_size,
            num_layers,
            batch_first=True,
            dropout=dropout if num_layers > 1 else 0.0,
            bidirectional=bidirectional,
        )
        self.dropout = nn.Dropout(dropout)
        self.fc = nn.Linear(hidden_size * (2 if bidirectional else 1), num_classes)

    def features(self, x: Tensor, lengths: Tensor | Sequence[int] | None = None) -> Tensor:
        """One vector per sequence, before the last layer: (N, hidden_size), or twice that for both directions."""
        if lengths is not None:
            lengths = as_tensor(lengths, dtype=int64)
        self._check(x, lengths)
        values = x if self.embedding is None else self.embedding(x)
        if lengths is None:
            steps, state = self.rnn(values)
        else:
            packed, state = self.rnn(pack_padded_sequence(values, lengths, batch_first=True, enforce_sorted=False))
            steps, _ = pad_packed_sequence(packed, batch_first=True, total_length=x.shape[1])
        if self.pooling == "last":
            hidden = state[0] if self.cell == "lstm" else state
            return cat([hidden[-2], hidden[-1]], 1) if self.rnn.bidirectional else hidden[-1]
        return self._pool(steps, lengths)

    def forward(self, x: Tensor, lengths: Tensor | Sequence[int] | None = None) -> Tensor:
        return self.fc(self.dropout(self.features(x, lengths)))

    def _pool(self, steps: Tensor, lengths: Tensor | None) -> Tensor:
        """(N, T, F) to (N, F): mean or maximum over the steps that belong to the sequence."""
        if lengths is None:
            return steps.mean(1) if self.pooling == "mean" else steps.amax(1)
        lengths = lengths.to(steps.device).unsqueeze(1)
        inside = (arange(steps.shape[1], device=steps.device) < lengths).unsqueeze(2)
        if self.pooling == "mean":
            return steps.masked_fill(~inside, 0.0).sum(1) / lengths.to(steps.dtype)
        return steps.masked_fill(~inside, -inf).amax(1)

    def _check(self, x: Tensor, lengths: Tensor | None) -> None:
        if x.ndim != (2 if self.embed else 3) or (not self.embed and x.shape[2] != self.input_size):
            expected = "(N, T) tokens" if self.embed else f"(N, T, {self.input_size}) values"
            raise ValueError(f"RNN: expected {expected}, got shape {tuple(x.shape)}")
        N, T = x.shape[:2]  # noqa: N806 - the symbols of the shapes
        if T == 0:
            raise ValueError(f"RNN: a sequence expects at least 1 step, got shape {tuple(x.shape)}")
        if lengths is not None and (
            tuple(lengths.shape) != (N,) or (N and not 1 <= lengths.min() <= lengths.max() <= T)
        ):
            raise ValueError(f"RNN: lengths expects {N} whole numbers from 1 to {T}, got {lengths.tolist()}")
