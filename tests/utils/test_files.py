"""Files are written whole or not at all."""

import errno
import os

import pytest

from mediml.utils.files import write_atomically


def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "file"
    write_atomically(path, b"old")

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


def test_text_and_permissions(tmp_path):
    path = tmp_path / "file"
    write_atomically(path, "π")
    assert path.read_text("utf-8") == "π"
    assert path.stat().st_mode & 0o600 == 0o600
