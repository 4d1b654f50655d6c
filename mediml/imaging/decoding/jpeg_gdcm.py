"""JPEG lossless, and JPEG of 12 bits, by GDCM.

GDCM ends the process on some damaged streams: this runs in the process of `mediml.imaging.decoding.process` and nowhere
else.
"""

import importlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mediml.imaging.decoding.pixels import PixelDescription

__all__ = ["decode_with_gdcm"]


def decode_with_gdcm(data: bytes, described: PixelDescription) -> NDArray[Any]:
    """Components as they were compressed, unsigned, of 8 or 16 bits: shape (rows, columns) or (rows, columns, 3)."""
    gdcm = importlib.import_module("gdcm")  # it has no types

    fragment = gdcm.Fragment()
    fragment.SetByteStringValue(data)
    fragments = gdcm.SequenceOfFragments.New()
    fragments.AddFragment(fragment)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetValue(fragments.__ref__())

    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((described.columns, described.rows, 1))
    image.SetDataElement(element)
    kind = gdcm.PhotometricInterpretation.GetPIType("MONOCHROME2" if described.samples == 1 else "RGB")
    image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(kind))
    if described.samples > 1:
        image.SetPlanarConfiguration(0)
    image.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.GetTSType(described.encoding)))
    image.SetPixelFormat(
        gdcm.PixelFormat(described.samples, described.allocated, described.bits, described.bits - 1, 0)
    )

    cells = image.GetBuffer().encode("utf-8", "surrogateescape")  # it gives bytes as text
    width = described.allocated // 8
    return np.frombuffer(cells, f"<u{width}").reshape(described.shape).astype(f"u{width}")
