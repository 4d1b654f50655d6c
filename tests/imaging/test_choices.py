"""Folders and series that hold several stacks, and what tells them apart."""

import numpy as np
import pytest
from handmade_slices import CORONAL, Scanner, check_places, enhanced
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from mediml.imaging import SeriesError, list_series, read_series


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
