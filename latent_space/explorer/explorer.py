"""Write `report.html`: the maps of a run, every sample's picture and numbers, in one file that needs no network.

**Conventions**: the template, the styles and the scripts lie beside this file; the scripts are joined in the order of
`SCRIPTS` into one. The data is JSON in which no `<` is left, and one base64 text; so no text of the user's can end the
script or start a tag, and the page itself shows texts as texts only. A content policy forbids the page any request.
"""

import json
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from latent_space.explorer.decisions import Decisions, read_decisions
from latent_space.explorer.packing import Store
from latent_space.explorer.payload import page_content
from latent_space.explorer.thumbnails import pack_thumbnails, pack_visualizers, thumbnail_visualizer
from latent_space.population import Population
from latent_space.run_folder import REPORT_FILE, replaced_files

STYLES = ("page.css", "parts.css")
SCRIPTS = (
    "dom.js",
    "unpacking.js",
    "data.js",
    "colors.js",
    "geometry.js",
    "look.js",
    "webgl.js",
    "canvas2d.js",
    "map.js",
    "gestures.js",
    "filters.js",
    "filter_panel.js",
    "exports.js",
    "selection.js",
    "pictures.js",
    "details.js",
    "legend.js",
    "table.js",
    "gallery.js",
    "curves.js",
    "findings.js",
    "queues.js",
    "link.js",
    "panels.js",
    "sight.js",
    "controls.js",
    "explorer.js",
    "opening.js",
)
_HERE = Path(__file__).resolve().parent


def write_report(population: Population, run_dir: str | os.PathLike[str], *, file: str = REPORT_FILE) -> Path:
    """Write the explorer of a population into its run folder.

    Parameters
    ----------
    population : Population
        With maps (see `latent_space.maps.add_maps`).
    run_dir : path
        The run folder; the page takes from it the thumbnails and, where they exist, `insights.json`, `labelling.csv`,
        `pruning.csv` and `curves.json` (one that is damaged costs a line among the page's warnings), and is written
        into it.
    file : str
        Name of the page.

    Returns
    -------
    Path
        Of the page.

    Raises
    ------
    ValueError
        If the population has no map.
    """
    folder = Path(run_dir)
    store = Store()
    decisions = read_decisions(folder, population.samples["sample_id"].tolist())
    content = page_content(population, decisions, store)
    if not content["tables"][0]["maps"]:
        raise ValueError("population must have a map to be explored; got none. Add them with add_maps.")
    pictures = _pictures(population.samples, decisions, folder, store)
    folder.mkdir(parents=True, exist_ok=True)
    with replaced_files() as temporary_name:
        temporary_name(folder / file).write_text(render(content, pictures, store), encoding="utf-8")
    return folder / file


def _pictures(samples: pd.DataFrame, decisions: Decisions, folder: Path, store: Store) -> dict[str, Any]:
    paths: Sequence[str | None] = [None] * len(samples)
    if "thumbnail" in samples:
        paths = [path if isinstance(path, str) else None for path in samples["thumbnail"]]
    # The thumbnail usually is the first visualizer's picture: once is enough.
    shown_as = thumbnail_visualizer(folder, paths)
    thumbnails = pack_thumbnails(folder, paths, store, _most_telling(samples, decisions))
    return {
        "thumbnails": {**thumbnails, "name": shown_as or "picture"},
        "visualizers": pack_visualizers(folder, paths, store, leave_out=shown_as),
    }


def _most_telling(samples: pd.DataFrame, decisions: Decisions) -> list[int]:
    """Return the samples whose pictures one wants to see first: those to label next, in turn with the highest loss."""
    queue = decisions.queues.get("labelling", {}).get("samples", [])
    loss = samples["loss"].to_numpy(np.float64, na_value=np.nan) if "loss" in samples else np.full(len(samples), np.nan)
    worst = np.argsort(-loss, kind="stable").tolist()
    in_turn = [number for pair in zip(queue, worst, strict=False) for number in pair]
    return [*in_turn, *worst]


def render(content: dict[str, Any], pictures: dict[str, Any], store: Store) -> str:
    """Fill the template with the styles, the scripts and the content."""
    parts = {
        "styles": "\n".join((_HERE / name).read_text(encoding="utf-8") for name in STYLES),
        "scripts": "\n".join((_HERE / name).read_text(encoding="utf-8") for name in SCRIPTS),
        "content": _script_safe(content),
        "pictures": _script_safe(pictures),
        "columns": store.base64(),
    }
    template = (_HERE / "template.html").read_text(encoding="utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], template)


def _script_safe(value: dict[str, Any]) -> str:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c")
