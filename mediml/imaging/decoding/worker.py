"""A process that parses and decodes DICOM files in the place of this one, with limits of time and memory.

It is started when it is first needed, serves one file after another, is replaced when it dies, and ends with this
process. It is a new interpreter, not a fork: threads and forks of this process do not concern it.

| limit | by |
|---|---|
| 5 s for a file, on the clock | this process, which ends the other one |
| 6 s of processor time, 1 GiB of memory, no file written, no core dump | the system (``setrlimit``); not on Windows |

The wait for its start, which takes half a second where nothing else runs, does not count. It reads its standard input
and writes to its standard output; what else it would print goes nowhere. What comes back is checked as untrusted.
"""

import atexit
import contextlib
import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from mediml.imaging.decoding.codecs import Decoded
from mediml.imaging.decoding.pixels import PixelDescription
from mediml.imaging.decoding.wire import Body, EndOfStreamError, image_from_message, receive, send
from mediml.imaging.image import DicomError, Image

__all__ = ["START_SECONDS", "WALL_SECONDS", "Worker", "close", "deaths", "decode_isolated", "read_isolated"]

#: For one file, from the request to the answer.
WALL_SECONDS = 5.0

#: For the process to come up, on a machine that has other things to do.
START_SECONDS = 60.0

_PROGRAM = """
import json, sys
sys.path[:] = json.loads(sys.argv[1])
from mediml.imaging.decoding.process import serve
serve()
"""


class Worker:
    """One decoding process. Its methods may be called from several threads, and wait for each other.

    Attributes
    ----------
    deaths : int
        How often the process ended while it had a file.
    """

    def __init__(self, wall_seconds: float = WALL_SECONDS):
        self.wall_seconds, self.deaths = wall_seconds, 0
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = os.getpid()

    def ask(
        self, head: dict[str, Any], content: bytes | memoryview, answer: Callable[[dict[str, Any], Body], Any]
    ) -> Any:
        """Send one request; what `answer` makes of the reply, or a `DicomError`."""
        if self._owner != os.getpid():  # after a fork: the pipes belong to the parent
            self._lock, self._process, self._owner = threading.Lock(), None, os.getpid()
        with self._lock:
            process = self._running()
            late = threading.Event()
            clock = threading.Timer(self.wall_seconds, _stop, (process, late))
            clock.daemon = True
            clock.start()
            try:
                return self._exchange(process, head, content, answer)
            except DicomError:  # its own
                raise
            except (EndOfStreamError, OSError, KeyError, TypeError, ValueError, AttributeError):
                self.deaths += 1
                self._kill()
            except BaseException:
                self._kill()  # what it would still answer belongs to this request
                raise
            finally:
                clock.cancel()
        if late.is_set():
            raise DicomError(f"the file takes more than {self.wall_seconds:g} s to decode")
        raise DicomError(
            "the process that decodes ended: the file is damaged, or needs more time or memory than it may have"
        )

    @staticmethod
    def _exchange(
        process: "subprocess.Popen[bytes]",
        head: dict[str, Any],
        content: bytes | memoryview,
        answer: Callable[[dict[str, Any], Body], Any],
    ) -> Any:
        send(process.stdin, head, [content])  # type: ignore[arg-type]
        reply, body = receive(process.stdout)  # type: ignore[arg-type]
        if "error" in reply:
            raise DicomError(str(reply["error"]))
        result = answer(reply, body)
        if body.left:
            raise EndOfStreamError
        return result

    def _running(self) -> "subprocess.Popen[bytes]":
        if self._process is not None and self._process.poll() is None:
            return self._process
        self._kill()
        self._process = process = _start()
        clock = threading.Timer(START_SECONDS, process.kill)
        clock.daemon = True
        clock.start()
        try:
            receive(process.stdout)  # type: ignore[arg-type]
        except (EndOfStreamError, OSError):
            self._kill()
            raise DicomError("the process that decodes files could not be started") from None
        finally:
            clock.cancel()
        return process

    def _kill(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.kill()
        for pipe in (process.stdin, process.stdout):
            with contextlib.suppress(OSError):  # of what was not yet sent
                pipe.close()  # type: ignore[union-attr]
        process.wait()

    def close(self) -> None:
        """End the process; the next request starts another."""
        with self._lock:
            if self._owner == os.getpid():
                self._kill()


def _stop(process: "subprocess.Popen[bytes]", late: threading.Event) -> None:
    late.set()
    process.kill()


def _start() -> "subprocess.Popen[bytes]":
    if not sys.executable:
        raise DicomError("no Python program is known that could decode files in a process of its own")
    # Isolated (-I), with the paths of this process and not the working directory, which may hold anybody's modules.
    root = Path(__file__).resolve().parents[3]
    paths = [str(root), *(path for path in sys.path if os.path.isabs(path) and path != str(root))]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "MALLOC_ARENA_MAX": "2"}
    try:
        return subprocess.Popen(
            [sys.executable, "-I", "-c", _PROGRAM, json.dumps(paths)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
            start_new_session=True,  # Ctrl-C is this process's to handle
        )
    except OSError:
        raise DicomError("the process that decodes files could not be started") from None


_worker = Worker()
close = _worker.close
atexit.register(close)


def deaths() -> int:
    """How often the decoding process ended while it had a file."""
    return _worker.deaths


def read_isolated(content: bytes, frame: int | None) -> Image:
    """`mediml.imaging.dicom.read_content` in the other process."""
    if frame is not None and (isinstance(frame, bool) or not isinstance(frame, int)):
        raise DicomError(f"frame expects a whole number from 0, got {frame!r}")
    image = _worker.ask({"job": "read", "frame": frame}, content, image_from_message)
    assert isinstance(image, Image)
    return image


def decode_isolated(data: bytes | memoryview, described: PixelDescription) -> Decoded:
    """`mediml.imaging.decoding.codecs.decode` of one compressed frame in the other process."""

    def answer(head: dict[str, Any], body: Body) -> Decoded:
        decoded = Decoded(body.array(head["stored"]), str(head["photometric"]))
        if decoded.stored.shape != described.shape:
            raise EndOfStreamError
        return decoded

    if in_decoding_process():
        from mediml.imaging.decoding.codecs import decode

        return decode(data, described, 0)
    decoded = _worker.ask({"job": "decode", "described": asdict(described)}, data, answer)
    assert isinstance(decoded, Decoded)
    return decoded


def in_decoding_process() -> bool:
    """Whether this is the process that may die."""
    decoding = sys.modules.get("mediml.imaging.decoding.process")
    return decoding is not None and bool(decoding.serving)
