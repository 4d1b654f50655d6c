"""Downloads from a server that drops, stalls, lies and changes its mind: only the right file gets the name."""

import hashlib
import json
import shutil
from types import SimpleNamespace

import numpy as np
import pytest

from mediml.data import download as downloading
from mediml.data import transfer
from mediml.data.catalog import CatalogError, DataFile
from mediml.data.download import DownloadError, download
from mediml.data.exclusive import exclusive

CONTENT = np.random.default_rng(0).bytes(300_000)
OTHER = np.random.default_rng(1).bytes(300_000)
MD5, SHA256 = hashlib.md5(CONTENT).hexdigest(), hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def file(server):
    """A file of two addresses, both of which have it."""
    server.files = {"/a/set.npz": CONTENT, "/b/set.npz": CONTENT}
    urls = (f"{server.url}/a/set.npz?download=1", f"{server.url}/b/set.npz")
    return SimpleNamespace(urls=urls, hashes={"md5": MD5, "sha256": SHA256}, at_most=400_000, bytes=None)


def get(file, folder, **changes):
    data_file = DataFile("28", "set.npz", **{**vars(file), **changes})
    lines, seen = [], []
    digest = download(data_file, folder / "set.npz", None, lines.append, lambda done, total: seen.append((done, total)))
    return SimpleNamespace(digest=digest, lines=lines, seen=seen)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def paths(server):
    return [request.path.partition("?")[0] for request in server.requests]


def test_a_file_comes_and_nothing_else_is_left(server, file, tmp_path):
    got = get(file, tmp_path)
    assert (tmp_path / "set.npz").read_bytes() == CONTENT and names(tmp_path) == ["set.npz"]
    assert got.digest == SHA256 and got.seen[0] == (0, 300_000) and got.seen[-1] == (300_000, 300_000)
    assert server.requests[0].headers["Accept-Encoding"] == "identity" and "Range" not in server.requests[0].headers
    with pytest.raises(DownloadError, match="is there already"):
        get(file, tmp_path)


def test_a_dropped_connection_is_gone_on_with(server, file, tmp_path):
    server.behaviour = [server.dropping(100_000), server.dropping(50_000)]
    got = get(file, tmp_path)
    assert (tmp_path / "set.npz").read_bytes() == CONTENT
    asked = [request.headers.get("Range") for request in server.requests]
    assert asked[0] is None and len(asked) == 3
    first, second = (int(text.removeprefix("bytes=").removesuffix("-")) for text in asked[1:])
    assert 0 < first <= 100_000 and first < second <= 150_000  # what was on its way may be lost with the connection
    assert [request.headers.get("If-Range") for request in server.requests[1:]] == ['"v1"', '"v1"']
    assert any("the connection" in line and "trying again" in line for line in got.lines)


def test_the_next_run_goes_on_where_this_one_stopped(server, file, tmp_path):
    server.behaviour = [server.dropping(120_000)] + [server.status(503)] * 20
    with pytest.raises(DownloadError, match="503"):
        get(file, tmp_path)
    assert names(tmp_path) == ["set.npz.part", "set.npz.part.json"]
    begun = (tmp_path / "set.npz.part").stat().st_size
    assert 0 < begun <= 120_000 and CONTENT.startswith((tmp_path / "set.npz.part").read_bytes())
    server.requests.clear(), server.behaviour.clear()
    get(file, tmp_path)
    assert server.requests[0].headers["Range"] == f"bytes={begun}-"
    assert (tmp_path / "set.npz").read_bytes() == CONTENT and names(tmp_path) == ["set.npz"]


def test_ctrl_c_leaves_what_came(server, file, tmp_path):
    def interrupt(done, total):
        if done > 0:
            raise KeyboardInterrupt

    data_file = DataFile("28", "set.npz", **vars(file))
    server.behaviour = [server.stalling(90_000, 0.1)]
    with pytest.raises(KeyboardInterrupt):
        download(data_file, tmp_path / "set.npz", progress=interrupt)
    assert names(tmp_path) == ["set.npz.part", "set.npz.part.json"]
    begun = (tmp_path / "set.npz.part").stat().st_size
    assert 0 < begun < len(CONTENT)
    get(file, tmp_path)
    assert server.requests[1].headers["Range"] == f"bytes={begun}-"
    assert (tmp_path / "set.npz").read_bytes() == CONTENT


def test_a_server_without_ranges_is_asked_from_the_beginning(server, file, tmp_path):
    server.behaviour = [server.deaf(100_000), server.deaf()]
    get(file, tmp_path)
    assert "Range" in server.requests[1].headers and len(server.requests) == 2
    assert (tmp_path / "set.npz").read_bytes() == CONTENT


