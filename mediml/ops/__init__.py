"""What can be done with tensors, by torch's names: arithmetic, reductions, shapes, indexing, creation.

Everything here is NumPy with a gradient; the operators that this project is about (convolution, pooling, losses …) are
kernels and live in ``mediml/nn/functional``.
"""
