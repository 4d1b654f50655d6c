"""Checkpoints survive what kills a process, and say so when they did not."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

import mediml
from mediml.training import checkpoint
from mediml.training.checkpoint import CheckpointError


def _state(number=0):
    return {
        "number": number,
        "optimizer": {"state": {0: {"step": 3, "average": mediml.tensor(np.full((4, 3), number, np.float32))}}},
        "pair": (1.5, -0.0),
        "list": [None, True, "text", float("inf")],
        "double": np.arange(5.0),
        "scalar": np.float64(0.1) + 0.2,
        "large": 2**127 + 1,
    }


def test_comes_back_as_it_was(tmp_path):
    checkpoint.save(tmp_path, _state(7))
    state = checkpoint.load(tmp_path)
    assert state["number"] == 7 and state["large"] == 2**127 + 1
    average = state["optimizer"]["state"][0]["average"]
    assert average.dtype == mediml.float32 and average.tolist() == [[7.0] * 3] * 4
    assert state["pair"] == (1.5, -0.0) and isinstance(state["pair"], tuple)
    assert state["list"] == [None, True, "text", float("inf")]
    assert state["double"].dtype == mediml.float64
    assert state["scalar"] == 0.1 + 0.2
    with pytest.raises(TypeError, match="expected numbers, strings"):
        checkpoint.save(tmp_path, {"code": print})
    assert checkpoint.load(tmp_path)["number"] == 7


def test_only_the_newest_is_kept(tmp_path):
    for number in range(4):
        checkpoint.save(tmp_path, _state(number))
    (tmp_path / ".checkpoint-000009.safetensors.x.part").write_bytes(b"left by a kill")
    checkpoint.save(tmp_path, _state(4))
    assert sorted(os.listdir(tmp_path)) == ["checkpoint-000005.safetensors", "checkpoint.json"]
    assert checkpoint.load(tmp_path)["number"] == 4


def test_missing(tmp_path):
    assert not checkpoint.exists(tmp_path)
    with pytest.raises(CheckpointError, match=r"no checkpoint here .*start without --resume"):
        checkpoint.load(tmp_path)
    checkpoint.save(tmp_path, _state())
    assert checkpoint.exists(tmp_path)
    (tmp_path / "checkpoint-000001.safetensors").unlink()
    with pytest.raises(CheckpointError, match="cannot be read"):
        checkpoint.load(tmp_path)


@pytest.mark.parametrize("name", ["checkpoint.json", "checkpoint-000001.safetensors"])
def test_truncation_and_flipped_bits_are_seen(tmp_path, name):
    checkpoint.save(tmp_path, _state())
    whole = (tmp_path / name).read_bytes()
    source = random.Random(0)
    positions = sorted(source.sample(range(len(whole)), 60))
    for position in positions:
        (tmp_path / name).write_bytes(whole[:position])
        with pytest.raises(CheckpointError):
            checkpoint.load(tmp_path)
        flipped = bytearray(whole)
        flipped[position] ^= 1 << source.randrange(8)
        (tmp_path / name).write_bytes(flipped)
        with pytest.raises(CheckpointError):
            checkpoint.load(tmp_path)
    (tmp_path / name).write_bytes(whole)
    checkpoint.load(tmp_path)


def test_a_manifest_from_elsewhere_reads_no_other_folder(tmp_path):
    (tmp_path / "run").mkdir()
    checkpoint.save(tmp_path / "run", _state())
    (tmp_path / "run" / "checkpoint-000001.safetensors").rename(tmp_path / "outside.safetensors")
    manifest = (tmp_path / "run" / "checkpoint.json").read_text()
    body = json.loads(manifest)["body"]
    body["file"] = "../outside.safetensors"
    (tmp_path / "run" / "checkpoint.json").write_text(json.dumps({"body": body, "sha256": checkpoint._hash_of(body)}))
    with pytest.raises(CheckpointError, match="cannot be read"):
        checkpoint.load(tmp_path / "run")


@pytest.mark.skipif(os.name != "posix", reason="file size limits are POSIX's")
@pytest.mark.parametrize("limit", [200, 1500])  # the arrays do not fit; only the manifest does not fit
def test_a_full_disk_leaves_the_old_one(tmp_path, limit):
    checkpoint.save(tmp_path, {"number": 1})
    program = f"""
import resource
from mediml.training import checkpoint
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
try:
    checkpoint.save({str(tmp_path)!r}, {{"number": 2, "text": "x" * 3000, "array": __import__("numpy").arange(100.)}})
except OSError as error:
    print("refused", error.errno)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("refused"), done.stderr
    assert checkpoint.load(tmp_path) == {"number": 1}
    assert sorted(os.listdir(tmp_path)) == ["checkpoint-000001.safetensors", "checkpoint.json"]


@pytest.mark.skipif(os.name != "posix", reason="kill -9 is POSIX's")
def test_killed_at_random_moments(tmp_path):
    program = f"""
import numpy as np
from mediml.training import checkpoint
number = checkpoint.load({str(tmp_path)!r})["number"] if checkpoint.exists({str(tmp_path)!r}) else 0
print("ready", flush=True)
while True:
    number += 1
    checkpoint.save({str(tmp_path)!r}, {{"number": number, "array": np.full(200_000, number, np.float32)}})
"""
    source, reached = random.Random(0), [0]
    for _ in range(5):
        worker = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
        assert worker.stdout.readline() == "ready\n"
        time.sleep(source.uniform(0.01, 0.15))
        worker.send_signal(signal.SIGKILL)
        worker.wait()
        worker.stdout.close()
        if checkpoint.exists(tmp_path):
            state = checkpoint.load(tmp_path)
            assert (state["array"].numpy() == state["number"]).all()
            reached.append(state["number"])
    assert reached == sorted(reached) and reached[-1] > 5
