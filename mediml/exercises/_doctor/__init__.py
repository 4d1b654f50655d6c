"""Parts of the kernel doctor, in the order in which they work.

* ``translation.py``: a kernel without Numba: its functions with ``cuda_module.py`` for the module ``cuda`` and
  ``mathematics.py`` for ``math``; ``numba_inside.py`` says what Numba has
* ``arrays.py``: arrays that tell of each access; ``recording.py``: what they tell it to
* ``running.py``: blocks, threads, barriers
* ``analysis.py``: from the record to ``findings.py``; ``report.py`` says them, ``picture.py`` draws them
"""
