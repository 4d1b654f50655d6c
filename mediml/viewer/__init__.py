"""Looking at medical images: a page in one HTML file, sliders in a notebook, and their static twin.

Everything here is for education, not for clinical use.
"""

from mediml.viewer.technical import Fact, frame_rate, technical_facts
from mediml.viewer.write import ViewerError, write_viewer

__all__ = ["Fact", "ViewerError", "frame_rate", "technical_facts", "write_viewer"]
