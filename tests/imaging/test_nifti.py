"""NIfTI in and out against nibabel, and against headers made by hand."""

import gzip
import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from mediml.imaging import ImageError, NiftiError, Volume, WindowView, read_nifti, reorient, write_nifti
from mediml.imaging import nifti as module

nibabel = pytest.importorskip("nibabel")

VALUES = np.arange(2 * 3 * 4, dtype=np.float32).reshape(2, 3, 4)
TURN = np.array([[0.8, 0.6, 0.0], [-0.48, 0.64, -0.6], [-0.36, 0.48, 0.8]])  # a rotation
LETTERS = dict(zip("RAFLPH", "RAILPS"))  # DICOM's to nibabel's


def volume(values=VALUES, directions=((0, 0, 1), (0, 1, 0), (1, 0, 0)), spacing=(5.0, 2.0, 0.5), **changes):
    turned = tuple(tuple(float(x) for x in axis) for axis in directions)
    return Volume(values, values, spacing, turned, (-10.0, -20.0, 30.0), **changes)


def make(path, data=None, affine=None, **fields):
    """A file written by nibabel; `fields` replace what its header says, unchecked."""
    image = nibabel.Nifti1Image(np.asfortranarray(VALUES.T) if data is None else data, affine)
    image.header.set_xyzt_units("mm")
    nibabel.save(image, path)
    if fields:
        content = bytearray(gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes())
        header = nibabel.Nifti1Header(bytes(content[:348]), check=False)
        for name, value in fields.items():
            header[name] = value
        content[:348] = header.binaryblock
        path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


@pytest.mark.parametrize(
    "directions",
    [
        ((0, 0, 1), (0, 1, 0), (1, 0, 0)),  # axial
        ((0, 1, 0), (0, 0, -1), (1, 0, 0)),  # coronal
        ((-1, 0, 0), (0, 0, -1), (0, 1, 0)),  # sagittal
        ((0, 0, -1), (0, 1, 0), (1, 0, 0)),  # left-handed
        TURN[[2, 1, 0]],  # oblique
        -TURN[[1, 2, 0]],
    ],
)
@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_a_marked_voxel_is_where_nibabel_sees_it(tmp_path, directions, ending):
    ours = volume(directions=directions)
    path = write_nifti(tmp_path / f"x{ending}", ours)
    theirs = nibabel.load(path)
    assert theirs.shape == (4, 3, 2)
    assert nibabel.aff2axcodes(theirs.affine) == tuple(LETTERS[code] for code in reversed(ours.axis_codes))
    for plane, row, column in ((0, 0, 0), (1, 2, 3), (1, 0, 2)):
        assert theirs.get_fdata()[column, row, plane] == ours.values[plane, row, column]
        right, front, up = (theirs.affine @ (column, row, plane, 1))[:3]
        np.testing.assert_allclose(ours.position_mm((plane, row, column)), (-right, -front, up), atol=1e-5)
    for affine, code in (theirs.get_sform(coded=True), theirs.get_qform(coded=True)):
        assert code == 1
        np.testing.assert_allclose(affine, theirs.affine, atol=1e-5)
    assert theirs.header.get_xyzt_units()[0] == "mm"
    np.testing.assert_allclose(theirs.header.get_zooms(), (0.5, 2, 5))
    back = read_nifti(path)
    np.testing.assert_array_equal(back.values, ours.values)
    np.testing.assert_allclose(back.affine, ours.affine, atol=1e-5)
    assert back.doubts == () and back.account[0].values == {"form": "sform"}


