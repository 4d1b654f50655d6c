"""MedMNIST's format: what is right is read, what is wrong is refused with its reason, before memory is asked for."""

import io
import os
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from mediml.data.images import ImageData, Split
from mediml.data.medmnist import DataError, load, load_any, save


def _arrays(channels=(), seed=0):
    rng = np.random.default_rng(seed)
    arrays = {}
    for split, count in (("train", 6), ("val", 3), ("test", 4)):
        arrays[f"{split}_images"] = rng.integers(0, 256, (count, 5, 4, *channels), np.uint8)
        arrays[f"{split}_labels"] = (np.arange(count) % 2).astype(np.uint8)[:, None]
    return arrays


def _write(tmp_path, arrays, name="set.npz"):
    np.savez_compressed(tmp_path / name, **arrays)
    return tmp_path / name


@pytest.mark.parametrize(("channels", "expected"), [((), 1), ((1,), 1), ((3,), 3)])
def test_reads_grey_and_colour(tmp_path, channels, expected):
    arrays = _arrays(channels)
    data = load(_write(tmp_path, arrays, "breastmnist_64.npz"))
    assert data.name == "breastmnist" and data.classes == ("malignant", "normal or benign")
    assert data.channels == expected and data.image_size == (5, 4)
    np.testing.assert_array_equal(data.val.images.reshape(arrays["val_images"].shape), arrays["val_images"])
    assert data.test.labels.tolist() == [0, 1, 0, 1] and data.test.labels.dtype == np.int64
    assert data.train.arrays([0.5] * expected, [0.25] * expected).shape == (6, expected, 5, 4)
    assert data.shared == {}


def test_arrays_in_fortran_order(tmp_path):
    arrays = _arrays()
    path = _write(tmp_path, {key: np.asfortranarray(array) for key, array in arrays.items()})
    np.testing.assert_array_equal(load(path).train.images, arrays["train_images"])


def test_save_and_load(tmp_path):
    arrays = _arrays((3,))
    parts = [
        Split(arrays[f"{s}_images"], arrays[f"{s}_labels"][:, 0].astype(np.int64)) for s in ("train", "val", "test")
    ]
    data = ImageData("mine", ("a", "b"), *parts)
    save(tmp_path / "mine.npz", data)
    again = load(tmp_path / "mine.npz")
    assert again.content_sha256() == data.content_sha256()
    assert again.classes == ("class 0", "class 1")


def test_content_hash_knows_rows_but_not_their_order(tmp_path):
    arrays = _arrays()
    first = load(_write(tmp_path, arrays)).content_sha256()
    arrays["train_images"], arrays["train_labels"] = arrays["train_images"][::-1], arrays["train_labels"][::-1]
    assert load(_write(tmp_path, arrays)).content_sha256() == first
    arrays["train_labels"] = arrays["train_labels"][::-1]
    assert load(_write(tmp_path, arrays)).content_sha256() != first


def test_shared_images_are_counted(tmp_path):
    arrays = _arrays()
    arrays["test_images"][1] = arrays["train_images"][2]
    arrays["test_images"][3] = arrays["train_images"][2]
    assert load(_write(tmp_path, arrays)).shared == {"train/test": 2}


def _changed(key, change):
    def apply(arrays):
        arrays[key] = change(arrays[key])

    return apply


