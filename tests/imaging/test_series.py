"""Series of slices against geometry by hand: each voxel's value says where in the patient it was measured."""

import random
import shutil

import numpy as np
import pydicom
import pytest
from pydicom.data import get_testdata_file
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from mediml.imaging import DicomError, SeriesError, Volume, assemble, list_series, read_series, reorient, write_series

AXIAL, CORONAL, SAGITTAL = (1, 0, 0, 0, 1, 0), (1, 0, 0, 0, 0, -1), (0, 1, 0, 0, 0, -1)
OBLIQUE = (0.8, 0.6, 0.0, -0.48, 0.64, -0.6)
SLOPE, INTERCEPT = 0.05, -200.0
CT = "1.2.840.10008.5.1.4.1.1.2"


def measured(places):
    """What the scanner measures at places (..., 3) in mm, LPS: linear, so that linear interpolation is exact."""
    return 40 + np.asarray(places) @ (3.0, -5.0, 7.0)


def text(numbers):
    return [f"{number:.6f}".rstrip("0") for number in numbers]


class Scanner:
    """Writes slices under names that say nothing."""

    def __init__(self, folder, build):
        self.folder, self.build, self.count = folder, build, 0

    def place(self, orientation, position, spacing, shape=(4, 3)):
        """Centres of all pixels of one slice, by PS3.3 C.7.6.2.1.1: column index along the first three cosines."""
        row, column = np.reshape(orientation, (2, 3))
        r, c = np.indices(shape)[..., None]
        return np.asarray(position) + c * spacing[1] * row + r * spacing[0] * column

    def slice(self, position, orientation=AXIAL, spacing=(2.0, 1.0), shape=(4, 3), **changes):
        values = measured(self.place(orientation, position, spacing, shape))
        slope = float(changes.get("RescaleSlope") or SLOPE)
        self.count += 1
        attributes = {
            "Modality": "CT",
            "SOPClassUID": CT,
            "SOPInstanceUID": f"1.2.3.{self.count}",
            "SeriesInstanceUID": "1.2.3",
            "SeriesNumber": 4,
            "InstanceNumber": 1000 - self.count,  # against the order of the positions
            "ImageOrientationPatient": text(orientation),
            "ImagePositionPatient": text(position),
            "PixelSpacing": text(spacing),
            "SliceThickness": "99",
            "RescaleSlope": str(slope),
            "RescaleIntercept": str(INTERCEPT),
            **changes,
        }
        pixels = np.rint((values - INTERCEPT) / slope).astype(np.int16)
        dataset = self.build(pixels, **{k: v for k, v in attributes.items() if v is not None})
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
        path = self.folder / f"{random.Random(self.count).random()}"
        dataset.save_as(path, enforce_file_format=True)
        return path

    def stack(self, count=5, step=(0, 0, 2.5), origin=(-7, 11, 20), **changes):
        return [self.slice(np.add(origin, np.multiply(k, step)), **changes) for k in range(count)]


@pytest.fixture
def scanner(tmp_path, build_dataset):
    (tmp_path / "series").mkdir()
    return Scanner(tmp_path / "series", build_dataset)


def codes(volume):
    return [step.code for step in volume.account]


def check_places(volume, tolerance=SLOPE):
    """Every measured voxel lies where its value was measured."""
    places = volume.position_mm(np.moveaxis(np.indices(volume.shape), 0, -1))
    inside = np.ones(volume.shape, bool) if volume.padding is None else ~volume.padding
    assert inside.any()
    np.testing.assert_allclose(volume.values[inside], measured(places)[inside], atol=tolerance)


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


def test_filling_does_not_take_padding_for_measured(scanner):
    paths = scanner.stack(4, PixelPaddingValue=-2000)
    for path in paths:  # one pixel of the scanner's own filling, lower than anything measured
        dataset = pydicom.dcmread(path)
        pixels = dataset.pixel_array.copy()
        pixels[0, 0] = -2000
        dataset.PixelData = pixels.tobytes()
        dataset.save_as(path)
    paths[2].unlink()
    volume = read_series(scanner.folder, gaps="fill")
    assert volume.padding.sum() == 3 + 12
    assert volume.values[2, 1, 1] == volume.values[~volume.padding].min() > volume.values.min()


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


