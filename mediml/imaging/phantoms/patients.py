"""Patients who are seen again: a nodule that grows between the visits, and a survival that depends on it.

Growth, hazard and censoring are drawn from stated distributions, so that what a method finds (a doubling time, a hazard
ratio) can be held against what was put in. Nothing here is a patient, and no clinical claim can follow from it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mediml.imaging.phantoms.ct import ChestCT, chest_ct
from mediml.imaging.phantoms.findings import SIDES, Nodule
from mediml.imaging.phantoms.radiograph import ChestRadiograph, chest_radiograph
from mediml.imaging.phantoms.thorax import Thorax, make_thorax

__all__ = ["Hazard", "Patient", "PatientTable", "Visit", "longitudinal_patients", "patient_table"]

DAYS_PER_MONTH = 365.25 / 12
#: Of the first visit on: 0, about 3, 6 and 12 months.
_SCHEDULE = (0.0, 3.0, 6.0, 12.0)
#: Doubling time in days: median and standard deviation of its logarithm, and bounds.
_DOUBLING, _DOUBLING_SPREAD, _DOUBLING_BOUNDS = 200.0, 0.6, (90.0, 1200.0)
#: Where Gompertz growth ends: a ball of 50 mm.
_CAPACITY_MM3 = np.pi * 50**3 / 6
_MEASURING_ERROR = 0.05


@dataclass(frozen=True)
class Hazard:
    """A hazard that is constant in time and proportional between patients, as Cox's model assumes.

        h = per_month exp(volume log2(V / 1000 mm³) + growth (d - 2) + age (a - 60) / 10)

    V is the volume at the last visit, d the doublings per year, a the age in years. A coefficient is the logarithm of
    the hazard ratio of one unit: one doubling of the volume, one doubling per year more, ten years.
    """

    per_month: float = 0.02
    volume: float = 0.35
    growth: float = 0.25
    age: float = 0.30

    def log_ratio(self, volume_mm3: float, doublings_per_year: float, age_years: float) -> float:
        """Logarithm of the hazard over ``per_month``."""
        return float(
            self.volume * np.log2(volume_mm3 / 1000)
            + self.growth * (doublings_per_year - 2)
            + self.age * (age_years - 60) / 10
        )


@dataclass(frozen=True)
class Visit:
    """One examination.

    Attributes
    ----------
    months : float
        Since the first one.
    volume_mm3, diameter_mm : float
        Of the nodule, true.
    measured_mm3 : float
        The volume with a reader's error of 5 % (log-normal).
    """

    months: float
    volume_mm3: float
    diameter_mm: float
    measured_mm3: float


@dataclass(frozen=True)
class Patient:
    """One patient with everything that was put in.

    Attributes
    ----------
    seed, index : int
        What the patient depends on.
    sex : {"F", "M"}
    age_years : float
        At the first visit.
    side : {"right", "left"}
    growth : {"exponential", "gompertz"}
    doubling_days : float
        Time in which the volume doubles; at the first visit, where growth slows down.
    visits : tuple of Visit
        Three or four.
    log_hazard_ratio : float
        See `Hazard`.
    survival_months : float
        From the last visit to death; not seen if later than the censoring.
    months : float
        From the last visit to what was seen: death, or the end of the follow-up.
    event : bool
        Whether death was seen.
    """

    seed: int
    index: int
    sex: str
    age_years: float
    side: str
    growth: str
    doubling_days: float
    visits: tuple[Visit, ...]
    log_hazard_ratio: float
    survival_months: float
    months: float
    event: bool

    def thorax(self, visit: int) -> Thorax:
        """The chest at a visit: the same but for the nodule's size."""
        largest = max(each.diameter_mm for each in self.visits)
        size = self._visit(visit).diameter_mm
        # The same room around every size: so the same place is drawn.
        nodule = Nodule(diameter_mm=size, side=self.side, margin_mm=3 + (largest - size) / 2)
        return make_thorax(self.seed, self.index, (nodule,), sex=self.sex, age_years=self.age_years)

    def ct(self, visit: int, **options: Any) -> ChestCT:
        """The CT of a visit; `options` of `chest_ct` but for thorax, seed and index."""
        return chest_ct(self.thorax(visit), seed=self.seed, index=self._noise(visit), **options)

    def radiograph(self, visit: int, **options: Any) -> ChestRadiograph:
        """The radiograph of a visit; `options` of `chest_radiograph` but for thorax, seed and index."""
        return chest_radiograph(self.thorax(visit), seed=self.seed, index=self._noise(visit), **options)

    def _visit(self, visit: int) -> Visit:
        if not 0 <= visit < len(self.visits):
            raise ValueError(f"Patient: visit expects 0 to {len(self.visits) - 1}, got {visit}")
        return self.visits[visit]

    def _noise(self, visit: int) -> int:
        return self.index * len(_SCHEDULE) + visit


@dataclass(frozen=True, eq=False)
class PatientTable:
    """Patients as columns: one row per visit, and one per patient.

    Attributes
    ----------
    visit_patient : ndarray of int64, shape (visits,)
        Row of the patient.
    visit_months, volume_mm3, measured_mm3 : ndarray of float64, shape (visits,)
    age_years, doubling_days, log_hazard_ratio, months : ndarray of float64, shape (patients,)
    event : ndarray of bool, shape (patients,)
    covariates : ndarray of float64, shape (patients, 3)
        log2(V / 1000 mm³) at the last visit, doublings per year - 2, (age - 60) / 10: what `Hazard` weighs.
    """

    visit_patient: NDArray[np.int64]
    visit_months: NDArray[np.float64]
    volume_mm3: NDArray[np.float64]
    measured_mm3: NDArray[np.float64]
    age_years: NDArray[np.float64]
    doubling_days: NDArray[np.float64]
    log_hazard_ratio: NDArray[np.float64]
    months: NDArray[np.float64]
    event: NDArray[np.bool_]
    covariates: NDArray[np.float64]


