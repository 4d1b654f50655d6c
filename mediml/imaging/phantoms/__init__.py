"""Phantoms: images from seeded generators, whose truth is known exactly because it was put in.

Each phantom is drawn as analytic shapes in millimetres and imaged as its modality does it; the truth (masks, volumes,
centres, HU, the noise asked for) comes with the image. Case `k` of a seed is the same whatever else is generated.
Nothing here is a patient, and no clinical claim can follow from it.
"""

from mediml.imaging.phantoms.beams import PROBES, Probe, log_compress
from mediml.imaging.phantoms.brain import BrainAnatomy, brain_anatomy
from mediml.imaging.phantoms.ct import ChestCT, chest_ct
from mediml.imaging.phantoms.endoscopy import Endoscopy, endoscopy_picture
from mediml.imaging.phantoms.findings import Effusion, Finding, Nodule, Opacity, Pneumothorax
from mediml.imaging.phantoms.gut import BariumSeries, barium_series
from mediml.imaging.phantoms.mr import SEQUENCES, BrainMR, Sequence, brain_mr
from mediml.imaging.phantoms.mr_signal import ernst_angle, inversion_recovery, rician, spin_echo, spoiled_gradient_echo
from mediml.imaging.phantoms.patients import Hazard, Patient, PatientTable, Visit, longitudinal_patients, patient_table
from mediml.imaging.phantoms.radiograph import ChestRadiograph, chest_radiograph
from mediml.imaging.phantoms.relaxation import Tissue, tissue_constants
from mediml.imaging.phantoms.thorax import LABELS, Thorax, make_thorax
from mediml.imaging.phantoms.tomography import filtered_back_projection, forward_projection
from mediml.imaging.phantoms.ultrasound import Ultrasound, ultrasound

__all__ = [
    "LABELS",
    "PROBES",
    "SEQUENCES",
    "BariumSeries",
    "BrainAnatomy",
    "BrainMR",
    "ChestCT",
    "ChestRadiograph",
    "Effusion",
    "Endoscopy",
    "Finding",
    "Hazard",
    "Nodule",
    "Opacity",
    "Patient",
    "PatientTable",
    "Pneumothorax",
    "Probe",
    "Sequence",
    "Thorax",
    "Tissue",
    "Ultrasound",
    "Visit",
    "barium_series",
    "brain_anatomy",
    "brain_mr",
    "chest_ct",
    "chest_radiograph",
    "endoscopy_picture",
    "ernst_angle",
    "filtered_back_projection",
    "forward_projection",
    "inversion_recovery",
    "log_compress",
    "longitudinal_patients",
    "make_thorax",
    "patient_table",
    "rician",
    "spin_echo",
    "spoiled_gradient_echo",
    "tissue_constants",
    "ultrasound",
]
