"""For learners: a doctor for their CUDA kernels, and kernels to try it on.

* ``doctor.py``: `examine` runs a kernel without a GPU and tells its faults: see there
* ``kernels.py``: small kernels, ill and well, for lesson 07
"""
