"""Adversarial objectives: by hand, against the textbook's formulas, gradients, extremes, corners, threads, refusals."""

import inspect
import math

import numpy as np
import pytest

from kernels import parallel
from kernels.gan import cpu, formulas, reference, shapes

BACKENDS = pytest.mark.parametrize("kernels", [reference, cpu], ids=["reference", "cpu"])
DTYPES = pytest.mark.parametrize("dtype", [np.float32, np.float64])
OBJECTIVES = pytest.mark.parametrize("objective", shapes.OBJECTIVES)
REDUCTIONS = pytest.mark.parametrize("reduction", shapes.REDUCTIONS)

#: Shapes of reals and fakes: one each, unlike numbers, none, more than one block of a sum.
SHAPES = [((), ()), ((1,), (1,)), ((7, 1), (5,)), ((2, 3, 5), (1, 3, 5)), ((0,), (3,)), ((9000,), (17000,))]


def draw(shape, dtype=np.float64, seed=0, scale=3.0):
    return np.asarray(scale * np.random.default_rng(seed).standard_normal(shape)).astype(dtype)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


#: The losses as the articles state them, with D = sigmoid(score): on a real, on a fake, and for the generator.
TEXTBOOK = {
    "minimax": (lambda r: -np.log(sigmoid(r)), lambda f: -np.log(1 - sigmoid(f)), lambda f: np.log(1 - sigmoid(f))),
    "non-saturating": (
        lambda r: -np.log(sigmoid(r)), lambda f: -np.log(1 - sigmoid(f)), lambda f: -np.log(sigmoid(f)),
    ),
    "least-squares": (lambda r: (r - 1) ** 2 / 2, lambda f: (f - 0) ** 2 / 2, lambda f: (f - 1) ** 2 / 2),
    "hinge": (lambda r: -np.minimum(0, -1 + r), lambda f: -np.minimum(0, -1 - f), lambda f: -f),
    "wasserstein": (lambda r: -r, lambda f: f, lambda f: -f),
}  # fmt: skip


@BACKENDS
def test_by_hand(kernels):
    """D(real) = 3/4 and 1/2, D(fake) = 1/4: the scores are log(D / (1 - D))."""
    real, fake = np.array([math.log(3), 0.0]), np.array([-math.log(3)])

    def discriminator(objective):
        return float(kernels.discriminator_loss_forward(real, fake, objective, "mean"))

    def generator(objective):
        return float(kernels.generator_loss_forward(fake, objective, "mean"))

    log = math.log
    assert discriminator("minimax") == pytest.approx(-(log(3 / 4) + log(1 / 2)) / 2 - log(3 / 4))
    assert discriminator("non-saturating") == discriminator("minimax")
    assert generator("minimax") == pytest.approx(log(3 / 4))
    assert generator("non-saturating") == pytest.approx(-log(1 / 4))
    assert discriminator("least-squares") == pytest.approx(((log(3) - 1) ** 2 + 1) / 4 + log(3) ** 2 / 2)
    assert generator("least-squares") == pytest.approx((log(3) + 1) ** 2 / 2)
    assert discriminator("hinge") == pytest.approx((0 + 1) / 2 + 0)
    assert discriminator("wasserstein") == pytest.approx(-log(3) / 2 - log(3))
    assert generator("hinge") == generator("wasserstein") == pytest.approx(log(3))


@BACKENDS
def test_slopes_by_hand(kernels):
    real, fake, one = np.array([math.log(3), 0.0]), np.array([-math.log(3)]), np.array(1.0)

    def slopes(objective):
        arguments = objective, "sum"
        return [
            kernels.discriminator_loss_backward_real(one, real, *arguments).tolist(),
            kernels.discriminator_loss_backward_fake(one, fake, *arguments).tolist(),
            kernels.generator_loss_backward_fake(one, fake, *arguments).tolist(),
        ]

    assert [x for part in slopes("minimax") for x in part] == pytest.approx([-1 / 4, -1 / 2, 1 / 4, -1 / 4])
    assert [x for part in slopes("non-saturating") for x in part] == pytest.approx([-1 / 4, -1 / 2, 1 / 4, -3 / 4])
    third = math.log(3)
    assert [x for part in slopes("least-squares") for x in part] == pytest.approx([third - 1, -1, -third, -third - 1])
    assert slopes("hinge") == [[0, -1], [0], [-1]]
    assert slopes("wasserstein") == [[-1, -1], [1], [-1]]


