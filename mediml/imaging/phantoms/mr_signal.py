"""Signal equations of MR, and the noise of its magnitude pictures.

Taught in lesson 01, medical images.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["ernst_angle", "inversion_recovery", "rician", "spin_echo", "spoiled_gradient_echo"]


def spin_echo(pd: ArrayLike, t1_ms: ArrayLike, t2_ms: ArrayLike, tr_ms: float, te_ms: float) -> NDArray[Any]:
    """Signal of a spin echo: S = PD (1 - exp(-TR / T1)) exp(-TE / T2), for TE much shorter than TR.

    Parameters
    ----------
    pd : array_like
        Proton density, 1 for water.
    t1_ms, t2_ms : array_like
        Relaxation times, positive.
    tr_ms, te_ms : float
        Repetition and echo time.

    Returns
    -------
    ndarray of float64, in the unit of `pd`

    References
    ----------
    R. W. Brown et al.: Magnetic Resonance Imaging: Physical Principles and Sequence Design, 2014.
    """
    density, t1, t2 = _constants("spin_echo", pd, t1_ms, t2_ms, tr_ms, te_ms)
    return np.asarray(density * -np.expm1(-tr_ms / t1) * np.exp(-te_ms / t2))


def inversion_recovery(
    pd: ArrayLike, t1_ms: ArrayLike, t2_ms: ArrayLike, tr_ms: float, te_ms: float, ti_ms: float
) -> NDArray[Any]:
    """Magnitude signal of an inversion recovery: S = PD |1 - 2 exp(-TI / T1) + exp(-TR / T1)| exp(-TE / T2).

    FLAIR chooses TI = T1 ln(2 / (1 + exp(-TR / T1))) of the CSF, where its signal is 0. Parameters, result and
    reference as of `spin_echo`; `ti_ms` is the inversion time.
    """
    density, t1, t2 = _constants("inversion_recovery", pd, t1_ms, t2_ms, tr_ms, te_ms)
    if not 0 <= ti_ms <= tr_ms:
        raise ValueError(f"inversion_recovery: ti_ms expects 0 to {tr_ms}, got {ti_ms}")
    return np.asarray(density * np.abs(1 - 2 * np.exp(-ti_ms / t1) + np.exp(-tr_ms / t1)) * np.exp(-te_ms / t2))


def spoiled_gradient_echo(
    pd: ArrayLike, t1_ms: ArrayLike, t2_ms: ArrayLike, tr_ms: float, te_ms: float, flip_deg: float
) -> NDArray[Any]:
    """Signal of a spoiled gradient echo: S = PD sin a (1 - E) / (1 - E cos a) exp(-TE / T2), E = exp(-TR / T1).

    Greatest at the Ernst angle, see `ernst_angle`. Give T2* as `t2_ms` where it is known. Parameters, result and
    reference as of `spin_echo`; `flip_deg` is the flip angle a.
    """
    density, t1, t2 = _constants("spoiled_gradient_echo", pd, t1_ms, t2_ms, tr_ms, te_ms)
    e, a = np.exp(-tr_ms / t1), math.radians(flip_deg)
    return np.asarray(density * math.sin(a) * (1 - e) / (1 - e * math.cos(a)) * np.exp(-te_ms / t2))


def ernst_angle(t1_ms: float, tr_ms: float) -> float:
    """Flip angle in degrees of the greatest signal of a spoiled gradient echo: cos a = exp(-TR / T1)."""
    if not (t1_ms > 0 and tr_ms > 0):
        raise ValueError(f"ernst_angle: expected positive times, got t1_ms {t1_ms} and tr_ms {tr_ms}")
    return math.degrees(math.acos(math.exp(-tr_ms / t1_ms)))


def rician(signal: ArrayLike, noise_sd: float, rng: np.random.Generator) -> NDArray[Any]:
    """Magnitude of a signal with noise in both channels: |s + n1 + i n2|, n1 and n2 normal of standard deviation sd.

    Parameters
    ----------
    signal : array_like
        Real, from 0.
    noise_sd : float
        Not negative, in the unit of the signal.
    rng : Generator

    Returns
    -------
    ndarray of float32 (float64 where `signal` is)
        Where the signal is 0, a Rayleigh variable: mean sd sqrt(pi / 2), standard deviation sd sqrt(2 - pi / 2).

    References
    ----------
    H. Gudbjartsson, S. Patz: The Rician distribution of noisy MRI data. Magnetic Resonance in Medicine 34, 1995.
    """
    s = np.asarray(signal)
    s = s if s.dtype == np.float64 else s.astype(np.float32)
    if not 0 <= noise_sd < math.inf:
        raise ValueError(f"rician: noise_sd expects a finite number from 0, got {noise_sd}")
    n1, n2 = (rng.standard_normal(s.shape, dtype=s.dtype.type) * s.dtype.type(noise_sd) for _ in range(2))
    return np.asarray(np.hypot(s + n1, n2))


def _constants(where: str, pd: Any, t1_ms: Any, t2_ms: Any, tr_ms: float, te_ms: float) -> tuple[Any, Any, Any]:
    pd, t1, t2 = (np.asarray(value, np.float64) for value in (pd, t1_ms, t2_ms))
    if not (np.all(t1 > 0) and np.all(t2 > 0)):
        raise ValueError(f"{where}: t1_ms and t2_ms expect positive times")
    if not (0 < tr_ms < math.inf and 0 <= te_ms < math.inf):
        raise ValueError(f"{where}: expected tr_ms > 0 and te_ms >= 0, got {tr_ms} and {te_ms}")
    return pd, t1, t2
