"""Losses: one number that says how wrong a prediction is, and its gradient.

Over classes (axis 1 of the input):
    cross entropy of scores with class indices or class probabilities, negative log-likelihood.
Element by element:
    binary cross entropy of probabilities or of scores, squared, absolute, smooth absolute and Huber's error.

Each exists as formula and plain loops (``reference.py``), as fast loops for the CPU (``cpu.py``) and as kernels for the
GPU (``cuda.py``), with the reductions "none", "mean" and "sum". A reduced loss is a 0-dimensional array of the input's
dtype, added up in float64 over blocks whose number depends on the shape only, so that it has the same bits for any
number of threads.
"""
