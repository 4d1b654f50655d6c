"""One frame's bytes to its stored values: which decoder does it, and whether it may do it in this process.

| encoding | decoder | where |
|---|---|---|
| native, deflated, RLE | this package | here |
| JPEG, 8 bits | Pillow | here |
| JPEG 2000, high-throughput too | pylibjpeg-openjpeg, else Pillow | here |
| JPEG-LS | pyjpegls | here |
| JPEG lossless, JPEG of 12 bits | GDCM | in a process of its own: it ends the process on a damaged stream |

A decoder is always named, as pydicom left to itself takes any that is installed.
"""

import importlib.util
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydicom.pixels import get_decoder
from pydicom.uid import (
    HTJ2K,
    JPEG2000,
    HTJ2KLossless,
    HTJ2KLosslessRPCL,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGExtended12Bit,
    JPEGLossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    JPEGLSNearLossless,
    RLELossless,
)

from mediml.imaging.decoding.codestream import Codestream, read_codestream
from mediml.imaging.decoding.jpeg import decode_jpeg
from mediml.imaging.decoding.jpeg_gdcm import decode_with_gdcm
from mediml.imaging.decoding.pixels import PixelDescription, as_dataset, extract_bits, native_values
from mediml.imaging.decoding.rle import decode_rle
from mediml.imaging.image import DicomError
from mediml.imaging.standard.header import refusing, tag_name

__all__ = ["Decoded", "decode", "needs_worker"]

_JPEG = (JPEGBaseline8Bit, JPEGExtended12Bit)
_LOSSLESS = (JPEGLossless, JPEGLosslessSV1)
_JPEG_LS = (JPEGLSLossless, JPEGLSNearLossless)
_JPEG_2000 = (JPEG2000Lossless, JPEG2000)
_HIGH_THROUGHPUT = (HTJ2KLossless, HTJ2KLosslessRPCL, HTJ2K)

#: What may lie within the stream, by the transfer syntax (PS3.5, A.4).
_KINDS = {
    **dict.fromkeys(_JPEG, ("SOF0", "SOF1")),
    **dict.fromkeys(_LOSSLESS, ("SOF3",)),
    **dict.fromkeys(_JPEG_LS, ("LS",)),
    **dict.fromkeys(_JPEG_2000 + _HIGH_THROUGHPUT, ("2000",)),
}

#: pydicom's plugins, the packages they need, and the extra that brings them; the first that is there is taken.
_PLUGINS = {
    **dict.fromkeys(_JPEG_LS, (("pyjpegls", "jpeg_ls"),)),
    **dict.fromkeys(_JPEG_2000, (("pylibjpeg", "openjpeg"), ("pillow", "PIL"))),
    **dict.fromkeys(_HIGH_THROUGHPUT, (("pylibjpeg", "openjpeg"),)),
}
_EXTRAS = {"pyjpegls": "codecs", "pylibjpeg": "codecs", "pillow": "codecs"}

#: The decoder keeps kilobytes for each; tiles of 64 pixels of the largest radiographs are some thousands.
_MAX_TILES = 16_384


class Decoded(NamedTuple):
    """Stored values, and what their three samples mean: ``"RGB"`` or ``"YBR_FULL"``; of grey, the file's own term."""

    stored: NDArray[Any]
    photometric: str


def needs_worker(data: bytes | memoryview, described: PixelDescription) -> bool:
    """Whether only a decoder that can end the process reads these pixels."""
    if described.syntax in _LOSSLESS:
        return True
    stream = read_codestream(bytes(data)) if described.syntax == JPEGExtended12Bit else None
    return stream is not None and stream.precision == 12


def decode(data: bytes | memoryview, described: PixelDescription, frame: int) -> Decoded:
    """One frame, decoded in this process.

    Parameters
    ----------
    data : bytes
        As `mediml.imaging.decoding.pixels.encoded_frame` gives it.
    frame : int
        Its number: packed bits of native frames may begin within a byte.
    """
    meaning = "YBR_FULL" if described.photometric == "YBR_FULL_422" else described.photometric
    if described.is_native:
        return Decoded(native_values(data, described, frame), meaning)
    data = bytes(data)  # one compressed stream
    if described.syntax == RLELossless:
        with refusing(_damaged(described)):
            cells = decode_rle(data, described.rows, described.columns, described.samples, described.allocated)
        return Decoded(extract_bits(cells, described), meaning)
    if described.high_bit != described.bits - 1:
        raise DicomError(
            f"{tag_name('HighBit')} expects {tag_name('BitsStored')} - 1 = {described.bits - 1} in a compressed "
            f"file, got {described.high_bit}"
        )
    return _decode_stream(data, described)


