"""NIfTI files in and out, in the coordinates of DICOM.

NIfTI's +x leads to the patient's right, +y to the front, +z to the head (RAS); a `Volume` has +x to the left, +y to the
back, +z to the head (LPS): the first two signs change on the way in and out. NIfTI's first index, which runs fastest in
the file, is a volume's last axis.

Taught in lesson 02, DICOM and geometry.
"""

import gzip
import importlib
import math
import os
import tempfile
import zlib
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from mediml.imaging.image import ImageError, Step, WindowView
from mediml.imaging.volume import Vector, Volume, check_voxel_count, place_of

__all__ = ["NiftiError", "load_nibabel", "read_nifti", "write_nifti"]

#: RAS to LPS and back.
_FLIP = np.diag([-1.0, -1.0, 1.0, 1.0])
_TYPES = frozenset(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)) | {"float32", "float64"}
_LONGEST_AXIS = 32767

#: Spacing, directions and origin of a volume.
Place = tuple[Vector, tuple[Vector, Vector, Vector], Vector]

#: Extensions lie between the header and the voxels; they are skipped, and may not be longer.
_MAX_OFFSET = 2**26
_BLOCK = 2**22


class NiftiError(ImageError):
    """A NIfTI file was refused. The message names the field of the header, and no file."""


