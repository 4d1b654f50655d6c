"""Medical images as arrays with units: read rightly, shown rightly, measured in millimetres."""

from mediml.imaging.augmentation import Augmented, PairedAugmentation
from mediml.imaging.body import body_mask, otsu_threshold
from mediml.imaging.contrast import clahe, equalise_histogram, gamma
from mediml.imaging.dicom import read_image
from mediml.imaging.export import Provenance, write_image, write_series
from mediml.imaging.frames import read_frames
from mediml.imaging.geometry import (
    bounding_box,
    center_square,
    crop,
    crop_image,
    crop_volume,
    pad_to,
    pad_volume,
    resize_area,
)
from mediml.imaging.image import DicomError, Image, ImageError, LookupView, PictureError, WindowView
from mediml.imaging.intensity import lookup, window
from mediml.imaging.movement import elastic_displacement, flip, move
from mediml.imaging.nifti import NiftiError, read_nifti, write_nifti
from mediml.imaging.normalisation import (
    HistogramLandmarks,
    histogram_landmarks,
    match_histogram,
    percentile_scale,
    standardise,
    z_score,
)
from mediml.imaging.orientation import reorient
from mediml.imaging.picture import read_picture
from mediml.imaging.presets import CT_WINDOWS
from mediml.imaging.resample import resample, resample_image, resample_mask, resample_volume, resize, resize_mask
from mediml.imaging.series import SeriesError, list_series, read_series
from mediml.imaging.volume import Volume

__all__ = [
    "CT_WINDOWS",
    "Augmented",
    "DicomError",
    "HistogramLandmarks",
    "Image",
    "ImageError",
    "LookupView",
    "NiftiError",
    "PairedAugmentation",
    "PictureError",
    "Provenance",
    "SeriesError",
    "Volume",
    "WindowView",
    "body_mask",
    "bounding_box",
    "center_square",
    "clahe",
    "crop",
    "crop_image",
    "crop_volume",
    "elastic_displacement",
    "equalise_histogram",
    "flip",
    "gamma",
    "histogram_landmarks",
    "list_series",
    "lookup",
    "match_histogram",
    "move",
    "otsu_threshold",
    "pad_to",
    "pad_volume",
    "percentile_scale",
    "read_frames",
    "read_image",
    "read_nifti",
    "read_picture",
    "read_series",
    "reorient",
    "resample",
    "resample_image",
    "resample_mask",
    "resample_volume",
    "resize",
    "resize_area",
    "resize_mask",
    "standardise",
    "window",
    "write_image",
    "write_nifti",
    "write_series",
    "z_score",
]
