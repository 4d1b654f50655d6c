"""``python -m mediml``: the same as the command `mediml`."""

import sys

from mediml.cli import main

sys.exit(main())
