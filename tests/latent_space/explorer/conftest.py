"""A made-up run, and a real headless Chromium driven through its debugging pipe with the standard library alone."""

import base64
import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from latent_space.population import Population

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
OPTIONS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --disable-dev-shm-usage --remote-debugging-pipe"
)


@pytest.fixture
def make_run(tmp_path):
    """Return a function that makes a run folder of n samples on a line, with pictures, and its population."""

    def make(n=30, *, pictures=True, **columns):
        split = np.array(["training", "validation", "unlabeled"])[np.arange(n) % 3]
        samples = pd.DataFrame(
            {
                "sample_id": [f"sample {i}" for i in range(n)],
                "split": split,
                "loss": np.where(split == "unlabeled", np.nan, np.arange(n) / n),
                "meta_colour": np.where(np.arange(n) < n // 2, "blue", "yellow"),
                "metric_parts": np.where(split == "unlabeled", np.nan, np.arange(n) % 4),
                "umap_x": np.arange(n, dtype=np.float32),
                "umap_y": np.zeros(n, np.float32),
                "tsne_x": np.zeros(n, np.float32),
                "tsne_y": np.arange(n, dtype=np.float32),
            }
        ).assign(**columns)
        if pictures:
            samples["thumbnail"] = [f"thumbnails/s%20{i}.jpg" for i in range(n)]
            for folder in ("thumbnails", "visualizers/gt boxes"):
                (tmp_path / folder).mkdir(parents=True, exist_ok=True)
                for i in range(n):
                    Image.new("RGB", (40, 30), (255, i % 256, 0 if folder == "thumbnails" else 200)).save(
                        tmp_path / folder / f"s%20{i}.jpg"
                    )
        run = {
            "task": "totes",
            "model_sha256": "0123456789abcdef",
            "finished": "2026-01-02T03:04:05+00:00",
            "maps": {"umap": {"trustworthiness": 0.9375, "neighbors_kept": 0.5, "distance_correlation": 0.25}},
            "failed": [{"sample_id": "x/9", "split": "training", "function": "image", "reason": "truncated"}],
            "warnings": ["Metric iou returned one value for a batch."],
        }
        return Population(samples, np.zeros((n, 4)), run=run), tmp_path

    return make


@pytest.fixture(scope="session")
def page(tmp_path_factory):
    if CHROMIUM is None:
        pytest.skip("no Chromium on this machine (Debian: apt-get install chromium)")
    browser = Page(tmp_path_factory.mktemp("chromium"))
    yield browser
    browser.close()


class Page:
    """One tab; remembers console messages, exceptions and requests since it was opened."""

    def __init__(self, profile: Path):
        to_read, self._write = os.pipe()
        self._read, to_write = os.pipe()
        # The browser reads commands on descriptor 3 and answers on 4.
        command = f'exec "{CHROMIUM}" {OPTIONS} --user-data-dir="{profile}" 3<&{to_read} 4>&{to_write}'
        self._process = subprocess.Popen(
            ["bash", "-c", command],
            pass_fds=(to_read, to_write),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(to_read)
        os.close(to_write)
        self._number, self._buffer, self._session, self._loaded = 0, b"", None, set()
        self.problems, self.requests = [], []
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self._call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self._call(f"{domain}.enable")
        self._call("Page.setLifecycleEventsEnabled", enabled=True)

    def open(self, path: Path, *, width=1440, height=900, scheme="light"):
        self._call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        self._call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.problems, self.requests = [], []
        loader = self._call("Page.navigate", url=path.resolve().as_uri())["loaderId"]
        while loader not in self._loaded:
            self._receive()
        self.settle()

    def settle(self):
        """Wait until what was asked for is drawn."""
        self.run("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => done(1))))")

    def run(self, expression: str):
        answer = self._call("Runtime.evaluate", expression=expression, returnByValue=True, awaitPromise=True)
        if "exceptionDetails" in answer:
            raise AssertionError(answer["exceptionDetails"])
        return answer["result"].get("value")

    def text(self, selector: str):
        return self.run(f"document.querySelector({selector!r}).innerText")

    def choose(self, selector: str, value: str):
        self.run(
            f"(e => {{ e.value = {json.dumps(value)}; e.dispatchEvent(new Event('input')); "
            f"e.dispatchEvent(new Event('change')); }})(document.querySelector({selector!r}))"
        )
        self.settle()

    def mouse(self, kind: str, x: float, y: float, **more):
        self._call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    def click(self, x: float, y: float):
        self.mouse("mouseMoved", x, y)
        self.mouse("mousePressed", x, y, button="left", clickCount=1)
        self.mouse("mouseReleased", x, y, button="left", clickCount=1)
        self.settle()

    def key(self, key: str):
        self._call("Input.dispatchKeyEvent", type="keyDown", key=key)
        self._call("Input.dispatchKeyEvent", type="keyUp", key=key)
        self.settle()

    def screenshot(self, path: Path):
        path.write_bytes(base64.b64decode(self._call("Page.captureScreenshot")["data"]))
        return path

    def close(self):
        self._session = None
        try:
            self._send("Browser.close")
            self._process.wait(10)
        except (subprocess.TimeoutExpired, OSError):
            self._process.kill()
            self._process.wait()
        os.close(self._read)
        os.close(self._write)

    def _send(self, method, **parameters):
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        return self._number

    def _call(self, method, **parameters):
        number = self._send(method, **parameters)
        while (message := self._receive()).get("id") != number:
            pass
        if "error" in message:
            raise AssertionError(f"{method}: {message['error']}")
        return message["result"]

    def _receive(self):
        while b"\0" not in self._buffer:
            part = os.read(self._read, 1 << 20)
            if not part:
                raise AssertionError("the browser ended")
            self._buffer += part
        text, self._buffer = self._buffer.split(b"\0", 1)
        message = json.loads(text)
        facts = message.get("params", {})
        match message.get("method"):
            case "Page.lifecycleEvent" if facts["name"] == "load":
                self._loaded.add(facts["loaderId"])
            case "Runtime.consoleAPICalled":
                self.problems.append(str([argument.get("value") for argument in facts["args"]]))
            case "Runtime.exceptionThrown":
                self.problems.append(str(facts["exceptionDetails"]))
            case "Log.entryAdded":
                self.problems.append(facts["entry"]["text"])
            case "Network.requestWillBeSent" if not facts["request"]["url"].startswith("data:"):
                self.requests.append(facts["request"]["url"])
        return message
