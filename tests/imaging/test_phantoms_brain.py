"""Brain MR phantoms against physics: signal equations, noise statistics, volumes, sides, seeds."""

import math

import numpy as np
import pytest

from mediml.imaging import rician_mean
from mediml.imaging.phantoms import (
    SEQUENCES,
    Sequence,
    brain_anatomy,
    brain_mr,
    ernst_angle,
    inversion_recovery,
    rician,
    spin_echo,
    spoiled_gradient_echo,
    tissue_constants,
)
from mediml.imaging.phantoms.head_findings import Lump, Tumour

SLICE = {"shape": (1, 128, 112), "spacing_mm": (5.0, 1.8, 1.8)}


@pytest.fixture(scope="module")
def healthy():
    return brain_anatomy(3, 0, **SLICE)


@pytest.fixture(scope="module")
def tumour():
    """All of a tumour of 12 ml, on a fine grid around it."""
    middle = brain_anatomy(0, 5, shape=(1, 2, 2), finding="tumour", side="left", volume_ml=12).lesion_centre_mm
    around = {"shape": (30, 60, 60), "spacing_mm": (1.5, 1.5, 1.5), "center_mm": middle}
    return brain_anatomy(0, 5, finding="tumour", side="left", volume_ml=12, **around)


@pytest.fixture(scope="module")
def stroke():
    return brain_anatomy(0, 2, shape=(10, 64, 60), spacing_mm=(6, 3, 3), finding="stroke", side="right")


def pure(anatomy, tissue):
    return anatomy.fractions[tissue] == 1


# ---------------------------------------------------------------------------------------------- signal equations


def test_spin_echo_by_hand():
    assert spin_echo(2.0, 1000, 100, 1000, 100) == pytest.approx(2 * (1 - math.exp(-1)) * math.exp(-1))
    np.testing.assert_allclose(spin_echo([1, 0.5], 800, 80, 1e9, 0), [1, 0.5])


def test_inversion_recovery_is_the_magnitude_and_null_where_flair_wants_it():
    assert inversion_recovery(1, 1000, 1e9, 1e9, 0, 0) == pytest.approx(1)  # inverted: -1
    t1, tr = 4300, 9000
    null = t1 * math.log(2 / (1 + math.exp(-tr / t1)))
    assert inversion_recovery(1, t1, 2000, tr, 120, null) == pytest.approx(0, abs=1e-12)
    expected = 0.8 * (1 - 2 * math.exp(-2) + math.exp(-8)) * math.exp(-0.5)
    assert inversion_recovery(0.8, 1000, 100, 8000, 50, 2000) == pytest.approx(expected)


def test_the_gradient_echo_is_greatest_at_the_ernst_angle():
    e = math.exp(-20 / 1000)
    assert spoiled_gradient_echo(1, 1000, 50, 20, 5, 90) == pytest.approx((1 - e) * math.exp(-0.1))
    angles = np.arange(1, 90, 0.01)
    signal = [float(spoiled_gradient_echo(1, 1000, 50, 20, 5, a)) for a in angles]
    assert ernst_angle(1000, 20) == pytest.approx(angles[np.argmax(signal)], abs=0.02)


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: spin_echo(1, 0, 100, 500, 10), "spin_echo: t1_ms and t2_ms expect positive"),
        (lambda: spin_echo(1, 900, -1, 500, 10), "t1_ms and t2_ms expect positive"),
        (lambda: spin_echo(1, 900, 80, 0, 10), "tr_ms > 0 and te_ms >= 0, got 0 and 10"),
        (lambda: spin_echo(1, 900, 80, 500, -1), "te_ms >= 0"),
        (lambda: inversion_recovery(1, 900, 80, 500, 10, 501), "ti_ms expects 0 to 500, got 501"),
        (lambda: ernst_angle(0, 20), "ernst_angle: expected positive times"),
        (lambda: rician([1.0], -1, np.random.default_rng(0)), "noise_sd expects a finite number from 0, got -1"),
        (lambda: tissue_constants(7), "field_t expects 1.5 or 3.0, got 7"),
    ],
)
def test_the_equations_refuse(call, text):
    with pytest.raises(ValueError, match=text):
        call()


