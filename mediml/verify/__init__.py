"""Our operators against PyTorch's: every operator, back end, dtype and direction.

* `cases`: what is compared, one module per family of kernels.
* `peers`: PyTorch itself where it is installed, else its answers from ``golden/``; `make_golden` writes those.
* `tolerances`: how far an answer may be off, in one table.
* `runner`: the comparison. `mediml verify` prints it.
"""
