"""The model's score for one prepared image, and what its first layer made of it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mediml import nn
from mediml.models.predict import predict_logits
from mediml.models.pretrained import Pretrained

__all__ = ["Prediction", "classify", "first_convolution"]


@dataclass(frozen=True, eq=False)
class Prediction:
    """What a model computed for one image.

    Attributes
    ----------
    score : float
        Calibrated score of the positive class, in [0, 1]: softmax of the logits over the card's temperature.
    above_threshold : bool
        Whether `score` reaches the operating point that was chosen on validation data.
    feature_maps : ndarray of shape (channels, height, width), float32
        Output of the first convolution, before its nonlinearity.
    """

    score: float
    above_threshold: bool
    feature_maps: NDArray[Any]


def classify(pretrained: Pretrained, batch: NDArray[Any]) -> Prediction:
    """Run the model on one image of shape (1, 1, size, size), normalised as its card says.

    Raises
    ------
    ValueError
        If the model has no convolution, or does not give two finite logits.
    """
    seen: list[NDArray[Any]] = []
    handle = first_convolution(pretrained.model).register_forward_hook(
        lambda _module, _inputs, output: seen.append(np.array(output.detach().cpu().numpy()))
    )
    try:
        logits = predict_logits(pretrained.model, batch)
    finally:
        handle.remove()
    if logits.shape != (1, 2) or not np.isfinite(logits).all():
        raise ValueError(f"classify: expected two finite logits from the model, got shape {logits.shape}")
    difference = (logits[0, 1] - logits[0, 0]) / float(pretrained.card["temperature"])
    # Softmax of two classes is the logistic function of their difference, written so that exp cannot overflow.
    score = float(0.5 * (1 + np.tanh(difference / 2)))
    return Prediction(score, score >= float(pretrained.card["threshold"]), seen[0][0].astype(np.float32))


def first_convolution(model: nn.Module) -> nn.Module:
    """The first convolution in the order in which a model names its parts."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            return module
    raise ValueError("classify: the model has no convolution whose feature maps could be shown")
