"""The course's models, built from `mediml.nn`; each has its twin on torch.nn in `mediml.reference`."""
