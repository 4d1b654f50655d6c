"""Fast products. Same contracts as ``kernels/linear/reference.py``."""

from kernels.linear.reference import *  # noqa: F403
from kernels.linear.reference import __all__ as __all__
