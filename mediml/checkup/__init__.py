"""What this machine has and what it lacks, with a way out for each fault: `mediml doctor`.

* `findings`: what a probe says, and how the probes are run so that none of them can stop the others.
* `software`: Python, packages, kernels; `machine`: threads, OpenMP, folders; `gpu`: PyTorch and CUDA.
* `trials`: what might end its process is tried in another one.
* `probes`: the list; `report`: as text and as JSON.

(The kernel doctor of lesson 07, ``mediml.exercises.doctor``, looks at kernels instead.)
"""