def test_what_nibabel_wrote(tmp_path):
    affine = np.array([[-1.0, 0, 0, 90], [0, 2, 0, -126], [0, 0, 3, -72], [0, 0, 0, 1]])
    ours = read_nifti(make(tmp_path / "x.nii.gz", affine=affine))
    # RAS to LPS: x' = -x, y' = -y. The first index leads to the left, the second to the front, the third to the head.
    assert ours.axis_codes == ("H", "A", "L") and ours.spacing_mm == (3, 2, 1) and ours.origin_mm == (-90, 126, -72)
    np.testing.assert_array_equal(ours.values, VALUES)
    assert ours.units == "arbitrary" and ours.modality == "unknown"
    canonical = nibabel.as_closest_canonical(nibabel.load(tmp_path / "x.nii.gz"))
    np.testing.assert_array_equal(reorient(ours, "HAR").values.T, canonical.get_fdata())


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (np.float32([-1024, 3071, 0, 1]), np.int16),
        (np.float32([0.5, 1, 2, 3]), np.float32),
        (np.float32([40000, 1, 2, 3]), np.float32),
        (np.float32([-32768, 32767, 0, 0]), np.int16),
        (np.float32([32768, 1, 2, 3]), np.float32),
        (np.float64([1 / 3, 1e300, -1e-300, 0]), np.float64),
        (np.float32([1e-42, 3e38, -3e38, 1]), np.float32),
    ],
)
def test_round_trip_is_exact(tmp_path, values, expected):
    ours = volume(values.reshape(1, 2, 2))
    back = read_nifti(write_nifti(tmp_path / "x.nii.gz", ours), units="HU", modality="CT")
    assert back.stored.dtype == expected and back.units == "HU" and back.modality == "CT"
    np.testing.assert_array_equal(back.values, ours.values)
    assert back.values.dtype == ours.values.dtype


def test_the_same_bytes_twice_and_no_name_inside(tmp_path):
    first, second = (write_nifti(tmp_path / f"{name}.nii.gz", volume()) for name in ("Zebrafisch", "Quirin"))
    assert first.read_bytes() == second.read_bytes() and b"Zebrafisch" not in first.read_bytes()
    assert first.read_bytes()[4:8] == bytes(4)  # RFC 1952: no time of writing
    assert oct(first.stat().st_mode & 0o777) == "0o644"


def test_the_window_is_kept(tmp_path):
    header = nibabel.load(write_nifti(tmp_path / "x.nii", volume(views=(WindowView(40, 400),)))).header
    assert (header["cal_min"], header["cal_max"]) == (-160, 240)


def test_an_existing_file_stays_when_writing_fails(tmp_path, monkeypatch):
    path = write_nifti(tmp_path / "x.nii", volume())
    before = path.read_bytes()

    def break_down(*_):
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", break_down)
    with pytest.raises(OSError, match="disk full"):
        write_nifti(path, volume(VALUES + 1))
    assert path.read_bytes() == before and [each.name for each in tmp_path.iterdir()] == ["x.nii"]


@pytest.mark.parametrize(
    ("name", "changes", "reason"),
    [
        ("x.mgz", {}, r"a name that ends in \.nii or \.nii\.gz"),
        ("no/x.nii", {}, "the folder of the file does not exist"),
        ("x.nii", {"values": np.full((1, 1, 2), np.nan, np.float32)}, "expects finite values"),
        ("x.nii", {"values": np.zeros((1, 1, 32768), np.float32)}, "at most 32767 voxels along an axis"),
        ("x.nii", {"values": np.zeros((0, 1, 2), np.float32)}, "at least one voxel"),
        ("x.nii", {"directions": ((0, 0.6, 0.8), (0, 1, 0), (1, 0, 0))}, "axes at right angles, got a cosine of 0.6"),
    ],
)
def test_what_is_not_written(tmp_path, name, changes, reason):
    with pytest.raises(ValueError, match=reason):
        write_nifti(tmp_path / name, volume(**changes))
    assert list(tmp_path.iterdir()) == []


