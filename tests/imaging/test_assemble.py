"""What a volume keeps of its slices: their own scales, windows, facts, and what only their pixels tell."""

import numpy as np
import pydicom
import pytest
from handmade_slices import AXIAL, check_places, codes, enhanced, text
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from mediml.imaging import DicomError, SeriesError, read_series
from mediml.imaging.stacking import assemble


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
                                ImagePositionPatient=["0", "0", str(k)], ImageOrientationPatient=text(AXIAL),
                                )  # fmt: skip
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


def test_damaged_pixels(scanner):
    paths = scanner.stack(4)
    paths[1].write_bytes(paths[1].read_bytes()[:-6])
    with pytest.raises(DicomError, match=r"\(7FE0,0010\) is damaged"):
        read_series(scanner.folder)


def test_decoded_in_another_process(scanner, tmp_path, build_dataset):
    scanner.stack(3)
    np.testing.assert_array_equal(read_series(scanner.folder, isolated=True).values, read_series(scanner.folder).values)
    enhanced(build_dataset, [(0, 0, z) for z in (0, 1)]).save_as(tmp_path / "x", enforce_file_format=True)
    check_places(read_series(tmp_path / "x", isolated=True), 0.1)


def test_two_multiframe_files_of_one_series(tmp_path, build_dataset, monkeypatch):
    for name, positions in (("a", (0, 2, 4)), ("b", (1, 3, 5))):
        dataset = enhanced(build_dataset, [(0, 0, z) for z in positions])
        dataset.save_as(tmp_path / name, enforce_file_format=True)
    opened = []
    original = assemble.open_dataset
    monkeypatch.setattr(assemble, "open_dataset", lambda path: (opened.append(path.name), original(path))[1])
    check_places(read_series(tmp_path), 0.1)
    assert opened == ["a", "b"]  # each parsed once, though their planes alternate
