"""PNG and JPEG files as images: one grey channel, or refused for what they are.

Such a file says nothing of units, spacing, polarity or the body: whoever exported it has applied a window already.
"""

import os
import warnings
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageOps

from mediml.imaging.image import Image, PictureError, Step, WindowView
from mediml.imaging.limits import MAX_PIXELS, check_pixel_count, read_bytes

__all__ = ["is_picture", "read_picture"]

_FORMATS = ("PNG", "JPEG")
_ORIENTATION_TAG = 0x0112  # EXIF
_GREY_TOLERANCE = 3  # JPEG of a grey picture in three channels differs by rounding


def is_picture(head: bytes) -> bool:
    """Whether a file begins as PNG or JPEG does."""
    return head.startswith((b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"))


def read_picture(path: str | os.PathLike[str]) -> Image:
    """Read a PNG (8 or 16 bits, grey, RGB or palette, with or without transparency) or JPEG file.

    Returns
    -------
    Image
        Grey where the three channels agree (to 3 of 255, as JPEG rounds), else in colour; ``modality`` is
        ``"picture"`` and ``values`` are the stored ones, 0 being black.

    Raises
    ------
    PictureError
        If the file is neither, is damaged, too large, animated, or partly transparent.
    """
    content = read_bytes(path, PictureError)
    if not is_picture(content[:16]):
        raise PictureError("the file is neither PNG nor JPEG; DICOM is read by mediml.imaging.read_image")
    account: list[Step] = []
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            picture = Pillow.open(BytesIO(content), formats=_FORMATS)
            check_pixel_count(picture.height, picture.width, PictureError)
            array = _decode(picture, account)
    except PictureError:
        raise
    except Pillow.DecompressionBombError:
        raise PictureError(f"the picture asks for too many pixels; at most {MAX_PIXELS} are read") from None
    except Exception:  # Pillow raises many kinds for damaged files
        raise PictureError("the picture is damaged or cut short; export it again") from None
    bits = 16 if array.dtype.itemsize > 1 else 8
    account.insert(0, Step("decoded", {"bits": bits, "encoding": picture.format}))
    array = _one_channel(array, account)
    values = array.astype(np.float32) if array.ndim == 2 else array.astype(np.float32) * np.float32(255 / (2**bits - 1))
    return Image(
        stored=array,
        values=values,
        modality="picture",
        # Shown as it is: 0 black, the largest number white.
        views=(WindowView((2**bits - 1) / 2, 2**bits - 1, "LINEAR_EXACT"),) if array.ndim == 2 else (),
        account=tuple(account),
        doubts=(Step("spacing_missing"),),
    )


def _decode(picture: Pillow.Image, account: list[Step]) -> NDArray[Any]:
    if getattr(picture, "n_frames", 1) != 1:
        raise PictureError("the picture is animated; give a single one")
    turned: Any = picture
    if picture.getexif().get(_ORIENTATION_TAG, 1) != 1:
        turned = ImageOps.exif_transpose(picture)
        account.append(Step("turned"))
    if turned.mode in ("P", "PA"):
        account.append(Step("palette"))
    if turned.mode in ("P", "PA") or "transparency" in turned.info:
        turned = turned.convert("RGBA")
    if turned.mode in ("LA", "RGBA"):
        if turned.getextrema()[-1][0] < 255:
            raise PictureError("the picture is partly transparent; what lies behind is not known, so export it opaque")
        account.append(Step("alpha"))
        turned = turned.convert("L" if turned.mode == "LA" else "RGB")
    if turned.mode == "1":
        turned = turned.convert("L")
    if turned.mode not in ("L", "RGB", "I;16", "I;16B", "I;16L", "I"):
        raise PictureError(f"the picture is in colour mode {turned.mode}; export it as grey or RGB")
    array = np.asarray(turned)
    if turned.mode == "I":  # older Pillow's mode for 16-bit PNG
        array = array.astype(np.uint16)
    return array.astype(array.dtype.newbyteorder("="))


def _one_channel(array: NDArray[Any], account: list[Step]) -> NDArray[Any]:
    if array.ndim == 2:
        return array
    wide = array.astype(np.int32)
    if int((wide.max(2) - wide.min(2)).max()) > _GREY_TOLERANCE:
        return array
    account.append(Step("grey_rgb"))
    return np.asarray(wide[..., 1], array.dtype)  # green weighs most in luminance
