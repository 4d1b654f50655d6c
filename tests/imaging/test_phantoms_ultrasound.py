"""Ultrasound phantoms against physics: speckle statistics, contrast in decibels, beam, attenuation, geometry."""

import itertools
import math

import numpy as np
import pytest
from scipy.ndimage import binary_erosion

from mediml.imaging.phantoms import PROBES, Probe, log_compress, ultrasound
from mediml.imaging.phantoms.beams import Beams

#: One tissue with a large disc in its middle, seen by a straight probe without noise.
DISC = {"organ": "uniform", "probe": "linear", "depth_mm": 40.0, "noise_db": -200.0}


def power_db(picture, inside):
    return 10 * np.log10((picture.envelope.astype(np.float64)[inside] ** 2).mean())


def finding(picture):
    return picture.envelope_labels == picture.tissues.index("finding")


# ---------------------------------------------------------------------------------------------------- statistics


@pytest.mark.parametrize("probe", ["convex", "linear"])
def test_the_envelope_of_uniform_tissue_is_rayleigh(probe):
    e = ultrasound(0, 3, organ="uniform", probe=probe, depth_mm=90, noise_db=-200).envelope[150:-150, 8:-8]
    e = e.astype(np.float64)
    assert e.mean() / e.std() == pytest.approx(1 / math.sqrt(4 / math.pi - 1), rel=0.02)  # 1.913
    assert (e**2).mean() / e.mean() ** 2 == pytest.approx(4 / math.pi, rel=0.01)
    assert (e < 0.5).mean() == pytest.approx(1 - math.exp(-math.pi / 4 * 0.25), rel=0.05)  # mean 1
    by_depth = [part.mean() for part in np.array_split(e, 4)]
    np.testing.assert_allclose(by_depth, 1, rtol=0.06)  # the gain makes up for the attenuation


@pytest.mark.parametrize("contrast", [-12.0, -6.0, 6.0])
def test_the_contrast_is_the_one_asked_for(contrast):
    picture = ultrasound(1, 0, finding="hypoechoic", contrast_db=contrast, radius_mm=11, **DISC)
    inside = binary_erosion(finding(picture), iterations=12)
    rows = inside.any(1)[:, None]
    around = binary_erosion(~finding(picture), iterations=12) & rows
    assert power_db(picture, inside) - power_db(picture, around) == pytest.approx(contrast, abs=0.5)
    assert picture.contrast_db == contrast


def test_a_cyst_is_empty_and_bright_behind():
    picture = ultrasound(1, 1, finding="cyst", radius_mm=6, **DISC)
    inside = binary_erosion(finding(picture), iterations=14)
    assert inside.sum() > 5000
    assert power_db(picture, inside) < -25 and picture.contrast_db == -math.inf
    hit = finding(picture)
    depth = np.flatnonzero(hit.any(1))[-1]
    below = slice(depth + 60, depth + 700)
    middle, beside = picture.envelope[below, 122:134], picture.envelope[below, 10:60]
    gained = 10 * np.log10((middle**2).mean() / (beside**2).mean())
    path = 2 * 0.5 * 9.0 * 1.2 * 0.97  # there and back, 0.5 dB / (cm MHz), 9 MHz, nearly the whole diameter of 1.2 cm
    assert gained == pytest.approx(path, abs=1.2)
    behind = picture.image.values[picture.masks["behind"]].mean()
    rows = picture.masks["behind"].any(1)[:, None]
    assert behind > picture.image.values[rows & picture.masks["tissue"] & ~picture.masks["behind"]].mean() + 15


def test_a_stone_is_bright_and_throws_a_shadow():
    picture = ultrasound(1, 2, finding="stone", radius_mm=4, **DISC)
    behind, tissue = picture.masks["behind"], picture.masks["tissue"] & ~picture.masks["behind"]
    core = binary_erosion(behind, iterations=8)
    assert core.sum() > 500 and picture.image.values[core].mean() < 20 < 60 < picture.image.values[tissue].mean()
    rows, columns = np.nonzero(picture.masks["finding"])
    top = picture.image.values[rows.min() : rows.min() + 6, round(columns.mean())]
    assert top.max() > picture.image.values[tissue].mean() + 40


