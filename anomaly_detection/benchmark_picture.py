"""Draw a benchmark: how well each detector ranks, and what its threshold costs in false and missed alarms.

**Conventions**: percent, of all judged rows together as in the table; a bar is the mean over seeds, its line one
standard deviation; trivial scores are grey.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from anomaly_detection.benchmark import BenchmarkResult

_PANELS = {
    "F1": "f1",
    "AUC": "roc_auc",
    "false alarms (FAR)": "false_alarm_rate",
    "missed alarms (MAR)": "missed_alarm_rate",
}
_COLOUR, _TRIVIAL = "#2f6f9f", "#b5b5b5"
_ROOM = 120  # percent: a full bar and the number beside it


def draw_benchmark(result: "BenchmarkResult", path: Path) -> None:
    """Write the picture as PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows: dict[str, Sequence[dict[str, Any]]] = {**result.detectors, **{k: [v] for k, v in result.trivial.items()}}
    figure = Figure(figsize=(12, 1.3 + 0.36 * len(rows)), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (title, key) in zip(figure.subplots(1, len(_PANELS), sharey=True), _PANELS.items(), strict=True):
        _draw_bars(axes, rows, key, set(result.trivial))
        axes.set_title(title, fontsize=10)
    trials = f"{result.n_trials} fits per seed, " if result.n_trials > 1 else ""
    figure.suptitle(f"{result.dataset}: {trials}{result.n_rows:,} judged rows; percent", fontsize=11)
    figure.savefig(path, dpi=120)


def _draw_bars(axes: "Axes", rows: dict[str, Sequence[dict[str, Any]]], key: str, trivial: set[str]) -> None:
    for place, (name, runs) in enumerate(rows.items()):
        values = 100 * np.array([run[key] for run in runs], dtype=float)
        spread = float(values.std(ddof=1)) if len(values) > 1 else 0.0
        mean = float(values.mean())
        if np.isnan(mean):
            continue
        axes.barh(place, mean, xerr=spread or None, height=0.7, color=_TRIVIAL if name in trivial else _COLOUR)
        axes.text(mean + spread + 1.5, place, f"{mean:.1f}", va="center", fontsize=8)
    axes.set_yticks(range(len(rows)), list(rows), fontsize=9)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlim(0, _ROOM)
    axes.set_xticks(range(0, 101, 20))
    axes.spines[["top", "right"]].set_visible(False)
