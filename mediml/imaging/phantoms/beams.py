"""The physics of B-mode: probe, pulse, beam, attenuation and gain, envelope, decibels."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft

from mediml.imaging.phantoms.echo_scenes import SOFT

__all__ = ["FINE", "PROBES", "SPEED", "Beams", "Probe", "log_compress"]

#: Speed of sound in tissue, mm/us.
SPEED = 1.54


@dataclass(frozen=True)
class Probe:
    """An array of elements and how it listens.

    Attributes
    ----------
    frequency_mhz : float
        Of the carrier.
    bandwidth : float
        Full width at half maximum of the pulse's spectrum, over the frequency.
    radius_mm : float
        Of the curved array; 0 for a straight one.
    extent : float
        Of the picture: the angle in degrees of a curved array, the width in mm of a straight one.
    lines : int
        Number of beams.
    focus_mm, f_number : float
        Depth at which the beam is narrowest, and focal length over aperture: its full width at half maximum is there
        f_number times the wavelength.
    """

    frequency_mhz: float
    bandwidth: float
    radius_mm: float
    extent: float
    lines: int
    focus_mm: float
    f_number: float

    @property
    def half_angle(self) -> float:
        """Half the angle of a curved array, radians."""
        return math.radians(self.extent) / 2

    @property
    def wavelength_mm(self) -> float:
        """Speed of sound over the frequency."""
        return SPEED / self.frequency_mhz

    def beam_sd_mm(self, depth_mm: ArrayLike) -> NDArray[np.float64]:
        """Standard deviation of the beam's profile: w sqrt(1 + ((z - focus) / (7 lambda F**2))**2)."""
        z = np.asarray(depth_mm, np.float64)
        narrow = self.f_number * self.wavelength_mm / 2.3548
        length = 7 * self.wavelength_mm * self.f_number**2
        return np.asarray(narrow * np.sqrt(1 + ((z - self.focus_mm) / length) ** 2))


PROBES: Mapping[str, Probe] = {
    "convex": Probe(3.5, 0.6, 55.0, 64.0, 192, 80.0, 2.6),
    "linear": Probe(9.0, 0.65, 0.0, 44.0, 256, 22.0, 2.0),
}
_SAMPLES_PER_PERIOD = 4.6
FINE = 2  # points per beam


def log_compress(envelope: ArrayLike, dynamic_range_db: float, reference: float = 1.0) -> NDArray[Any]:
    """Decibels as grey: g = clip(1 + 20 log10(e / reference) / range, 0, 1).

    Parameters
    ----------
    envelope : array_like
        Not negative; 0 becomes 0.
    dynamic_range_db : float
        Decibels between black and white, positive.
    reference : float
        The envelope that becomes 1.

    Returns
    -------
    ndarray of float32 (float64 where `envelope` is), from 0 to 1
    """
    if not (0 < dynamic_range_db < math.inf and 0 < reference < math.inf):
        raise ValueError(
            f"log_compress: dynamic_range_db and reference expect positive numbers, "
            f"got {dynamic_range_db} and {reference}"
        )
    e = np.asarray(envelope)
    e = e if e.dtype == np.float64 else e.astype(np.float32)
    least = np.asarray(10 ** (-dynamic_range_db / 20), e.dtype)
    grey = 1 + np.log10(np.maximum(e / e.dtype.type(reference), least)) * e.dtype.type(20 / dynamic_range_db)
    return np.clip(grey, 0, 1)


