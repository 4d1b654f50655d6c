"""Embedding layers under torch's names, with torch's initial values."""

from typing import Any

import mediml
from mediml.nn import functional as F
from mediml.nn import init
from mediml.nn.modules.module import Module
from mediml.nn.parameter import Parameter
from mediml.tensor import Tensor

__all__ = ["Embedding"]


class Embedding(Module):
    """A table of vectors, looked up by index: (*) to (*, E).

    Parameters
    ----------
    num_embeddings, embedding_dim : int
        V rows of E numbers.
    padding_idx : int, optional
        A row that is zero at first and is not learnt, for places that stand for nothing; -1 is the last one.
    max_norm : float, optional
        Rows that are looked up are shortened to this norm, in place.
    norm_type : float
        p of that norm.
    scale_grad_by_freq : bool
        Divide the gradient of a row by how often it was looked up.
    sparse : bool
        Must be False: gradients are not sparse.
    _weight : Tensor of shape (V, E), optional
        Values to share; see `from_pretrained`.
    _freeze : bool
        Do not learn the table.
    device, dtype : optional
        Of the parameter.

    Attributes
    ----------
    weight : Parameter of shape (V, E)
        Initially normal with mean 0 and deviation 1.

    See Also
    --------
    mediml.nn.functional.embedding : dtypes and errors.
    """

    weight: Parameter

    def __init__(
        self, num_embeddings: int, embedding_dim: int, padding_idx: int | None = None, max_norm: float | None = None,
        norm_type: float = 2.0, scale_grad_by_freq: bool = False, sparse: bool = False, _weight: Tensor | None = None,
        _freeze: bool = False, device: Any = None, dtype: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        if sparse:
            raise ValueError("Embedding: sparse=True: gradients are not sparse here; leave sparse out")
        self.num_embeddings = num_embeddings
        self.embedding_dim = embedding_dim
        self.padding_idx = _from_the_front(type(self).__name__, padding_idx, num_embeddings)
        self.max_norm = max_norm
        self.norm_type = norm_type
        self.scale_grad_by_freq = scale_grad_by_freq
        self.sparse = sparse
        shape = (num_embeddings, embedding_dim)
        if _weight is None:
            self.weight = Parameter(mediml.empty(shape, device=device, dtype=dtype), requires_grad=not _freeze)
            self.reset_parameters()
        elif tuple(_weight.shape) != shape:
            raise ValueError(f"Embedding: _weight expects the shape {shape}, got {tuple(_weight.shape)}")
        else:
            self.weight = Parameter(_weight, requires_grad=not _freeze)

    def reset_parameters(self) -> None:
        """Draw the table anew; the padding row becomes zero."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            with mediml.no_grad():
                self.weight[self.padding_idx] = 0

    def forward(self, input: Tensor) -> Tensor:
        return F.embedding(
            input,
            self.weight,
            self.padding_idx,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
            self.sparse,
        )

    def extra_repr(self) -> str:
        text = f"{self.num_embeddings}, {self.embedding_dim}"
        if self.padding_idx is not None:
            text += f", padding_idx={self.padding_idx}"
        if self.max_norm is not None:
            text += f", max_norm={self.max_norm}"
        if self.norm_type != 2:
            text += f", norm_type={self.norm_type}"
        return text if self.scale_grad_by_freq is False else f"{text}, scale_grad_by_freq={self.scale_grad_by_freq}"

    @classmethod
    def from_pretrained(
        cls, embeddings: Tensor, freeze: bool = True, padding_idx: int | None = None, max_norm: float | None = None,
        norm_type: float = 2.0, scale_grad_by_freq: bool = False, sparse: bool = False,
    ) -> "Embedding":  # fmt: skip
        """A layer on a given table (V, E), whose memory it shares; not learnt further unless ``freeze=False``."""
        if embeddings.ndim != 2:
            raise ValueError(f"from_pretrained: embeddings expects 2 axes (V, E), got {tuple(embeddings.shape)}")
        rows, columns = embeddings.shape
        return cls(
            rows, columns, padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse, _weight=embeddings,
            _freeze=freeze,
        )  # fmt: skip


def _from_the_front(name: str, padding_idx: int | None, rows: int) -> int | None:
    if padding_idx is None or padding_idx == 0:
        return padding_idx
    if not -rows <= padding_idx < rows:
        raise ValueError(f"{name}: padding_idx expects a row from {-rows} to {rows - 1}, got {padding_idx}")
    return padding_idx % rows
