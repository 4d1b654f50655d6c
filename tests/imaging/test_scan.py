"""Files and their headers: what is an image, frames with places in functional groups, doses, damage."""

import numpy as np
import pytest
from handmade_slices import AXIAL, CORONAL, OBLIQUE, SAGITTAL, check_places, codes, dose, enhanced, text
from pydicom.data import get_testdata_file

from mediml.imaging import DicomError, SeriesError, read_series


def test_nothing_to_read(tmp_path):
    with pytest.raises(SeriesError, match="none of the 0 files is a DICOM image"):
        read_series(tmp_path)
    (tmp_path / "Zebrafisch.txt").write_text("hello")
    with pytest.raises(SeriesError, match="none of the 1 files") as refusal:
        read_series(tmp_path)
    assert "Zebrafisch" not in str(refusal.value)
    with pytest.raises(SeriesError, match="no such file"):
        read_series(tmp_path / "Zebrafisch")
    with pytest.raises(SeriesError, match="empty list"):
        read_series([])


def test_damaged_file_in_the_folder(scanner):
    paths = scanner.stack(4)
    (scanner.folder / "damaged").write_bytes(paths[0].read_bytes()[:300])
    with pytest.raises(DicomError, match=r"has no Rows \(0028,0010\): it is damaged"):
        read_series(scanner.folder)


def test_no_folder_of_everything(scanner, monkeypatch):
    scanner.stack(3)
    monkeypatch.setattr("mediml.imaging.stacking.scan.MAX_FILES", 2)
    with pytest.raises(SeriesError, match="more than 2 files"):
        read_series(scanner.folder)


def test_random_damage_gives_our_error_or_a_volume(scanner):
    paths, source = scanner.stack(3, shape=(2, 2)), np.random.default_rng(5)
    good = paths[1].read_bytes()
    refused = 0
    for _ in range(100):
        damaged = bytearray(good)
        for place in source.integers(132, len(good), source.integers(1, 6)):
            damaged[place] = source.integers(256)
        paths[1].write_bytes(damaged)
        try:
            read_series(scanner.folder)
        except DicomError:
            refused += 1
    assert 30 < refused < 100


def test_colour(scanner, build_dataset):
    for k in range(2):
        dataset = build_dataset(np.zeros((2, 2, 3), np.uint8), Rows=2, Columns=2, SamplesPerPixel=3,
                                PlanarConfiguration=0,
                                PhotometricInterpretation="RGB", SeriesInstanceUID="1.2",
                                ImagePositionPatient=["0", "0", str(k)], PixelSpacing=["1", "1"],
                                ImageOrientationPatient=text(AXIAL))  # fmt: skip
        dataset.save_as(scanner.folder / str(k), enforce_file_format=True)
    with pytest.raises(SeriesError, match=r"\(0028,0002\) expects 1: colour images are no volume"):
        read_series(scanner.folder)


@pytest.mark.parametrize("orientation", [AXIAL, CORONAL, SAGITTAL, OBLIQUE])
def test_enhanced_multiframe(tmp_path, build_dataset, orientation):
    normal = np.cross(*np.reshape(orientation, (2, 3)))
    positions = [np.array((1.0, 2.0, 3.0)) + 4 * k * normal for k in (2, 0, 3, 1)]  # frames in no order
    path = tmp_path / "x"
    enhanced(build_dataset, positions, orientation).save_as(path, enforce_file_format=True)
    volume = read_series(path)
    assert volume.shape == (4, 4, 3) and volume.spacing_mm == pytest.approx((4, 2, 1)) and volume.units == "HU"
    assert codes(volume)[:2] == ["multiframe", "decoded_signed"] and "frame" not in codes(volume)
    check_places(volume, 0.2)


def test_enhanced_multiframe_refusals(tmp_path, build_dataset):
    path = tmp_path / "x"
    enhanced(build_dataset, [(0, 0, z) for z in (0, 1, 3)]).save_as(path, enforce_file_format=True)
    with pytest.raises(SeriesError, match="1 of 4 planes are missing"):
        read_series(path)
    enhanced(build_dataset, [(0, 0, z) for z in (0, 1, 1)]).save_as(path, enforce_file_format=True)
    with pytest.raises(SeriesError, match="1 of 3 slices lie where another one lies"):
        read_series(path)
    dataset = enhanced(build_dataset, [(0, 0, z) for z in (0, 1, 2)])
    del dataset.PerFrameFunctionalGroupsSequence[2]
    dataset.save_as(path, enforce_file_format=True)
    with pytest.raises(SeriesError, match=r"\(5200,9230\) has 2 items and Number of Frames \(0028,0008\) is 3"):
        read_series(path)
    enhanced(build_dataset, [(0, 0, 0)]).save_as(path, enforce_file_format=True)
    with pytest.raises(SeriesError, match="one slice alone"):
        read_series(path)


