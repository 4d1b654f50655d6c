"""The catalogue: files of installed packages by hash, downloads checked; no network."""

import hashlib
import io

import pytest

from mediml.data import catalog as catalogue
from mediml.data import fetch as fetching
from mediml.data.catalog import CatalogError, catalog, packaged_file, source


@pytest.mark.parametrize("name", sorted(n for n, e in catalog().items() if "package" in e))
def test_packaged_files_are_there(name):
    assert hashlib.sha256(packaged_file(name).read_bytes()).hexdigest() == source(name)["sha256"]


def test_refusals(monkeypatch):
    with pytest.raises(CatalogError, match=r"no data set 'nothing'; expected one of .*chest_xray"):
        packaged_file("nothing")
    with pytest.raises(CatalogError, match="comes with no package"):
        packaged_file("pneumoniamnist")
    entry = source("chest_xray")
    for change, text in (
        ({"package": "no-such-package-here"}, "is not installed; run: pip install no-such-package-here"),
        ({"path": "data_store/none.dcm"}, "holds no file 'data_store/none.dcm'"),
        ({"sha256": "0" * 64}, "expected a file of sha256 0000"),
    ):
        monkeypatch.setattr(catalogue, "catalog", lambda change=change: {"chest_xray": entry | change})
        with pytest.raises(CatalogError, match=text):
            packaged_file("chest_xray")


def test_the_catalogue_may_be_missing(monkeypatch, tmp_path):
    monkeypatch.setattr(catalogue, "_PLACES", (tmp_path / "a", tmp_path / "b"))
    with pytest.raises(CatalogError, match=r"catalog.toml is in none of"):
        catalogue.catalog.__wrapped__()


CONTENT = b"images" * 1000


@pytest.fixture
def entry(monkeypatch):
    """A download of two addresses, of which the first fails."""
    opened = []

    def answer(url):
        opened.append(url)
        if "first" in url:
            raise OSError("no route to host")
        return io.BytesIO(CONTENT)

    described = {
        "urls": ["https://first.example/set.npz?download=1", "https://second.example/set.npz"],
        "sha256": hashlib.sha256(CONTENT).hexdigest(),
    }
    monkeypatch.setattr(fetching, "source", lambda name: described)
    monkeypatch.setattr(fetching, "_open", answer)
    described["opened"] = opened
    return described


def test_fetch(entry, tmp_path):
    lines = []
    path = fetching.fetch("set", tmp_path / "new", lines.append)
    assert path == tmp_path / "new" / "set.npz" and path.read_bytes() == CONTENT
    assert len(lines) == 2
    assert fetching.fetch("set", tmp_path / "new") == path and len(entry["opened"]) == 2  # there already
    assert [p.name for p in path.parent.iterdir()] == ["set.npz"]


def test_fetch_refuses_what_it_did_not_ask_for(entry, tmp_path, monkeypatch):
    entry["sha256"] = "0" * 64
    with pytest.raises(CatalogError, match=r"(?s)no route to host.*expected sha256 0000"):
        fetching.fetch("set", tmp_path)
    assert not list(tmp_path.iterdir())
    (tmp_path / "set.npz").write_bytes(b"something else")
    with pytest.raises(CatalogError, match="is there, but is not set"):
        fetching.fetch("set", tmp_path)
    assert (tmp_path / "set.npz").read_bytes() == b"something else"


def test_fetch_wants_https_and_an_end(entry, tmp_path, monkeypatch):
    entry["urls"] = ["http://second.example/set.npz"]
    with pytest.raises(CatalogError, match="expected an https address"):
        fetching.fetch("set", tmp_path)
    entry["urls"] = ["https://second.example/set.npz"]
    monkeypatch.setattr(fetching, "_MAX_BYTES", 100)
    with pytest.raises(CatalogError, match="more than 100 bytes came"):
        fetching.fetch("set", tmp_path)
    entry.pop("urls")
    with pytest.raises(CatalogError, match="is no download"):
        fetching.fetch("set", tmp_path)
    assert not list(tmp_path.iterdir())