def _decode_stream(data: bytes, described: PixelDescription) -> Decoded:
    if described.syntax not in _KINDS:
        raise DicomError(
            f"no decoder is known for {described.syntax.name} ({tag_name('TransferSyntaxUID')}); "
            f"have the file exported uncompressed"
        )
    stream = _checked_stream(data, described)
    if described.syntax not in _JPEG + _LOSSLESS:
        values = _by_plugin(data, described)
        return Decoded(_in_range(values, described), _said(described, stream))
    with refusing(_damaged(described)):
        if needs_worker(data, described):
            _check_gdcm(described)
            values = decode_with_gdcm(data, described)
        else:
            values = decode_jpeg(data, stream)
    if described.signed and stream.precision == values.dtype.itemsize * 8:
        values = values.view(f"i{values.dtype.itemsize}")
    elif int(values.max()) >> described.bits == 0:
        values = extract_bits(values, described)
    meaning = "YBR_FULL" if stream.colour == "YBR" and stream.components == 3 else _said(described, stream)
    return Decoded(_in_range(values, described), meaning)


def _check_gdcm(described: PixelDescription) -> None:
    from mediml.imaging.decoding.worker import in_decoding_process

    if not in_decoding_process():
        raise RuntimeError("a decoder that can end the process was called in this one")
    if importlib.util.find_spec("gdcm") is None:
        raise DicomError(
            f"no decoder is installed for {described.syntax.name} ({tag_name('TransferSyntaxUID')}); "
            f"install mediml[gdcm], or have the file exported uncompressed"
        )


def _checked_stream(data: bytes, described: PixelDescription) -> Codestream:
    """A compressed frame says its own size; a decoder would allocate that, whatever the header says."""
    stream = read_codestream(data)
    if stream is None or stream.kind not in _KINDS[described.syntax]:
        raise DicomError(
            f"{tag_name('PixelData')} holds no stream of {described.syntax.name}, "
            f"which {tag_name('TransferSyntaxUID')} promises; export the file again"
        )
    if (stream.rows, stream.columns) != (described.rows, described.columns):
        raise DicomError(
            f"{tag_name('PixelData')} holds a picture of {stream.rows} × {stream.columns} pixels, "
            f"{tag_name('Rows')} and {tag_name('Columns')} say {described.rows} × {described.columns}"
        )
    if stream.components != described.samples or not stream.even or stream.tiles > _MAX_TILES:
        raise DicomError(
            f"{tag_name('PixelData')} holds a picture of {stream.components} components in {stream.tiles} tiles; "
            f"expected {described.samples} ({tag_name('SamplesPerPixel')}) of one kind in at most {_MAX_TILES}"
        )
    if len(data) < stream.least_bytes:
        raise DicomError(
            f"{tag_name('PixelData')} is cut short: {len(data)} bytes for {stream.rows} × {stream.columns} pixels"
        )
    if stream.precision > described.allocated or (described.syntax in _JPEG and stream.precision not in (8, 12)):
        raise DicomError(
            f"{tag_name('PixelData')} holds {stream.precision} bits, "
            f"{tag_name('BitsAllocated')} says {described.allocated}"
        )
    return stream


def _said(described: PixelDescription, stream: Codestream) -> str:
    """What three decoded samples mean: what the stream's own transform leaves of what the header says."""
    photometric = described.photometric
    if described.samples == 1 or photometric == "RGB":
        return photometric
    if stream.kind == "2000":
        transformed = photometric in ("YBR_ICT", "YBR_RCT")
        if transformed != bool(stream.mixes_colours):
            raise DicomError(
                f"{tag_name('PhotometricInterpretation')} says {photometric}, and the JPEG 2000 stream is "
                f"{'' if stream.mixes_colours else 'not '}transformed; export the file again"
            )
        return "RGB" if transformed else "YBR_FULL"
    if photometric in ("YBR_ICT", "YBR_RCT"):
        raise DicomError(f"{tag_name('PhotometricInterpretation')}: {photometric} is for JPEG 2000 only")
    return "RGB" if stream.colour == "RGB" else "YBR_FULL"


def _by_plugin(data: bytes, described: PixelDescription) -> NDArray[Any]:
    plugins = _PLUGINS[described.syntax]
    plugin = next((name for name, module in plugins if importlib.util.find_spec(module) is not None), None)
    if plugin is None:
        raise DicomError(
            f"no decoder is installed for {described.syntax.name} ({tag_name('TransferSyntaxUID')}); "
            f"install mediml[{_EXTRAS[plugins[0][0]]}], or have the file exported uncompressed"
        )
    with refusing(_damaged(described)):
        decoder = get_decoder(described.syntax)
        values, _ = decoder.as_array(as_dataset(data, described), index=0, raw=True, decoding_plugin=plugin)
    if values.shape != described.shape:
        raise DicomError(f"{tag_name('PixelData')} expects {described.shape} values, got {values.shape}")
    return values


def _in_range(values: NDArray[Any], described: PixelDescription) -> NDArray[Any]:
    """Decoded values, where Bits Stored can hold them."""
    low = -(2 ** (described.bits - 1)) if described.signed else 0
    if int(values.min()) < low or int(values.max()) >= low + 2**described.bits:
        raise DicomError(
            f"{tag_name('PixelData')} holds values that {tag_name('BitsStored')} = {described.bits} cannot; "
            f"export the file again"
        )
    return np.asarray(values)


def _damaged(described: PixelDescription) -> str:
    return f"{tag_name('PixelData')} is damaged or cannot be decoded as {described.syntax.name}; export the file again"
