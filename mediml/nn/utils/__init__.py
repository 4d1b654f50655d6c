"""torch.nn.utils: what is done to parameters and sequences beside the layers; a module per subject."""

from mediml.nn.utils import rnn

__all__ = ["rnn"]
