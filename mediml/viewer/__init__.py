"""Looking at medical images: a page in one HTML file, sliders in a notebook, and their static twin.

Everything here is for education, not for clinical use.
"""

from mediml.viewer.notebook import controls, show
from mediml.viewer.static import show_static
from mediml.viewer.technical import Fact, frame_rate, technical_facts
from mediml.viewer.write import ViewerError, write_viewer

__all__ = [
    "Fact",
    "ViewerError",
    "controls",
    "frame_rate",
    "show",
    "show_static",
    "technical_facts",
    "write_viewer",
]
