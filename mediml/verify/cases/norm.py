"""Shapes and options on which normalisation is compared with PyTorch.

Sizes cross the 16 places from which a plane is a row of its own, and the 8 or 16 lanes of a vector. Running statistics
are compared, too, as they stand after the call. Left out: group_norm with a bias and no weight, whose gradient
PyTorch 2.13 refuses to compute; rms_norm without an eps, which means another one for each dtype.
"""

from typing import Any

from mediml.verify.case import Array, Case

__all__ = ["CASES"]

Shape = tuple[int, ...]

#: (N, C, *), ranks 2 to 5, with few and many places in a plane, one channel, one sample, no sample.
_BATCHES: list[Shape] = [
    (5, 3), (2, 1), (17, 33), (40, 9), (2, 3, 4), (3, 2, 17), (1, 4, 16), (4, 1, 15), (2, 3, 1), (2, 3, 4, 5),
    (1, 5, 3, 3), (2, 2, 7, 9), (2, 3, 2, 3, 2), (1, 2, 3, 4, 5), (0, 3, 4),
]  # fmt: skip

#: Those in which a channel of a sample has more than one place, and that have a sample.
_INSTANCES = [shape for shape in _BATCHES if len(shape) > 2 and shape[0] and shape != (2, 3, 1)]

#: Shape and number of groups.
_GROUPED: list[tuple[Shape, int]] = [
    ((3, 4), 1), ((3, 4), 2), ((5, 33), 3), ((2, 6, 5), 1), ((2, 6, 5), 2), ((2, 6, 5), 3), ((2, 6, 5), 6),
    ((1, 4, 17), 2), ((3, 1, 33), 1), ((2, 4, 3, 4), 4), ((2, 4, 4, 4), 2), ((1, 6, 5, 7), 3), ((2, 2, 2, 3, 4), 1),
    ((1, 4, 2, 3, 3), 2), ((0, 4, 3), 2),
]  # fmt: skip

#: Shape, and how many of the last axes are normalised.
_ROWS: list[tuple[Shape, int]] = [
    ((7,), 1), ((4, 1), 1), ((3, 8), 1), ((3, 15), 1), ((5, 17), 1), ((2, 100), 1), ((130, 3), 1), ((2, 3, 5), 1),
    ((2, 3, 5), 2), ((2, 3, 5), 3), ((2, 1, 4, 6), 2), ((2, 3, 2, 2), 3), ((1, 2, 2, 3, 4), 4), ((0, 6), 1),
]  # fmt: skip

#: Shape and size of the window: even, odd, one, wider than the channels.
_WINDOWS: list[tuple[Shape, int]] = [
    ((2, 5, 4), 1), ((2, 5, 4), 2), ((2, 5, 17), 3), ((1, 7, 3), 4), ((2, 3, 4), 9), ((3, 1, 5), 3), ((2, 6, 3, 4), 5),
    ((2, 4, 5, 5), 2), ((1, 4, 2, 3, 3), 3), ((0, 3, 4), 2),
]  # fmt: skip

#: A mean far from 0, few values, a large eps, none.
_UNUSUAL: list[tuple[str, dict[str, Any]]] = [
    ("far", {}), ("ties", {}), ("normal", {"eps": 0.3}), ("normal", {"eps": 0.0}),
]  # fmt: skip


def _affine(shape: Shape, weight: bool = True, bias: bool = True) -> dict[str, Array]:
    return {name: Array(shape) for name, wanted in (("weight", weight), ("bias", bias)) if wanted}


def _running(channels: int) -> dict[str, Array]:
    return {
        "running_mean": Array((channels,), gradient=False),
        "running_var": Array((channels,), "uniform", gradient=False),
    }


def _tracking(
    op: str, x: Array, own: bool, tracked: bool, affine: dict[str, Array], note: str = "", **options: Any
) -> Case:
    """Batch or instance norm, with the input's own statistics or the running ones."""
    switch = "training" if op == "batch_norm" else "use_input_stats"
    running = _running(x.shape[1]) if tracked else {}
    missing = {} if tracked or op == "instance_norm" else {"running_mean": None, "running_var": None}
    updated = tuple(running) if own else ()
    return Case(op, {"input": x, **running, **affine}, {**missing, switch: own, **options}, note, updated)


def _with_statistics(op: str, shapes: list[Shape]) -> list[Case]:
    cases = []
    for i, shape in enumerate(shapes):
        affine = _affine(shape[1:2])
        some = _affine(shape[1:2], weight=i % 3 == 0, bias=i % 3 == 1)
        modes = [(True, True), (True, False), (False, True)]
        cases += [_tracking(op, Array(shape), *mode, affine) for mode in modes]
        cases.append(_tracking(op, Array(shape), *modes[i // 3 % 3], some))
    for shape in ((6, 3, 5), (2, 3, 5, 7)):
        x, affine = Array(shape), _affine((3,))
        cases += [_tracking(op, x, True, True, affine, momentum=m) for m in (0.0, 0.37, 1.0, 1.5)]
        cases += [_tracking(op, x, own, True, affine, eps=eps) for own in (True, False) for eps in (1e-8, 0.3)]
        cases += [_tracking(op, Array(shape, "far"), True, tracked, affine) for tracked in (True, False)]
        cases += [_tracking(op, Array(shape, "ties"), True, True, {})]
    return [*cases, _tracking(op, x, False, True, affine, eps=0.0)]


def _groups() -> list[Case]:
    cases = []
    for shape, groups in _GROUPED:
        options = {"num_groups": groups}
        cases += [
            Case("group_norm", {"input": Array(shape), **affine}, options)
            for affine in (_affine(shape[1:2]), _affine(shape[1:2], bias=False) if shape[1] % 4 else {})
        ]
    for draw, options in _UNUSUAL:
        cases += [
            Case("group_norm", {"input": Array(shape, draw), **_affine((4,))}, {"num_groups": 2, **options})
            for shape in ((3, 4, 5), (2, 4, 5, 7))
        ]
    return cases


def _rows() -> list[Case]:
    cases = []
    for shape, axes in _ROWS:
        inner = shape[len(shape) - axes :]
        for weight, bias in ((True, True), (True, False), (False, True), (False, False)):
            arrays = {"input": Array(shape), **_affine(inner, weight, bias)}
            cases.append(Case("layer_norm", arrays, {"normalized_shape": inner}))
            if not bias:
                cases.append(Case("rms_norm", arrays, {"normalized_shape": inner, "eps": 1e-6}))
    for draw, options in _UNUSUAL:
        for op, bias in (("layer_norm", True), ("rms_norm", False)):
            arrays = {"input": Array((4, 3, 11), draw), **_affine((3, 11), bias=bias)}
            cases.append(Case(op, arrays, {"normalized_shape": (3, 11), "eps": 1e-5, **options}))
    return cases


def _responses() -> list[Case]:
    op, options = "local_response_norm", {"alpha": 0.8}
    cases = [Case(op, {"input": Array(shape)}, {"size": size, **options}) for shape, size in _WINDOWS]
    cases += [Case(op, {"input": Array((2, 5, 9))}, {"size": 3})]
    further = ({"beta": 0.5}, {"beta": 2.0, "k": 0.3}, {"beta": -1.0}, {"beta": 0.0}, {"beta": 1.3, "k": 2.0})
    return [*cases, *(Case(op, {"input": Array((2, 5, 9))}, {"size": 3, **options, **more}) for more in further)]


CASES: list[Case] = [
    *_with_statistics("batch_norm", _BATCHES),
    *_with_statistics("instance_norm", _INSTANCES),
    *_groups(),
    *_rows(),
    *_responses(),
]
