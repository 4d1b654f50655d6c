"""Optimization: how parameters move when the gradient is known.

Stochastic gradient descent (with momentum, Nesterov's variant, weight decay) and Adam (with its AMSGrad variant and the
decoupled weight decay of AdamW), each as one pass over the elements of one parameter, as formula and plain loops
(``reference.py``), as fast loops for the CPU (``cpu.py``) and as kernels for the GPU (``cuda.py``); the two fast ones
share ``formulas.py``.

This is the one family that writes into what it is given: the parameter and the optimizer's state are changed in place,
because a training step that allocated them anew would spend its time on that. The gradient is never changed.
"""