def longitudinal_patients(
    count: int,
    seed: int = 0,
    *,
    growth: str = "exponential",
    hazard: Hazard | None = None,
    follow_up_months: float = 36.0,
    dropout_per_month: float = 0.01,
) -> tuple[Patient, ...]:
    """Patients with one growing nodule each, seen three or four times, then followed.

        exponential     V(t) = V0 2^(t / doubling_days)
        gompertz        V(t) = K (V0 / K)^exp(-a t),    a = ln 2 / (doubling_days ln(K / V0)),    K: a ball of 50 mm
        survival        -ln(U) / h,    U uniform on (0, 1]; see `Hazard`
        censoring       the earlier of `follow_up_months` and an exponential time of rate `dropout_per_month`

    Parameters
    ----------
    count : int
        At least 1. Patient k does not depend on how many others there are.
    seed : int
        Not negative.
    growth : {"exponential", "gompertz"}
    hazard : Hazard, optional
    follow_up_months : float
        After the last visit; above 0.
    dropout_per_month : float
        Rate of those who are lost, 0 or more.

    Returns
    -------
    tuple of Patient
        Images are made when asked for: ``patient.ct(visit)``, ``patient.radiograph(visit)``.

    References
    ----------
    Gompertz growth: Benzekry et al., Classical mathematical models for description and prediction of experimental tumor
    growth, PLoS Comput. Biol. 10 (2014). Survival times for a Cox model: Bender et al., Statistics in Medicine 24
    (2005). Taught in lesson 01, medical images.
    """
    if count < 1 or seed < 0:
        raise ValueError(f"longitudinal_patients: expected count >= 1 and seed >= 0, got {count} and {seed}")
    if growth not in ("exponential", "gompertz"):
        raise ValueError(f"longitudinal_patients: growth expects 'exponential' or 'gompertz', got {growth!r}")
    if not follow_up_months > 0 or not dropout_per_month >= 0:
        raise ValueError(
            f"longitudinal_patients: expected follow_up_months > 0 and dropout_per_month >= 0, "
            f"got {follow_up_months} and {dropout_per_month}"
        )
    model = hazard or Hazard()
    return tuple(_patient(seed, k, growth, model, follow_up_months, dropout_per_month) for k in range(count))


def volume_at(days: float, first_mm3: float, doubling_days: float, growth: str) -> float:
    """Volume in mm³ that many days after it was `first_mm3`."""
    if growth == "exponential":
        return float(first_mm3 * 2 ** (days / doubling_days))
    room = np.log(_CAPACITY_MM3 / first_mm3)
    return float(_CAPACITY_MM3 * np.exp(-room * np.exp(-np.log(2) / (doubling_days * room) * days)))


def patient_table(patients: Sequence[Patient]) -> PatientTable:
    """Patients and visits as arrays."""
    visits = [(row, visit) for row, patient in enumerate(patients) for visit in patient.visits]
    last = np.array([patient.visits[-1].volume_mm3 for patient in patients])
    age = np.array([patient.age_years for patient in patients])
    doubling = np.array([patient.doubling_days for patient in patients])
    covariates = np.stack([np.log2(last / 1000), 365.25 / doubling - 2, (age - 60) / 10], axis=1)
    return PatientTable(
        visit_patient=np.array([row for row, _ in visits], np.int64),
        visit_months=np.array([visit.months for _, visit in visits]),
        volume_mm3=np.array([visit.volume_mm3 for _, visit in visits]),
        measured_mm3=np.array([visit.measured_mm3 for _, visit in visits]),
        age_years=age,
        doubling_days=doubling,
        log_hazard_ratio=np.array([patient.log_hazard_ratio for patient in patients]),
        months=np.array([patient.months for patient in patients]),
        event=np.array([patient.event for patient in patients]),
        covariates=covariates,
    )


def _patient(seed: int, index: int, growth: str, hazard: Hazard, follow_up: float, dropout: float) -> Patient:
    random = np.random.default_rng([seed, index, 4])
    u, z = random.random(8), random.standard_normal(9)
    age = float(np.round(np.clip(64 + 9 * z[0], 40, 88)))
    doubling = float(np.clip(_DOUBLING * np.exp(_DOUBLING_SPREAD * z[1]), *_DOUBLING_BOUNDS))
    first = np.pi * (5 + 9 * u[0]) ** 3 / 6
    times = [planned + (0.4 * np.clip(jitter, -2, 2) if planned else 0.0) for planned, jitter in zip(_SCHEDULE, z[2:6])]
    visits = []
    for months, error in zip(times[: 3 + int(u[1] < 0.5)], random.standard_normal(len(_SCHEDULE))):
        volume = volume_at(months * DAYS_PER_MONTH, first, doubling, growth)
        diameter = float(np.cbrt(6 * volume / np.pi))
        visits.append(Visit(float(months), volume, diameter, float(volume * np.exp(_MEASURING_ERROR * error))))
    ratio = hazard.log_ratio(visits[-1].volume_mm3, 365.25 / doubling, age)
    survival = float(-np.log(1 - u[2]) / (hazard.per_month * np.exp(ratio)))
    lost = -np.log(1 - u[3]) / dropout if dropout else np.inf
    end = float(min(follow_up, lost))
    return Patient(
        seed=seed,
        index=index,
        sex="F" if u[4] < 0.5 else "M",
        age_years=age,
        side=SIDES[int(u[5] * 2)],
        growth=growth,
        doubling_days=doubling,
        visits=tuple(visits),
        log_hazard_ratio=ratio,
        survival_months=survival,
        months=min(survival, end),
        event=survival <= end,
    )