def test_rician_noise_has_its_moments():
    rng = np.random.default_rng(4)
    background = rician(np.zeros(200_000, np.float32), 7, rng)
    assert background.dtype == np.float32
    assert background.mean() == pytest.approx(7 * math.sqrt(math.pi / 2), rel=0.01)
    assert background.std() == pytest.approx(7 * math.sqrt(2 - math.pi / 2), rel=0.01)
    signal = rician(np.full(200_000, 12.0), 7, rng)
    assert signal.dtype == np.float64
    assert (signal**2).mean() == pytest.approx(12**2 + 2 * 7**2, rel=0.01)
    np.testing.assert_array_equal(rician([3, 4], 0, rng), [3, 4])


# ------------------------------------------------------------------------------------------------------- pictures


@pytest.mark.parametrize("field", [1.5, 3.0])
@pytest.mark.parametrize("name", ["T1", "T2", "FLAIR", "T1_gradient_echo", "DWI"])
def test_each_pure_voxel_has_the_signal_of_its_equation(healthy, name, field):
    taken = brain_mr(healthy, name, noise_sd=0, bias=0, field_t=field)
    tissues, how = tissue_constants(field), SEQUENCES[name]

    def signal(tissue):
        c = tissues[tissue]
        s = c.pd * math.exp(-how.te_ms / c.t2_ms) * math.exp(-how.b_s_mm2 * c.adc_um2_s * 1e-6)
        e = math.exp(-how.tr_ms / c.t1_ms)
        if name == "FLAIR":
            return s * abs(1 - 2 * math.exp(-how.ti_ms / c.t1_ms) + e)
        if name == "T1_gradient_echo":
            a = math.radians(how.flip_deg)
            return s * math.sin(a) * (1 - e) / (1 - e * math.cos(a))
        return s * (1 - e)

    full = max(signal(t) for t in ("grey", "white", "csf") + (() if how.fat_suppressed else ("fat",)))
    for tissue in ("grey", "white", "csf", "deep_grey"):
        found = taken.volume.values[pure(healthy, tissue)]
        assert found.size > 20
        np.testing.assert_allclose(found, 2000 * signal(tissue) / full, atol=0.51)
    half = (healthy.fractions["grey"] == 0.5) & (healthy.fractions["csf"] == 0.5)
    assert half.any()
    expected = 1000 * (signal("grey") + signal("csf")) / full
    np.testing.assert_allclose(taken.volume.values[half], expected, atol=0.51)


def test_contrasts_are_those_of_the_clinic(healthy):
    order = {name: brain_mr(healthy, name).signals for name in SEQUENCES}
    for name in ("T1", "T1_gradient_echo"):
        assert order[name]["white"] > order[name]["grey"] > order[name]["csf"]
    assert order["T2"]["csf"] > order["T2"]["grey"] > order["T2"]["white"]
    assert order["FLAIR"]["csf"] < 0.05 * order["FLAIR"]["white"] < order["FLAIR"]["oedema"]
    assert order["DWI"]["stroke"] > 1.5 * order["DWI"]["grey"] > order["DWI"]["csf"]
    assert order["T1_contrast"]["tumour"] > 1.5 * order["T1"]["tumour"]
    assert order["T1_contrast"]["necrosis"] == order["T1"]["necrosis"]
    assert order["FLAIR"]["fat"] == 0 < order["T2"]["fat"]


