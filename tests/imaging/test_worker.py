"""The process that decodes: same pixels, and whatever it does, an error of ours."""

import os
import signal
import sys
import threading
import time

import numpy as np
import pytest

from mediml.imaging import DicomError, LookupView, WindowView, read_image
from mediml.imaging.decoding import worker
from mediml.imaging.decoding.wire import Body, EndOfStreamError
from mediml.imaging.dicom import silent_pydicom
from mediml.imaging.image import Image, Step

POSIX = pytest.mark.skipif(sys.platform == "win32", reason="limits and signals of POSIX")


@pytest.fixture
def own():
    """A worker of the test's own, ended with it."""
    mine = worker.Worker(wall_seconds=1.0)
    yield mine
    mine.close()


def programme(mine, text):
    """Let a started worker's place be taken by a program that answers as it likes."""
    import subprocess

    mine._process = subprocess.Popen(
        [sys.executable, "-c", text], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )


def ask(mine, content=b"x"):
    return mine.ask({"job": "read", "frame": None}, content, lambda head, body: head)


def fields(image):
    """All of an image but its arrays."""
    return [image.units, image.modality, image.spacing_mm, image.spacing_at, image.aspect, image.inverted,
            image.orientation, image.origin_mm, dict(image.facts), image.age_years,
            list(map(str, image.account)), list(map(str, image.doubts)), list(map(str, image.views))]  # fmt: skip


def test_an_image_crosses_whole(write, lut):
    path = write(
        np.array([[0, 100], [200, 400]], np.int16), Modality="CT", RescaleSlope="2", RescaleIntercept="-5",
        PixelPaddingValue=200, VOILUTSequence=[lut([3, 0, 12], [0, 7, 4095])], WindowCenter=["1", "2"],
        WindowWidth=["3", "4"], WindowCenterWidthExplanation=["LUNG", "BONE"], PatientAge="045Y",
        PixelSpacing=["0.5", "0.25"], ImageOrientationPatient=["1", "0", "0", "0", "1", "0"],
        ImagePositionPatient=["1", "2", "3"], BodyPartExamined="CHEST", PhotometricInterpretation="MONOCHROME1",
    )  # fmt: skip
    here, there = read_image(path), read_image(path, isolated=True)
    assert fields(here) == fields(there) and here.padding.sum() == 1
    for name in ("stored", "values", "padding"):
        one, other = getattr(here, name), getattr(there, name)
        np.testing.assert_array_equal(one, other)
        assert one.dtype == other.dtype and other.flags.writeable
    assert isinstance(there.views[0], LookupView) and there.views[1] == WindowView(1, 3, "LINEAR", "LUNG")
    np.testing.assert_array_equal(here.display(), there.display())
    assert isinstance(there.account[0], Step) and isinstance(there.spacing_mm, tuple)


def test_refusals_cross_in_the_same_words(write, tmp_path):
    (tmp_path / "text").write_text("hello")
    for path, frame in ((write(Rows=0), None), (tmp_path / "text", None), (write(), 3)):
        with pytest.raises(DicomError) as here:
            read_image(path, frame)
        with pytest.raises(DicomError) as there:
            read_image(path, frame, isolated=True)
        assert str(here.value) == str(there.value)
    for wrong in ("0", True, 1.5):
        with pytest.raises(DicomError, match="frame expects"):
            read_image(write(), wrong, isolated=True)


def test_one_process_serves_several_files(write):
    path = write()
    read_image(path, isolated=True)
    first = worker._worker._process.pid
    for _ in range(5):
        read_image(path, isolated=True)
    assert worker._worker._process.pid == first
    worker.close()
    assert worker._worker._process is None
    read_image(path, isolated=True)
    assert worker._worker._process.pid != first


def test_threads_share_it(write):
    paths = [write(np.full((3, 3), value, np.uint16)) for value in range(12)]
    wrong = []

    def read(value):
        for _ in range(4):
            image = read_image(paths[value], isolated=True)
            if not (image.values == value).all():
                wrong.append(value)

    threads = [threading.Thread(target=read, args=(value,)) for value in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


@POSIX
def test_a_fork_does_not_use_the_parents(write):
    path = write()
    read_image(path, isolated=True)
    parent = worker._worker._process.pid
    child = os.fork()
    if child == 0:  # pragma: no cover - another process
        try:
            right = (read_image(path, isolated=True).values == read_image(path).values).all()
            other = worker._worker._process.pid != parent
            worker.close()
            os._exit(0 if right and other else 1)
        except BaseException:
            os._exit(2)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    read_image(path, isolated=True)
    assert worker._worker._process.pid == parent


@POSIX
def test_a_fork_while_another_thread_reads(write):
    """The thread that holds the lock is not in the child, which must not wait for it."""
    path, held, done = write(), threading.Event(), threading.Event()

    def hold():
        with silent_pydicom():
            held.set()
            done.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(30)
    child = os.fork()
    if child == 0:  # pragma: no cover - another process
        signal.alarm(20)
        os._exit(0 if read_image(path).values[0, 1] == 100 else 1)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    done.set()
    thread.join()
    assert status == 0


@POSIX
def test_it_is_replaced_when_it_dies(write):
    path = write()
    read_image(path, isolated=True)
    process, deaths = worker._worker._process, worker.deaths()
    os.kill(process.pid, signal.SIGSTOP)  # it has the file, and does not answer

    def end():
        time.sleep(0.3)
        os.kill(process.pid, signal.SIGKILL)

    thread = threading.Thread(target=end)
    thread.start()
    with pytest.raises(DicomError, match="the process that decodes ended"):
        read_image(path, isolated=True)
    thread.join()
    assert worker.deaths() == deaths + 1
    assert read_image(path, isolated=True).values[0, 1] == 100


@POSIX
def test_it_may_not_take_too_long(write, own):
    programme(own, "import time; time.sleep(60)")
    start = time.monotonic()
    with pytest.raises(DicomError, match="takes more than 1 s to decode"):
        ask(own)
    assert time.monotonic() - start < 10 and own._process is None and own.deaths == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"garbage" * 9,
        b"\xff" * 64,  # lengths beyond all limits
        (2).to_bytes(8, "big") + (0).to_bytes(8, "big") + b"[]",
        (2).to_bytes(8, "big") + (5).to_bytes(8, "big") + b"{}" + b"12345",  # more than is asked for
        (9).to_bytes(8, "big") + (0).to_bytes(8, "big") + b"{no json}",
    ],
)
def test_what_it_answers_is_not_trusted(own, answer):
    programme(own, f"import sys; sys.stdout.buffer.write({answer!r})")
    with pytest.raises(DicomError, match="the process that decodes ended"):
        ask(own)
    assert own._process is None


