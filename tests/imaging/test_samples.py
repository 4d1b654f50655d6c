"""Every file that comes with pydicom and pydicom-data: pixels that agree with a reference, or a refusal."""

import re
import sys
from collections import Counter
from importlib import metadata, util
from pathlib import Path

import numpy as np
import pydicom
import pytest

from mediml.data.catalog import packaged_file
from mediml.imaging import DicomError, read_image
from mediml.imaging.dicom import parse, read_dataset_image

sys.path.insert(0, str(Path(__file__).parent))
import sample_reference as reference

ROOTS = [
    Path(pydicom.__file__).parent / "data" / "test_files",
    Path(metadata.distribution("pydicom-data").locate_file("data_store/data")),
]
FILES = sorted(file for root in ROOTS for file in root.rglob("*") if file.is_file())
ALL_CODECS = all(util.find_spec(module) for module in ("gdcm", "openjpeg", "jpeg_ls"))

#: Of files that hold pixels, and what the message says; each is looked at in the files of that name.
REFUSED = {
    "JPEG2000-embedded-sequence-delimiter.dcm": r"Pixel Data \(7FE0,0010\) holds a picture of .* Rows \(0028,0010\)",
    "MR_truncated.dcm": r"Pixel Data \(7FE0,0010\) is damaged, cut short",
    "badVR.dcm": r"Number of Frames \(0028,0008\) is not a number",
    "meta_missing_tsyntax.dcm": r"Transfer Syntax UID \(0002,0010\) is missing",
    "nested_priv_SQ.dcm": r"Photometric Interpretation \(0028,0004\) is missing",
}
NO_DICOM, NO_PIXELS = (
    "does not begin as a DICOM file",
    r"Pixel Data \(7FE0,0010\) is missing: the file holds no picture",
)


def check(file, dataset, original, frame):
    """One frame against the reference, which has a data set of its own."""
    image = read_dataset_image(dataset, frame)
    values, tolerance = reference.stored(original, frame)
    what = f"{file.name}, frame {frame}"
    difference = np.abs(image.stored.astype(np.int64) - values)
    if image.is_grey:
        assert difference.max() <= tolerance, what
        values = image.stored.astype(np.int64)  # what a lossy decoder rounds otherwise is not scaled up here
        expected = reference.physical(original, values, frame)
        np.testing.assert_allclose(image.values, expected, rtol=1e-6, atol=1e-6, err_msg=what)
        shown = reference.displayed(original, expected, values, frame)
        np.testing.assert_allclose(image.display(), shown, atol=2e-5, err_msg=what)
        return
    photometric = original.PhotometricInterpretation
    if original.file_meta.TransferSyntaxUID == pydicom.uid.JPEGBaseline8Bit:
        assert difference.mean() < 0.5 and difference.max() <= 8, what  # chroma is brought to full size in other ways
    else:
        assert difference.max() <= tolerance, what
    expected = reference.rgb(original, image.stored.astype(np.int64), photometric)
    np.testing.assert_allclose(image.values, expected, atol=1e-3, err_msg=what)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.skipif(not ALL_CODECS, reason="compares with every decoder: needs mediml[codecs,gdcm]")
def test_each_is_right_in_every_frame_or_refused(tell):
    read, refused, frames = 0, Counter(), 0
    for file in FILES:
        try:
            dataset = parse(file.read_bytes())
            with_pixels = "PixelData" in dataset
            count = int(dataset.get("NumberOfFrames") or 1) if with_pixels and file.name not in REFUSED else 1
            original = pydicom.dcmread(file)
            for frame in range(count):
                if file.name in REFUSED or not with_pixels:
                    read_image(file)
                check(file, dataset, original, frame)
            read, frames = read + 1, frames + count
        except DicomError as error:
            assert file.name not in str(error)
            kind = next((each for each in (NO_DICOM, NO_PIXELS) if re.search(each, str(error))), REFUSED.get(file.name))
            assert kind and re.search(kind, str(error)), f"{file.name}: {error}"
            refused[kind] += 1
    tell(f"pydicom's files, {len(FILES)}: {read} read in {frames} frames; refused:")
    for kind, count in refused.most_common():
        tell(f"  {count:3} {kind.replace(chr(92), '')}")
    assert read >= 156 and frames >= 350
    assert refused == {NO_DICOM: refused[NO_DICOM], NO_PIXELS: refused[NO_PIXELS]} | dict.fromkeys(REFUSED.values(), 1)
    assert sum(refused.values()) + read == len(FILES)


def test_the_chest_film():
    image = read_image(packaged_file("chest_xray"))
    assert image.modality == "CR" and image.shape == (1955, 1841) and image.inverted
    assert (
        image.facts["body_part"] == "CHEST" and image.facts["view_position"] == "PA" and image.facts["lossy"] == "YES"
    )
    assert image.spacing_mm is None and 55 < image.age_years < 56
    shown = image.display()
    lung, spine, air = shown[560:760, 420:620].mean(), shown[900:1100, 880:960].mean(), shown[5:25, 5:25].mean()
    assert air < lung < spine  # bone is white and air is black
    np.testing.assert_allclose(image.display()[0, 0], 1 - (image.values[0, 0] - 14999.5) / 29999 - 0.5, atol=1e-6)


def test_the_ct_slice_is_in_hounsfield_units():
    image = read_image(packaged_file("ct_slice"))
    assert image.units == "HU" and image.padding.sum() == 494
    tissue = np.median(image.values[(image.values > -100) & (image.values < 150)])
    assert 20 < tissue < 80  # soft tissue
