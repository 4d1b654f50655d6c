"""Sheared stacks: a linear pattern of values is where it was measured, before and after the planes were moved."""

import numpy as np
import pydicom
import pytest
from handmade_slices import INTERCEPT, SLOPE, check_places

from mediml.imaging import SeriesError, read_series


def test_tilted_gantry(scanner):
    angle = np.radians(20)
    paths = scanner.stack(6, step=(0, 2.5 * np.tan(angle), 2.5), shape=(9, 5))
    with pytest.raises(SeriesError, match=r"\(0020,0037\): .* 20\.0 degrees off .*; pass tilt=\"resample\""):
        read_series(scanner.folder)
    volume = read_series(scanner.folder, tilt="resample")
    assert volume.spacing_mm == (2.5, 2.0, 1.0) and volume.axis_codes == ("H", "P", "L")
    # The last slice lies 5 · 2.5 · tan 20° = 4.55 mm = 2.27 rows further back: three rows more hold it.
    assert volume.shape == (6, 12, 5) and volume.origin_mm == (-7, 11, 20)
    assert volume.account[-1].code == "untilted" and volume.account[-1].values["angle"] == pytest.approx(20)
    inside = (~volume.padding).sum(axis=(1, 2))
    assert inside[0] == 9 * 5 and (inside[1:] == 8 * 5).all()  # a shifted plane loses the row that has no neighbour
    check_places(volume)
    files = {int(number) for path in paths for number in pydicom.dcmread(path).pixel_array.ravel()}
    assert set(volume.stored.ravel().tolist()) <= files  # numbers of the files, not means of two


def test_tilt_towards_the_front_and_the_side(scanner):
    scanner.stack(6, step=(-0.5, -1.0, 2.5), shape=(6, 7))
    volume = read_series(scanner.folder, tilt="resample")
    # Whole pixels: -0.5 · 5 = -2.5 mm = 2.5 columns, -5 mm = 2.5 rows of 2 mm.
    assert volume.shape == (6, 9, 10) and volume.origin_mm == (-10, 5, 20)
    check_places(volume)


def test_tilt_with_gap_and_padding(scanner):
    paths = scanner.stack(6, step=(0, 2.0, 2.5), shape=(6, 4))
    paths[2].unlink()
    volume = read_series(scanner.folder, tilt="resample", gaps="fill")
    assert volume.shape == (6, 11, 4) and volume.padding[2].all()
    assert (~volume.padding[[0, 1, 3, 4, 5]]).sum(axis=(1, 2)).tolist() == [24] * 5  # whole pixels lose nothing
    check_places(volume)


def test_a_shift_of_a_small_part_of_a_pixel_is_no_tilt(scanner):
    scanner.stack(5, step=(0.02, 0.0, 2.5))  # 0.08 of a pixel at the end
    assert read_series(scanner.folder).padding is None


def test_a_shifted_plane_keeps_its_padding(scanner):
    paths = scanner.stack(3, step=(0, 1.0, 2.5), shape=(6, 4), PixelPaddingValue=-2000)
    for path in paths:
        dataset = pydicom.dcmread(path)
        pixels = dataset.pixel_array.copy()
        pixels[2, 1] = -2000
        dataset.PixelData = pixels.tobytes()
        dataset.save_as(path)
    volume = read_series(scanner.folder, tilt="resample")
    assert volume.shape == (3, 7, 4)
    # Shifted by half a row, two rows touch the padded pixel; by one row, only one does.
    assert [np.argwhere(plane[1:-1]).tolist() for plane in volume.padding[:, :, 1:2]] == [
        [[1, 0]],
        [[1, 0], [2, 0]],
        [[2, 0]],
    ]
    lowest = volume.values[~volume.padding].min()  # what was measured, not the scanner's own filling
    assert (volume.values[volume.padding] == lowest).all() and lowest > -2000 * SLOPE + INTERCEPT
    check_places(volume)
