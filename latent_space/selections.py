"""Read a selection that someone made: of the page, of another tool, or of an insight.

**Conventions**: JSON with ``sample_ids`` or a bare list of them, CSV with a column ``sample_id``, or JSON with the
``image_ids`` of a COCO file, found through the run's column of image ids. In the order of the file, each sample once.
Of a table that decides (a column ``decision``, as in pruning.csv) the samples to keep are the selection.
"""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latent_space.exports.columns import find_column, texts
from latent_space.insights.insight import read_insights
from latent_space.run_folder import INSIGHTS_FILE
from latent_space.sample_ids import read_sample_columns

if TYPE_CHECKING:
    from latent_space.population import Population


def read_selection(path: str | os.PathLike[str], population: "Population") -> list[str]:
    """Return the ids of the samples that a file selects; see `read_choice`."""
    return read_choice(path, population)[0]


def read_choice(path: str | os.PathLike[str], population: "Population") -> tuple[list[str], dict[str, str] | None]:
    """Return the ids of the samples that a file selects, and why each was where it has a column ``reason``.

    Parameters
    ----------
    path : path
        JSON or CSV.
    population : Population
        Of the run that the selection was made in.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is no selection, or an image id fits no sample, or several.
    """
    file = Path(path)
    image_ids = _image_ids(file) if file.suffix.lower() == ".json" and file.is_file() else None
    if image_ids is not None:
        return _by_image(file, image_ids, population), None
    columns = read_sample_columns(file)
    ids = columns["sample_id"]
    decisions = dict(zip(ids, columns.get("decision", []), strict=False))
    kept = [one for one in dict.fromkeys(ids) if decisions.get(one, "keep") == "keep"]
    if not kept:
        raise ValueError(f"{file} must hold at least one sample to keep; got none.")
    return kept, dict(zip(ids, columns["reason"], strict=True)) if "reason" in columns else None


def read_insight(run_dir: str | os.PathLike[str], insight_id: str) -> tuple[list[str], str]:
    """Return the ids of an insight's samples, and its title.

    Raises
    ------
    FileNotFoundError
        If the run has no insights.
    ValueError
        If none has this id.
    """
    file = Path(run_dir) / INSIGHTS_FILE
    if not file.is_file():
        raise FileNotFoundError(f"The run must have insights; {file} does not exist. Run `armscope explore` again.")
    known = {one.id: one for one in read_insights(run_dir).insights}
    if insight_id not in known:
        raise ValueError(f"insight must be one of {', '.join(known) or 'none'}; got {insight_id!r}.")
    return list(known[insight_id].sample_ids), known[insight_id].title


def _image_ids(file: Path) -> list[Any] | None:
    """Return what a JSON file holds as ``image_ids``; None where it holds none, or is no JSON."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except ValueError:
        return None
    if not isinstance(content, dict) or "image_ids" not in content or "sample_ids" in content:
        return None
    ids = content["image_ids"]
    if not isinstance(ids, list) or not ids or not all(isinstance(one, str | int) for one in ids):
        raise ValueError(f"{file} must hold at least one id under image_ids; got {str(ids)[:40]}.")
    return ids


def _by_image(file: Path, image_ids: list[Any], population: "Population") -> list[str]:
    column = find_column(population.samples, "image_id")
    if column is None:
        raise ValueError(f"{file} must hold sample_ids; got image_ids, and the run has no column of image ids.")
    samples: dict[str, list[str]] = {}
    keys = (_plain(text) for text in texts(population.samples, column))
    for key, sample_id in zip(keys, population.samples["sample_id"], strict=True):
        samples.setdefault(key or "", []).append(sample_id)
    found = []
    for image_id in dict.fromkeys(image_ids):
        fitting = samples.get(_plain(str(image_id)) or "", [])
        if len(fitting) != 1:
            what = "fits no sample" if not fitting else f"fits {len(fitting)} samples, {', '.join(fitting[:3])}"
            raise ValueError(f"{file} must hold image ids of one sample each; {image_id!r} {what}. Export sample ids.")
        found.append(fitting[0])
    return found


def _plain(text: str | None) -> str | None:
    """Return whole numbers without their decimals, as tables keep them."""
    return text if text is None else text.removesuffix(".0")