@BACKENDS
@OBJECTIVES
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_values_are_the_textbooks(kernels, objective, shape):
    real, fake = draw(shape[0]), draw(shape[1], seed=1)
    of_real, of_fake, of_generator = TEXTBOOK[objective]
    none = kernels.discriminator_loss_forward(real, fake, objective, "none")
    np.testing.assert_allclose(none[0], of_real(real), rtol=1e-10, atol=1e-14)
    np.testing.assert_allclose(none[1], of_fake(fake), rtol=1e-10, atol=1e-14)
    y = kernels.generator_loss_forward(fake, objective, "none")
    np.testing.assert_allclose(y, of_generator(fake), rtol=1e-10, atol=1e-14)
    for reduction, reduce in (("mean", np.mean), ("sum", np.sum)):
        if real.size or reduction == "sum":
            total = kernels.discriminator_loss_forward(real, fake, objective, reduction)
            assert total.shape == () and total.dtype == real.dtype
            assert float(total) == pytest.approx(reduce(of_real(real)) + reduce(of_fake(fake)), rel=1e-10, abs=1e-10)
        y = kernels.generator_loss_forward(fake, objective, reduction)
        assert y.shape == () and float(y) == pytest.approx(reduce(of_generator(fake)), rel=1e-10, abs=1e-10)


@BACKENDS
@OBJECTIVES
def test_the_mean_of_nothing_is_nan(kernels, objective):
    empty, some = np.zeros(0), np.ones(2)
    assert np.isnan(kernels.discriminator_loss_forward(empty, some, objective, "mean"))
    assert np.isnan(kernels.generator_loss_forward(empty, objective, "mean"))
    assert kernels.generator_loss_forward(empty, objective, "sum") == 0
    assert kernels.generator_loss_backward_fake(np.array(1.0), empty, objective, "mean").shape == (0,)


@BACKENDS
@OBJECTIVES
@REDUCTIONS
def test_gradients_are_those_of_the_forward_pass(kernels, objective, reduction):
    """Along a random direction, for a random cotangent, by central differences."""
    real, fake, h = draw((4, 3)), draw((5,), seed=1), 1e-5
    directions = draw((4, 3), seed=2), draw((5,), seed=3)

    def cotangent(shape, seed):
        return draw(shape if reduction == "none" else (), seed=seed)

    seeds = cotangent((4, 3), 4), cotangent((5,), 5 if reduction == "none" else 4)

    def weighted(step):
        y = kernels.discriminator_loss_forward(
            real + step * directions[0], fake + step * directions[1], objective, reduction
        )
        return sum((s * part).sum() for s, part in zip(seeds, y)) if reduction == "none" else float(seeds[0] * y)

    grad_real = kernels.discriminator_loss_backward_real(seeds[0], real, objective, reduction)
    grad_fake = kernels.discriminator_loss_backward_fake(seeds[1], fake, objective, reduction)
    slope = (grad_real * directions[0]).sum() + (grad_fake * directions[1]).sum()
    assert slope == pytest.approx((weighted(h) - weighted(-h)) / 2 / h, rel=1e-7, abs=1e-8)

    def generated(step):
        return (seeds[1] * kernels.generator_loss_forward(fake + step * directions[1], objective, reduction)).sum()

    grad = kernels.generator_loss_backward_fake(seeds[1], fake, objective, reduction)
    assert (grad * directions[1]).sum() == pytest.approx((generated(h) - generated(-h)) / 2 / h, rel=1e-7, abs=1e-8)


@DTYPES
@OBJECTIVES
@REDUCTIONS
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("scale", [1e-3, 3.0, 1e3])
def test_cpu_equals_reference(dtype, objective, reduction, shape, scale):
    real, fake = draw(shape[0], dtype, 0, scale), draw(shape[1], dtype, 1, scale)
    for name, arguments in every_call(real, fake, objective, reduction).items():
        want, got = getattr(reference, name)(*arguments), getattr(cpu, name)(*arguments)
        for w, g in zip(want, got) if isinstance(want, tuple) else [(want, got)]:
            assert g.shape == w.shape and g.dtype == w.dtype == dtype, name
            # float32: the terms of a sum are rounded, and may cancel
            tolerance = (1e-6, 1e-6 * max(1.0, abs(w).max(initial=0)) * scale) if dtype == np.float32 else (1e-12, 1e-9)
            np.testing.assert_allclose(g, w, *tolerance, err_msg=name)


