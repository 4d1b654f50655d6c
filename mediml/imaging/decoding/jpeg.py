"""JPEG of 8 bits by Pillow, without its conversion of colours: what they are is told by the stream and the header.

References
----------
ITU-T T.81 (JPEG), T.871 (JFIF), T.872 (Adobe's marker). DICOM PS3.5, 8.2.1.
"""

from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow

from mediml.imaging.decoding.codestream import Codestream

__all__ = ["decode_jpeg"]


def decode_jpeg(data: bytes, stream: Codestream) -> NDArray[Any]:
    """The components as they were compressed, uint8: shape (rows, columns) or (rows, columns, 3).

    Components of lower resolution, as YBR_FULL_422 has, are brought to that of the others.
    """
    with Pillow.open(BytesIO(data), formats=("JPEG",)) as picture:
        if stream.components == 3 and stream.colour != "RGB":
            # libjpeg takes such a stream for YCbCr, and would give RGB without this.
            picture.draft("YCbCr", picture.size)
        if picture.mode != {1: "L", 3: "RGB" if stream.colour == "RGB" else "YCbCr"}.get(stream.components):
            raise ValueError("the stream has other components than its head says")
        return np.array(picture)