def test_scaled_voxels(tmp_path):
    data = np.arange(24, dtype=np.int16).reshape(4, 3, 2, order="F")
    ours = read_nifti(make(tmp_path / "x.nii", data, np.eye(4), scl_slope=0.5, scl_inter=-3))
    np.testing.assert_array_equal(ours.values, VALUES * 0.5 - 3)
    np.testing.assert_array_equal(ours.stored, VALUES)
    assert ours.values.dtype == np.float32 and ours.account[-1].values == {"slope": 0.5, "intercept": -3}
    for slope in (0, np.nan):  # nifti1.h: no scaling
        path = make(tmp_path / "x.nii", data, np.eye(4), scl_slope=slope, scl_inter=7)
        np.testing.assert_array_equal(read_nifti(path).values, VALUES)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int32, np.uint32, np.int64, np.uint64, np.float64])
def test_types_of_voxels(tmp_path, dtype):
    image = nibabel.Nifti1Image(VALUES.T.astype(dtype), np.eye(4), dtype=dtype)
    nibabel.save(image, tmp_path / "x.nii")
    ours = read_nifti(tmp_path / "x.nii")
    assert ours.stored.dtype == dtype
    assert ours.values.dtype == (np.float64 if np.dtype(dtype).itemsize > 2 else np.float32)
    np.testing.assert_array_equal(ours.values, VALUES)


def test_big_endian_and_version_2(tmp_path):
    image = nibabel.Nifti1Image(VALUES.T, np.eye(4), nibabel.Nifti1Header(endianness=">"))
    nibabel.save(image, tmp_path / "big.nii")
    assert (tmp_path / "big.nii").read_bytes()[:4] == b"\0\0\1\x5c"
    nibabel.save(nibabel.Nifti2Image(VALUES.T, np.diag([2, 3, 4, 1])), tmp_path / "two.nii.gz")
    np.testing.assert_array_equal(read_nifti(tmp_path / "big.nii").values, VALUES)
    two = read_nifti(tmp_path / "two.nii.gz")
    np.testing.assert_array_equal(two.values, VALUES)
    assert two.spacing_mm == (4, 3, 2)


def test_one_volume_of_four_axes(tmp_path):
    data = np.stack([VALUES.T, VALUES.T + 100], axis=-1)
    path = make(tmp_path / "x.nii.gz", data, np.eye(4))
    with pytest.raises(NiftiError, match=r"the file holds 2 volumes; choose one with read_nifti\(path, index=0\)"):
        read_nifti(path)
    np.testing.assert_array_equal(read_nifti(path, index=1).values, VALUES + 100)
    np.testing.assert_array_equal(read_nifti(path, index=0).values, VALUES)
    for wrong in (2, -1, True):
        with pytest.raises(NiftiError, match="index expects 0 to 1"):
            read_nifti(path, index=wrong)
    one = make(tmp_path / "one.nii", data[..., :1], np.eye(4))
    np.testing.assert_array_equal(read_nifti(one).values, VALUES)


def test_without_a_place_there_is_a_doubt(tmp_path):
    path = make(tmp_path / "x.nii", affine=np.diag([2, 3, 4, 1]), sform_code=0, qform_code=0)
    ours = read_nifti(path)
    assert [doubt.code for doubt in ours.doubts] == ["nifti_unplaced"] and ours.spacing_mm == (4, 3, 2)
    np.testing.assert_allclose(np.diag([-1, -1, 1, 1]) @ ours.affine[:, [2, 1, 0, 3]], nibabel.load(path).affine)


def test_sform_goes_before_qform(tmp_path):
    path = make(tmp_path / "x.nii", affine=np.eye(4), qform_code=1, qoffset_x=10)
    ours = read_nifti(path)
    assert [doubt.code for doubt in ours.doubts] == ["nifti_forms_differ"] and ours.origin_mm[0] == 0
    ours = read_nifti(make(tmp_path / "x.nii", affine=np.eye(4), sform_code=0, qform_code=1, qoffset_x=10))
    assert ours.doubts == () and ours.origin_mm == (-10, 0, 0) and ours.account[0].values == {"form": "qform"}


