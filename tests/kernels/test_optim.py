"""Updates of parameters: by hand, the fast one against the formula, memory that is changed, refusals."""

import inspect
import itertools
import math

import numpy as np
import pytest

from kernels import parallel
from kernels.optim import cpu, reference

BACKENDS = pytest.mark.parametrize("kernels", [reference, cpu], ids=["reference", "cpu"])


def arrays(count, shape=(3, 5), dtype=np.float64, seed=0):
    generator = np.random.default_rng(seed)
    drawn = [np.asarray(generator.normal(0, 1, shape)).astype(dtype) for _ in range(count)]
    return drawn[:2] + [np.asarray(np.abs(array)) for array in drawn[2:]]


def sgd(kernels, param, grad, buffer=None, is_first=False, lr=0.1, momentum=0.0, dampening=0.0, decay=0.0,
        nesterov=False, maximize=False):  # fmt: skip
    kernels.sgd_update(param, grad, buffer, is_first, lr, momentum, dampening, decay, nesterov, maximize)
    return param


def adam(kernels, param, grad, m, v, u=None, step=1, lr=0.1, betas=(0.9, 0.99), eps=1e-8, decay=0.0, decoupled=False,
         maximize=False):  # fmt: skip
    kernels.adam_update(param, grad, m, v, u, step, lr, *betas, eps, decay, decoupled, maximize)
    return param


def test_both_modules_have_the_same_functions():
    assert reference.__all__ == cpu.__all__
    for name in reference.__all__:
        assert inspect.signature(getattr(reference, name)) == inspect.signature(getattr(cpu, name)), name


@BACKENDS
def test_descent_by_hand(kernels):
    g = np.array([4.0, -2])
    np.testing.assert_allclose(sgd(kernels, np.array([1.0, 2]), g), [0.6, 2.2])
    np.testing.assert_allclose(sgd(kernels, np.array([1.0, 2]), g, maximize=True), [1.4, 1.8])
    np.testing.assert_allclose(sgd(kernels, np.array([1.0, 2]), g, decay=0.5), [0.55, 2.1])


@BACKENDS
def test_momentum_by_hand(kernels):
    p, g, b = np.array([1.0]), np.array([4.0]), np.array([np.nan])  # the first step reads no buffer
    sgd(kernels, p, g, b, True, momentum=0.5, dampening=0.25)
    assert p == pytest.approx(0.6) and b == 4
    sgd(kernels, p, g, b, False, momentum=0.5, dampening=0.25)  # b = 0.5 * 4 + 0.75 * 4
    assert b == 5 and p == pytest.approx(0.1)
    sgd(kernels, p, g, b, False, momentum=0.5, nesterov=True)  # b = 6.5, direction = 4 + 3.25
    assert b == 6.5 and p == pytest.approx(-0.625)


@BACKENDS
def test_first_adam_step_has_the_length_of_the_learning_rate(kernels):
    p, m, v = np.zeros(3), np.zeros(3), np.zeros(3)
    adam(kernels, p, np.array([1e-3, -5, 1e4]), m, v)
    np.testing.assert_allclose(p, [-0.1, 0.1, -0.1], rtol=2e-5)
    np.testing.assert_allclose(m, [1e-4, -0.5, 1e3])
    np.testing.assert_allclose(v, [1e-8, 0.25, 1e6])


@BACKENDS
def test_adam_by_hand(kernels):
    p, m, v, u = np.array([2.0]), np.array([0.5]), np.array([0.04]), np.array([1.0])
    adam(kernels, p, np.array([1.0]), m, v, u, step=3, betas=(0.5, 0.9), eps=0.2, decay=0.1, decoupled=True)
    # m = 0.75, v = 0.136 stays below u = 1, the corrections are 1 - 1/8 and 1 - 0.729
    assert m == pytest.approx(0.75) and v == pytest.approx(0.136) and u == 1
    assert p == pytest.approx(2 * 0.99 - 0.1 * (0.75 / 0.875) / (math.sqrt(1 / 0.271) + 0.2))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(), (7,), (3, 5), (0, 2)])
