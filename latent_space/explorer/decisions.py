"""What later stages decided on a run, read for the page: insights, what to label, what to drop, and the curves.

**Conventions**: the files are optional. One that cannot be read costs a line among the page's warnings, never the page.
Samples are given by their row; ids that the run does not have are left out and counted.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from latent_space.run_folder import CURVES_FILE, INSIGHTS_FILE, LABELLING_FILE, PRUNING_FILE, read_file, read_json

_TEXTS = ("sample_id", "decision", "reason")
_COLUMNS = {
    LABELLING_FILE: {"rank": "labelling_rank", "predicted_error": "predicted_error"},
    PRUNING_FILE: {"decision": "pruning_decision", "rank": "pruning_rank"},
}


@dataclass
class Decisions:
    """What the run folder holds beside the population.

    Attributes
    ----------
    insights : list of dict
        With ``samples``, rows of the population, instead of ids.
    queues : dict
        ``labelling`` and ``pruning``: columns of equal length, ``samples`` among them, best first.
    curves : dict
        ``labelling`` and ``pruning``: curves as `curves.json` has them.
    columns : dict
        Of the decisions, one value per sample, so that the maps can be coloured by them.
    warnings : list of str
        What could not be read.
    """

    insights: list[dict[str, Any]] = field(default_factory=list)
    queues: dict[str, dict[str, Any]] = field(default_factory=dict)
    curves: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    columns: dict[str, "pd.Series[Any]"] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


def read_decisions(run_dir: Path, sample_ids: list[str]) -> Decisions:
    """Read the files of later stages.

    Parameters
    ----------
    run_dir : Path
        The run folder.
    sample_ids : list of str
        Of the population, in its order.
    """
    found = Decisions()
    rows = {sample_id: row for row, sample_id in enumerate(sample_ids)}
    for name, take in ((INSIGHTS_FILE, _take_insights), (CURVES_FILE, _take_curves)):
        content = _read(run_dir / name, read_json, found)
        if content is not None:
            take(content, rows, found)
    for key, name in (("labelling", LABELLING_FILE), ("pruning", PRUNING_FILE)):
        table = _read(run_dir / name, _read_queue, found)
        if table is not None:
            _take_queue(key, name, table, rows, found)
    return found


def _read(path: Path, reader: Callable[[Path], Any], found: Decisions) -> Any:
    try:
        return read_file(path, reader)
    except ValueError as error:
        found.warnings.append(f"{path.name} is left out of this page: {str(error).partition('; got: ')[2] or error}")
        return None


def _read_queue(path: Path) -> pd.DataFrame:
    table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8")
    if "sample_id" not in table:
        raise ValueError(f"no column sample_id, only {', '.join(map(str, table.columns))}")
    for name in table.columns.difference(list(_TEXTS)):
        table[name] = pd.to_numeric(table[name], errors="coerce")
    return table


def _take_insights(content: dict[str, Any], rows: dict[str, int], found: Decisions) -> None:
    insights = content.get("insights")
    whole = [one for one in insights if _is_insight(one)] if isinstance(insights, list) else []
    if not isinstance(insights, list) or len(whole) < len(insights):
        n_damaged = len(insights) - len(whole) if isinstance(insights, list) else "all"
        found.warnings.append(f"{INSIGHTS_FILE}: {n_damaged} insights are damaged and left out of this page.")
    strangers = 0
    for one in whole:
        known = [rows[sample_id] for sample_id in one["sample_ids"] if sample_id in rows]
        strangers += len(one["sample_ids"]) - len(known)
        facts = {key: one.get(key) for key in ("id", "kind", "title", "description", "severity", "p_value", "measure")}
        explained = one.get("explained_by")
        texts = [str(part.get("text", "")) for part in explained or [] if isinstance(part, dict)]
        found.insights.append({**facts, "explained_by": [text for text in texts if text], "samples": known})
    _warn_of_strangers(INSIGHTS_FILE, strangers, found)


def _is_insight(one: Any) -> bool:
    if (
        not isinstance(one, dict)
        or not isinstance(one.get("title"), str)
        or not isinstance(one.get("sample_ids"), list)
    ):
        return False
    numbers = (one.get("severity"), one.get("p_value"))
    return all(value is None or isinstance(value, int | float) for value in numbers)


def _take_curves(content: dict[str, Any], rows: dict[str, int], found: Decisions) -> None:
    for key in ("labelling", "pruning"):
        curves = content.get(key) or []
        whole = [one for one in curves if _is_curve(one)] if isinstance(curves, list) else []
        if not isinstance(curves, list) or len(whole) < len(curves):
            found.warnings.append(f"{CURVES_FILE}: a curve of {key} is damaged and left out of this page.")
        found.curves[key] = whole


def _is_curve(one: Any) -> bool:
    if not isinstance(one, dict) or not isinstance(one.get("strategies"), dict):
        return False
    n = len(one["budgets"]) if isinstance(one.get("budgets"), list) else 0
    lines = [line for line in one["strategies"].values() if isinstance(line, dict)]
    lengths = [len(line[key]) for line in lines for key in ("mean", "low", "high") if isinstance(line.get(key), list)]
    return n > 0 and len(lines) == len(one["strategies"]) and lengths == [n] * 3 * len(lines)


def _take_queue(key: str, name: str, table: pd.DataFrame, rows: dict[str, int], found: Decisions) -> None:
    samples = table["sample_id"].map(rows)
    _warn_of_strangers(name, int(samples.isna().sum()), found)
    table = table.assign(samples=samples).dropna(subset="samples").drop_duplicates("samples")
    if "rank" in table:
        table = table.sort_values("rank", kind="stable")
    order = table["samples"].astype(int).to_numpy()
    found.queues[key] = {"samples": order.tolist()} | {
        column: table[column].tolist() for column in table.columns.difference(["samples", "sample_id"])
    }
    for source, column in _COLUMNS[name].items():
        if source in table:
            is_text = source in _TEXTS
            values = np.full(len(rows), None if is_text else np.nan, dtype=object if is_text else np.float64)
            values[order] = table[source].to_numpy()
            found.columns[column] = pd.Series(values)


def _warn_of_strangers(name: str, count: int, found: Decisions) -> None:
    if count:
        found.warnings.append(f"{name} names {count:,} samples that this run does not have; they are left out.")