@pytest.mark.parametrize(
    ("break_it", "text"),
    [
        (lambda a: a.pop("val_labels"), "missing: val_labels"),
        (_changed("train_images", lambda x: x.astype(np.float32)), "train_images expects dtype uint8, got float32"),
        (_changed("train_images", lambda x: x[:, 0]), r"train_images expects shape \(N, H, W\)"),
        (_changed("test_images", lambda x: x[:, :3]), "test_images expects images of shape"),
        (_changed("val_images", lambda x: x[:0]), "at least one image"),
        (_changed("val_labels", lambda x: x[:2]), "one row of labels for each of 3 images"),
        (_changed("val_labels", lambda x: x.astype(np.float64)), "val_labels expects an integer dtype"),
        (_changed("val_labels", lambda x: x.astype(np.int16) - 1), "labels from 0 to 999, got -1 to 0"),
        (_changed("val_labels", lambda x: x + 1), "val_labels holds the label 2, which no training image has"),
        (_changed("train_labels", lambda x: x * 2), "every label from 0 up"),
        (_changed("train_labels", lambda x: x * 0), "at least two of them"),
        (_changed("train_labels", lambda x: np.repeat(x, 14, 1)), "val_labels expects labels of shape"),
        (_changed("val_labels", lambda x: np.repeat(x, 2, 0)), "one row of labels for each of 3 images, got shape"),
        (_changed("val_labels", lambda x: x[:0]), "one row of labels for each of 3 images, got shape"),
        (_changed("val_labels", lambda x: x[:, :, None]), "one row of labels for each of 3 images, got shape"),
        (_changed("train_labels", lambda x: np.array([object()] * 6)), "never loaded"),
    ],
)
def test_refusals(tmp_path, break_it, text):
    arrays = _arrays()
    break_it(arrays)
    with pytest.raises(DataError, match=text):
        load(_write(tmp_path, arrays))


def _split_arrays(images, labels):
    arrays = {}
    for split, count in (("train", 6), ("val", 3), ("test", 4)):
        arrays[f"{split}_images"], arrays[f"{split}_labels"] = images(count), labels(count)
    return arrays


def test_several_labels_per_image(tmp_path):
    rng = np.random.default_rng(1)
    arrays = _split_arrays(
        lambda n: rng.integers(0, 256, (n, 5, 4), np.uint8), lambda n: rng.integers(0, 2, (n, 14), np.uint8)
    )
    data = load_any(_write(tmp_path, arrays, "chestmnist_64.npz"))
    assert (data.name, data.kind, data.dimensions) == ("chestmnist", "multi-label", 2)
    assert len(data.classes) == 14 and data.classes[0] == "atelectasis" and data.classes[13] == "hernia"
    np.testing.assert_array_equal(data.labels["test"], arrays["test_labels"])
    assert data.labels["test"].dtype == np.int64
    with pytest.raises(DataError, match=r"14 labels per image; a classifier expects one per image.*load_any reads"):
        load(tmp_path / "chestmnist_64.npz")
    arrays["val_labels"][0, 3] = 2
    with pytest.raises(DataError, match="val_labels has 14 labels per image and expects 0 and 1"):
        load_any(_write(tmp_path, arrays))


def test_volumes(tmp_path):
    rng = np.random.default_rng(1)
    arrays = _split_arrays(lambda n: rng.integers(0, 256, (n, 7, 6, 5), np.uint8), lambda n: np.arange(n)[:, None] % 3)
    data = load_any(_write(tmp_path, arrays, "fracturemnist3d.npz"))
    assert (data.kind, data.dimensions, data.classes[0]) == ("multi-class", 3, "buckle rib fracture")
    np.testing.assert_array_equal(data.images["val"], arrays["val_images"])
    assert data.images["val"].shape == (3, 7, 6, 5) and data.labels["val"].tolist() == [[0], [1], [2]]
    with pytest.raises(DataError, match=r"holds volumes; a classifier of pictures expects images \(N, H, W\)"):
        load(tmp_path / "fracturemnist3d.npz")


def test_grades_and_two_classes(tmp_path):
    arrays = _split_arrays(lambda n: np.zeros((n, 4, 4, 3), np.uint8), lambda n: np.arange(n)[:, None] % 5)
    data = load_any(_write(tmp_path, arrays, "retinamnist.npz"))
    assert (data.kind, data.dimensions, data.classes[4]) == ("ordinal", 2, "grade 4")
    assert load(tmp_path / "retinamnist.npz").classes == data.classes
    assert load_any(_write(tmp_path, _arrays(), "breastmnist.npz")).kind == "binary"


