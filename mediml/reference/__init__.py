"""The models of `mediml.models` on torch.nn: each file equals its twin but for the import lines. Needs torch."""
