"""PSNR and SSIM against values worked out by hand and by plain loops in float64."""

import math

import numpy as np
import pytest

from mediml.evaluation import mean_quality, psnr, ssim

RNG = np.random.default_rng


def ssim_by_loops(x, y, data_range):
    """The paper's formula, window by window."""
    weights = [[math.exp(-(i * i + j * j) / (2 * 1.5**2)) for j in range(-5, 6)] for i in range(-5, 6)]
    total = sum(map(sum, weights))
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    values = []
    for row in range(5, x.shape[0] - 5):
        for column in range(5, x.shape[1] - 5):
            window = [
                (weights[i + 5][j + 5] / total, float(x[row + i, column + j]), float(y[row + i, column + j]))
                for i in range(-5, 6)
                for j in range(-5, 6)
            ]
            m_x, m_y = sum(w * a for w, a, _ in window), sum(w * b for w, _, b in window)
            v_x, v_y = sum(w * (a - m_x) ** 2 for w, a, _ in window), sum(w * (b - m_y) ** 2 for w, _, b in window)
            v_xy = sum(w * (a - m_x) * (b - m_y) for w, a, b in window)
            values.append((2 * m_x * m_y + c1) * (2 * v_xy + c2) / ((m_x**2 + m_y**2 + c1) * (v_x + v_y + c2)))
    return sum(values) / len(values)


def test_psnr_by_hand():
    image = np.zeros((4, 5))
    assert psnr(image + 0.1, image) == pytest.approx(20)
    assert psnr(image + 1, image, data_range=255) == pytest.approx(48.1308, abs=1e-4)
    one = image.copy()
    one[0, 0] = 1  # one of 20 pixels is wrong by everything
    assert psnr(one, image) == pytest.approx(10 * math.log10(20))
    assert psnr(image, image) == np.inf


def test_one_number_per_image():
    references = RNG(0).random((3, 2, 16, 16))
    images = references + 0.1 * np.arange(1, 7).reshape(3, 2, 1, 1)
    np.testing.assert_allclose(psnr(images, references), -20 * np.log10(0.1 * np.arange(1, 7).reshape(3, 2)))
    assert ssim(images, references).shape == (3, 2)
    assert ssim(images, references)[1, 1] == pytest.approx(float(ssim(images[1, 1], references[1, 1])))


@pytest.mark.parametrize(("shape", "data_range"), [((11, 11), 1.0), ((14, 17), 1.0), ((12, 20), 255.0)])
def test_ssim_is_the_formula_of_the_paper(shape, data_range):
    x = RNG(1).random(shape) * data_range
    y = np.clip(0.8 * x + 0.1 * data_range + 0.1 * data_range * RNG(2).normal(size=shape), 0, data_range)
    assert float(ssim(x, y, data_range)) == pytest.approx(ssim_by_loops(x, y, data_range), abs=1e-12)


def test_ssim_of_constants_by_hand():
    # no structure: (2 a b + C1) / (a² + b² + C1)
    a, b = np.full((13, 13), 0.2), np.full((13, 13), 0.6)
    assert float(ssim(a, b)) == pytest.approx((2 * 0.12 + 1e-4) / (0.04 + 0.36 + 1e-4))


def test_ssim_has_its_known_properties():
    x = RNG(3).random((24, 24))
    assert float(ssim(x, x)) == pytest.approx(1, abs=1e-14)
    assert float(ssim(x, 1 - x)) < 0  # the structure is turned round
    noisy = [float(ssim(x, x + s * RNG(4).normal(size=x.shape))) for s in (0.02, 0.1, 0.3)]
    assert noisy[0] > noisy[1] > noisy[2]
    assert float(ssim(x, 0.5 * x)) == pytest.approx(float(ssim(0.5 * x, x)), abs=1e-14)
    assert float(ssim(255 * x, 250 * x, 255)) == pytest.approx(float(ssim(x, 250 / 255 * x)), rel=1e-9)


def test_integers_do_not_wrap():
    black, white = np.zeros((12, 12), np.uint8), np.full((12, 12), 255, np.uint8)
    assert psnr(black, white, 255) == pytest.approx(0)
    assert float(ssim(black, white, 255)) == pytest.approx(1e-4 / (1 + 1e-4), rel=1e-6)


def test_mean_with_its_interval():
    values = RNG(5).normal(30, 2, 200)
    estimate = mean_quality(values)
    assert estimate.value == pytest.approx(values.mean())
    assert estimate.high - estimate.low == pytest.approx(2 * 1.96 * values.std() / 200**0.5, rel=0.1)
    pairs = mean_quality(np.repeat(values[:100], 2), clusters=np.repeat(np.arange(100), 2))
    apart = mean_quality(np.repeat(values[:100], 2))
    assert pairs.high - pairs.low > 1.25 * (apart.high - apart.low)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: psnr(np.zeros((4, 4)), np.zeros((4, 5))), r"psnr: expected images .* got \(4, 4\) and \(4, 5\)"),
        (lambda: psnr(np.zeros(4), np.zeros(4)), r"one shape \(…, H, W\)"),
        (lambda: psnr(np.zeros((4, 4)), np.zeros((4, 4)), 0), "data_range expects a positive number"),
        (lambda: ssim(np.zeros((10, 12)), np.zeros((10, 12))), "at least 11 × 11 pixels"),
        (lambda: mean_quality([1.0, np.inf]), "1 that are not finite; count equal images"),
        (lambda: mean_quality([]), "N >= 1"),
    ],
)
def test_refusals(call, text):
    with pytest.raises(ValueError, match=text):
        call()
