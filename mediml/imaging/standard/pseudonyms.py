"""What replaces identifiers in de-identified files: a keyed hash.

Taught in lesson 02, DICOM and geometry.
"""

import hashlib
import hmac
import secrets
from dataclasses import dataclass

from pydicom.dataset import Dataset
from pydicom.uid import UID, UID_dictionary

from mediml.imaging.image import DicomError
from mediml.imaging.standard.header import Header

__all__ = ["MIN_KEY_BYTES", "DeidentificationError", "Pseudonyms"]

#: 128 bits: beyond trying.
MIN_KEY_BYTES = 16


class DeidentificationError(DicomError):
    """A file cannot be freed of identifiers in a way that can be relied on."""


@dataclass(frozen=True)
class Pseudonyms:
    """What replaces identifiers: a keyed hash, so that the same patient stays the same, and nobody can go back.

    Attributes
    ----------
    key : bytes
        At least 16 random bytes. Whoever has it can link the result to patients by trying names; keep it elsewhere,
        or make a new one by ``Pseudonyms()`` and forget it.
    """

    key: bytes = b""

    def __post_init__(self) -> None:
        if not self.key:
            object.__setattr__(self, "key", secrets.token_bytes(32))
        if len(self.key) < MIN_KEY_BYTES:
            raise ValueError(f"Pseudonyms: key expects at least {MIN_KEY_BYTES} random bytes, got {len(self.key)}")

    def __repr__(self) -> str:
        return "Pseudonyms(key=…)"

    def digest(self, kind: str, value: str) -> bytes:
        """32 bytes that depend on the key, the kind of identifier and its value."""
        return hmac.new(self.key, f"{kind}\0{value}".encode(), hashlib.sha256).digest()

    def uid(self, value: str) -> UID:
        """Another UID for a UID, of 128 bits (PS3.5, B.2); those of the standard stay."""
        if value in UID_dictionary:
            return UID(value)
        return UID(f"2.25.{int.from_bytes(self.digest('uid', value)[:16], 'big')}")

    def patient(self, dataset: Dataset) -> str:
        """Name of the patient in the result: ``"P"`` and twelve digits."""
        return f"P{self.digest('patient', _identity(dataset)).hex()[:12]}"

    def days(self, dataset: Dataset) -> int:
        """By how many days this patient's dates move back: 1 to 3650."""
        return 1 + int.from_bytes(self.digest("days", _identity(dataset))[:8], "big") % 3650


def _identity(dataset: Dataset) -> str:
    """What tells one patient from another: the ID with its issuer, else the name with the date of birth."""
    said = [str(Header(dataset).find(keyword) or "").strip() for keyword in ("PatientID", "IssuerOfPatientID")]
    if said[0]:
        return "\0".join(said)
    said = [str(Header(dataset).find(keyword) or "").strip() for keyword in ("PatientName", "PatientBirthDate")]
    if said[0]:
        return "\0".join(said)
    study = str(Header(dataset).find("StudyInstanceUID") or "").strip()
    if not study:
        raise DeidentificationError(
            "the file names neither a patient nor a study: files of one cannot be kept together"
        )
    return study
