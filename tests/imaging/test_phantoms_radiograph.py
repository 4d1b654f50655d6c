"""The radiograph against the laws it is made by, on slabs whose answer is known, and the film's sides."""

import shutil
import subprocess

import numpy as np
import pytest

from mediml.imaging import read_image, write_image
from mediml.imaging.phantoms import LABELS, Nodule, Thorax, chest_radiograph, make_thorax
from mediml.imaging.phantoms.anatomy import draw_anatomy
from mediml.imaging.phantoms.findings import Finding
from mediml.imaging.phantoms.materials import Tissue, linear_attenuation
from mediml.imaging.phantoms.rays import Layer
from mediml.imaging.phantoms.shapes import box, ellipsoid

WATER = Tissue(0.0, "water")
FAR = 500.0


def thorax_of(*layers):
    """A chest of these layers only."""
    truth = tuple(
        Finding("nodule", layer.label, "left", "", (0, 0, 0), 0, None, layer.tissue.hu)
        for layer in layers
        if layer.label >= 40
    )
    return Thorax(draw_anatomy(np.random.default_rng(0)), truth, layers, layers)


def slab(thickness, x_from=-FAR, tissue=WATER, label=3):
    return Layer(label, tissue, (box((x_from, 0, -FAR), (FAR, thickness, FAR)),))


def test_a_slab_attenuates_as_beer_and_lambert_say():
    film = chest_radiograph(thorax_of(slab(137.0)), size=32, kev=60.0)
    np.testing.assert_allclose(film.exponent, 0.02059 * 137, rtol=1e-9)
    bone = chest_radiograph(thorax_of(slab(10.0, tissue=Tissue(1000.0, "bone"))), size=32, kev=80.0)
    density = 2 * linear_attenuation("water", 1.0, 70) / linear_attenuation("bone", 1.0, 70)
    np.testing.assert_allclose(bone.exponent, density * 0.02229 * 10, rtol=1e-9)


def test_counts_are_poisson():
    film = chest_radiograph(thorax_of(slab(100.0)), size=256, kev=60.0, photons=2000, scatter=0, blur_mm=0)
    mean = 2000 * np.exp(-2.059)
    np.testing.assert_allclose(film.expected, mean)
    assert film.counts.mean() == pytest.approx(mean, abs=4 * np.sqrt(mean / 65536))
    assert film.counts.var() / film.counts.mean() == pytest.approx(1, abs=0.03)
    neighbours = np.corrcoef(film.counts[:, :-1].ravel(), film.counts[:, 1:].ravel())[0, 1]
    assert abs(neighbours) < 0.02  # white


def test_more_photons_less_noise():
    body = thorax_of(slab(100.0))
    noise = [
        (film.counts / photons).std()
        for photons in (1e3, 1e5)
        for film in [chest_radiograph(body, size=128, photons=photons, scatter=0, blur_mm=0)]
    ]
    assert noise[0] / noise[1] == pytest.approx(10, rel=0.04)


def test_the_contrast_of_a_nodule_is_mu_times_d():
    lung = slab(200.0, tissue=Tissue(-860.0), label=5)
    ball = Layer(40, Tissue(40.0), (ellipsoid((1, 100, 3), (12, 12, 12)),), within=5)
    film = chest_radiograph(thorax_of(lung, ball), size=400, field_mm=200.0)
    chord = film.chord_mm(40)
    water = (
        linear_attenuation("water", 1.0, 70) * linear_attenuation("soft", 1.0, 65) / linear_attenuation("soft", 1.0, 70)
    )
    np.testing.assert_allclose(film.exponent - film.exponent[0, 0], (1.04 - 0.14) * water * chord, atol=1e-9)
    assert chord.max() == pytest.approx(24, rel=1e-3)
    assert chord.sum() * 0.25 == pytest.approx(4 / 3 * np.pi * 12**3, rel=2e-3)
    assert film.mask(40).sum() * 0.25 == pytest.approx(np.pi * 144, rel=0.01)
    row, column = (np.argwhere(film.mask(40)).mean(axis=0) - 199.5) * 0.5
    assert (row, column) == (pytest.approx(-3, abs=0.1), pytest.approx(1, abs=0.1))  # up is to the head


def test_large_pixels_average_what_passes_through():
    half = thorax_of(slab(100.0, x_from=0.0))
    film = chest_radiograph(half, size=33, field_mm=330.0, kev=60.0)
    passed = np.exp(-film.exponent[16])
    np.testing.assert_allclose(passed[:16], 1)
    np.testing.assert_allclose(passed[17:], np.exp(-2.059))
    assert passed[16] == pytest.approx((1 + np.exp(-2.059)) / 2, rel=0.1)


def test_scatter_is_the_share_that_was_asked_for():
    body = thorax_of(slab(150.0))
    clean, foggy = (chest_radiograph(body, size=64, scatter=s, blur_mm=0).expected for s in (0.0, 0.4))
    np.testing.assert_allclose((foggy - clean) / foggy, 0.4, rtol=1e-6)


def test_air_does_not_scatter():
    film = chest_radiograph(thorax_of(slab(1.0, x_from=FAR - 1)), size=64, photons=1000, scatter=0.5, blur_mm=0)
    np.testing.assert_allclose(film.expected, 1000)


def test_an_edge_is_blurred_by_the_stated_width():
    film = chest_radiograph(thorax_of(slab(50.0, x_from=0.0)), size=512, field_mm=204.8, scatter=0, blur_mm=1.2)
    line = -np.diff(film.expected[256])
    place = np.arange(len(line)) * 0.4
    middle = np.average(place, weights=line)
    assert np.sqrt(np.average((place - middle) ** 2, weights=line)) == pytest.approx(1.2, rel=0.01)