def test_tilted_gantry(scanner):
    angle = np.radians(20)
    paths = scanner.stack(6, step=(0, 2.5 * np.tan(angle), 2.5), shape=(9, 5))
    with pytest.raises(SeriesError, match=r"\(0020,0037\): .* 20\.0 degrees off .*; pass tilt=\"resample\""):
        read_series(scanner.folder)
    volume = read_series(scanner.folder, tilt="resample")
    assert volume.spacing_mm == (2.5, 2.0, 1.0) and volume.axis_codes == ("H", "P", "L")
    # The last slice lies 5 · 2.5 · tan 20° = 4.55 mm = 2.27 rows further back: three rows more hold it.
    assert volume.shape == (6, 12, 5) and volume.origin_mm == (-7, 11, 20)
    assert volume.account[-1].code == "untilted" and volume.account[-1].values["angle"] == pytest.approx(20)
    inside = (~volume.padding).sum(axis=(1, 2))
    assert inside[0] == 9 * 5 and (inside[1:] == 8 * 5).all()  # a shifted plane loses the row that has no neighbour
    check_places(volume)
    files = {int(number) for path in paths for number in pydicom.dcmread(path).pixel_array.ravel()}
    assert set(volume.stored.ravel().tolist()) <= files  # numbers of the files, not means of two


def test_tilt_towards_the_front_and_the_side(scanner):
    scanner.stack(6, step=(-0.5, -1.0, 2.5), shape=(6, 7))
    volume = read_series(scanner.folder, tilt="resample")
    # Whole pixels: -0.5 · 5 = -2.5 mm = 2.5 columns, -5 mm = 2.5 rows of 2 mm.
    assert volume.shape == (6, 9, 10) and volume.origin_mm == (-10, 5, 20)
    check_places(volume)


def test_tilt_with_gap_and_padding(scanner):
    paths = scanner.stack(6, step=(0, 2.0, 2.5), shape=(6, 4))
    paths[2].unlink()
    volume = read_series(scanner.folder, tilt="resample", gaps="fill")
    assert volume.shape == (6, 11, 4) and volume.padding[2].all()
    assert (~volume.padding[[0, 1, 3, 4, 5]]).sum(axis=(1, 2)).tolist() == [24] * 5  # whole pixels lose nothing
    check_places(volume)


def test_a_shift_of_a_small_part_of_a_pixel_is_no_tilt(scanner):
    scanner.stack(5, step=(0.02, 0.0, 2.5))  # 0.08 of a pixel at the end
    assert read_series(scanner.folder).padding is None


def test_each_slice_is_rescaled_with_its_own_slope(scanner):
    for k, slope in enumerate((0.05, 0.1, 0.2)):
        scanner.slice((0, 0, k), RescaleSlope=str(slope), Modality="PT", SOPClassUID="1.2.840.10008.5.1.4.1.1.128")
    volume = read_series(scanner.folder)
    check_places(volume, 0.2)
    step = next(step for step in volume.account if step.code == "rescaled_by_plane")
    assert step.values == {"low": 0.05, "high": 0.2} and volume.stored[2].max() < volume.stored[1].max()


def test_units_that_only_the_pixels_tell(scanner):
    table = Dataset()
    table.add_new(0x00283002, "SS", [2, 0, 16])
    table.add_new(0x00283006, "OW", np.array([5, 6], "<u2").tobytes())
    table.ModalityLUTType = "OD"
    scanner.stack(2)
    scanner.slice((-7, 11, 25), ModalityLUTSequence=Sequence([table]))
    with pytest.raises(SeriesError, match=r"Rescale Type \(0028,1054\): the values of the slices have different units"):
        read_series(scanner.folder)


def test_whole_numbers_and_floats_are_no_one_volume(tmp_path, build_dataset):
    for k in range(2):
        dataset = build_dataset(np.ones((2, 2), np.uint32), SeriesInstanceUID="1.2", PixelSpacing=["1", "1"],
                                ImagePositionPatient=["0", "0", str(k)], ImageOrientationPatient=text(AXIAL))  # fmt: skip
        if k == 1:
            del dataset.PixelData
            dataset.FloatPixelData = np.ones((2, 2), np.float32).tobytes()
        dataset.save_as(tmp_path / str(k), enforce_file_format=True)
    with pytest.raises(SeriesError, match=r"decodes to \(2, 2\) of float32, the others to \(2, 2\) of uint32"):
        read_series(tmp_path)