def test_the_background_is_rayleigh(healthy):
    taken = brain_mr(healthy, "T2", noise_sd=25)
    air = taken.volume.values[pure(healthy, "air")]
    assert air.size > 3000
    assert taken.noise_sd == 25
    assert air.mean() == pytest.approx(25 * math.sqrt(math.pi / 2), rel=0.02)
    assert air.std() == pytest.approx(25 * math.sqrt(2 - math.pi / 2), rel=0.03)


def test_the_noise_in_the_brain_is_the_one_asked_for(healthy):
    """Strong signal: normal noise of the sd asked for, about Rice's mean, which is a little above the signal."""
    taken = brain_mr(healthy, "T2", noise_sd=25)
    signal = taken.clean * taken.bias_field
    strong = healthy.masks["brain"] & (signal > 10 * 25)
    noise = taken.volume.values[strong] - rician_mean(signal[strong], 25.0)
    assert strong.sum() > 4000
    assert noise.mean() == pytest.approx(0, abs=4 * 25 / math.sqrt(strong.sum()))
    assert noise.std() == pytest.approx(25, rel=3 / math.sqrt(2 * strong.sum()))


def test_the_bias_field_is_known(healthy):
    taken = brain_mr(healthy, "T1", noise_sd=0, bias=0.3)
    flat = taken.volume.values / taken.bias_field
    np.testing.assert_allclose(flat, taken.clean, atol=0.51 / taken.bias_field.min())
    white = pure(healthy, "white")
    assert taken.volume.values[white].std() > 10 * flat[white].std()  # it was there, and division takes it away
    log = np.log(taken.bias_field.astype(np.float64))
    brain = healthy.masks["brain"]
    assert log[brain].mean() == pytest.approx(0, abs=1e-4)
    assert log[brain].max() - log[brain].min() == pytest.approx(0.6, rel=1e-3)
    assert np.abs(np.diff(log[0], 3, axis=0)).max() < 1e-5  # second degree
    assert (brain_mr(healthy, "T1", bias=0).bias_field == 1).all()


def test_the_volume_says_what_an_export_needs(healthy):
    volume = brain_mr(healthy, "FLAIR").volume
    assert volume.modality == "MR" and volume.units == "arbitrary" and volume.stored.dtype == np.uint16
    np.testing.assert_array_equal(volume.stored, volume.values)
    assert volume.values.dtype == np.float32 and volume.spacing_mm == (5, 1.8, 1.8)
    assert volume.axis_codes == ("H", "P", "L")
    facts = {"scanning_sequence": "IR", "repetition_time_ms": "9000", "inversion_time_ms": "2500", "body_part": "HEAD"}
    assert facts.items() <= volume.facts.items()
    image = brain_mr(healthy, "FLAIR").image()
    np.testing.assert_array_equal(image.values, volume.values[0])
    np.testing.assert_allclose(volume.affine @ (0, 63.5, 55.5, 1), (0, 16, 8, 1))  # the middle of the grid


def test_an_own_sequence(healthy):
    taken = brain_mr(healthy, Sequence("spin_echo", 3000, 10), noise_sd=0, bias=0)
    ratio = taken.signals["grey"] / taken.signals["white"]
    grey, white = (0.86 * -math.expm1(-3000 / 1820) * math.exp(-10 / 99), 0.77 * -math.expm1(-3000 / 1084))
    assert ratio == pytest.approx(grey / (white * math.exp(-10 / 69)))
    with pytest.raises(ValueError, match="kind of the sequence expects one of spin_echo"):
        brain_mr(healthy, Sequence("epi", 3000, 10))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"sequence": "T3"}, "sequence expects one of T1, .*ADC, got 'T3'"),
        ({"bias": 2}, "bias expects 0 to 1, got 2"),
        ({"noise_sd": -1}, "noise_sd expects a finite number from 0"),
        ({"field_t": 0.5}, "field_t expects 1.5 or 3.0"),
    ],
)
def test_a_picture_is_refused(healthy, changes, text):
    with pytest.raises(ValueError, match=text):
        brain_mr(healthy, **changes)


