"""For learners: a doctor for their CUDA kernels, and kernels to try it on.

* ``doctor.py``: `examine` runs a kernel without a GPU and tells its faults: see there
* ``cuda_kernels.py``: the kernels of lesson 07, right ones and wrong ones
"""
