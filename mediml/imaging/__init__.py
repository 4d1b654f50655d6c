"""Medical images as arrays with units: read rightly, shown rightly, measured in millimetres."""

from mediml.imaging.dicom import read_image
from mediml.imaging.image import DicomError, Image, ImageError, PictureError

__all__ = ["DicomError", "Image", "ImageError", "PictureError", "read_image"]
