"""Phantoms: images from seeded generators, whose truth is known exactly because it was put in.

Each phantom is drawn as analytic shapes in millimetres and imaged as its modality does it; the truth (masks, volumes,
centres, HU, the noise asked for) comes with the image. Case `k` of a seed is the same whatever else is generated. Nothing
here is a patient, and no clinical claim can follow from it.
"""

__all__ = []