# --------------------------------------------------------------------------------------------------- the machine


def test_the_pulse_has_its_frequency_and_width():
    beams = Beams(PROBES["linear"], 30.0)
    impulse = np.zeros((beams.samples, 4), np.float32)
    impulse[beams.samples // 2] = 1
    spectrum = np.abs(np.fft.rfft(beams.pulse(impulse)[:, 0]))
    cycles = np.fft.rfftfreq(beams.samples, beams.step)
    assert cycles[spectrum.argmax()] == pytest.approx(2 * 9.0 / 1.54, rel=0.01)  # there and back
    above = cycles[spectrum > spectrum.max() / 2]
    assert above.max() - above.min() == pytest.approx(0.65 * 2 * 9.0 / 1.54, rel=0.02)


@pytest.mark.parametrize("depth", [22.0, 60.0])
def test_the_beam_widens_with_depth(depth):
    """Across the beams white noise gets the correlation exp(-lag**2 / (4 sd**2))."""
    probe = PROBES["linear"]
    beams = Beams(probe, 80.0)
    rf = beams.focus(np.random.default_rng(0).standard_normal((beams.samples, beams.columns), np.float32))
    row = round(depth / beams.step)
    near = rf[row - 60 : row + 60].astype(np.float64)
    assert (near**2).mean() == pytest.approx(1, rel=0.05)
    lag = 3 if depth < 30 else 12
    found = (near[:, lag:] * near[:, :-lag]).mean() / (near**2).mean()
    expected = math.exp(-((lag * beams.pitch) ** 2) / (4 * float(probe.beam_sd_mm(depth)) ** 2))
    assert 0.1 < expected < 0.9 and found == pytest.approx(expected, abs=0.05)


def test_the_width_of_the_beam_by_hand():
    probe = Probe(5.0, 0.6, 0.0, 40.0, 64, 30.0, 2.0)
    assert probe.wavelength_mm == pytest.approx(0.308)
    assert probe.beam_sd_mm(30.0) == pytest.approx(2 * 0.308 / 2.3548)
    assert probe.beam_sd_mm(30 + 7 * 0.308 * 4) == pytest.approx(math.sqrt(2) * 2 * 0.308 / 2.3548)


def test_decibels_become_grey():
    np.testing.assert_allclose(log_compress([1, 0.1, 0.01, 0.001, 0, 10], 40), [1, 0.5, 0, 0, 0, 1], atol=1e-6)
    np.testing.assert_allclose(log_compress(np.array([2.0]), 60, reference=2000), [0])
    assert log_compress(np.ones(2, np.float64), 40).dtype == np.float64
    assert log_compress(np.ones((2, 1), np.uint8)[::-1], 40).dtype == np.float32
    assert log_compress([], 40).shape == (0,)
    for call in (lambda: log_compress([1], 0), lambda: log_compress([1], 60, -1)):
        with pytest.raises(ValueError, match="dynamic_range_db and reference expect positive"):
            call()


# ----------------------------------------------------------------------------------------------------- pictures


@pytest.mark.parametrize("probe", ["convex", "linear"])
def test_a_disc_is_where_and_as_large_as_it_should_be(probe):
    picture = ultrasound(0, 0, organ="uniform", finding="cyst", probe=probe, depth_mm=80, radius_mm=9, noise_db=-200)
    pixel, other = picture.image.spacing_mm
    assert pixel == other and picture.area_mm2 == pytest.approx(math.pi * 81)
    mask = picture.masks["finding"]
    assert mask.sum() * pixel**2 == pytest.approx(math.pi * 81, rel=0.02)
    np.testing.assert_allclose(np.argwhere(mask).mean(0) * pixel, picture.centre_mm, atol=pixel / 2)
    dark = binary_erosion(mask, iterations=int(2.5 / pixel))
    assert picture.image.values[dark].mean() < 25  # the echoes lie where the mask says
    samples = np.count_nonzero(finding(picture)[:, picture.envelope.shape[1] // 2])
    assert samples * picture.sample_mm == pytest.approx(18, abs=0.5)


def test_the_sector_has_its_form():
    picture = ultrasound(0, 0, organ="uniform", finding="cyst", depth_mm=100, shape=(300, 400))
    outside, pixel = picture.image.padding, picture.image.spacing_mm[0]
    np.testing.assert_array_equal(picture.image.stored == 0, outside)  # a padding value that no echo has
    assert outside[0, 0] and outside[-1, 0] and outside[-1, -1]
    probe = picture.probe
    area = math.radians(probe.extent) / 2 * ((probe.radius_mm + 100) ** 2 - probe.radius_mm**2)
    assert (~outside).sum() * pixel**2 == pytest.approx(area, rel=0.01)
    np.testing.assert_array_equal(outside, outside[:, ::-1])
    assert picture.image.display()[outside].max() == 0


@pytest.mark.parametrize("organ", ["liver", "kidney", "superficial"])
def test_organs_have_their_order_of_brightness(organ):
    picture = ultrasound(2, 0, organ=organ)
    names = {
        "liver": ("diaphragm", "liver", "vessel"),
        "kidney": ("sinus", "cortex", "pyramid"),
        "superficial": ("gland", "fat"),
    }[organ]
    grey = [picture.image.values[picture.masks[name]].mean() for name in names]
    assert all(bright > dark + 8 for bright, dark in itertools.pairwise(grey))
    covered = sum(mask.astype(int) for mask in picture.masks.values())
    np.testing.assert_array_equal(covered == 1, ~picture.image.padding)  # each pixel is one tissue


def test_the_gall_stone_lies_in_the_gall_bladder():
    for index in range(2):
        picture = ultrasound(5, index, organ="liver", finding="stone")
        bladder, stone = picture.masks["gall_bladder"], picture.masks["finding"]
        assert stone.any() and bladder.any()
        grown = bladder | picture.masks["gall_bladder_wall"] | stone
        assert binary_erosion(grown, iterations=1)[stone].mean() > 0.7
        level = picture.image.values
        assert level[binary_erosion(bladder, iterations=3)].mean() < 0.5 * level[picture.masks["liver"]].mean()


def test_the_image_says_what_an_export_needs():
    image = ultrasound(0, 0, organ="kidney", shape=(200, 260)).image
    assert image.modality == "US" and image.stored.dtype == np.uint8 and image.shape == (200, 260)
    np.testing.assert_array_equal(image.stored, image.values)
    assert image.values.dtype == np.float32 and image.spacing_at == "patient"
    assert image.facts["burned_in"] == "NO" and image.facts["body_part"] == "ABDOMEN"


def test_seeds():
    small = {"organ": "superficial", "shape": (64, 80), "depth_mm": 25}
    first, again, other = (ultrasound(7, k, **small).image.stored for k in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first.astype(int) - other).mean() > 5
    larger = ultrasound(7, 1, **(small | {"shape": (128, 160)}))
    np.testing.assert_array_equal(ultrasound(7, 1, **small).envelope, larger.envelope)  # the picture's size is no part


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"index": -1}, "seed and index expect numbers from 0"),
        ({"organ": "heart"}, "organ expects one of liver, kidney, superficial, uniform, got 'heart'"),
        ({"finding": "gas"}, "finding expects None or one of cyst"),
        ({"contrast_db": 3}, "contrast_db and radius_mm expect a finding"),
        ({"finding": "cyst", "contrast_db": math.nan}, "contrast_db expects at most 40"),
        ({"finding": "cyst", "radius_mm": 0}, "radius_mm expects 0.5 to 100"),
        ({"probe": "phased"}, "probe expects one of convex, linear or a Probe"),
        ({"shape": (10, 100)}, "shape expects rows and columns of at least 16"),
        ({"depth_mm": 5}, "depth_mm expects 10 to 300"),
        ({"dynamic_range_db": 10}, "dynamic_range_db from 20 to 120"),
        ({"noise_db": 3}, "noise_db up to 0"),
    ],
)
def test_a_picture_is_refused(changes, text):
    with pytest.raises(ValueError, match=text):
        ultrasound(**changes)
