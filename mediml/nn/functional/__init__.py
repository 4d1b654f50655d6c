"""torch.nn.functional's names and signatures over the kernels: a module per family, all to be had from here."""

from mediml.nn.functional import (
    activation,
    adaptive_pooling,
    conv,
    distance,
    distribution_loss,
    dropout,
    error_loss,
    linear,
    loss,
    lp_pooling,
    margin_loss,
    pooling,
    softmax,
)

__all__: list[str] = []
__all__ += activation.__all__
__all__ += adaptive_pooling.__all__
__all__ += conv.__all__
__all__ += distance.__all__
__all__ += distribution_loss.__all__
__all__ += dropout.__all__
__all__ += error_loss.__all__
__all__ += linear.__all__
__all__ += loss.__all__
__all__ += lp_pooling.__all__
__all__ += margin_loss.__all__
__all__ += pooling.__all__
__all__ += softmax.__all__

# Last, because functions take the names of some modules: linear, dropout, softmax.
from mediml.nn.functional.activation import *  # noqa: E402, F403
from mediml.nn.functional.adaptive_pooling import *  # noqa: E402, F403
from mediml.nn.functional.conv import *  # noqa: E402, F403
from mediml.nn.functional.distance import *  # noqa: E402, F403
from mediml.nn.functional.distribution_loss import *  # noqa: E402, F403
from mediml.nn.functional.dropout import *  # noqa: E402, F403
from mediml.nn.functional.error_loss import *  # noqa: E402, F403
from mediml.nn.functional.linear import *  # noqa: E402, F403
from mediml.nn.functional.loss import *  # noqa: E402, F403
from mediml.nn.functional.lp_pooling import *  # noqa: E402, F403
from mediml.nn.functional.margin_loss import *  # noqa: E402, F403
from mediml.nn.functional.pooling import *  # noqa: E402, F403
from mediml.nn.functional.softmax import *  # noqa: E402, F403
