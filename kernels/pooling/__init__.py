"""Pooling: one number for each window of a picture, in one, two or three dimensions.

* `max_pool*`: the largest value and where it stood; `max_unpool*` puts values back to such places.
* `avg_pool*`: the mean.
* `adaptive_max_pool*`, `adaptive_avg_pool*`: the windows follow from the size that the output shall have. Global
  pooling is adaptive pooling with output size 1 on every axis.

``reference`` has the formulas as plain loops, ``cpu`` the same functions, fast; ``shapes`` checks the arguments for
both.
Layer: ``mediml/nn/modules/pooling.py``. Taught in lesson 05, pooling.
"""
