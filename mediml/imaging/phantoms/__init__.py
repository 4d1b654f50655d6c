"""Phantoms: images from seeded generators, whose truth is known exactly because it was put in.

Each phantom is drawn as analytic shapes in millimetres and imaged as its modality does it; the truth (masks, volumes,
centres, HU, the noise asked for) comes with the image. Case `k` of a seed is the same whatever else is generated.
Nothing here is a patient, and no clinical claim can follow from it.
"""

from mediml.imaging.phantoms.ct import ChestCT, chest_ct
from mediml.imaging.phantoms.findings import Effusion, Finding, Nodule, Opacity, Pneumothorax
from mediml.imaging.phantoms.patients import Hazard, Patient, PatientTable, Visit, longitudinal_patients, patient_table
from mediml.imaging.phantoms.radiograph import ChestRadiograph, chest_radiograph
from mediml.imaging.phantoms.thorax import LABELS, Thorax, make_thorax
from mediml.imaging.phantoms.tomography import filtered_back_projection, forward_projection

__all__ = [
    "LABELS",
    "ChestCT",
    "ChestRadiograph",
    "Effusion",
    "Finding",
    "Hazard",
    "Nodule",
    "Opacity",
    "Patient",
    "PatientTable",
    "Pneumothorax",
    "Thorax",
    "Visit",
    "chest_ct",
    "chest_radiograph",
    "filtered_back_projection",
    "forward_projection",
    "longitudinal_patients",
    "make_thorax",
    "patient_table",
]
