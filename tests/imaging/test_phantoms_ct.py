"""CT against what is known of it: line integrals of a disc, flat HU, noise by photons, volumes by threshold."""

import shutil
import subprocess

import numpy as np
import pytest

from mediml.imaging import read_series, write_series
from mediml.imaging.phantoms import (
    LABELS,
    Nodule,
    Thorax,
    chest_ct,
    filtered_back_projection,
    forward_projection,
    make_thorax,
)
from mediml.imaging.phantoms.anatomy import draw_anatomy
from mediml.imaging.phantoms.materials import Tissue
from mediml.imaging.phantoms.rays import Layer
from mediml.imaging.phantoms.shapes import tube
from mediml.imaging.phantoms.tomography import noise_gain, noise_texture, ramp_filter, variance_map

MU = 0.0193


def disc(size, radius, middle=(0.0, 0.0), fold=8):
    """A disc of value 1, averaged to the pixels; middle in (x, y)."""
    fine = (np.arange(size * fold) - (size * fold - 1) / 2) / fold
    inside = (fine[None, :] - middle[0]) ** 2 + (fine[:, None] - middle[1]) ** 2 <= radius**2
    return inside.reshape(size, fold, size, fold).mean(axis=(1, 3))


def angles(count):
    return np.arange(count) * np.pi / count


def away(size):
    axis = np.arange(size) - (size - 1) / 2
    return np.hypot(axis[:, None], axis[None, :])


def test_the_projection_of_a_disc():
    theta = np.array([0.0, 0.4, np.pi / 4, 1.3, np.pi / 2, 2.5])
    sinogram = forward_projection(disc(64, 20, (6, -4)), theta, 0.5)
    offset = (np.arange(sinogram.shape[1]) - (sinogram.shape[1] - 1) / 2) * 0.5
    for view, angle in enumerate(theta):
        s = offset - 0.5 * (6 * np.cos(angle) - 4 * np.sin(angle))
        expected = 2 * np.sqrt(np.maximum(10**2 - s**2, 0))
        smooth = np.abs(s) < 8.5
        np.testing.assert_allclose(sinogram[view][smooth], expected[smooth], atol=0.25)
        assert sinogram[view].sum() * 0.5 == pytest.approx(np.pi * 100, rel=0.005)  # mass


def test_a_single_pixel_goes_where_the_formula_says():
    image = np.zeros((9, 9))
    image[7, 5] = 1  # y = 3, x = 1
    sinogram = forward_projection(image, [0.0, np.pi / 2])
    middle = sinogram.shape[1] // 2
    assert sinogram[0].argmax() == middle + 1 and sinogram[1].argmax() == middle + 3
    np.testing.assert_allclose(sinogram.sum(axis=1), 1, rtol=1e-6)
    assert forward_projection([[2.0]], [0.0])[0].max() == 2


def test_slices_are_projected_and_reconstructed_one_by_one():
    stack = np.stack([disc(32, 8), disc(32, 5, (4, 2)), 0 * disc(32, 3)])
    theta = angles(40)
    together = forward_projection(stack, theta)
    np.testing.assert_allclose(together[1], forward_projection(stack[1], theta), rtol=1e-6)
    back = filtered_back_projection(together, theta, 1.0, 32, 1.0)
    np.testing.assert_allclose(back[1], filtered_back_projection(together[1], theta, 1.0, 32, 1.0), atol=1e-6)
    assert not back[2].any() and back.dtype == np.float32


