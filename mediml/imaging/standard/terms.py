"""Closed lists of DICOM terms, and the facts of a header that they allow: nothing here can carry a name."""

from typing import Any

from mediml.imaging.image import Step
from mediml.imaging.standard.header import Header

__all__ = [
    "BODY_PARTS",
    "COLOUR",
    "GREY",
    "IMAGE_TYPES",
    "MODALITIES",
    "MR_ACQUISITION_TYPES",
    "PATIENT_POSITIONS",
    "PET_UNITS",
    "RESCALE_TYPES",
    "SCANNING_SEQUENCES",
    "SEQUENCE_VARIANTS",
    "VIEW_POSITIONS",
    "WINDOW_EXPLANATIONS",
    "facts",
    "spacing",
    "vector",
]


def _terms(text: str) -> frozenset[str]:
    return frozenset(text.split())


#: PS3.3, C.7.3.1.1.1; any other code of a file is "OTHER".
MODALITIES = _terms(
    "AR AU BI BMD CR CT CTPROTOCOL DG DMS DOC DX ECG EPS ES FID GM HC HD IO IOL IVOCT IVUS KER KO LEN LS MG MR "
    "NM OAM OCT OP OPM OPT OPTBSV OPTENF OPV OSS OT PLAN PR PT PX REG RESP RF RG RTDOSE RTIMAGE RTPLAN RTRECORD "
    "RTSEGANN RTSTRUCT RWV SC SEG SM SMR SR SRF STAIN TG US VA XA XC"
)
#: The chest, and what is often taken with the same machines.
BODY_PARTS = _terms(
    "CHEST THORAX LUNG RIBS RIB STERNUM CSPINE TSPINE LSPINE SPINE SKULL HEAD NECK SHOULDER CLAVICLE ABDOMEN "
    "PELVIS HIP HAND WRIST FOREARM ELBOW HUMERUS ARM FINGER FOOT ANKLE TOE TIBIA FIBULA KNEE FEMUR LEG EXTREMITY "
    "BREAST HEART"
)
VIEW_POSITIONS = _terms("PA AP LL RL LAT LATERAL RLD LLD RLO LLO DP PD OBL")
#: Image Type and Frame Type (PS3.3, C.7.6.1.1.2, and the modules of CT, MR and PET).
IMAGE_TYPES = _terms(
    "ORIGINAL DERIVED PRIMARY SECONDARY AXIAL LOCALIZER MPR M P R I M_FFE M_SE M_IR P_FFE PHASE ADC DIFFUSION TRACE "
    "PROJECTION MIP MINIP AVERAGE SUBTRACTION PERFUSION T1 T2 MIXED OTHER NONE DYNAMIC GATED STATIC TOMO RECON "
    "WHOLE_BODY EMISSION TRANSMISSION VOLUME FAT WATER IN_PHASE OUT_PHASE OUT_OF_PHASE MAGNITUDE REFORMATTED MAXIMUM "
    "SUM PROTON_DENSITY NORM ND DIS2D DIS3D"
)
#: Photometric Interpretation, as far as it is read (C.7.6.3.1.2).
GREY = ("MONOCHROME1", "MONOCHROME2")
COLOUR = ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT", "PALETTE COLOR")
#: C.7.3.1.1.2.
PATIENT_POSITIONS = _terms("HFP HFS HFDR HFDL FFP FFS FFDR FFDL LFP LFS RFP RFS AFDR AFDL PFDR PFDL")
#: C.8.3.1.1.
SCANNING_SEQUENCES = _terms("SE IR GR EP RM")
SEQUENCE_VARIANTS = _terms("SK MTC SS TRSS SP MP OSP TOF NONE")
MR_ACQUISITION_TYPES = _terms("2D 3D")
#: Units of rescaled values (PS3.3, C.11.1.1.2).
RESCALE_TYPES = _terms("HU US OD MGML Z_EFF ED EDW HU_MOD PCT")
#: Units of positron emission tomography (PS3.3, C.8.9.1.1.3).
PET_UNITS = _terms(
    "CNTS NONE CM2 CM2ML PCNT CPS BQML MGMINML UMOLMINML MLMING MLG 1CM UMOLML PROPCNTS PROPCPS MLMINML MLML GML STDDEV"
)
#: What windows are called by scanners; free text otherwise, and not kept.
WINDOW_EXPLANATIONS = _terms(
    "NORMAL HARDER SOFTER BONE LUNG BRAIN ABDOMEN MEDIASTINUM LIVER HEAD SPINE ANGIO STROKE WINDOW WINDOW1 WINDOW2 "
    "WINDOW3 USER DEFAULT ALGO1 ALGO2"
) | {"SOFT TISSUE"}


