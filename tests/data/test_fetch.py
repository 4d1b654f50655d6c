"""`fetch` and `mediml data fetch`: plan, consent, unpacking, first use, offline; against a server on the loopback."""

import hashlib
import io
import json
import os
import subprocess
import sys
import zipfile

import pytest

from mediml import cli
from mediml.data import catalog as catalogue
from mediml.data import transfer
from mediml.data.catalog import CatalogError
from mediml.data.exclusive import exclusive
from mediml.data.fetch import FIRST_USE, MANIFEST, fetch, is_offline, plan
from mediml.data.inventory import check

SMALL, LARGE = b"small images" * 1000, b"large images" * 4000


def zipped(**files):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            archive.writestr(f"top/{name}.nii", content)
    return out.getvalue()


IMAGES, MASKS = zipped(a=b"image a", b=b"image b"), zipped(a=b"mask a", b=b"mask b")
COMMON = {
    "title": "A set", "modality": "CT", "task": "nothing", "licence": "CC BY 4.0", "use": "Any.", "citation": "A. B.",
    "licence_url": "https://example.org/licence", "homepage": "https://example.org", "limits": [], "card": "card.md",
}  # fmt: skip


def as_toml(entry):
    """A line per key; JSON's texts, numbers and lists are TOML's, too."""

    def value(v):
        if isinstance(v, dict):
            return "{ " + ", ".join(f"{key} = {value(inner)}" for key, inner in v.items()) + " }"
        return json.dumps(v)

    return "".join(f"{key} = {value(v)}\n" for key, v in entry.items())


def md5(content):
    return hashlib.md5(content).hexdigest()


@pytest.fixture
def sets(server, monkeypatch, tmp_path_factory):
    """Three sets: one in two sizes, one of two archives, one whose hash nobody publishes."""
    server.files = {
        "/sized.npz": SMALL, "/sized_64.npz": LARGE, "/images.zip": IMAGES, "/masks.zip": MASKS, "/new.zip": IMAGES,
    }  # fmt: skip
    urls = {"urls": [f"{server.url}/{{file}}"]}
    sized = {"28": {"file": "sized.npz", "md5": md5(SMALL)}, "64": {"file": "sized_64.npz", "md5": md5(LARGE)}}
    parts = {
        "images": {"file": "images.zip", "md5": md5(IMAGES), "about_mb": 1, "unpack": True},
        "masks": {"file": "masks.zip", "sha256": hashlib.sha256(MASKS).hexdigest(), "about_mb": 1, "unpack": True},
    }
    shape = {"choice": "size", "dimensions": 2, "channels": 1, "splits": {"train": 60, "val": 20, "test": 20}}
    known = {
        "sized": COMMON | urls | shape | {"files": sized},
        "parts": COMMON | urls | {"files": parts},
        "new": COMMON | urls | {"files": {"archive": {"file": "new.zip", "trust": "first use", "unpack": True}}},
        "here": COMMON | {"package": "pydicom", "path": "x", "sha256": "0", "bytes": 1},
    }
    folder = tmp_path_factory.mktemp("datasets")
    (folder / "catalog.toml").write_text("".join(f"[sources.{name}]\n{as_toml(e)}" for name, e in known.items()))
    monkeypatch.setattr(catalogue, "_PLACES", (folder,))
    catalogue.catalog.cache_clear()
    yield
    catalogue.catalog.cache_clear()


def run(*words):
    return cli.main(["data", *map(str, words)])


def test_a_file_in_the_smallest_size_and_in_another(sets, server, tmp_path):
    folder = tmp_path / "new" / "data"
    lines = []
    assert fetch("sized", folder, report=lines.append) == folder / "sized.npz"
    assert fetch("sized", folder, 64) == folder / "sized_64.npz"
    assert (folder / "sized_64.npz").read_bytes() == LARGE and len(server.requests) == 2
    assert any(line.startswith(f"fetching {server.url}") for line in lines)
    assert fetch("sized", folder) == folder / "sized.npz" and len(server.requests) == 2  # it is there
    with pytest.raises(CatalogError, match="comes in the sizes 28, 64, got 32"):
        fetch("sized", folder, 32)
    with pytest.raises(CatalogError, match="one size only"):
        fetch("parts", folder, 28)
    with pytest.raises(CatalogError, match="no download; it comes with the package 'pydicom'"):
        fetch("here", folder)


