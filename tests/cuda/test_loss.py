"""Losses on the GPU against the formula: every reduction, weights or none, ignored and missing classes, corners."""

import numpy as np
import pytest
from cuda_harness import DTYPES, TOLERANCE, Call, check, compare

from kernels import memory
from kernels.gpu import axis
from kernels.gpu.launch import LAUNCHES
from kernels.gpu.transfer import TRANSFERS, to_device
from kernels.loss import cuda, reference, shapes

INF, NAN = np.inf, np.nan
REDUCTIONS = shapes.REDUCTIONS


def _gradient(draw, reduction, shape):
    return np.asarray(draw(*shape) if reduction == "none" else draw(1)[0])


# -- element by element ------------------------------------------------------------------------------------------------

#: The errors of two arrays: name and parameters.
ERRORS = [("mse_loss", ()), ("l1_loss", ()), ("smooth_l1_loss", (0.7,)), ("huber_loss", (1.3,))]
CORNERS = [0.0, -0.0, 0.7, -0.7, 1.3, -1.3, INF, -INF, NAN, 1e30, 2.0]


def _errors(op, parameters):
    for reduction in REDUCTIONS:
        for shape in [(5, 7), (), (0, 3)] if op == "mse_loss" else [(5, 7)]:
            note = f"{reduction} {shape}"

            def both(draw, shape=shape):
                return np.asarray(draw(*shape)), np.asarray(draw(*shape))

            yield Call("loss", f"{op}_forward", lambda d, b=both, r=reduction: (*b(d), *parameters, r), note)
            yield Call(
                "loss",
                f"{op}_backward_x",
                lambda d, b=both, r=reduction, s=shape: (_gradient(d, r, s), *b(d), *parameters, r),
                note,
            )
    corners = lambda draw: (draw.array(CORNERS), np.zeros(len(CORNERS), draw.dtype))  # noqa: E731
    yield Call("loss", f"{op}_forward", lambda d: (*corners(d), *parameters, "none"), "corners")
    yield Call("loss", f"{op}_backward_x", lambda d: (d(11), *corners(d), *parameters, "none"), "corners")


def _binary():
    """x, target and the weights, given or not; the functions that take them."""
    op, arguments = "binary_cross_entropy", [("weight",), ()]
    for given in arguments:
        for reduction in REDUCTIONS:

            def draw_all(draw, given=given):
                return draw.uniform(4, 9), draw.uniform(4, 9), draw.uniform(4, 9) if given else None

            yield from _three(op, draw_all, reduction, f"{reduction} {' '.join(given)}".strip())
    edges = lambda draw: (draw.array([0, 1, 0, 1, 0.5]), draw.array([0, 1, 1, 0, 1]), None)  # noqa: E731
    yield from _three(op, edges, "none", "edges", (5,))


def _logits():
    op = "binary_cross_entropy_with_logits"
    for given in [(), ("weight",), ("pos_weight",), ("weight", "pos_weight")]:
        for reduction in REDUCTIONS:

            def draw_all(draw, given=given):
                weights = (draw.uniform(4, 9) if name in given else None for name in ("weight", "pos_weight"))
                return draw(4, 9), draw.uniform(4, 9), *weights

            yield from _three(op, draw_all, reduction, f"{reduction} {' '.join(given)}".strip())
    edges = lambda d: (d.array([0, -800, 800, NAN, INF, -INF]), d.array([1, 0, 0.5, 1, 1, 0]), None, None)  # noqa: E731
    yield from _three(op, edges, "none", "edges", (6,))


def _three(op, draw_all, reduction, note, shape=(4, 9)):
    yield Call("loss", f"{op}_forward", lambda draw: (*draw_all(draw), reduction), note)
    for argument in ("x", "target"):
        yield Call(
            "loss",
            f"{op}_backward_{argument}",
            lambda draw: (_gradient(draw, reduction, shape), *draw_all(draw), reduction),
            note,
        )


# -- over classes ------------------------------------------------------------------------------------------------------

#: Shapes of x: few and many classes, one class, pixels, one position, nothing, a volume.
CLASSES = [(5, 3), (2, 19), (3, 1), (2, 3, 5, 7), (1, 5, 70), (0, 4), (2, 4, 0), (1, 2, 3, 2, 2)]
IGNORED = -100


