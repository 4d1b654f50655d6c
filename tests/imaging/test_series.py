"""Series of slices against geometry by hand: each voxel's value says where in the patient it was measured."""

import random
import shutil

import numpy as np
import pytest
from handmade_slices import AXIAL, CORONAL, OBLIQUE, SAGITTAL, SLOPE, check_places, codes

from mediml.imaging import SeriesError, Volume, read_series, reorient, write_series


def test_axial_series_in_any_order_under_any_name(scanner):
    scanner.stack()
    (scanner.folder / "DICOMDIR.txt").write_text("no image")
    volume = read_series(scanner.folder)
    assert volume.shape == (5, 4, 3) and volume.spacing_mm == (2.5, 2.0, 1.0) and volume.origin_mm == (-7, 11, 20)
    assert volume.axis_codes == ("H", "P", "L") and volume.units == "HU" and volume.modality == "CT"
    assert volume.stored.dtype == np.int16 and volume.values.dtype == np.float32 and volume.padding is None
    assert codes(volume) == ["series", "decoded_signed", "rescaled", "full_range", "files_aside"]
    assert volume.account[-1].values == {"count": 1} and volume.doubts == ()
    check_places(volume)


def test_order_of_files_does_not_matter(scanner):
    paths = scanner.stack()
    expected = read_series(scanner.folder)
    for seed in range(3):
        random.Random(seed).shuffle(paths)
        volume = read_series(map(str, paths))
        np.testing.assert_array_equal(volume.values, expected.values)
        assert volume.origin_mm == expected.origin_mm and volume.spacing_mm == expected.spacing_mm


def test_scanned_from_the_head_down(scanner):
    scanner.stack(step=(0, 0, -2.5))
    volume = read_series(scanner.folder)
    assert volume.origin_mm == (-7, 11, 10) and volume.axis_codes == ("H", "P", "L")
    check_places(volume)


@pytest.mark.parametrize(
    ("orientation", "names"),
    [
        (AXIAL, "HPL"),
        (CORONAL, "PFL"),
        (SAGITTAL, "RFP"),
        (OBLIQUE, "HPL"),
        ((-1, 0, 0, 0, 1, 0), "FPR"),  # seen from the head: columns lead to the right
        ((-1, 0, 0, 0, -1, 0), "HAR"),  # prone
        ((0.9998, 0.0175, 0, -0.0175, 0.9998, 0), "HPL"),  # cosines of 1 degree with four decimals
    ],
)
def test_orientations(scanner, orientation, names):
    row, column = np.reshape(orientation, (2, 3))
    scanner.stack(step=3 * np.cross(row, column), orientation=orientation)
    volume = read_series(scanner.folder)
    assert "".join(volume.axis_codes) == names
    assert volume.spacing_mm == pytest.approx((3, 2, 1), abs=1e-3)
    np.testing.assert_allclose(np.asarray(volume.directions) @ np.transpose(volume.directions), np.eye(3), atol=1e-12)
    check_places(volume, 2 * SLOPE)


def test_non_square_pixels_are_rows_then_columns(scanner):
    scanner.stack(spacing=(0.5, 3.0))
    volume = read_series(scanner.folder)
    assert volume.spacing_mm == (2.5, 0.5, 3.0)
    check_places(volume)


def test_the_step_is_that_of_the_positions(scanner):
    scanner.stack(SpacingBetweenSlices="5", SliceThickness="5")
    volume = read_series(scanner.folder)
    assert volume.spacing_mm[0] == 2.5
    (doubt,) = volume.doubts
    assert doubt.code == "spacing_contradiction" and doubt.values == {"said": 5.0, "step": 2.5}
    shutil.rmtree(scanner.folder)
    scanner.folder.mkdir()
    scanner.stack(SpacingBetweenSlices="-2.5")  # NM counts down; the sign is no contradiction
    assert read_series(scanner.folder).doubts == ()


def test_rounded_positions_do_not_add_up(scanner):
    for k in range(60):
        scanner.slice((0, 0, round(k * 0.333333, 2)), shape=(1, 1))
    volume = read_series(scanner.folder)
    assert volume.shape == (60, 1, 1) and volume.spacing_mm[0] == pytest.approx(1 / 3, abs=2e-4)


def test_missing_slice(scanner):
    paths = scanner.stack(8)
    paths[3].unlink()
    paths[4].unlink()
    with pytest.raises(
        SeriesError, match=r"\(0020,0032\): at a step of 2.5 mm, 2 of 8 planes are missing.*gaps=\"fill\""
    ):
        read_series(scanner.folder)
    volume = read_series(scanner.folder, gaps="fill")
    assert volume.shape == (8, 4, 3) and volume.spacing_mm[0] == 2.5
    np.testing.assert_array_equal(volume.padding.all(axis=(1, 2)), [0, 0, 0, 1, 1, 0, 0, 0])
    assert volume.values[3:5].max() == volume.values[[0, 1, 2, 5, 6, 7]].min() and codes(volume)[-1] == "planes_filled"
    assert volume.account[-1].values == {"count": 2}
    check_places(volume)


def test_gap_next_to_the_end_is_a_gap(scanner):
    paths = scanner.stack(4)
    paths[1].unlink()
    with pytest.raises(SeriesError, match="1 of 4 planes are missing"):
        read_series(scanner.folder)


@pytest.mark.parametrize("spread", [1.3, 0.8])
def test_uneven_steps(scanner, spread):
    paths = scanner.stack(5)
    paths[2].unlink()
    scanner.slice((-7, 11, 20 + 5 * spread))
    with pytest.raises(SeriesError, match=r"\(0020,0032\): the slices are .* mm apart, which is no regular step"):
        read_series(scanner.folder, gaps="fill")


