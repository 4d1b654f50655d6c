"""All probes, in the order of the report: what the later ones need comes first."""

from mediml.checkup import gpu, machine, software
from mediml.checkup.findings import Probe

__all__ = ["PROBES"]

PROBES = (
    Probe("Python", software.python),
    Probe("packages", software.packages),
    Probe("mediml", software.kernels_package),
    Probe("threads", machine.threads),
    Probe("cache of compiled kernels", software.cache),
    Probe("a kernel at work", software.kernel_run),
    Probe("PyTorch", gpu.torch),
    Probe("CUDA", gpu.cuda),
    Probe("extras", software.extras),
    Probe("folders", machine.places),
)