# ------------------------------------------------------------------------------------------------------- anatomy


def test_the_shares_add_up_and_all_tissues_are_there(healthy):
    np.testing.assert_allclose(sum(healthy.fractions.values()), 1, atol=1e-6)
    expected = {"air", "skin", "fat", "muscle", "bone", "marrow", "csf", "grey", "white", "deep_grey"}
    assert expected <= set(healthy.fractions)
    voxel = 5 * 1.8 * 1.8
    for name, share in healthy.fractions.items():
        assert healthy.volumes_mm3[name] == pytest.approx(share.sum(dtype=np.float64) * voxel)


def test_the_brain_has_the_size_of_a_brain():
    whole = brain_anatomy(0, 0, shape=(36, 56, 48), spacing_mm=(4, 4, 4), center_mm=(0, 16, 8), oversampling=1)
    brain = sum(whole.volumes_mm3[name] for name in ("grey", "white", "deep_grey")) / 1000
    assert 1000 < brain < 1700
    assert 0.9 < whole.volumes_mm3["grey"] / whole.volumes_mm3["white"] < 1.9
    rows = whole.masks["brain"].any((0, 1)), whole.masks["brain"].any((0, 2))
    width, length = (np.count_nonzero(r) * 4 for r in rows)
    assert 120 < width < 150 and 150 < length < 190


def test_a_head_does_not_depend_on_its_grid():
    coarse = brain_anatomy(1, 4, shape=(2, 24, 20), spacing_mm=(6, 8, 8), oversampling=2, center_mm=(0, 10, 9))
    fine = brain_anatomy(1, 4, shape=(4, 48, 40), spacing_mm=(3, 4, 4), oversampling=1, center_mm=(0, 10, 9))
    for name, share in coarse.fractions.items():
        blocks = fine.fractions[name].reshape(2, 2, 24, 2, 20, 2).mean((1, 3, 5))
        assert np.abs(blocks - share).mean() < 1e-3  # rounding may move a point on an edge


def test_planes_show_the_same_head():
    """The voxels around one place, seen as three kinds of pictures."""
    where = {"shape": (9, 9, 9), "spacing_mm": (3.0, 3.0, 3.0), "center_mm": (30.0, 20.0, 25.0)}
    axial, coronal, sagittal = (brain_anatomy(1, 4, plane=p, **where) for p in ("axial", "coronal", "sagittal"))
    for name, share in axial.fractions.items():
        from_coronal = coronal.fractions[name].transpose(1, 0, 2)[::-1]
        from_sagittal = sagittal.fractions[name].transpose(1, 2, 0)[::-1]
        assert np.abs(share - from_coronal).mean() < 2e-3 and np.abs(share - from_sagittal).mean() < 2e-3
    codes = [brain_mr(a).volume.axis_codes for a in (axial, coronal, sagittal)]
    assert codes == [("H", "P", "L"), ("P", "F", "L"), ("L", "F", "P")]


def test_symmetry_only_when_asked(healthy):
    twin = brain_anatomy(3, 0, symmetric=True, **SLICE)
    for share in twin.fractions.values():
        np.testing.assert_array_equal(share, share[:, :, ::-1])
    grey = healthy.fractions["grey"]
    assert np.abs(grey - grey[:, :, ::-1]).mean() > 0.02


def test_left_is_the_patients_left(healthy):
    volume = brain_mr(healthy).volume
    for name, sign in (("left", 1), ("right", -1)):
        planes, rows, columns = np.nonzero(healthy.masks[name])
        x = (volume.affine @ (planes, rows, columns, np.ones(len(rows))))[0]
        assert len(x) > 1000 and (np.sign(x) == sign).all()
    assert not (healthy.masks["left"] & healthy.masks["right"]).any()


