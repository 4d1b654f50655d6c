"""Convolution: each output is a weighted sum of a neighbourhood, with the same weights everywhere.

* `conv1d_*`, `conv2d_*`, `conv3d_*`: forward, and the gradients for the input, the weights and the bias; with stride,
  padding, dilation and groups. As in every framework, "convolution" is cross-correlation: the kernel is not flipped.
* `pad_forward`, `pad_backward_x`: what a layer puts around a picture before it convolves: a constant, the mirrored
  picture, its repeated border, or its opposite side.

``reference`` has the formulas as plain loops, ``cpu`` the same functions, fast, ``cuda`` for the GPU; ``shapes`` checks
the arguments for all.
Layer: ``mediml/nn/modules/conv.py``. Taught in lesson 04, convolution.
"""
