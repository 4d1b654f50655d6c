"""Recurrent networks and cells on which ours are compared with PyTorch.

Every kind meets every combination of layers, directions, biases and form of the batch (time first, batch first,
packed); sizes rotate through those that cross the eight sequences and the 8 or 16 lanes of the fast kernels' tiles.
Without dropout: its numbers are drawn.
"""

import itertools
from typing import Any

from mediml.verify.case import Array, Case

__all__ = ["CASES"]

_GATES = {"rnn_tanh": 1, "rnn_relu": 1, "gru": 3, "lstm": 4}

#: T, N, F_in, F_hid.
_SIZES = [
    (4, 3, 2, 5), (1, 2, 3, 4), (3, 1, 4, 3), (2, 9, 3, 8), (5, 2, 1, 1), (3, 8, 5, 17), (2, 4, 17, 16), (2, 17, 2, 3),
    (10, 5, 6, 9), (3, 7, 16, 2),
]  # fmt: skip

#: Lengths, the longest first: some alike, all alike, one sequence, one step each, more than eight.
_LENGTHS = [(4, 2, 1), (3, 3, 3), (5,), (1, 1), (6, 5, 5, 4, 2, 2, 1, 1, 1), (2, 1), (7, 3, 3, 2)]

#: Sizes that no combination is needed for: the article's model, an empty batch, no input features, long.
_FURTHER = [(10, 5, 50, 50), (3, 0, 2, 4), (2, 3, 0, 4), (40, 2, 3, 4), (6, 33, 3, 7)]


def _params(
    kind: str, size_in: int, size_hid: int, size_out: int, layers: int, directions: int, biased: bool
) -> list[Array]:
    """Tensors of every layer and direction, in torch's order; small, so that the states stay in the bend of tanh."""
    bias = "small" if kind == "rnn_relu" else "normal"  # with relu nothing bounds the states
    rows = _GATES[kind] * size_hid
    params = []
    for layer, _ in itertools.product(range(layers), range(directions)):
        shapes: list[tuple[int, ...]] = [(rows, directions * size_out if layer else size_in), (rows, size_out)]
        shapes += [(rows,), (rows,)] if biased else []
        shapes += [(size_out, size_hid)] if size_out != size_hid else []
        params += [Array(shape, bias if len(shape) == 1 else "small") for shape in shapes]
    return params


def _states(kind: str, rows: int, batch: int, size_hid: int, size_out: int) -> Any:
    h = Array((rows, batch, size_out))
    return [h, Array((rows, batch, size_hid))] if kind == "lstm" else h


def _network(
    kind: str, sizes: tuple[int, int, int, int], size_out: int, layers: int, directions: int, biased: bool,
    batch_first: bool = False, lengths: tuple[int, ...] | None = None, train: bool = False,
) -> Case:  # fmt: skip
    steps, batch, size_in, size_hid = sizes
    options: dict[str, Any] = {"has_biases": biased, "num_layers": layers, "dropout": 0.0, "train": train}
    options["bidirectional"] = directions == 2
    if lengths is None:
        shape = (batch, steps) if batch_first else (steps, batch)
        data = {"input": Array((*shape, size_in))}
        options["batch_first"] = batch_first
    else:
        batch = len(lengths)
        sizes_of_batches = tuple(sum(length > t for length in lengths) for t in range(lengths[0]))
        given = Array((lengths[0],), "given", gradient=False, values=sizes_of_batches)
        data = {"data": Array((sum(lengths), size_in)), "batch_sizes": given}
    states = _states(kind, layers * directions, batch, size_hid, size_out)
    params = _params(kind, size_in, size_hid, size_out, layers, directions, biased)
    return Case(kind, {**data, "hx": states, "params": params}, options)


def _networks() -> list[Case]:
    """Every combination, each on sizes of its own."""
    cases, position = [], 0
    for kind, projected in (*((kind, False) for kind in _GATES), ("lstm", True)):
        forms = ("time first", "batch first", "packed")
        for layers, directions, biased, form in itertools.product((1, 2, 3), (1, 2), (True, False), forms):
            for _ in range(2):
                steps, batch, size_in, size_hid = _SIZES[position % len(_SIZES)]
                size_hid = size_hid + 1 if projected and size_hid == 1 else size_hid
                size_out = 1 + position % (size_hid - 1) if projected else size_hid
                lengths = _LENGTHS[position % len(_LENGTHS)] if form == "packed" else None
                sizes = (steps, batch, size_in, size_hid)
                first, train = form == "batch first", position % 2 == 1
                cases.append(_network(kind, sizes, size_out, layers, directions, biased, first, lengths, train))
                position += 1
        for further in _FURTHER:
            size_out = further[3] - 1 if projected else further[3]
            cases.append(_network(kind, further, size_out, 2, 1, True))
    return cases


def _cells() -> list[Case]:
    """Each cell on every size, with both biases, with neither, with one."""
    cases = []
    for kind, (_, batch, size_in, size_hid) in itertools.product(_GATES, [*_SIZES, *_FURTHER[1:3]]):
        biases = [("b_ih", "b_hh"), ()]
        biases += [("b_ih",), ("b_hh",)] if size_hid == 5 else []
        for names in biases:
            rows, state = _GATES[kind] * size_hid, Array((batch, size_hid))
            arrays = {"input": Array((batch, size_in)), "hx": [state, state] if kind == "lstm" else state}
            weights = {"w_ih": Array((rows, size_in), "small"), "w_hh": Array((rows, size_hid), "small")}
            cases.append(Case(f"{kind}_cell", {**arrays, **weights, **{name: Array((rows,)) for name in names}}))
    return cases


CASES: list[Case] = [*_networks(), *_cells()]
