"""Longitudinal patients: what was put in is what a method finds."""

import numpy as np
import pytest

from mediml.imaging.phantoms import LABELS, Hazard, longitudinal_patients, patient_table


@pytest.fixture(scope="module")
def table():
    return patient_table(longitudinal_patients(900, seed=2))


def slopes(table, volumes):
    """Doublings per day of each patient: the slope of log2(volume) over time, by least squares."""
    days = table.visit_months * 365.25 / 12
    result = []
    for row in range(len(table.event)):
        mine = table.visit_patient == row
        result.append(np.polyfit(days[mine], np.log2(volumes[mine]), 1)[0])
    return np.array(result)


def test_the_doubling_time_is_recovered(table):
    np.testing.assert_allclose(1 / slopes(table, table.volume_mm3), table.doubling_days, rtol=1e-6)
    measured = slopes(table, table.measured_mm3) * table.doubling_days
    assert np.median(measured) == pytest.approx(1, abs=0.03) and measured.std() < 0.5


def test_the_reader_errs_by_five_per_cent(table):
    error = np.log(table.measured_mm3 / table.volume_mm3)
    assert error.std() == pytest.approx(0.05, rel=0.06) and abs(error.mean()) < 0.005


def test_gompertz_growth_slows_down():
    patients = longitudinal_patients(40, seed=2, growth="gompertz")
    for patient, free in zip(patients, longitudinal_patients(40, seed=2)):
        v = [visit.volume_mm3 for visit in patient.visits]
        t = [visit.months * 365.25 / 12 for visit in patient.visits]
        assert v[0] == pytest.approx(free.visits[0].volume_mm3) and v[-1] < free.visits[-1].volume_mm3
        rates = np.diff(np.log2(v)) / np.diff(t)
        assert (rates > 0).all() and (np.diff(rates) < 0).all() and rates[0] < 1 / patient.doubling_days
        # The logarithm of K / V falls exponentially: K is a ball of 50 mm.
        room = np.log(np.pi * 50**3 / 6 / np.array(v))
        decay = np.diff(np.log(room)) / np.diff(t)
        np.testing.assert_allclose(decay, -np.log(2) / patient.doubling_days / room[0], rtol=1e-9)


def test_the_hazard_ratios_are_recovered(table):
    """Cox's partial likelihood, maximised by Newton: each coefficient within three standard errors of what went in."""
    order = np.argsort(-table.months)
    x, event = table.covariates[order], table.event[order]
    beta = np.zeros(3)
    for _ in range(8):
        weight = np.exp(x @ beta)
        total = np.cumsum(weight)[:, None]
        mean = np.cumsum(weight[:, None] * x, axis=0) / total
        square = np.cumsum(weight[:, None, None] * x[:, :, None] * x[:, None, :], axis=0) / total[..., None]
        information = (square - mean[:, :, None] * mean[:, None, :])[event].sum(axis=0)
        beta = beta + np.linalg.solve(information, (x - mean)[event].sum(axis=0))
    error = np.sqrt(np.diag(np.linalg.inv(information)))
    truth = np.array([Hazard.volume, Hazard.growth, Hazard.age])
    assert (np.abs(beta - truth) < 3 * error).all() and (error < 0.12).all()
    assert (beta > 2 * error).all()


def test_larger_lesions_die_earlier(table):
    risk = table.log_hazard_ratio
    low, high = risk < np.quantile(risk, 0.33), risk > np.quantile(risk, 0.67)
    assert table.event[high].mean() > table.event[low].mean() + 0.15
    assert np.median(table.months[high]) < np.median(table.months[low])


def test_the_log_hazard_is_the_weighted_sum(table):
    weights = np.array([Hazard.volume, Hazard.growth, Hazard.age])
    np.testing.assert_allclose(table.log_hazard_ratio, table.covariates @ weights)
    assert Hazard(age=1.0, volume=0.0, growth=0.0).log_ratio(5, 9, 70) == pytest.approx(1)


