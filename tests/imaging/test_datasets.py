"""The packaged images are what the catalogue says of them, and between them have every way to say a colour."""

import pydicom
import pytest

from mediml.data.catalog import catalog, packaged_file

DICOM = sorted(name for name, entry in catalog().items() if entry.get("path", "").endswith(".dcm"))


@pytest.mark.parametrize("name", DICOM)
def test_the_header_says_what_the_entry_says(name):
    entry = catalog()[name]
    header = pydicom.dcmread(packaged_file(name), stop_before_pixels=True)
    assert header.get("Modality", "OT") == entry["modality"]
    assert header.get("PhotometricInterpretation") == entry.get("photometric")


def test_every_photometric_interpretation_of_the_standard_is_there():
    """PS3.3, C.7.6.3.1.2, but for those of video and the retired ones."""
    assert {entry.get("photometric") for entry in catalog().values()} - {None} == {
        "MONOCHROME1", "MONOCHROME2", "PALETTE COLOR", "RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT",
    }  # fmt: skip


def test_counts_of_pneumoniamnist():
    entry = catalog()["pneumoniamnist"]
    assert sum(entry["splits"].values()) == 5856
    assert all(entry["positives"][split] < count for split, count in entry["splits"].items())
