"""DICOM waveforms: values in millivolts by hand, the packaged electrocardiogram, refusals that name the attribute."""

import numpy as np
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, TwelveLeadECGWaveformStorage, generate_uid

from mediml.data.catalog import packaged_file
from mediml.imaging.image import DicomError
from mediml.imaging.waveform import read_waveform

STORED = np.array([[0, 100], [1, -100], [-2, 32767], [3, -32768]], np.int16)


def code(value, meaning):
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "UCUM", meaning
    return item


def channel(name, unit="uV", sensitivity="2.5", **attributes):
    item = Dataset()
    item.ChannelSourceSequence = [code("1", name)]
    item.ChannelSensitivity, item.ChannelSensitivityCorrectionFactor, item.ChannelBaseline = sensitivity, "1", "0"
    item.ChannelSensitivityUnitsSequence = [code(unit, unit)]
    item.WaveformBitsStored = 16
    return change(item, attributes)


def change(item, attributes):
    for keyword, value in attributes.items():
        if value is None:
            delattr(item, keyword)
        else:
            setattr(item, keyword, value)
    return item


def group(channels=None, **attributes):
    item = Dataset()
    item.MultiplexGroupTimeOffset, item.WaveformOriginality, item.MultiplexGroupLabel = "0", "ORIGINAL", "RHYTHM"
    item.NumberOfWaveformChannels, item.NumberOfWaveformSamples, item.SamplingFrequency = 2, 4, "500"
    item.ChannelDefinitionSequence = channels or [channel("Lead I"), channel("Lead II", "mV", "0.5")]
    item.WaveformBitsAllocated, item.WaveformSampleInterpretation = 16, "SS"
    item.add_new("WaveformData", "OW", STORED.tobytes())
    return change(item, attributes)


@pytest.fixture
def file(tmp_path, canary):
    """``file(*groups)``: the path of a waveform file."""

    def write(*groups, syntax=ExplicitVRLittleEndian):
        dataset = Dataset()
        dataset.file_meta = FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = syntax
        dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = TwelveLeadECGWaveformStorage
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = generate_uid()
        dataset.PatientName, dataset.Modality = f"{canary}^Q", "ECG"
        if groups:
            dataset.WaveformSequence = list(groups)
        path = tmp_path / f"{canary}.dcm"
        dataset.save_as(path, enforce_file_format=True)
        return path

    return write


def test_values_by_hand(file):
    waveform = read_waveform(file(group()))
    expected = np.array([[0, 50], [0.0025, -50], [-0.005, 16383.5], [0.0075, -16384]])  # 2.5 µV and 0.5 mV a step
    np.testing.assert_allclose(waveform.values_mv, expected, rtol=1e-6)
    assert waveform.values_mv.dtype == np.float32 and waveform.channels == ("Lead I", "Lead II")
    assert waveform.frequency_hz == 500 and waveform.seconds == 4 / 500 and waveform.label == "RHYTHM"
    assert waveform.original
    np.testing.assert_array_equal(waveform.channel("Lead II"), waveform.values_mv[:, 1])


def test_correction_factor_baseline_and_volts(file):
    corrected = channel("A", "uV", "2", ChannelSensitivityCorrectionFactor="1.5", ChannelBaseline="10")
    waveform = read_waveform(file(group([corrected, channel("B", "V", "0.001")])))
    np.testing.assert_allclose(waveform.values_mv[:, 0], (np.array([0, 1, -2, 3]) * 3 + 10) / 1000, rtol=1e-6)
    np.testing.assert_allclose(waveform.values_mv[:, 1], [100, -100, 32767, -32768], rtol=1e-6)


def test_what_was_not_recorded_is_nan(file):
    item = group()
    item.add_new("WaveformPaddingValue", "OW", np.array([-32768], np.int16).tobytes())
    values = read_waveform(file(item)).values_mv
    assert np.isnan(values).sum() == 1 and np.isnan(values[3, 1])


@pytest.mark.parametrize(("kind", "bits", "dtype"), [("SB", 8, np.int8), ("UB", 8, np.uint8), ("US", 16, np.uint16)])
def test_other_integers(file, kind, bits, dtype):
    stored = np.array([[1, 2], [3, 4], [5, 6], [100, np.iinfo(dtype).max]], dtype)
    item = group(WaveformBitsAllocated=bits, WaveformSampleInterpretation=kind)
    item.add_new("WaveformData", "OW" if bits == 16 else "OB", stored.tobytes())
    values = read_waveform(file(item)).values_mv
    np.testing.assert_allclose(values, stored * np.array([0.0025, 0.5]), rtol=1e-6)


