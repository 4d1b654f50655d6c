"""Pictures to look at, and headless Chromium to look at them, driven through a pipe by its DevTools protocol.

The page is tested as it is, with real mouse and keys; no package is needed for it. Errors of scripts and violations of
the content security policy are kept in `problems`.
"""

import base64
import json
import os
import select
import shutil
import subprocess
import tempfile
import time

import numpy as np
import pytest

from mediml.imaging import Image, Volume, WindowView
from mediml.imaging.image import Step
from mediml.viewer import write_viewer

FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"),
    "--remote-debugging-pipe",
)
NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
BUTTONS = {"left": 1, "middle": 4}


def executable():
    """The browser's path, or None."""
    return next((found for found in map(shutil.which, NAMES) if found), None)


class Browser:
    """One page. Use as a context manager."""

    def __init__(self, seconds=60):
        self.seconds, self.number, self.buffer, self.problems = seconds, 0, b"", []
        self.session = None

    def __enter__(self):
        self.profile = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        there, self.write = os.pipe()
        self.read, back = os.pipe()

        # Chromium reads at descriptor 3 and writes at 4; above both first, so that neither is overwritten on the way.
        def place():
            import fcntl

            low, high = (fcntl.fcntl(each, fcntl.F_DUPFD, 10) for each in (there, back))
            os.dup2(low, 3)
            os.dup2(high, 4)

        self.process = subprocess.Popen(
            [executable(), *FLAGS, f"--user-data-dir={self.profile.name}", "about:blank"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            preexec_fn=place,
            close_fds=False,
        )
        os.close(there)
        os.close(back)
        targets = self.call("Target.getTargets")["targetInfos"]
        page = next(target for target in targets if target["type"] == "page")
        attached = self.call("Target.attachToTarget", targetId=page["targetId"], flatten=True)
        self.session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(20)
        os.close(self.write)
        os.close(self.read)
        self.profile.cleanup()

    def call(self, method, **parameters):
        self.number += 1
        message = {"id": self.number, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        data = json.dumps(message).encode() + b"\0"
        while data:
            data = data[os.write(self.write, data) :]
        while True:
            answer = self._message()
            if answer.get("id") == self.number:
                assert "error" not in answer, answer["error"]
                return answer["result"]

    def _message(self):
        deadline = time.monotonic() + self.seconds
        while b"\0" not in self.buffer:
            ready, _, _ = select.select([self.read], [], [], max(0, deadline - time.monotonic()))
            assert ready, "the browser does not answer"
            more = os.read(self.read, 2**20)
            assert more, "the browser has ended"
            self.buffer += more
        line, _, self.buffer = self.buffer.partition(b"\0")
        message = json.loads(line)
        self._notice(message.get("method"), message.get("params", {}))
        return message

    def _notice(self, method, parameters):
        if method == "Runtime.exceptionThrown":
            details = parameters["exceptionDetails"]
            self.problems.append(details.get("exception", {}).get("description", details["text"]))
        elif method == "Log.entryAdded" and parameters["entry"]["level"] in ("error", "warning"):
            self.problems.append(parameters["entry"]["text"])
        elif method == "Runtime.consoleAPICalled" and parameters["type"] in ("error", "warning"):
            self.problems.append(str(parameters["args"]))
        elif method == "Network.requestWillBeSent":
            url = parameters["request"]["url"]
            if not url.startswith(("file:", "data:", "about:", "blob:")):
                self.problems.append(f"asks for {url[:60]}")

    def evaluate(self, expression):
        """The value of a JavaScript expression; a promise is waited for."""
        answer = self.call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    def open(self, path, ready="document.documentElement.dataset.ready === 'yes'"):
        self.problems.clear()
        self.call("Page.navigate", url=path.as_uri())
        self.wait(ready)
        self.settle()

    def wait(self, condition):
        deadline = time.monotonic() + self.seconds
        while not self.evaluate(f"document.readyState !== 'loading' && Boolean({condition})"):
            assert time.monotonic() < deadline, f"never true: {condition}; {self.problems}"
            time.sleep(0.02)

    def settle(self):
        """Two pictures later everything that was asked for is drawn."""
        self.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))")

    def size(self, width, height, phone=False, ratio=1):
        self.call(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=ratio, mobile=phone
        )

    def scheme(self, name):
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": name}])

    def mouse(self, kind, x, y, button="none", **more):
        self.call("Input.dispatchMouseEvent", type=f"mouse{kind}", x=x, y=y, button=button, **more)

    def click(self, x, y):
        self.drag([(x, y)])

    def drag(self, places, button="left"):
        held = {"buttons": BUTTONS[button], "clickCount": 1}
        self.mouse("Moved", *places[0])
        self.mouse("Pressed", *places[0], button=button, **held)
        for place in places[1:]:
            self.mouse("Moved", *place, button=button, buttons=BUTTONS[button])
        self.mouse("Released", *places[-1], button=button, clickCount=1)
        self.settle()

    def wheel(self, x, y, delta):
        self.mouse("Wheel", x, y, deltaX=0, deltaY=delta)
        self.settle()

    def key(self, key, shift=False):
        text = {"text": key} if len(key) == 1 else {}
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, modifiers=8 if shift else 0, **text)
        self.settle()

    def screenshot(self, path, whole=True):
        size = self.call("Page.getLayoutMetrics")["cssContentSize"]
        options = {"captureBeyondViewport": True, "clip": {**size, "x": 0, "y": 0, "scale": 1}} if whole else {}
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png", **options)["data"]))

    # What the viewer shows.

    def shades(self, pane=0):
        """Grey values of a pane's picture, before it is enlarged: 0 to 255."""
        columns, rows = self.evaluate(f"viewer.panes[{pane}].size")
        pixels = self.evaluate(f"Array.from(viewer.panes[{pane}].picture.pixels, (p) => p & 255)")
        return np.array(pixels).reshape(rows, columns)

    def place(self, across, down, pane=0):
        """Where the centre of a pixel of a pane is in the window."""
        self.evaluate("viewer.panes[0].canvas.scrollIntoView({block: 'center'})")
        return self.evaluate(
            f"(() => {{ const pane = viewer.panes[{pane}]; const box = pane.canvas.getBoundingClientRect();"
            f"const [x, y] = pane.toScreen([{across + 0.5}, {down + 0.5}]); return [box.x + x, box.y + y]; }})()"
        )

    def probed(self):
        """What stands under "at the pointer"."""
        lines = "[...document.querySelectorAll('#probe dt')].map((d) => [d.textContent, d.nextSibling.textContent])"
        return dict(self.evaluate(lines))


