"""Barium phantoms against geometry and physics: chords, layers, Poisson counts, turning, findings."""

import math

import numpy as np
import pytest
from scipy.ndimage import binary_dilation

from mediml.imaging.phantoms import barium_series, gut
from mediml.imaging.phantoms.colon import Colon
from mediml.imaging.phantoms.gut import coat_projection, lumen_projection
from mediml.imaging.phantoms.pelvis import Bone, ellipse_chord


def pipe(radius=10.0, length=60.0, depth=0.0, n=400, m=400):
    """A cylinder along the rows of the picture: points (column, row, depth)."""
    row = ((np.arange(n) + 0.5) / n - 0.5) * length
    t = (np.arange(m) + 0.5) / m * 2 * np.pi
    points = np.empty((n, m, 3), np.float32)
    points[..., 0], points[..., 1], points[..., 2] = radius * np.cos(t), row[:, None], depth + radius * np.sin(t)
    return points


def ball(radius=12.0, n=500, m=500):
    s, t = (np.arange(n) + 0.5) / n * np.pi, (np.arange(m) + 0.5) / m * 2 * np.pi
    points = np.empty((n, m, 3), np.float32)
    points[..., 0] = radius * np.sin(s)[:, None] * np.cos(t)
    points[..., 1] = radius * np.cos(s)[:, None]
    points[..., 2] = 7 + radius * np.sin(s)[:, None] * np.sin(t)
    return points


# --------------------------------------------------------------------------------------------------- projections


@pytest.mark.parametrize("depth", [0.0, 150.0])
def test_a_pipe_is_as_thick_as_its_chord(depth):
    found = lumen_projection(pipe(depth=depth), (41, 41), 1.0)[20]
    u = np.abs(np.arange(41) - 20.0)
    inner = u < 8
    np.testing.assert_allclose(found[inner], 2 * np.sqrt(100 - u[inner] ** 2), rtol=0.01)
    np.testing.assert_allclose(found[u > 11], 0, atol=0.02)
    assert found.sum() == pytest.approx(math.pi * 100, rel=0.01)


def test_a_ball_keeps_its_volume_and_both_orientations_are_taken():
    points = ball()
    for grid in (points, points[:, ::-1]):
        found = lumen_projection(grid, (64, 60), 0.5)
        assert found.sum() * 0.25 == pytest.approx(4 / 3 * math.pi * 12**3, rel=0.01)
        assert found[32, 30] == pytest.approx(2 * math.sqrt(144 - 0.125), rel=0.02)


def test_a_coat_is_twice_its_thickness_face_on_and_bright_at_the_edge():
    found = coat_projection(pipe(), 0.2, (41, 41), 1.0)
    assert found[20, 20] == pytest.approx(0.4, rel=0.01)
    u = 6.0
    assert found[20, 26] == pytest.approx(0.4 / math.sqrt(1 - (u / 10) ** 2), rel=0.02)
    assert found[20, 10] > 3 * found[20, 20]
    whole = coat_projection(pipe(length=30), 0.2, (41, 41), 1.0)
    assert whole.sum() == pytest.approx(0.2 * 2 * math.pi * 10 * 30, rel=0.01)  # nothing is lost
    uneven = np.full((400, 400), 0.2)
    uneven[:200] = 0.4
    halves = coat_projection(pipe(), uneven, (41, 41), 1.0)
    assert halves[5, 20] == pytest.approx(0.8, rel=0.01) and halves[35, 20] == pytest.approx(0.4, rel=0.01)


def test_chords_of_ellipses():
    assert ellipse_chord(np.array(0.0), 3, 2, 0.0) == 4 and ellipse_chord(np.array(0.0), 3, 2, np.pi / 2) == 6
    assert ellipse_chord(np.array(1.5), 3, 2, 0.0) == pytest.approx(4 * math.sqrt(0.75))
    assert ellipse_chord(np.array(3.1), 3, 2, 0.0) == 0
    u = np.linspace(-4, 4, 8001)
    for turn in (0.0, 0.4, 1.2):
        assert ellipse_chord(u, 3, 2, turn).sum() * 0.001 == pytest.approx(math.pi * 6, rel=1e-3)