def test_cpu_equals_the_formula(shape, dtype):
    tolerance = {"rtol": 3e-6, "atol": 1e-6} if dtype == np.float32 else {"rtol": 1e-12, "atol": 1e-14}

    def compare(update, state, *options):
        results = []
        for kernels in (reference, cpu):
            mine = [array.copy() for array in arrays(state, shape, dtype)]
            update(kernels, *mine, *options)
            results.append(mine)
        for expected, got in zip(*results):
            assert got.dtype == dtype
            np.testing.assert_allclose(got, expected, **tolerance)

    for decay, maximize in itertools.product((0.0, 0.1), (False, True)):
        compare(sgd, 2, None, False, 0.1, 0.0, 0.0, decay, False, maximize)
        for is_first, dampening, nesterov in itertools.product((False, True), (0.0, 0.3), (False, True)):
            compare(sgd, 3, is_first, 0.1, 0.9, dampening, decay, nesterov, maximize)
        for betas, decoupled in itertools.product(((0.9, 0.999), (0.0, 0.0), (0.2, 0.7)), (False, True)):
            compare(adam, 4, None, 5, 0.1, betas, 1e-8, decay, decoupled, maximize)
            compare(adam, 5, 5, 0.1, betas, 1e-8, decay, decoupled, maximize)


@BACKENDS
def test_nan_stays_and_infinity_is_not_decayed_by_nothing(kernels):
    p, m, v, u = (np.ones(3) for _ in range(4))
    u[1] = np.nan
    adam(kernels, p, np.array([np.nan, 1, 1]), m, v, u)
    np.testing.assert_array_equal(np.isnan(p), [True, True, False])
    np.testing.assert_array_equal(np.isnan(u), [True, True, False])
    assert sgd(kernels, np.array([np.inf]), np.array([1.0])) == np.inf


@BACKENDS
def test_memory_in_any_order_is_changed_in_place_and_the_gradient_is_not(kernels):
    plain = arrays(5)
    awkward = [np.asfortranarray(array) for array in plain[:3]]
    awkward += [np.zeros((3, 10))[:, ::2] for _ in range(2)]
    for array, values in zip(awkward, plain):
        array[...] = values
    awkward[1].flags.writeable = False
    kept = plain[1].copy()
    adam(kernels, *plain, step=2, decay=0.1)
    adam(kernels, *awkward, step=2, decay=0.1)
    for expected, got in zip(plain, awkward):
        np.testing.assert_array_equal(got, expected)
    np.testing.assert_array_equal(plain[1], kept)
    sgd(kernels, *plain[:3], momentum=0.9)
    sgd(kernels, *awkward[:3], momentum=0.9)
    for expected, got in zip(plain[:3], awkward[:3]):
        np.testing.assert_array_equal(got, expected)


def test_same_bits_for_any_number_of_threads(monkeypatch):
    monkeypatch.setattr(parallel, "SERIAL_BELOW", 0)
    results = []
    for threads in (1, 3):
        monkeypatch.setattr(parallel, "_thread_count", threads)
        mine = arrays(5, (1237,), np.float32)
        adam(cpu, *mine, step=2)
        sgd(cpu, *mine[:3], momentum=0.9)
        results.append(b"".join(array.tobytes() for array in mine))
    assert results[0] == results[1]


A = np.ones(3)
LOCKED = np.ones(3)
LOCKED.flags.writeable = False
REFUSED = [
    (TypeError, "param expects float32 or float64", lambda k: sgd(k, np.ones(3, np.int64), A)),
    (TypeError, "grad expects float64", lambda k: sgd(k, A.copy(), A.astype(np.float32))),
    (ValueError, r"grad expects the shape of param \(3,\)", lambda k: sgd(k, A.copy(), np.ones((1, 3)))),
    (ValueError, "read-only", lambda k: sgd(k, LOCKED, A)),
    (ValueError, "exp_avg_sq is changed in place", lambda k: adam(k, A.copy(), A, A.copy(), LOCKED)),
    (ValueError, "momentum_buffer expects an array", lambda k: sgd(k, A.copy(), A, momentum=0.9)),
    (ValueError, "max_exp_avg_sq expects the shape", lambda k: adam(k, A.copy(), A, A.copy(), A.copy(), np.ones(2))),
    (TypeError, "exp_avg expects a numpy.ndarray, got list", lambda k: adam(k, A.copy(), A, [1.0], A.copy())),
    (ValueError, "at least 1, got 0", lambda k: adam(k, A.copy(), A, A.copy(), A.copy(), step=0)),
]


@BACKENDS
@pytest.mark.parametrize(("error", "text", "call"), REFUSED, ids=[case[1] for case in REFUSED])
def test_refused(kernels, error, text, call):
    with pytest.raises(error, match=text):
        call(kernels)
