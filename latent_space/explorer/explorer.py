"""Write `report.html`: the maps of a run, every sample's picture and numbers, in one file that needs no network.

**Conventions**: the template, the styles and the scripts lie beside this file; the scripts are joined in the order of
`SCRIPTS` into one. The data is JSON in which no `<` is left, so that no text of the user's can end the script or start
a tag, and the page itself shows texts as texts only. A content policy forbids the page any request.
"""

import json
import os
import re
from pathlib import Path

from latent_space.explorer.payload import page_content
from latent_space.population import Population
from latent_space.run_folder import REPORT_FILE, replaced_files

SCRIPTS = ("data.js", "colors.js", "map.js", "legend.js", "details.js", "explorer.js")
_HERE = Path(__file__).resolve().parent


def write_report(population: Population, run_dir: str | os.PathLike[str]) -> Path:
    """Write the explorer of a population into its run folder.

    Parameters
    ----------
    population : Population
        With maps (see `latent_space.maps.add_maps`).
    run_dir : path
        The run folder; the page takes the thumbnails from it and is written into it.

    Returns
    -------
    Path
        Of `report.html`.

    Raises
    ------
    ValueError
        If the population has no map.
    """
    folder = Path(run_dir)
    content = page_content(population, folder)
    if not content["maps"]:
        raise ValueError("population must have a map to be explored; got none. Add them with add_maps.")
    folder.mkdir(parents=True, exist_ok=True)
    with replaced_files() as temporary_name:
        temporary_name(folder / REPORT_FILE).write_text(render(content), encoding="utf-8")
    return folder / REPORT_FILE


def render(content: dict[str, object]) -> str:
    """Fill the template with the styles, the scripts and the content."""
    parts = {
        "styles": (_HERE / "explorer.css").read_text(encoding="utf-8"),
        "scripts": "\n".join((_HERE / name).read_text(encoding="utf-8") for name in SCRIPTS),
        "content": json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":")).replace(
            "<", "\\u003c"
        ),
    }
    template = (_HERE / "template.html").read_text(encoding="utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda match: parts[match[1]], template)
