"""Arguments on which losses and distances are compared with PyTorch, for every reduction.

Left out on purpose: targets of another shape than the input, where both warn, and the places where a logarithm of
binary cross entropy is cut off, which ``tests/nn/test_loss.py`` visits.
"""

from typing import Any

from mediml.verify.case import Array, Case

__all__ = ["CASES"]

REDUCTIONS = ("none", "mean", "sum")

#: Shapes of scores: unbatched, one class, one position, pixels, voxels, no positions at all.
_SCORES: list[tuple[int, ...]] = [
    (4,),
    (5, 3),
    (1, 1),
    (7, 2),
    (2, 4, 5),
    (3, 2, 4, 3),
    (1, 3, 2, 3, 2),
    (0, 3),
    (2, 3, 0),
]

#: Shapes of elementwise losses: a number, one axis, several, none.
_ELEMENTS: list[tuple[int, ...]] = [(), (1,), (7,), (3, 5), (2, 1, 4, 3), (0, 3)]

_OPTIONS: list[dict[str, Any]] = [
    {},
    {"label_smoothing": 0.1},
    {"label_smoothing": 1.0},
    {"ignore_index": 1},
    {"ignore_index": 0, "label_smoothing": 0.3},
]


def _indices(shape: tuple[int, ...]) -> Array:
    """Class indices for scores of a shape."""
    classes = shape[0] if len(shape) == 1 else shape[1]
    return Array((shape[:1] + shape[2:]) if len(shape) > 1 else (), "integer", False, 0, classes)


def _weight(shape: tuple[int, ...]) -> Array:
    return Array((shape[0] if len(shape) == 1 else shape[1],), "uniform", gradient=False)


def _classes() -> list[Case]:
    cases = []
    for number, shape in enumerate(_SCORES):
        scores = {"input": Array(shape), "target": _indices(shape)}
        # every option meets every shape in turn with another reduction; the sets of weights alternate
        for turn, options in enumerate(_OPTIONS):
            reduction = REDUCTIONS[(number + turn) % 3]
            weights = {"weight": _weight(shape)} if (number + turn) % 2 else {}
            cases.append(Case("cross_entropy", scores | weights, options | {"reduction": reduction}))
        weights = {"weight": _weight(shape)} if number % 2 else {}
        cases.append(Case("nll_loss", scores | weights, {"ignore_index": 0, "reduction": REDUCTIONS[number % 3]}))
        cases.append(Case("nll_loss", scores, {"reduction": REDUCTIONS[(number + 1) % 3]}))
        for turn, reduction in enumerate(REDUCTIONS):
            weights = {"weight": _weight(shape)} if (number + turn) % 2 else {}
            soft = {"input": Array(shape), "target": Array(shape, "probability")}
            smoothed = {"label_smoothing": 0.2 * turn, "reduction": reduction}
            cases.append(Case("cross_entropy", soft | weights, smoothed, "probabilities"))
    return cases


def _errors() -> list[Case]:
    cases = []
    for number, shape in enumerate(_ELEMENTS):
        pair = {"input": Array(shape), "target": Array(shape)}
        thresholds = {"smooth_l1_loss": {"beta": 0.5}, "huber_loss": {"delta": 2.0}}
        for turn, op in enumerate(("mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss")):
            for reduction in ("none", REDUCTIONS[1 + (number + turn) % 2]):
                cases.append(Case(op, pair, {"reduction": reduction} | thresholds.get(op, {})))
    for reduction in REDUCTIONS:
        weighted = {"input": Array((3, 4)), "target": Array((3, 4)), "weight": Array((3, 4), "uniform")}
        ties = {"input": Array((4, 5), "ties"), "target": Array((4, 5), "ties")}
        cases += [Case(op, weighted, {"reduction": reduction}) for op in ("mse_loss", "l1_loss", "huber_loss")]
        cases += [Case("l1_loss", ties, {"reduction": reduction}, "ties")]
        cases += [Case("smooth_l1_loss", ties, {"reduction": reduction, "beta": beta}, "ties") for beta in (0.0, 1.0)]
        cases += [Case("huber_loss", ties, {"reduction": reduction, "delta": 1.0}, "ties")]
    return cases


def _binary() -> list[Case]:
    cases = []
    for number, shape in enumerate(_ELEMENTS):
        # a weight of the input's own shape, of its last axis, or none
        weight = (None, Array(shape, "uniform", False), Array(shape[-1:], "uniform", False))
        for turn, reduction in enumerate(REDUCTIONS):
            first, second = weight[(number + turn) % 3], weight[(number + 2 * turn) % 3]
            target = {"target": Array(shape, "uniform")}
            weights = {} if first is None else {"weight": first}
            positive = {} if second is None else {"pos_weight": second}
            chosen = {"reduction": reduction}
            scores = {"input": Array(shape)} | target | weights | positive
            cases.append(Case("binary_cross_entropy", {"input": Array(shape, "uniform")} | target | weights, chosen))
            cases.append(Case("binary_cross_entropy_with_logits", scores, chosen))
    return cases


