"""Make the pictures of the documents from what `make demo` wrote: ``python docs/make_pictures.py runs/demo``.

The reports are opened in the headless Chromium of the explorer's tests. The demo's folder is only read: the totes are
pruned by steps, as `pruning.md` does it, in a copy. Look at every picture before you commit it.
"""

import argparse
import io
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

if TYPE_CHECKING:
    from PIL.Image import Image

HOUSE = Path(__file__).resolve().parent.parent
IMAGES = HOUSE / "docs/images"
MAP = ".map:not([hidden])"
DRAWN = ("labelling.png", "pruning.png")


def main() -> None:
    """Open the demo's reports, photograph what the documents show, and shrink it to palettes."""
    sys.path.insert(0, str(HOUSE / "tests/latent_space/explorer"))
    from conftest import Page, missing

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("demo", type=Path)
    demo = parser.parse_args().demo.resolve()
    sensors = demo / "anomaly/run/report.html"
    for needed in (demo / "run/report.html", sensors):
        if not needed.is_file():
            sys.exit(f"{needed} is needed; got none. `make demo` writes it.")
    if lack := missing():
        sys.exit(f"A headless Chromium is needed: {lack}.")
    IMAGES.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        totes, rig = copied(demo / "run", Path(folder) / "totes"), copied(sensors.parent, Path(folder) / "rig")
        page = Page(Path(folder))
        try:
            page.open(totes / "report.html")
            keep("report.png", whole(page))
            page.open(rig / "report.html")
            keep("anomaly.png", whole(page))
            photograph_labelling(page, totes)
            photograph_pruning(page, totes)
        finally:
            page.close()
        from PIL import Image

        for name in DRAWN:
            with Image.open(totes / name) as drawn:
                keep(name, drawn.resize((1000, round(1000 * drawn.height / drawn.width))))


def copied(run: Path, to: Path) -> Path:
    """Copy a run, and write its report with the code as it is now."""
    from armscope.renewal import renew_report
    from latent_space.population import Population

    shutil.copytree(run, to)
    renew_report(Population.load(to), to)
    return to


def photograph_labelling(page: Any, run: Path) -> None:
    """Photograph a finding, a tote with its errors drawn in, and what to label next."""
    from latent_space.population import Population

    report = run / "report.html"
    page.open(report)
    page.click_on("#findings .finding")
    keep("insight.png", whole(page))
    merged = "metric_under_segmented_count"
    samples = Population.load(run).samples
    view = {"color": merged, "size": merged, "pin": samples.loc[samples[merged].idxmax(), "sample_id"]}
    page.open(report, link=link(view))
    page.run(
        "[...document.querySelectorAll('#details button')].find((b) => b.innerText == 'under segmentation').click()"
    )
    keep("under_segmentation.png", whole(page))
    page.open(report, height=1100, link=link({"color": "predicted_error", "size": "predicted_error"}))
    page.click_on('[data-pane="labelling"]')
    keep("label_queue.png", whole(page))


def photograph_pruning(page: Any, run: Path) -> None:
    """Prune by steps, and photograph every step on the map and the queue."""
    from armscope.prune import prune_run
    from latent_space.population import Population

    distance = Population.load(run).samples["distance_to_center"]
    far = {"distance_to_center": {"low": float(distance.median()), "high": None}}
    prune_run(run, keep=0.5, strategy="steps", random_state=0)
    report, steps = run / "report.html", []
    views: list[dict[str, Any]] = [
        {"color": "cluster_id"},
        {"color": "distance_to_center", "filter": json.dumps(far)},
        {"color": "subgroup_id"},
        {"color": "pruning_decision"},
    ]
    for view in views:
        page.open(report, link=link(view | {"map": "tsne"}))
        steps.append(part(page, MAP))
    keep("pruning_steps.png", tiled(steps))
    page.open(report, height=1100, link=link({"color": "pruning_decision"}))
    page.click_on('[data-pane="pruning"]')
    keep("prune_queue.png", whole(page))


def link(view: dict[str, Any]) -> str:
    """Return the part of the page's address that holds a view."""
    return f"#{urlencode({'show': 'samples'} | view)}"


def whole(page: Any) -> "Image":
    """Return what a reader sees of the page."""
    from PIL import Image

    page.settle()
    return Image.open(io.BytesIO(page.driver.get_screenshot_as_png())).convert("RGB")


def part(page: Any, selector: str) -> "Image":
    """Return one element of the page."""
    left, top, width, height = page.box(selector)
    return whole(page).crop((round(left), round(top), round(left + width), round(top + height)))


def tiled(pictures: list["Image"]) -> "Image":
    """Return pictures of one size as rows of two."""
    from PIL import Image

    width, height = pictures[0].size
    sheet = Image.new("RGB", (2 * width, height * ((len(pictures) + 1) // 2)), "white")
    for place, picture in enumerate(pictures):
        sheet.paste(picture, (place % 2 * width, place // 2 * height))
    return sheet


def keep(name: str, picture: "Image") -> None:
    """Write a picture with few colours."""
    picture.convert("RGB").quantize(256).save(IMAGES / name, optimize=True)


if __name__ == "__main__":
    main()