def test_units_of_length(tmp_path):
    for unit, name in ((1, "metre"), (3, "micrometre"), (5, "unknown unit")):
        with pytest.raises(NiftiError, match=f"xyzt_units expects millimetres, got {name}"):
            read_nifti(make(tmp_path / "x.nii", affine=np.eye(4), xyzt_units=unit))
    ours = read_nifti(make(tmp_path / "x.nii", affine=np.eye(4), xyzt_units=8))  # seconds, no length
    assert [doubt.code for doubt in ours.doubts] == ["nifti_units_unknown"]


def test_voxels_that_are_no_numbers(tmp_path):
    data = VALUES.T.copy()
    data[0, 0, 0], data[1, 0, 0] = np.nan, np.inf
    path = make(tmp_path / "x.nii", data, np.eye(4))
    with pytest.raises(NiftiError, match='2 of 24 voxels are NaN or infinite; pass not_numbers="padding"'):
        read_nifti(path)
    ours = read_nifti(path, not_numbers="padding")
    assert ours.padding.sum() == 2 and ours.values[0, 0, :3].tolist() == [2, 2, 2]
    with pytest.raises(ValueError, match="not_numbers expects 'refuse' or 'padding'"):
        read_nifti(path, not_numbers="zero")
    with pytest.raises(NiftiError, match="24 of 24 voxels"):
        read_nifti(make(path, np.full((4, 3, 2), np.nan), np.eye(4)), not_numbers="padding")


SHEAR = np.array([[1, 0.2, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]])


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"affine": SHEAR}, "axes at right angles, got a cosine of 0.196"),
        ({"dim": [2, 4, 3, 1, 1, 1, 1, 1]}, "dim expects three axes"),
        ({"dim": [0, 4, 3, 1, 1, 1, 1, 1]}, "dim expects three axes"),
        ({"dim": [9, 4, 3, 1, 1, 1, 1, 1]}, "dim expects three axes"),
        ({"dim": [3, 4, -3, 2, 1, 1, 1, 1]}, "dim expects three axes"),
        ({"dim": [3, 4, 0, 2, 1, 1, 1, 1]}, "dim expects three axes"),
        ({"dim": [5, 4, 3, 2, 1, 3, 1, 1]}, "dim expects at most four axes"),
        ({"dim": [3, 4, 3, 9, 1, 1, 1, 1]}, "expected 432 bytes of voxels, got 96"),
        ({"dim": [3, 32767, 32767, 32767, 1, 1, 1, 1]}, "asks for 32767 × 32767 × 32767 voxels; at most"),
        ({"datatype": 128}, "datatype expects whole or real numbers"),
        ({"datatype": 32}, "datatype expects whole or real numbers"),
        ({"datatype": 12345}, "datatype is unknown"),
        ({"vox_offset": 1e30}, "vox_offset expects 348 to"),
        ({"vox_offset": 347}, "vox_offset expects 348 to"),
        ({"vox_offset": -5}, "vox_offset expects 348 to"),
        ({"vox_offset": np.nan}, "vox_offset expects 348 to"),
        ({"magic": b"ni1"}, "magic expects 'n\\+1' or 'n\\+2'"),
        ({"magic": b""}, "magic expects"),
        ({"srow_x": [np.nan, 0, 0, 0]}, "sform expects finite numbers"),
        ({"srow_x": [0, 0, 0, 0]}, "three axes of some length"),
        ({"sform_code": 0, "qform_code": 1, "quatern_b": 9}, "quatern_b, c, d or pixdim give no rotation"),
        ({"scl_slope": 2, "scl_inter": np.inf}, "scl_inter is not a finite number"),
    ],
)
@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_headers_that_are_refused(tmp_path, fields, reason, ending):
    affine = fields.get("affine", np.eye(4))
    with pytest.raises(NiftiError, match=reason):
        read_nifti(make(tmp_path / f"x{ending}", None, affine, **{k: v for k, v in fields.items() if k != "affine"}))


