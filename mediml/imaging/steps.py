"""What was done to pixels, or found out about them, in each language that pages and reports are written in."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["STEP_TEXTS", "Step"]

_ENGLISH = {
    "decoded": "stored values decoded ({bits} bits, unsigned, {encoding})",
    "decoded_signed": "stored values decoded ({bits} bits, signed, {encoding})",
    "decoded_float": "stored values decoded (floating point, {bits} bits, {encoding})",
    "frame": "frame {frame} of {frames} taken",
    "rescaled": "rescaled: {slope:g} · stored + {intercept:g}",
    "modality_lut": "modality lookup table of {entries} entries applied",
    "no_rescale": "no rescale given: stored values stand for themselves",
    "padding": "{count} padding pixels kept out of the display range",
    "view_window": "shown through the window {center:g}/{width:g} ({function}), the first of {count} alternatives",
    "view_table": "shown through a lookup table of {entries} entries, the first of {count} alternatives",
    "full_range": "no window given: shown over the full range of the values",
    "inverted": "grey scale inverted: in this file the lowest value is white",
    "colour": "colour converted from {photometric} to RGB",
    "spacing_unusable": "pixel spacing is given but is not positive: the size in millimetres is unknown",
    "spacing_detector": "pixel spacing is that of the detector: bodies are smaller than it says",
    "spacing_missing": "no pixel spacing: the size in millimetres is unknown",
    "series": "{count} images of one series stacked by their positions, {step:g} mm apart",
    "multiframe": "{count} frames stacked by their positions, {step:g} mm apart",
    "files_aside": "{count} files that are no DICOM images left aside",
    "duplicates_dropped": "{count} images at a position that was already there left out",
    "planes_filled": "{count} missing planes filled with the lowest value and marked as padding",
    "untilted": "sheared by {angle:.1f} degrees: planes shifted within themselves onto a rectangular grid (linear)",
    "rescaled_by_plane": "rescaled, each plane by its own slope: {low:g} to {high:g}",
    "views_by_plane": "display ranges differ between the planes: those of the middle plane are offered",
    "spacing_contradiction": "Spacing Between Slices (0018,0088) says {said:g} mm, the positions are {step:g} mm apart",
    "cropped": "cropped from {before} to {after} pixels",
    "padded": "padded from {before} to {after} pixels",
    "resampled": "resampled from steps of {before} mm to {after} mm",
    "reoriented": "axes turned from {before} to {after}",
    "nifti": "NIfTI voxels read, placed by the {form}",
    "nifti_scaled": "scaled: {slope:g} · stored + {intercept:g}",
    "nifti_unplaced": "neither qform nor sform: left and right, and the place in the patient, are unknown",
    "nifti_forms_differ": "qform and sform place the voxels differently: sform taken",
    "nifti_units_unknown": "no unit of length: millimetres assumed",
    "not_numbers": "{count} voxels that are no numbers set to the lowest value and marked as padding",
    "polarity_contradiction": "Photometric Interpretation (0028,0004) and Presentation LUT Shape (2050,0020) disagree "
    "about what is white",
    "rescale_missing": "no rescale in a {modality} image: the unit of its values is unknown",
    "suv_left_alone": "values in {units}; a standardised uptake value (SUV) is not computed",
    "not_hounsfield": "a localizer or a multi-energy image without Rescale Type (0028,1054): its values are not HU",
    "hounsfield_derived": "HU by the standard, in an image that was computed from others",
    "real_world_map": "a Real World Value Mapping Sequence (0040,9096) is there and is not applied",
    "excess_bytes": "{count} bytes behind the pixels are not read",
    "icc_profile": "the colours have an ICC profile, which is not applied",
    "palette_eight_bits": "the palette says 16 bits and holds no entry above 255: taken for 8 bits",
    "palette": "colour palette resolved",
    "alpha": "transparency dropped; every pixel was opaque",
    "grey_rgb": "three equal colour channels taken as one grey channel",
    "turned": "turned as the camera's orientation tag says",
}

_CHINESE = {
    "decoded": "解码得到存储值（{bits} 位，无符号，{encoding}）",
    "decoded_signed": "解码得到存储值（{bits} 位，有符号，{encoding}）",
    "decoded_float": "解码得到存储值（{bits} 位浮点数，{encoding}）",
    "frame": "取第 {frame} 帧，共 {frames} 帧",
    "rescaled": "重标度：{slope:g} × 存储值 + {intercept:g}",
    "modality_lut": "套用含 {entries} 项的模态查找表",
    "no_rescale": "文件未给重标度：存储值即数值",
    "padding": "{count} 个填充像素不计入显示范围",
    "view_window": "按窗位/窗宽 {center:g}/{width:g}（{function}）显示，为 {count} 种备选中的第一种",
    "view_table": "按含 {entries} 项的查找表显示，为 {count} 种备选中的第一种",
    "full_range": "文件未给窗宽窗位：按数值的整个范围显示",
    "inverted": "灰度反转：本文件以最低值为白",
    "colour": "颜色由 {photometric} 转为 RGB",
    "spacing_unusable": "给出的像素间距不是正数：实际尺寸未知",
    "spacing_detector": "像素间距是探测器处的：体内实际尺寸更小",
    "spacing_missing": "没有像素间距：实际尺寸未知",
    "series": "同一序列的 {count} 幅图像按位置叠成体数据，层间距 {step:g} mm",
    "multiframe": "{count} 帧按位置叠成体数据，层间距 {step:g} mm",
    "files_aside": "{count} 个不是 DICOM 图像的文件未予读取",
    "duplicates_dropped": "{count} 幅图像与已有图像位置相同，已略去",
    "planes_filled": "缺失的 {count} 层以最低值补上，并标记为填充",
    "untilted": "层面剪切 {angle:.1f} 度：各层在层内平移到长方体网格（线性插值）",
    "rescaled_by_plane": "各层按自己的斜率重标度：{low:g} 至 {high:g}",
    "views_by_plane": "各层的显示范围不同：取中间一层的",
    "spacing_contradiction": "Spacing Between Slices (0018,0088) 为 {said:g} mm，而按位置层间距为 {step:g} mm",
    "cropped": "由 {before} 像素裁剪为 {after} 像素",
    "padded": "由 {before} 像素填充为 {after} 像素",
    "resampled": "像素间距由 {before} mm 重采样为 {after} mm",
    "reoriented": "坐标轴由 {before} 转为 {after}",
    "nifti": "读入 NIfTI 体素，位置取自 {form}",
    "nifti_scaled": "重标度：{slope:g} × 存储值 + {intercept:g}",
    "nifti_unplaced": "qform 与 sform 均无：左右及在患者体内的位置未知",
    "nifti_forms_differ": "qform 与 sform 给出的位置不同：取 sform",
    "nifti_units_unknown": "文件未给长度单位：按毫米计",
    "not_numbers": "{count} 个非数值体素设为最低值，并标记为填充",
    "polarity_contradiction": "Photometric Interpretation (0028,0004) 与 Presentation LUT Shape (2050,0020) 对“何者为"
    "白”说法不一",
    "rescale_missing": "{modality} 图像未给重标度：数值单位未知",
    "suv_left_alone": "数值单位为 {units}；不计算标准化摄取值（SUV）",
    "not_hounsfield": "定位像或多能量图像，且未给 Rescale Type (0028,1054)：数值不是 HU",
    "hounsfield_derived": "按标准为 HU，但图像由其他图像计算而来",
    "real_world_map": "文件含 Real World Value Mapping Sequence (0040,9096)，未予套用",
    "excess_bytes": "像素之后的 {count} 字节未读取",
    "icc_profile": "颜色附有 ICC 特性文件，未予套用",
    "palette_eight_bits": "调色板自称 16 位，各项却不超过 255：按 8 位处理",
    "palette": "调色板已还原",
    "alpha": "去掉透明通道；所有像素本就不透明",
    "grey_rgb": "三个颜色通道相同，取其一作为灰度",
    "turned": "按相机的方向标记转正",
}

#: The sentence of each step by its code, for each language.
STEP_TEXTS: Mapping[str, Mapping[str, str]] = {"en": _ENGLISH, "zh": _CHINESE}


@dataclass(frozen=True)
class Step:
    """One thing that was done to the pixels, or found out about them.

    Attributes
    ----------
    code : str
        A key of each of `STEP_TEXTS`.
    values : mapping
        What the sentence names.
    """

    code: str
    values: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return self.sentence("en")

    def sentence(self, language: str) -> str:
        """The step in words: ``"en"`` or ``"zh"``."""
        return STEP_TEXTS[language][self.code].format(**self.values)
