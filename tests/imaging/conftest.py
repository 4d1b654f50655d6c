"""DICOM files made by hand, so that every expected value is known from the standard and not from the code."""

import sys
from pathlib import Path

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, generate_uid

sys.path.insert(0, str(Path(__file__).parent))
from handmade_slices import Scanner

CANARY = "Zebrafisch^Quirin"


def build(pixels=None, **attributes):
    """A data set with all that is needed to decode `pixels`; attributes replace it, and None leaves one out."""
    pixels = np.array([[0, 100], [200, 400]], np.uint16) if pixels is None else np.asarray(pixels)
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID
    dataset.PatientName, dataset.PatientID, dataset.Modality = CANARY, CANARY, "CR"
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = pixels.shape[-2:] if pixels.ndim < 4 else pixels.shape[1:3]
    bits = pixels.dtype.itemsize * 8
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = bits, bits, bits - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    dataset.add_new(0x7FE00010, "OW", pixels.tobytes() + b"\0" * (pixels.nbytes % 2))
    for keyword, value in attributes.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    return dataset


@pytest.fixture
def write(tmp_path: Path):
    """``write(pixels, **attributes)``: the path of a file."""

    def write(pixels=None, dataset=None, **attributes):
        path = tmp_path / f"{CANARY}-{len(list(tmp_path.iterdir()))}.dcm"
        dataset = build(pixels, **attributes) if dataset is None else dataset
        dataset.save_as(path, enforce_file_format=True)
        return path

    return write


@pytest.fixture
def canary():
    return CANARY.split("^")[0]


@pytest.fixture
def build_dataset():
    return build


@pytest.fixture
def lut():
    """``lut(descriptor, entries)``: the item of a lookup table sequence."""

    def lut(descriptor, data, signed=False):
        item = Dataset()
        item.add_new(0x00283002, "SS" if signed else "US", descriptor)
        item.add_new(0x00283006, "OW", np.asarray(data, "<u2").tobytes())
        return item

    return lut


@pytest.fixture
def scanner(tmp_path):
    """Writes slices into an empty folder: see handmade_slices.py."""
    (tmp_path / "series").mkdir()
    return Scanner(tmp_path / "series", build)
