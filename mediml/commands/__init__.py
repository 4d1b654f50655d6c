"""The commands of `mediml`, one module each: ``SUMMARY``, ``add_arguments(parser)`` and ``run(arguments) -> int``."""