def test_survival_is_exponential_at_the_patients_hazard():
    patients = longitudinal_patients(900, seed=3, dropout_per_month=0, follow_up_months=1e9)
    assert all(patient.event and patient.months == patient.survival_months for patient in patients)
    unit = np.array([0.02 * np.exp(p.log_hazard_ratio) * p.survival_months for p in patients])
    assert unit.mean() == pytest.approx(1, abs=0.12) and np.median(unit) == pytest.approx(np.log(2), abs=0.1)


def test_censoring_is_as_stated(table):
    assert 0.3 < 1 - table.event.mean() < 0.7 and table.months.max() == 36
    nobody_dies = patient_table(
        longitudinal_patients(600, seed=4, hazard=Hazard(per_month=1e-12), follow_up_months=36, dropout_per_month=0.02)
    )
    assert not nobody_dies.event.any()
    assert (nobody_dies.months == 36).mean() == pytest.approx(np.exp(-0.02 * 36), abs=0.06)


def test_a_patient_does_not_depend_on_how_many_there_are():
    few, many, other = longitudinal_patients(2, 5), longitudinal_patients(7, 5), longitudinal_patients(2, 6)
    assert few == many[:2] and few != other and len({p.survival_months for p in many}) == 7


def test_visits_are_three_or_four_and_in_order(table):
    counts = np.bincount(table.visit_patient)
    assert set(counts) == {3, 4}
    for row in range(30):
        months = table.visit_months[table.visit_patient == row]
        assert months[0] == 0 and (np.diff(months) > 1).all() and months[-1] < 14


def test_the_nodule_keeps_its_place():
    for patient in sorted(longitudinal_patients(60, 3), key=lambda p: -p.visits[-1].diameter_mm)[:4]:
        first, last = patient.thorax(0).findings[0], patient.thorax(len(patient.visits) - 1).findings[0]
        assert first.centre_mm == last.centre_mm and first.diameter_mm < last.diameter_mm


def test_the_images_of_a_patient_show_the_nodule_grow_in_its_place():
    patient = max(longitudinal_patients(12, 2), key=lambda p: p.visits[-1].diameter_mm)
    first, last = patient.thorax(0), patient.thorax(len(patient.visits) - 1)
    assert first.anatomy == last.anatomy and first.anatomy.age_years == patient.age_years
    a, b = first.findings[0], last.findings[0]
    assert a.centre_mm == b.centre_mm and a.side == patient.side
    assert (a.volume_mm3, b.volume_mm3) == (
        pytest.approx(patient.visits[0].volume_mm3),
        pytest.approx(patient.visits[-1].volume_mm3),
    )
    z = a.centre_mm[2]
    options = {"size": 96, "slices": 8, "range_mm": (z - 24, z + 24)}
    cts = [patient.ct(visit, **options) for visit in (0, len(patient.visits) - 1)]
    sizes = [ct.mask(a.label).sum() * np.prod(ct.volume.spacing_mm) for ct in cts]
    assert sizes[1] / sizes[0] == pytest.approx(b.volume_mm3 / a.volume_mm3, rel=0.25)
    film = patient.radiograph(1, size=64)
    assert film.mask(a.label).any() and film.mask(LABELS["heart"]).any()
    with pytest.raises(ValueError, match=r"visit expects 0 to [23], got 9"):
        patient.ct(9)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"count": 0}, "count >= 1 and seed >= 0, got 0 and 0"),
        ({"count": 1, "seed": -1}, "count >= 1 and seed >= 0, got 1 and -1"),
        ({"count": 1, "growth": "linear"}, "growth expects 'exponential' or 'gompertz', got 'linear'"),
        ({"count": 1, "follow_up_months": 0}, "follow_up_months > 0"),
        ({"count": 1, "dropout_per_month": -1}, "dropout_per_month >= 0"),
    ],
)
def test_what_cannot_be_is_refused(wrong, message):
    with pytest.raises(ValueError, match=message):
        longitudinal_patients(**wrong)
