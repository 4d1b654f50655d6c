"""torch.nn.utils: what is done to parameters and sequences beside the layers; a module per subject."""

from mediml.nn.utils import rnn
from mediml.nn.utils.clip_grad import clip_grad_norm_, clip_grad_value_, clip_grads_with_norm_, get_total_norm
from mediml.nn.utils.convert_parameters import parameters_to_vector, vector_to_parameters
from mediml.nn.utils.spectral_norm import remove_spectral_norm, spectral_norm

__all__ = [
    "clip_grad_norm_", "clip_grad_value_", "clip_grads_with_norm_", "get_total_norm", "parameters_to_vector",
    "remove_spectral_norm", "rnn", "spectral_norm", "vector_to_parameters",
]  # fmt: skip
