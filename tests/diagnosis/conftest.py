"""A small model with a card, and chest films that it can be asked about, all made here: no data file is needed."""

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian

import mediml
from mediml import nn
from mediml.data.synthetic import chest_xrays
from mediml.diagnosis import familiarity
from mediml.models.pretrained import Pretrained

CANARY = "Zebrafisch"


@pytest.fixture(scope="session")
def chests():
    """Images in [0, 1], of shape (N, 28, 28): 300 to learn from, 200 for the limits, 100 new ones."""
    images = chest_xrays(600, seed=3).images / 255
    return images[:300], images[300:500], images[500:]


@pytest.fixture(scope="session")
def fitted(chests):
    return familiarity.fit(chests[0], chests[1])


@pytest.fixture
def card(fitted):
    def figure(value):
        return {"value": value, "low": value - 0.03, "high": value + 0.02}

    figures = {name: figure(value) for name, value in
               {"auc": 0.97, "accuracy": 0.91, "sensitivity": 0.95, "specificity": 0.83}.items()}  # fmt: skip
    return {
        "architecture": {"name": "CNN", "in_channels": 1},
        "preprocessing": {"size": 28, "mean": 0.5, "std": 0.25},
        "classes": ["normal", "pneumonia"],
        "threshold": 0.5,
        "temperature": 2.0,
        "calibration": {"bins": [{"score": 0.1, "share": 0.2, "low": 0.1, "high": 0.3, "count": 60}]},
        "familiarity": fitted,
        "metrics": {"test": {**figures, "prevalence": [0.375, 0.625], "calibration": {"ece": 0.03, "brier": 0.07}}},
        "weights_sha256": "ab" * 32,
        "seed": 0,
        "data": {"name": "pneumoniamnist", "splits": {"train": 4708}},
        "licence": "CC BY 4.0",
        "limits": ["<script>alert(1)</script> is a limit & no more."],
    }


@pytest.fixture
def pretrained(card, tmp_path):
    """A convolution of four channels and one that sees them whole, with weights from a seed."""
    mediml.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.Conv2d(4, 2, 28), nn.Flatten())
    return Pretrained(model.eval(), card, tmp_path / "pneumonia_cnn.safetensors")


@pytest.fixture
def film(tmp_path, chests):
    """``film(**attributes)``: the path of a DICOM file of a chest that passes all checks; attributes change it."""

    def film(name=f"{CANARY}.dcm", number=0, **attributes):
        pixels = np.kron(np.rint(chests[2][number] * 4095), np.ones((10, 10))).astype(np.uint16)
        dataset = Dataset()
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1"
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = f"1.2.3.{number + 1}"
        dataset.PatientName = dataset.PatientID = dataset.InstitutionName = dataset.StudyDescription = CANARY
        dataset.Modality, dataset.BodyPartExamined, dataset.ViewPosition = "CR", "CHEST", "AP"
        dataset.PatientOrientation, dataset.PatientAge, dataset.BurnedInAnnotation = ["L", "F"], "003Y", "NO"
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        dataset.Rows, dataset.Columns = pixels.shape
        dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
        dataset.WindowCenter, dataset.WindowWidth = "2048", "4096"
        dataset.add_new(0x7FE00010, "OW", pixels.tobytes())
        for keyword, value in attributes.items():
            if value is None:
                delattr(dataset, keyword)
            else:
                setattr(dataset, keyword, value)
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        dataset.save_as(path, enforce_file_format=True)
        return path

    return film


@pytest.fixture
def canary():
    return CANARY