def test_frames_without_places_are_no_volume(tmp_path, build_dataset):
    dataset = build_dataset(np.zeros((3, 2, 2), np.uint8), NumberOfFrames=3, SeriesInstanceUID="1", Modality="XA",
                            ImagePositionPatient=["0", "0", "0"], ImageOrientationPatient=text(AXIAL),
                            PixelSpacing=["1", "1"])  # fmt: skip
    dataset.save_as(tmp_path / "x", enforce_file_format=True)
    with pytest.raises(SeriesError, match=r"\(0028,0008\) is 3 and the frames have no places .*read_frames"):
        read_series(tmp_path / "x")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("emri_small.dcm", r"\(5200,9230\) is missing"),
        ("examples_ybr_color.dcm", "frames have no places"),
        ("liver.dcm", "segmentations"),
        ("liver_1frame.dcm", "segmentations"),
        ("CT_small.dcm", "one slice alone"),
        ("rtdose_1frame.dcm", "one slice alone|expects one offset"),
    ],
)
def test_real_files_that_are_no_volume(name, reason):
    with pytest.raises(SeriesError, match=reason):
        read_series(get_testdata_file(name))


def test_real_enhanced_ct():
    path = get_testdata_file("eCT_Supplemental.dcm", download=False)
    if path is None:
        pytest.skip("pydicom-data with eCT_Supplemental.dcm is not installed")
    volume = read_series(path)
    # Its header: PlanePositionSequence of the two frames, PixelSpacing .388672, columns to the right, rows to the back.
    assert volume.shape == (2, 512, 512) and volume.spacing_mm[1:] == (0.388672, 0.388672)
    assert volume.directions[1:] == ((0, 1, 0), (-1, 0, 0)) and volume.axis_codes == ("F", "P", "R")
    assert volume.views[0].center == 49 and volume.units == "arbitrary"


def test_dose_in_gray(tmp_path, build_dataset):
    path = tmp_path / "x"
    dose(build_dataset, (0, 4, 8)).save_as(path, enforce_file_format=True)
    volume = read_series(path)
    np.testing.assert_allclose(volume.values, np.arange(18).reshape(3, 2, 3) * 0.001, rtol=1e-12)
    assert volume.units == "GY" and volume.values.dtype == np.float64 and volume.spacing_mm == (4, 2, 3)
    assert volume.origin_mm == (5, 6, 7) and "rescaled" in codes(volume)
    dose(build_dataset, (7, 11, 15)).save_as(path, enforce_file_format=True)  # the old form: z of each plane
    assert read_series(path).origin_mm == (5, 6, 7)


def test_dose_offsets_run_along_the_cross_product(tmp_path, build_dataset):
    path = tmp_path / "x"
    dose(build_dataset, (0, 4, 8), orientation=(-1, 0, 0, 0, 1, 0)).save_as(path, enforce_file_format=True)
    volume = read_series(path)
    assert volume.directions[0] == (0, 0, -1) and volume.origin_mm == (5, 6, 7) and volume.values[0, 0, 1] == 0.001
    dose(build_dataset, (0, -4, -8)).save_as(path, enforce_file_format=True)
    volume = read_series(path)
    assert volume.origin_mm == (5, 6, -1) and volume.values[2, 0, 1] == 0.001


def test_dose_refusals(tmp_path, build_dataset):
    path = tmp_path / "x"
    for offsets, changes, reason in (
        ((1, 5, 9), {}, r"\(3004,000C\) expects 0 first"),
        ((7, 11, 15), {"orientation": CORONAL}, r"\(3004,000C\) expects 0 first"),
        ((0, 4, 9), {}, "no regular step"),
        ((0, 4, 8), {"NumberOfFrames": 2}, "one offset for each of 2 frames"),
    ):
        dataset = dose(build_dataset, offsets, orientation=changes.pop("orientation", AXIAL))
        for keyword, value in changes.items():
            setattr(dataset, keyword, value)
        dataset.save_as(path, enforce_file_format=True)
        with pytest.raises(SeriesError, match=reason):
            read_series(path)
    dataset = dose(build_dataset, (0, 4))
    dataset.DoseGridScaling = "0"
    dataset.save_as(path, enforce_file_format=True)
    with pytest.raises(DicomError, match=r"\(3004,000E\) is 0; expected a positive number"):
        read_series(path)


def test_real_relative_dose():
    volume = read_series(get_testdata_file("rtdose.dcm"))
    assert volume.shape == (15, 10, 10) and volume.spacing_mm == (5, 10, 10) and volume.units == "arbitrary"
    np.testing.assert_allclose(volume.values, volume.stored * 1e-6)