def read_nifti(
    path: str | os.PathLike[str],
    *,
    index: int | None = None,
    units: str = "arbitrary",
    modality: str = "unknown",
    not_numbers: str = "refuse",
) -> Volume:
    """Read a ``.nii`` or ``.nii.gz`` file (NIfTI-1 or NIfTI-2).

    Parameters
    ----------
    path : path-like
    index : int, optional
        Which volume of a file with a fourth axis, from 0. Such a file is refused without it.
    units, modality : str
        What the values are: the file does not say.
    not_numbers : {"refuse", "padding"}
        What becomes of NaN and infinity. ``"padding"`` sets them to the lowest number and marks them.

    Returns
    -------
    Volume
        Axes plane, row, column are the file's third, second and first: nothing is turned (`reorient` does that).
        `stored` is what the file holds, `values` are scl_slope · stored + scl_inter in float32, in float64 where
        voxels are whole numbers of more than 16 bits or float64. The place is that of the sform, else of the qform.

    Raises
    ------
    ImportError
        If nibabel is not installed.
    NiftiError
        If the file is no NIfTI file of one part, damaged or cut short; has not three axes, too many voxels, colour or
        complex voxels, axes that are not at right angles, a unit of length other than the millimetre, or values that
        are no numbers.

    Notes
    -----
    The header is checked before its voxels are read, and of a compressed file no more is unpacked than the header
    asks for, so that a small file cannot fill the memory. Without qform and sform the place is unknown: the first axis
    is then taken to lead to the left, the second to the front and the third to the head, as the format's oldest rule
    has it, and a doubt says so.

    References
    ----------
    NIfTI-1 data format, nifti1.h (3.: methods 1 to 3 of orientation). Taught in lesson 02.
    """
    if not_numbers not in ("refuse", "padding"):
        raise ValueError(f"read_nifti: not_numbers expects 'refuse' or 'padding', got {not_numbers!r}")
    nibabel = load_nibabel()
    try:
        with open(path, "rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            stream: Any = gzip.GzipFile(fileobj=file) if packed else file
            header = _header(nibabel, stream)
            stored = _voxels(stream, header, _shape(header, index), index)
    except FileNotFoundError:
        raise NiftiError("there is no such file; check the path") from None
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise NiftiError("the compressed file is damaged or cut short; fetch it again") from None
    except OSError as problem:
        raise NiftiError(f"the file cannot be read ({type(problem).__name__}); expected a NIfTI file") from None
    account: list[Step] = []
    doubts: list[Step] = []
    spacing, directions, origin = _place(header, account, doubts)
    values = _scaled(header, stored, account)
    values, padding = _numbers_only(values, not_numbers, account)
    return Volume(
        stored=stored, values=values, spacing_mm=spacing, directions=directions, origin_mm=origin, units=units,
        modality=modality, padding=padding, account=tuple(account), doubts=tuple(doubts),
    )  # fmt: skip


def load_nibabel() -> Any:
    """The package that knows the headers; an `ImportError` that says how to get it where it is not installed."""
    try:
        return importlib.import_module("nibabel")
    except ImportError:
        raise ImportError("NIfTI files need nibabel; run: pip install nibabel") from None


def _header(nibabel: Any, stream: BinaryIO) -> Any:
    """The header, whose 4 first bytes are its length: 348 in NIfTI-1, 540 in NIfTI-2."""
    start = stream.read(4)
    for length, kind, magic in ((348, nibabel.Nifti1Header, b"n+1"), (540, nibabel.Nifti2Header, b"n+2")):
        for order, sign in (("little", "<"), ("big", ">")):
            if start == length.to_bytes(4, order):  # type: ignore[arg-type]
                block = start + stream.read(length - 4)
                if len(block) < length:
                    raise NiftiError("the header is cut short; fetch the file again")
                header = kind(binaryblock=block, endianness=sign, check=False)
                found = bytes(header["magic"].item())
                if found[:3] != magic:
                    raise NiftiError(
                        "magic expects 'n+1' or 'n+2' (one file, .nii or .nii.gz); Analyze files and pairs "
                        ".hdr/.img are not read"
                    )
                return header
    raise NiftiError("the file does not begin as a NIfTI file does (sizeof_hdr 348 or 540)")


def _shape(header: Any, index: int | None) -> tuple[int, int, int]:
    """The first three sizes, once the header as a whole is known to be readable."""
    dimensions = [int(n) for n in header["dim"]]
    rank = dimensions[0]
    if not 3 <= rank <= 7 or min(dimensions[1 : rank + 1]) < 1:
        raise NiftiError(f"dim expects three axes of at least one voxel, got {dimensions[1 : max(1, rank) + 1][:7]}")
    if any(n > 1 for n in dimensions[5 : rank + 1]):
        raise NiftiError(f"dim expects at most four axes, got {dimensions[1 : rank + 1]}")
    fourth = dimensions[4] if rank >= 4 else 1
    if index is None and fourth > 1:
        raise NiftiError(f"dim: the file holds {fourth} volumes; choose one with read_nifti(path, index=0)")
    if index is not None and (isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < fourth):
        raise NiftiError(f"read_nifti: index expects 0 to {fourth - 1}, got {index!r}")
    first, second, third = dimensions[1:4]
    check_voxel_count((third, second, first), NiftiError)
    return (third, second, first)


def _voxels(stream: BinaryIO, header: Any, shape: tuple[int, int, int], index: int | None) -> NDArray[Any]:
    try:
        dtype = np.dtype(header.get_data_dtype())
    except Exception:  # nibabel's own error, of an unknown code
        raise NiftiError("datatype is unknown") from None
    if dtype.name not in _TYPES:
        raise NiftiError(f"datatype expects whole or real numbers of 8 to 64 bits, got {dtype}")
    size = math.prod(shape) * dtype.itemsize
    offset = float(header["vox_offset"])
    start = int(header["sizeof_hdr"])
    if not (start <= offset <= start + _MAX_OFFSET and offset == int(offset)):
        raise NiftiError(f"vox_offset expects {start} to {start + _MAX_OFFSET}, got {offset:g}")
    skip = int(offset) - start + (index or 0) * size
    while skip > 0:
        got = len(stream.read(min(skip, _BLOCK)))
        if got == 0:
            raise NiftiError("the voxels are cut short; fetch the file again")
        skip -= got
    content = bytearray()  # grows with what is there: a short file does not take what its header asks for
    while len(content) < size:
        part = stream.read(min(size - len(content), _BLOCK))
        if not part:
            raise NiftiError(f"expected {size} bytes of voxels, got {len(content)}; fetch the file again")
        content += part
    stream.read(1)  # at the end of a compressed file, this makes gzip compare its checksum
    return np.frombuffer(content, dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)


def _place(header: Any, account: list[Step], doubts: list[Step]) -> Place:
    """Spacing, directions and origin in LPS, by sform, qform, or the rule for neither."""
    unit = int(header["xyzt_units"]) & 7
    if unit not in (0, 2):
        name = {1: "metre", 3: "micrometre"}.get(unit, "unknown unit")
        raise NiftiError(f"xyzt_units expects millimetres, got {name}; convert the file first")
    if unit == 0:
        doubts.append(Step("nifti_units_unknown"))
    try:
        sform = header.get_sform() if int(header["sform_code"]) > 0 else None
        qform = header.get_qform() if int(header["qform_code"]) > 0 else None
        matrix, form = (sform, "sform") if sform is not None else (qform, "qform")
        if matrix is None:
            matrix, form = header.get_base_affine(), "rule for files without a place"
    except Exception:  # nibabel's own errors, of a quaternion or of steps that are none
        raise NiftiError("quatern_b, c, d or pixdim give no rotation; fetch the file again") from None
    if sform is None and qform is None:
        doubts.append(Step("nifti_unplaced"))
    elif sform is not None and qform is not None and _differ(sform, qform, header):
        doubts.append(Step("nifti_forms_differ"))
    account.append(Step("nifti", {"form": form}))
    if not np.isfinite(matrix).all():
        raise NiftiError(f"{form} expects finite numbers")
    return place_of((_FLIP @ matrix)[:, [2, 1, 0, 3]], NiftiError)


def _differ(sform: NDArray[Any], qform: NDArray[Any], header: Any) -> bool:
    """Whether they place any corner more than a tenth of the smallest step apart."""
    sizes = np.asarray(header["dim"][1:4], np.float64) - 1
    corners = np.array([[*(sizes * corner), 1] for corner in np.ndindex(2, 2, 2)])
    apart = np.abs(corners @ (sform - qform).T).max()
    return not apart <= 0.1 * np.linalg.norm(sform[:3, :3], axis=0).min()


def _scaled(header: Any, stored: NDArray[Any], account: list[Step]) -> NDArray[Any]:
    wide = stored.dtype == np.float64 or (stored.dtype.kind in "iu" and stored.dtype.itemsize > 2)
    dtype = np.float64 if wide else np.float32
    slope, intercept = float(header["scl_slope"]), float(header["scl_inter"])
    if slope == 0 or not math.isfinite(slope):  # nifti1.h: the values are not scaled
        return stored.astype(dtype)
    if not math.isfinite(intercept):
        raise NiftiError("scl_inter is not a finite number, while scl_slope is one: the values have no known scale")
    if (slope, intercept) == (1.0, 0.0):
        return stored.astype(dtype)
    account.append(Step("nifti_scaled", {"slope": slope, "intercept": intercept}))
    with np.errstate(over="ignore", invalid="ignore"):  # what becomes infinite is refused below
        return (stored.astype(np.float64) * slope + intercept).astype(dtype)


def _numbers_only(
    values: NDArray[Any], not_numbers: str, account: list[Step]
) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    wrong = ~np.isfinite(values)
    count = int(wrong.sum())
    if count == 0:
        return values, None
    if not_numbers == "refuse" or count == values.size:
        raise NiftiError(
            f'{count} of {values.size} voxels are NaN or infinite; pass not_numbers="padding" to mark them as padding'
        )
    account.append(Step("not_numbers", {"count": count}))
    return np.where(wrong, values[~wrong].min(), values), wrong


def write_nifti(path: str | os.PathLike[str], volume: Volume) -> Path:
    """Write a volume as NIfTI-1, so that every program places it alike.

    Parameters
    ----------
    path : path-like
        Ends in ``.nii`` or ``.nii.gz`` (compressed). Its folder must be there; an existing file is replaced at the end,
        in one step.
    volume : Volume
        `values` are written: as int16 where all are whole numbers that fit (Hounsfield units, labels), otherwise in
        their own float32 or float64. Either way `read_nifti` gives the same numbers again.

    Returns
    -------
    Path
        The file.

    Raises
    ------
    ImportError
        If nibabel is not installed.
    ValueError
        If the name has another ending, the folder is not there, an axis is longer than 32767, the axes are not at
        right angles, or a value is NaN or infinite. Nothing is written then.

    Notes
    -----
    qform and sform are both set, with code 1 (scanner's coordinates), and say the same; they are float32, so that a
    place is right to about 1e-7 of its distance. The first window goes to cal_min and cal_max. Padding, units and
    modality have no place in the format: padded voxels keep their numbers. The same volume gives the same bytes.

    References
    ----------
    NIfTI-1 data format, nifti1.h. Taught in lesson 02.
    """
    path, nibabel = Path(path), load_nibabel()
    if not path.name.endswith((".nii", ".nii.gz")):
        raise ValueError("write_nifti: path expects a name that ends in .nii or .nii.gz")
    if not path.parent.is_dir():
        raise ValueError("write_nifti: the folder of the file does not exist; make it first")
    image = _as_nifti(nibabel, volume)
    descriptor, temporary = tempfile.mkstemp(prefix=".", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            if path.name.endswith(".gz"):
                with gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as packed:  # no name, no time
                    image.to_stream(packed)
            else:
                image.to_stream(file)
        Path(temporary).chmod(0o644)
        os.replace(temporary, path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
    return path


def _as_nifti(nibabel: Any, volume: Volume) -> Any:
    values = np.asarray(volume.values)
    check_voxel_count(values.shape)
    if max(values.shape) > _LONGEST_AXIS:
        raise ValueError(
            f"write_nifti: volume expects at most {_LONGEST_AXIS} voxels along an axis, got {values.shape}"
        )
    if not np.isfinite(values).all():
        raise ValueError("write_nifti: volume expects finite values; programs read NaN and infinity differently")
    place_of(volume.affine)
    if values.min() >= -(2**15) and values.max() < 2**15 and (values == np.rint(values)).all():
        values = values.astype(np.int16)
    matrix = _FLIP @ volume.affine[:, [2, 1, 0, 3]]
    image = nibabel.Nifti1Image(values.transpose(2, 1, 0), matrix)
    image.set_sform(matrix, code=1)
    image.set_qform(matrix, code=1)
    image.header.set_xyzt_units(xyz="mm")
    image.header.set_slope_inter(1, 0)
    if volume.views and isinstance(volume.views[0], WindowView):
        view = volume.views[0]
        image.header["cal_min"], image.header["cal_max"] = view.center - view.width / 2, view.center + view.width / 2
    return image
