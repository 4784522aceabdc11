"""What `evaluate` returns, as tables for a terminal.

**Conventions**: fractions are printed as percent with one decimal, what is undefined as a dash.
"""

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rich.table import Table

_QUALITIES = ("PQ", "SQ", "RQ")


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
    from rich.markup import escape

    title = f"Precision and quality, percent, {results['n_images']} images"
    table = _table(title, ["class", "AP", "AP50", "AP75", "box AP", "box AP50", "PQ", "SQ", "RQ"])
    for name in [None, *results["segm"]["per_class"]]:
        masks, boxes, panoptic = (
            results[kind] if name is None else results[kind]["per_class"][name] for kind in ("segm", "bbox", "panoptic")
        )
        values = [masks["AP"], masks["AP50"], masks["AP75"], boxes["AP"], boxes["AP50"]]
        table.add_row(
            "(all)" if name is None else escape(name), *map(percent, [*values, *(panoptic[k] for k in _QUALITIES)])
        )
    return table


def _shapes(results: Mapping[str, Any]) -> "Table":
    title = f"Over- and under-segmentation from confidence {results['confidence']:g} on, count (images)"
    table = _table(title, ["rule", "objects cut", "predictions that merge", "duplicates"])
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
    title = f"TIDE errors among predictions of all confidences (mask AP50 {percent(results['tide']['base']['ap'])})"
    table = _table(title, ["error", "count", "AP50 regained"])
    for kind, found in results["tide"].items():
        if kind != "base":
            table.add_row(kind, str(found["count"]), percent(found["ap_regained"]))
    return table


def _table(title: str, columns: Sequence[str]) -> "Table":
    from rich.box import SIMPLE
    from rich.table import Table

    table = Table(title=title, title_justify="left", box=SIMPLE, padding=(0, 1, 0, 0))
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index == 0 else "right", overflow="fold")
    return table