def test_windows_that_differ_are_the_middle_ones(scanner):
    for k in range(3):
        scanner.slice((0, 0, k), WindowCenter=str(100 * k), WindowWidth="400")
    volume = read_series(scanner.folder)
    assert volume.views[0].center == 100 and "views_by_plane" in codes(volume)


def test_facts_are_those_of_all_slices(scanner):
    for k, part in enumerate(("CHEST", "CHEST", "ABDOMEN")):
        scanner.slice((0, 0, k), BodyPartExamined=part, LossyImageCompression="01" if k == 1 else "00")
    volume = read_series(scanner.folder)
    assert volume.facts["body_part"] == "" and volume.facts["lossy"] == "YES"


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"shape": (5, 3)}, r"Rows \(0028,0010\)"),
        ({"shape": (4, 2)}, r"Columns \(0028,0011\)"),
        ({"orientation": CORONAL}, r"Image Orientation \(Patient\) \(0020,0037\)"),
        ({"spacing": (2.0, 1.01)}, r"Pixel Spacing \(0028,0030\)"),
        ({"Modality": "MR"}, r"Modality \(0008,0060\)"),
        ({"PhotometricInterpretation": "MONOCHROME1"}, r"Photometric Interpretation \(0028,0004\)"),
        ({"RescaleType": "OD"}, r"Rescale Type \(0028,1054\)"),
        ({"FrameOfReferenceUID": "1.2.9"}, r"Frame of Reference UID \(0020,0052\)"),
        ({"ImageType": ["DERIVED", "SECONDARY"]}, r"Image Type \(0008,0008\)"),
        ({"EchoTime": "80"}, r"Echo Time \(0018,0081\)"),
    ],
)
def test_one_slice_unlike_the_others(scanner, changes, names):
    scanner.stack(5)
    scanner.slice((-7, 11, 32.5), **changes)
    with pytest.raises(SeriesError, match=rf"one series of 2 stacks, which differ in {names}.*series=0.*5 images"):
        read_series(scanner.folder)
    assert read_series(scanner.folder, series=0).shape == (5, 4, 3)  # the larger part comes first
    with pytest.raises(SeriesError, match="one slice alone"):
        read_series(scanner.folder, series=1)


def test_two_series_in_one_folder(scanner, canary):
    scanner.stack(5, SeriesDescription="Zebrafisch", SeriesInstanceUID="1.2.8", SeriesNumber=7)
    (scanner.folder / "deeper").mkdir()
    deeper = Scanner(scanner.folder / "deeper", scanner.build)
    deeper.stack(3, orientation=CORONAL, step=(0, 3, 0), SeriesInstanceUID="1.2.9", SeriesNumber=2, Modality="MR")
    with pytest.raises(SeriesError) as refusal:
        read_series(scanner.folder)
    assert str(refusal.value) == (
        "expected slices of one volume, got 2 series (Series Instance UID (0020,000E)); choose with series=: "
        "series=0: number 2, MR, 3 images of 4 × 3, axes PFL; series=1: number 7, CT, 5 images of 4 × 3, axes HPL"
    )
    assert canary not in str(refusal.value)
    first, second = list_series(scanner.folder)
    assert (first.index, first.modality, first.images, first.axis_codes) == (0, "MR", 3, "PFL")
    assert read_series(scanner.folder, series=second.index).shape == (5, 4, 3)
    with pytest.raises(SeriesError, match="series expects 0 to 1, got 2"):
        read_series(scanner.folder, series=2)


def test_several_echoes_are_several_stacks(scanner):
    for echo in ("30", "80"):
        scanner.stack(4, Modality="MR", EchoTime=echo)
    texts = [str(each) for each in list_series(scanner.folder)]
    assert [line.rpartition(", ")[2] for line in texts] == ["Echo Time (0018,0081) 80", "Echo Time (0018,0081) 30"]
    with pytest.raises(SeriesError, match=r"differ in Echo Time \(0018,0081\)"):
        read_series(scanner.folder)
    assert read_series(scanner.folder, series=0).shape == (4, 4, 3)