def test_files_that_are_none(tmp_path):
    path = tmp_path / "Zebrafisch.nii.gz"
    good = gzip.compress(gzip.decompress(make(tmp_path / "good.nii.gz", affine=np.eye(4)).read_bytes()))
    for content, reason in (
        (b"", "does not begin as a NIfTI file does"),
        (b"nothing", "does not begin as a NIfTI file does"),
        (gzip.decompress(good)[:100], "the header is cut short"),
        (gzip.decompress(good)[:400], "expected 96 bytes of voxels, got 48"),
        (gzip.decompress(good)[:350], "the voxels are cut short"),
        (good[:80], "damaged or cut short"),
        (good[:60] + b"\0\xff" * 20 + good[100:], "damaged or cut short"),
        (good[:-8] + b"\1" * 8, "damaged or cut short"),
    ):
        path.write_bytes(content)
        with pytest.raises(NiftiError, match=reason) as refusal:
            read_nifti(path)
        assert "Zebrafisch" not in str(refusal.value)
    with pytest.raises(NiftiError, match="no such file"):
        read_nifti(tmp_path / "nothing.nii")
    with pytest.raises(NiftiError, match="cannot be read"):
        read_nifti(tmp_path)
    assert issubclass(NiftiError, ImageError)


def test_a_small_file_cannot_fill_the_memory(tmp_path):
    path = tmp_path / "x.nii.gz"
    content = gzip.decompress(make(path, affine=np.eye(4)).read_bytes())
    with gzip.open(path, "wb", compresslevel=1) as stream:  # 200 MB of zeros behind a header of 24 voxels
        stream.write(content)
        for _ in range(200):
            stream.write(bytes(10**6))
    tracemalloc.start()
    try:
        assert read_nifti(path).shape == (2, 3, 4)
        lying = make(tmp_path / "y.nii.gz", affine=np.eye(4), dim=[3, 1000, 1000, 200, 1, 1, 1, 1])
        with pytest.raises(NiftiError, match="expected 800000000 bytes of voxels, got 96"):
            read_nifti(lying)
        assert tracemalloc.get_traced_memory()[1] < 40 * 2**20
    finally:
        tracemalloc.stop()


def test_random_damage_gives_our_error_or_a_volume(tmp_path):
    path, source = tmp_path / "x.nii", np.random.default_rng(1)
    good = make(path, affine=np.eye(4)).read_bytes()
    refused = 0
    for _ in range(200):
        damaged = bytearray(good)
        for place in source.integers(0, 352, source.integers(1, 5)):
            damaged[place] = source.integers(256)
        path.write_bytes(damaged)
        try:
            read_nifti(path, not_numbers="padding")
        except NiftiError:
            refused += 1
    assert 25 < refused < 200


def test_without_nibabel_the_error_says_what_to_install(monkeypatch, tmp_path):
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(module.importlib, "import_module", missing)
    for call in (lambda: read_nifti(tmp_path / "x.nii"), lambda: write_nifti(tmp_path / "x.nii", volume())):
        with pytest.raises(ImportError, match="run: pip install nibabel"):
            call()


def test_the_hippocampus_volumes():
    folder = Path(os.environ.get("MEDIML_DATA_DIR", "")) / "hippocampus" / "images"
    if "MEDIML_DATA_DIR" not in os.environ or not folder.is_dir():
        pytest.skip("MEDIML_DATA_DIR holds no folder hippocampus")
    for path in sorted(folder.glob("[!.]*.nii.gz"))[:10]:
        ours, theirs = read_nifti(path), nibabel.load(path)
        np.testing.assert_array_equal(ours.values.T, theirs.get_fdata(dtype=np.float32))
        ras = np.diag([-1, -1, 1, 1]) @ ours.affine[:, [2, 1, 0, 3]]
        np.testing.assert_allclose(ras, theirs.affine, atol=1e-6)
