"""Our speed against PyTorch's on the same processor or GPU: the ratio of its time to ours, never an absolute time.

* `timing`: two callables in turn, in one process, warm, with the same number of threads.
* `operators`, `steps`: what is timed, of the shapes and models that the lessons use.
* `gpu`: both on a GPU, by its own clock, PyTorch with TF32 off and on.
* `quality`: a DCGAN and its torch twin, trained alike; the one comparison here that is not of time.
* `runner`: refuses to time what does not agree with PyTorch. `mediml bench` prints it.
"""