def _indices(draw, shape, ignore):
    target = draw.integers(0, shape[1], *shapes.positions(shape))
    if ignore and target.size:
        target.reshape(-1)[:: max(2, target.size // 3)] = IGNORED
    return target


def _index_losses():
    for shape in CLASSES:
        for weighted, smoothing, reduction, ignore in [
            (False, 0.0, "mean", False), (True, 0.3, "mean", True), (True, 0.0, "sum", True),
            (False, 0.2, "none", True), (True, 1.0, "none", False),
        ]:  # fmt: skip
            note = f"{shape} {'weighted' if weighted else ''} {smoothing} {reduction} {'ignoring' if ignore else ''}"

            def arguments(draw, shape=shape, weighted=weighted, ignore=ignore):
                weight = draw.uniform(shape[1]) if weighted else None
                return draw(*shape) * draw.dtype.type(3), _indices(draw, shape, ignore), weight, IGNORED

            yield from _index_pair(arguments, smoothing, reduction, note)
            if not smoothing:
                yield from _nll_pair(arguments, reduction, note)

    def all_ignored(draw):
        return draw(2, 3), np.full(2, IGNORED), None, IGNORED

    def large(draw):
        x = draw.array([[1e4, -1e4, 0], [-800, 0, 800], [60, 0, 0], [0, 0, -INF], [NAN, 0, 0], [0, INF, 0], [-INF] * 3])
        return x, np.array([1, 2, 0, 1, 1, 1, 0]), None, 2

    for arguments, note in ((all_ignored, "all ignored"), (large, "large")):
        yield from _index_pair(arguments, 0.0, "mean" if arguments is all_ignored else "none", note)
        yield from _nll_pair(arguments, "mean" if arguments is all_ignored else "none", note)


def _index_pair(arguments, smoothing, reduction, note):
    def backward(draw):
        x, *rest = arguments(draw)
        _, log_sum_exp, weight_sum = reference.cross_entropy_forward(x, *rest, smoothing, reduction)
        grad_y = _gradient(draw, reduction, log_sum_exp.shape)
        return grad_y, x, *rest, smoothing, reduction, log_sum_exp, np.asarray(weight_sum)

    yield Call("loss", "cross_entropy_forward", lambda draw: (*arguments(draw), smoothing, reduction), note)
    yield Call("loss", "cross_entropy_backward_x", backward, note)


def _nll_pair(arguments, reduction, note):
    def backward(draw):
        x, target, *rest = arguments(draw)
        _, weight_sum = reference.nll_loss_forward(x, target, *rest, reduction)
        return _gradient(draw, reduction, target.shape), x, target, *rest, reduction, np.asarray(weight_sum)

    yield Call("loss", "nll_loss_forward", lambda draw: (*arguments(draw), reduction), note)
    yield Call("loss", "nll_loss_backward_x", backward, note)


def _soft_losses():
    for shape in CLASSES:
        for weighted, smoothing, reduction in [(False, 0.0, "mean"), (True, 0.3, "sum"), (True, 0.2, "none")]:
            note = f"{shape} {'weighted' if weighted else ''} {smoothing} {reduction}"

            def arguments(draw, shape=shape, weighted=weighted):
                return draw(*shape), draw.uniform(*shape), draw.uniform(shape[1]) if weighted else None

            def backward(draw, arguments=arguments, smoothing=smoothing, reduction=reduction, with_target=True):
                x, target, weight = arguments(draw)
                _, saved = reference.soft_cross_entropy_forward(x, target, weight, smoothing, reduction)
                targets = (target,) if with_target else ()
                return _gradient(draw, reduction, saved.shape), x, *targets, weight, smoothing, reduction, saved

            forward = lambda draw, a=arguments, s=smoothing, r=reduction: (*a(draw), s, r)  # noqa: E731
            yield Call("loss", "soft_cross_entropy_forward", forward, note)
            yield Call("loss", "soft_cross_entropy_backward_x", backward, note)
            yield Call(
                "loss", "soft_cross_entropy_backward_target", lambda draw, b=backward: b(draw, with_target=False), note
            )


CALLS = [
    *(call for case in ERRORS for call in _errors(*case)),
    *_binary(),
    *_logits(),
    *_index_losses(),
    *_soft_losses(),
]


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("call", CALLS, ids=str)
def test_call(call, dtype):
    check(call, dtype)


def test_every_function_is_called():
    assert {call.function for call in CALLS} == set(cuda.__all__)


def test_a_class_that_does_not_exist_is_reported_at_the_next_copy_to_the_host():
    x, grad_y = to_device(np.zeros((3, 4), np.float32)), to_device(np.ones((), np.float32))
    one = to_device(np.asarray(3.0))
    for bad in (4, -1, 2**40):
        target = to_device(np.array([0, bad, 1]))
        y, log_sum_exp, _ = cuda.cross_entropy_forward(x, target, None, -100, 0.0, "mean")
        text = rf"cross_entropy: Target {bad} is out of bounds; target expects classes from 0 to 3, or ignore_index"
        with pytest.raises(IndexError, match=text):
            y.get()
        y.get()  # told once
        cuda.cross_entropy_backward_x(grad_y, x, target, None, -100, 0.0, "sum", log_sum_exp, one)
        with pytest.raises(IndexError, match=text):
            y.get()
        y, _ = cuda.nll_loss_forward(x, target, None, -100, "sum")
        with pytest.raises(IndexError, match=f"nll_loss: Target {bad} is out"):
            y.get()
        cuda.nll_loss_backward_x(grad_y, x, target, None, -100, "sum", one)
        with pytest.raises(IndexError, match=f"nll_loss: Target {bad} is out"):
            y.get()
    cuda.nll_loss_forward(x, to_device(np.array([0, 4, 1])), None, 4, "sum")[0].get()  # ignored


def test_nothing_is_copied_to_the_host():
    x, target = to_device(np.ones((3, 4), np.float32)), to_device(np.array([0, 3, 1]))
    before = TRANSFERS.to_host
    y, log_sum_exp, weight_sum = cuda.cross_entropy_forward(x, target, None, -100, 0.0, "mean")
    cuda.cross_entropy_backward_x(y, x, target, None, -100, 0.0, "mean", log_sum_exp, weight_sum)
    cuda.mse_loss_backward_x(cuda.mse_loss_forward(x, x, "mean"), x, x, "mean")
    assert TRANSFERS.to_host == before
    assert (weight_sum.shape, weight_sum.dtype) == ((), np.float64)


def test_arrays_of_the_host_are_refused():
    x, target = np.ones((3, 4), np.float32), np.array([0, 3, 1])
    for call in (
        lambda: cuda.cross_entropy_forward(to_device(x), target, None, -100, 0.0, "mean"),
        lambda: cuda.nll_loss_forward(x, to_device(target), None, -100, "mean"),
        lambda: cuda.mse_loss_forward(to_device(x), x, "mean"),
        lambda: cuda.cross_entropy_forward(to_device(x), to_device(target), np.ones(4, np.float32), 0, 0.0, "sum"),
    ):
        with pytest.raises(TypeError, match="array on the device"):
            call()


def test_strided_arrays():
    rng = np.random.default_rng(0)
    x, target = rng.standard_normal((4, 6)), rng.integers(0, 4, 12)
    ours = cuda.cross_entropy_forward(to_device(x).T, to_device(target)[::2], None, -100, 0.1, "mean")
    expected = reference.cross_entropy_forward(x.T, target[::2], None, -100, 0.1, "mean")
    for got, wanted in zip(ours[:2], expected[:2]):
        compare(got.get(), wanted, TOLERANCE["float64"], "strided")
    ours = cuda.l1_loss_backward_x(to_device(x).T, to_device(x).T, to_device(x[::-1].copy()).T, "none")
    expected = reference.l1_loss_backward_x(x.T, x.T, x[::-1].T, "none")
    compare(ours.get(), expected, TOLERANCE["float64"], "strided")


def test_a_sure_prediction_keeps_its_small_loss_in_single_precision():
    """log(1 + e^-20) is 2e-9: added to 1 in float32 it would be lost."""
    x = to_device(np.array([[20, 0]], np.float32))
    y = cuda.cross_entropy_forward(x, to_device(np.array([0])), None, -100, 0.0, "mean")[0]
    assert float(y.get()) == pytest.approx(np.log1p(np.exp(-20.0)), rel=1e-6)


def test_a_probability_outside_0_and_1_gives_nan():
    x = to_device(np.array([-0.1, 1.1, NAN, 0.5]))
    y = cuda.binary_cross_entropy_forward(x, to_device(np.full(4, 0.5)), None, "none").get()
    np.testing.assert_array_equal(np.isnan(y), [True, True, True, False])


def test_a_thread_and_a_tile_agree(monkeypatch):
    rng = np.random.default_rng(1)
    x, target = to_device(rng.standard_normal((3, 11, 5))), to_device(rng.integers(0, 11, (3, 5)))
    results = []
    for short in (0, 100):
        monkeypatch.setattr(axis, "SHORT", short)
        y, saved, weight_sum = cuda.cross_entropy_forward(x, target, None, -100, 0.2, "mean")
        grad = cuda.cross_entropy_backward_x(y, x, target, None, -100, 0.2, "mean", saved, weight_sum)
        results.append((y.get(), grad.get()))
    for tile, thread in zip(*results):
        np.testing.assert_allclose(tile, thread, atol=1e-15)


def test_few_launches():
    memory.fill_new_arrays_with_nan(False)  # until the test is over
    x, target = to_device(np.ones((2, 3), np.float32)), to_device(np.array([0, 2]))
    for most, call in (
        (3, lambda: cuda.cross_entropy_forward(x, target, None, -100, 0.0, "mean")),
        (2, lambda: cuda.mse_loss_forward(x, x, "mean")),
        (1, lambda: cuda.mse_loss_backward_x(to_device(np.ones((), np.float32)), x, x, "mean")),
    ):
        call()
        before = LAUNCHES.value
        call()
        assert LAUNCHES.value - before == most
