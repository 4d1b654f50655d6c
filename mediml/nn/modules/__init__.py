"""torch.nn's layers: one module per family of kernels, everything to be had from `mediml.nn`."""

from mediml.nn.modules import (
    activation,
    container,
    conv,
    distance,
    distribution_loss,
    dropout,
    flatten,
    linear,
    loss,
    margin_loss,
    module,
    pooling,
)
from mediml.nn.modules.activation import *  # noqa: F403
from mediml.nn.modules.container import *  # noqa: F403
from mediml.nn.modules.conv import *  # noqa: F403
from mediml.nn.modules.distance import *  # noqa: F403
from mediml.nn.modules.distribution_loss import *  # noqa: F403
from mediml.nn.modules.dropout import *  # noqa: F403
from mediml.nn.modules.flatten import *  # noqa: F403
from mediml.nn.modules.linear import *  # noqa: F403
from mediml.nn.modules.loss import *  # noqa: F403
from mediml.nn.modules.margin_loss import *  # noqa: F403
from mediml.nn.modules.module import *  # noqa: F403
from mediml.nn.modules.pooling import *  # noqa: F403

__all__: list[str] = []
__all__ += activation.__all__
__all__ += container.__all__
__all__ += conv.__all__
__all__ += distance.__all__
__all__ += distribution_loss.__all__
__all__ += dropout.__all__
__all__ += flatten.__all__
__all__ += linear.__all__
__all__ += loss.__all__
__all__ += margin_loss.__all__
__all__ += module.__all__
__all__ += pooling.__all__
