"""Interpolation: a picture of another size, each new pixel a weighted mean of the old pixels around its place.

* `interpolate_forward`, `interpolate_backward_x`: nearest, linear, cubic, and (with antialiasing) Lanczos, along one to
  three axes, with the corners or the edges of the two pictures aligned.

Along one axis every mode is a small table, which pixels with which weights; ``shapes`` computes it once. The gradient
has the transposed table.
``reference`` applies the tables as plain loops, ``cpu`` axis by axis, fast; ``shapes`` checks the arguments for both.
Layer: ``mediml/nn/modules/upsampling.py``. Taught in lesson 14, GAN at work.
"""
