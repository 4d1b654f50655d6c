"""Bias fields that are known: tissues of one brightness each, times a smooth factor, with the noise of a magnitude."""

import time

import numpy as np
import pytest

from mediml.imaging.bias_field import _sharpened, _tissue, correct_bias_field, homomorphic_filter
from mediml.imaging.phantoms import brain_anatomy, brain_mr

SHAPES = ((160, 140), (40, 48, 44))


def scene(shape, strength, noise=30.0, seed=0, air=True):
    """Air, cerebrospinal fluid 300, grey matter 700 and white matter 1000; labels 0 to 3; the field, of mean log 0."""
    rng = np.random.default_rng(seed)
    axes = np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij")
    radius = np.sqrt(sum((axis / size) ** 2 for axis, size in zip(axes[::-1], (0.75, 0.9, 0.85))))
    folds = sum(0.05 * np.sin(7 * axis + k) for k, axis in enumerate(axes))
    tissue = np.zeros(shape, int)
    tissue[radius < 1] = 1
    tissue[radius + folds < 0.85] = 2
    tissue[radius + 2 * folds < 0.6] = 3
    tissue[radius < 0.2] = 1
    y, x = axes[-2:]
    log = strength * (0.8 * x - 0.6 * y**2 + 0.5 * np.sin(1.5 * y + x))
    field = np.exp(log - log[tissue > 0].mean())
    signal = np.array([0.0, 300, 700, 1000])[tissue] * field
    image = np.hypot(signal + noise * rng.normal(size=shape), noise * rng.normal(size=shape))
    return (image if air else np.where(tissue > 0, image, 0)).astype(np.float32), tissue, field


def variation(image, tissue):
    """Standard deviation over mean of each tissue."""
    return np.array([image[tissue == k].std() / image[tissue == k].mean() for k in (1, 2, 3)])


@pytest.mark.parametrize("given", ["mask", "Otsu", "stripped"])
@pytest.mark.parametrize("shape", SHAPES, ids=["picture", "volume"])
def test_a_known_field_is_found(shape, given):
    image, tissue, field = scene(shape, 0.35, air=given != "stripped")
    inside = tissue > 0
    corrected, found = correct_bias_field(image, inside if given == "mask" else None)
    logs = np.log(found[inside]), np.log(field[inside])
    assert np.corrcoef(*logs)[0, 1] > (0.995 if given == "mask" else 0.98)
    error = np.std(logs[0] - logs[1])
    assert error < (0.02 if given == "mask" else 0.05) < 0.15 < np.std(logs[1])
    before, after, alone = (
        variation(x, tissue) for x in (image, corrected, scene(shape, 0.0, air=given != "stripped")[0])
    )
    # White and grey matter: to less than a third, and nearly to what noise alone leaves.
    assert (after[1:] < before[1:] / 3).all() and (after < 1.3 * alone).all()
    np.testing.assert_allclose(corrected * found, image, rtol=1e-5)
    assert corrected.dtype == found.dtype == np.float32


@pytest.mark.parametrize("seed", [0, 3])
def test_the_field_of_a_head_is_found(seed):
    """A T1 picture with cortex, partial volumes and Rician noise; ±20 %, in the mask of the brain and in none.

    White matter lies within and grey at the rim, darker by more than the field: with finer splines that order is taken
    for bias (spans of 1, 2 and 4: the error is as large as the field).
    """
    head = brain_anatomy(seed, shape=(1, 128, 112), spacing_mm=(5.0, 1.8, 1.8))
    taken = brain_mr(head, "T1", bias=0.2)
    brain, white = head.masks["brain"], head.fractions["white"] == 1
    true = np.log(taken.bias_field[brain])
    for mask in (brain, None):
        corrected, field = correct_bias_field(taken.volume.values, mask)
        assert np.std(np.log(field[brain]) - true) < 0.035 < 0.085 < true.std()
        uneven, even = (values[white].std() / values[white].mean() for values in (taken.volume.values, corrected))
        assert even < 0.65 * uneven and even < 1.4 / 30  # 1 / 30 is the noise


def test_finer_splines_follow_a_sharper_field():
    shape = SHAPES[1]
    image, tissue, _ = scene(shape, 0.0)
    inside = tissue > 0
    wave = 0.2 * np.sin(5 * np.linspace(-1, 1, shape[-1]))
    true = np.broadcast_to(wave, shape)[inside]
    uneven = (image * np.exp(wave)).astype(np.float32)
    coarse, fine = (np.std(np.log(correct_bias_field(uneven, inside, spans=spans).field[inside]) - true)
                    for spans in ((1,), (1, 2, 4)))  # fmt: skip
    assert fine < 0.02 < 0.04 < coarse


@pytest.mark.parametrize("shape", SHAPES, ids=["picture", "volume"])
@pytest.mark.parametrize("noise", [5.0, 30.0])
def test_an_image_without_bias_is_left_alone(shape, noise):
    image, tissue, _ = scene(shape, 0.0, noise)
    corrected, field = correct_bias_field(image)
    inside = tissue > 0
    assert np.abs(field[inside] - 1).max() < 0.02
    assert np.abs(corrected / image - 1)[inside].max() < 0.02


def test_the_unit_does_not_matter():
    image, tissue, _ = scene((80, 70), 0.35)
    corrected, field = correct_bias_field(image.astype(np.float64), tissue > 0)
    other, same = correct_bias_field(image.astype(np.float64) / 4096, tissue > 0)
    np.testing.assert_allclose(same, field, rtol=1e-6)
    np.testing.assert_allclose(other * 4096, corrected, rtol=1e-6)
    assert np.log(field[tissue > 0]).mean() == pytest.approx(0, abs=1e-12)
    whole = np.rint(image).astype(np.uint16)
    np.testing.assert_array_equal(
        correct_bias_field(whole, tissue > 0).field, correct_bias_field(whole.astype(np.float32), tissue > 0).field
    )
    assert field.min() >= field[tissue > 0].min() and field.max() <= field[tissue > 0].max()