@pytest.mark.parametrize("keyword", ["TemporalPositionIdentifier", "AcquisitionNumber", "TriggerTime"])
def test_repeated_positions_are_told_apart(scanner, keyword):
    for number in (1, 2, 3):
        scanner.stack(4, **{keyword: str(number)})
    stacks = list_series(scanner.folder)
    assert [each.images for each in stacks] == [4, 4, 4] and stacks[2].detail.endswith(" 3")
    with pytest.raises(SeriesError, match="one series of 3 stacks"):
        read_series(scanner.folder)
    check_places(read_series(scanner.folder, series=1))


def test_times_do_not_divide_slices_at_different_places(scanner):
    for k in range(4):
        scanner.slice((0, 0, k), TriggerTime=str(10 * k), AcquisitionNumber=k, AcquisitionTime=f"10000{k}")
    assert read_series(scanner.folder).shape == (4, 4, 3)


def test_numbers_that_do_not_explain_repeated_positions(scanner):
    for z in (0, 1):  # as many numbers as repetitions, but both slices at one place have the same
        for _ in range(2):
            scanner.slice((0, 0, z), AcquisitionNumber=z, AcquisitionTime=f"1000{scanner.count:02d}")
    with pytest.raises(SeriesError, match="2 of 4 slices lie where another one lies"):  # and each its own time
        read_series(scanner.folder)


def test_noise_in_the_cosines_is_no_other_orientation(scanner):
    for k in range(4):
        scanner.slice((0, 0, k), orientation=(1, 1e-6 * (k - 1), 0, 0, 1, 2e-6 * (k - 2)))
    volume = read_series(scanner.folder)
    np.testing.assert_allclose(volume.directions[0], (0, 0, 1), atol=1e-5)


def test_every_second_slice_with_its_own_number_is_no_two_stacks(scanner):
    for k in range(6):
        scanner.slice((0, 0, k), AcquisitionNumber=k % 2)
    assert read_series(scanner.folder).shape == (6, 4, 3)


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


def test_damaged_pixels(scanner):
    paths = scanner.stack(4)
    paths[1].write_bytes(paths[1].read_bytes()[:-6])
    with pytest.raises(DicomError, match=r"\(7FE0,0010\) is damaged"):
        read_series(scanner.folder)


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


def test_no_word_of_the_files_is_told(scanner, canary):
    words = {
        "SeriesDescription": canary,
        "ProtocolName": canary,
        "PatientComments": canary,
        "BodyPartExamined": canary.upper(),
    }
    scanner.stack(3, ImageType=["ORIGINAL", canary.upper()], StationName=canary, **words)
    scanner.stack(3, ImageType=["DERIVED", canary.upper()], FrameOfReferenceUID="1.2.987", **words)
    with pytest.raises(
        SeriesError, match=r"Frame of Reference.*HPL, Image Type.*DERIVED/OTHER.*HPL, Image Type.*ORIGINAL/OTHER$"
    ) as refusal:
        read_series(scanner.folder)
    told = str(refusal.value) + "".join(map(str, list_series(scanner.folder)))
    volume = read_series(scanner.folder, series=0)
    told += "".join(map(str, (*volume.account, *volume.doubts))) + str(volume.facts)
    assert canary.upper() not in told.upper() and "987" not in told


def test_decoded_in_another_process(scanner, tmp_path, build_dataset):
    scanner.stack(3)
    np.testing.assert_array_equal(read_series(scanner.folder, isolated=True).values, read_series(scanner.folder).values)
    enhanced(build_dataset, [(0, 0, z) for z in (0, 1)]).save_as(tmp_path / "x", enforce_file_format=True)
    check_places(read_series(tmp_path / "x", isolated=True), 0.1)


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


def test_a_shifted_plane_keeps_its_padding(scanner):
    paths = scanner.stack(3, step=(0, 1.0, 2.5), shape=(6, 4), PixelPaddingValue=-2000)
    for path in paths:
        dataset = pydicom.dcmread(path)
        pixels = dataset.pixel_array.copy()
        pixels[2, 1] = -2000
        dataset.PixelData = pixels.tobytes()
        dataset.save_as(path)
    volume = read_series(scanner.folder, tilt="resample")
    assert volume.shape == (3, 7, 4)
    # Shifted by half a row, two rows touch the padded pixel; by one row, only one does.
    assert [np.argwhere(plane[1:-1]).tolist() for plane in volume.padding[:, :, 1:2]] == [
        [[1, 0]],
        [[1, 0], [2, 0]],
        [[2, 0]],
    ]
    check_places(volume)


