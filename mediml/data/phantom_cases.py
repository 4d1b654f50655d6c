"""Cases of the phantoms for `mediml data make`: what is drawn for case `number` of a seed, and what is written of it.

Every second case is without a finding; the others go through the findings of their kind in turn. Masks are those of
the phantom; ``truth.json`` says in numbers what was put in.
"""

import dataclasses
import datetime
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from mediml.data.make import Case
from mediml.imaging.export import Provenance
from mediml.imaging.phantoms import (
    Effusion,
    Finding,
    Nodule,
    Opacity,
    Pneumothorax,
    Sequence,
    Thorax,
    barium_series,
    brain_anatomy,
    brain_mr,
    chest_radiograph,
    longitudinal_patients,
    make_thorax,
)
from mediml.imaging.phantoms import chest_ct as make_chest_ct
from mediml.imaging.phantoms import ultrasound as make_ultrasound

__all__ = ["barium", "brain", "chest_ct", "chest_xray", "patients", "ultrasound"]

_FIRST_DAY = datetime.date(2000, 1, 1)

#: A draw that does not fit into the chest is drawn again.
_DRAWS = 20

#: What a set for lesson and test has of each kind, in turn.
_CHEST: tuple[Callable[[np.random.Generator], Any], ...] = (
    lambda r: Nodule(float(r.uniform(10, 35)), spicules=int(r.integers(0, 13))),
    lambda r: Opacity(size_mm=float(r.uniform(22, 45))),
    lambda r: Effusion(volume_ml=float(r.uniform(200, 1200))),
    lambda r: Pneumothorax(volume_ml=float(r.uniform(150, 700))),
)
_LUNG: tuple[Callable[[np.random.Generator], Any], ...] = (
    lambda r: Nodule(float(r.uniform(6, 30)), density="solid"),
    lambda r: Nodule(float(r.uniform(10, 30)), density="ground glass"),
    lambda r: Nodule(float(r.uniform(5, 15)), density="calcified"),
)
_BRAIN = {"tumour": ("T1", "T1_contrast", "T2", "FLAIR"), "stroke": ("T1", "T2", "FLAIR", "DWI", "ADC"),
          "white_matter_lesions": ("T1", "T2", "FLAIR")}  # fmt: skip
_ECHO = (("liver", "cyst"), ("superficial", "hypoechoic"), ("liver", "stone"), ("kidney", "hyperechoic"))
_GUT = ("polyp", "ulcer", "stenosis")


def chest_xray(number: int, seed: int) -> Case:
    """A postero-anterior radiograph, with a mask of what was put in."""
    thorax = _chest(number, seed, _CHEST)
    made = chest_radiograph(thorax, seed=seed, index=number, marker="L" if number % 3 else "R")
    masks = {finding.kind: made.mask(finding.label) for finding in made.findings}
    truth = {"findings": [_finding(finding) for finding in made.findings]}
    return Case({"image": made.image}, masks, truth, provenance=_provenance("chest-xray", number, seed, thorax))


def chest_ct(number: int, seed: int) -> Case:
    """A CT of 24 slices by filtered back-projection, every third at a tenth of the dose, with labels of all tissues."""
    thorax = _chest(number, seed, _LUNG)
    photons = 3e4 if number % 3 == 2 else 3e5
    made = make_chest_ct(thorax, seed=seed, index=number, photons=photons)
    truth = {
        "findings": [_finding(finding) for finding in made.findings],
        "labels": {str(label): name for label, name in thorax.label_names.items()},
        "photons": photons,
    }
    provenance = _provenance("chest-ct", number, seed, thorax)
    return Case({"ct": made.volume}, {"labels": made.labels}, truth, provenance=provenance)


def brain(number: int, seed: int) -> Case:
    """An MR examination of several sequences of one head, with masks of the brain's halves and of the lesion."""
    finding = _turn(tuple(_BRAIN), number)
    anatomy = brain_anatomy(seed, number, finding=finding)
    made = {name: brain_mr(anatomy, name) for name in (_BRAIN[finding] if finding else ("T1", "T2", "FLAIR"))}
    truth = {
        "finding": finding,
        "side": anatomy.side,
        "lesion_volume_mm3": anatomy.lesion_volume_mm3,
        "lesion_centre_mm": anatomy.lesion_centre_mm,
        "volumes_mm3": dict(anatomy.volumes_mm3),
        "signals": {name: dict(one.signals) for name, one in made.items()},
        "noise_sd": {name: one.noise_sd for name, one in made.items()},
    }
    provenance = {
        name: dataclasses.replace(
            _provenance("brain-mr", number, seed),
            acquisition=_acquisition(one.sequence),
            description=f"{name}, generated",
        )
        for name, one in made.items()
    }
    masks = {name: mask for name, mask in anatomy.masks.items() if mask.any()}
    return Case({name: one.volume for name, one in made.items()}, masks, truth, provenance=provenance)