def every_call(real, fake, objective, reduction):
    seeds = [draw(a.shape if reduction == "none" else (), a.dtype, 7) for a in (real, fake)]
    return {
        "discriminator_loss_forward": (real, fake, objective, reduction),
        "discriminator_loss_backward_real": (seeds[0], real, objective, reduction),
        "discriminator_loss_backward_fake": (seeds[1], fake, objective, reduction),
        "generator_loss_forward": (fake, objective, reduction),
        "generator_loss_backward_fake": (seeds[1], fake, objective, reduction),
    }


@BACKENDS
@DTYPES
def test_nothing_overflows_at_a_thousand(kernels, dtype):
    """softplus(1000) is 1000 and softplus(-1000) is 0; e^1000 is beyond every dtype."""
    far = np.array([-1000.0, 1000.0], dtype)
    for objective in ("minimax", "non-saturating"):
        of_real, of_fake = kernels.discriminator_loss_forward(far, far, objective, "none")
        assert of_real.tolist() == [1000, 0] and of_fake.tolist() == [0, 1000]
        assert kernels.discriminator_loss_backward_real(far / far, far, objective, "none").tolist() == [-1, 0]
        assert kernels.discriminator_loss_backward_fake(far / far, far, objective, "none").tolist() == [0, 1]
    assert kernels.generator_loss_forward(far, "minimax", "none").tolist() == [0, -1000]
    assert kernels.generator_loss_forward(far, "non-saturating", "none").tolist() == [1000, 0]


@BACKENDS
@DTYPES
def test_small_losses_keep_their_places(kernels, dtype):
    """Of a score of 40 the loss is e^-40: 1 - D, or log of 1 + e^-40 taken plainly, would be 0."""
    score = np.array([40.0], dtype)
    assert kernels.generator_loss_forward(score, "non-saturating", "none")[0] == pytest.approx(math.exp(-40), rel=1e-5)
    slope = kernels.generator_loss_backward_fake(np.ones(1, dtype), score, "non-saturating", "none")
    assert slope[0] == pytest.approx(-math.exp(-40), rel=1e-5)


@BACKENDS
def test_the_minimax_generator_has_no_gradient_where_the_discriminator_is_sure(kernels):
    sure, one = np.array([-12.0]), np.array([1.0])
    minimax = kernels.generator_loss_backward_fake(one, sure, "minimax", "none")[0]
    other = kernels.generator_loss_backward_fake(one, sure, "non-saturating", "none")[0]
    assert -1e-5 < minimax < 0 and other < -0.99999


@BACKENDS
@DTYPES
def test_the_hinge_is_flat_in_its_corner(kernels, dtype):
    at, one = np.array([1.0, np.nextafter(dtype(1), dtype(0)), 2.0, -3.0], dtype), np.ones(4, dtype)
    assert kernels.discriminator_loss_backward_real(one, at, "hinge", "none").tolist() == [0, -1, 0, -1]
    assert kernels.discriminator_loss_backward_fake(one, -at, "hinge", "none").tolist() == [0, 1, 0, 1]
    assert kernels.discriminator_loss_forward(at, -at, "hinge", "none")[0][[0, 2, 3]].tolist() == [0, 0, 4]


@BACKENDS
@OBJECTIVES
def test_nan_is_passed_on_and_infinity_is_what_the_limit_is(kernels, objective):
    special = np.array([np.nan, np.inf, -np.inf])
    of_real, of_fake = kernels.discriminator_loss_forward(special, special, objective, "none")
    limits = {"wasserstein": ([-np.inf, np.inf], [np.inf, -np.inf]), "least-squares": ([np.inf] * 2, [np.inf] * 2)}
    assert [of_real[1:].tolist(), of_fake[1:].tolist()] == list(limits.get(objective, ([0, np.inf], [np.inf, 0])))
    assert np.isnan(of_real[0]) and np.isnan(of_fake[0])
    assert np.isnan(kernels.generator_loss_forward(special, objective, "none")[0])
    assert np.isnan(kernels.discriminator_loss_forward(special[:1], np.ones(9), objective, "mean"))