def test_seeds(healthy):
    again = brain_anatomy(3, 0, **SLICE)
    np.testing.assert_array_equal(again.fractions["grey"], healthy.fractions["grey"])
    for other in (brain_anatomy(3, 1, **SLICE), brain_anatomy(4, 0, **SLICE)):
        assert np.abs(other.fractions["grey"] - healthy.fractions["grey"]).mean() > 0.05
    first, second = brain_mr(healthy, "T1"), brain_mr(again, "T1")
    np.testing.assert_array_equal(first.volume.stored, second.volume.stored)
    air = pure(healthy, "air")
    noise = [brain_mr(healthy, s, noise_sd=20).volume.values[air] for s in ("T1", "T2")]
    assert abs(np.corrcoef(*noise)[0, 1]) < 0.05  # another stream for each sequence


def test_one_voxel_and_thin_grids():
    one = brain_anatomy(shape=(1, 1, 1), center_mm=(25, 20, 35), oversampling=1)
    assert one.fractions == {"white": 1} and brain_mr(one, noise_sd=0, bias=0.2).volume.shape == (1, 1, 1)
    outside = brain_anatomy(shape=(1, 1, 3), center_mm=(200, 0, 0))
    assert set(outside.fractions) == {"air"} and not outside.masks["brain"].any()
    assert np.isfinite(brain_mr(outside).volume.values).all()


# ------------------------------------------------------------------------------------------------------- findings


def test_the_volume_of_a_lump_is_exact():
    ball = Lump(np.random.default_rng(0), 1000.0, roughness=0.0)
    assert ball.radius_mm == pytest.approx((3000 / (4 * math.pi)) ** (1 / 3))
    lump = Lump(np.random.default_rng(1), 9000.0, roughness=0.2)
    x, y, z = np.random.default_rng(2).uniform(-lump.reach_mm, lump.reach_mm, (3, 400_000))
    share = (lump.scaled_distance(x, y, z)[0] < 1).mean()
    assert share * (2 * lump.reach_mm) ** 3 == pytest.approx(9000, rel=0.02)


def test_the_tumour_has_the_volume_asked_for(tumour):
    assert tumour.lesion_volume_mm3 == 12000
    found = tumour.volumes_mm3["tumour"] + tumour.volumes_mm3["necrosis"]
    assert found == pytest.approx(12000, rel=0.01)
    assert tumour.volumes_mm3["necrosis"] / found == pytest.approx(0.55**3, rel=0.03)
    assert tumour.masks["lesion"].sum() * 1.5**3 == pytest.approx(12000, rel=0.03)  # a share of one half is in
    places = np.argwhere(tumour.masks["lesion"]) - np.array([29, 59, 59]) / 2
    assert np.abs(places.mean(0)).max() * 1.5 < 0.15  # about its centre of gravity
    assert tumour.side == "left" and tumour.lesion_centre_mm[0] > 0
    assert tumour.volumes_mm3["oedema"] > 500
    assert not (tumour.masks["oedema"] & tumour.masks["lesion"]).any()
    assert tumour.masks["necrosis"].sum() == (tumour.masks["necrosis"] & tumour.masks["lesion"]).sum()


def test_the_tumour_presses_the_brain_aside(tumour):
    """What lay in its place moved outwards and is not painted over: r_before**3 = r**3 - R**3 / 2."""
    mass = Tumour(Lump(np.random.default_rng(0), 8000.0), (0, 0, 0), (10.0, 20.0, 30.0), 8.0, 1)
    r = mass.lump.radius_mm
    place = mass.push(*(np.array([v], np.float32) for v in (10 + 2 * r, 20.0, 30.0)))
    np.testing.assert_allclose(np.ravel(place), (10 + 7.5 ** (1 / 3) * r, 20, 30), rtol=1e-4)
    middle = tumour.lesion_centre_mm
    before = brain_anatomy(0, 5, shape=(30, 60, 60), spacing_mm=(1.5, 1.5, 1.5), center_mm=middle)
    outside = ~tumour.masks["lesion"] & (before.fractions["grey"] + before.fractions["white"] == 1)
    changed = np.abs(tumour.fractions["grey"] - before.fractions["grey"])[outside] > 0.5
    assert changed.mean() > 0.005