def test_masks_may_shrink_and_too_much_is_not_read(tmp_path):
    """Shapes of glands are nearly all 0: the published files shrink by more than a hundred."""
    block = np.zeros((40, 40, 40), np.uint8)
    block[10:30, 12:25, 15:28] = 255
    rng = np.random.default_rng(1)
    arrays = _split_arrays(
        lambda n: np.stack([np.roll(block, rng.integers(0, 10, 3), (0, 1, 2)) for _ in range(10 * n)]),
        lambda n: np.arange(10 * n)[:, None] % 2,
    )
    path = _write(tmp_path, arrays, "adrenalmnist3d.npz")
    with zipfile.ZipFile(path) as archive:
        info = archive.getinfo("train_images.npy")
    assert info.file_size > 200 * info.compress_size
    assert load_any(path).images["train"].sum() == arrays["train_images"].sum()
    with pytest.raises(DataError, match=r"the arrays take 8.3 MB, at most 8.0 MB are read; take a smaller size"):
        load_any(path, max_bytes=8_000_000)


def _with_member(path, key, content):
    """The file at `path` with one array replaced by raw bytes."""
    out = io.BytesIO()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for info in old.infolist():
            new.writestr(info.filename, content if info.filename == f"{key}.npy" else old.read(info))
    path.write_bytes(out.getvalue())


def _npy(shape, body):
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}".encode()
    header += b" " * (63 - (10 + len(header)) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + body


def test_a_lying_header_allocates_nothing(tmp_path):
    path = _write(tmp_path, _arrays())
    _with_member(path, "train_images", _npy("(2000000, 2000, 2000)", b"\0" * 100))
    with pytest.raises(DataError, match="the header asks for 8000000000000 bytes, the file holds"):
        load(path)


def test_bytes_behind_the_array_and_bombs(tmp_path):
    path = _write(tmp_path, _arrays())
    _with_member(path, "train_images", _npy("(6, 5, 4)", b"\0" * 121))
    with pytest.raises(DataError, match="expected 120 bytes after the header"):
        load(path)
    _with_member(path, "train_images", _npy("(4000, 50, 40)", b"\0" * 8_000_000))
    with pytest.raises(DataError, match="grow to 8000"):
        load(path)
    _with_member(path, "train_images", b"\x93NUMPY\x01\x00\x05\x00[1,2]")
    with pytest.raises(DataError, match="damaged header"):
        load(path)


def test_damaged_files(tmp_path):
    path = _write(tmp_path, _arrays())
    whole = path.read_bytes()
    for content in (b"", b"no archive", whole[: len(whole) // 2], whole[:-10]):
        path.write_bytes(content)
        with pytest.raises(DataError, match=r"not a readable .npz file"):
            load(path)
    flipped = bytearray(whole)
    flipped[200] ^= 0x10
    path.write_bytes(flipped)
    with pytest.raises(DataError):
        load(path)
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "absent.npz")


def test_normalisation_is_of_the_training_split(tmp_path):
    data = load(_write(tmp_path, _arrays((3,))))
    mean, std = data.normalisation()
    prepared = data.train.arrays(mean, std)
    np.testing.assert_allclose(prepared.mean((0, 2, 3)), 0, atol=1e-4)
    np.testing.assert_allclose(prepared.std((0, 2, 3)), 1, atol=1e-4)
    with pytest.raises(ValueError, match="one number for each of 3 channels, got 1 and 1"):
        data.train.arrays([0.5], [0.5])


def test_pneumoniamnist():
    folder = os.environ.get("MEDIML_DATA_DIR")
    path = Path(folder or "") / "pneumoniamnist.npz"
    if not folder or not path.is_file():
        pytest.skip("needs pneumoniamnist.npz in $MEDIML_DATA_DIR")
    data = load(path)
    assert data.classes == ("normal", "pneumonia")
    assert [len(s) for s in (data.train, data.val, data.test)] == [4708, 524, 624]
    assert [int(s.labels.sum()) for s in (data.train, data.val, data.test)] == [3494, 389, 390]
    assert data.shared == {"train/val": 8}
    assert data.content_sha256() == "bcebd6384dc14cdec3c777a994d1db687622e85a1a6b6285e4f8382292c10789"
