"""How far an answer may be off: the one table that `mediml verify` and `mediml bench` go by."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["TOLERANCES", "Tolerance", "error"]


@dataclass(frozen=True)
class Tolerance:
    """Largest `error` that passes, and the magnitude below which errors are no longer taken relative.

    So an element passes if ``|actual - expected| <= relative * max(|expected|, floor)``.
    """

    relative: float
    floor: float


#: float32: rtol 1.3e-6 and atol 1e-5 of torch.testing.assert_close. float64: a hundred times closer than its 1e-7.
TOLERANCES = {
    "float32": Tolerance(relative=1.3e-6, floor=1e-5 / 1.3e-6),
    "float64": Tolerance(relative=1e-9, floor=1.0),
}


def error(actual: NDArray[Any], expected: NDArray[Any], tolerance: Tolerance) -> float:
    """Largest error of an array, relative to the larger of the expected magnitude and the floor.

    Infinite where NaN, an infinity or a whole number is not where it is expected.
    """
    if actual.size == 0:
        return 0.0
    if expected.dtype.kind != "f":
        return 0.0 if np.array_equal(actual, expected) else np.inf
    actual = actual.astype(np.float64)
    plain = np.isfinite(expected)
    if not np.array_equal(actual[~plain], expected[~plain], equal_nan=True) or not np.isfinite(actual[plain]).all():
        return np.inf
    distance = np.abs(actual[plain] - expected[plain]) / np.maximum(np.abs(expected[plain]), tolerance.floor)
    return float(distance.max(initial=0.0))
