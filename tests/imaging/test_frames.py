"""Frames one at a time: what is decoded, in which order, and only when it is asked for."""

import numpy as np
import pytest
from pydicom.data import get_testdata_file

from mediml.imaging import DicomError, read_frames, read_image
from mediml.imaging import frames as module

LOOP = np.arange(4 * 2 * 3, dtype=np.uint8).reshape(4, 2, 3)


def test_frames_in_order(write):
    images = list(read_frames(write(LOOP, Rows=2, Columns=3, NumberOfFrames=4)))
    np.testing.assert_array_equal([image.values for image in images], LOOP)
    assert [image.account[1].values for image in images] == [{"frame": k, "frames": 4} for k in (1, 2, 3, 4)]


def test_chosen_frames(write):
    path = write(LOOP, Rows=2, Columns=3, NumberOfFrames=4)
    chosen = [image.stored[0, 0] for image in read_frames(path, (3, 1, 1))]
    assert chosen == [18, 6, 6]
    assert list(read_frames(path, ())) == []
    for wrong in (4, -1, True, 1.0):
        with pytest.raises(DicomError, match=r"frames expects numbers from 0 to 3 \(Number of Frames \(0028,0008\)\)"):
            read_frames(path, [wrong])


def test_a_file_of_one_frame(write):
    (image,) = read_frames(write(LOOP[0]))
    np.testing.assert_array_equal(image.values, LOOP[0])


def test_the_file_is_checked_at_once_and_frames_when_they_come(write, tmp_path, monkeypatch):
    with pytest.raises(DicomError, match="no such file"):
        read_frames(tmp_path / "nothing")
    with pytest.raises(DicomError, match="expects at least 1, got -1"):
        read_frames(write(LOOP, NumberOfFrames=-1))
    path, decoded = write(LOOP, Rows=2, Columns=3, NumberOfFrames=4), []
    original = module.read_dataset_image
    monkeypatch.setattr(module, "read_dataset_image", lambda *a: (decoded.append(a[1]), original(*a))[1])
    frames = read_frames(path)
    assert decoded == []
    next(frames)
    next(frames)
    assert decoded == [0, 1]


def test_more_frames_announced_than_there_are(write):
    frames = read_frames(write(LOOP, Rows=2, Columns=3, NumberOfFrames=9))
    with pytest.raises(DicomError, match=r"\(7FE0,0010\)"):
        list(frames)


def test_a_colour_loop_of_ultrasound():
    path = get_testdata_file("examples_ybr_color.dcm")
    images = list(read_frames(path, range(0, 30, 10)))
    assert [image.values.shape for image in images] == [(240, 320, 3)] * 3 and images[0].modality == "US"
    for number, image in zip((0, 10, 20), images):
        np.testing.assert_array_equal(image.values, read_image(path, frame=number).values)
    assert (images[0].values != images[1].values).any()
