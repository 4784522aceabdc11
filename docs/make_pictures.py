"""Make the pictures of the documents from what `make demo` wrote: ``python docs/make_pictures.py runs/demo``.

Needs a Chromium, which opens the report as its reader would.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

IMAGES = Path(__file__).resolve().parent / "images"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")
OPTIONS = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking")


def main() -> None:
    """Photograph both reports and shrink them to palettes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("demo", type=Path)
    demo = parser.parse_args().demo.resolve()
    pages = {"report.png": demo / "run/report.html", "anomaly.png": demo / "anomaly/run/report.html"}
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    for page in pages.values():
        if browser is None or not page.is_file():
            sys.exit(f"A Chromium and {page} are needed.")
    IMAGES.mkdir(exist_ok=True)
    for name, page in pages.items():
        with tempfile.TemporaryDirectory() as profile:
            photograph(str(browser), page, Path(profile), IMAGES / name)


def photograph(browser: str, page: Path, profile: Path, out: Path) -> None:
    """Take a picture of a page at the size of a laptop's window."""
    from PIL import Image

    size = ["--hide-scrollbars", "--window-size=1440,900", "--virtual-time-budget=8000"]
    command = [browser, *OPTIONS, f"--user-data-dir={profile}", *size, f"--screenshot={out}", page.as_uri()]
    subprocess.run(command, check=True, capture_output=True)
    with Image.open(out) as picture:
        small = picture.convert("RGB").quantize(256)
    small.save(out, optimize=True)


if __name__ == "__main__":
    main()