class Beams:
    """The grid of samples and beams, and what happens on it."""

    def __init__(self, array: Probe, depth: float) -> None:
        self.array, self.depth = array, depth
        self.step = SPEED / 2 / (_SAMPLES_PER_PERIOD * array.frequency_mhz)
        self.samples = int(depth / self.step)
        self.columns = array.lines * FINE
        self.z = (np.arange(self.samples) + 0.5) * self.step
        half = array.half_angle if array.radius_mm else array.extent / 2
        self.across = ((np.arange(self.columns) + 0.5) / self.columns * 2 - 1) * half
        self.pitch = 2 * half / self.columns

    def places(self) -> tuple[NDArray[Any], NDArray[Any]]:
        """x and z, mm, of every sample."""
        if not self.array.radius_mm:
            z, x = np.meshgrid(self.z, self.across, indexing="ij")
            return x, z
        r = self.array.radius_mm + self.z[:, None]
        return r * np.sin(self.across), r * np.cos(self.across) - self.array.radius_mm

    def pulse(self, field: NDArray[Any]) -> NDArray[Any]:
        """Convolve along the depth with a Gaussian times the carrier; white noise keeps its power."""
        n = fft.next_fast_len(self.samples, real=True)
        cycles = fft.rfftfreq(n, self.step)  # per mm of depth
        carrier = 2 * self.array.frequency_mhz / SPEED
        sd = self.array.bandwidth * carrier / 2.3548
        gain = np.exp(-0.5 * ((cycles - carrier) / sd) ** 2)
        gain *= math.sqrt(n / (2 * (gain**2).sum()))
        spectrum = fft.rfft(np.asarray(field, np.float32), n, axis=0) * gain[:, None].astype(np.float32)
        return np.asarray(fft.irfft(spectrum, n, axis=0)[: self.samples])

    def focus(self, rf: NDArray[Any]) -> NDArray[Any]:
        """Convolve every depth across the beams with the beam's profile there; white noise keeps its power."""
        sd = self.array.beam_sd_mm(self.z)
        if self.array.radius_mm:
            sd = sd / (self.array.radius_mm + self.z)
        sd = np.maximum(sd / self.pitch, 0.3)
        n = fft.next_fast_len(self.columns + 64, real=True)
        wave = 2 * np.pi * fft.rfftfreq(n)
        gain = np.exp(-0.5 * (sd[:, None] * wave) ** 2)
        both = gain**2
        power = (2 * both.sum(1) - both[:, 0] - (both[:, -1] if n % 2 == 0 else 0)) / n
        gain = (gain / np.sqrt(power)[:, None]).astype(np.float32)
        return np.asarray(fft.irfft(fft.rfft(rf, n, axis=1) * gain, n, axis=1)[:, : self.columns])

    def receive(
        self, rf: NDArray[Any], attenuation: NDArray[Any], noise_db: float, rng: np.random.Generator
    ) -> NDArray[Any]:
        """Weaken by the way there and back, add the receiver's noise, and amplify with depth; every other column."""
        kept = slice(FINE // 2, None, FINE)
        to_db = 2 * self.array.frequency_mhz * self.step / 10
        loss = np.cumsum(attenuation[:, kept], axis=0) * to_db
        gain = SOFT * 2 * self.array.frequency_mhz * self.z[:, None] / 10
        noise = rng.standard_normal(loss.shape, dtype=np.float32)
        noise = self.pulse(noise)
        quiet = np.minimum(gain + noise_db, 10)  # no machine amplifies without end
        net = np.maximum(gain - loss, -90)
        return rf[:, kept] * 10 ** (net / 20) + noise * 10 ** (quiet / 20)

    def envelope(self, rf: NDArray[Any]) -> NDArray[np.float32]:
        """|rf + i Hilbert(rf)|, scaled so that the mean over unit tissue is 1 (Rayleigh: sd sqrt(pi / 2))."""
        n = fft.next_fast_len(self.samples + 64)
        spectrum = fft.fft(rf.astype(np.float32), n, axis=0)
        spectrum[1 : (n + 1) // 2] *= 2
        spectrum[n // 2 + 1 :] = 0
        analytic = fft.ifft(spectrum, axis=0)[: self.samples]
        return np.asarray(np.abs(analytic) / math.sqrt(math.pi / 2), np.float32)
