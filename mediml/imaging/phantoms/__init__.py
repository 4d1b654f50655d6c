"""Phantoms: images from seeded generators, whose truth is known exactly because it was put in.

Each phantom is drawn as analytic shapes in millimetres and imaged as its modality does it; the truth (masks, volumes,
centres, HU, the noise asked for) comes with the image. Case `k` of a seed is the same whatever else is generated. Nothing
here is a patient, and no clinical claim can follow from it.
"""

from mediml.imaging.phantoms.beams import PROBES, Probe, log_compress
from mediml.imaging.phantoms.brain import BrainAnatomy, brain_anatomy
from mediml.imaging.phantoms.gut import BariumSeries, barium_series
from mediml.imaging.phantoms.mr import SEQUENCES, BrainMR, Sequence, brain_mr
from mediml.imaging.phantoms.mr_signal import ernst_angle, inversion_recovery, rician, spin_echo, spoiled_gradient_echo
from mediml.imaging.phantoms.relaxation import Tissue, tissue_constants
from mediml.imaging.phantoms.ultrasound import Ultrasound, ultrasound

__all__ = [
    "PROBES",
    "SEQUENCES",
    "BariumSeries",
    "BrainAnatomy",
    "BrainMR",
    "Probe",
    "Sequence",
    "Tissue",
    "Ultrasound",
    "barium_series",
    "brain_anatomy",
    "brain_mr",
    "ernst_angle",
    "inversion_recovery",
    "log_compress",
    "rician",
    "spin_echo",
    "spoiled_gradient_echo",
    "tissue_constants",
    "ultrasound",
]
