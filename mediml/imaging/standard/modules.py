"""What a DICOM file of each modality must say besides its pixels: the modules of its information object definition.

Only for generated images: where a module asks for a machine's setting, the value is empty or says that there was none.

References
----------
DICOM PS3.3, A.2 (CR), A.3 (CT), A.4 (MR), A.6 (US), A.8 (SC), A.16 (RF), A.26 (DX), A.32.1 (endoscopy).
"""

from collections.abc import Callable

from pydicom.dataset import Dataset

from mediml.imaging.image import Image

__all__ = ["STORAGE", "add_modules"]

#: Modality to SOP Class UID (PS3.4, B.5).
STORAGE = {
    "CR": "1.2.840.10008.5.1.4.1.1.1",
    "DX": "1.2.840.10008.5.1.4.1.1.1.1",
    "CT": "1.2.840.10008.5.1.4.1.1.2",
    "MR": "1.2.840.10008.5.1.4.1.1.4",
    "US": "1.2.840.10008.5.1.4.1.1.6.1",
    "OT": "1.2.840.10008.5.1.4.1.1.7",
    "RF": "1.2.840.10008.5.1.4.1.1.12.2",
    "ES": "1.2.840.10008.5.1.4.1.1.77.1.1",
}

Scale = tuple[float, float]


def add_modules(dataset: Dataset, image: Image, scale: Scale) -> None:
    """Complete `dataset`, which has its patient, study, series, pixels and geometry already.

    Parameters
    ----------
    dataset : Dataset
        Is changed.
    image : Image
        Of a modality in `STORAGE`.
    scale : tuple of two float
        Slope and intercept of the values.
    """
    if image.facts.get("body_part"):
        dataset.BodyPartExamined = image.facts["body_part"]
    else:
        dataset.Laterality = ""
    _ADD[image.modality](dataset, image)
    for keyword in _NO_PLACE[image.modality]:
        if keyword in dataset:
            delattr(dataset, keyword)
    if image.modality == "DX" and (scale != (1.0, 0.0) or not image.facts.get("patient_orientation")):
        raise ValueError(
            "write: DX expects values equal to the stored ones and a patient orientation among the facts "
            "(PS3.3, C.8.11.3); use CR"
        )


def _projection(dataset: Dataset, image: Image) -> None:
    """What CR, DX and RF share."""
    dataset.KVP = ""
    dataset.setdefault("BodyPartExamined", "")
    orientation = image.facts.get("patient_orientation")
    dataset.PatientOrientation = orientation.split("/") if orientation else ""


def _cr(dataset: Dataset, image: Image) -> None:
    _projection(dataset, image)
    dataset.ImageType = ["ORIGINAL", "PRIMARY"]
    dataset.ViewPosition = image.facts.get("view_position", "")


def _dx(dataset: Dataset, image: Image) -> None:
    _projection(dataset, image)
    dataset.ImageType = ["ORIGINAL", "PRIMARY"]
    dataset.PresentationIntentType = "FOR PRESENTATION"
    dataset.ViewPosition = image.facts.get("view_position", "")
    dataset.DetectorType, dataset.ImageLaterality, dataset.PositionerType = "DIRECT", "U", ""
    dataset.PixelIntensityRelationship, dataset.PixelIntensityRelationshipSign = "LOG", 1 if image.inverted else -1
    dataset.PresentationLUTShape = "INVERSE" if image.inverted else "IDENTITY"
    dataset.RescaleSlope, dataset.RescaleIntercept, dataset.RescaleType = "1", "0", "US"
    dataset.AcquisitionContextSequence = []
    region = Dataset()
    region.CodeValue, region.CodingSchemeDesignator, region.CodeMeaning = "51185008", "SCT", "Chest"
    dataset.AnatomicRegionSequence = [region] if image.facts.get("body_part") == "CHEST" else []
    projection = Dataset()
    projection.CodeValue, projection.CodingSchemeDesignator = "399348003", "SCT"
    projection.CodeMeaning, projection.ViewModifierCodeSequence = "postero-anterior", []
    if dataset.ViewPosition == "PA":
        dataset.ViewCodeSequence = [projection]


def _ct(dataset: Dataset, image: Image) -> None:
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    dataset.KVP, dataset.AcquisitionNumber = "", ""


def _mr(dataset: Dataset, image: Image) -> None:
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "OTHER"]
    dataset.ScanningSequence, dataset.SequenceVariant, dataset.ScanOptions = "RM", "NONE", ""  # RM: research mode
    dataset.MRAcquisitionType = "2D"
    dataset.RepetitionTime = dataset.EchoTime = dataset.EchoTrainLength = ""


def _us(dataset: Dataset, image: Image) -> None:
    dataset.ImageType = ["ORIGINAL", "PRIMARY"]
    dataset.UltrasoundColorDataPresent = 0
    dataset.PatientOrientation = ""
    if image.spacing_mm is None:
        return
    region = Dataset()
    rows, columns = image.shape
    region.RegionSpatialFormat, region.RegionDataType, region.RegionFlags = 1, 1, 0  # two-dimensional, tissue, opaque
    region.RegionLocationMinX0 = region.RegionLocationMinY0 = 0
    region.RegionLocationMaxX1, region.RegionLocationMaxY1 = columns - 1, rows - 1
    region.PhysicalUnitsXDirection = region.PhysicalUnitsYDirection = 3  # cm
    region.PhysicalDeltaX, region.PhysicalDeltaY = image.spacing_mm[1] / 10, image.spacing_mm[0] / 10
    dataset.SequenceOfUltrasoundRegions = [region]


def _rf(dataset: Dataset, image: Image) -> None:
    _projection(dataset, image)
    dataset.ImageType = ["ORIGINAL", "PRIMARY", "SINGLE PLANE"]
    dataset.PixelIntensityRelationship = "DISP"
    dataset.RadiationSetting = "GR"
    dataset.XRayTubeCurrent = dataset.ExposureTime = dataset.Exposure = ""


def _es(dataset: Dataset, image: Image) -> None:
    dataset.ImageType = ["ORIGINAL", "PRIMARY"]
    dataset.AcquisitionContextSequence = []
    dataset.PatientOrientation = ""


def _ot(dataset: Dataset, image: Image) -> None:
    dataset.ConversionType = "SYN"  # synthetic image
    dataset.PatientOrientation = ""


_ADD: dict[str, Callable[[Dataset, Image], None]] = {
    "CR": _cr,
    "DX": _dx,
    "CT": _ct,
    "MR": _mr,
    "US": _us,
    "RF": _rf,
    "ES": _es,
    "OT": _ot,
}

#: Attributes that this kind of image has no place for.
_REFERENCE = ("FrameOfReferenceUID", "PositionReferenceIndicator")
_SLICE = ("ImageOrientationPatient", "ImagePositionPatient", "SliceThickness", "PatientPosition")
_NO_PLACE = {
    "CR": (*_REFERENCE, *_SLICE),
    "DX": (*_REFERENCE, *_SLICE, "Laterality"),  # it has Image Laterality
    "CT": (),
    "MR": (),
    "US": (*_REFERENCE, *_SLICE, "PixelSpacing"),
    "RF": (*_REFERENCE, *_SLICE),
    "ES": (*_REFERENCE, *_SLICE),
    "OT": (*_REFERENCE, *_SLICE),
}
