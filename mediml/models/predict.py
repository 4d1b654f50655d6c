"""What a trained model says about many images."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mediml import Tensor, from_numpy, nn, no_grad
from mediml.device import CPU, Device

__all__ = ["device_of", "output_of", "predict_logits"]


def device_of(model: nn.Module) -> Device:
    """Where a model computes: the device of its first parameter."""
    return next((parameter.device for parameter in model.parameters()), CPU)


def output_of(model: nn.Module, array: NDArray[Any], *others: Tensor) -> NDArray[Any]:
    """The model's output for an array, computed where the model is; the array and the output are on the host."""
    output: NDArray[Any] = model(from_numpy(array).to(device_of(model)), *others).detach().cpu().numpy()
    return output


def predict_logits(model: nn.Module, images: NDArray[np.float32], batch_size: int = 256) -> NDArray[np.float64]:
    """The model's outputs in evaluation mode, without a tape, batch by batch.

    Parameters
    ----------
    model : nn.Module
        Left in the mode (training or evaluation) it was in.
    images : ndarray of shape (N, C, H, W), float32
        Prepared as the model was trained.

    Returns
    -------
    ndarray of shape (N, num_classes), float64
    """
    if len(images) == 0:
        raise ValueError(f"predict_logits: expected at least one image, got shape {images.shape}")
    training = model.training
    model.eval()
    try:
        with no_grad():
            parts = [
                output_of(model, images[start : start + batch_size]) for start in range(0, len(images), batch_size)
            ]
    finally:
        model.train(training)
    return np.concatenate(parts).astype(np.float64)