@pytest.fixture
def show(browser, tmp_path):
    """Write a page, open it, and end with no error of a script, no violated policy and nothing fetched."""

    def show(picture, **options):
        path = tmp_path / "page.html"
        write_viewer(path, picture, **options)
        browser.size(1300, 900)
        browser.scheme("light")
        browser.open(path)
        return browser

    yield show
    assert browser.problems == []


@pytest.fixture(scope="session")
def browser():
    """A page of headless Chromium; the tests that need it are skipped where there is none."""
    if executable() is None:
        pytest.skip("no Chromium found: the page's program was not run")
    with Browser() as page:
        page.size(1300, 900)
        yield page


@pytest.fixture
def canary():
    return "Zebrafisch"


def make_volume(shape=(4, 5, 6), seed=0, **attributes):
    """A CT whose stored numbers are all different from their neighbours; its axes lead to head, back and left."""
    stored = np.random.default_rng(seed).integers(0, 3000, shape).astype(np.uint16)
    known = {
        "stored": stored,
        "values": (stored * 0.5 - 1024).astype(np.float32),
        "spacing_mm": (5.0, 2.0, 1.0),
        "directions": ((0.0, 0.0, 1.0), (0.0, 1.0, 0.0), (1.0, 0.0, 0.0)),
        "origin_mm": (-10.0, -20.0, -30.0),
        "units": "HU",
        "modality": "CT",
        "views": (WindowView(40.0, 400.0), WindowView(-600.0, 1500.0, "SIGMOID")),
        "account": (Step("rescaled", {"slope": 0.5, "intercept": -1024.0}),),
    }
    return Volume(**{**known, **attributes})


@pytest.fixture
def volume():
    return make_volume()


@pytest.fixture
def build_volume():
    return make_volume


@pytest.fixture
def image():
    """A radiograph of 3 rows and 4 columns; low values are white, one pixel is padding."""
    stored = np.array([[0, 10, 20, 30], [40, 50, 60, 70], [80, 90, 100, 4000]], np.uint16)
    return Image(
        stored=stored,
        values=stored.astype(np.float32),
        modality="CR",
        spacing_mm=(0.4, 0.2),
        spacing_at="detector",
        aspect=2.0,
        views=(WindowView(50.0, 101.0, "LINEAR"),),
        inverted=True,
        padding=stored == 4000,
        facts={"patient_orientation": "L/F", "body_part": "CHEST"},
        account=(Step("no_rescale"),),
        doubts=(Step("spacing_detector"),),
    )


@pytest.fixture
def loop():
    """Three frames in colour, 2 rows and 5 columns."""
    pixels = np.random.default_rng(3).integers(0, 256, (3, 2, 5, 3)).astype(np.uint8)
    return [Image(stored=frame, values=frame.astype(np.float32), modality="US") for frame in pixels]
