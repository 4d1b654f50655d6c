"""A server on the loopback that misbehaves as it is told, so that no test of a download touches the network."""

import contextlib
import http.server
import re
import socket
import threading
import time
from types import SimpleNamespace

import pytest

from mediml.data import download, transfer


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        server = self.server.told
        server.requests.append(SimpleNamespace(path=self.path, headers=dict(self.headers)))
        behave = server.behaviour.pop(0) if server.behaviour else good
        self.close_connection = True
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the client has what it wanted
            behave(self, server.files.get(self.path.partition("?")[0]))

    def log_message(self, *arguments):
        pass

    def answer(self, status, headers, body=b"", pause=0.0):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()
        if pause:
            time.sleep(pause)

    def wanted(self, content):
        """(status, headers, body) of an honest answer."""
        tag = self.server.told.etag
        headers = {"ETag": tag} if tag else {}
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        condition = self.headers.get("If-Range")
        if asked and condition in (None, tag):
            start = int(asked.group(1))
            if start >= len(content):
                return 416, {"Content-Range": f"bytes */{len(content)}"}, b""
            body = content[start:]
            place = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"}
            return 206, {**headers, **place, "Content-Length": str(len(body))}, body
        return 200, {**headers, "Content-Length": str(len(content))}, content


def good(handler, content):
    if content is None:
        handler.answer(404, {"Content-Length": "0"})
    else:
        handler.answer(*handler.wanted(content))


def dropping(after):
    """Sends so many bytes of what was asked for, then the connection is gone."""

    def behave(handler, content):
        status, headers, body = handler.wanted(content)
        handler.answer(status, headers, body[:after])
        handler.connection.shutdown(socket.SHUT_RDWR)

    return behave


def stalling(after, seconds):
    def behave(handler, content):
        status, headers, body = handler.wanted(content)
        handler.answer(status, headers, body[:after], pause=seconds)

    return behave


def deaf(after=None):
    """Knows no ranges: sends everything, or the first so many bytes."""

    def behave(handler, content):
        handler.answer(200, {"Content-Length": str(len(content))}, content[:after])

    return behave


def saying(length, extra=b""):
    """Announces a length that is not that of the content."""
    return lambda handler, content: handler.answer(200, {"Content-Length": str(length)}, content + extra)


def status(code, **headers):
    return lambda handler, content: handler.answer(
        code, {"Content-Length": "0", **{name.replace("_", "-"): value for name, value in headers.items()}}
    )


def endless(handler, content):
    handler.answer(200, {})
    for _ in range(10_000):
        handler.wfile.write(bytes(2**16))


@pytest.fixture
def server(monkeypatch):
    """The server; `files`, `etag` and `behaviour` (one entry a request) are the test's to set, `requests` to read."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("MEDIML_OFFLINE", raising=False)
    monkeypatch.setattr(transfer, "_SCHEMES", frozenset({"http", "https"}))
    monkeypatch.setattr(transfer, "_TIMEOUT_S", 0.3)
    monkeypatch.setattr(download, "_WAIT_S", 0.0)
    told = SimpleNamespace(
        files={}, etag='"v1"', behaviour=[], requests=[], good=good, dropping=dropping, stalling=stalling, deaf=deaf,
        saying=saying, status=status, endless=endless,
    )  # fmt: skip
    listening = http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    listening.told = told
    told.url = f"http://127.0.0.1:{listening.server_address[1]}"
    thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield told
    listening.shutdown()
    listening.server_close()
    thread.join()