@pytest.mark.parametrize("kernel", ["sharp", "standard", "soft"])
def test_a_disc_comes_back_flat_and_right(kernel):
    theta = angles(180)
    size, radius, middle = 128, 35, (12, -9)
    sinogram = forward_projection(disc(size, radius, middle) * MU, theta)
    hu = 1000 * (filtered_back_projection(sinogram, theta, 1.0, size, 1.0, kernel) / MU - 1)
    axis = np.arange(size) - (size - 1) / 2
    from_middle = np.hypot(axis[:, None] - middle[1], axis[None, :] - middle[0])
    inside, outside = hu[from_middle < radius - 6], hu[(from_middle > radius + 6) & (away(size) < 60)]
    assert inside.mean() == pytest.approx(0, abs=1.5) and np.abs(inside).max() < 16
    assert outside.mean() == pytest.approx(-1000, abs=2)
    halves = [hu[(from_middle < 29) & half].mean() for half in (from_middle < 12, from_middle > 20)]
    assert halves[0] == pytest.approx(halves[1], abs=2)  # no cup


def test_the_ramp_has_its_textbook_values():
    response = ramp_filter(100, 2.0, "sharp")
    impulse = np.fft.ifft(response).real
    assert impulse[0] == pytest.approx(1 / 16) and impulse[2] == pytest.approx(0, abs=1e-12)
    assert impulse[1] == pytest.approx(-1 / (np.pi * 2) ** 2) and impulse[3] == pytest.approx(-1 / (np.pi * 6) ** 2)
    # At most frequencies it is |f|; a window only lowers it.
    frequency = np.abs(np.fft.fftfreq(len(response))) / 2.0
    np.testing.assert_allclose(2.0 * response, frequency, atol=2e-3)
    assert (ramp_filter(100, 2.0, "soft") <= response + 1e-12).all()
    # Parseval: integral of f² over the band, and the average loss by linear interpolation (lag-1 correlation).
    assert noise_gain(2.0, "sharp") == pytest.approx((2 / 3 / 12 - 1 / 3 / (2 * np.pi**2)) / 4, rel=2e-3)


@pytest.fixture(scope="module")
def water():
    """A cylinder of water of 200 mm, with a rod of bone-like density off the middle."""
    layers = (
        Layer(3, Tissue(0.0, "water"), (tube([(0, 8, -400), (0, 8, 400)], 100.0),)),
        Layer(40, Tissue(300.0, "bone"), (tube([(60, 8, -400), (60, 8, 400)], 12.0),)),
    )
    anatomy = draw_anatomy(np.random.default_rng(0))
    return Thorax(anatomy, (), layers, layers)


def water_ct(water, **options):
    return chest_ct(water, **({"size": 96, "field_mm": 240.0, "slices": 1, "range_mm": (-5.0, 5.0)} | options))


def test_water_is_zero_and_air_is_minus_a_thousand(water):
    ct = water_ct(water, photons=None)
    hu, middle = ct.volume.values[0], 8 * (1 - water.anatomy.depth)
    axis = (np.arange(96) - 47.5) * 2.5
    from_middle = np.hypot(axis[:, None] - middle, axis[None, :])
    from_rod = np.hypot(axis[:, None] - middle, axis[None, :] - 60)
    assert hu[(from_middle < 85) & (from_rod > 25)].mean() == pytest.approx(0, abs=2)
    assert hu[from_rod < 6].mean() == pytest.approx(300, abs=6)  # at +x: on the right of the picture
    assert hu[from_middle > 112].mean() == pytest.approx(-1000, abs=4)
    np.testing.assert_allclose(ct.object_hu[0][from_rod < 8], 300, atol=1e-3)
    np.testing.assert_allclose(ct.object_hu[0][from_middle > 104], -1000, atol=1e-3)
    assert not ct.noise_hu.any()


@pytest.mark.parametrize("method", ["projection", "direct"])
def test_the_noise_is_what_was_predicted_and_falls_with_the_dose(water, method):
    clean = water_ct(water, photons=None, method=method).volume.values
    ratios, sigmas = [], []
    for photons in (1e4, 1.6e5):
        ct = water_ct(water, photons=photons, method=method, slices=8, range_mm=(-40.0, 40.0))
        noise = (ct.volume.values - clean)[:, away(96) < 18]
        predicted = np.sqrt((ct.noise_hu[:, away(96) < 18] ** 2).mean())
        ratios.append(noise.std() / predicted)
        sigmas.append(noise.std())
    np.testing.assert_allclose(ratios, 1, atol=0.08)
    assert sigmas[0] / sigmas[1] == pytest.approx(4, rel=0.1)
    assert 5 < sigmas[1] < 60