def test_a_server_that_always_breaks_at_the_same_place_is_given_up(server, file, tmp_path):
    server.behaviour = [server.deaf(100_000)] * 30
    with pytest.raises(DownloadError, match=r"of 300000 bytes; 4 attempts brought nothing new"):
        get(file, tmp_path)
    assert paths(server) == ["/a/set.npz"] * 5 + ["/b/set.npz"] * 4


def test_a_server_that_takes_back_what_it_sent_is_given_up(server, file, tmp_path):
    server.behaviour = [server.dropping(100_000), _part_of_new_version] * 20
    with pytest.raises(DownloadError, match="4 attempts brought nothing new"):
        get(file, tmp_path, urls=file.urls[:1])
    assert len(server.requests) == 5


def test_a_changed_file_is_begun_anew(server, file, tmp_path):
    server.files["/a/set.npz"] = OTHER
    server.behaviour = [server.dropping(100_000)] + [server.status(503)] * 20
    with pytest.raises(DownloadError):
        get(file, tmp_path)
    server.files["/a/set.npz"], server.etag = CONTENT, '"v2"'
    server.requests.clear(), server.behaviour.clear()
    get(file, tmp_path)
    assert server.requests[0].headers["If-Range"] == '"v1"' and len(server.requests) == 1
    assert (tmp_path / "set.npz").read_bytes() == CONTENT


def _part_of_new_version(handler, content):
    """Ignores If-Range: the rest of another version, with its tag."""
    start = int(handler.headers["Range"].removeprefix("bytes=").removesuffix("-"))
    place = {"Content-Range": f"bytes {start}-299999/300000", "Content-Length": str(300_000 - start)}
    handler.answer(206, {**place, "ETag": '"v9"'}, content[start:])


@pytest.mark.parametrize("place", ["bytes 5-299999/300000", "bytes 100000-299999/299999", "nonsense", ""])
def test_a_part_that_does_not_fit_is_not_used(server, file, tmp_path, place):
    def other_place(handler, content):
        handler.answer(206, {"Content-Range": place, "Content-Length": "10"}, bytes(10))

    server.behaviour = [server.dropping(100_000), other_place]
    get(file, tmp_path)
    assert "Range" not in server.requests[2].headers
    assert (tmp_path / "set.npz").read_bytes() == CONTENT


def test_a_part_of_another_version_is_not_used(server, file, tmp_path):
    server.behaviour = [server.dropping(100_000), _part_of_new_version]
    got = get(file, tmp_path)
    assert any("has changed on the server" in line for line in got.lines)
    assert "Range" not in server.requests[2].headers and (tmp_path / "set.npz").read_bytes() == CONTENT


def test_parts_that_make_a_wrong_file_are_fetched_once_more(server, file, tmp_path):
    """A server without tags cannot say that its file has changed; the hash can."""
    server.etag = None
    server.files["/a/set.npz"] = OTHER
    server.behaviour = [server.dropping(100_000)] + [server.status(503)] * 20
    with pytest.raises(DownloadError):
        get(file, tmp_path)
    server.files["/a/set.npz"] = CONTENT
    server.requests.clear(), server.behaviour.clear()
    got = get(file, tmp_path)
    assert [("Range" in request.headers, "If-Range" in request.headers) for request in server.requests] == [
        (True, False),
        (False, False),
    ]
    assert any("do not make the right file" in line for line in got.lines)
    assert (tmp_path / "set.npz").read_bytes() == CONTENT


def test_a_file_that_changes_while_it_comes(server, file, tmp_path):
    server.etag = None
    server.behaviour = [lambda handler, content: server.dropping(100_000)(handler, OTHER)]
    get(file, tmp_path)
    assert [("Range" in request.headers) for request in server.requests] == [False, True, False]
    assert (tmp_path / "set.npz").read_bytes() == CONTENT


def test_a_weak_tag_is_no_condition(server, file, tmp_path):
    server.etag = 'W/"v1"'
    server.behaviour = [server.dropping(100_000)]
    get(file, tmp_path)
    assert "If-Range" not in server.requests[1].headers and (tmp_path / "set.npz").read_bytes() == CONTENT


def test_a_mirror_goes_on_with_what_the_first_sent(server, file, tmp_path):
    server.behaviour = [server.dropping(100_000), server.status(404)]
    get(file, tmp_path)
    assert paths(server) == ["/a/set.npz", "/a/set.npz", "/b/set.npz"]
    assert "Range" in server.requests[2].headers and "If-Range" not in server.requests[2].headers
    assert (tmp_path / "set.npz").read_bytes() == CONTENT


