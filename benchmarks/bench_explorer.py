"""The explorer's page at 50,000 rows and 60 columns: its size, and the seconds until a browser has drawn it.

A headless Chromium opens the page from disk three times; the median counts. Frames are those of a zoom with the wheel,
drawn by the processor, since machines that run benchmarks rarely have a graphics card. Also the sizes with 40 columns,
without and with thumbnails. `--large` adds 200,000 rows.
"""

import argparse
import os
import platform
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from latent_space.explorer import write_report
from latent_space.population import Population

LIMITS = {"first paint s": 3.0, "MB, 40 columns": 8.0, "MB with thumbnails": 25.0}
OPTIONS = ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--no-first-run", "--window-size=1920,1080")
ZOOM = """
const done = arguments[0], times = [], map = document.querySelector(".overlay"), box = map.getBoundingClientRect();
let last = performance.now();
function step() {
  times.push(performance.now() - last);
  last = performance.now();
  if (times.length > 60) return done(times.slice(1));
  map.dispatchEvent(new WheelEvent("wheel", { deltaY: times.length < 30 ? -50 : 50, cancelable: true,
    clientX: box.left + box.width / 2, clientY: box.top + box.height / 2 }));
  return requestAnimationFrame(step);
}
requestAnimationFrame(step);
"""


def population(n: int, n_columns: int) -> Population:
    """Return samples in 40 groups; three in four columns are numbers that nothing compresses."""
    generator = np.random.default_rng(0)
    group = generator.integers(0, 40, n)
    places = generator.normal(size=(40, 2))[group] * 8 + generator.normal(size=(n, 2))
    columns: dict[str, Any] = {"sample_id": [f"image_{i:06d}.jpg" for i in range(n)]}
    columns |= {"split": np.array(["training", "validation", "unlabeled"])[generator.integers(0, 3, n)]}
    columns |= {"loss": generator.lognormal(0, 1, n), "cluster_id": group}
    for k in range(n_columns - 4):
        few = np.array(["a", "b", "c"])[generator.integers(0, 3, n)]
        columns[f"meta_{k}"] = few if k % 4 == 0 else generator.lognormal(0, 2, n)
    for method in ("umap", "tsne"):
        columns |= {f"{method}_{axis}": places[:, at].astype(np.float32) for at, axis in enumerate("xy")}
    return Population(pd.DataFrame(columns), np.zeros((n, 1)), run={"task": "benchmark"})


def with_thumbnails(samples: Population, folder: Path, n_different: int = 600) -> Population:
    """Give every sample one of some noisy pictures of 128 pixels, about 5 kB each as those of real runs are."""
    from PIL import Image

    generator = np.random.default_rng(1)
    (folder / "thumbnails").mkdir()
    for k in range(n_different):
        coarse = Image.fromarray(generator.integers(0, 255, (14, 14, 3), dtype=np.uint8)).resize((128, 128))
        noise = generator.normal(0, 9, (128, 128, 3))
        pixels = np.clip(np.asarray(coarse) + noise, 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(folder / "thumbnails" / f"{k}.jpg", quality=80)
    paths = [f"thumbnails/{i % n_different}.jpg" for i in range(len(samples))]
    return samples.with_column("thumbnail", paths)


def opened(report: Path, times: int = 3) -> tuple[float, float, float]:
    """Return the median seconds to the first paint, and the median and 95th percentile of a frame in milliseconds."""
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or shutil.which("google-chrome") or ""
    for option in OPTIONS:
        options.add_argument(option)
    driver = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    paints, frames = [], []
    try:
        for _ in range(times):
            driver.get("about:blank")
            driver.get(report.as_uri())
            while (paint := driver.execute_script("return document.documentElement.dataset.firstPaint")) is None:
                time.sleep(0.05)
            paints.append(int(paint) / 1000)
            frames += driver.execute_async_script(ZOOM)
    finally:
        driver.quit()
    return float(np.median(paints)), float(np.median(frames)), float(np.percentile(frames, 95))


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", action="store_true", help="also 200,000 rows x 20 columns")
    large = parser.parse_args().large
    print(f"\nThe explorer's page, {platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    print(f"{'rows x columns':34}{'MB':>8}{'write s':>9}{'first paint s':>15}{'frame ms':>10}{'95 % ms':>9}")

    def row(n: int, n_columns: int, *, pictures: bool = False) -> tuple[float, float | None]:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            samples = population(n, n_columns)
            samples = with_thumbnails(samples, folder) if pictures else samples
            start = time.perf_counter()
            report = write_report(samples, folder)
            seconds, size = time.perf_counter() - start, report.stat().st_size / 1e6
            label = f"{n:,} x {n_columns}{' with thumbnails' if pictures else ''}"
            print(f"{label:34}{size:8.2f}{seconds:9.1f}", end="", flush=True)
            if not (shutil.which("chromedriver") and shutil.which("chromium")):
                print("   no Chromium with its driver on this machine")
                return size, None
            paint, frame, slow = opened(report)
            print(f"{paint:15.2f}{frame:10.0f}{slow:9.0f}", flush=True)
            return size, paint

    _, paint = row(50_000, 60)
    size, _ = row(50_000, 40)
    heavy, _ = row(50_000, 40, pictures=True)
    if large:
        row(200_000, 20)
    for (name, limit), value in zip(LIMITS.items(), (paint, size, heavy), strict=True):
        if value is not None:
            print(f"{name}: {value:.2f}, at most {limit:g}: {'holds' if value <= limit else 'MISSED'}")


if __name__ == "__main__":
    main()
