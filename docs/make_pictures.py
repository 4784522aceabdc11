"""Make the pictures of the documents from a run: ``python docs/make_pictures.py runs/demo/run``.

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
    """Photograph the report and shrink it to a palette."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    report = parser.parse_args().run.resolve() / "report.html"
    browser = next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None or not report.is_file():
        sys.exit(f"A Chromium and {report} are needed.")
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as profile:
        photograph(browser, report, Path(profile), IMAGES / "report.png")


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
