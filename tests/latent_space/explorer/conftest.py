"""A made-up run, and a headless Chromium without network to open its page in, driven by Selenium."""

import json
import shutil
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from latent_space.explorer import write_report
from latent_space.population import Population

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
CHROMEDRIVER = shutil.which("chromedriver") or shutil.which("chromium.chromedriver")
OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--proxy-server=http://127.0.0.1:9",
    "--hide-scrollbars",
)
WITH_WEBGL = ("--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader")
WITHOUT_WEBGL = ("--disable-gpu", "--disable-3d-apis")


IDS = ["plain", "with space", 'quo"te,comma', "<script>alert(1)</script>", "漢字 é", "=1+1", "new\nline", "a/b.jpg"]


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


@pytest.fixture
def scattered(tmp_path):
    """A run of 400 scattered samples with ids of every kind, instances on maps, and decisions."""
    generator = np.random.default_rng(0)
    n = 400
    split = np.array(["training", "validation", "unlabeled"])[np.arange(n) % 3]
    samples = pd.DataFrame(
        {
            "sample_id": [*IDS, *(f"s{i}" for i in range(len(IDS), n))],
            "split": split,
            "loss": np.where(split == "unlabeled", np.nan, generator.gamma(2, 1, n)),
            "cluster_id": generator.integers(-1, 4, n),
            "is_outlier": generator.random(n) < 0.1,
            "meta_image_id": [str(i + 1000) for i in range(n)],
            "meta_note": [f"note {i} of {i % 7}" for i in range(n)],
            "metric_iou": generator.random(n),
            "umap_x": generator.normal(size=n).astype(np.float32),
            "umap_y": generator.normal(size=n).astype(np.float32),
            "umap_neighbors_kept": generator.random(n),
        }
    )
    instances = pd.DataFrame(
        {
            "sample_id": samples["sample_id"].repeat(2).to_numpy(),
            "instance_id": [f"{i}:{k}" for i in samples["sample_id"] for k in range(2)],
            "kind": ["gt", "pred"] * n,
            "confidence": generator.random(2 * n),
            "box_rel": [[0.1, 0.2, 0.5, 0.75]] * (2 * n),
            "umap_x": np.where(np.arange(2 * n) < 700, generator.normal(size=2 * n), np.nan).astype(np.float32),
            "umap_y": generator.normal(size=2 * n).astype(np.float32),
        }
    )
    insight = {"id": "x", "kind": "slice", "title": "<b>Worst</b>", "size": 3, "severity": 0.5, "p_value": 0.004}
    insight |= {"sample_ids": ["s20", IDS[3], "s99", "gone"], "explained_by": [{"column": "c", "text": "note < 7"}]}
    (tmp_path / "insights.json").write_text(json.dumps({"insights": [insight]}))
    (tmp_path / "labelling.csv").write_text(
        "rank,sample_id,predicted_error,predicted_error_low,predicted_error_high,reason\n"
        "1,s11,0.5,0.25,0.75,likely failure\n2,s14,0.25,0,0.5,<i>covers</i>\n"
    )
    (tmp_path / "pruning.csv").write_text("sample_id,decision,rank,reason\ns20,drop,1,twin of s21\ns21,keep,2,\n")
    line = {"mean": [1, 2, 4], "low": [0.5, 1, None], "high": [1.5, 3, 5]}
    curve = {"title": "Failures found", "x_label": "labels", "y_label": "failures", "budgets": [10, 20, 400]}
    curve |= {"n_seeds": 5, "strategies": {"random": line, "auto": line}, "full": 5, "sentence": "Saves 12 labels."}
    (tmp_path / "curves.json").write_text(json.dumps({"labelling": [curve], "pruning": [curve]}))
    run = {"task": "totes", "fingerprint": "abc123"}
    return Population(samples, np.zeros((n, 3)), instances, np.zeros((2 * n, 3)), run=run), tmp_path


@pytest.fixture
def silent(page, scattered):
    population, run = scattered
    page.open(write_report(population, run))
    page.run("localStorage.clear()")
    page.population = population
    yield page
    page.assert_silent()


@pytest.fixture(scope="session")
def page(tmp_path_factory):
    yield from opened_browser(tmp_path_factory)


@pytest.fixture(scope="session")
def page_without_webgl(tmp_path_factory):
    yield from opened_browser(tmp_path_factory, webgl=False)


def opened_browser(tmp_path_factory, **options):
    reason = missing()
    if reason:
        pytest.skip(reason)
    browser = Page(tmp_path_factory.mktemp("chromium"), **options)
    yield browser
    browser.close()


def missing() -> str | None:
    """Say what a machine lacks for these tests; None when it lacks nothing."""
    if CHROMIUM is None:
        return "no Chromium on this machine (Debian: apt-get install chromium)"
    if CHROMEDRIVER is None:
        return "no ChromeDriver on this machine (Debian: apt-get install chromium-driver)"
    try:
        import selenium  # noqa: F401
    except ImportError:
        return "no selenium (make setup installs it)"
    return None


