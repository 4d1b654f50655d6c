"""The chest's shapes by geometry, its tissues by NIST's tables, its findings by their volumes."""

from functools import cache

import numpy as np
import pytest

from mediml.imaging.phantoms import LABELS, Effusion, Nodule, Opacity, Pneumothorax, make_thorax
from mediml.imaging.phantoms.materials import TISSUES, linear_attenuation, tissue_attenuation
from mediml.imaging.phantoms.rays import Layer, resolve
from mediml.imaging.phantoms.shapes import Confined, box, clip_below_plane, ellipsoid, merged, tube

AXIS = np.arange(-30, 30, 0.5) + 0.25


def lengths(shape, xs=AXIS, zs=AXIS):
    """Length in the shape along each ray, (z, x)."""
    ray, enter, leave = shape.strike(xs, zs)
    return np.bincount(ray, leave - enter, len(xs) * len(zs)).reshape(len(zs), len(xs))


@cache
def chest_of(*arguments, **options):
    """Chests are made once."""
    return make_thorax(*arguments, **options)


def moments(thorax, name, pose="upright", step=3.0, around=None):
    """Volume in mm³ and centre of gravity of a tissue or finding, by chords: on all rays, or on those near a point."""
    xs, zs = np.arange(-250, 250, step), np.arange(-250, 200, step)
    if around is not None:
        xs, zs = xs[np.abs(xs - around[0]) < 40], zs[np.abs(zs - around[2]) < 40]
    found = thorax.resolve(xs, zs, pose)
    label = LABELS[name] if isinstance(name, str) else name
    here = thorax.layer_labels(pose)[found.layer] == label
    length, ray = (found.leave - found.enter)[here], found.ray[here]
    y = (found.enter + found.leave)[here] / 2
    place = [np.average(v, weights=length) for v in (xs[ray % len(xs)], y, zs[ray // len(xs)])]
    return length.sum() * step**2, np.array(place)


def test_chords_of_a_ball_and_a_block():
    ball = lengths(ellipsoid((1, 5, -2), (20, 20, 20)))
    away2 = (AXIS[None, :] - 1) ** 2 + (AXIS[:, None] + 2) ** 2
    np.testing.assert_allclose(ball, 2 * np.sqrt(np.maximum(400 - away2, 0)), atol=1e-9)
    block = lengths(box((-10, 3, -5), (10, 11, 5)))
    inside = (np.abs(AXIS[None, :]) < 10) & (np.abs(AXIS[:, None]) < 5)
    np.testing.assert_array_equal(block, np.where(inside, 8.0, 0.0))


def test_a_turned_ellipsoid_keeps_its_volume_and_its_long_axis():
    shape = ellipsoid((0, 0, 0), (25, 10, 5), axis=(1, 0, 1))
    assert shape.volumes_mm3[0] == pytest.approx(4 / 3 * np.pi * 25 * 10 * 5)
    chords = lengths(shape)
    assert chords.sum() * 0.25 == pytest.approx(shape.volumes_mm3[0], rel=2e-3)
    tip = 24 / np.sqrt(2)
    assert shape.contains([(tip, 0, tip), (0, 9.9, 0)]).all() and not shape.contains([(tip, 0, -tip), (0, 0, 9)]).any()
    assert (chords > 0)[AXIS > 12][:, AXIS > 12].any() and not (chords > 0)[AXIS > 12][:, AXIS < -12].any()


@pytest.mark.parametrize("end", [(20, 0, 0), (0, 20, 0), (0, 0, 20), (11, 12, 9)])
def test_a_straight_tube_has_the_volume_of_a_cylinder(end):
    end = np.array(end, float)
    shape = tube([-end, end], 6.0)
    length = 2 * np.linalg.norm(end)
    assert lengths(shape).sum() * 0.25 == pytest.approx(np.pi * 36 * length, rel=0.01)
    assert shape.contains(0.99 * end) and not shape.contains(1.01 * end)


def test_a_bent_tube_has_no_gap_and_no_overlap_at_its_joint():
    shape = tube([(-20, 0, 0), (0, 0, 0), (14, 6, 14)], 5.0)
    volume = np.pi * 25 * (20 + np.sqrt(14**2 * 2 + 36))
    assert lengths(shape).sum() * 0.25 == pytest.approx(volume, rel=0.01)


def test_the_section_of_a_flat_tube():
    chords = lengths(tube([(-20, 0, 0), (20, 0, 0)], 8.0, (0, 1, 0), 3.0))
    column = chords[:, np.argmin(np.abs(AXIS))]
    np.testing.assert_allclose(column, 6 * np.sqrt(np.maximum(1 - (AXIS / 8) ** 2, 0)), atol=1e-9)


def test_a_half_space_cuts_a_shape():
    half = Confined(ellipsoid((0, 0, 0), (20, 20, 20)), clip_below_plane((0, 1, 0), 0))
    np.testing.assert_allclose(lengths(half), lengths(ellipsoid((0, 0, 0), (20, 20, 20))) / 2)
    assert half.contains((0, -5, 0)) and not half.contains((0, 5, 0))


def test_merged_shapes_are_the_same_union():
    several = [tube([(0, 0, 0), (9, 9, 0)], 2), tube([(0, 0, 5), (9, 0, 5)], 1), ellipsoid((0, 0, 0), (4, 4, 4))]
    whole = resolve([Layer(1, TISSUES["bone"], merged(several))], AXIS, AXIS)
    apart = resolve([Layer(1, TISSUES["bone"], tuple(several))], AXIS, AXIS)
    one = np.ones(1)
    np.testing.assert_allclose(whole.integral(one), apart.integral(one), atol=1e-9)
    assert len(merged(several)) == 2


def test_the_later_layer_is_on_top_and_a_confined_one_stays_inside():
    soft = TISSUES["muscle"]
    layers = [
        Layer(1, soft, (box((-5, 0, -5), (5, 10, 5)),)),
        Layer(2, soft, (box((-5, 4, -5), (5, 14, 5)),), within=1),
        Layer(3, soft, (box((-5, 6, -5), (5, 7, 5)), box((-5, 6.5, -5), (5, 8, 5)))),
    ]
    found = resolve(layers, np.array([0.0]), np.array([0.0]))
    np.testing.assert_allclose(found.enter, [0, 4, 6, 6.5, 7, 8])
    np.testing.assert_allclose(found.leave, [4, 6, 6.5, 7, 8, 10])
    np.testing.assert_array_equal(found.layer, [0, 1, 2, 2, 2, 1])
    np.testing.assert_allclose(found.integral(np.array([1.0, 10.0, 100.0])), [4 + 40 + 200])
    np.testing.assert_allclose(
        found.cells(np.array([1.0, 10.0, 100.0]), -1, 3, 5)[0], [2 / 3, 4, 70, 20 / 3, 0], atol=1e-9
    )
    np.testing.assert_array_equal(found.labels(np.array([1, 2, 3]), -1, 3, 5)[0], [1, 1, 3, 2, 0])


def test_nothing_gives_nothing():
    found = resolve([Layer(1, TISSUES["bone"], ())], AXIS, AXIS)
    assert found.integral(np.ones(1)).sum() == 0 and len(found.ray) == 0


def test_attenuation_is_that_of_the_tables():
    assert linear_attenuation("water", 1.0, 60) == pytest.approx(0.02059)
    assert linear_attenuation("bone", 1.92, 80) == pytest.approx(1.92 * 0.02229)
    assert 0.01837 < linear_attenuation("water", 1.0, 70) < 0.02059
    water = linear_attenuation("water", 1.0, 70)
    for tissue in TISSUES.values():
        assert 1000 * (tissue_attenuation(tissue, 70.0) / water - 1) == pytest.approx(tissue.hu, abs=1e-9)
    # Calcium absorbs low energies more: bone gains on soft tissue there.
    bone, muscle = TISSUES["bone"], TISSUES["muscle"]
    ratios = [tissue_attenuation(bone, kev) / tissue_attenuation(muscle, kev) for kev in (50, 70, 120)]
    assert ratios[0] > ratios[1] > ratios[2]
    with pytest.raises(ValueError, match="kev expects 40 to 150, got 30"):
        linear_attenuation("water", 1.0, 30)
    with pytest.raises(ValueError, match="material expects one of water"):
        linear_attenuation("lead", 11.3, 60)


@pytest.fixture(scope="module")
def chest():
    return chest_of(5, 0, sex="M")


def test_organs_lie_on_their_side(chest):
    for name, sign in (("heart", 1), ("stomach gas", 1), ("spleen", 1), ("liver", -1)):
        _, place = moments(chest, name)
        assert place[0] * sign > 8, name
    assert moments(chest, "disc")[1][1] > 20  # the spine is behind
    assert abs(moments(chest, "bone")[1][0]) < 1  # and the bones are symmetric


@pytest.mark.parametrize("index", range(3))
def test_any_chest_has_organs_of_the_size_they_have(index):
    thorax = make_thorax(7, index)
    assert 2.5e6 < moments(thorax, "lung")[0] < 6.5e6
    assert 4e5 < moments(thorax, "heart")[0] < 1.1e6
    assert 4e3 < moments(thorax, "trachea", step=1.5)[0] < 8e4
    assert thorax.anatomy.dome_right_mm > thorax.anatomy.dome_left_mm + 5


def test_gas_rises():
    thorax = make_thorax(5, 1, sex="F")
    (up_volume, up), (down_volume, down) = (moments(thorax, "stomach gas", pose) for pose in ("upright", "supine"))
    assert up[2] > down[2] + 8 and down[1] < up[1] - 8
    assert up_volume > 5000 and down_volume > 5000


def test_a_large_heart_is_large():
    small, large = (moments(make_thorax(5, 0, heart_scale=scale), "heart")[0] for scale in (1.0, 1.4))
    assert large / small == pytest.approx(1.4**3, rel=0.12)  # where it overlaps other organs, it grows differently


def test_the_same_case_has_the_same_bits_and_another_has_not():
    a, b, c = make_thorax(3, 2), make_thorax(3, 2), make_thorax(3, 1)
    xs = zs = np.arange(-180, 180, 9.0)
    one, two, other = (t.resolve(xs, zs).integral(t.attenuations()) for t in (a, b, c))
    assert a.anatomy == b.anatomy and np.array_equal(one, two)
    assert a.anatomy != c.anatomy and not np.array_equal(one, other)


def test_what_is_asked_for_does_not_change_the_rest():
    plain, given, with_nodule = make_thorax(3, 2), make_thorax(3, 2, age_years=40), make_thorax(3, 2, [Nodule(9)])
    assert given.anatomy.age_years == 40 and given.anatomy.width == plain.anatomy.width
    assert with_nodule.anatomy == plain.anatomy


@pytest.fixture(scope="module")
def ill():
    return make_thorax(11, 0, [Nodule(16, "left"), Nodule(10, "right", density="ground glass"), Opacity("RLL")])


def test_nodules_have_the_volume_of_a_ball_and_lie_where_they_say(ill):
    for finding, side in zip(ill.findings, ("left", "right")):
        d = finding.diameter_mm
        assert finding.volume_mm3 == pytest.approx(np.pi * d**3 / 6)
        volume, place = moments(ill, finding.label, "supine", 0.5, finding.centre_mm)
        assert volume == pytest.approx(np.pi * d**3 / 6, rel=0.01)
        np.testing.assert_allclose(place, finding.centre_mm, atol=0.1)
        assert finding.side == side and (finding.centre_mm[0] > 0) == (side == "left")
        assert finding.lobe[0] == side[0].upper()
    assert ill.findings[0].hu == 40 and ill.findings[1].hu == -600
    assert ill.label_names[ill.findings[2].label] == "opacity" and ill.label_names[LABELS["liver"]] == "liver"


def test_an_opacity_stays_in_its_lobe(ill):
    finding = ill.findings[2]
    xs, zs = np.arange(-150, 150, 2.0), np.arange(-170, 140, 2.0)
    found = ill.resolve(xs, zs)
    here = ill.layer_labels()[found.layer] == finding.label
    ray = found.ray[here]
    height = ill.anatomy.height
    # Below the oblique fissure z - 0.94 y = -12, on the right, from front to back of each piece.
    for y in (found.enter[here], found.leave[here]):
        assert (zs[ray // len(xs)] - 0.94 * y < -12 * height + 1e-6).all()
    assert (xs[ray % len(xs)] <= 0).all()
    volume, place = moments(ill, finding.label, "supine", 2.0)
    assert volume == pytest.approx(finding.volume_mm3, rel=0.02) and volume > 5000
    np.testing.assert_allclose(place, finding.centre_mm, atol=0.6)


def test_spicules_add_volume_and_belong_to_the_nodule():
    (plain,), (spiked,) = (make_thorax(11, 1, [Nodule(16, spicules=n)]).findings for n in (0, 24))
    assert plain.centre_mm == spiked.centre_mm
    assert 1.005 < spiked.volume_mm3 / plain.volume_mm3 < 1.3


@pytest.mark.parametrize(("side", "volume_ml"), [("right", 120), ("left", 700)])
def test_an_effusion_has_its_volume_in_both_poses(side, volume_ml):
    thorax = chest_of(11, 2, (Effusion(side, volume_ml),))
    finding = thorax.findings[0]
    assert finding.volume_mm3 == pytest.approx(volume_ml * 1000, rel=0.01)
    (up, standing), (down, lying) = (moments(thorax, finding.label, pose, 2.0) for pose in ("upright", "supine"))
    assert up == pytest.approx(volume_ml * 1000, rel=0.03) and down == pytest.approx(volume_ml * 1000, rel=0.03)
    assert standing[2] < lying[2] - 10 and lying[1] > standing[1] + 10
    assert (standing[0] > 0) == (side == "left") == (lying[0] > 0)


def test_a_nodule_keeps_clear_of_fluid_and_air():
    requests = [Nodule(24, "right"), Effusion("right", 900), Pneumothorax("right", 600)]
    thorax = make_thorax(12, 4, requests)
    for pose in ("upright", "supine"):
        volume, place = moments(thorax, thorax.findings[0].label, pose, 1.0, thorax.findings[0].centre_mm)
        assert volume == pytest.approx(np.pi * 24**3 / 6, rel=0.02)
        np.testing.assert_allclose(place, thorax.findings[0].centre_mm, atol=0.3)
    assert [finding.kind for finding in thorax.findings] == ["nodule", "effusion", "pneumothorax"]


def test_fluid_climbs_the_wall():
    thorax = chest_of(11, 2, (Effusion("left", 700),))
    xs, zs = np.arange(30, 140, 2.0), np.arange(-160, 60, 2.0)
    found = thorax.resolve(xs, zs, "upright")
    wet = thorax.layer_labels("upright")[found.layer] == thorax.findings[0].label
    depth = np.bincount(found.ray[wet], (found.leave - found.enter)[wet], found.rays).reshape(len(zs), len(xs))
    top = np.array([zs[column > 60].max(initial=-200.0) for column in depth.T])  # where a film begins to whiten
    outermost = np.flatnonzero(top > -200)[-1]
    assert top[outermost] > top[xs < 70].max() + 8


def test_air_gathers_at_the_top():
    thorax = make_thorax(11, 3, [Pneumothorax("right", 350)])
    finding = thorax.findings[0]
    assert finding.volume_mm3 == pytest.approx(350_000, rel=0.01) and finding.side == "right"
    (up, standing), (down, lying) = (moments(thorax, finding.label, pose, 2.0) for pose in ("upright", "supine"))
    assert up == pytest.approx(350_000, rel=0.02) and down == pytest.approx(350_000, rel=0.02)
    assert standing[2] > lying[2] + 15 and lying[1] < standing[1] - 15


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: make_thorax(-1), "seed and index expect 0 or more, got -1 and 0"),
        (lambda: make_thorax(sex="X"), "sex expects 'F', 'M' or None, got 'X'"),
        (lambda: make_thorax(age_years=7), "age_years expects 18 to 90, got 7"),
        (lambda: make_thorax(heart_scale=3), "heart_scale expects 0.8 to 1.6, got 3"),
        (
            lambda: make_thorax(findings=["nodule"]),
            "findings expect Nodule, Opacity, Effusion or Pneumothorax, got str",
        ),
        (lambda: make_thorax(findings=[Nodule(80, margin_mm=40)]), "no place for a nodule was found"),
        (
            lambda: make_thorax(findings=[Nodule(10, position_mm=(0, 0, 0))]),
            "position_mm of the nodule expects a place",
        ),
        (lambda: make_thorax(findings=[Effusion("left", 5000)]), "expects at most [0-9]+ ml on its side"),
        (lambda: Nodule(1), "diameter_mm expects 2 to 80, got 1"),
        (lambda: Nodule(10, "middle"), "side expects 'right' or 'left'"),
        (lambda: Nodule(10, density="hard"), "density expects one of solid"),
        (lambda: Nodule(10, spicules=-1), "0 to 60 spicules"),
        (lambda: Opacity("LML"), "lobe expects one of RUL"),
        (lambda: Opacity(size_mm=2), "size_mm expects 10 to 80, got 2"),
        (lambda: Effusion(volume_ml=5), "volume_ml expects 20 to 5000, got 5"),
        (lambda: Pneumothorax(volume_ml=5), "volume_ml expects 20 to 1200, got 5"),
        (lambda: make_thorax().layers("prone"), "pose expects 'upright' or 'supine', got 'prone'"),
    ],
)
def test_what_cannot_be_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