def ultrasound(number: int, seed: int) -> Case:
    """A B-mode picture of liver, kidney or gland, with masks of the sector, the finding and what lies behind it."""
    organ, finding = _ECHO[number // 2 % len(_ECHO)]
    made = make_ultrasound(seed, number, organ=organ, finding=finding if number % 2 else None)
    contrast = made.contrast_db
    truth = {
        "organ": organ,
        "finding": made.finding,
        "contrast_db": contrast if contrast is not None and math.isfinite(contrast) else None,
        "without_echo": contrast == -math.inf,
        "centre_mm": made.centre_mm,
        "area_mm2": made.area_mm2,
    }
    masks = {name: made.masks[name] for name in ("finding", "behind") if name in made.masks}
    if made.image.padding is not None:
        masks["sector"] = ~made.image.padding
    # black occurs inside of the sector, too, so that DICOM cannot say by a value what lies outside
    image = dataclasses.replace(made.image, padding=None)
    return Case({"image": image}, masks, truth, provenance=_provenance("ultrasound", number, seed))


def barium(number: int, seed: int) -> Case:
    """Three frames of a double-contrast enema while the patient turns, with masks of the lumen and the finding."""
    made = barium_series(seed, number, finding=_turn(_GUT, number))
    masks = {f"{name}_{frame}": mask for frame, masks in enumerate(made.masks, 1) for name, mask in masks.items()}
    truth = {
        "finding": made.finding,
        "angles_deg": made.angles_deg,
        "centre_mm": made.centre_mm,
        "centre_pixels": made.centre_pixels,
        "size_mm": made.size_mm,
        "height_mm": made.height_mm,
    }
    return Case({"frames": list(made.images)}, masks, truth, provenance=_provenance("barium", number, seed))


def patients(number: int, seed: int) -> Case:
    """One patient with a growing nodule: a CT and a radiograph at each of three or four visits, then the follow-up."""
    patient = longitudinal_patients(number + 1, seed)[number]
    images: dict[str, Any] = {}
    masks: dict[str, Any] = {}
    provenance: dict[str, Provenance] = {}
    for k, visit in enumerate(patient.visits):
        scan, film = patient.ct(k, method="direct"), patient.radiograph(k)
        date = _FIRST_DAY + datetime.timedelta(days=round(visit.months * 30.44))
        told = dataclasses.replace(
            _provenance("patients", number, seed),
            study=f"visit {k + 1}",
            study_date=f"{date:%Y%m%d}",
            sex=patient.sex,
            age_years=patient.age_years + visit.months / 12,
        )
        (nodule,) = scan.findings
        for name, image in ((f"visit_{k + 1}_ct", scan.volume), (f"visit_{k + 1}_xray", film.image)):
            images[name], provenance[name] = image, told
        masks[f"visit_{k + 1}_ct_nodule"] = scan.labels == nodule.label
        masks[f"visit_{k + 1}_xray_nodule"] = film.mask(nodule.label)
    return Case(images, masks, dataclasses.asdict(patient), provenance=provenance)


def _turn(findings: tuple[str, ...], number: int) -> str | None:
    return findings[number // 2 % len(findings)] if number % 2 else None


def _chest(number: int, seed: int, kinds: tuple[Callable[[np.random.Generator], Any], ...]) -> Thorax:
    random = np.random.default_rng([seed, number, 7])
    if number % 2 == 0:
        return make_thorax(seed, number)
    for _ in range(_DRAWS):
        try:
            return make_thorax(seed, number, (kinds[number // 2 % len(kinds)](random),))
        except ValueError:  # too large for this chest
            continue
    raise ValueError(f"make: no finding fits into the chest of case {number}; take another seed")


def _finding(finding: Finding) -> dict[str, Any]:
    return dataclasses.asdict(finding)


def _provenance(name: str, number: int, seed: int, thorax: Thorax | None = None) -> Provenance:
    known: Mapping[str, Any] = {}
    if thorax is not None:
        known = {"sex": thorax.anatomy.sex, "age_years": thorax.anatomy.age_years}
    return Provenance(patient_id=f"{name}-{seed}-{number:04d}", **known)


def _acquisition(sequence: Sequence) -> tuple[tuple[str, Any], ...]:
    """What the MR module says of a sequence (PS3.3, C.8.3.1)."""
    kind = {"spin_echo": "SE", "inversion_recovery": "IR", "gradient_echo": "GR"}[sequence.kind]
    said: list[tuple[str, Any]] = [
        ("ScanningSequence", kind),
        ("RepetitionTime", float(sequence.tr_ms)),
        ("EchoTime", float(sequence.te_ms)),
    ]
    if sequence.kind == "inversion_recovery":
        said.append(("InversionTime", float(sequence.ti_ms)))
    if sequence.kind == "gradient_echo":
        said.append(("FlipAngle", float(sequence.flip_deg)))
    return tuple(said)