def test_a_missing_file_is_not_asked_for_twice(server, file, tmp_path):
    server.files.pop("/a/set.npz")
    get(file, tmp_path)
    assert paths(server) == ["/a/set.npz", "/b/set.npz"]


def test_every_address_and_its_failure_is_named(server, file, tmp_path):
    server.files.clear()
    with pytest.raises(DownloadError, match=r"(?s)/a/set.npz\?download=1: the server answered 404.*/b/set.npz: .*404"):
        get(file, tmp_path)
    assert names(tmp_path) == []


def test_a_wrong_file_is_removed_and_both_hashes_named(server, file, tmp_path):
    server.files = {"/a/set.npz": OTHER, "/b/set.npz": OTHER}
    wrong = hashlib.md5(OTHER).hexdigest()
    with pytest.raises(DownloadError, match=f"expected md5 {MD5}, got {wrong}.* in 300000 bytes; they were removed"):
        get(file, tmp_path)
    assert names(tmp_path) == [] and paths(server) == ["/a/set.npz", "/b/set.npz"]
    with pytest.raises(DownloadError, match=f"expected sha256 {SHA256}"):  # one of two is not enough
        get(file, tmp_path, hashes={"md5": wrong, "sha256": SHA256})


def test_a_server_that_says_too_much(server, file, tmp_path):
    """It announces more than it sends: broken, as far as anyone can tell."""
    server.behaviour = [server.saying(350_000)] * 10
    with pytest.raises(DownloadError, match=r"the connection ended after 300000 of 350000 bytes; 4 attempts"):
        get(file, tmp_path, urls=file.urls[:1])
    server.behaviour = [server.saying(500_000)]
    shutil.rmtree(tmp_path)
    tmp_path.mkdir()
    with pytest.raises(DownloadError, match="the server's file has 500000 bytes, expected at most 400000"):
        get(file, tmp_path, urls=file.urls[:1])


def test_a_server_that_says_too_little(server, file, tmp_path):
    server.behaviour = [server.saying(1000), server.good]
    get(file, tmp_path)
    assert paths(server) == ["/a/set.npz", "/b/set.npz"] and (tmp_path / "set.npz").read_bytes() == CONTENT


def test_a_known_size_is_kept_to(server, file, tmp_path):
    get(file, tmp_path, bytes=300_000)
    (tmp_path / "set.npz").unlink()
    for size in (299_999, 300_001):
        with pytest.raises(DownloadError, match=f"the server's file has 300000 bytes, expected {size}"):
            get(file, tmp_path, bytes=size)
    assert names(tmp_path) == []


def test_an_endless_answer_is_stopped(server, file, tmp_path):
    server.behaviour = [server.endless, server.endless]
    with pytest.raises(DownloadError, match="more than 400000 bytes came; the download was stopped"):
        get(file, tmp_path)
    assert names(tmp_path) == []


def test_an_answer_without_length_ends_where_it_ends(server, file, tmp_path):
    server.behaviour = [lambda handler, content: handler.answer(200, {}, content)]
    got = get(file, tmp_path)
    assert got.seen[-1] == (300_000, None) and (tmp_path / "set.npz").read_bytes() == CONTENT


def test_a_server_that_falls_silent(server, file, tmp_path):
    server.behaviour = [server.stalling(100_000, 1.0)]
    got = get(file, tmp_path)
    assert any("nothing came for 0.3 s" in line for line in got.lines)
    assert "Range" in server.requests[1].headers and (tmp_path / "set.npz").read_bytes() == CONTENT


def test_a_connection_that_is_kept_open_is_not_waited_for(server, file, tmp_path):
    server.behaviour = [server.stalling(300_000, 1.0)]
    got = get(file, tmp_path)
    assert len(server.requests) == 1 and not any("nothing came" in line for line in got.lines)


def test_a_server_that_is_not_there(file, tmp_path, server):
    with pytest.raises(DownloadError, match=r"no connection \(.*\); 4 attempts brought nothing new"):
        get(file, tmp_path, urls=("http://127.0.0.1:9/set.npz",))


def test_a_busy_server_is_waited_for(server, file, tmp_path, monkeypatch):
    waits = []
    monkeypatch.setattr(downloading.time, "sleep", waits.append)
    server.behaviour = [server.status(429, Retry_After="7"), server.status(503, Retry_After="3600"), server.status(500)]
    monkeypatch.setattr(downloading, "_WAIT_S", 1.0)
    get(file, tmp_path)
    assert waits == [7, 60, 4] and paths(server) == ["/a/set.npz"] * 4


def test_retry_after_may_be_a_date(monkeypatch):
    monkeypatch.setattr(transfer.time, "time", lambda: 1_445_412_480 - 30)
    assert transfer._retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 30
    assert transfer._retry_after("Wed, 21 Oct 2015 07:00:00 GMT") == 0
    assert transfer._retry_after("soon") is None


