"""Small files of every encoding, for `fuzz.py` to damage. A canary stands wherever a file may hold text."""

import io
from pathlib import Path

import numpy as np
import pydicom
from PIL import Image as Pillow
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)

CANARY = "Zebrafisch"
RNG = np.random.default_rng(4)
TEST_FILES = Path(pydicom.__file__).parent / "data" / "test_files"


def build(pixels, syntax=ExplicitVRLittleEndian, stream=None, **attributes):
    """A file's content: `pixels` as they are, or the compressed `stream` of them."""
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = "1.2.840.10008.5.1.4.1.1.7"
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = "1.2.3.4"
    dataset.PatientName, dataset.PatientID, dataset.Modality = f"{CANARY}^Q", CANARY, "CR"
    dataset.PatientComments, dataset.StudyDescription, dataset.PatientAge = CANARY, CANARY, "045Y"
    block = dataset.private_block(0x0029, CANARY, create=True)
    block.add_new(0x01, "LO", CANARY)
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.Rows, dataset.Columns = pixels.shape[:2] if pixels.ndim < 4 else pixels.shape[1:3]
    if pixels.ndim == 3 and pixels.shape[2] == 3:
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation, dataset.PlanarConfiguration = 3, "RGB", 0
    bits = pixels.dtype.itemsize * 8
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = bits, bits, bits - 1
    dataset.PixelRepresentation = int(pixels.dtype.kind == "i")
    little = syntax != ExplicitVRBigEndian
    data = pixels.astype(pixels.dtype.newbyteorder("<" if little else ">")).tobytes()
    dataset.add_new(0x7FE00010, "OW" if bits > 8 else "OB", data + b"\0" * (len(data) % 2))
    for keyword, value in attributes.items():
        setattr(dataset, keyword, value)
    if stream is not None:
        streams = stream if isinstance(stream, list) else [stream]
        dataset.add_new(0x7FE00010, "OB", encapsulate(streams))
        dataset["PixelData"].is_undefined_length = True
    out = io.BytesIO()
    dataset.save_as(out, enforce_file_format=True)
    return out.getvalue()


def compressed(pixels, syntax, **attributes):
    """By one of pydicom's encoders."""
    dataset = pydicom.dcmread(io.BytesIO(build(pixels, **attributes)))
    dataset.compress(syntax)
    out = io.BytesIO()
    dataset.save_as(out)
    return out.getvalue()


def picture(pixels, format, **options):
    stream = io.BytesIO()
    Pillow.fromarray(pixels).save(stream, format, **options)
    return stream.getvalue()


def lut(descriptor, data):
    item = Dataset()
    item.add_new(0x00283002, "US", descriptor)
    item.LUTExplanation = CANARY
    item.add_new(0x00283006, "OW", np.asarray(data, "<u2").tobytes())
    return item


def palette(segmented=False):
    entries = np.arange(256, dtype="<u2") * 257
    data = np.array([0, 2, 0, 257, 1, 254, 65535], "<u2") if segmented else entries
    prefix = "Segmented" if segmented else ""
    colours = ("Red", "Green", "Blue")
    return (
        {"PhotometricInterpretation": "PALETTE COLOR"}
        | {f"{colour}PaletteColorLookupTableDescriptor": [256, 0, 16] for colour in colours}
        | {f"{prefix}{colour}PaletteColorLookupTableData": data.tobytes() for colour in colours}
    )


def enhanced():
    """Two frames, each with its own functional groups."""

    def group(**macros):
        item = Dataset()
        for sequence, attributes in macros.items():
            macro = Dataset()
            for keyword, value in attributes.items():
                setattr(macro, keyword, value)
            setattr(item, sequence, [macro])
        return item

    frames = [
        group(
            PixelValueTransformationSequence={"RescaleSlope": k, "RescaleIntercept": "-5", "RescaleType": "HU"},
            FrameVOILUTSequence={"WindowCenter": "40", "WindowWidth": "80", "WindowCenterWidthExplanation": CANARY},
            PlanePositionSequence={"ImagePositionPatient": ["0", "0", k]},
        )
        for k in ("1", "2")
    ]
    shared = group(PixelMeasuresSequence={"PixelSpacing": ["1", "2"], "SliceThickness": "3"})
    return {
        "NumberOfFrames": 2,
        "PerFrameFunctionalGroupsSequence": frames,
        "SharedFunctionalGroupsSequence": [shared],
    }


