"""Recurrent layers: one layer in one direction over whole sequences, of one length or of several.

* `rnn_tanh`, `rnn_relu`: the Elman network. One state, one weighted sum.
* `lstm`: a cell state that gates write, keep and read; with or without a projection of what is read.
* `gru`: a state that is a weighted mean of itself and of a candidate.

Several layers, both directions and dropout are put together in ``mediml/nn/functional/rnn.py``; a single cell is a
sequence of one step. ``reference`` has the formulas as plain loops, with back-propagation through time gate by gate;
``cpu`` and ``cuda`` the same functions, fast; ``shapes`` checks the arguments for all.
Layers: ``mediml/nn/modules/rnn.py``. Taught in lesson 11, RNN, and lesson 12, LSTM, GRU and language.
"""
