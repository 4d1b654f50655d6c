"""mediml: deep learning for medical images, from the formula to the report.

A torch program runs on mediml when its imports change::

    import mediml as torch
    from mediml import nn, optim
    import mediml.nn.functional as F

The kernels behind it are in the package `kernels`; the lessons walk through both.
"""

import importlib
from math import e, inf, nan, pi
from typing import TYPE_CHECKING, Any

import kernels as _kernels

if getattr(_kernels, "PROJECT", None) != "mediml":
    raise ImportError(
        f"mediml: the package 'kernels' that Python found is another project's, "
        f"at {_kernels.__file__ or list(_kernels.__path__)}; expected mediml's own. "
        f"Remove the other one ('pip uninstall kernels') and install mediml again, "
        f"or run Python where that path does not come first"
    )

from mediml.autograd import enable_grad, is_grad_enabled, no_grad, set_grad_enabled
from mediml.autograd import no_grad as inference_mode
from mediml.device import Device as device  # noqa: N813 - torch's name
from mediml.device import get_num_threads, set_num_threads
from mediml.dtypes import bool_ as bool  # torch's name
from mediml.dtypes import (
    double,
    finfo,
    float16,
    float32,
    float64,
    get_default_dtype,
    half,
    iinfo,
    int8,
    int16,
    int32,
    int64,
    long,
    promote_types,
    result_type,
    set_default_dtype,
    uint8,
)
from mediml.dtypes import float32 as float  # torch's name
from mediml.dtypes import int32 as int  # torch's name
from mediml.interchange import as_tensor, from_dlpack, from_numpy, is_tensor, tensor
from mediml.ops import methods as _methods
from mediml.random import (
    Generator,
    bernoulli,
    get_rng_state,
    initial_seed,
    manual_seed,
    multinomial,
    normal,
    rand,
    rand_like,
    randint,
    randn,
    randn_like,
    randperm,
    seed,
    set_rng_state,
)
from mediml.tensor import Size, Tensor

__version__ = "0.1.0"

__all__ = [  # noqa: PLE0604 - names of functions
    "Generator",
    "Size",
    "Tensor",
    "as_tensor",
    "bernoulli",
    "bool",
    "device",
    "double",
    "enable_grad",
    "finfo",
    "float",
    "float16",
    "float32",
    "float64",
    "from_dlpack",
    "from_numpy",
    "get_default_dtype",
    "get_rng_state",
    "half",
    "iinfo",
    "initial_seed",
    "int",
    "int16",
    "int32",
    "int64",
    "int8",
    "is_grad_enabled",
    "is_tensor",
    "long",
    "manual_seed",
    "multinomial",
    "no_grad",
    "normal",
    "promote_types",
    "rand",
    "rand_like",
    "randint",
    "randn",
    "randn_like",
    "randperm",
    "result_type",
    "seed",
    "set_default_dtype",
    "set_grad_enabled",
    "set_rng_state",
    "tensor",
    "uint8",
    "e",
    "inf",
    "nan",
    "pi",
    "inference_mode",
    "get_num_threads",
    "set_num_threads",
    *_methods.functions(),
]

globals().update(_methods.functions())

#: Loaded when first used, so that ``import mediml`` stays quick.
_SUBMODULES = frozenset(
    {
        "autograd", "cuda", "data", "diagnosis", "evaluation", "imaging", "models", "nn", "optim", "plots", "training",
        "utils",
    }
)  # fmt: skip
#: What torch has beside torch.nn.functional as well, where the same arguments mean the same: torch.batch_norm,
#: torch.embedding and some losses take theirs in another order.
_FROM_FUNCTIONAL = frozenset(
    {
        "adaptive_avg_pool1d", "avg_pool1d", "bilinear", "celu", "celu_", "conv1d", "conv2d", "conv3d",
        "conv_transpose1d", "conv_transpose2d", "conv_transpose3d", "cosine_similarity", "dropout", "group_norm",
        "gru", "gru_cell", "hardshrink", "layer_norm", "log_softmax", "lstm", "lstm_cell", "max_pool1d",
        "max_pool1d_with_indices", "max_pool2d", "max_pool3d", "pairwise_distance", "pdist", "pixel_shuffle",
        "pixel_unshuffle", "prelu", "relu", "relu_", "rms_norm", "rnn_relu", "rnn_relu_cell", "rnn_tanh",
        "rnn_tanh_cell", "rrelu", "rrelu_", "selu", "selu_", "sigmoid", "softmax", "tanh", "threshold", "threshold_",
    }
)  # fmt: skip
_FROM_SERIALIZATION = frozenset({"load", "save"})

if TYPE_CHECKING:
    from mediml import nn as nn
    from mediml import optim as optim
    from mediml.serialization import load as load
    from mediml.serialization import save as save


def __getattr__(name: str) -> Any:
    if name in _SUBMODULES:
        return importlib.import_module(f"mediml.{name}")
    if name in _FROM_FUNCTIONAL:
        return getattr(importlib.import_module("mediml.nn.functional"), name)
    if name in _FROM_SERIALIZATION:
        return getattr(importlib.import_module("mediml.serialization"), name)
    raise AttributeError(f"module 'mediml' has no attribute {name!r}")