@pytest.fixture(scope="module")
def film():
    return chest_radiograph(make_thorax(5, 0, [Nodule(20, "left")], sex="M"), size=192, marker="L")


def test_the_film_has_the_patients_left_on_its_right(film):
    half = film.image.shape[1] / 2
    for name, sign in (("heart", 1), ("stomach gas", 1), ("liver", -1)):
        column = np.average(np.arange(192), weights=film.chord_mm(LABELS[name]).sum(axis=0))
        assert (column - half) * sign > 4, name
    nodule = film.mask(film.findings[0].label)
    assert np.argwhere(nodule)[:, 1].mean() > half
    liver, lung = film.mask(LABELS["liver"]), film.chord_mm(LABELS["lung"])
    assert np.argwhere(liver)[:, 0].mean() > np.average(np.arange(192), weights=lung.sum(axis=1))  # below the lungs
    # The right half of the diaphragm is higher: the lung ends sooner there.
    lowest = [np.flatnonzero(lung[:, column] > 60).max() for column in (58, 134)]
    assert lowest[0] < lowest[1]


def test_lungs_are_dark_and_the_mediastinum_is_white(film):
    shown = film.image.display()
    lung, spine = film.chord_mm(LABELS["lung"]) > 130, film.mask(LABELS["disc"])
    assert shown[lung].mean() < 0.5 and shown[spine].mean() > 0.7
    air = film.exponent < 1e-6
    assert air.any() and shown[air].max() == 0


def test_the_marker_is_white_in_its_corner(film):
    plain = chest_radiograph(film.thorax, size=192)
    changed = np.argwhere(plain.expected - film.expected > 0.5 * plain.expected)
    assert len(changed) > 10 and (changed[:, 1] > 150).all() and (changed[:, 0] < 60).all()
    assert film.image.display()[tuple(changed[len(changed) // 2])] > 0.6
    right = chest_radiograph(film.thorax, size=192, marker="R")
    assert (np.argwhere(plain.expected - right.expected > 0.5 * plain.expected)[:, 1] < 40).all()


def test_polarity_changes_the_stored_values_and_not_the_picture(film):
    other = chest_radiograph(film.thorax, size=192, marker="L", polarity="MONOCHROME1")
    assert other.image.inverted and not film.image.inverted
    np.testing.assert_array_equal(other.image.stored, 4095 - film.image.stored)
    np.testing.assert_allclose(other.image.display(), film.image.display(), atol=2e-3)


def test_the_image_says_what_it_is(film):
    image = film.image
    assert image.stored.dtype == np.uint16 and image.stored.max() < 4096 and image.values.dtype == np.float32
    np.testing.assert_array_equal(image.values, image.stored)
    assert image.modality == "DX" and image.units == "arbitrary"
    assert image.spacing_mm == (370 / 192, 370 / 192) and image.spacing_at == "detector"
    assert image.facts["body_part"] == "CHEST" and image.facts["view_position"] == "PA"
    assert image.facts["patient_orientation"] == "L/F" and image.age_years == film.thorax.anatomy.age_years
    assert all(str(step) for step in (*image.account, *image.doubts))


def test_the_noise_depends_on_seed_and_index_alone(film):
    again = chest_radiograph(film.thorax, size=192, marker="L")
    np.testing.assert_array_equal(again.image.stored, film.image.stored)
    other = chest_radiograph(film.thorax, size=192, marker="L", index=1)
    np.testing.assert_array_equal(other.expected, film.expected)
    assert not np.array_equal(other.counts, film.counts)


def is_valid(path):
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy (Debian: dicom3tools) is not installed")
    said = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True).stderr
    return "Error" not in said


@pytest.mark.parametrize("polarity", ["MONOCHROME1", "MONOCHROME2"])
def test_the_film_is_valid_dicom_and_comes_back(polarity, film, tmp_path):
    image = chest_radiograph(film.thorax, size=64, polarity=polarity).image
    path = write_image(tmp_path / "film.dcm", image)
    back = read_image(path)
    np.testing.assert_array_equal(back.stored, image.stored)
    np.testing.assert_array_equal(back.display(), image.display())
    assert back.facts == image.facts and back.spacing_mm == pytest.approx(image.spacing_mm)
    assert (back.modality, back.spacing_at, back.inverted) == ("DX", "detector", polarity == "MONOCHROME1")
    assert is_valid(path)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"size": 8}, "size from 32 to 2048"),
        ({"field_mm": 10.0}, "field_mm from 200 to 450"),
        ({"photons": 0}, "photons above 0"),
        ({"photons": float("nan")}, "photons above 0"),
        ({"scatter": 0.9}, "scatter from 0 to 0.8"),
        ({"blur_mm": -1.0}, "blur_mm from 0 to 5"),
        ({"polarity": "RGB"}, "polarity expects 'MONOCHROME1' or 'MONOCHROME2', got 'RGB'"),
        ({"marker": "X"}, "marker expects 'L', 'R' or None, got 'X'"),
        ({"kev": 5.0}, "kev expects 40 to 150, got 5"),
        ({"seed": -1}, "seed and index expect 0 or more, got -1 and 0"),
    ],
)
def test_what_cannot_be_is_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        chest_radiograph(thorax_of(slab(10.0)), **({"size": 32} | wrong))
