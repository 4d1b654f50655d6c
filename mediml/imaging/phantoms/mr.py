"""Brain MR from tissue constants by the signal equations, with a bias field and Rician noise.

Taught in lesson 01, medical images.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mediml.imaging.image import Image, WindowView
from mediml.imaging.phantoms.brain import BrainAnatomy
from mediml.imaging.phantoms.mr_signal import inversion_recovery, rician, spin_echo, spoiled_gradient_echo
from mediml.imaging.phantoms.relaxation import Tissue, tissue_constants
from mediml.imaging.volume import Volume

__all__ = ["SEQUENCES", "BrainMR", "Sequence", "brain_mr"]


@dataclass(frozen=True)
class Sequence:
    """How a picture is taken.

    Attributes
    ----------
    kind : str
        ``"spin_echo"``, ``"inversion_recovery"`` or ``"gradient_echo"``.
    tr_ms, te_ms, ti_ms, flip_deg : float
        Repetition, echo and inversion time; flip angle of the gradient echo.
    b_s_mm2 : float
        Diffusion weighting.
    fat_suppressed : bool
        True leaves no signal of fat and marrow.
    gadolinium_mm : float
        Concentration of contrast agent, mmol/l, in tissue that takes it up: the tumour outside of its dead core.
    """

    kind: str
    tr_ms: float
    te_ms: float
    ti_ms: float = 0.0
    flip_deg: float = 90.0
    b_s_mm2: float = 0.0
    fat_suppressed: bool = False
    gadolinium_mm: float = 0.0


#: The sequences by name, for 3 T; ``"ADC"`` is computed from ``"DWI"`` and the same without weighting.
SEQUENCES: Mapping[str, Sequence] = {
    "T1": Sequence("spin_echo", 500, 12),
    "T1_contrast": Sequence("spin_echo", 500, 12, gadolinium_mm=0.5),
    "T1_gradient_echo": Sequence("gradient_echo", 20, 4, flip_deg=20),
    "T2": Sequence("spin_echo", 5000, 95),
    "PD": Sequence("spin_echo", 4000, 15),
    "FLAIR": Sequence("inversion_recovery", 9000, 120, ti_ms=2500, fat_suppressed=True),
    "DWI_b0": Sequence("spin_echo", 6000, 80, fat_suppressed=True),
    "DWI": Sequence("spin_echo", 6000, 80, b_s_mm2=1000, fat_suppressed=True),
}
_STREAMS = {name: number for number, name in enumerate((*SEQUENCES, "ADC"), start=10)}
_BIAS_STREAM = 2
#: Longitudinal relaxivity of gadolinium chelates, l / (mmol s): a round value for 1.5 to 3 T.
_RELAXIVITY = 4.0
#: The brightest of these tissues gets this value.
_BRIGHTEST, _FULL_SCALE = ("grey", "white", "csf", "fat"), 2000.0
_SCANNING = {"spin_echo": "SE", "inversion_recovery": "IR", "gradient_echo": "GR"}


@dataclass(frozen=True, eq=False)
class BrainMR:
    """An MR volume with all that is known about it.

    Attributes
    ----------
    volume : Volume
        Modality ``"MR"``; values are whole numbers, stored as they are. Units ``"arbitrary"``, or ``"um2/s"`` for ADC
        (10**-6 mm2/s).
    anatomy : BrainAnatomy
        Shares of the tissues, masks and volumes.
    signals : mapping of str to float
        Value of each pure tissue before bias and noise; for ADC its diffusion coefficient.
    clean : ndarray of float32, shape (planes, rows, columns)
        Sum of shares times signals: no bias, no noise.
    bias_field : ndarray of float32, same shape
        Factor that `clean` was multiplied by; its geometric mean over the brain is 1.
    noise_sd : float
        Standard deviation of each of the two noise channels, in the unit of the values (for ADC: of the weighted
        pictures it was computed from).
    sequence : Sequence
        How it was taken.
    """

    volume: Volume
    anatomy: BrainAnatomy
    signals: Mapping[str, float]
    clean: NDArray[np.float32]
    bias_field: NDArray[np.float32]
    noise_sd: float
    sequence: Sequence

    def image(self, plane: int | None = None) -> Image:
        """One slice; the middle one where `plane` is None."""
        return self.volume.plane(self.volume.shape[0] // 2 if plane is None else plane)


def brain_mr(
    anatomy: BrainAnatomy,
    sequence: str | Sequence = "T1",
    *,
    field_t: float = 3.0,
    noise_sd: float | None = None,
    bias: float = 0.2,
) -> BrainMR:
    """Take an MR picture of a head.

    value = round(|bias_field · sum_t share_t S_t + n1 + i n2|), S_t by the sequence's signal equation

    Parameters
    ----------
    anatomy : BrainAnatomy
        See `brain_anatomy`. Its seed and index also seed the noise, another stream for every sequence.
    sequence : str or Sequence
        A key of `SEQUENCES`, ``"ADC"``, or your own.
    field_t : float
        1.5 or 3.0, tesla: which relaxation times hold.
    noise_sd : float, optional
        Standard deviation of each channel, in the unit of the values; the brightest of grey matter, white matter, CSF
        and fat has the value 2000. Where it is None, a thirtieth of the white matter's signal.
    bias : float
        How far the logarithm of the bias field goes from its middle, at most: 0.2 for about ±20 %; 0 for none.

    Returns
    -------
    BrainMR

    Raises
    ------
    ValueError
        If an argument is out of its range.

    Notes
    -----
    The bias field is exp of a polynomial of second degree in the place. ADC = ln(S_0 / S_b) / b, 0 where S_0 is below
    four noise_sd. Turbo spin echo, flow, chemical shift, Gibbs ringing and motion are left out; fat is darker on T2
    than in the turbo spin echoes of the clinic.

    Taught in lesson 01, medical images.
    """
    if not 0 <= bias <= 1:
        raise ValueError(f"brain_mr: bias expects 0 to 1, got {bias}")
    if noise_sd is not None and not 0 <= noise_sd < math.inf:
        raise ValueError(f"brain_mr: noise_sd expects a finite number from 0, got {noise_sd}")
    if isinstance(sequence, str) and sequence not in _STREAMS:
        raise ValueError(f"brain_mr: sequence expects one of {', '.join(_STREAMS)}, got {sequence!r}")
    tissues = tissue_constants(field_t)
    if sequence == "ADC":
        return _adc(anatomy, field_t, noise_sd, bias, tissues)
    taken = SEQUENCES[sequence] if isinstance(sequence, str) else sequence
    raw = {name: _signal(name, tissue, taken) for name, tissue in tissues.items()}
    gain = _FULL_SCALE / max(raw[name] for name in _BRIGHTEST)
    signals = {name: gain * value for name, value in raw.items()}
    sd = signals["white"] / 30 if noise_sd is None else noise_sd
    clean = _mixed(anatomy, signals)
    field = _bias_field(anatomy, bias)
    stream = _STREAMS.get(sequence, 9) if isinstance(sequence, str) else 9
    noisy = rician(clean * field, sd, np.random.default_rng([anatomy.seed, anatomy.index, stream]))
    values = np.minimum(np.rint(noisy), np.float32(65535))
    volume = _volume(anatomy, values, "arbitrary", _facts(taken, field_t))
    return BrainMR(volume, anatomy, signals, clean, field, float(sd), taken)


def _signal(name: str, tissue: Tissue, taken: Sequence) -> float:
    if taken.fat_suppressed and name in ("fat", "marrow"):
        return 0.0
    t1 = tissue.t1_ms
    if taken.gadolinium_mm and name == "tumour":
        t1 = 1 / (1 / t1 + _RELAXIVITY * taken.gadolinium_mm / 1000)
    relaxed = (tissue.pd, t1, tissue.t2_ms, taken.tr_ms, taken.te_ms)
    if taken.kind == "spin_echo":
        signal = spin_echo(*relaxed)
    elif taken.kind == "inversion_recovery":
        signal = inversion_recovery(*relaxed, taken.ti_ms)
    elif taken.kind == "gradient_echo":
        signal = spoiled_gradient_echo(*relaxed, taken.flip_deg)
    else:
        raise ValueError(f"brain_mr: kind of the sequence expects one of {', '.join(_SCANNING)}, got {taken.kind!r}")
    return float(signal) * math.exp(-taken.b_s_mm2 * tissue.adc_um2_s * 1e-6)


def _adc(
    anatomy: BrainAnatomy, field_t: float, noise_sd: float | None, bias: float, tissues: Mapping[str, Tissue]
) -> BrainMR:
    plain = brain_mr(anatomy, "DWI_b0", field_t=field_t, noise_sd=noise_sd, bias=bias)
    taken = SEQUENCES["DWI"]
    weighted = {
        name: value * math.exp(-taken.b_s_mm2 * tissues[name].adc_um2_s * 1e-6) for name, value in plain.signals.items()
    }
    rng = np.random.default_rng([anatomy.seed, anatomy.index, _STREAMS["ADC"]])
    clean = _mixed(anatomy, weighted)
    with_b = rician(clean * plain.bias_field, plain.noise_sd, rng)
    without = plain.volume.values
    seen = (without > 4 * plain.noise_sd) & (without > 1)
    values = np.zeros_like(without)
    values[seen] = 1e6 / taken.b_s_mm2 * np.log(without[seen] / np.maximum(with_b[seen], 1))
    pure = plain.clean > 1
    exact = np.zeros_like(clean)
    exact[pure] = 1e6 / taken.b_s_mm2 * np.log(plain.clean[pure] / np.maximum(clean[pure], 1e-6))
    facts = _facts(replace(taken), field_t) | {"derived": "ADC"}
    volume = _volume(anatomy, np.clip(np.rint(values), 0, 4000), "um2/s", facts)
    signals = {name: tissue.adc_um2_s for name, tissue in tissues.items()}
    return BrainMR(volume, anatomy, signals, exact, plain.bias_field, plain.noise_sd, taken)


def _mixed(anatomy: BrainAnatomy, signals: Mapping[str, float]) -> NDArray[np.float32]:
    clean = np.zeros(anatomy.shape, np.float32)
    for name, share in anatomy.fractions.items():
        clean += share * np.float32(signals[name])
    return clean


def _bias_field(anatomy: BrainAnatomy, bias: float) -> NDArray[np.float32]:
    """exp(bias q), q a polynomial of second degree that goes from -1 to 1 over a cube of 200 mm about the origin."""
    rng = np.random.default_rng([anatomy.seed, anatomy.index, _BIAS_STREAM])
    linear, square = rng.uniform(-1, 1, 3), rng.uniform(-0.9, -0.2, 3)
    q = np.zeros((1, 1, 1))
    cross = np.zeros(anatomy.shape)
    axes = []
    for i in range(3):
        place = np.full((1, 1, 1), anatomy.origin_mm[i])
        for k, n in enumerate(anatomy.shape):
            steps = np.arange(n) * anatomy.spacing_mm[k] * anatomy.directions[k][i]
            place = place + steps.reshape([-1 if j == k else 1 for j in range(3)])
        axes.append((place - (0, 16, 14)[i]) / 100)
        q = q + linear[i] * axes[i] + square[i] * axes[i] ** 2
    cross += rng.uniform(-0.5, 0.5) * axes[0] * axes[1]
    q = q + cross
    brain = anatomy.masks["brain"]
    inside = q[brain] if brain.any() else q.ravel()
    spread = max(float(inside.max() - inside.min()) / 2, 1e-9)
    return np.asarray(np.exp(bias * (q - inside.mean()) / spread), np.float32)


def _volume(anatomy: BrainAnatomy, values: NDArray[Any], units: str, facts: Mapping[str, str]) -> Volume:
    shown = values[anatomy.masks["brain"]] if anatomy.masks["brain"].any() else values
    top = max(2.0, float(np.percentile(shown, 99.5)) * 1.15)
    return Volume(
        stored=values.astype(np.uint16),
        values=np.asarray(values, np.float32),
        spacing_mm=anatomy.spacing_mm,
        directions=anatomy.directions,
        origin_mm=anatomy.origin_mm,
        units=units,
        modality="MR",
        views=(WindowView(round(top / 2), round(top)),),
        facts=facts,
    )


def _facts(taken: Sequence, field_t: float) -> dict[str, str]:
    facts = {
        "body_part": "HEAD",
        "scanning_sequence": _SCANNING[taken.kind],
        "repetition_time_ms": f"{taken.tr_ms:g}",
        "echo_time_ms": f"{taken.te_ms:g}",
        "field_strength_t": f"{field_t:g}",
    }
    if taken.kind == "inversion_recovery":
        facts["inversion_time_ms"] = f"{taken.ti_ms:g}"
    if taken.kind == "gradient_echo":
        facts["flip_angle_deg"] = f"{taken.flip_deg:g}"
    if taken.b_s_mm2:
        facts["b_value_s_mm2"] = f"{taken.b_s_mm2:g}"
    return facts
