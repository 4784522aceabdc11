"""What `evaluate_scores` returns, as tables: one line per detector, one per detector and anomaly type.

**Conventions**: shares and areas are in percent, delay is the mean in seconds; one decimal below 100, none above;
what is undefined is a dash. Several results of one detector (seeds) are printed as mean ±sample standard deviation.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from anomaly_detection.tables.repairs import counted

if TYPE_CHECKING:
    from rich.table import Table

Result = Mapping[str, Any]
Results = Result | Sequence[Result]

# Heading -> key, factor.
COLUMNS: dict[str, tuple[str, float]] = {
    "F1": ("f1", 100),
    "P": ("precision", 100),
    "R": ("recall", 100),
    "AUC": ("roc_auc", 100),
    "AUC PR": ("auc_pr", 100),
    "VUS PR": ("vus_pr", 100),
    "event R": ("event_recall", 100),
    "FA /h": ("false_alarms_per_hour", 1),
    "delay s": ("delay_mean_s", 1),
    "FAR": ("false_alarm_rate", 100),
    "MAR": ("missed_alarm_rate", 100),
}
TYPE_COUNTS = {"rows": "n_rows", "events": "n_events"}
TYPE_COLUMNS: dict[str, tuple[str, float]] = {
    "recall": ("recall", 100),
    "event R": ("event_recall", 100),
    "AUC": ("roc_auc", 100),
}


def evaluation_tables(
    rows: Mapping[str, Results], *, trivial: Mapping[str, Results] | None = None, title: str = "Anomaly detection"
) -> list["Table"]:
    """Lay out results for a terminal.

    Parameters
    ----------
    rows : dict
        Name of a detector -> its result, or several of them (one per seed).
    trivial : dict, optional
        From `trivial_rows`; printed under the detectors.
    title : str

    Returns
    -------
    list of rich.table.Table
        The detectors; and, where a result knows types, the types.
    """
    tables = [_detectors(rows, trivial or {}, f"{title}, percent")]
    types = sorted({name for results in rows.values() for one in _several(results) for name in one["per_type"]})
    if types:
        tables.append(_types(rows, types, f"{title}, percent, by anomaly type"))
    return tables


def format_table(rows: Mapping[str, Results], *, trivial: Mapping[str, Results] | None = None, width: int = 200) -> str:
    """Return `evaluation_tables` as plain text of at most `width` characters per line."""
    from rich.console import Console

    console = Console(width=width, no_color=True, highlight=False, legacy_windows=False)
    with console.capture() as capture:
        for table in evaluation_tables(rows, trivial=trivial):
            console.print(table)
    return "\n".join(line.rstrip() for line in capture.get().splitlines()).strip("\n") + "\n"


def cell(values: Sequence[float]) -> str:
    """Print one number, or the mean and the spread of several; those that are undefined are left out.

    Examples
    --------
    >>> cell([0.5]), cell([25, 75]), cell([100]), cell([float("nan")])
    ('0.5', '50.0 ±35.4', '100', '-')
    """
    known = [value for value in values if not math.isnan(value)]
    if not known:
        return "-"
    text = _short(statistics.fmean(known))
    return f"{text} ±{_short(statistics.stdev(known))}" if len(known) > 1 else text


def _short(value: float) -> str:
    return f"{value:.1f}" if abs(value) < 99.95 else f"{value:.0f}"


def _detectors(rows: Mapping[str, Results], trivial: Mapping[str, Results], title: str) -> "Table":
    from rich.markup import escape

    table = _table(title, ["detector", *COLUMNS])
    for name, results in rows.items():
        table.add_row(escape(name), *_cells(_several(results), COLUMNS))
    table.add_section()
    for name, results in trivial.items():
        table.add_row(escape(name), *_cells(_several(results), COLUMNS))
    counts = next(iter(_several(next(iter(rows.values())))), {}) if rows else {}
    if counts:
        table.caption = (
            f"{counted(counts['n_rows'], 'row')}, {counts['n_anomalous_rows']:,} anomalous, "
            f"{counted(counts['n_events'], 'event')}; VUS over windows of 0 to {counts['vus_window']} rows"
        )
    return table


def _types(rows: Mapping[str, Results], types: Sequence[str], title: str) -> "Table":
    from rich.markup import escape

    table = _table(title, ["type", "detector", *TYPE_COUNTS, *TYPE_COLUMNS])
    for kind in types:
        for name, results in rows.items():
            found = [one["per_type"][kind] for one in _several(results) if kind in one["per_type"]]
            if found:
                counts = [_count([one[key] for one in found]) for key in TYPE_COUNTS.values()]
                table.add_row(escape(kind), escape(name), *counts, *_cells(found, TYPE_COLUMNS))
        table.add_section()
    return table


def _cells(results: Sequence[Result], columns: Mapping[str, tuple[str, float]]) -> list[str]:
    return [cell([factor * one[key] for one in results]) for key, factor in columns.values()]


def _count(values: Sequence[int]) -> str:
    low, high = min(values), max(values)
    return str(low) if low == high else f"{low} to {high}"


def _several(results: Results) -> Sequence[Result]:
    return [results] if isinstance(results, Mapping) else results


def _table(title: str, columns: Sequence[str]) -> "Table":
    from rich.box import SIMPLE
    from rich.table import Table

    table = Table(title=title, title_justify="left", caption_justify="left", box=SIMPLE, padding=0)
    for column in columns:
        is_name = column in ("detector", "type")
        table.add_column(column, justify="left" if is_name else "right", no_wrap=is_name, overflow="fold")
    return table
