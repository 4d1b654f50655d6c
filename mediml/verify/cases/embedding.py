"""Tables and indices on which embeddings are compared with PyTorch.

Left out: ``max_norm``, which changes the table; ``tests/nn/test_embedding.py`` compares it.
"""

from typing import Any

from mediml.verify.case import Array, Case

__all__ = ["CASES"]

#: Rows and columns of the table, shape of the indices: a number, one row, one column, more rows than places and fewer,
#: columns beside a multiple of the eight that are summed at a time, no places, no columns.
_SIZES: list[tuple[int, int, tuple[int, ...]]] = [
    (5, 3, ()),
    (1, 4, (3,)),
    (6, 1, (2, 5)),
    (40, 8, (3,)),
    (3, 17, (50,)),
    (7, 16, (4, 9)),
    (10, 9, (2, 3, 4)),
    (2, 31, (1, 20)),
    (11, 5, (3, 1, 2, 2)),
    (4, 6, (0,)),
    (3, 2, (2, 0)),
    (4, 0, (3,)),
]


def _cases() -> list[Case]:
    cases = []
    for V, E, shape in _SIZES:  # noqa: N806 - the symbols of the formula
        arrays = {"input": Array(shape, "integer", False, 0, V), "weight": Array((V, E))}
        options: list[dict[str, Any]] = [
            {},
            {"padding_idx": 0},
            {"padding_idx": -1},
            {"scale_grad_by_freq": True},
            {"padding_idx": V // 2, "scale_grad_by_freq": True},
        ]
        cases += [Case("embedding", arrays, option) for option in options]
    # one row takes all; only some rows are named
    cases.append(Case("embedding", {"input": Array((64,), "integer", False, 2, 3), "weight": Array((5, 10))}))
    cases.append(Case("embedding", {"input": Array((30,), "integer", False, 3, 6), "weight": Array((9, 7))}))
    return cases


CASES: list[Case] = _cases()