def test_the_predicted_noise_is_that_of_the_formula():
    """In the middle of a disc: var = (pi / views) var(p) (1 / 12 - …) / step², with var(p) = exp(p) / photons."""
    theta, radius, photons = angles(90), 30, 1e5
    sinogram = forward_projection(disc(96, radius) * MU, theta)
    predicted = variance_map(np.exp(sinogram) / photons, theta, 1.0, 96, 1.0, "sharp")[47:49, 47:49].mean()
    gain = 2 / 3 / 12 - 1 / 3 / (2 * np.pi**2)
    assert predicted == pytest.approx(np.pi**2 / 90 * np.exp(2 * radius * MU) / photons * gain, rel=0.01)


def test_both_methods_have_noise_of_the_same_grain(water):
    grain = {}
    for method in ("projection", "direct"):
        clean = water_ct(water, photons=None, method=method, size=128, field_mm=160.0).volume.values
        ct = water_ct(water, photons=2e4, method=method, size=128, field_mm=160.0, slices=2, range_mm=(-10.0, 10.0))
        noise = (ct.volume.values - clean)[:, 40:88, 40:88]
        power = (np.abs(np.fft.fft2(noise - noise.mean(axis=(1, 2), keepdims=True))) ** 2).mean(axis=0)
        frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(48), np.fft.fftfreq(48)))
        bands = [power[(frequency >= lo) & (frequency < lo + 0.1)].mean() for lo in (0.02, 0.12, 0.22, 0.32)]
        grain[method] = np.array(bands) / np.sum(bands)
    np.testing.assert_allclose(grain["direct"], grain["projection"], atol=0.04)
    assert grain["projection"].argmax() in (1, 2)  # neither white nor smooth: |f| times a window


def test_texture_has_variance_one():
    texture = noise_texture(np.random.default_rng(0), (40, 64, 64))
    assert texture.var() == pytest.approx(1, abs=0.02) and np.abs(texture.mean(axis=(1, 2))).max() < 1e-9


@pytest.fixture(scope="module")
def chest():
    return make_thorax(5, 0, [Nodule(20, "right")], sex="M")


def test_tissues_have_the_hu_asked_for(chest):
    ct = chest_ct(chest, size=160, slices=3, range_mm=(-70.0, -46.0), photons=None, kernel="sharp")
    for name, hu, bound in (("heart", 45, 8), ("muscle", 50, 25), ("lung", -860, 15)):
        inside = ct.fraction(LABELS[name]) > 0.99999
        assert inside.sum() > 100
        np.testing.assert_allclose(ct.object_hu[inside], hu, atol=0.1)
        assert np.median(ct.volume.values[inside]) == pytest.approx(hu, abs=bound), name


def test_the_nodules_volume_is_found_by_threshold(chest):
    finding = chest.findings[0]
    z = finding.centre_mm[2]
    ct = chest_ct(chest, size=200, slices=14, range_mm=(z - 14, z + 14), field_mm=320.0, photons=None, views=180)
    voxel = np.prod(ct.volume.spacing_mm)
    assert ct.fraction(finding.label).sum() * voxel == pytest.approx(finding.volume_mm3, rel=0.01)
    assert ct.mask(finding.label).sum() * voxel == pytest.approx(finding.volume_mm3, rel=0.03)
    index = (np.linalg.inv(ct.volume.affine) @ (*finding.centre_mm, 1))[:3]
    np.testing.assert_allclose(np.argwhere(ct.mask(finding.label)).mean(axis=0), index, atol=0.15)
    grid = np.stack(np.meshgrid(*map(np.arange, ct.volume.shape), indexing="ij"), axis=-1)
    near = np.linalg.norm((grid - index) * ct.volume.spacing_mm, axis=-1) < 13
    found = near & (ct.volume.values > (40 - 860) / 2)
    assert found.sum() * voxel == pytest.approx(finding.volume_mm3, rel=0.12)  # with the vessels that touch it


