"""DICOM waveforms, such as an electrocardiogram: channels over time in millivolts, or a refusal that says why.

References
----------
DICOM PS3.3: C.10.9 (waveform identification and data, channel sensitivity); PS3.5, 8.3 (waveform data).
Taught in lesson 12, LSTM, GRU and language.
"""

import os
import re
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import ExplicitVRBigEndian
from pydicom.waveforms import multiplex_array

from mediml.imaging.dicom import only_our_errors, parse
from mediml.imaging.image import DicomError
from mediml.imaging.limits import read_bytes
from mediml.imaging.standard.header import Header, refusing, tag_name

__all__ = ["MAX_SAMPLES", "Waveform", "read_waveform"]

#: Channels times samples: a day of 12 leads at 256 Hz has 265 million.
MAX_SAMPLES = 50_000_000

#: Labels of groups that are told apart; any other is "OTHER", so that no free text gets through.
_LABELS = frozenset({"RHYTHM", "MEDIAN BEAT"})

#: Names of leads, as PS3.16's context group 3001 has them.
_LEAD = re.compile(
    r"(?:Lead )?(?:I{1,3}|-?aV[RLF]|V[1-9]R?|[XYZ]|MCL|CC5|CM5|ES)(?: \((?:Einthoven|augmented voltage, \w+)\))?"
)

#: Millivolts per unit, by the code of UCUM.
_MILLIVOLTS = {"uV": 1e-3, "mV": 1.0, "V": 1e3}

#: Bits of each Waveform Sample Interpretation (PS3.3, C.10.9). A-law and µ-law are logarithmic and not read.
_INTERPRETATIONS = {"SB": 8, "UB": 8, "SS": 16, "US": 16, "SL": 32, "UL": 32}


@dataclass(frozen=True, eq=False)
class Waveform:
    """Channels sampled together.

    Attributes
    ----------
    values_mv : ndarray of float32, shape (samples, channels)
        In millivolts; NaN where the file says that nothing was recorded.
    channels : tuple of str
        What each is, as the file's coded source says: ``"Lead II"``.
    frequency_hz : float
        Samples per second of each channel.
    label : str
        ``"RHYTHM"``, ``"MEDIAN BEAT"``, ``"OTHER"``; ``""`` where absent.
    original : bool
        False where the file says that the values were derived from others, as a median beat is.
    """

    values_mv: NDArray[np.float32]
    channels: tuple[str, ...]
    frequency_hz: float
    label: str = ""
    original: bool = True

    @property
    def seconds(self) -> float:
        """Length of the recording."""
        return len(self.values_mv) / self.frequency_hz

    def channel(self, name: str) -> NDArray[np.float32]:
        """Values of one channel, shape (samples,)."""
        if name not in self.channels:
            raise ValueError(f"channel: expected one of {', '.join(self.channels)}, got {name!r}")
        return self.values_mv[:, self.channels.index(name)]


@only_our_errors
def read_waveform(path: str | os.PathLike[str], group: int | None = None) -> Waveform:
    """Read one multiplex group of a DICOM waveform file.

    Parameters
    ----------
    path : path-like
    group : int, optional
        Which multiplex group, from 0. A file with several is refused without it.

    Returns
    -------
    Waveform
        value = (stored · Channel Sensitivity · Channel Sensitivity Correction Factor + Channel Baseline), in the
        sensitivity's unit, then in mV.

    Raises
    ------
    DicomError
        If the file is no DICOM file, holds no waveform, asks for too much, lacks an attribute, contradicts itself, is
        of another unit than a voltage, or has channels that were not sampled at the same time. The message holds
        neither the file's name nor any of its values that could identify a person.
    """
    content = read_bytes(path, DicomError)
    dataset = parse(content)
    index, item = _choose_group(dataset, group)
    header = Header(item)
    channels = _channel_items(item, header)
    frequency = header.number("SamplingFrequency")
    if frequency is None or frequency <= 0:
        raise DicomError(f"{tag_name('SamplingFrequency')} expects a positive number of samples per second")
    _check_data(dataset, item, header, len(channels))
    to_mv = np.array([_millivolts_per_unit(channel) for channel in channels])
    values = _decode(dataset, index) * to_mv
    missing = _padding(item, header, dataset, index)
    if missing is not None:
        values[missing] = np.nan
    return Waveform(
        values.astype(np.float32),
        tuple(_name(channel, place) for place, channel in enumerate(channels)),
        frequency,
        header.code("MultiplexGroupLabel", _LABELS),
        header.code("WaveformOriginality") != "DERIVED",
    )