def _others() -> list[Case]:
    """Losses that are built from operations on tensors."""
    sign = Array((3, 4), "integer", False, -1, 2)
    signs = Array((5,), "integer", False, -1, 2)
    pair = {"input1": Array((5, 3)), "input2": Array((5, 3))}
    vectors = {"anchor": Array((5, 3)), "positive": Array((5, 3)), "negative": Array((5, 3))}
    counts = {"input": Array((3, 4)), "target": Array((3, 4), "integer", False, 0, 6)}
    labels = {"input": Array((5, 3)), "target": Array((5,), "integer", False, 0, 3)}
    one_each = {"input": Array((4, 3)), "target": Array((4, 3), "integer", False, -1, 3)}
    normal = {"input": Array((3, 4)), "target": Array((3, 4))}
    distributions = {"input": Array((3, 4)), "target": Array((3, 4), "probability")}
    none, mean, total = ({"reduction": reduction} for reduction in REDUCTIONS)
    return [
        Case("kl_div", distributions, {"reduction": "batchmean"}),
        Case("kl_div", distributions, none),
        Case("kl_div", normal, total | {"log_target": True}),
        Case("gaussian_nll_loss", normal | {"var": Array((3, 4), "uniform")}, mean | {"full": True}),
        Case("gaussian_nll_loss", normal | {"var": Array((3, 1), "uniform")}, none),
        Case("gaussian_nll_loss", normal | {"var": Array((3,), "uniform")}, total),
        Case("gaussian_nll_loss", normal | {"var": Array((3, 4), "uniform")}, none | {"eps": 0.5}),
        Case("poisson_nll_loss", counts, mean),
        Case("poisson_nll_loss", counts | {"input": Array((3, 4), "uniform")}, none | {"log_input": False}),
        Case("soft_margin_loss", {"input": Array((3, 4)), "target": sign}, mean),
        Case("soft_margin_loss", {"input": Array((3, 4)), "target": sign}, none),
        Case("hinge_embedding_loss", {"input": Array((3, 4)), "target": sign}, none | {"margin": 0.5}),
        Case("hinge_embedding_loss", {"input": Array((3, 4)), "target": sign}, total),
        Case("margin_ranking_loss", {"input1": Array((5,)), "input2": Array((5,)), "target": signs}, mean),
        Case("margin_ranking_loss", pair | {"target": Array((5, 1), "integer", False, -1, 2)}, none | {"margin": 0.3}),
        Case("cosine_embedding_loss", pair | {"target": signs}, none | {"margin": 0.2}),
        Case("cosine_embedding_loss", pair | {"target": signs}, mean),
        Case("triplet_margin_loss", vectors, none | {"swap": True}),
        Case("triplet_margin_loss", vectors, mean | {"p": 1, "margin": 0.5}),
        Case("multi_margin_loss", labels | {"weight": _weight((5, 3))}, none | {"p": 2}),
        Case("multi_margin_loss", labels, mean | {"margin": 0.7}),
        Case("multilabel_margin_loss", one_each, none),
        Case("multilabel_margin_loss", one_each, total),
        Case("multilabel_soft_margin_loss", {"input": Array((4, 3)), "target": Array((4, 3), "uniform")}, none),
        Case("multilabel_soft_margin_loss", {"input": Array((4,)), "target": Array((4,), "uniform")}, mean),
    ]


def _distances() -> list[Case]:
    pair = {"x1": Array((3, 4)), "x2": Array((3, 4))}
    orders = (1.0, 1.5, 2.0, float("inf"))
    return [
        *(Case("cosine_similarity", pair, {"dim": dim}) for dim in (0, 1, -1)),
        Case("cosine_similarity", pair, {"eps": 2.0}, "eps above the norm"),
        Case("cosine_similarity", {"x1": Array((3, 1, 4)), "x2": Array((5, 4))}, {"dim": 2}, "broadcast"),
        *(Case("pairwise_distance", pair, {"p": p, "keepdim": True}) for p in orders),
        Case("pairwise_distance", {"x1": Array((4,)), "x2": Array((3, 4))}, {}, "broadcast"),
        *(Case("pdist", {"input": Array((5, 3))}, {"p": p}) for p in orders),
        *(Case("normalize", {"input": Array((3, 4))}, {"p": p, "dim": 0}) for p in orders),
        Case("normalize", {"input": Array((2, 3, 4))}, {"eps": 2.0}, "eps above the norm"),
    ]


CASES: list[Case] = [
    *_classes(),
    *_errors(),
    *_binary(),
    *_others(),
    *_distances(),
]