def test_no_folder_of_everything(scanner, monkeypatch):
    scanner.stack(3)
    monkeypatch.setattr("mediml.imaging.scan.MAX_FILES", 2)
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


def enhanced(build_dataset, positions, orientation=AXIAL, shape=(4, 3), **changes):
    """An enhanced multi-frame object: places and slopes in the functional groups of its frames."""
    frames = np.zeros((len(positions), *shape), np.int16)
    groups = []
    for k, position in enumerate(positions):
        slope = round(0.05 * (k + 1), 2)
        places = Scanner(None, None).place(orientation, position, (2.0, 1.0), shape)
        frames[k] = np.rint((measured(places) - INTERCEPT) / slope)
        group, place, transform = Dataset(), Dataset(), Dataset()
        place.ImagePositionPatient = text(position)
        transform.RescaleSlope, transform.RescaleIntercept, transform.RescaleType = str(slope), str(INTERCEPT), "HU"
        group.PlanePositionSequence = Sequence([place])
        group.PixelValueTransformationSequence = Sequence([transform])
        groups.append(group)
    shared, turn, measures = Dataset(), Dataset(), Dataset()
    turn.ImageOrientationPatient, measures.PixelSpacing = text(orientation), ["2", "1"]
    shared.PlaneOrientationSequence, shared.PixelMeasuresSequence = Sequence([turn]), Sequence([measures])
    return build_dataset(
        frames, Rows=shape[0], Columns=shape[1], Modality="CT", SeriesInstanceUID="1.2.3", NumberOfFrames=len(frames),
        PerFrameFunctionalGroupsSequence=Sequence(groups), SharedFunctionalGroupsSequence=Sequence([shared]), **changes,
    )  # fmt: skip


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


def test_enhanced_multiframe_of_two_times(tmp_path, build_dataset):
    path = tmp_path / "x"
    dataset = enhanced(build_dataset, [(0, 0, z) for z in (0, 1, 2)] * 2)
    for k, group in enumerate(dataset.PerFrameFunctionalGroupsSequence):
        content = Dataset()
        content.TemporalPositionIndex = 1 + k // 3
        group.FrameContentSequence = Sequence([content])
    dataset.save_as(path, enforce_file_format=True)
    assert [each.detail for each in list_series(path)] == [
        "Temporal Position Index (0020,9128) 1",
        "Temporal Position Index (0020,9128) 2",
    ]
    volume = read_series(path, series=1)
    slopes = next(step for step in volume.account if step.code == "rescaled_by_plane").values
    assert volume.shape == (3, 4, 3) and slopes == {"low": 0.2, "high": 0.3}  # frames 4 to 6


def test_two_multiframe_files_of_one_series(tmp_path, build_dataset, monkeypatch):
    for name, positions in (("a", (0, 2, 4)), ("b", (1, 3, 5))):
        dataset = enhanced(build_dataset, [(0, 0, z) for z in positions])
        dataset.save_as(tmp_path / name, enforce_file_format=True)
    opened = []
    original = assemble.open_dataset
    monkeypatch.setattr(assemble, "open_dataset", lambda path: (opened.append(path.name), original(path))[1])
    check_places(read_series(tmp_path), 0.1)
    assert opened == ["a", "b"]  # each parsed once, though their planes alternate


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


def dose(build_dataset, offsets, position=(5, 6, 7), orientation=AXIAL, **changes):
    frames = np.arange(len(offsets) * 6, dtype=np.uint32).reshape(len(offsets), 2, 3)
    return build_dataset(
        frames, Rows=2, Columns=3, Modality="RTDOSE", SOPClassUID="1.2.840.10008.5.1.4.1.1.481.2",
        NumberOfFrames=len(offsets), SeriesInstanceUID="1.2.3", ImagePositionPatient=text(position),
        ImageOrientationPatient=text(orientation), PixelSpacing=["2", "3"], GridFrameOffsetVector=text(offsets),
        DoseGridScaling="0.001", DoseUnits="GY", **changes,
    )  # fmt: skip


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
