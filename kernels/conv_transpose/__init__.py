"""Transposed convolution: each input pixel stamps the kernel, times its value, onto the output; overlapping stamps add.

* `conv_transpose1d_*`, `conv_transpose2d_*`, `conv_transpose3d_*`: forward, and the gradients for the input, the
  weights and the bias; with stride, padding, output_padding, dilation and groups. With stride 2 the output is twice as
  large as the input: what a generator or the way up of a U-Net needs.

It is the convolution read backwards: its forward pass is the gradient for x of a convolution, and its gradient for x is
a convolution. ``reference`` has the formulas as plain loops, ``cpu`` the same functions, fast, ``cuda`` for the GPU;
``shapes`` checks the arguments for all.
Layer: ``mediml/nn/modules/conv_transpose.py``. Taught in lesson 13, generative adversarial networks.
"""
