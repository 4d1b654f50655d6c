"""Deep learning's building blocks as Numba kernels: each formula as plain loops, then fast, on CPU and on CUDA.

Compute only: NumPy arrays in, NumPy arrays out. One folder per family, the same files in each; see ``README.md`` in
this folder for the map. Nothing here knows a tensor, a layer or torch.
"""

#: Tells this package from another one of the same name on the package index.
PROJECT = "mediml"