def test_a_range_behind_the_end(server, file, tmp_path):
    """A part that is complete but of unknown size is taken; one that is longer than the file is dropped."""
    for content, requests in ((CONTENT, 1), (CONTENT + b"x", 2)):
        server.requests.clear()
        (tmp_path / "set.npz.part").write_bytes(content)
        note = {"url": file.urls[0], "etag": '"v1"', "modified": None, "total": None}
        (tmp_path / "set.npz.part.json").write_text(json.dumps(note))
        got = get(file, tmp_path)
        assert len(server.requests) == requests and (tmp_path / "set.npz").read_bytes() == CONTENT
        assert any("the server has no such range" in line for line in got.lines) == (requests == 2)
        (tmp_path / "set.npz").unlink()


@pytest.mark.parametrize("note", ["", "{", "[]", "{}"])
def test_a_part_of_unknown_origin_is_not_used(server, file, tmp_path, note):
    (tmp_path / "set.npz.part").write_bytes(b"something")
    (tmp_path / "set.npz.part.json").write_text(note)
    get(file, tmp_path)
    assert "Range" not in server.requests[0].headers and names(tmp_path) == ["set.npz"]


def test_redirects(server, file, tmp_path):
    server.behaviour = [server.status(302, Location="/b/set.npz")]
    get(file, tmp_path)
    assert paths(server) == ["/a/set.npz", "/b/set.npz"]
    (tmp_path / "set.npz").unlink()
    for target, text in (("ftp://127.0.0.1/set.npz", "expected an https address"), ("file:///x", "is not allowed")):
        server.behaviour = [server.status(302, Location=target)]
        with pytest.raises(DownloadError, match=text):
            get(file, tmp_path, urls=file.urls[:1])
    server.behaviour = [server.status(302, Location="/a/set.npz")] * 30
    with pytest.raises(DownloadError, match="302"):
        get(file, tmp_path, urls=file.urls[:1])


def test_only_https_and_no_way_back_to_http(server, file, tmp_path, monkeypatch):
    monkeypatch.setattr(transfer, "_SCHEMES", frozenset({"https"}))
    with pytest.raises(DownloadError, match="expected an https address, got one of scheme 'http'"):
        get(file, tmp_path)
    assert not server.requests
    handler = transfer._AsSafe()
    with pytest.raises(transfer.AddressError, match="scheme 'http'"):
        handler.redirect_request(None, None, 302, "Found", {}, "http://127.0.0.1/set.npz")


def test_compression_on_the_way_is_refused(server, file, tmp_path):
    server.behaviour = [lambda handler, content: handler.answer(200, {"Content-Encoding": "gzip"}, content)]
    with pytest.raises(DownloadError, match="compressed the file on the way"):
        get(file, tmp_path, urls=file.urls[:1])


def test_there_must_be_room(server, file, tmp_path, monkeypatch):
    monkeypatch.setattr(transfer.shutil, "disk_usage", lambda path: SimpleNamespace(free=2**26 + 100))
    with pytest.raises(DownloadError, match=r"set.npz needs 300 kB more on the disk, 67.1 MB are free; make room"):
        get(file, tmp_path)


def test_a_full_disk_keeps_what_came(server, file, tmp_path, monkeypatch):
    class Full:
        def __init__(self, stream):
            self.stream, self.room = stream, 150_000

        def __getattr__(self, name):
            return getattr(self.stream, name)

        def __enter__(self):
            return self

        def __exit__(self, *problem):
            self.stream.close()

        def write(self, block):
            if self.room < len(block):
                raise OSError(28, "No space left on device")
            self.room -= len(block)
            return self.stream.write(block)

    real = open
    monkeypatch.setattr(transfer, "_BLOCK", 10_000)
    monkeypatch.setattr(transfer, "open", lambda p, m: Full(real(p, m)) if m == "ab" else real(p, m), raising=False)
    with pytest.raises(DownloadError, match=r"the disk is full; set.npz.part keeps what came"):
        get(file, tmp_path)
    assert len(server.requests) == 1  # another address would not help
    assert 0 < (tmp_path / "set.npz.part").stat().st_size <= 150_000
    monkeypatch.undo()


def test_one_download_at_a_time(server, file, tmp_path):
    with exclusive(tmp_path / "set.npz.lock", "held"):
        with pytest.raises(CatalogError, match=r"another process is downloading set.npz; wait for it, or end it"):
            get(file, tmp_path)
        assert not server.requests
    get(file, tmp_path)
    assert names(tmp_path) == ["set.npz"]
