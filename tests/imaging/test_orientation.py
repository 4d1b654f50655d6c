"""Axes turned exactly: every voxel keeps its place in the patient, and nibabel names the axes alike."""

import itertools

import numpy as np
import pytest

from mediml.imaging import Volume, WindowView, reorient

TURN = np.array([[0.8, 0.6, 0.0], [-0.48, 0.64, -0.6], [-0.36, 0.48, 0.8]])  # a rotation
ALL = [
    "".join(codes) for letters in itertools.permutations(("RL", "AP", "FH")) for codes in itertools.product(*letters)
]


def volume(directions=((0, 0, 1), (0, 1, 0), (1, 0, 0)), **changes):
    values = np.arange(2 * 3 * 4, dtype=np.float32).reshape(2, 3, 4)
    return Volume(
        stored=values.astype(np.int16), values=values, spacing_mm=(5.0, 2.0, 0.5), directions=directions,
        origin_mm=(-10.0, -20.0, 30.0), padding=values == 7, views=(WindowView(3, 5),), **changes,
    )  # fmt: skip


def places_of(volume):
    """{value: place} of each voxel."""
    places = volume.position_mm(np.moveaxis(np.indices(volume.shape), 0, -1))
    return {int(value): place for value, place in zip(volume.values.ravel(), places.reshape(-1, 3))}


def test_all_48_orders_exist():
    assert len(ALL) == len(set(ALL)) == 48


@pytest.mark.parametrize("directions", [((0, 0, 1), (0, 1, 0), (1, 0, 0)), TURN[[2, 1, 0]], -TURN[[1, 2, 0]]])
def test_every_voxel_keeps_its_place(directions):
    original = volume(tuple(tuple(float(x) for x in axis) for axis in directions))
    expected = places_of(original)
    for codes in ALL:
        turned = reorient(original, codes)
        assert "".join(turned.axis_codes) == codes
        for value, place in places_of(turned).items():
            np.testing.assert_allclose(place, expected[value], atol=1e-12)
        assert turned.values[turned.padding].tolist() == [7] and turned.views == original.views
        np.testing.assert_array_equal(turned.stored, turned.values)
        assert turned.values.flags.c_contiguous and turned.values.dtype == np.float32
        back = reorient(turned, "".join(original.axis_codes))
        np.testing.assert_array_equal(back.values, original.values)
        np.testing.assert_allclose(back.affine, original.affine, atol=1e-12)


def test_by_hand():
    turned = reorient(volume(), "AFR")
    # Planes are the rows from back to front, rows the planes from the head down, columns from left to right.
    assert turned.shape == (3, 2, 4) and turned.spacing_mm == (2, 5, 0.5)
    assert turned.directions == ((0, -1, 0), (0, 0, -1), (-1, 0, 0))
    assert turned.origin_mm == (-10 + 3 * 0.5, -20 + 2 * 2, 30 + 5)
    assert turned.values[0, 0, 0] == 12 + 8 + 3 and turned.values[2, 1, 3] == 0
    step = turned.account[-1]
    assert step.code == "reoriented" and step.values == {"before": "HPL", "after": "AFR"}


def test_nothing_to_turn():
    original = volume()
    assert reorient(original, "HPL") is original


def test_the_original_stays_as_it_is():
    original = volume()
    turned = reorient(original, "HPR")
    turned.values[:] = -1
    np.testing.assert_array_equal(original.values.ravel(), np.arange(24))


@pytest.mark.parametrize("codes", ["", "HP", "HPLR", "HPP", "RLA", "SPL", "hpl", None, 5])
def test_letters_that_are_none(codes):
    with pytest.raises(ValueError, match="reorient: codes expects three letters, one of each of R/L, A/P and F/H"):
        reorient(volume(), codes)


def test_names_as_nibabel_gives_them():
    nibabel = pytest.importorskip("nibabel")
    source = np.random.default_rng(3)
    letters = dict(zip("LRPASI", "LRPAHF"))
    for _ in range(300):
        rotation = np.linalg.qr(source.standard_normal((3, 3)))[0]
        turned = volume(tuple(tuple(axis) for axis in rotation))
        ras = np.diag([-1, -1, 1, 1]) @ turned.affine
        assert turned.axis_codes == tuple(letters[code] for code in nibabel.aff2axcodes(ras))
        canonical = nibabel.as_closest_canonical(nibabel.Nifti1Image(turned.values, ras))
        ours = reorient(turned, "RAH")  # nibabel's own three letters, RAS
        np.testing.assert_array_equal(canonical.get_fdata(), ours.values)
        np.testing.assert_allclose(canonical.affine, np.diag([-1, -1, 1, 1]) @ ours.affine, atol=1e-9)
