"""torch.cuda's questions, so that ``"cuda" if torch.cuda.is_available() else "cpu"`` finds the device there is."""

from mediml.device import KINDS

__all__ = ["device_count", "is_available"]


def is_available() -> bool:
    """Whether tensors can be on a GPU: only where `mediml.device` knows one."""
    return "cuda" in KINDS


def device_count() -> int:
    """How many GPUs tensors can be on."""
    return int(is_available())