def test_an_array_is_not_larger_than_what_came(tmp_path):
    import io

    body = Body(io.BytesIO(bytes(8)), 8)
    for described in (
        {"dtype": "float64", "shape": [2]}, {"dtype": "object", "shape": [1]}, {"dtype": "uint8", "shape": [-1]},
        {"dtype": "uint8", "shape": [True, 10**12]},
    ):  # fmt: skip
        with pytest.raises(EndOfStreamError):
            body.array(described)
    assert body.array(None) is None and body.array({"dtype": "uint16", "shape": [2, 2]}).shape == (2, 2)


def run_inside(text):
    """Run Python code where the decoding process sets its limits; the exit status."""
    import subprocess

    code = f"from mediml.imaging.decoding import process\nprocess._limit_once(); process._limit_time()\n{text}"
    return subprocess.run([sys.executable, "-c", code], stderr=subprocess.DEVNULL, timeout=60).returncode


@POSIX
@pytest.mark.skipif(sys.platform == "darwin", reason="macOS does not keep RLIMIT_AS")
@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("import numpy; numpy.ones(2**29 // 8)", 0),
        ("import numpy\ntry: numpy.ones(2**30 // 8)\nexcept MemoryError: raise SystemExit(7)", 7),
        ("import tempfile; f = tempfile.TemporaryFile(); f.write(b'x' * 9999); f.flush()", -signal.SIGXFSZ),
        ("import resource; assert resource.getrlimit(resource.RLIMIT_CORE) == (0, 0)", 0),
        ("import resource; assert 6 <= resource.getrlimit(resource.RLIMIT_CPU)[0] <= 10", 0),
    ],
)
def test_limits_of_the_system(text, status):
    code = run_inside(text)
    assert code == status or (status == -signal.SIGXFSZ and code != 0)  # Python turns the signal into an error


def test_a_lack_of_memory_is_a_refusal(write, monkeypatch, tmp_path):
    """A file that would need more than the process may have."""
    from mediml.imaging.decoding import process as decoding

    monkeypatch.setattr(decoding, "read_content", lambda *_: (_ for _ in ()).throw(MemoryError))
    import io

    head, arrays = decoding._answered({"job": "read", "frame": None}, Body(io.BytesIO(b"x"), 1))
    assert "error" in head or pytest.fail("no refusal")
    assert "memory" in head["error"] and arrays == []


def test_nothing_is_printed_and_no_module_comes_from_the_working_directory(write, tmp_path, monkeypatch, capfd):
    (tmp_path / "json.py").write_text("raise SystemExit('the wrong module')")
    (tmp_path / "numpy.py").write_text("raise SystemExit('the wrong module')")
    path = write()
    worker.close()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert read_image(path, isolated=True).values[0, 1] == 100
    assert not "".join(capfd.readouterr())
    worker.close()


def test_it_cannot_be_started(write, monkeypatch):
    worker.close()
    monkeypatch.setattr(sys, "executable", "")
    with pytest.raises(DicomError, match="no Python program"):
        read_image(write(), isolated=True)
    monkeypatch.setattr(sys, "executable", os.devnull)
    with pytest.raises(DicomError, match="could not be started"):
        read_image(write(), isolated=True)


def test_an_image_without_views_and_padding():
    import io

    from mediml.imaging.decoding.wire import image_from_message, image_to_message, receive, send

    image = Image(stored=np.arange(6, dtype=">i2").reshape(2, 3)[:, ::-1], values=np.full((2, 3), np.nan))
    stream = io.BytesIO()
    send(stream, *image_to_message(image))
    stream.seek(0)
    back = image_from_message(*receive(stream))
    np.testing.assert_array_equal(back.stored, image.stored)
    np.testing.assert_array_equal(back.values, image.values)
    assert back.views == () and back.padding is None and back.age_years is None