def test_the_volume_says_what_it_is(chest):
    ct = chest_ct(chest, size=64, slices=4, range_mm=(-100.0, 100.0))
    volume = ct.volume
    assert volume.units == "HU" and volume.modality == "CT" and volume.axis_codes == ("H", "P", "L")
    assert volume.spacing_mm == (50.0, 360 / 64, 360 / 64) and volume.origin_mm[2] == -75
    np.testing.assert_array_equal(volume.values, volume.stored - np.float32(1024))
    assert volume.stored.dtype == np.uint16 and volume.stored.max() < 4096 and volume.values.dtype == np.float32
    assert [str(view) for view in volume.views] == ["window -600/1500 LINEAR", "window 40/400 LINEAR"]
    assert volume.facts["body_part"] == "CHEST" and volume.age_years == chest.anatomy.age_years
    assert ct.labels.shape == ct.object_hu.shape == ct.noise_hu.shape == volume.shape
    heart = np.argwhere(ct.mask(LABELS["heart"]))[:, 2].mean()
    assert heart > 32 and np.argwhere(ct.mask(LABELS["disc"]) | ct.mask(LABELS["marrow"]))[:, 1].mean() > 32


def test_the_series_is_valid_dicom_and_comes_back(chest, tmp_path):
    volume = chest_ct(chest, size=48, slices=3).volume
    write_series(tmp_path, volume)
    back = read_series(tmp_path)
    np.testing.assert_array_equal(back.values, volume.values)
    np.testing.assert_allclose(back.affine, volume.affine, atol=1e-6)
    assert back.views == volume.views and back.units == "HU" and back.facts["body_part"] == "CHEST"
    if shutil.which("dciodvfy") is None:
        pytest.skip("dciodvfy (Debian: dicom3tools) is not installed")
    for path in tmp_path.iterdir():
        assert "Error" not in subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True).stderr


def test_the_noise_depends_on_seed_and_index_alone(water):
    one, two, other = (water_ct(water, index=index).volume.stored for index in (3, 3, 4))
    np.testing.assert_array_equal(one, two)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"size": 8}, "size from 32 to 768"),
        ({"slices": 0}, "slices from 1 to 400"),
        ({"range_mm": (10.0, 10.0)}, "two rising heights"),
        ({"field_mm": 500.0}, "field_mm expects 50 to 460"),
        ({"photons": 3.0}, "photons expects at least 100"),
        ({"kernel": "b31"}, "kernel expects one of sharp, standard, soft, got 'b31'"),
        ({"views": 2}, "views expects 8 to 4000"),
        ({"method": "fast"}, "method expects 'projection' or 'direct', got 'fast'"),
        ({"seed": -1}, "seed and index expect 0 or more"),
    ],
)
def test_what_cannot_be_is_refused(water, wrong, message):
    with pytest.raises(ValueError, match=message):
        water_ct(water, **wrong)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: forward_projection(np.zeros((3, 4)), [0.0]), r"image expects shape \(n, n\)"),
        (lambda: forward_projection(np.zeros((0, 0)), [0.0]), "at least one pixel"),
        (lambda: forward_projection(np.zeros((3, 3)), [0.0], 0), "step_mm expects a positive number, got 0"),
        (lambda: filtered_back_projection(np.zeros((3, 9)), [0.0], 1, 3, 1), "one row per angle"),
        (lambda: ramp_filter(9, 1.0, "hann"), "kernel expects one of"),
    ],
)
def test_wrong_shapes_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
