"""Normalisation: numbers brought to mean 0 and variance 1 over a set of places, then scaled and shifted as learned.

What differs is the set. In an array (N, C, L), samples by channels by places in the picture:

* batch norm: one channel of all samples, (N, L) for each c; in evaluation the running statistics instead;
* layer norm: all of one sample; group norm: a group of its channels; instance norm: a group of one channel;
* RMS norm: as layer norm, without taking the mean off; local response norm: the channels beside, squares only.

``reference`` has the formulas as plain loops, ``cpu`` and ``cuda`` the same functions, fast; ``shapes`` checks for all.
A backward function gives the gradients of all arguments, which share two sums, and is called ``<op>_backward_all``.
Layers: ``mediml/nn/modules/norm.py``, ``mediml/nn/modules/batchnorm.py``. Taught in lesson 13, GAN.
"""