def spacing(header: Header, doubts: list[Step]) -> dict[str, Any]:
    """Pixel Spacing is (between rows, between columns) in the patient; Imager Pixel Spacing is that of the detector."""
    for keyword, place in (("PixelSpacing", "patient"), ("ImagerPixelSpacing", "detector")):
        pair = header.numbers(keyword)
        if len(pair) != 2:
            continue
        if min(pair) <= 0:
            doubts.append(Step("spacing_unusable"))
            continue
        if place == "detector":
            doubts.append(Step("spacing_detector"))
        return {"spacing_mm": pair, "spacing_at": place, "aspect": pair[0] / pair[1]}
    if (calibrated := _calibration(header)) is not None:
        return {"spacing_mm": calibrated, "spacing_at": "patient", "aspect": calibrated[0] / calibrated[1]}
    if not doubts:
        doubts.append(Step("spacing_missing"))
    ratio = header.numbers("PixelAspectRatio")
    return {"aspect": ratio[0] / ratio[1] if len(ratio) == 2 and min(ratio) > 0 else 1.0}


def _calibration(header: Header) -> tuple[float, float] | None:
    """Ultrasound: the spacing of the tissue's region in cm (PS3.3, C.8.5.5), where a file has one such region."""
    regions = [Header(item) for item in header.find("SequenceOfUltrasoundRegions") or ()]
    tissue = [region for region in regions if region.number("RegionSpatialFormat") == 1]  # two-dimensional
    if len(tissue) != 1 or any(tissue[0].number(f"PhysicalUnits{axis}Direction") != 3 for axis in "XY"):
        return None
    steps = [abs(tissue[0].number(f"PhysicalDelta{axis}") or 0.0) * 10 for axis in "YX"]
    return (steps[0], steps[1]) if min(steps) > 0 else None


def vector(header: Header, keyword: str, length: int) -> tuple[float, ...] | None:
    """The numbers of an attribute, or None where there are not `length` of them."""
    numbers = header.numbers(keyword)
    return numbers if len(numbers) == length else None


def _laterality(header: Header) -> str:
    """``"L"``, ``"R"``, ``"B"`` (both) or ``""``: of the frame, of the image, else of the series."""
    for keyword in ("FrameLaterality", "ImageLaterality", "Laterality"):
        side = header.code(keyword, frozenset("LRBU"))
        if side in ("L", "R", "B"):
            return side
    return ""


def facts(header: Header) -> dict[str, str]:
    """Technical attributes by name, each of a closed list; ``""`` where absent."""
    parts = header.codes("PatientOrientation")
    known = len(parts) == 2 and all(set(part) <= set("LRAPHF") and len(part) <= 3 for part in parts)
    return {
        "body_part": header.code("BodyPartExamined", BODY_PARTS),
        "view_position": header.code("ViewPosition", VIEW_POSITIONS),
        "laterality": _laterality(header),
        "patient_orientation": "/".join(parts) if known else "",
        "lossy": {"01": "YES", "00": "NO"}.get(header.code("LossyImageCompression"), ""),
        "pixel_intensity": header.code("PixelIntensityRelationship", frozenset(("LIN", "LOG", "DISP"))),
        "burned_in": header.code("BurnedInAnnotation", frozenset(("YES", "NO"))),
    }
