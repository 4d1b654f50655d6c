"""Normalisation: numbers brought to mean 0 and variance 1 over a set of places, then scaled and shifted as learned.

What differs is the set. In an array (N, C, L), samples by channels by places in the picture:

* batch norm: one channel of all samples, (N, L) for each c; in evaluation the running statistics instead;
* layer norm: all of one sample; group norm: a group of its channels; instance norm: a group of one channel;
* RMS norm: as layer norm, without taking the mean off; local response norm: the channels beside, squares only.

``reference`` has the formulas as plain loops, ``cpu`` the same functions, fast; ``shapes`` checks for both.
Layers: ``mediml/nn/modules/norm.py``. Batch norm is taught in lesson 13, generative adversarial networks.
"""
