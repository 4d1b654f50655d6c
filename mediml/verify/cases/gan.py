"""Scores on which adversarial objectives are compared with compositions of PyTorch's operations.

One score each, unequal numbers of reals and fakes, maps of scores, none at all; whole numbers that meet the corners of
the hinge, scores from thousandths to thousands.
"""

from mediml.verify.case import Array, Case

__all__ = ["CASES"]

OBJECTIVES = ("minimax", "non-saturating", "least-squares", "hinge", "wasserstein")
REDUCTIONS = ("mean", "sum", "none")

#: Of the reals and of the fakes.
_SHAPES: list[tuple[tuple[int, ...], tuple[int, ...]]] = [
    ((), ()),
    ((8, 1), (8, 1)),
    ((5,), (3,)),
    ((2, 1, 3, 5), (4, 1, 3, 5)),
    ((0,), (4,)),
]

_DRAWS = ("normal", "ties", "scales")


def _cases() -> list[Case]:
    cases = []
    for number, objective in enumerate(OBJECTIVES):
        for turn, (real, fake) in enumerate(_SHAPES):
            for third, reduction in enumerate(REDUCTIONS):
                draw = _DRAWS[(number + turn + third) % 3]
                options = {"objective": objective, "reduction": reduction}
                pair = {"real_scores": Array(real, draw), "fake_scores": Array(fake, draw)}
                cases.append(Case("discriminator_loss", pair, options))
                cases.append(Case("generator_loss", {"fake_scores": Array(real, draw)}, options))
    # without options; and every objective on the corners and on wide scales
    cases.append(Case("discriminator_loss", {"real_scores": Array((7,)), "fake_scores": Array((9,))}))
    cases.append(Case("generator_loss", {"fake_scores": Array((7, 2))}))
    ties = {"real_scores": Array((20,), "ties"), "fake_scores": Array((20,), "ties")}
    wide = {"fake_scores": Array((40,), "scales")}
    cases += [Case("discriminator_loss", ties, {"objective": objective}) for objective in OBJECTIVES]
    cases += [Case("generator_loss", wide, {"objective": objective}) for objective in OBJECTIVES]
    wide = {"real_scores": Array((30,), "scales"), **wide}
    return cases + [Case("discriminator_loss", wide, {"objective": objective}) for objective in OBJECTIVES]


CASES: list[Case] = _cases()
