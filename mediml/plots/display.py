"""How a figure reaches the reader: as PNG, with the same content in words beside it."""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any, TypeAlias

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

__all__ = ["Alt", "Picture", "show", "show_frames"]

#: What a figure shows, in English and in Chinese.
Alt: TypeAlias = tuple[str, str]

#: Pixels per inch of the file; screens show it at `CSS_DPI`, so that it stays sharp where pixels are small.
DPI = 128
CSS_DPI = 96


@dataclass(frozen=True)
class Picture:
    """A PNG with its text alternative, as notebooks take it.

    Parameters
    ----------
    png : bytes
    alt : pair of str
        What it shows, in English and in Chinese; both non-empty.
    width : int
        Width on the page, in CSS pixels.
    """

    png: bytes
    alt: Alt
    width: int

    def __post_init__(self) -> None:
        if len(self.alt) != 2 or not all(isinstance(text, str) and text.strip() for text in self.alt):
            raise ValueError(f"alt: expected a description in English and one in Chinese, got {self.alt!r}")

    def __repr__(self) -> str:
        return "\n".join(self.alt)

    def _repr_mimebundle_(self, **selection: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        english, chinese = self.alt
        metadata = {"alt": f"{english} {chinese}", "alt_en": english, "alt_zh": chinese, "width": self.width}
        return {"image/png": self.png, "text/plain": repr(self)}, {"image/png": metadata}


def show(figure: Figure, alt: Alt) -> None:
    """Display a figure with its text alternative.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
    alt : pair of str
        What it shows, in English and in Chinese.
    """
    buffer = BytesIO()
    # 256 colours spread over all that occur are enough for one map and keep the notebook small; dithering would put
    # noise into images.
    few = _pixels(figure, DPI).quantize(256, method=Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    few.save(buffer, format="PNG", optimize=True)
    _publish(Picture(buffer.getvalue(), alt, _page_width(figure)))


def show_frames(figures: Sequence[Figure], alt: Alt, seconds_per_frame: float = 0.9, repeats: int = 2) -> None:
    """Display figures of one size as an animation that needs no script: an animated PNG.

    It stops on its last frame after `repeats` rounds; a viewer that cannot animate shows the first.
    """
    if not figures:
        raise ValueError("show_frames: expected at least one figure, got none")
    frames = [_pixels(figure, CSS_DPI) for figure in figures]  # many frames: less resolution
    if len({frame.size for frame in frames}) > 1:
        raise ValueError(f"show_frames: expected figures of one size, got {sorted({frame.size for frame in frames})}")
    buffer = BytesIO()
    milliseconds = [round(1000 * seconds_per_frame)] * len(frames)
    frames[0].save(
        buffer,
        format="PNG",
        save_all=True,
        append_images=frames[1:],
        duration=milliseconds,
        loop=repeats,
        optimize=True,
    )
    _publish(Picture(buffer.getvalue(), alt, _page_width(figures[0])))


def _pixels(figure: Figure, dpi: float) -> Image.Image:
    figure.set_dpi(dpi)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")


def _page_width(figure: Figure) -> int:
    return round(figure.get_figwidth() * CSS_DPI)


def _publish(picture: Picture) -> None:
    try:
        from IPython.display import display  # comes with the lessons extra
    except ImportError:
        print(picture)
    else:
        display(picture)
