"""Damage DICOM files in every way that comes to mind and read them: nothing but a `DicomError` may come of it.

    python tests/imaging/fuzz.py --count 10000 --seed 0

Each file is read in this process, in the one that `isolated=True` starts, and as a waveform. The last line tells how
many were read and refused, the slowest, the most memory, and how often the decoding process died in our place. The
number of a file and the seed make it again: ``--only 4711``. Exit status 1 if anything else than the above came out.
"""

import argparse
import contextlib
import io
import random
import struct
import sys
import tempfile
import time
import traceback
import zlib
from pathlib import Path

import numpy as np
import pydicom

sys.path.insert(0, str(Path(__file__).resolve().parent))
import fuzz_seeds

from mediml.imaging import DicomError, read_image
from mediml.imaging.decoding import worker
from mediml.imaging.dicom import UNFORESEEN
from mediml.imaging.waveform import read_waveform

WORDS = (0, 1, 2, 7, 8, 127, 128, 255, 256, 0x7FFF, 0x8000, 0xFFFE, 0xFFFF)
LONGS = (0, 1, 8, 0xFFFF, 0x10000, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFE, 0xFFFFFFFF)
TAGS = (b"\x28\x00\x10\x00", b"\xfe\xff\x00\xe0", b"\xfe\xff\x0d\xe0", b"\xfe\xff\xdd\xe0", b"\xe0\x7f\x10\x00")
NUMBERS = {
    "Rows": WORDS, "Columns": WORDS, "BitsAllocated": (0, 1, 8, 12, 16, 32, 64, 65535), "BitsStored": WORDS,
    "HighBit": WORDS, "PixelRepresentation": (0, 1, 2), "SamplesPerPixel": (0, 1, 3, 4, 65535),
    "PlanarConfiguration": (0, 1, 2), "NumberOfFrames": ("0", "-1", "1000000000", "2147483647", "3"),
    "PixelPaddingValue": WORDS, "RescaleSlope": ("0", "1E300", "-1E-300", "1"), "RescaleIntercept": ("1E308", "-5"),
    "WindowCenter": ("1E300", "0", ["1", "2"]), "WindowWidth": ("0", "1", "1E-300", "-4", ["1", "2"]),
    "PhotometricInterpretation": ("MONOCHROME1", "RGB", "YBR_FULL", "YBR_FULL_422", "YBR_RCT", "PALETTE COLOR", "CMYK"),
}  # fmt: skip


def bits(data, rng):
    for _ in range(rng.choice((1, 2, 8, 64))):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def cut(data, rng):
    del data[rng.randrange(len(data)) :]


def take_out(data, rng):
    place = rng.randrange(len(data))
    del data[place : place + rng.choice((1, 2, 4, 8, 100))]


def insert(data, rng):
    place, length = rng.randrange(len(data)), rng.choice((1, 2, 8, 300))
    data[place:place] = rng.randbytes(length) if rng.random() < 0.5 else bytes(length)


def double(data, rng):
    place = rng.randrange(len(data))
    data[place:place] = data[place : place + rng.choice((8, 64, 4096))] * rng.choice((1, 2, 50))


def exchange(data, rng):
    length = rng.choice((2, 4, 8, 32))
    one, other = (rng.randrange(max(1, len(data) - length)) for _ in range(2))
    data[one : one + length], data[other : other + length] = data[other : other + length], data[one : one + length]


def field(data, rng):
    place, order = rng.randrange(len(data)), rng.choice("<>")
    new = (
        struct.pack(order + "H", rng.choice(WORDS))
        if rng.random() < 0.5
        else struct.pack(order + "I", rng.choice(LONGS))
    )
    data[place : place + len(new)] = new


def tag(data, rng):
    place = rng.randrange(len(data)) & ~1
    data[place : place + 4] = rng.choice(TAGS)


def length_of_element(data, rng):
    """Change the length of an element whose place is told by its tag."""
    places = [data.find(each) for each in (*TAGS, b"\x28\x00", b"\x08\x00", b"\x00\x30", b"SQ", b"OW", b"UN")]
    place = rng.choice([each for each in places if each >= 0] or [200])
    data[place + 4 : place + 8] = struct.pack("<I", rng.choice((*LONGS, len(data), max(0, len(data) - place))))


def dataset_of(data):
    return pydicom.dcmread(io.BytesIO(bytes(data)))


def written(data, dataset):
    out = io.BytesIO()
    with contextlib.suppress(Exception):  # what pydicom does not write stays as it is
        dataset.save_as(out)
        data[:] = out.getvalue()


def attribute(data, rng):
    """Give an attribute that decides about the pixels another value."""
    dataset = dataset_of(data)
    for keyword in rng.sample(sorted(NUMBERS), rng.choice((1, 1, 2, 4))):
        setattr(dataset, keyword, rng.choice(NUMBERS[keyword]))
    written(data, dataset)