def test_a_bone_keeps_its_mass_when_the_patient_turns():
    bone = Bone(((-10, 20, 5, 8, 4, 30), (10, 22, 6, 9, 5, 20)), 1.0, 0.7)
    across, z = np.linspace(-60, 60, 1201), np.array([-11.0, 0.0, 11.0])
    for angle in (-40.0, 0.0, 70.0):
        found = bone.length(across, z, angle)
        assert found[0].max() == 0 == found[2].max()
        expected = 0.7 * math.pi * (1.5 * 8.5 * 4.5 - 0.8 * 7.5 * 3.5)
        assert found[1].sum() * 0.1 == pytest.approx(expected, rel=0.01)
        middle = (found[1] * across).sum() / found[1].sum()
        a = math.radians(angle)
        assert middle == pytest.approx(21 * math.cos(a) - 5.5 * math.sin(a), abs=0.1)
        shadow = np.hypot(8.5 * math.cos(a + math.radians(25)), 4.5 * math.sin(a + math.radians(25)))
        assert np.count_nonzero(found[1]) * 0.1 / 2 == pytest.approx(shadow, abs=0.15)


# ------------------------------------------------------------------------------------------------------- pictures


@pytest.fixture(scope="module")
def polyp():
    return barium_series(2, 1, finding="polyp", size_mm=14)


@pytest.fixture(scope="module")
def stenosis():
    return barium_series(2, 3, finding="stenosis", size_mm=40, contrast="single", angles_deg=(0.0,))


def test_the_counts_are_those_of_poisson(polyp):
    for image, line in zip(polyp.images, polyp.attenuation):
        mean = polyp.photons * np.exp(-line.astype(np.float64))
        counts = polyp.photons * np.exp(-image.values / 1000)
        well = (mean > 2000) & (mean < 3e4)  # rounding the logarithm is then small against the noise
        assert well.sum() > 50_000
        assert (counts / mean)[well].mean() == pytest.approx(1, abs=0.002)
        assert ((counts - mean) ** 2 / mean)[well].mean() == pytest.approx(1, rel=0.03)


def test_gas_is_dark_and_barium_bright():
    double, single = (
        barium_series(4, 2, contrast=c, angles_deg=(0.0,), shape=(256, 256)) for c in ("double", "single")
    )
    inside = double.masks[0]["colon"]
    np.testing.assert_array_equal(inside, single.masks[0]["colon"])
    difference = single.attenuation[0] - double.attenuation[0]
    assert np.median(difference[inside]) > 1
    far = ~(inside | np.roll(inside, 4, 0) | np.roll(inside, -4, 0) | np.roll(inside, 4, 1) | np.roll(inside, -4, 1))
    np.testing.assert_allclose(difference[far], 0, atol=0.02)  # the same patient


def test_single_contrast_is_the_chord_times_the_attenuation(stenosis, monkeypatch):
    """Barium sulphate at 15 % holds 0.15 · 0.588 mg/mm3 of barium, 0.85 mm2/mg at 60 keV."""
    colon = Colon((2, 3), "stenosis", 40, 2600, 360)
    points = colon.surface(colon.radius)
    seen = np.stack([points[..., 0], -points[..., 2], points[..., 1]], -1)
    lumen = lumen_projection(seen, (512, 512), 380 / 512)
    volume = lumen.sum() * (380 / 512) ** 2
    slices = math.pi * (colon.radius**2).mean(1)
    assert volume == pytest.approx((slices * np.gradient(colon.s)).sum(), rel=0.03)  # straightened out
    monkeypatch.setattr(gut, "THIN_BARIUM", 0.0)
    without = barium_series(2, 3, finding="stenosis", size_mm=40, contrast="single", angles_deg=(0.0,))
    barium = (stenosis.attenuation[0] - without.attenuation[0]) / (0.15 * 0.588 * 0.85)
    assert barium.sum() == pytest.approx(lumen.sum(), rel=0.01)
    smooth = lumen > 20  # the detector blurs: compare what is far from edges
    assert np.median(np.abs(barium - lumen)[smooth]) < 0.6
    assert (barium[smooth] / lumen[smooth]).mean() == pytest.approx(1, abs=0.01)


