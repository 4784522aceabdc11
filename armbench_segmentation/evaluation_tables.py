"""What `evaluate` returns, as tables for a terminal.

**Conventions**: fractions are printed as percent with one decimal, what is undefined as a dash.
"""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table


def evaluation_tables(results: Mapping[str, Any]) -> list["Table"]:
    """Lay out average precision, over- and under-segmentation, and TIDE's error types.

    Parameters
    ----------
    results : dict
        From `evaluate`.
    """
    return [_precision(results), _shapes(results), _errors(results)]


def percent(value: float) -> str:
    """Print a fraction.

    Examples
    --------
    >>> percent(0.6153), percent(float("nan"))
    ('61.5', '-')
    """
    return "-" if math.isnan(value) else f"{100 * value:.1f}"


def _precision(results: Mapping[str, Any]) -> "Table":
    keys = ("AP", "AP50", "AP75")
    names = results["segm"]["per_class"]
    title = f"Average precision and panoptic quality, percent ({results['n_images']} images)"
    table = _table(
        title, ["class", *(f"mask {key}" for key in keys), *(f"box {key}" for key in keys), "PQ", "SQ", "RQ"]
    )
    for name in ["all", *names]:
        sides = [results[kind] if name == "all" else results[kind]["per_class"][name] for kind in ("segm", "bbox")]
        panoptic = results["panoptic"] if name == "all" else results["panoptic"]["per_class"][name]
        values = [side[key] for side in sides for key in keys] + [panoptic[key] for key in ("PQ", "SQ", "RQ")]
        table.add_row(name, *map(percent, values))
    return table


def _shapes(results: Mapping[str, Any]) -> "Table":
    title = f"Over- and under-segmentation at confidence {results['confidence']:g}: objects (images)"
    table = _table(title, ["rule", "over-segmented", "under-segmented", "duplicates"])
    for rule in ("hoover", "containment"):
        found = results[rule]
        cells = [
            f"{found[key]['objects']} ({found[key]['images']})"
            for key in ("over_segmented", "under_segmented", "duplicates")
        ]
        table.add_row(f"{rule}, T {found['tolerance']:g}", *cells)
    table.caption = f"of {results['n_objects']} objects and {results['n_confident_predictions']} predictions"
    return table


def _errors(results: Mapping[str, Any]) -> "Table":
    title = f"TIDE: errors, and AP50 regained by fixing one type (mask AP50 {percent(results['tide']['base']['ap'])})"
    table = _table(title, ["error", "count", "AP50 regained"])
    for kind, found in results["tide"].items():
        if kind != "base":
            table.add_row(kind, str(found["count"]), percent(found["ap_regained"]))
    return table


def _table(title: str, columns: Sequence[str]) -> "Table":
    from rich.table import Table

    table = Table(title=title, title_justify="left")
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index == 0 else "right")
    return table