def test_archives_are_unpacked_and_written_down(sets, server, tmp_path):
    assert fetch("parts", tmp_path) == tmp_path / "parts"
    assert (tmp_path / "parts/images/a.nii").read_bytes() == b"image a"
    assert (tmp_path / "parts/masks/b.nii").read_bytes() == b"mask b"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["parts"]  # the archives are gone
    manifest = json.loads((tmp_path / "parts/masks" / MANIFEST).read_text())
    assert manifest["file"] == "masks.zip" and manifest["sha256"] == hashlib.sha256(MASKS).hexdigest()
    assert manifest["files"]["a.nii"] == {"bytes": 6, "sha256": hashlib.sha256(b"mask a").hexdigest()}
    assert not plan("parts", tmp_path).missing
    fetch("parts", tmp_path)
    assert len(server.requests) == 2
    assert [found.state for found in check(["parts"], tmp_path)] == ["right", "right"]


def test_only_what_is_missing_is_fetched(sets, server, tmp_path):
    server.behaviour = [server.good] + [server.status(404)] * 2
    with pytest.raises(CatalogError, match="404"):
        fetch("parts", tmp_path)
    assert [file.key for file in plan("parts", tmp_path).missing] == ["masks"]
    server.requests.clear(), server.behaviour.clear()
    fetch("parts", tmp_path, keep_archive=True)
    assert [request.path for request in server.requests] == ["/masks.zip"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["masks.zip", "parts"]


def test_an_archive_that_is_there_is_not_fetched_again(sets, server, tmp_path):
    (tmp_path / "images.zip").write_bytes(IMAGES)
    (tmp_path / "masks.zip").write_bytes(MASKS)
    assert (fetch("parts", tmp_path) / "images/b.nii").read_bytes() == b"image b" and not server.requests
    (tmp_path / "other").mkdir()
    (tmp_path / "other/images.zip").write_bytes(b"something else")
    with pytest.raises(CatalogError, match=rf"is not of parts \(expected md5 {md5(IMAGES)}, got .*\); move it away"):
        fetch("parts", tmp_path / "other")
    assert (tmp_path / "other/images.zip").read_bytes() == b"something else"


def test_a_bad_archive_is_not_unpacked(sets, server, tmp_path):
    bad = io.BytesIO()
    with zipfile.ZipFile(bad, "w") as archive:
        archive.writestr("../evil", b"1")
    server.files["/new.zip"] = bad.getvalue()
    with pytest.raises(CatalogError, match="holds a name that leads out"):
        fetch("new", tmp_path / "data")
    assert not (tmp_path / "evil").exists() and not (tmp_path / "data/new").exists()


def test_what_is_in_the_way_is_not_touched(sets, tmp_path):
    (tmp_path / "sized.npz").write_bytes(b"mine")
    with pytest.raises(CatalogError, match=r"is there, but is not of sized .*choose another folder"):
        fetch("sized", tmp_path)
    (tmp_path / "new").mkdir()
    with pytest.raises(CatalogError, match=f"was not made by this command .{MANIFEST} is missing"):
        fetch("new", tmp_path)
    fetch("parts", tmp_path)
    (tmp_path / "parts/images/a.nii").unlink()
    with pytest.raises(CatalogError, match=r"1 files of .*images are missing or changed, such as a.nii"):
        fetch("parts", tmp_path)
    assert (tmp_path / "sized.npz").read_bytes() == b"mine"


def test_the_first_use_is_remembered(sets, server, tmp_path):
    fetch("new", tmp_path, keep_archive=True)
    known = json.loads((tmp_path / FIRST_USE).read_text())
    assert known == {"new.zip": {"sha256": hashlib.sha256(IMAGES).hexdigest(), "bytes": len(IMAGES)}}
    os.rename(tmp_path / "new", tmp_path / "old")
    (tmp_path / "new.zip").unlink()
    server.files["/new.zip"] = MASKS  # the file was changed at its source
    with pytest.raises(CatalogError, match=f"expected sha256 {known['new.zip']['sha256']}, got "):
        fetch("new", tmp_path)
    server.files["/new.zip"] = IMAGES
    fetch("new", tmp_path)
    (tmp_path / FIRST_USE).write_text("{")
    os.rename(tmp_path / "new", tmp_path / "older")
    with pytest.raises(CatalogError, match=r"first-use.json is damaged; repair or remove it"):
        fetch("new", tmp_path)


@pytest.mark.parametrize(("value", "off"), [("1", True), ("yes", True), ("0", False), ("", False)])
def test_the_offline_switch(sets, server, tmp_path, monkeypatch, value, off):
    monkeypatch.setenv("MEDIML_OFFLINE", value)
    assert is_offline() == off
    if off:
        with pytest.raises(
            CatalogError, match=rf"offline, so sized is not .*sized.npz .at most .*{server.url}.*: here"
        ):
            fetch("sized", tmp_path)
        assert not server.requests
    else:
        fetch("sized", tmp_path)


def test_offline_what_is_there_can_be_used(sets, server, tmp_path):
    (tmp_path / "sized.npz").write_bytes(SMALL)
    assert fetch("sized", tmp_path, offline=True) == tmp_path / "sized.npz"
    with pytest.raises(CatalogError, match="offline"):
        fetch("parts", tmp_path, offline=True)


def test_the_folder_is_that_of_the_environment(sets, tmp_path, monkeypatch):
    monkeypatch.setenv("MEDIML_DATA_DIR", str(tmp_path / "mine"))
    assert fetch("sized") == tmp_path / "mine" / "sized.npz"
    monkeypatch.delenv("MEDIML_DATA_DIR")
    monkeypatch.chdir(tmp_path)
    assert str(plan("sized").place) == os.path.join("data", "sized.npz")


def test_the_command_shows_the_terms_and_asks(sets, server, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    assert run("fetch", "parts", "--out", tmp_path) == 2  # nobody at a terminal
    shown = capsys.readouterr()
    assert "run again with --yes" in shown.err and not server.requests
    for text in ("CC BY 4.0 (https://example.org/licence)", "Any.", "images.zip, about 1.0 MB, from 127.0.0.1"):
        assert text in shown.err
    for word, status in (("n\n", 1), ("\n", 1), ("Yes\n", 0)):
        answer = io.StringIO(word)
        monkeypatch.setattr(answer, "isatty", lambda: True)
        monkeypatch.setattr("sys.stdin", answer)
        assert run("fetch", "parts", "--out", tmp_path) == status
        shown = capsys.readouterr()
        assert "[y/N]" in shown.err and bool(server.requests) == (status == 0)
    assert shown.out == f"ready: {tmp_path / 'parts'}\n"
    assert run("fetch", "parts", "--out", tmp_path) == 0  # nothing to agree to
    assert "licence" not in capsys.readouterr().err


def test_the_command_with_yes_and_offline(sets, server, tmp_path, capsys):
    assert run("fetch", "sized", "--size", 64, "--out", tmp_path, "--yes") == 0
    assert (tmp_path / "sized_64.npz").read_bytes() == LARGE
    assert run("fetch", "sized", "--out", tmp_path, "--yes", "--offline") == 2
    assert "offline, so sized is not downloaded" in capsys.readouterr().err
    assert len(server.requests) == 1
    assert run("fetch", "new", "--out", tmp_path, "--yes") == 0
    assert "no published hash: compared with the first download" in " ".join(capsys.readouterr().err.split())


def test_one_fetch_at_a_time_and_what_a_killed_one_left(sets, tmp_path):
    with exclusive(tmp_path / "new.lock", "held"), pytest.raises(CatalogError, match="another process is fetching new"):
        fetch("new", tmp_path)
    (tmp_path / ".new.ready/half").mkdir(parents=True)
    fetch("new", tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [FIRST_USE, "new"]


def test_interrupted_at_the_command_line(sets, server, tmp_path, monkeypatch, capsys):
    def interrupted(response):
        raise KeyboardInterrupt

    real = transfer._read
    monkeypatch.setattr(transfer, "_read", interrupted)
    assert run("fetch", "sized", "--out", tmp_path, "--yes") == 130
    assert sorted(path.name for path in tmp_path.iterdir()) == ["sized.npz.part", "sized.npz.part.json"]
    monkeypatch.setattr(transfer, "_read", real)
    assert run("fetch", "sized", "--out", tmp_path, "--yes") == 0
    assert (tmp_path / "sized.npz").read_bytes() == SMALL


def test_the_bar_counts_what_comes(sets, server, tmp_path, capsys, monkeypatch):
    """On a terminal; elsewhere there is none."""
    fetch("sized", tmp_path / "a", bar=True)
    assert "sized.npz" not in capsys.readouterr().err
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    server.behaviour = [server.dropping(5000)]
    fetch("sized", tmp_path / "b", bar=True)
    assert "sized.npz: 100%" in capsys.readouterr().err


def test_verify_tells_right_from_wrong(sets, tmp_path, capsys):
    assert run("verify", "sized", "--out", tmp_path) == 1
    assert f"absent   sized: {tmp_path / 'sized.npz'} (run: mediml data fetch sized)" in capsys.readouterr().out
    fetch("sized", tmp_path, 64)
    fetch("parts", tmp_path)
    fetch("new", tmp_path)
    assert run("verify", "sized", "parts", "new", "--out", tmp_path) == 0
    printed = capsys.readouterr().out
    assert printed.count("right ") == 4 and "(2 files)" in printed and "4 of 4 right, 0 wrong" in printed
    (tmp_path / "sized_64.npz").write_bytes(SMALL)
    (tmp_path / "parts/masks/a.nii").write_bytes(b"mask A")
    assert run("verify", "sized", "parts", "--out", tmp_path) == 1
    printed = capsys.readouterr().out
    assert f"expected md5 {md5(LARGE)}, got {md5(SMALL)}" in printed
    assert "1 files are missing or changed, such as a.nii" in printed and "1 of 3 right, 2 wrong" in printed
    assert run("verify", "--out", tmp_path) == 1  # everything that is there
    printed = capsys.readouterr().out
    assert "wrong    sized" in printed and "right    new" in printed and "wrong    here: pydicom: x" in printed
    with pytest.raises(CatalogError, match="no data set 'nothing'"):
        list(check(["nothing"], tmp_path))
    os.remove(tmp_path / "parts/masks" / MANIFEST)
    assert [found.state for found in check(["parts"], tmp_path)] == ["right", "unknown"]


def test_list_and_info(capsys):
    """Of the real catalogue."""
    assert run("list") == 0
    everything = capsys.readouterr().out
    assert run("list", "--modality", "MR", "--packaged") == 0
    some = capsys.readouterr().out
    assert "mr_small" in some and "ct_small" not in some and "hippocampus" not in some and "brain-mr" not in some
    for text in (
        "hippocampus",
        "~28.0 MB",
        "CC BY-SA 4.0",
        "28-224 px",
        "brain-mr",
        "39.2 kB",
        "mediml data fetch NAME",
    ):
        assert text in everything
    assert run("list", "--modality", "XX") == 2
    assert "no data set of modality 'XX'; expected one of CR, CT, DX, ECG" in capsys.readouterr().err
    assert run("info", "dermamnist") == 0
    printed = " ".join(capsys.readouterr().out.split())
    for text in (
        "CC BY-NC 4.0", "Not for commercial use.", "train 7007", "4 melanoma", "8974907d8e169bef5f5b96bc506ae45d",
        "dermamnist_224.npz?download=1", "[--size N]", "# MedMNIST v2 and MedMNIST+",
    ):  # fmt: skip
        assert text in printed
    assert run("info", "ct_small") == 0
    assert "comes with pydicom: pydicom/data/test_files/CT_small.dcm" in " ".join(capsys.readouterr().out.split())


def test_generated_sets_are_described_and_not_fetched(capsys, tmp_path):
    assert run("info", "brain-mr") == 0
    printed = " ".join(capsys.readouterr().out.split())
    for text in (
        "brain-mr: MR of the head",
        "modality MR",
        "licence none needed",
        "6 cases",
        "data make brain-mr --out",
    ):
        assert text in printed
    assert run("info", "ultrasound") == 0  # a packaged picture and a generated set
    printed = " ".join(capsys.readouterr().out.split())
    assert "comes with pydicom-data" in printed and "mediml data make ultrasound --out DIR" in printed
    assert run("fetch", "brain-mr", "--out", tmp_path) == 2
    assert "brain-mr is generated, not downloaded; run: mediml data make brain-mr --out DIR" in capsys.readouterr().err


def test_a_misspelt_name_is_told_what_comes_near(capsys):
    assert run("info", "hipocampus") == 2
    assert "no data set 'hipocampus', but hippocampus; expected one of" in capsys.readouterr().err


def test_the_command_without_a_server(tmp_path):
    """Another process, the real catalogue: it asks for consent and goes nowhere without it."""
    command = [sys.executable, "-m", "mediml", "data", "fetch", "hippocampus", "--out", str(tmp_path)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 2 and "--yes" in done.stderr and "CC BY-SA 4.0" in done.stderr
    done = subprocess.run([*command, "--yes", "--offline"], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    assert done.returncode == 2 and "mr_shoulder" in done.stderr and "mediml data make volumes --out DIR" in done.stderr
    assert not list(tmp_path.iterdir())
