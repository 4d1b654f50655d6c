"""A canary wherever a file may hold text: none reaches an error, a traceback, a log, a warning or an image."""

import logging
import traceback

import numpy as np
import pytest
from pydicom.datadict import DicomDictionary, keyword_for_tag
from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.uid import ImplicitVRLittleEndian

from mediml.imaging import DicomError, read_image
from mediml.imaging.waveform import read_waveform

TEXT = ("AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UR", "UT")
#: What decides whether the pixels are read at all; each of these gets its canary in a test of its own.
DECIDING = {
    "TransferSyntaxUID", "PhotometricInterpretation", "NumberOfFrames", "RescaleSlope", "RescaleIntercept",
    "WindowCenter", "WindowWidth", "VOILUTFunction", "DoseGridScaling", "PixelSpacing", "ImagerPixelSpacing",
    "PixelAspectRatio", "ImageOrientationPatient", "ImagePositionPatient",
}  # fmt: skip


def plant(dataset, tag, vr, text):
    """As bytes: pydicom would refuse to write a number or a date that is none."""
    data = text.encode()
    data += b" " * (len(data) % 2)
    dataset[Tag(tag)] = RawDataElement(Tag(tag), vr, len(data), data, 0, False, True)


def planted(dataset, canary, keep=()):
    """Put the canary into every attribute of text in the dictionary, into private ones and into nested items."""
    item = Dataset()
    for tag, (vr, multiplicity, *_) in DicomDictionary.items():
        keyword = keyword_for_tag(tag)
        if vr in TEXT and tag >> 16 > 2 and keyword not in DECIDING and keyword not in keep:
            for target in (dataset, item):
                plant(target, tag, vr, f"{canary}\\{canary}" if multiplicity.endswith("n") else canary)
    block = dataset.private_block(0x0029, canary, create=True)
    block.add_new(1, "LO", canary)
    block.add_new(2, "UN", canary.encode())
    dataset.RequestAttributesSequence = [item]
    return dataset


def holding(path, canary):
    """The path of a file in which the canary stands."""
    assert canary.encode() in path.read_bytes()
    return path


@pytest.mark.parametrize("isolated", [False, True])
@pytest.mark.parametrize("implicit", [False, True])
def test_an_image_tells_nothing(write, build_dataset, canary, caplog, recwarn, capfd, implicit, isolated):
    canary = canary.upper()  # a code in capitals passes every check of form
    dataset = planted(build_dataset(np.array([[0, 100], [200, 400]], np.uint16)), canary, keep=("SOPClassUID",))
    dataset.RescaleSlope, dataset.RescaleIntercept = "2", "0"
    dataset.WindowCenter, dataset.WindowWidth = ["1", "2"], ["3", "4"]
    if implicit:
        dataset.file_meta.TransferSyntaxUID = ImplicitVRLittleEndian
    path = holding(write(dataset=dataset), canary)
    caplog.clear(), recwarn.clear(), capfd.readouterr()
    with caplog.at_level(logging.DEBUG):
        image = read_image(path, isolated=isolated)
    image.display()
    told = [repr(image), *map(str, (*image.account, *image.doubts, *image.views)), *image.facts.values(), image.units]
    assert canary not in " ".join(told).upper() and image.modality == "OTHER"
    assert [view.explanation for view in image.views] == ["OTHER", "OTHER"]
    assert not caplog.records and not recwarn.list and not "".join(capfd.readouterr())


DAMAGE = (
    ["PhotometricInterpretation"],
    ["NumberOfFrames"],
    ["WindowCenter"],
    ["RescaleSlope"],
    ["RescaleSlope", "RescaleIntercept"],
    ["VOILUTFunction", "WindowCenter"],
    ["PixelSpacing"],
)


@pytest.mark.parametrize("isolated", [False, True])
@pytest.mark.parametrize("keywords", DAMAGE)
def test_an_error_tells_nothing(write, build_dataset, canary, caplog, recwarn, capfd, keywords, isolated):
    canary = canary.upper()
    dataset = build_dataset(np.zeros((2, 2), np.uint16))
    for keyword in keywords:
        vr = "CS" if "Interpretation" in keyword or "Function" in keyword else "IS" if "Frames" in keyword else "DS"
        plant(dataset, keyword, vr, canary)
    path = holding(write(dataset=dataset), canary)
    caplog.clear(), recwarn.clear(), capfd.readouterr()
    with caplog.at_level(logging.DEBUG), pytest.raises(DicomError, match=r"\(0028,[01]") as caught:
        read_image(path, isolated=isolated)
    error = caught.value
    assert error.__context__ is None and error.__cause__ is None
    assert canary not in "".join(traceback.format_exception(error, chain=True)).upper().replace(path.name.upper(), "")
    assert canary not in repr(error).upper()
    assert not caplog.records and not recwarn.list and not "".join(capfd.readouterr())


def test_a_channel_tells_nothing(tmp_path, canary):
    import sys
    from pathlib import Path

    sys.path.insert(0, str(Path(__file__).parent))
    import fuzz_seeds

    content = fuzz_seeds.waveform()
    padded = canary.encode()[:8].ljust(8)
    (tmp_path / "file").write_bytes(content.replace(b"Lead II ", padded))
    assert padded in (tmp_path / "file").read_bytes()
    assert read_waveform(tmp_path / "file").channels == ("Lead I", "channel 2")
