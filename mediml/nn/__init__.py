"""Layers under torch.nn's names: everything in ``mediml/nn/modules``, `Parameter`, `init`, `functional`, `utils`."""

from mediml.nn import functional, init, modules, utils
from mediml.nn.modules import *  # noqa: F403 - all layers
from mediml.nn.parameter import Buffer, Parameter

__all__ = ["Buffer", "Parameter", "functional", "init", "modules", "utils"]
__all__ += modules.__all__
