"""Activations: the functions between two layers that make a network more than one matrix product.

Most treat every element alone: a scalar formula and its derivative, one loop for all of them (``elementwise.py``).
The others treat one axis apart: softmax and log_softmax (numbers that sum to 1), glu (one half gates the other),
prelu (a learned slope for each channel).

``reference.py``, ``formulas.py`` and ``reference_axis.py`` hold the formulas; ``cpu.py`` and ``cpu_axis.py`` the fast
twins, on the vector functions of ``kernels/elementary.py``; ``cuda.py`` and ``cuda_axis.py`` those for the GPU. NaN and
infinity go through as in torch.

The layers are in ``mediml/nn/modules/activation.py``. Taught in lesson 05, pooling and activation.
"""
