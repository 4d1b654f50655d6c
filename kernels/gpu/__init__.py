"""The GPU: where its memory comes from, how kernels are launched on it, and arrays that live there.

* ``target.py``: what Numba offers here: a GPU, its simulator, or nothing, and then what to do about it
* ``launch.py``: the one decorator of CUDA kernels, grids and blocks, the stream
* ``memory.py``: blocks of device memory that are used again, so that a training step allocates nothing
* ``array.py``: `DeviceArray`, NumPy's interface to such a block; ``transfer.py``: to it and back, counted
* ``loops.py``: loops that compile to what they would in C
* ``math.py``: exp, log, … for kernels; ``faults.py``: how a kernel reports an index that is out of range
* ``convolution.py``: the sums that a convolution and its transpose share; ``convolution_tiled.py`` computes them
* ``elementwise.py``: one kernel around any formula; ``axis.py``: how threads share an axis
* ``sums.py``: sums in a fixed order; ``random.py``: random numbers from a counter
* the rest: what NumPy does for tensors on the CPU (arithmetic, reductions, indexing, sorting), as kernels

The families' ``cuda.py`` build on this. Nothing here is imported where no GPU is asked for. Taught in lesson 07.
"""
