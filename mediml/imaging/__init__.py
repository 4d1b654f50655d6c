"""Medical images as arrays with units: read rightly, shown rightly, measured in millimetres."""

from mediml.imaging.augmentation import Augmented, PairedAugmentation
from mediml.imaging.bias_field import BiasCorrection, correct_bias_field, homomorphic_filter
from mediml.imaging.body import body_mask, otsu_threshold
from mediml.imaging.contrast import clahe, equalise_histogram, gamma
from mediml.imaging.deidentify import deidentify, deidentify_files
from mediml.imaging.denoising import bilateral_filter, non_local_means
from mediml.imaging.dicom import read_image
from mediml.imaging.diffusion import anisotropic_diffusion
from mediml.imaging.edges import Gradient, laplacian, sobel
from mediml.imaging.export import Provenance, write_image, write_series
from mediml.imaging.filters import gaussian_filter, mean_filter, median_filter, unsharp_mask
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
from mediml.imaging.noise import correct_rician_bias, estimate_noise, rician_mean
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
from mediml.imaging.standard.pseudonyms import DeidentificationError, Pseudonyms
from mediml.imaging.variation import total_variation
from mediml.imaging.volume import Volume

__all__ = [
    "CT_WINDOWS",
    "Augmented",
    "BiasCorrection",
    "DeidentificationError",
    "DicomError",
    "Gradient",
    "HistogramLandmarks",
    "Image",
    "ImageError",
    "LookupView",
    "NiftiError",
    "PairedAugmentation",
    "PictureError",
    "Provenance",
    "Pseudonyms",
    "SeriesError",
    "Volume",
    "WindowView",
    "anisotropic_diffusion",
    "bilateral_filter",
    "body_mask",
    "bounding_box",
    "center_square",
    "clahe",
    "correct_bias_field",
    "correct_rician_bias",
    "crop",
    "crop_image",
    "crop_volume",
    "deidentify",
    "deidentify_files",
    "elastic_displacement",
    "equalise_histogram",
    "estimate_noise",
    "flip",
    "gamma",
    "gaussian_filter",
    "histogram_landmarks",
    "homomorphic_filter",
    "laplacian",
    "list_series",
    "lookup",
    "match_histogram",
    "mean_filter",
    "median_filter",
    "move",
    "non_local_means",
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
    "rician_mean",
    "sobel",
    "standardise",
    "total_variation",
    "unsharp_mask",
    "window",
    "write_image",
    "write_nifti",
    "write_series",
    "z_score",
]
