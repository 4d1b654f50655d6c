"""Medical images as arrays with units: read rightly, shown rightly, measured in millimetres."""

from mediml.imaging.dicom import read_image
from mediml.imaging.edges import Gradient, laplacian, sobel
from mediml.imaging.filters import gaussian_filter, mean_filter, median_filter, unsharp_mask
from mediml.imaging.geometry import center_square, resize_area
from mediml.imaging.image import DicomError, Image, ImageError, LookupView, PictureError, WindowView
from mediml.imaging.intensity import lookup, window
from mediml.imaging.picture import read_picture
from mediml.imaging.volume import Volume

__all__ = [
    "DicomError",
    "Gradient",
    "Image",
    "ImageError",
    "LookupView",
    "PictureError",
    "Volume",
    "WindowView",
    "center_square",
    "gaussian_filter",
    "laplacian",
    "lookup",
    "mean_filter",
    "median_filter",
    "read_image",
    "read_picture",
    "resize_area",
    "sobel",
    "unsharp_mask",
    "window",
]
