"""Forecasting the electrocardiogram: parts that do not touch, a filter that does not look ahead, baselines to beat."""

import numpy as np
import pytest

from mediml.data.ecg import RidgeForecast, ecg_forecast, ecg_recording, low_rate, persistence, rmse_mv
from mediml.imaging.waveform import Waveform


def recording(values, frequency_hz=1000.0):
    values = np.asarray(values, np.float32).reshape(len(values), -1)
    return Waveform(values, tuple(f"Lead {k + 1}" for k in range(values.shape[1])), frequency_hz)


def test_the_low_pass_keeps_what_is_slow():
    t = np.arange(4000) / 1000
    for hertz, gain in ((0, 1), (5, 1), (20, 0.865), (40, 0.533), (62.5, 0.17), (100, 0.005), (200, 0.0)):
        low = low_rate(np.cos(2 * np.pi * hertz * t)[:, None].astype(np.float32), 1000)[:, 0]
        centres = (np.arange(len(low)) * 8 + 16) / 1000
        expected = gain * np.cos(2 * np.pi * hertz * centres)
        np.testing.assert_allclose(low, expected, atol=0.015)


def test_a_sample_is_a_mean_of_33_from_its_place_on():
    impulse = np.zeros((200, 1), np.float32)
    impulse[100] = 1
    low = low_rate(impulse, 1000)[:, 0]
    assert len(low) == (200 - 33) // 8 + 1
    reached = np.flatnonzero(low)
    assert reached.tolist() == [9, 10, 11, 12]  # windows from 72, 80, 88 and 96 on hold sample 100
    constant = low_rate(np.full((64, 2), 3, np.float32), 250)
    assert constant.shape == ((64 - 9) // 2 + 1, 2) and np.allclose(constant, 3)


def test_windows_by_hand():
    values = np.arange(4000, dtype=np.float32)  # a ramp: the filter shifts it by 16 samples
    data = ecg_forecast(80, 40, ("Lead 1",), recording(values))
    assert data.train.inputs.shape[1:] == (10, 1)
    np.testing.assert_allclose(data.train.inputs[0, :, 0], np.arange(10) * 8 + 16, rtol=1e-5)
    np.testing.assert_allclose(data.train.targets[0], (9 + 5) * 8 + 16, rtol=1e-5)
    for split in (data.train, data.val, data.test):
        np.testing.assert_allclose(split.targets - split.inputs[:, -1, 0], 40, rtol=1e-3)
        assert (split.lengths == 10).all()


def test_parts_are_apart_in_time():
    values = np.arange(10_000, dtype=np.float32)
    data = ecg_forecast(leads=("Lead 1",), waveform=recording(values))
    last_of_train, first_of_val = data.train.targets.max(), data.val.inputs.min()
    assert first_of_val > last_of_train and data.test.inputs.min() > data.val.targets.max()
    # targets of neighbouring parts are a window and the horizon apart
    assert data.val.targets.min() - last_of_train == pytest.approx(440, abs=1)


def test_no_raw_sample_is_in_both_the_past_and_the_future():
    for place in range(2000, 2060):
        values = np.zeros(10_000, np.float32)
        values[place] = 1
        data = ecg_forecast(leads=("Lead 1",), waveform=recording(values))
        touched = (data.train.inputs != 0).any((1, 2)) & (data.train.targets != 0)
        assert not touched.any()


def test_the_packaged_recording_and_its_baselines():
    data = ecg_forecast()
    assert data.train.inputs.shape == (694, 50, 3) and len(data.val) == 132 and len(data.test) == 258
    ridge = RidgeForecast.fit(data)
    mean = np.full(len(data.test), data.train.targets.mean())
    errors = [rmse_mv(data.test, forecast) for forecast in (mean, persistence(data.test), ridge.predict(data.test))]
    assert errors[0] == pytest.approx(data.baseline**0.5, rel=1e-5)
    assert (
        errors[2] < errors[0] < errors[1]
    )  # 40 ms are long for the QRS complex: standing still is worse than the mean
    assert errors == pytest.approx([0.1665, 0.2034, 0.1099], abs=0.002)


def test_ridge_finds_the_weights_of_a_linear_recurrence():
    t = np.arange(10_000) / 1000
    data = ecg_forecast(leads=("Lead 1",), waveform=recording(np.sin(2 * np.pi * 3 * t)))
    ridge = RidgeForecast.fit(data, penalties=(1e-9, 1.0))
    assert ridge.penalty == 1e-9 and rmse_mv(data.test, ridge.predict(data.test)) < 1e-3


def test_several_leads():
    recorded = ecg_recording()
    data = ecg_forecast(leads=("Lead V5", "Lead II"))
    assert data.train.inputs.shape == (694, 50, 2) and data.train.inputs.dtype == np.float32
    single = ecg_forecast(leads=("Lead V5",))
    np.testing.assert_array_equal(data.test.targets, single.test.targets)
    np.testing.assert_array_equal(persistence(data.test), persistence(single.test))
    assert recorded.channel("Lead V5").max() > single.train.targets.max() > 0.5  # the low-pass cuts the peak a little


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda: ecg_forecast(past_ms=401), "past_ms expects a multiple of 8 ms"),
        (lambda: ecg_forecast(ahead_ms=32), "ahead_ms expects a multiple of 8 ms, at least 40 ms"),
        (lambda: ecg_forecast(leads=()), "at least one channel"),
        (lambda: ecg_forecast(leads=("II",)), "expected one of Lead I"),
        (lambda: ecg_forecast(past_ms=2000), "holds no window"),
        (lambda: low_rate(np.zeros((100, 1), np.float32), 300), "a multiple of 125 Hz"),
        (lambda: low_rate(np.zeros((32, 1), np.float32), 1000), "samples >= 33"),
        (lambda: rmse_mv(ecg_forecast().val, np.zeros(3)), r"forecast expects shape \(132,\)"),
        (
            lambda: ecg_forecast(leads=("Lead 1",), waveform=recording(np.full(5000, np.nan))),
            "the recording has gaps",
        ),
    ],
)
def test_refusals(call, text):
    with pytest.raises(ValueError, match=text):
        call()
