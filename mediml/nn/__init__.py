"""Layers under torch.nn's names: everything in ``mediml/nn/modules``, and `Parameter`, `init`, `functional`."""

from mediml.nn import functional as functional
from mediml.nn import init as init
from mediml.nn.modules import *  # noqa: F403 - all layers
from mediml.nn.parameter import Buffer as Buffer
from mediml.nn.parameter import Parameter as Parameter