@OBJECTIVES
@REDUCTIONS
def test_same_bits_for_any_number_of_threads(objective, reduction, monkeypatch):
    monkeypatch.setattr(parallel, "SERIAL_BELOW", 0)
    calls = every_call(draw((3, 9001), np.float32), draw((40_000,), np.float32, 1), objective, reduction)
    results = []
    for threads in (1, 2, 4):
        parallel.set_thread_count(threads)
        try:
            results.append([np.hstack([np.ravel(a) for a in _several(getattr(cpu, n)(*c))]) for n, c in calls.items()])
        finally:
            parallel.set_thread_count(None)
    for one, two, four in zip(*results):
        assert one.tobytes() == two.tobytes() == four.tobytes()


def _several(y):
    return y if isinstance(y, tuple) else (y,)


@BACKENDS
@OBJECTIVES
def test_any_layout_is_read_and_nothing_is_written(kernels, objective):
    real = draw((4, 6))
    expected = kernels.discriminator_loss_forward(real, real, objective, "none")
    gradient = kernels.discriminator_loss_backward_real(real, real, objective, "none")
    for lay in (np.asfortranarray, lambda a: np.repeat(a, 2, axis=1)[:, ::2], lambda a: a[::-1].copy()[::-1]):
        laid = lay(real)
        laid.flags.writeable = False
        for got, want in zip(kernels.discriminator_loss_forward(laid, laid, objective, "none"), expected):
            np.testing.assert_array_equal(got, want)
        np.testing.assert_array_equal(kernels.discriminator_loss_backward_real(laid, laid, objective, "none"), gradient)
        np.testing.assert_array_equal(laid, draw((4, 6)))


S, SINGLE, Y = np.zeros(3), np.zeros(3, np.float32), np.array(1.0)


@BACKENDS
@pytest.mark.parametrize(
    ("name", "arguments", "error", "text"),
    [
        (
            "discriminator_loss_forward",
            (S, S, "gan", "mean"),
            ValueError,
            "objective expects one of 'minimax', .*'gan'",
        ),
        ("discriminator_loss_forward", (S, S, "hinge", "max"), ValueError, "reduction expects .* got 'max'"),
        (
            "discriminator_loss_forward",
            ([0.0], S, "hinge", "mean"),
            TypeError,
            "real expects a numpy.ndarray, got list",
        ),
        (
            "discriminator_loss_forward",
            (S, SINGLE, "hinge", "mean"),
            TypeError,
            "fake expects float64, the dtype of re",
        ),
        (
            "generator_loss_forward",
            (S.astype(int), "hinge", "mean"),
            TypeError,
            "fake expects float32 or float64, got i",
        ),
        ("generator_loss_forward", (S.astype(">f8"), "hinge", "mean"), TypeError, "fake expects float32 or float64"),
        ("discriminator_loss_backward_real", (S, S, "hinge", "mean"), ValueError, r"grad_y expects the shape \(\)"),
        ("discriminator_loss_backward_fake", (Y, S, "hinge", "none"), ValueError, r"grad_y expects the shape \(3,\)"),
        ("generator_loss_backward_fake", (S[:2], S, "hinge", "none"), ValueError, r"grad_y expects the shape \(3,\)"),
        ("generator_loss_backward_fake", (SINGLE, S, "hinge", "none"), TypeError, "grad_y expects float64"),
    ],
)
def test_refusals(kernels, name, arguments, error, text):
    with pytest.raises(error, match=rf"^{name[: name.index('_loss')]}_loss: {text}"):
        getattr(kernels, name)(*arguments)


def test_every_objective_has_its_formulas():
    assert set(formulas.LOSSES) == set(formulas.SLOPES) == set(shapes.OBJECTIVES)


def test_twins_have_the_same_functions():
    assert reference.__all__ == cpu.__all__
    for name in cpu.__all__:
        assert inspect.signature(getattr(reference, name)) == inspect.signature(getattr(cpu, name)), name