def test_a_large_image_is_worked_on_in_blocks_and_in_time():
    image, tissue, field = scene((520, 430), 0.35)
    start = time.perf_counter()
    found = correct_bias_field(image, tissue > 0).field
    assert time.perf_counter() - start < 5
    inside = tissue > 0
    assert np.std(np.log(found[inside] / field[inside])) < 0.02


@pytest.mark.parametrize("shape", SHAPES, ids=["picture", "volume"])
def test_the_homomorphic_filter_flattens_and_costs_contrast(shape):
    image, tissue, field = scene(shape, 0.35)
    inside = tissue > 0
    corrected, found = homomorphic_filter(image, shape[-1] / 2, inside)
    assert np.corrcoef(np.log(found[inside]), np.log(field[inside]))[0, 1] > 0.9
    assert (variation(corrected, tissue)[1:] < variation(image, tissue)[1:]).all()
    assert np.log(found[inside]).mean() == pytest.approx(0, abs=1e-3)  # the field is float32
    _, flat = homomorphic_filter(scene(shape, 0.0)[0], shape[-1] / 4, inside)
    assert np.ptp(flat[inside]) > 0.1  # tissue taken for bias, as the text warns


def test_the_homomorphic_filter_by_hand():
    """Two tissues far from each other in a mask: each is its own mean, whatever lies between."""
    x = np.full((1, 200), 5.0)
    mask = np.zeros(x.shape, bool)
    mask[:, :20] = mask[:, -20:] = True
    x[:, :20], x[:, -20:] = 100, 400
    corrected, field = homomorphic_filter(x, 5.0, mask)
    np.testing.assert_allclose(field[0, [0, -1]], [0.5, 2])  # the geometric mean is 200
    np.testing.assert_allclose(corrected[mask], 200)
    assert field[0, 100] == pytest.approx(1)
    np.testing.assert_allclose(homomorphic_filter(x, 10.0, mask, (1.0, 2.0)).field, field)


def test_sharpening_draws_values_to_their_peak():
    """Two peaks blurred by exactly the width that is taken out: each value moves most of the way to its own."""
    rng = np.random.default_rng(3)
    peaks = np.repeat([5.0, 6.0], 20_000)
    u = peaks + rng.normal(size=peaks.size) * 0.15 / 2.3548
    left = _sharpened(u, 0.15) - peaks
    assert left.std() < 0.35 * (u - peaks).std()
    assert abs(left.mean()) < 0.005
    np.testing.assert_array_equal(_sharpened(np.full(9, 2.0), 0.15), 2.0)


def test_dark_tissue_counts_and_air_does_not():
    image, tissue, _ = scene((160, 140), 0.35)
    inside = _tissue("test", image, None)[1]
    assert inside[tissue == 1].mean() > 0.6 and inside[tissue > 1].mean() > 0.99
    assert inside[tissue == 0].mean() < 0.001


@pytest.mark.parametrize("correct", [correct_bias_field, lambda x, mask=None: homomorphic_filter(x, 5.0, mask)])
def test_awkward_images(correct):
    rng = np.random.default_rng(2)
    for shape in ((1, 40), (40, 1), (5, 5), (1, 20, 20)):
        x = np.full(shape, 100.0)
        corrected, field = correct(x, np.ones(shape, bool))
        np.testing.assert_allclose(corrected, x, rtol=1e-9)
        np.testing.assert_allclose(field, 1, rtol=1e-9)
        np.testing.assert_array_equal(correct(x).field, field)  # nothing to part by a threshold
    x = rng.random((30, 40)).astype(np.float32) * 100
    x[:10] = -5
    x[10:12] = 0
    frozen = np.asfortranarray(x)
    frozen.flags.writeable = False
    corrected, field = correct(frozen)
    assert np.isfinite(corrected).all() and (field > 0).all()
    assert (np.sign(corrected) == np.sign(x)).all()


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda x: correct_bias_field(x, x[:3]), r"correct_bias_field: mask expects the image's shape \(8, 8\), got"),
        (lambda x: correct_bias_field(x, x > 5), "correct_bias_field: mask expects at least 16 pixels above 0, got 0"),
        (lambda x: homomorphic_filter(-x, 3, x > 0), "homomorphic_filter: mask expects at least 16 pixels above 0"),
        (lambda x: homomorphic_filter(x, 0, x > 0), "homomorphic_filter: sigma expects"),
        (lambda x: correct_bias_field(x, x > 0, spans=(2, 0)), "spans expects whole numbers of at least 1"),
        (lambda x: correct_bias_field(x, x > 0, spans=(np.inf,)), "spans expects whole numbers of at least 1"),
        (
            lambda x: correct_bias_field(x, x > 0, most_steps=0),
            "most_steps expects a whole number of at least 1, got 0",
        ),
        (lambda x: correct_bias_field(x, x > 0, most_steps=2.5), "most_steps expects a whole number"),
        (lambda x: correct_bias_field(x, x > 0, spans=()), "spans expects"),
        (lambda x: correct_bias_field(x, x > 0, width=0), "correct_bias_field: width expects"),
        (lambda x: correct_bias_field(x, x > 0, tolerance=-1), "correct_bias_field: tolerance expects"),
        (lambda x: correct_bias_field(x * np.nan), "correct_bias_field: image expects finite values, got 64"),
        (lambda x: correct_bias_field(x[0]), "correct_bias_field: image expects shape"),
    ],
)
def test_refusals(call, text):
    with pytest.raises(ValueError, match=text):
        call(np.ones((8, 8)))
