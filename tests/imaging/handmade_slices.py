"""Series of slices, frames and doses made by hand: each voxel's value says where in the patient it was measured."""

import random

import numpy as np
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

AXIAL, CORONAL, SAGITTAL = (1, 0, 0, 0, 1, 0), (1, 0, 0, 0, 0, -1), (0, 1, 0, 0, 0, -1)
OBLIQUE = (0.8, 0.6, 0.0, -0.48, 0.64, -0.6)
SLOPE, INTERCEPT = 0.05, -200.0
CT = "1.2.840.10008.5.1.4.1.1.2"


def measured(places):
    """What the scanner measures at places (..., 3) in mm, LPS: linear, so that linear interpolation is exact."""
    return 40 + np.asarray(places) @ (3.0, -5.0, 7.0)


def text(numbers):
    return [f"{number:.6f}".rstrip("0") for number in numbers]


class Scanner:
    """Writes slices under names that say nothing."""

    def __init__(self, folder, build):
        self.folder, self.build, self.count = folder, build, 0

    def place(self, orientation, position, spacing, shape=(4, 3)):
        """Centres of all pixels of one slice, by PS3.3 C.7.6.2.1.1: column index along the first three cosines."""
        row, column = np.reshape(orientation, (2, 3))
        r, c = np.indices(shape)[..., None]
        return np.asarray(position) + c * spacing[1] * row + r * spacing[0] * column

    def slice(self, position, orientation=AXIAL, spacing=(2.0, 1.0), shape=(4, 3), **changes):
        values = measured(self.place(orientation, position, spacing, shape))
        slope = float(changes.get("RescaleSlope") or SLOPE)
        self.count += 1
        attributes = {
            "Modality": "CT",
            "SOPClassUID": CT,
            "SOPInstanceUID": f"1.2.3.{self.count}",
            "SeriesInstanceUID": "1.2.3",
            "SeriesNumber": 4,
            "InstanceNumber": 1000 - self.count,  # against the order of the positions
            "ImageOrientationPatient": text(orientation),
            "ImagePositionPatient": text(position),
            "PixelSpacing": text(spacing),
            "SliceThickness": "99",
            "RescaleSlope": str(slope),
            "RescaleIntercept": str(INTERCEPT),
            **changes,
        }
        pixels = np.rint((values - INTERCEPT) / slope).astype(np.int16)
        dataset = self.build(pixels, **{k: v for k, v in attributes.items() if v is not None})
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID
        path = self.folder / f"{random.Random(self.count).random()}"
        dataset.save_as(path, enforce_file_format=True)
        return path

    def stack(self, count=5, step=(0, 0, 2.5), origin=(-7, 11, 20), **changes):
        return [self.slice(np.add(origin, np.multiply(k, step)), **changes) for k in range(count)]


def codes(volume):
    return [step.code for step in volume.account]


def check_places(volume, tolerance=SLOPE):
    """Every measured voxel lies where its value was measured."""
    places = volume.position_mm(np.moveaxis(np.indices(volume.shape), 0, -1))
    inside = np.ones(volume.shape, bool) if volume.padding is None else ~volume.padding
    assert inside.any()
    np.testing.assert_allclose(volume.values[inside], measured(places)[inside], atol=tolerance)


def enhanced(build_dataset, positions, orientation=AXIAL, shape=(4, 3), **changes):
    """An enhanced multi-frame object: places and slopes in the functional groups of its frames."""
    frames = np.zeros((len(positions), *shape), np.int16)
    groups = []
    for k, position in enumerate(positions):
        slope = round(0.05 * (k + 1), 2)
        places = Scanner(None, None).place(orientation, position, (2.0, 1.0), shape)
        frames[k] = np.rint((measured(places) - INTERCEPT) / slope)
        group, place, transform = Dataset(), Dataset(), Dataset()
        place.ImagePositionPatient = text(position)
        transform.RescaleSlope, transform.RescaleIntercept, transform.RescaleType = str(slope), str(INTERCEPT), "HU"
        group.PlanePositionSequence = Sequence([place])
        group.PixelValueTransformationSequence = Sequence([transform])
        groups.append(group)
    shared, turn, measures = Dataset(), Dataset(), Dataset()
    turn.ImageOrientationPatient, measures.PixelSpacing = text(orientation), ["2", "1"]
    shared.PlaneOrientationSequence, shared.PixelMeasuresSequence = Sequence([turn]), Sequence([measures])
    return build_dataset(
        frames, Rows=shape[0], Columns=shape[1], Modality="CT", SeriesInstanceUID="1.2.3", NumberOfFrames=len(frames),
        PerFrameFunctionalGroupsSequence=Sequence(groups), SharedFunctionalGroupsSequence=Sequence([shared]), **changes,
    )  # fmt: skip


def dose(build_dataset, offsets, position=(5, 6, 7), orientation=AXIAL, **changes):
    frames = np.arange(len(offsets) * 6, dtype=np.uint32).reshape(len(offsets), 2, 3)
    return build_dataset(
        frames, Rows=2, Columns=3, Modality="RTDOSE", SOPClassUID="1.2.840.10008.5.1.4.1.1.481.2",
        NumberOfFrames=len(offsets), SeriesInstanceUID="1.2.3", ImagePositionPatient=text(position),
        ImageOrientationPatient=text(orientation), PixelSpacing=["2", "3"], GridFrameOffsetVector=text(offsets),
        DoseGridScaling="0.001", DoseUnits="GY", **changes,
    )  # fmt: skip