def test_gas_takes_the_attenuation_of_water_away(monkeypatch):
    """Without any barium the two kinds of study differ by the gas alone: 0.0206 per mm of it."""
    monkeypatch.setattr(gut, "DENSE_BARIUM", 0.0)
    monkeypatch.setattr(gut, "THIN_BARIUM", 0.0)
    full, gas = (barium_series(4, 2, contrast=c, angles_deg=(0.0,)).attenuation[0] for c in ("single", "double"))
    colon = Colon((4, 2), None, None, 2600, 360)
    points = colon.surface(colon.radius)
    lumen = lumen_projection(np.stack([points[..., 0], -points[..., 2], points[..., 1]], -1), (512, 512), 380 / 512)
    wide = lumen > 20
    assert np.median((full - gas)[wide] / lumen[wide]) == pytest.approx(0.0206, rel=0.02)


def test_the_patient_turns(polyp):
    x, y, z = polyp.centre_mm
    pixel = 380 / 512
    for angle, (row, column) in zip(polyp.angles_deg, polyp.centre_pixels):
        a = math.radians(angle)
        assert column == pytest.approx((x * math.cos(a) - y * math.sin(a)) / pixel + 255.5, abs=0.01)
        assert row == pytest.approx(-z / pixel + 255.5, abs=0.01)
    assert [image.facts["view_position"] for image in polyp.images] == ["OBL", "AP", "OBL"]


def test_the_polyp_is_where_and_as_large_as_it_should_be(polyp):
    assert polyp.size_mm == 14 and polyp.height_mm == pytest.approx(1.25 * 7)
    pixel = polyp.images[0].spacing_mm[0]
    for masks, centre in zip(polyp.masks, polyp.centre_pixels):
        places = np.argwhere(masks["finding"])
        reach = np.hypot(*(places - centre).T).max() * pixel
        assert 5 < reach < math.hypot(7, 1.25 * 7) + 3
        extent = np.ptp(places, axis=0).max() * pixel
        assert 10 < extent < 22


def test_a_polyp_changes_the_picture_only_where_it_is(polyp):
    """The finding draws no number of the healthy colon: the same study without it is the same elsewhere."""
    healthy = barium_series(2, 1)
    for with_it, without, masks in zip(polyp.attenuation, healthy.attenuation, polyp.masks):
        far = ~binary_dilation(masks["finding"], iterations=8)
        assert np.abs(with_it - without)[far].mean() < 0.01 < 0.05 < np.abs(with_it - without)[masks["finding"]].mean()


def test_the_polyp_has_its_form():
    colon = Colon((2, 1), "polyp", 14, 1000, 200)
    near = colon.distance() < 7
    assert near.any() and (colon.bump[near] < 0).all() and (colon.bump[~near] == 0).all()
    assert -colon.bump.min() == pytest.approx(8.75, rel=0.02)
    area = (
        (near.sum(1) * np.gradient(colon.s)).sum()
        * 2
        * math.pi
        / 200
        * np.interp(colon.finding.s_mm, colon.s, colon.width)
    )
    assert area == pytest.approx(math.pi * 49, rel=0.05)