def test_the_stroke_lies_in_its_artery_on_its_side(stroke):
    lesion = stroke.masks["lesion"]
    assert lesion.sum() > 100 and stroke.side == "right"
    assert not (lesion & ~stroke.masks["right"]).any()
    assert (lesion & ~stroke.masks["mca_territory"]).sum() <= 0.03 * lesion.sum()  # shares against centres
    assert stroke.masks["mca_territory"].sum() > lesion.sum()
    other = brain_anatomy(0, 2, shape=(10, 64, 60), spacing_mm=(6, 3, 3), finding="stroke", side="left")
    assert not (other.masks["lesion"] & ~other.masks["left"]).any() and other.masks["lesion"].any()


def test_the_stroke_is_bright_on_dwi_and_dark_on_adc(stroke):
    adc, dwi = brain_mr(stroke, "ADC", noise_sd=5), brain_mr(stroke, "DWI", noise_sd=5, bias=0)
    assert adc.volume.units == "um2/s" and adc.volume.facts["derived"] == "ADC"
    core, healthy = pure(stroke, "stroke"), pure(stroke, "white")
    assert adc.volume.values[core].mean() == pytest.approx(440, rel=0.03)
    assert adc.volume.values[healthy].mean() == pytest.approx(750, rel=0.03)
    assert dwi.volume.values[core].mean() > 1.5 * dwi.volume.values[healthy].mean()
    exact = brain_mr(stroke, "ADC", noise_sd=0, bias=0)
    assert np.abs(exact.volume.values - exact.clean)[core].max() < 3  # whole numbers before the logarithm
    assert (exact.volume.values[pure(stroke, "air")] == 0).all()


def test_white_matter_lesions_lie_in_white_matter():
    where = {"shape": (8, 64, 52), "spacing_mm": (4, 2, 2), "center_mm": (0, 14, 20)}
    ill, well = brain_anatomy(0, 4, finding="white_matter_lesions", **where), brain_anatomy(0, 4, **where)
    share = ill.fractions["white_matter_lesion"]
    assert ill.side is None and ill.volumes_mm3["white_matter_lesion"] > 200
    np.testing.assert_array_equal(share + ill.fractions["white"], well.fractions["white"])
    flair = brain_mr(ill, "FLAIR").signals
    assert flair["white_matter_lesion"] > 1.3 * flair["grey"]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"seed": -1}, "seed and index expect numbers from 0"),
        ({"shape": (0, 8, 8)}, "shape expects planes, rows and columns of at least 1"),
        ({"shape": (8, 8)}, "shape expects planes, rows and columns"),
        ({"spacing_mm": (1, 0, 1)}, "spacing_mm expects three positive numbers"),
        ({"plane": "oblique"}, "plane expects one of axial, coronal, sagittal, got 'oblique'"),
        ({"finding": "fracture"}, "finding expects None or one of tumour"),
        ({"side": "left"}, "side expects 'left' or 'right' with a tumour or a stroke"),
        ({"side": "up", "finding": "stroke"}, "side expects 'left' or 'right'"),
        ({"volume_ml": 3}, "volume_ml expects at least 0.1, with a tumour"),
        ({"volume_ml": 0, "finding": "tumour"}, "volume_ml expects at least 0.1"),
        ({"volume_ml": 300, "finding": "tumour"}, "fits into one half of the brain, got 300 ml; ask for at most"),
        ({"oversampling": 0}, "oversampling expects at least 1"),
        ({"shape": (900, 900, 900)}, "ask for fewer voxels"),
    ],
)
def test_a_head_is_refused(changes, text):
    with pytest.raises(ValueError, match=text):
        brain_anatomy(**({"shape": (1, 8, 8)} | changes))
