"""The stream that kernels and copies are queued on: work on one stream happens in its order.

Without a word it is CUDA's default stream, which PyTorch uses as well. Where arrays of another library come in that
works on a stream of its own, `follow` asks that library before each launch, so that both queue on the same stream.
"""

import sys

from numba import cuda

from kernels.gpu.target import memory_is_host

__all__ = ["current", "current_handle", "follow", "follow_torch", "stream_of"]

_provider = None


def follow(provider):
    """Queue on the stream whose handle (an int; 0 is the default stream) ``provider()`` gives at each launch.

    Parameters
    ----------
    provider : callable or None
        None: CUDA's default stream again.

    Returns
    -------
    callable or None
        What was followed before.
    """
    global _provider
    previous, _provider = _provider, provider
    return previous


def follow_torch():
    """Queue on PyTorch's current stream from now on: what it has queued before comes first, and the other way round.

    PyTorch is asked at each launch, since ``with torch.cuda.stream(s):`` changes it. It has been imported already, by
    whoever made the tensor that came in.
    """
    return follow(lambda: sys.modules["torch"].cuda.current_stream().cuda_stream)


def current_handle():
    """Handle of the stream that the next launch goes to; 0 is CUDA's default stream."""
    return 0 if _provider is None else int(_provider())


def current():
    """That stream as Numba takes it."""
    return stream_of(current_handle())


def stream_of(handle):
    """The stream of a handle as Numba takes it."""
    if memory_is_host() or handle == 0:
        return 0
    return cuda.external_stream(handle)