def test_the_ulcer_stands_out_of_the_wall(monkeypatch):
    colon = Colon((0, 0), "ulcer", 12, 1000, 200)
    assert colon.finding.height_mm == pytest.approx(0.8 * 6)
    assert colon.bump.min() == 0 and colon.bump.max() == pytest.approx(4.8, rel=0.03)
    monkeypatch.setattr(gut, "_COAT_MM", 0.0)
    ill, well = (
        barium_series(0, 0, finding=f, size_mm=size, angles_deg=(0.0,)) for f, size in (("ulcer", 12), (None, None))
    )
    row, column = (round(c) for c in ill.centre_pixels[0])
    near = slice(row - 16, row + 17), slice(column - 16, column + 17)
    more = (ill.attenuation[0] - well.attenuation[0])[near].sum() * (380 / 512) ** 2
    strips = (colon.radius**2 - colon.plain_radius**2).sum(1) / 2 * 2 * math.pi / 200
    volume = (strips * np.gradient(colon.s)).sum()
    assert volume == pytest.approx(4.8 * math.pi * 36 / 1.4, rel=0.35)  # on a flat wall: 4.8 (1 - (d / 6)**2)**0.4
    assert more == pytest.approx(volume * 0.85 * 0.588 * 0.85, rel=0.3)  # full of barium, not of gas; the tube is bent


def test_the_stenosis_is_narrow_over_its_length(stenosis):
    assert stenosis.size_mm == 40
    colon = Colon((2, 3), "stenosis", 40, 2600, 360)
    off = np.abs(colon.s - colon.finding.s_mm)
    core = colon.radius[off < 16].mean()
    assert core == pytest.approx(stenosis.height_mm, rel=0.12)
    assert colon.radius[(off > 24) & (off < 40)].mean() > 2.5 * core
    width = colon.radius.mean(1)
    narrow = width < (stenosis.height_mm + colon.width[off < 30].mean()) / 2
    assert np.gradient(colon.s)[narrow & (off < 60)].sum() == pytest.approx(40, abs=4)
    mask = stenosis.masks[0]["finding"]
    row, column = (round(c) for c in stenosis.centre_pixels[0])
    assert (
        mask[row - 3 : row + 4, column - 3 : column + 4].any() and not (mask & ~stenosis.masks[0]["colon"]).sum() > 20
    )


def test_the_image_says_what_an_export_needs(polyp):
    image = polyp.images[1]
    assert image.modality == "RF" and image.stored.dtype == np.uint16 and image.shape == (512, 512)
    np.testing.assert_array_equal(image.stored, image.values)
    assert image.spacing_mm == (380 / 512, 380 / 512) and image.values.dtype == np.float32
    assert image.facts == {"body_part": "ABDOMEN", "view_position": "AP", "patient_orientation": "L/F"}
    shown = image.display()
    assert 0.1 < np.median(shown[polyp.masks[1]["colon"]]) < 0.9


def test_seeds_and_sizes():
    small = {"shape": (128, 96), "angles_deg": (0.0,)}
    first, again, other = (barium_series(9, k, **small) for k in (0, 0, 1))
    np.testing.assert_array_equal(first.images[0].stored, again.images[0].stored)
    assert np.abs(first.attenuation[0] - other.attenuation[0]).mean() > 0.1
    turned = barium_series(9, 0, shape=(128, 96), angles_deg=(0.0, 30.0))
    np.testing.assert_array_equal(turned.images[0].stored, first.images[0].stored)  # more frames change none
    assert first.photons == pytest.approx(3e5 * (380 / 128) ** 2 / (380 / 512) ** 2)
    assert first.images[0].shape == (128, 96) and first.finding is None and first.centre_pixels is None


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"seed": -2}, "seed and index expect numbers from 0"),
        ({"finding": "hernia"}, "finding expects None or one of polyp, ulcer, stenosis, got 'hernia'"),
        ({"size_mm": 8}, "size_mm expects 3 to 30 with a finding, got 8 with None"),
        ({"size_mm": 8, "finding": "stenosis"}, "size_mm expects 10 to 100"),
        ({"contrast": "triple"}, "contrast expects 'double' or 'single'"),
        ({"angles_deg": ()}, "angles_deg expects at least one angle"),
        ({"angles_deg": (100.0,)}, "from -90 to 90"),
        ({"shape": (16, 512)}, "shape expects rows and columns of at least 32"),
        ({"photons": 1}, "photons expects at least 100"),
    ],
)
def test_a_study_is_refused(changes, text):
    with pytest.raises(ValueError, match=text):
        barium_series(**changes)
