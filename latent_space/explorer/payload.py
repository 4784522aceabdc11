"""What the page knows: a population, its decisions and its facts as JSON that stays small.

**Conventions**: a table is the samples, or the instances that have a place on a map. Whatever is as long as a table is
packed into a `Store` and the JSON says where it lies. A column is a number, a category (codes into `levels`, 65535
where undefined) or text. The order of columns is that of the table.
"""

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from latent_space.explorer.decisions import Decisions
from latent_space.explorer.packing import Store
from latent_space.maps import METHOD_NAMES, quality_sentence
from latent_space.population import Population
from latent_space.run_folder import to_json

MOST_LEVELS = 60
MOST_GROUPS = 5_000
MOST_FAILED = 200
_NO_LEVEL = 65_535
_ROLES = {"meta_": "metadata", "metric_": "metric"}
_SPLITS = ("training", "validation", "test", "unlabeled", "additional")
_IDS = ("cluster_id", "subgroup_id", "near_duplicate_group")  # numbers that name something
_OF_INSTANCES = ("sample_id", "instance_id", "box_rel", "box_px", "polygons_rel", "polygons_px")


def page_content(population: Population, decisions: Decisions, store: Store) -> dict[str, Any]:
    """Return everything that the page shows but its pictures, as strict JSON values.

    Parameters
    ----------
    population : Population
        With at least one map to be worth a page; any stage's columns may be absent.
    decisions : Decisions
        What the run folder holds beside the population.
    store : Store
        Takes the columns.
    """
    new = {name: values for name, values in decisions.columns.items() if name not in population.samples}
    samples = population.samples.assign(**new)
    tables = [_table("samples", samples, population.run.get("maps"), store), _instances(population, store)]
    facts = _run_facts(population)
    facts["warnings"] += decisions.warnings
    content: dict[str, Any] = {
        "tables": [table for table in tables if table],
        "run": facts,
        "metrics": _metrics_by_split(samples),
        **_decided(decisions, store),
    }
    packed: dict[str, Any] = to_json(content)
    return packed


def _decided(decisions: Decisions, store: Store) -> dict[str, Any]:
    insights = [{**one, "samples": store.json(one["samples"])} for one in decisions.insights]
    queues = {key: store.json(to_json(queue)) for key, queue in decisions.queues.items()}
    return {"insights": insights, "queues": queues, "curves": decisions.curves}


def _table(key: str, table: pd.DataFrame, facts: Any, store: Store) -> dict[str, Any]:
    methods = [method for method in METHOD_NAMES if {f"{method}_x", f"{method}_y"} <= set(table.columns)]
    hidden = {"thumbnail", *(f"{method}_{axis}" for method in methods for axis in "xy")}
    hidden |= set(_OF_INSTANCES) if key == "instances" else {"sample_id"}
    columns = [_column(name, table[name], store) for name in table.columns if name not in hidden]
    facts = facts if isinstance(facts, dict) else {}
    maps = [
        {
            "key": method,
            "name": METHOD_NAMES[method],
            "quality": quality_sentence(facts.get(method, {})),
            "x": store.places(table[f"{method}_x"].to_numpy(np.float64, na_value=np.nan)),
            "y": store.places(table[f"{method}_y"].to_numpy(np.float64, na_value=np.nan)),
        }
        for method in methods
    ]
    ids = table["instance_id" if "instance_id" in table else "sample_id"].astype(str).tolist()
    return {"key": key, "n": len(table), "ids": store.json(ids), "maps": maps} | {
        "columns": [column for column in columns if column]
    }


def _instances(population: Population, store: Store) -> dict[str, Any] | None:
    """Return the instances that are on a map, with the row of the sample each belongs to."""
    instances = population.instances
    places = [f"{method}_x" for method in METHOD_NAMES]
    if instances is None or not set(places) & set(instances.columns):
        return None
    mapped = instances[instances[[name for name in places if name in instances]].notna().any(axis=1)]
    if mapped.empty:
        return None
    facts = population.run.get("maps")
    rows = pd.Series(np.arange(len(population)), index=population.samples["sample_id"])
    table = _table("instances", mapped, facts.get("instances") if isinstance(facts, dict) else None, store)
    table["samples"] = store.numbers(rows[mapped["sample_id"]].to_numpy(np.float64))
    if "box_rel" in mapped:
        table["boxes"] = store.json([_box(box) for box in mapped["box_rel"]])
    return {**table, "n_all": len(instances)}


def _box(box: Any) -> list[float] | None:
    if box is None or np.shape(box) != (4,) or not np.isfinite(np.asarray(box, np.float64)).all():
        return None
    return [round(float(edge), 4) for edge in box]


def _column(name: str, values: "pd.Series[Any]", store: Store) -> dict[str, Any] | None:
    """Return a column as the page reads it; None for one without any value."""
    if values.isna().all():
        return None
    role = next((role for prefix, role in _ROLES.items() if name.startswith(prefix)), "sample")
    label = name.removeprefix("meta_").removeprefix("metric_").replace("_", " ").strip() or name
    described = {"name": name, "label": label, "role": role}
    is_number = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    names_groups = name.startswith(_IDS)
    if is_number and not names_groups:
        numbers = values.to_numpy(np.float64, na_value=np.nan)
        finite = numbers[np.isfinite(numbers)]
        reach = {"min": float(finite.min()), "max": float(finite.max())} if len(finite) else {}
        return {**described, "kind": "number", **reach, "values": store.numbers(numbers)}
    texts = _group_names(values) if is_number else _texts(values)
    levels = _levels(name, texts)
    if len(levels) > (MOST_GROUPS if names_groups else MOST_LEVELS):
        return {**described, "kind": "text", "values": store.json(texts)}
    number = {level: code for code, level in enumerate(levels)}
    codes = np.array([_NO_LEVEL if text is None else number[text] for text in texts], np.uint16)
    return {**described, "kind": "category", "levels": levels, "values": store.codes(codes)}


def _levels(name: str, texts: list[str | None]) -> list[str]:
    """Return the different texts, most frequent first; splits in their own order."""
    counts = pd.Series(texts, dtype=object).value_counts()
    levels = sorted(counts.index, key=lambda level: (-counts[level], level))
    if name == "split":
        levels.sort(key=lambda level: _SPLITS.index(level) if level in _SPLITS else len(_SPLITS))
    return levels


def _texts(values: "pd.Series[Any]") -> list[str | None]:
    return [None if missing else str(value) for value, missing in zip(values, values.isna(), strict=True)]


def _group_names(values: "pd.Series[Any]") -> list[str | None]:
    """Return whole numbers as texts; noise, -1, is no group."""
    numbers: npt.NDArray[np.float64] = values.to_numpy(np.float64, na_value=np.nan)
    return [str(int(number)) if np.isfinite(number) and number >= 0 else None for number in numbers]


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
    ids = "\n".join(population.samples["sample_id"]).encode()
    name = str(run.get("fingerprint") or hashlib.sha256(ids).hexdigest())[:16]
    return {"task": str(run.get("task") or "run"), "id": name, "facts": facts, "warnings": _warnings(run)}


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
