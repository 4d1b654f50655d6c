"""Forecasting a real electrocardiogram: one recording of ten seconds, from pydicom's own test files.

The task: from the past 400 ms of a lead, its value 40 ms ahead. Training, validation and test are parts of the
recording one after the other, and no window reaches from one part into the next. It is a test of sequence models on a
real signal and nothing more: **one person on one day allows no clinical claim**, not even that the figure would be
alike on the next person.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from mediml.data.catalog import packaged_file
from mediml.data.sequences import SequenceData, SequenceSplit
from mediml.imaging.waveform import Waveform, read_waveform

__all__ = ["FREQUENCY_HZ", "RidgeForecast", "ecg_forecast", "ecg_recording", "low_rate", "persistence", "rmse_mv"]

#: Samples per second after the reduction, which keeps what is slower than `_CUTOFF_HZ`.
FREQUENCY_HZ = 125.0
_CUTOFF_HZ = 40.0

#: Parts of the recording: training, validation, test.
_SHARES = (0.6, 0.15, 0.25)


def ecg_recording() -> Waveform:
    """The 12 leads of the packaged recording: 10 s at 1000 Hz, in millivolts."""
    return read_waveform(packaged_file("ecg_12_leads"), group=0)


def low_rate(values: NDArray[np.float32], frequency_hz: float) -> NDArray[np.float32]:
    """Low-pass and decimate to `FREQUENCY_HZ`.

    Parameters
    ----------
    values : ndarray of shape (samples, channels)
    frequency_hz : float
        A multiple of `FREQUENCY_HZ`, at least its double.

    Returns
    -------
    ndarray of float32, shape ((samples - 1) // factor - 3, channels)
        With factor = frequency_hz / 125, sample j is a weighted mean of the 4 · factor + 1 samples from j · factor on:
        nothing is made up beyond the ends.

    Notes
    -----
    A sinc of 40 Hz under a Hamming window: about half of what has 40 Hz gets through. Its taps span 32 ms, less than
    the forecast's horizon, so that no sample of the recording is part of both the past and the value to be forecast.
    So short a filter lets 17 % through at half the new rate, where an electrocardiogram has little.
    """
    factor = round(frequency_hz / FREQUENCY_HZ)
    if factor < 2 or abs(factor * FREQUENCY_HZ - frequency_hz) > 1e-6 * frequency_hz:
        raise ValueError(
            f"low_rate: frequency_hz expects a multiple of {FREQUENCY_HZ:g} Hz, at least its double, got {frequency_hz}"
        )
    width = 4 * factor + 1
    if values.ndim != 2 or len(values) < width:
        raise ValueError(f"low_rate: values expect shape (samples >= {width}, channels), got {values.shape}")
    taps = np.sinc(2 * _CUTOFF_HZ / frequency_hz * (np.arange(width) - width // 2)) * np.hamming(width)
    windows = np.lib.stride_tricks.sliding_window_view(values, width, axis=0)[::factor]
    return (windows @ (taps / taps.sum())).astype(np.float32)


def ecg_forecast(
    past_ms: float = 400,
    ahead_ms: float = 40,
    leads: tuple[str, ...] = ("Lead II", "Lead V2", "Lead V5"),
    waveform: Waveform | None = None,
) -> SequenceData:
    """Windows of the recording, each with the value that follows it after a while.

    Parameters
    ----------
    past_ms, ahead_ms : float
        Length of the window, and from its last sample to the value; both a whole number of steps of 8 ms. `ahead_ms`
        at least 40, so that the low-pass carries nothing of the future into the past.
    leads : tuple of str
        Channels of the input, by the recording's names; the target is the first one.
    waveform : Waveform, optional
        Another recording; by default `ecg_recording`.

    Returns
    -------
    SequenceData
        Inputs (N, T, leads) and targets float32 (N,), both in millivolts. The first 60 % of the recording train, the
        next 15 % validate, the last 25 % test; a window and its value lie in one part, so neighbouring parts are a
        whole window apart. Neighbouring windows of one part overlap: N is not a number of independent cases.
        ``baseline`` is the mean squared error on the test part, in mV², of answering training's mean.

    Raises
    ------
    ValueError
        If the recording is too short for a window in each part.
    """
    recording = ecg_recording() if waveform is None else waveform
    steps, ahead = _steps("past_ms", past_ms, 1), _steps("ahead_ms", ahead_ms, 5)
    if not leads:
        raise ValueError("ecg_forecast: leads expects at least one channel, got none")
    chosen = np.stack([recording.channel(lead) for lead in leads], axis=1)
    if np.isnan(chosen).any():
        raise ValueError("ecg_forecast: the recording has gaps (NaN) in these leads; choose others")
    signal = low_rate(chosen, recording.frequency_hz)
    ends = np.cumsum(np.r_[0, _SHARES]) * len(signal)
    parts = []
    for start, end in pairwise(ends):
        part = signal[round(start) : round(end)]
        if len(part) < steps + ahead:
            raise ValueError(
                f"ecg_forecast: a part of {len(part)} steps of 8 ms holds no window of {steps} and {ahead} steps; "
                f"choose a shorter past_ms or a longer recording"
            )
        windows = np.lib.stride_tricks.sliding_window_view(part[:-ahead], steps, axis=0).transpose(0, 2, 1)
        targets = part[steps - 1 + ahead :, 0]
        lengths = np.full(len(targets), steps, np.int64)
        parts.append(SequenceSplit(np.ascontiguousarray(windows), targets.copy(), lengths))
    train, val, test = parts
    baseline = float(np.mean((test.targets - train.targets.mean(dtype=np.float64)) ** 2))
    return SequenceData(f"ECG, {leads[0]}, {ahead_ms:g} ms ahead", train, val, test, baseline)


def persistence(split: SequenceSplit) -> NDArray[np.float32]:
    """The forecast without a model: the value stays what it is now."""
    return split.inputs[:, -1, 0]


@dataclass(frozen=True, eq=False)
class RidgeForecast:
    """Linear autoregression: the value as a weighted sum of the past, weights kept small.

    Attributes
    ----------
    weights : ndarray of float64, shape (T * leads,)
    intercept : float
    penalty : float
    """

    weights: NDArray[np.float64]
    intercept: float
    penalty: float

    @classmethod
    def fit(cls, data: SequenceData, penalties: tuple[float, ...] = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)) -> "RidgeForecast":
        """Least squares plus ``penalty * N * |weights|²`` on the training part, the best penalty of validation."""
        x, y = _flat(data.train), data.train.targets.astype(np.float64)
        centre, mean = x.mean(0), float(y.mean())
        gram, moment = (x - centre).T @ (x - centre) / len(x), (x - centre).T @ (y - mean) / len(x)
        fits = []
        for penalty in penalties:
            weights = np.linalg.solve(gram + penalty * np.eye(len(gram)), moment)
            fit = cls(weights, mean - float(centre @ weights), penalty)
            fits.append((rmse_mv(data.val, fit.predict(data.val)), fit))
        return min(fits, key=lambda pair: pair[0])[1]

    def predict(self, split: SequenceSplit) -> NDArray[np.float64]:
        """Values in mV, shape (N,)."""
        return np.asarray(_flat(split) @ self.weights + self.intercept)


def rmse_mv(split: SequenceSplit, forecast: NDArray[np.floating]) -> float:
    """Root mean square of the forecast's errors, in millivolts."""
    if np.shape(forecast) != split.targets.shape:
        raise ValueError(f"rmse_mv: forecast expects shape {split.targets.shape}, got {np.shape(forecast)}")
    return float(np.sqrt(np.mean((np.asarray(forecast, np.float64) - split.targets) ** 2)))


def _flat(split: SequenceSplit) -> NDArray[np.float64]:
    return split.inputs.reshape(len(split), -1).astype(np.float64)


def _steps(name: str, milliseconds: float, least: int) -> int:
    steps = milliseconds * FREQUENCY_HZ / 1000
    if abs(steps - round(steps)) > 1e-9 or round(steps) < least:
        step = 1000 / FREQUENCY_HZ
        raise ValueError(
            f"ecg_forecast: {name} expects a multiple of {step:g} ms, at least {least * step:g} ms, got {milliseconds}"
        )
    return round(steps)
