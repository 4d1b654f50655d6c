"""Medical images as arrays with units: read rightly, shown rightly, measured in millimetres."""

from mediml.imaging.bias_field import BiasCorrection, correct_bias_field, homomorphic_filter
from mediml.imaging.denoising import bilateral_filter, non_local_means
from mediml.imaging.dicom import read_image
from mediml.imaging.diffusion import anisotropic_diffusion
from mediml.imaging.edges import Gradient, laplacian, sobel
from mediml.imaging.filters import gaussian_filter, mean_filter, median_filter, unsharp_mask
from mediml.imaging.geometry import center_square, resize_area
from mediml.imaging.image import DicomError, Image, ImageError, LookupView, PictureError, WindowView
from mediml.imaging.intensity import lookup, window
from mediml.imaging.noise import correct_rician_bias, estimate_noise, rician_mean
from mediml.imaging.picture import read_picture
from mediml.imaging.variation import total_variation
from mediml.imaging.volume import Volume

__all__ = [
    "BiasCorrection",
    "DicomError",
    "Gradient",
    "Image",
    "ImageError",
    "LookupView",
    "PictureError",
    "Volume",
    "WindowView",
    "anisotropic_diffusion",
    "bilateral_filter",
    "center_square",
    "correct_bias_field",
    "correct_rician_bias",
    "estimate_noise",
    "gaussian_filter",
    "homomorphic_filter",
    "laplacian",
    "lookup",
    "mean_filter",
    "median_filter",
    "non_local_means",
    "read_image",
    "read_picture",
    "resize_area",
    "rician_mean",
    "sobel",
    "total_variation",
    "unsharp_mask",
    "window",
]
