"""The other side of `mediml.imaging.decoding.worker`: what runs in the process that decodes.

Nothing else imports this module.
"""

import contextlib
import os
import sys
from typing import Any, BinaryIO

from mediml.imaging.decoding.codecs import decode
from mediml.imaging.decoding.pixels import PixelDescription
from mediml.imaging.decoding.wire import Body, EndOfStreamError, image_to_message, receive, send
from mediml.imaging.dicom import read_content, silent_pydicom
from mediml.imaging.image import DicomError

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

__all__ = ["CPU_SECONDS", "MEMORY_BYTES", "serve"]

#: Address space of the process.
MEMORY_BYTES = 2**30

#: Processor time for one file.
CPU_SECONDS = 6

serving = False


def serve() -> None:
    """Answer requests from standard input until it ends."""
    global serving
    requests, answers = _private_streams()
    _limit_once()
    serving = True
    send(answers, {"ready": True}, [])
    while True:
        _limit_time()
        try:
            head, body = receive(requests)
            answer = _answered(head, body)
        except EndOfStreamError:
            return
        except MemoryError:  # the rest of the request is still in the pipe
            send(answers, {"error": _TOO_MUCH_MEMORY}, [])
            return
        send(answers, *answer)


_TOO_MUCH_MEMORY = f"the file needs more than {MEMORY_BYTES} bytes of memory to decode"


def _private_streams() -> tuple[BinaryIO, BinaryIO]:
    """Standard input and output for this module alone: what a decoder prints would be taken for an answer."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    os.close(nowhere)
    sys.stdin, sys.stdout, sys.stderr = None, None, None
    return requests, answers


def _limit_once() -> None:
    if resource is None:
        return
    for name, limit in (("RLIMIT_AS", MEMORY_BYTES), ("RLIMIT_CORE", 0), ("RLIMIT_FSIZE", 0)):
        if hasattr(resource, name):
            hard = resource.getrlimit(getattr(resource, name))[1]
            if hard != resource.RLIM_INFINITY:
                limit = min(limit, hard)
            with contextlib.suppress(OSError, ValueError):  # macOS has RLIMIT_AS and refuses it
                resource.setrlimit(getattr(resource, name), (limit, limit))


def _limit_time() -> None:
    """The limit is on all that the process has used, so that it moves with each file."""
    if resource is None:
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    hard = resource.getrlimit(resource.RLIMIT_CPU)[1]
    limit = int(used.ru_utime + used.ru_stime) + 1 + CPU_SECONDS
    resource.setrlimit(resource.RLIMIT_CPU, (limit if hard == resource.RLIM_INFINITY else min(limit, hard), hard))


def _answered(head: dict[str, Any], body: Body) -> tuple[dict[str, Any], list[Any]]:
    try:
        if head["job"] == "read":
            return image_to_message(read_content(body.content(), head["frame"]))
        with silent_pydicom():
            decoded = decode(body.content(), PixelDescription(**head["described"]), 0)
        stored = {"dtype": decoded.stored.dtype.name, "shape": decoded.stored.shape}
        return {"stored": stored, "photometric": decoded.photometric}, [decoded.stored]
    except DicomError as error:
        return {"error": str(error)}, []
    except MemoryError:
        if body.left:
            raise
        return {"error": _TOO_MUCH_MEMORY}, []
