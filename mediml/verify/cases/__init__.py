"""The cases of `mediml verify`, one module per family of kernels, each with a list ``CASES``."""
