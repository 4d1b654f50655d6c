"""The command `mediml`: finds the commands of `mediml.commands` and hands over to one of them.

A command is a module there, without an underscore in front, with ``SUMMARY``, ``add_arguments(parser)`` and
``run(arguments)``, which returns the exit status. Only the command that is run imports what it needs.
"""

import argparse
import importlib
import os
import pkgutil
import sys
import traceback
from collections.abc import Sequence
from types import ModuleType

from mediml import __version__, commands

__all__ = ["main"]

#: Exit statuses: the command says 0 or 1 itself; a request that cannot be met is 2; Ctrl-C as a shell counts it.
UNUSABLE, INTERRUPTED = 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    arguments : sequence of str, optional
        Words after ``mediml``; those of the process by default.

    Returns
    -------
    int
        Exit status: 0 done, 1 done and found wanting, 2 bad request or input, 130 interrupted.
    """
    parser = _parser()
    chosen = parser.parse_args(arguments)
    try:
        status = int(chosen.run(chosen))
        sys.stdout.flush()
    except KeyboardInterrupt:
        print(f"mediml {chosen.command}: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader, such as `head`, has what it wanted. Python would flush once more at exit and complain.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (ValueError, OSError, ImportError) as error:
        if isinstance(error, ModuleNotFoundError):  # no message of ours: a broken installation
            raise
        if chosen.debug:
            traceback.print_exc()
        print(f"mediml {chosen.command}: {_one_line(error)}", file=sys.stderr)
        return UNUSABLE
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mediml",
        description="Deep learning for medical images, from formula to report. Education, not for clinical use.",
    )
    parser.add_argument("--version", action="version", version=f"mediml {__version__}")
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    subparsers = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, title="commands")
    for name, module in _commands().items():
        subparser = subparsers.add_parser(name, help=module.SUMMARY, description=module.SUMMARY)
        module.add_arguments(subparser)
        subparser.set_defaults(run=module.run)
    return parser


def _commands() -> dict[str, ModuleType]:
    names = sorted(found.name for found in pkgutil.iter_modules(commands.__path__) if not found.name.startswith("_"))
    return {name: importlib.import_module(f"mediml.commands.{name}") for name in names}


def _one_line(error: Exception) -> str:
    """What an error says, without line breaks; an OSError names its file first."""
    if isinstance(error, OSError) and error.filename is not None and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return " ".join(str(error).split()) or type(error).__name__
