"""Every file that comes with pydicom and pydicom-data: pixels that agree with pydicom's own way, or a refusal."""

from importlib import metadata
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.pixels import apply_modality_lut, pixel_array

from mediml.data.catalog import packaged_file
from mediml.imaging import DicomError, read_image

ROOTS = [
    Path(pydicom.__file__).parent / "data" / "test_files",
    Path(metadata.distribution("pydicom-data").locate_file("data_store/data")),
]
FILES = sorted(file for root in ROOTS for file in root.rglob("*") if file.is_file())


@pytest.mark.filterwarnings("ignore")
def test_each_is_read_as_pydicom_does_or_refused():
    read = refused = 0
    for file in FILES:
        try:
            image = read_image(file)
        except DicomError as error:
            refused += 1
            assert file.name not in str(error)
            continue
        read += 1
        shown = image.display()
        assert np.isfinite(shown).all() and shown.min() >= 0 and shown.max() <= 1, file.name
        if image.is_grey:
            dataset = pydicom.dcmread(file)
            expected = apply_modality_lut(pixel_array(dataset), dataset)
            np.testing.assert_allclose(image.values, expected, rtol=1e-6, err_msg=file.name)
    print(f"{read} read, {refused} refused of {len(FILES)}")
    assert read >= 100 and refused >= 80


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
