"""Sliders in a notebook: plane, centre and width over a picture that follows them.

Labels are in both languages, as alternative texts of figures are. Without ipywidgets the static twin is drawn.
"""

import base64
import importlib
from html import escape
from io import BytesIO
from typing import Any

import numpy as np
from PIL import Image as Pillow

from mediml.imaging import Image, LookupView, Volume, WindowView
from mediml.imaging.image import shown
from mediml.viewer.panes import Pane, image_pane, three_panes
from mediml.viewer.scene import Picture, check_picture
from mediml.viewer.static import Window, chosen_view, show_static

__all__ = ["controls", "show"]

_NAMES = {"axial": "axial 横断面", "coronal": "coronal 冠状面", "sagittal": "sagittal 矢状面", "image": "image 图像"}
_SPAN = "display:inline-block;min-width:1.4em;text-align:center;font-weight:700"


def show(picture: Picture, window: Window = 0) -> None:
    """Display sliders for an image, a volume or frames; `show_static` where ipywidgets is not installed.

    Parameters
    ----------
    picture : Image, Volume, or sequence of Image
    window : int, str, tuple or view
        As of `show_static`.
    """
    try:
        box = controls(picture, window)
    except ImportError:
        show_static(picture, window=window)
        return
    importlib.import_module("IPython.display").display(box)


def controls(picture: Picture, window: Window = 0) -> Any:
    """The widget that `show` displays: an ipywidgets ``VBox``.

    Raises
    ------
    ImportError
        If ipywidgets is not installed.
    """
    check_picture("show", picture)
    try:
        widgets = importlib.import_module("ipywidgets")
    except ImportError:
        raise ImportError("show: sliders need ipywidgets; run: pip install ipywidgets") from None
    return _Controls(widgets, picture, window).box


class _Controls:
    """The widgets and what happens when one of them moves."""

    def __init__(self, widgets: Any, picture: Picture, window: Window):
        self.picture = [picture] if isinstance(picture, Image) else picture
        self.first = self.picture if isinstance(self.picture, Volume) else self.picture[0]
        self.panes = three_panes(self.first) if isinstance(self.first, Volume) else (image_pane(self.first),)
        grey = isinstance(self.first, Volume) or self.first.is_grey
        self.view: WindowView | LookupView | None = chosen_view(self.first, window) if grey else None
        self.screen = widgets.HTML()
        self.pane = widgets.ToggleButtons(options=[(_NAMES[pane.name], k) for k, pane in enumerate(self.panes)])
        self.plane = widgets.IntSlider(description="n", min=0, max=0, continuous_update=True)
        self.sliders: list[Any] = []
        if isinstance(self.view, WindowView):
            self.sliders = self._window_sliders(widgets, self.view)
        self._choose_pane(None)
        self.pane.observe(self._choose_pane, "value")
        for slider in (self.plane, *self.sliders):
            slider.observe(self._draw, "value")
        rows = [self.pane] if len(self.panes) > 1 else []
        self.box = widgets.VBox([*rows, self.screen, self.plane, *self.sliders])

    def _window_sliders(self, widgets: Any, view: WindowView) -> list[Any]:
        values = self.first.values[np.isfinite(self.first.values)]
        low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
        span = max(high - low, view.width, 1e-6)
        least = 1.0 if view.function == "LINEAR" else span / 1000
        unit = "" if self.first.units == "arbitrary" else f" {self.first.units}"
        common = {"continuous_update": True, "style": {"description_width": "11em"}, "layout": {"width": "32em"}}
        return [
            widgets.FloatSlider(
                description=f"centre 窗位{unit}",
                min=min(low, view.center),
                max=max(high, view.center),
                value=view.center,
                step=span / 1000,
                **common,
            ),
            widgets.FloatSlider(
                description=f"width 窗宽{unit}",
                min=least,
                max=max(span, least),
                value=view.width,
                step=span / 1000,
                **common,
            ),
        ]

    def _choose_pane(self, _change: Any) -> None:
        pane = self.panes[self.pane.value]
        count = self.picture.shape[pane.through] if isinstance(self.picture, Volume) else len(self.picture)
        self.plane.max = count - 1
        self.plane.value = (count - 1) // 2 if isinstance(self.picture, Volume) else 0
        self.plane.layout.display = "none" if count == 1 else None
        self._draw(None)

    def _draw(self, _change: Any) -> None:
        pane, index = self.panes[self.pane.value], self.plane.value
        if self.sliders and isinstance(self.view, WindowView):
            center, width = (slider.value for slider in self.sliders)
            self.view = WindowView(center, width, self.view.function)
        self.screen.value = _markup(
            self._pixels(pane, index), self._height_over_width(pane), pane, self._alt(pane, index)
        )

    def _pixels(self, pane: Pane, index: int) -> Any:
        """0 to 255; a volume's slice is cut out before it goes through the window."""
        part = _Slice(self.picture, pane, index) if isinstance(self.picture, Volume) else self.picture[index]
        # Without a view it is in colour.
        grey = part.values / np.float32(255) if self.view is None else shown(part, self.view)
        return np.rint(255 * np.nan_to_num(grey)).astype(np.uint8)

    def _height_over_width(self, pane: Pane) -> float:
        if isinstance(self.first, Volume):
            sizes = self.first.size_mm
            return sizes[pane.down[0]] / sizes[pane.across[0]]
        rows, columns = self.first.shape
        return rows * self.first.aspect / columns

    def _alt(self, pane: Pane, index: int) -> str:
        window = "" if self.view is None else f", {self.view}"
        return f"{self.first.modality}, {_NAMES[pane.name]} {index}{window}"


class _Slice:
    """A slice of a volume as `shown` takes it."""

    def __init__(self, volume: Volume, pane: Pane, index: int):
        self.values = pane.picture(volume.values, index)
        self.padding = None if volume.padding is None else pane.picture(volume.padding, index)
        self.inverted, self.views, self.shape = volume.inverted, volume.views, self.values.shape


def _markup(pixels: Any, ratio: float, pane: Pane, alt: str) -> str:
    """The picture 420 units wide or high, with letters at its sides."""
    buffer = BytesIO()
    Pillow.fromarray(pixels).save(buffer, format="PNG")
    width = 420 if ratio <= 1 else 420 / ratio
    source = base64.b64encode(buffer.getvalue()).decode("ascii")
    image = (
        f'<img src="data:image/png;base64,{source}" alt="{escape(alt)}" width="{width:.0f}" '
        f'height="{width * ratio:.0f}" style="vertical-align:middle">'
    )
    if pane.letters is None:
        return image
    left, right, top, bottom = (f'<span style="{_SPAN}">{getattr(pane.letters, edge)}</span>' for edge in _EDGES)
    middle = f'<div style="text-align:center;width:{width + 60:.0f}px">'
    return f"{middle}{top}</div><div>{left}{image}{right}</div>{middle}{bottom}</div>"


_EDGES = ("left", "right", "top", "bottom")
