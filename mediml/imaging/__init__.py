"""Medical images as arrays with units: read rightly, shown rightly, measured in millimetres."""

from mediml.imaging.deidentify import deidentify, deidentify_files
from mediml.imaging.dicom import read_image
from mediml.imaging.export import Provenance, write_image, write_series
from mediml.imaging.frames import read_frames
from mediml.imaging.geometry import center_square, resize_area
from mediml.imaging.image import DicomError, Image, ImageError, LookupView, PictureError, WindowView
from mediml.imaging.intensity import lookup, window
from mediml.imaging.nifti import NiftiError, read_nifti, write_nifti
from mediml.imaging.orientation import reorient
from mediml.imaging.picture import read_picture
from mediml.imaging.pseudonyms import DeidentificationError, Pseudonyms
from mediml.imaging.series import SeriesError, list_series, read_series
from mediml.imaging.volume import Volume

__all__ = [
    "DeidentificationError",
    "DicomError",
    "Image",
    "ImageError",
    "LookupView",
    "NiftiError",
    "PictureError",
    "Provenance",
    "Pseudonyms",
    "SeriesError",
    "Volume",
    "WindowView",
    "center_square",
    "deidentify",
    "deidentify_files",
    "list_series",
    "lookup",
    "read_frames",
    "read_image",
    "read_nifti",
    "read_picture",
    "read_series",
    "reorient",
    "resize_area",
    "window",
    "write_image",
    "write_nifti",
    "write_series",
]