def test_a_slow_drift_of_the_step_is_uneven(scanner):
    for k in range(40):  # neighbours differ by 1 %, the middle slice is a third of a step off
        scanner.slice((0, 0, k * (1 + 0.0005 * k)), shape=(1, 1))
    with pytest.raises(SeriesError, match="no regular step"):
        read_series(scanner.folder)


def test_doubled_slice(scanner):
    paths = scanner.stack(5)
    shutil.copy(paths[2], scanner.folder / "copy")
    with pytest.raises(SeriesError, match=r"1 of 6 slices lie where another one lies; pass duplicates=\"equal\""):
        read_series(scanner.folder)
    for choice in ("equal", "first"):
        volume = read_series(scanner.folder, duplicates=choice)
        assert volume.shape == (5, 4, 3) and "duplicates_dropped" in codes(volume)
        check_places(volume)


def test_two_different_slices_at_one_place(scanner):
    scanner.stack(5)
    scanner.slice((-7, 11, 25), InstanceNumber=1, RescaleSlope="0.1")  # of a lower number than the other one there
    with pytest.raises(SeriesError, match=r"and their pixels differ; pass duplicates=\"first\""):
        read_series(scanner.folder, duplicates="equal")
    volume = read_series(scanner.folder, duplicates="first")
    assert volume.shape == (5, 4, 3) and volume.stored[2].max() < volume.stored[1].min()


def test_one_place_only(scanner):
    scanner.stack(2, step=(0, 0, 0))
    with pytest.raises(SeriesError, match="one place is no volume"):
        read_series(scanner.folder, duplicates="first")


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("ImagePositionPatient", None),
        ("ImageOrientationPatient", None),
        ("ImagePositionPatient", ["1", "2"]),
        ("PixelSpacing", None),
        ("SeriesInstanceUID", None),
    ],
)
def test_no_place_no_volume(scanner, keyword, value):
    for k in range(3):
        scanner.slice((0, 0, k), **{keyword: value})
    with pytest.raises(SeriesError, match=r"\((0020|0028),00\w\w\) is missing or incomplete.*read_image"):
        read_series(scanner.folder)


def test_detector_spacing_is_no_spacing_in_the_patient(scanner):
    for k in range(3):
        scanner.slice((0, 0, k), PixelSpacing=None, ImagerPixelSpacing=["1", "1"])
    with pytest.raises(SeriesError, match=r"Pixel Spacing \(0028,0030\) is missing"):
        read_series(scanner.folder)


def test_spacing_of_nothing(scanner):
    for k in range(3):
        scanner.slice((0, 0, k), PixelSpacing=["0", "1"])
    with pytest.raises(SeriesError, match=r"\(0028,0030\) is not positive"):
        read_series(scanner.folder)


@pytest.mark.parametrize("orientation", [(1, 0, 0, 0, 1.1, 0), (1, 0, 0, 0.1, 0.995, 0), (0, 0, 0, 0, 1, 0)])
def test_directions_that_are_none(scanner, orientation):
    for k in range(3):
        scanner.slice((0, 0, k), orientation=orientation)
    with pytest.raises(SeriesError, match=r"\(0020,0037\) expects two unit vectors at right angles"):
        read_series(scanner.folder)


def test_one_slice(scanner):
    path = scanner.slice((0, 0, 0))
    with pytest.raises(SeriesError, match=r"one slice alone .*; read it with mediml\.imaging\.read_image"):
        read_series(path)


def test_the_size_is_checked_before_pixels_are_read(scanner, monkeypatch):
    scanner.slice((0, 0, 0), shape=(1, 1))
    for z in (1, 10**6):
        scanner.slice((0, 0, z), shape=(1, 1))
    monkeypatch.setattr("mediml.imaging.volume.MAX_VOXELS", 10**5)
    with pytest.raises(SeriesError, match=r"asks for 1000001 × 1 × 1 voxels; at most 100000"):
        read_series(scanner.folder, gaps="fill")


def test_progress_and_arguments(scanner):
    scanner.stack(3)
    seen = []
    read_series(scanner.folder, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]
    for keyword in ("gaps", "duplicates", "tilt"):
        with pytest.raises(ValueError, match=f"read_series: {keyword} expects one of 'refuse'.*, got 'guess'"):
            read_series(scanner.folder, **{keyword: "guess"})


@pytest.mark.parametrize("names", ["HPL", "AFR", "LFP"])
def test_what_was_written_comes_back(tmp_path, names):
    stored = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    row, column = np.reshape(OBLIQUE, (2, 3))
    directions = tuple(tuple(axis) for axis in (np.cross(row, column), column, row))
    original = reorient(
        Volume(stored, stored * np.float32(2) - 1024, (3, 2, 1), directions, (1, 2, 3), "HU", "CT"), names
    )
    write_series(tmp_path / "out", original)
    volume = reorient(read_series(tmp_path / "out"), names)  # planes may count the other way
    np.testing.assert_array_equal(volume.values, original.values)
    np.testing.assert_allclose(volume.affine, original.affine, atol=1e-6)


def test_hundreds_of_slices(scanner):
    scanner.stack(200, step=(0, 0, 0.3), shape=(2, 2))
    volume = read_series(scanner.folder)
    assert volume.shape == (200, 2, 2) and volume.spacing_mm[0] == pytest.approx(0.3, abs=1e-9)
    check_places(volume)
