"""What the page knows: a population as JSON that stays small and loses nothing the reader sees.

**Conventions**: a column of numbers is base64 of little-endian float32 (float64 where it holds integers beyond 2^24),
NaN where undefined. A column of few different values is base64 of uint16 codes into `levels`, 65535 where undefined.
Any other column is text, only shown. The order of columns is that of the table.
"""

import base64
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from latent_space.explorer.thumbnails import pack_thumbnails, pack_visualizers, thumbnail_visualizer
from latent_space.maps import METHOD_NAMES, quality_sentence
from latent_space.population import Population
from latent_space.run_folder import to_json

MOST_LEVELS = 60
MOST_FAILED = 200
_NO_LEVEL = 65_535
_ROLES = {"meta_": "metadata", "metric_": "metric"}
_SPLITS = ("training", "validation", "test", "unlabeled", "additional")


def page_content(population: Population, run_dir: Path) -> dict[str, Any]:
    """Return everything that the page shows, as strict JSON values.

    Parameters
    ----------
    population : Population
        With at least one map to be worth a page; any stage's columns may be absent.
    run_dir : Path
        Where `thumbnails/` and `visualizers/` lie.
    """
    samples = population.samples
    thumbnails = _texts(samples["thumbnail"]) if "thumbnail" in samples else [None] * len(samples)
    methods = [method for method in METHOD_NAMES if {f"{method}_x", f"{method}_y"} <= set(samples.columns)]
    hidden = {"sample_id", "thumbnail", *(f"{method}_{axis}" for method in methods for axis in "xy")}
    columns = [_column(name, samples[name]) for name in samples.columns if name not in hidden]
    # The thumbnail usually is the first visualizer's picture: once is enough.
    shown_as = thumbnail_visualizer(run_dir, thumbnails)
    content: dict[str, Any] = {
        "ids": samples["sample_id"].tolist(),
        "maps": [_map(population, method) for method in methods],
        "columns": [column for column in columns if column],
        "thumbnails": {
            **pack_thumbnails(run_dir, thumbnails),
            "name": shown_as or "picture",
        },
        "visualizers": pack_visualizers(run_dir, thumbnails, leave_out=shown_as),
        "run": _run_facts(population),
        "metrics": _metrics_by_split(samples),
    }
    facts: dict[str, Any] = to_json(content)
    return facts


def _map(population: Population, method: str) -> dict[str, Any]:
    quality = population.run.get("maps", {}).get(method, {})
    return {
        "name": METHOD_NAMES[method],
        "quality": quality_sentence(quality),
        "x": _numbers(population.samples[f"{method}_x"]),
        "y": _numbers(population.samples[f"{method}_y"]),
    }


def _column(name: str, values: "pd.Series[Any]") -> dict[str, Any] | None:
    """Return a column as the page reads it; None for one without any value."""
    if values.isna().all():
        return None
    role = next((role for prefix, role in _ROLES.items() if name.startswith(prefix)), "sample")
    label = name.removeprefix("meta_").removeprefix("metric_").replace("_", " ").strip() or name
    described = {"name": name, "label": label, "role": role}
    if pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values):
        return {**described, "kind": "number", "values": _numbers(values)}
    texts = _texts(values)
    levels = _levels(name, texts)
    if len(levels) > MOST_LEVELS:
        return {**described, "kind": "text", "values": texts}
    number = {level: code for code, level in enumerate(levels)}
    codes = np.array([_NO_LEVEL if text is None else number[text] for text in texts], "<u2")
    return {**described, "kind": "category", "levels": levels, "values": _base64(codes)}


def _levels(name: str, texts: list[str | None]) -> list[str]:
    """Return the different texts, most frequent first; splits in their own order."""
    counts = pd.Series(texts, dtype=object).value_counts()
    levels = sorted(counts.index, key=lambda level: (-counts[level], level))
    if name == "split":
        levels.sort(key=lambda level: _SPLITS.index(level) if level in _SPLITS else len(_SPLITS))
    return levels


def _texts(values: "pd.Series[Any]") -> list[str | None]:
    return [None if missing else str(value) for value, missing in zip(values, values.isna(), strict=True)]


def _numbers(values: "pd.Series[Any]") -> dict[str, str]:
    numbers = values.to_numpy(np.float64, na_value=np.nan)
    finite = numbers[np.isfinite(numbers)]
    exact = bool(len(finite)) and np.abs(finite).max() > 2**24 and (finite == np.rint(finite)).all()
    kind = "f8" if exact or (len(finite) and np.abs(finite).max() > np.finfo(np.float32).max) else "f4"
    return {"type": kind, "base64": _base64(numbers.astype(f"<{kind}"))}


def _base64(array: npt.NDArray[Any]) -> str:
    return base64.b64encode(array.tobytes()).decode()


def _run_facts(population: Population) -> dict[str, Any]:
    """Return what was run, from `run.json` as far as it says so."""
    run = population.run
    settings = run.get("settings")
    model = settings.get("model") if isinstance(settings, dict) else None
    facts = {
        "model": Path(str(model)).name if model else None,
        "sha": str(run.get("model_sha256") or "")[:8] or None,
        "date": str(run.get("finished") or run.get("created") or "")[:16].replace("T", " ") or None,
        "latents": f"{population.latents.shape[1]:,} features" if population.latents.shape[1] else None,
        "latent": _text_or_none(run.get("latent")),
        "seed": _text_or_none(run.get("seed")),
    }
    return {"task": str(run.get("task") or "run"), "facts": facts, "warnings": _warnings(run)}


def _text_or_none(value: Any) -> str | None:
    if isinstance(value, dict):
        value = value.get("name")
    return None if value is None else str(value)


def _warnings(run: dict[str, Any]) -> list[str]:
    """Return what went wrong in words: failed samples with their reasons, then the run's own warnings."""
    failed = run.get("failed") or []
    lines = [
        f"{one.get('sample_id', 'a sample')} ({one.get('split', 'split unknown')}) was set aside: "
        + ": ".join(str(one[key]) for key in ("function", "reason") if one.get(key))
        for one in failed[:MOST_FAILED]
    ]
    if len(failed) > MOST_FAILED:
        lines.append(f"... and {len(failed) - MOST_FAILED:,} more; run.json names them all.")
    return lines + [str(warning) for warning in run.get("warnings") or []]


def _metrics_by_split(samples: pd.DataFrame) -> dict[str, Any]:
    """Return the mean of the loss and of every metric over the samples of each split that have it."""
    names = [name for name in samples.columns if name == "loss" or name.startswith("metric_")]
    names = [name for name in names if pd.api.types.is_numeric_dtype(samples[name]) and samples[name].notna().any()]
    split = samples["split"] if "split" in samples else pd.Series(["all"] * len(samples), dtype=object)
    splits = _levels("split", _texts(split))
    rows = []
    for name in names:
        values = pd.to_numeric(samples[name]).astype(float)
        means = [float(values[(split == one) & np.isfinite(values)].mean()) for one in splits]
        rows.append({"label": name.removeprefix("metric_").replace("_", " "), "means": means})
    return {"splits": splits, "counts": [int((split == one).sum()) for one in splits], "rows": rows}
