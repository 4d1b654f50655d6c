"""Dropout: training with a random part of a layer switched off, so that no unit relies on a single other one.

The kernels draw no random numbers: which elements stay is an argument, a mask, so that the same call gives the same
result. A mask of the input's shape treats every element alone; one of its first axes, (N, C), keeps or drops whole
channels. ``alpha_dropout`` keeps mean 0 and variance 1 behind selu. ``reference.py`` holds the formulas, ``cpu.py``
and ``cuda.py`` the fast twins; both gradients are linear in grad_y.

The layers are in ``mediml/nn/modules/dropout.py``.
"""