class Page:
    """One tab; remembers what the browser complained about and asked for since a page was opened."""

    def __init__(self, folder: Path, *, webgl: bool = True):
        from selenium import webdriver
        from selenium.webdriver.chrome.service import Service

        options = webdriver.ChromeOptions()
        options.binary_location = CHROMIUM
        for option in (*OPTIONS, *(WITH_WEBGL if webgl else WITHOUT_WEBGL), f"--user-data-dir={folder / 'profile'}"):
            options.add_argument(option)
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.downloads = folder / "downloads"
        self.downloads.mkdir()
        self.driver = webdriver.Chrome(options=options, service=Service(CHROMEDRIVER))
        self.command("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(self.downloads))
        self.problems, self.requests = [], []

    def command(self, method, **parameters):
        return self.driver.execute_cdp_cmd(method, parameters)

    def open(self, path: Path, *, width=1440, height=900, scheme="light", link=""):
        self.command(
            "Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False
        )
        self.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.driver.get("about:blank")
        self.collect()
        self.problems, self.requests = [], []
        self.driver.get(path.resolve().as_uri() + link)
        self.wait_for("document.documentElement.dataset.firstPaint")
        self.settle()

    def wait_for(self, expression: str, seconds=20):
        from selenium.webdriver.support.ui import WebDriverWait

        return WebDriverWait(self.driver, seconds, 0.05).until(lambda _: self.run(expression))

    def settle(self):
        """Wait until what was asked for is drawn."""
        self.driver.execute_async_script(
            "const done = arguments[0]; requestAnimationFrame(() => requestAnimationFrame(() => done(1)));"
        )

    def run(self, expression: str):
        return self.driver.execute_script(f"return ({expression})")

    def text(self, selector: str):
        return self.run(f"document.querySelector({json.dumps(selector)}).innerText")

    def content(self, selector: str):
        return self.run(f"document.querySelector({json.dumps(selector)}).textContent")

    def click_on(self, selector: str, number=0):
        self.run(f"document.querySelectorAll({json.dumps(selector)})[{number}].click()")
        self.settle()

    def choose(self, selector: str, value: str):
        self.run(
            f"(e => {{ e.value = {json.dumps(value)}; e.dispatchEvent(new Event('input')); "
            f"e.dispatchEvent(new Event('change')); }})(document.querySelector({json.dumps(selector)}))"
        )
        self.settle()

    def mouse(self, kind: str, x: float, y: float, **more):
        self.command("Input.dispatchMouseEvent", type=kind, x=x, y=y, **more)

    def move(self, x: float, y: float):
        self.mouse("mouseMoved", x, y)
        self.settle()

    def click(self, x: float, y: float):
        self.drag([(x, y)])

    def drag(self, corners, **more):
        """Press at the first corner, go through the others, and let go at the last."""
        self.mouse("mouseMoved", *corners[0])
        self.mouse("mousePressed", *corners[0], button="left", clickCount=1, **more)
        for corner in corners[1:]:
            self.mouse("mouseMoved", *corner, button="left", buttons=1, **more)
        self.mouse("mouseReleased", *corners[-1], button="left", clickCount=1, **more)
        self.settle()

    def key(self, key: str):
        text = {"text": key} if len(key) == 1 else {}
        self.command("Input.dispatchKeyEvent", type="keyDown", key=key, **text)
        self.command("Input.dispatchKeyEvent", type="keyUp", key=key)
        self.settle()

    def screenshot(self, path: Path):
        path.write_bytes(self.driver.get_screenshot_as_png())
        return path

    def collect(self):
        """Take what the browser logged since the last time into `problems` and `requests`."""
        self.problems += [entry["message"] for entry in self.driver.get_log("browser")]
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                url = message["params"]["request"]["url"]
                if not url.startswith(("data:", "blob:", "about:")):
                    self.requests.append(url)

    def box(self, selector: str):
        """Left, top, width and height in pixels."""
        found = f"document.querySelector({json.dumps(selector)}).getBoundingClientRect()"
        return self.run(f"(box => [box.x, box.y, box.width, box.height])({found})")

    def pixels_of(self, x, y):
        """Where points of the first map are, from what the page must do: fit the map's bounds into 92 % of the plot."""
        left, top, width, height = self.box(".map:not([hidden]) .plot")
        scale = 0.92 * min(width / (x.max() - x.min()), height / (y.max() - y.min()))
        middle_x, middle_y = (x.min() + x.max()) / 2, (y.min() + y.max()) / 2
        return left + width / 2 + (x - middle_x) * scale, top + height / 2 - (y - middle_y) * scale

    def lasso(self, tool="l"):
        samples = self.population.samples
        x, y = (samples[f"umap_{axis}"].to_numpy(float) for axis in "xy")
        px, py = self.pixels_of(x, y)
        left, top, width, height = self.box(".plot")
        share = [(0.35, 0.3), (0.7, 0.25), (0.6, 0.5), (0.75, 0.8), (0.4, 0.7)]
        if tool == "r":
            share = [(0.35, 0.3), (0.7, 0.8)]
        corners = [(round(left + a * width), round(top + b * height)) for a, b in share]
        self.key(tool)
        self.drag(corners)
        if tool == "r":
            (x0, y0), (x1, y1) = corners
            corners = [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
        return np.flatnonzero(inside(corners, px, py))

    def downloaded(self, format_name):
        for file in self.downloads.iterdir():
            file.unlink()
        self.click_on(f'[data-format="{format_name}"]')
        for _ in range(100):
            new = [file for file in self.downloads.iterdir() if file.suffix != ".crdownload"]
            if new:
                return new[0], new[0].read_bytes().decode("utf-8")
            time.sleep(0.1)
        raise AssertionError("nothing was downloaded")

    def chosen(self, format_name="json"):
        _, text = self.downloaded(format_name)
        return json.loads(text)

    def assert_silent(self):
        self.collect()
        assert self.problems == []
        assert [url for url in self.requests if not url.startswith("file:")] == []

    def close(self):
        self.driver.quit()


def inside(polygon, x, y):
    from matplotlib.path import Path

    return Path(polygon).contains_points(np.column_stack([x, y]))