def _choose_group(dataset: Dataset, group: int | None) -> tuple[int, Dataset]:
    items = Header(dataset).find("WaveformSequence")
    if items is None:
        raise DicomError(f"{tag_name('WaveformSequence')} is missing: the file holds no waveform; give one that does")
    if group is None and len(items) > 1:
        raise DicomError(
            f"{tag_name('WaveformSequence')} has {len(items)} groups, and one was asked for; "
            f"choose one with read_waveform(path, group=0), 0 to {len(items) - 1}"
        )
    index = 0 if group is None else group
    if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < len(items):
        raise DicomError(f"group expects 0 to {len(items) - 1} ({tag_name('WaveformSequence')}), got {group!r}")
    return index, items[index]


def _channel_items(item: Dataset, header: Header) -> list[Dataset]:
    count = header.integer("NumberOfWaveformChannels")
    channels = list(header.find("ChannelDefinitionSequence") or [])
    if count < 1 or len(channels) != count:
        raise DicomError(
            f"{tag_name('NumberOfWaveformChannels')} is {count}, and {tag_name('ChannelDefinitionSequence')} describes "
            f"{len(channels)}; expected the same, at least 1"
        )
    for channel in channels:
        own = Header(channel)
        for keyword in ("ChannelSampleSkew", "ChannelTimeSkew"):
            if own.number(keyword):
                raise DicomError(f"{tag_name(keyword)} is not 0: channels that are not sampled together are not read")
    return channels


def _check_data(dataset: Dataset, item: Dataset, header: Header, channels: int) -> None:
    """Everything that decides how the bytes are read, before anything is allocated."""
    if dataset.file_meta.get("TransferSyntaxUID") == ExplicitVRBigEndian:
        raise DicomError(f"{tag_name('TransferSyntaxUID')}: waveforms in big-endian order are not read")
    samples = header.integer("NumberOfWaveformSamples")
    if samples < 1 or samples * channels > MAX_SAMPLES:
        raise DicomError(
            f"the waveform asks for {channels} channels of {samples} samples; at least 1 and together at most "
            f"{MAX_SAMPLES} are read"
        )
    allocated, kind = header.integer("WaveformBitsAllocated"), header.code("WaveformSampleInterpretation")
    if _INTERPRETATIONS.get(kind) != allocated:
        known = ", ".join(f"{name} with {bits}" for name, bits in _INTERPRETATIONS.items())
        raise DicomError(
            f"{tag_name('WaveformSampleInterpretation')} and {tag_name('WaveformBitsAllocated')} expect one of "
            f"{known}, got {kind or 'nothing'} with {allocated}"
        )
    data = header.find("WaveformData")
    if data is None:
        raise DicomError(f"{tag_name('WaveformData')} is missing; export the file again")
    expected = samples * channels * allocated // 8
    if len(data) not in (expected, expected + expected % 2):
        raise DicomError(f"{tag_name('WaveformData')} expects {expected} bytes, got {len(data)}; export the file again")


def _millivolts_per_unit(channel: Dataset) -> float:
    own = Header(channel)
    if not own.number("ChannelSensitivity"):
        raise DicomError(f"{tag_name('ChannelSensitivity')} is missing or 0, and the values have no unit without it")
    unit = own.find("ChannelSensitivityUnitsSequence")
    code = "" if unit is None else str(Header(unit[0]).find("CodeValue") or "").strip()
    if code not in _MILLIVOLTS:
        raise DicomError(
            f"{tag_name('ChannelSensitivityUnitsSequence')} expects a voltage, one of {', '.join(_MILLIVOLTS)}; "
            f"other waveforms are not read"
        )
    return _MILLIVOLTS[code]


def _decode(dataset: Dataset, index: int, raw: bool = False) -> NDArray[Any]:
    with refusing(f"{tag_name('WaveformData')} is damaged or cannot be decoded; export the file again"):
        values = np.asarray(multiplex_array(dataset, index, as_raw=raw))
    return values if raw else values.astype(np.float64)


def _padding(item: Dataset, header: Header, dataset: Dataset, index: int) -> NDArray[np.bool_] | None:
    """True where a stored value is Waveform Padding Value."""
    value = header.find("WaveformPaddingValue")
    if value is None:
        return None
    raw = _decode(dataset, index, raw=True)
    if isinstance(value, bytes):
        if len(value) < raw.dtype.itemsize:
            raise DicomError(f"{tag_name('WaveformPaddingValue')} has too few bytes; export the file again")
        value = np.frombuffer(value[: raw.dtype.itemsize], raw.dtype)[0]
    return np.asarray(raw == value, np.bool_)


def _name(channel: Dataset, place: int) -> str:
    """The meaning of the channel's coded source, where it is the name of a lead: other text may name a person."""
    source = Header(channel).find("ChannelSourceSequence")
    meaning = "" if source is None else str(Header(source[0]).find("CodeMeaning") or "").strip()
    return meaning if _LEAD.fullmatch(meaning) else f"channel {place + 1}"
