import pytest
from pydicom.dataset import Dataset, FileMetaDataset

from mediml.viewer import Fact, frame_rate, technical_facts
from mediml.viewer.technical import NUMBERS


def header(**attributes):
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.1"
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    return dataset


def test_facts_with_units():
    dataset = header(SOPClassUID="1.2.840.10008.5.1.4.1.1.2", KVP="120", SliceThickness=2.5, PatientPosition="HFS")
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    assert technical_facts(dataset) == (
        Fact("SOPClassUID", "CT Image Storage"),
        Fact("TransferSyntaxUID", "Explicit VR Little Endian"),
        Fact("ImageType", "ORIGINAL \\ PRIMARY \\ AXIAL"),
        Fact("PatientPosition", "HFS"),
        Fact("KVP", "120 kV"),
        Fact("SliceThickness", "2.5 mm"),
    )


@pytest.mark.filterwarnings("ignore:Invalid value")
def test_nothing_but_listed_terms_and_possible_numbers(canary):
    dataset = header(PatientName=canary, ProtocolName=canary, StudyDate="20200229", KVP="19450703", FlipAngle=1e9)
    dataset.ImageType = [canary, "DERIVED"]
    dataset.PatientPosition = canary[:16].upper()
    dataset.ScanningSequence = canary.upper()
    dataset.SOPClassUID = "1.2.3.4.5"
    assert technical_facts(dataset) == (
        Fact("TransferSyntaxUID", "Explicit VR Little Endian"),
        Fact("ImageType", "DERIVED"),
    )


def test_a_damaged_number_is_left_out():
    dataset = header(EchoTime=30)
    dataset.add_new(0x00180080, "LO", "not a number")  # Repetition Time
    assert [fact.keyword for fact in technical_facts(dataset)] == ["TransferSyntaxUID", "EchoTime"]


@pytest.mark.parametrize(
    ("attributes", "rate"),
    [
        ({"RecommendedDisplayFrameRate": 25, "CineRate": 12}, 25),
        ({"CineRate": 12, "FrameTime": 40}, 12),
        ({"FrameTime": 40}, 25),
        ({"FrameTime": 4}, 60),
        ({"FrameTime": 0}, None),
        ({}, None),
    ],
)
def test_frames_per_second(attributes, rate):
    assert frame_rate(header(**attributes)) == rate


def test_ranges_are_ranges():
    assert all(low < high for _, low, high in NUMBERS.values())


def test_a_number_in_the_place_of_a_code_is_left_out():
    dataset = Dataset()
    dataset.add_new(0x00280004, "US", 7)
    dataset.KVP = 120
    assert [fact.keyword for fact in technical_facts(dataset)] == ["KVP"]