def remove_attribute(data, rng):
    dataset = dataset_of(data)
    del dataset[rng.choice(list(dataset.keys()))]
    written(data, dataset)


def nest(data, rng):
    """A sequence in a sequence in a sequence, with or without an end."""
    depth = rng.choice((2, 30, 400, 3000))
    head = b"\x08\x00\x40\x11SQ\0\0\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
    tail = b"\xfe\xff\x0d\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0" if rng.random() < 0.7 else b""
    place = 132 + rng.randrange(min(len(data), 400))
    data[place:place] = head * depth + tail * depth


def crowd(data, rng):
    """Very many elements or items."""
    count = rng.choice((1000, 30_000, 150_000))
    if rng.random() < 0.5:
        body = b"".join(
            struct.pack("<HH2sH", 9 + 2 * (i // 60_000), 0x1000 + i % 60_000, b"LO", 0) for i in range(count)
        )
    else:
        body = struct.pack("<HH2sHI", 8, 0x1140, b"SQ", 0, 8 * count) + b"\xfe\xff\x00\xe0\0\0\0\0" * count
    data[132 + rng.randrange(200) : 0] = body


def fragments(data, rng):
    """Tear an encapsulated stream at its items."""
    places, start = [], data.find(b"\xe0\x7f\x10\x00")
    while (start := data.find(b"\xfe\xff\x00\xe0", start + 1)) >= 0:
        places.append(start)
    if not places:
        return field(data, rng)
    place = rng.choice(places)
    new = rng.choice(
        (b"\xfe\xff\x00\xe0" + struct.pack("<I", rng.choice(LONGS)), b"\xfe\xff\x00\xe0\0\0\0\0" * 40, b"")
    )
    data[place : place + 8] = new
    return None


def codestream(data, rng):
    """Within a compressed frame: sizes, components, tables."""
    markers = (b"\xff\xc0", b"\xff\xc3", b"\xff\xf7", b"\xff\xc4", b"\xff\xda", b"\xff\x51", b"\xff\x52", b"\xff\x90")
    places = [data.find(marker, 200) for marker in markers]
    place = rng.choice([each for each in places if each >= 0] or [len(data) // 2]) + rng.randrange(40)
    for _ in range(rng.choice((1, 3))):
        if place < len(data):
            data[place] = rng.choice((0, 1, 255, rng.randrange(256)))
        place += rng.choice((1, 2, 4))


def large_stream(data, rng):
    """Sizes that agree with each other and ask for all that is allowed, or for more."""
    rows, columns = rng.choice(((6000, 6000), (65535, 600), (65535, 65535), (1, 65535), (20_000, 1000)))
    dataset = dataset_of(data)
    old = (dataset.get("Rows", 0), dataset.get("Columns", 0))
    dataset.Rows, dataset.Columns = rows, columns
    written(data, dataset)
    for shape in (">HH", ">II"):
        before = struct.pack(shape, *(old if shape == ">HH" else old[::-1]))
        place = data.find(before, data.find(b"\xe0\x7f\x10\x00"))
        if place >= 0:
            data[place : place + len(before)] = struct.pack(
                shape, *((rows, columns) if shape == ">HH" else (columns, rows))
            )


def bomb(data, rng):
    """Run lengths or DEFLATE that become very much."""
    if rng.random() < 0.5:
        plane = b"\x81\0" * rng.choice((1000, 300_000))
        head = struct.pack("<16L", 2, 64, 64 + len(plane), *[0] * 13)
        frame = head + plane * 2
        rows = rng.choice((10, 6000, 65535))
        data[:] = fuzz_seeds.build(np.zeros((2, 2), np.uint16), "1.2.840.10008.1.2.5", frame, Rows=rows, Columns=rows)
        return
    content = fuzz_seeds.seeds()["deflated"]
    start = 144 + struct.unpack_from("<I", content, 140)[0]
    inner = zlib.decompress(content[start:], -zlib.MAX_WBITS)
    pad = struct.pack("<HH2sHI", 0x7FE1, 0x1000, b"OB", 0, size := rng.choice((10**6, 10**8, 4 * 10**8))) + bytes(size)
    packer = zlib.compressobj(1, zlib.DEFLATED, -zlib.MAX_WBITS)
    data[:] = content[:start] + packer.compress(inner + pad) + packer.flush()


MUTATIONS = (bits, cut, take_out, insert, double, exchange, field, tag, length_of_element, fragments, codestream)
WHOLE = (attribute, remove_attribute, nest, large_stream)
RARE = (crowd, bomb)


def mutated(index, seed, seeds):
    """Name of the seed file and the damaged content."""
    rng = random.Random(f"{seed}-{index}")
    name = sorted(seeds)[index % len(seeds)]
    data = bytearray(seeds[name])
    if rng.random() < 0.35:
        rng.choice(WHOLE)(data, rng)
    elif rng.random() < 0.02:
        rng.choice(RARE)(data, rng)
    if rng.random() < 0.75:
        for _ in range(rng.choice((1, 1, 2, 4))):
            if len(data) > 140:
                rng.choice(MUTATIONS)(data, rng)
    return name, bytes(data)


class Peak:
    """The most memory of this process since `reset`, in MiB; of all its life where the system cannot say."""

    @staticmethod
    def reset():
        with contextlib.suppress(OSError):
            Path("/proc/self/clear_refs").write_text("5")

    @staticmethod
    def read():
        try:
            lines = Path("/proc/self/status").read_text().splitlines()
        except OSError:
            return 0.0
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM"))


class Tally:
    def __init__(self):
        self.read = self.refused = 0
        self.late, self.stopped, self.busiest = False, 0, 0.0
        self.slowest, self.peak, self.wrong = (0.0, ""), (0.0, ""), []

    def attempt(self, what, action, *arguments, **options):
        """The result of reading, or None; anything but a refusal is noted."""
        Peak.reset()
        self.late = False
        start, processor, result = time.perf_counter(), time.process_time(), None
        try:
            result = action(*arguments, **options)
            self.read += 1
        except DicomError as error:
            self.refused += 1
            self.late = "takes more than" in str(error)
            self.stopped += self.late
            if str(error) == UNFORESEEN:
                self.wrong.append(f"{what}: {UNFORESEEN}")
            if fuzz_seeds.CANARY in str(error) or error.__context__ or error.__cause__:
                self.wrong.append(f"{what}: the error shows what it must not")
        except BaseException:
            self.wrong.append(f"{what}: {traceback.format_exc()}")
            if isinstance(sys.exc_info()[1], KeyboardInterrupt):
                raise
        seconds, memory = time.perf_counter() - start, Peak.read()
        processor = time.process_time() - processor
        self.busiest = max(self.busiest, processor)
        self.slowest, self.peak = max(self.slowest, (seconds, what)), max(self.peak, (memory, what))
        if processor > worker.WALL_SECONDS or memory > 1024:  # other programs do not count
            self.wrong.append(f"{what}: {processor:.1f} s, {memory:.0f} MiB")
        return result

    def line(self, files):
        return (
            f"{files} files: {self.read} read, {self.refused} refused, {len(self.wrong)} wrong; "
            f"slowest {self.slowest[0]:.2f} s ({self.slowest[1]}; {self.busiest:.2f} s of the processor), "
            f"most memory {self.peak[0]:.0f} MiB ({self.peak[1]}); "
            f"the decoding process died {worker.deaths()} times, {self.stopped} of them after 5 s, "
            f"and took at most {self.other_peak():.0f} MiB"
        )

    @staticmethod
    def other_peak():
        """Of the decoding processes that have ended, in MiB."""
        worker.close()
        try:
            import resource
        except ImportError:
            return 0.0
        return resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024


def same(one, other):
    return (
        np.array_equal(one.values, other.values, equal_nan=True)
        and [str(step) for step in one.account] == [str(step) for step in other.account]
        and len(one.views) == len(other.views)
    )


def run(indices, seed=0, isolated_share=1.0, report=print):
    """Damage and read; the tally."""
    seeds, tally, told = fuzz_seeds.seeds(), Tally(), 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{fuzz_seeds.CANARY}.dcm"
        for done, index in enumerate(indices):
            name, content = mutated(index, seed, seeds)
            path.write_bytes(content)
            what = f"{index} {name}"
            frame = 1 if "frames" in name or "enhanced" in name else None
            here = tally.attempt(what, read_image, path, frame)
            if (index * 7919 % 1000) / 1000 < isolated_share:
                there = tally.attempt(f"{what} isolated", read_image, path, frame, isolated=True)
                differ = here is not None and there is not None and not same(here, there)
                if differ or ((here is None) != (there is None) and not tally.late):
                    tally.wrong.append(f"{what}: not the same in both processes")
            if here is not None and fuzz_seeds.CANARY.upper() in repr(here).upper():
                tally.wrong.append(f"{what}: the image shows what it must not")
            if name == "waveform":
                tally.attempt(f"{what} as waveform", read_waveform, path)
            for wrong in tally.wrong[told:]:
                report(wrong, flush=True)
            told = len(tally.wrong)
            if done % 1000 == 999:
                report(tally.line(done + 1), flush=True)
    return tally


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="one file, by its number")
    chosen = parser.parse_args()
    indices = range(chosen.count) if chosen.only is None else [chosen.only]
    tally = run(indices, chosen.seed)
    print(tally.line(len(indices)))
    sys.exit(bool(tally.wrong))


if __name__ == "__main__":
    main()
