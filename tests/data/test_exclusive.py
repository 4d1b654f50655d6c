"""The lock: one holder at a time, in other processes too, and none after its process has ended."""

import subprocess
import sys

import pytest

from mediml.data import exclusive as module
from mediml.data.catalog import CatalogError
from mediml.data.exclusive import exclusive


def test_two_processes(tmp_path):
    path = tmp_path / "x.lock"
    program = (
        "import sys, time\nfrom pathlib import Path\nfrom mediml.data.exclusive import exclusive\n"
        "with exclusive(Path(sys.argv[1]), 'held'):\n    print('held', flush=True)\n    time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout.readline() == "held\n"
        with (
            pytest.raises(CatalogError, match="somebody is at it; wait for it, or end it"),
            exclusive(path, "somebody is at it"),
        ):
            pass
        other.kill()  # a lock does not outlive its process, however that ends
        other.wait()
        with exclusive(path, "somebody is at it"):
            assert path.exists()
    assert not path.exists()


def test_a_lock_that_was_removed_meanwhile_is_not_held(tmp_path, monkeypatch):
    """Its holder removes it between another process's opening and locking: that one must take the new file."""
    path, real, opened = tmp_path / "x.lock", module._lock, []

    def lock(descriptor):
        if not opened:
            path.unlink()
        opened.append(descriptor)
        real(descriptor)

    monkeypatch.setattr(module, "_lock", lock)
    with exclusive(path, "held"):
        assert len(opened) == 2 and path.exists()
    assert not path.exists()


def test_a_folder_that_cannot_be_written_to(tmp_path, monkeypatch):
    def forbidden(*arguments):
        raise PermissionError(13, "Permission denied", "x.lock")

    monkeypatch.setattr("mediml.data.exclusive.os.open", forbidden)
    with pytest.raises(PermissionError), exclusive(tmp_path / "x.lock", "held"):
        pass
