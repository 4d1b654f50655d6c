"""Figures of the lessons and reports: drawn by matplotlib, without words of one language, each with a text alternative.

Every ``show_…`` function draws one figure and displays it in the notebook. `alt` is a pair: what the figure shows, in
English and in Chinese, for a reader who does not see it. Labels are symbols, numbers and units; the lesson's text says
what they mean. Colours are Okabe and Ito's eight and the maps cividis and RdBu, which colour-blind readers tell apart.
"""

from mediml.plots.curves import show_confusion, show_curves, show_learning_curves, show_reliability
from mediml.plots.display import Alt, Picture, show, show_frames
from mediml.plots.images import show_images
from mediml.plots.numbers import show_numbers, show_windows
from mediml.plots.samples import show_sample_frames, show_samples
from mediml.plots.sequences import show_gradient_norms, show_sequences, show_unrolled
from mediml.plots.source import show_source
from mediml.plots.sweep import show_sweep
from mediml.plots.tape import show_tape
from mediml.plots.threads import show_threads

__all__ = [
    "Alt",
    "Picture",
    "show",
    "show_confusion",
    "show_curves",
    "show_frames",
    "show_gradient_norms",
    "show_images",
    "show_learning_curves",
    "show_numbers",
    "show_reliability",
    "show_sample_frames",
    "show_samples",
    "show_sequences",
    "show_source",
    "show_sweep",
    "show_tape",
    "show_threads",
    "show_unrolled",
    "show_windows",
]
