"""A part of `fuzz.py`'s run, and hostile files made by hand, each with its bound."""

import struct
import sys
import time
import zlib
from pathlib import Path

import numpy as np
import pytest
from pydicom.uid import RLELossless

from mediml.imaging import DicomError, read_image

sys.path.insert(0, str(Path(__file__).parent))
import fuzz
import fuzz_seeds


def test_damaged_files_are_read_or_refused(tell):
    tally = fuzz.run(range(20_000, 20_400), isolated_share=0.25)
    tell("damaged files, " + tally.line(400))
    assert not tally.wrong, "\n".join(tally.wrong)
    assert tally.read > 100 and tally.refused > 100


def test_every_seed_is_sound(tmp_path):
    """A seed that is refused before it is damaged would test nothing."""
    seeds = fuzz_seeds.seeds()
    assert len(seeds) >= 30
    for name, content in seeds.items():
        (tmp_path / "seed").write_bytes(content)
        assert read_image(tmp_path / "seed", 0).values.size, name


def test_the_engine_sees_what_is_wrong(monkeypatch):
    """Each kind of failure is noted."""

    def leak():
        raise DicomError(fuzz_seeds.CANARY)

    def crash():
        raise KeyError("x")

    def chained():
        try:
            raise ValueError(fuzz_seeds.CANARY)
        except ValueError as problem:
            raise DicomError("fine") from problem

    for action in (leak, crash, chained):
        tally = fuzz.Tally()
        tally.attempt("it", action)
        assert len(tally.wrong) == 1, action
    tally = fuzz.Tally()
    monkeypatch.setattr(fuzz.worker, "WALL_SECONDS", 0.0)
    tally.attempt("it", sum, range(10**6))
    assert "MiB" in tally.wrong[0]


def test_mutations_repeat():
    seeds = fuzz_seeds.seeds()
    assert [fuzz.mutated(i, 0, seeds) for i in range(60)] == [fuzz.mutated(i, 0, seeds) for i in range(60)]
    assert fuzz.mutated(3, 0, seeds) != fuzz.mutated(3, 1, seeds)


def plain():
    """Content of a sound file, and where its data set begins."""
    content = fuzz_seeds.seeds()["explicit"]
    return content, 144 + struct.unpack_from("<I", content, 140)[0]


def elements(count):
    return b"".join(struct.pack("<HH2sH", 9 + 2 * (i // 60_000), 0x1000 + i % 60_000, b"LO", 0) for i in range(count))


def long_sequence(count):
    return struct.pack("<HH2sHI", 8, 0x1140, b"SQ", 0, 8 * count) + b"\xfe\xff\x00\xe0\0\0\0\0" * count


def deep(depth):
    head = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    return head * depth + b"\xfe\xff\x0d\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0" * depth


@pytest.mark.parametrize(
    ("inserted", "message"),
    [
        (elements(60_000), "more elements than are read|damaged"),
        (long_sequence(110_000), "more than 100000 items"),
        (deep(5000), "damaged or cut short"),
    ],
    ids=["elements", "items", "deep"],
)
def test_a_crowded_header_is_refused_in_time(tmp_path, monkeypatch, inserted, message):
    monkeypatch.setattr("mediml.imaging.limits.MAX_READS", 50_000)
    content, start = plain()
    (tmp_path / "crowd").write_bytes(content[:start] + inserted + content[start:])
    fuzz.Peak.reset()
    before, seconds = fuzz.Peak.read(), time.process_time()
    with pytest.raises(DicomError, match=message):
        read_image(tmp_path / "crowd")
    assert time.process_time() - seconds < 5 and fuzz.Peak.read() - before < 700


def test_an_ordinary_crowd_is_read(tmp_path):
    content, start = plain()
    (tmp_path / "crowd").write_bytes(content[:start] + long_sequence(2000) + content[start:])
    assert read_image(tmp_path / "crowd").shape == (12, 9)


def test_a_deflated_bomb_is_not_inflated(tmp_path, monkeypatch):
    monkeypatch.setattr("mediml.imaging.limits.MAX_INFLATED_BYTES", 2**23)
    content = fuzz_seeds.seeds()["deflated"]
    start = 144 + struct.unpack_from("<I", content, 140)[0]
    inner = zlib.decompress(content[start:], -zlib.MAX_WBITS)
    packer = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)
    bomb = packer.compress(inner + struct.pack("<HH2sHI", 0x7FE1, 0x1000, b"OB", 0, 2**30))
    for _ in range(40):
        bomb += packer.compress(bytes(2**22))
    (tmp_path / "bomb").write_bytes(content[:start] + bomb + packer.flush())
    fuzz.Peak.reset()
    before, seconds = fuzz.Peak.read(), time.process_time()
    with pytest.raises(DicomError, match="inflates to more than"):
        read_image(tmp_path / "bomb")
    assert time.process_time() - seconds < 5 and fuzz.Peak.read() - before < 80


@pytest.mark.parametrize(("rows", "message"), [(65535, "65535 × 65535 pixels; at most"), (100, "damaged or cannot")])
def test_a_run_length_bomb_stops_at_its_size(tmp_path, rows, message):
    plane = b"\x81\0" * 200_000 if rows > 100 else b"\0\0" * 4000  # 4,000 pixels where 10,000 are due
    stream = struct.pack("<16L", 2, 64, 64 + len(plane), *[0] * 13) + plane * 2
    content = fuzz_seeds.build(np.zeros((2, 2), np.uint16), RLELossless, stream, Rows=rows, Columns=rows)
    (tmp_path / "bomb").write_bytes(content)
    with pytest.raises(DicomError, match=message):
        read_image(tmp_path / "bomb")


def test_a_billion_frames(tmp_path):
    (tmp_path / "many").write_bytes(fuzz_seeds.build(np.zeros((2, 2), np.uint16), NumberOfFrames="1000000000"))
    with pytest.raises(DicomError, match=r"cut short .* expected 8000000000 bytes, got 8"):
        read_image(tmp_path / "many", 0)


def test_a_long_number_is_not_converted(tmp_path):
    content = fuzz_seeds.build(np.zeros((2, 2), np.uint16), WindowCenter=["1"], WindowWidth=["2"])
    place = content.index(b"\x28\x00\x50\x10DS")
    digits = b"1\\" * 140_000
    long = content[:place] + struct.pack("<HH2sHI", 0x28, 0x1050, b"UC", 0, len(digits)) + digits
    (tmp_path / "long").write_bytes(long + content[place + 8 + struct.unpack_from("<H", content, place + 6)[0] :])
    with pytest.raises(DicomError, match=r"\(0028,1050\) has 280000 bytes"):
        read_image(tmp_path / "long")


def test_the_summary_counts_files(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["fuzz.py", "--count", "12", "--seed", "5"])
    with pytest.raises(SystemExit) as ended:
        fuzz.main()
    assert ended.value.code == 0 and "12 files: " in capsys.readouterr().out
