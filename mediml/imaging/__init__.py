"""Medical images as arrays with units: read rightly, shown rightly, measured in millimetres."""

from mediml.imaging.deidentify import deidentify, deidentify_files
from mediml.imaging.dicom import read_image
from mediml.imaging.export import Provenance, write_image, write_series
from mediml.imaging.geometry import center_square, resize_area
from mediml.imaging.image import DicomError, Image, ImageError, LookupView, PictureError, WindowView
from mediml.imaging.intensity import lookup, window
from mediml.imaging.picture import read_picture
from mediml.imaging.pseudonyms import DeidentificationError, Pseudonyms
from mediml.imaging.volume import Volume

__all__ = [
    "DeidentificationError",
    "DicomError",
    "Image",
    "ImageError",
    "LookupView",
    "PictureError",
    "Provenance",
    "Pseudonyms",
    "Volume",
    "WindowView",
    "center_square",
    "deidentify",
    "deidentify_files",
    "lookup",
    "read_image",
    "read_picture",
    "resize_area",
    "window",
    "write_image",
    "write_series",
]