def test_one_of_several_groups_is_chosen(file):
    path = file(group(), group(MultiplexGroupLabel="MEDIAN BEAT", WaveformOriginality="DERIVED"))
    assert read_waveform(path, 1).label == "MEDIAN BEAT" and not read_waveform(path, group=1).original
    with pytest.raises(DicomError, match=r"has 2 groups.*read_waveform\(path, group=0\), 0 to 1"):
        read_waveform(path)
    for wrong in (2, -1, True, 0.0):
        with pytest.raises(DicomError, match="group expects 0 to 1"):
            read_waveform(path, wrong)


def test_the_packaged_electrocardiogram():
    waveform = read_waveform(packaged_file("ecg_12_leads"), 0)
    assert waveform.values_mv.shape == (10_000, 12) and waveform.seconds == 10 and waveform.original
    assert waveform.channels[1] == "Lead II" and waveform.channels[-1] == "Lead V6"
    one, two, three = waveform.values_mv[:, :3].T
    np.testing.assert_allclose(three, two - one, atol=1e-6)  # Einthoven: III = II - I
    np.testing.assert_allclose(waveform.values_mv[:, 3], -(one + two) / 2, atol=2e-3)  # aVR, to a step of 1.25 µV
    assert waveform.channel("Lead II").max() == pytest.approx(1.1375)
    assert read_waveform(packaged_file("ecg_12_leads"), 1).label == "MEDIAN BEAT"
    with pytest.raises(ValueError, match="expected one of Lead I"):
        waveform.channel("II")


@pytest.mark.parametrize(
    ("item", "text"),
    [
        (lambda: group(NumberOfWaveformChannels=3), r"\(003A,0005\) is 3, and .* describes 2"),
        (lambda: group(NumberOfWaveformChannels=0), "at least 1"),
        (lambda: group(NumberOfWaveformSamples=5), "expects 20 bytes, got 16"),
        (lambda: group(NumberOfWaveformSamples=0), "2 channels of 0 samples"),
        (lambda: group(NumberOfWaveformSamples=2**31), "at most 50000000 are read"),
        (lambda: group(NumberOfWaveformSamples=None), r"\(003A,0010\) is missing"),
        (lambda: group(SamplingFrequency="0"), r"\(003A,001A\) expects a positive number"),
        (lambda: group(SamplingFrequency=None), r"\(003A,001A\) expects a positive number"),
        (lambda: group(WaveformSampleInterpretation="MB"), "expect one of SB with 8.*got MB with 16"),
        (lambda: group(WaveformBitsAllocated=8), "got SS with 8"),
        (lambda: group(WaveformData=None), r"\(5400,1010\) is missing"),
        (lambda: group([channel("A"), channel("B", "mm[Hg]")]), r"\(003A,0211\) expects a voltage"),
        (lambda: group([channel("A"), channel("B", sensitivity="0")]), r"\(003A,0210\) is missing or 0"),
        (lambda: group([channel("A", ChannelSensitivity=None), channel("B")]), r"\(003A,0210\) is missing or 0"),
        (lambda: group([channel("A", ChannelSampleSkew="0.5"), channel("B")]), r"\(003A,0215\) is not 0"),
    ],
)
def test_refusals(file, item, text, canary):
    with pytest.raises(DicomError, match=text) as caught:
        read_waveform(file(item()))
    assert canary not in str(caught.value)


def test_files_that_hold_no_waveform(file, write, tmp_path):
    with pytest.raises(DicomError, match=r"Waveform Sequence \(5400,0100\) is missing"):
        read_waveform(write())
    with pytest.raises(DicomError, match="big-endian order are not read"):
        read_waveform(file(group(), syntax=ExplicitVRBigEndian))
    (tmp_path / "text").write_text("no DICOM")
    with pytest.raises(DicomError, match="does not begin as a DICOM file does"):
        read_waveform(tmp_path / "text")
    with pytest.raises(DicomError, match="no such file"):
        read_waveform(tmp_path / "none")


def test_a_file_cut_short_is_refused_and_names_nobody(file, canary):
    path = file(group())
    content = path.read_bytes()
    for length in (len(content) - 4, len(content) - 40, 400):
        path.write_bytes(content[:length])
        with pytest.raises(DicomError) as caught:
            read_waveform(path)
        assert canary not in str(caught.value)
