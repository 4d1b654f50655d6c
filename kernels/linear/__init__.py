"""Products of matrices: every output is a sum over all inputs, each with a weight of its own.

* `matmul_*`: the product of two stacks of matrices, and its gradients.
* `linear_*`: the layer y = x weight^T + bias, forward, and the gradients for the input, the weights and the bias.

``reference`` has the formulas as plain loops, ``cpu`` and ``cuda`` the same functions, fast; ``shapes`` checks the
arguments for all.
Layer: ``mediml/nn/modules/linear.py``. Taught in lesson 09, training a network.
"""
