"""What Numba's CUDA target is here: a GPU, the simulator, or nothing; and then what is missing.

Two packages provide ``numba.cuda``: numba itself (frozen since 0.61) and numba-cuda, which takes over the import and is
maintained. mediml runs on a GPU with numba-cuda only. With ``NUMBA_ENABLE_CUDASIM=1`` in the environment before Python
starts, either of them runs kernels in Python instead, one Python thread per CUDA thread: slowly, and on any machine.
"""

import importlib.util
from functools import cache

from numba import cuda

__all__ = ["SIMULATED", "memory_is_host", "pretend", "problem", "require"]

#: Whether kernels run in Numba's simulator.
SIMULATED = "simulator" in cuda.jit.__module__

_WITHOUT_A_GPU = (
    "without a GPU, NUMBA_ENABLE_CUDASIM=1 set before Python starts runs small examples in Numba's simulator; "
    '"mediml doctor" tells more'
)

_pretending = False


def pretend(enabled):
    """For ``ptx.py``: let arrays lie in host memory, for kernels that are compiled, not run. Returns the old state."""
    global _pretending
    previous, _pretending = _pretending, bool(enabled)
    return previous


def memory_is_host():
    """Whether device arrays lie in host memory: in the simulator, and where kernels are only compiled."""
    return SIMULATED or _pretending


def problem():
    """Why no kernel can run on a GPU here, and what to do; None where one can."""
    return None if memory_is_host() else _missing()


@cache
def _missing():
    if importlib.util.find_spec("numba_cuda") is None:
        return (
            'the package numba-cuda is not installed; install the extra "cuda" of mediml, -e ".[cuda]", for a CUDA 13 '
            f'driver, "cuda12" for CUDA 12; {_WITHOUT_A_GPU}'
        )
    try:
        usable = cuda.is_available()
    except Exception as error:  # drivers fail in many ways, and each is a reason
        return f"the CUDA driver does not answer ({type(error).__name__}: {error}); {_WITHOUT_A_GPU}"
    if not usable:
        return f"numba-cuda finds no NVIDIA driver and GPU; {_WITHOUT_A_GPU}"
    return None


def require():
    """Refuse to go on without a GPU or its simulator.

    Raises
    ------
    ValueError
        With what is missing and what to do.
    """
    reason = problem()
    if reason is not None:
        raise ValueError(f'device "cuda" cannot be used here: {reason}')