def seeds():
    """Name and content of each."""
    grey = RNG.integers(0, 4096, (12, 9)).astype(np.uint16)
    signed = (grey.astype(np.int32) - 2048).astype(np.int16)
    byte = (grey >> 4).astype(np.uint8)
    colour = RNG.integers(0, 256, (10, 8, 3)).astype(np.uint8)
    window = {"WindowCenter": ["40", "5"], "WindowWidth": ["80", "9"], "WindowCenterWidthExplanation": [CANARY, CANARY]}
    rescale = {"RescaleSlope": "2", "RescaleIntercept": "-1024", "RescaleType": CANARY[:4]}
    frames = np.stack([grey, grey + 1])
    two = {"NumberOfFrames": 2, "Rows": 12, "Columns": 9}
    tables = {"ModalityLUTSequence": [lut([16, 0, 16], range(16))], "VOILUTSequence": [lut([16, 0, 12], range(16))]}
    pairs = RNG.integers(0, 256, (10, 8, 2)).astype(np.uint8)
    ybr = {"PhotometricInterpretation": "YBR_FULL_422", "SamplesPerPixel": 3, "PlanarConfiguration": 0}
    return {
        "explicit": build(grey, BitsStored=12, HighBit=11, **window, **rescale, PixelPaddingValue=3),
        "tables": build(grey, **tables, PixelSpacing=["1", "2"]),
        "implicit": build(signed, ImplicitVRLittleEndian, **tables),
        "big endian": build(signed, ExplicitVRBigEndian, **window, **rescale),
        "big endian bytes": build(byte, ExplicitVRBigEndian, PixelData=byte.tobytes()),
        "deflated": build(grey, DeflatedExplicitVRLittleEndian, **window),
        "colour": build(colour, PlanarConfiguration=1),
        "ybr": build(pairs, **ybr),
        "bits": build(
            RNG.integers(0, 256, (2, 8)).astype(np.uint8), BitsAllocated=1, BitsStored=1, HighBit=0, Columns=64
        ),
        "wide": build(grey.astype(np.uint32), **rescale),
        "float": floating(grey, "FloatPixelData", 32),
        "double": floating(grey, "DoubleFloatPixelData", 64),
        "palette": build(byte, **palette()),
        "segmented": build(byte, **palette(segmented=True)),
        "frames": build(frames, **two),
        "enhanced": build(frames, **two | enhanced()),
        "enhanced implicit": build(frames, ImplicitVRLittleEndian, **two | enhanced()),
        "rle": compressed(grey, RLELossless, **window),
        "rle colour": compressed(colour, RLELossless),
        "rle frames": compressed(frames, RLELossless, **two),
        "jpeg": build(byte, JPEGBaseline8Bit, picture(byte, "JPEG")),
        "jpeg colour": build(
            colour, JPEGBaseline8Bit, picture(colour, "JPEG"), PhotometricInterpretation="YBR_FULL_422"
        ),
        "jpeg frames": build(byte, JPEGBaseline8Bit, [picture(byte, "JPEG")] * 3, NumberOfFrames=3),
        "jpeg 2000": build(byte, JPEG2000Lossless, picture(byte, "JPEG2000", no_jp2=True)),
        "jpeg 2000 of 16 bits": build(grey, JPEG2000Lossless, picture(grey, "JPEG2000", no_jp2=True)),
        "jpeg 2000 colour": build(
            colour,
            JPEG2000Lossless,
            picture(colour, "JPEG2000", no_jp2=True, mct=1),
            PhotometricInterpretation="YBR_RCT",
        ),
        "jpeg-ls": compressed(grey, JPEGLSLossless),
        "jpeg-ls colour": compressed(colour, JPEGLSLossless),
        "jpeg of 12 bits": (TEST_FILES / "JPGExtended.dcm").read_bytes(),
        "jpeg lossless": (TEST_FILES / "SC_rgb_jpeg_gdcm.dcm").read_bytes(),
        "ct slice": (TEST_FILES / "CT_small.dcm").read_bytes(),
        "waveform": waveform(),
    }


def floating(grey, keyword, bits):
    content = build(grey, BitsAllocated=bits)
    dataset = pydicom.dcmread(io.BytesIO(content))
    for gone in ("PixelData", "BitsStored", "HighBit", "PixelRepresentation"):
        delattr(dataset, gone)
    setattr(dataset, keyword, grey.astype(f"<f{bits // 8}").tobytes())
    out = io.BytesIO()
    dataset.save_as(out)
    return out.getvalue()


def waveform():
    """Two channels of eight samples."""

    def code(value, meaning):
        item = Dataset()
        item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "UCUM", meaning
        return item

    channels = []
    for lead in ("Lead I", "Lead II"):
        item = Dataset()
        item.ChannelSourceSequence, item.ChannelSensitivityUnitsSequence = [code("1", lead)], [code("uV", "uV")]
        item.ChannelSensitivity, item.ChannelSensitivityCorrectionFactor, item.ChannelBaseline = "2.5", "1", "0"
        item.WaveformBitsStored = 16
        channels.append(item)
    group = Dataset()
    group.WaveformOriginality, group.MultiplexGroupLabel, group.SamplingFrequency = "ORIGINAL", "RHYTHM", "500"
    group.NumberOfWaveformChannels, group.NumberOfWaveformSamples = 2, 8
    group.ChannelDefinitionSequence = channels
    group.WaveformBitsAllocated, group.WaveformSampleInterpretation = 16, "SS"
    group.add_new("WaveformData", "OW", RNG.integers(-99, 99, 16).astype("<i2").tobytes())
    return build(np.zeros((2, 2), np.uint8), WaveformSequence=[group])
