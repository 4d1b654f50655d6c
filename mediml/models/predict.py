"""What a trained model says about many images."""

import numpy as np
from numpy.typing import NDArray

from mediml import from_numpy, nn, no_grad

__all__ = ["predict_logits"]


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
                model(from_numpy(images[start : start + batch_size])).numpy()
                for start in range(0, len(images), batch_size)
            ]
    finally:
        model.train(training)
    return np.concatenate(parts).astype(np.float64)
