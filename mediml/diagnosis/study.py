"""One input from file to outcome: read, checked, prepared, measured for familiarity, and only then classified."""

import os
from dataclasses import dataclass, field

from mediml.data.catalog import sha256_of
from mediml.diagnosis import familiarity
from mediml.diagnosis.checks import STOP, Check, check_familiarity, check_image
from mediml.diagnosis.classify import Prediction, classify
from mediml.diagnosis.inputs import load
from mediml.diagnosis.prepare import Prepared, prepare
from mediml.imaging.image import Image, ImageError
from mediml.models.pretrained import Pretrained

__all__ = ["JUDGED", "NOT_JUDGED", "NOT_READ", "Study", "examine"]

JUDGED, NOT_JUDGED, NOT_READ = "judged", "not_judged", "not_read"

#: Where only these stop a judgement, the input is a chest film, and its number is still worth studying.
_STUDIED_DESPITE = ("age", "familiarity")

#: Where these stop it, the picture itself may show what must not be passed on, or cannot be shown.
_HIDDEN_BY = ("colour", "burned_in")


@dataclass(frozen=True, eq=False)
class Study:
    """All that is known about one input.

    Attributes
    ----------
    number : int
        Place among the inputs, from 1.
    sha256, kind : str
        Of the file; ``""`` where it could not be read.
    error : str
        Why it could not be read; ``""`` where it could.
    prediction : Prediction or None
        None where the model was not run. Where a check stops the judgement it is for study only.
    """

    number: int
    sha256: str = ""
    kind: str = ""
    error: str = ""
    image: Image | None = None
    checks: tuple[Check, ...] = field(default=())
    prepared: Prepared | None = None
    prediction: Prediction | None = None

    @property
    def reasons(self) -> tuple[Check, ...]:
        """The checks that stop a judgement."""
        return tuple(check for check in self.checks if check.level == STOP)

    @property
    def outcome(self) -> str:
        """`JUDGED`, `NOT_JUDGED` or `NOT_READ`."""
        if self.image is None:
            return NOT_READ
        return JUDGED if self.prediction is not None and not self.reasons else NOT_JUDGED

    @property
    def hidden_by(self) -> str:
        """Name of the check because of which the picture is not shown, or ``""``."""
        return next((check.name for check in self.reasons if check.name in _HIDDEN_BY), "")


def examine(path: str | os.PathLike[str], number: int, pretrained: Pretrained) -> Study:
    """Take one file through the pipeline. What is wrong with it is in the result and never raised."""
    sha256 = ""
    try:
        sha256 = sha256_of(path)
        image, kind = load(path)
    except ImageError as error:
        return Study(number, sha256, error=str(error))
    except OSError as error:
        return Study(number, error=f"the file cannot be read ({type(error).__name__}); check its permissions")
    checks = check_image(image)
    if any(check.level == STOP and check.name in (*_HIDDEN_BY, "size") for check in checks):
        return Study(number, sha256, kind, image=image, checks=tuple(checks))
    prepared = prepare(image, pretrained.card["preprocessing"])
    measured = familiarity.measure(prepared.pixels[None], pretrained.card["familiarity"])
    checks.append(check_familiarity({name: float(values[0]) for name, values in measured.items()}))
    runs = all(check.name in _STUDIED_DESPITE for check in checks if check.level == STOP)
    prediction = classify(pretrained, prepared.batch) if runs else None
    return Study(number, sha256, kind, image=image, checks=tuple(checks), prepared=prepared, prediction=prediction)
