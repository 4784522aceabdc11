"""Curves that justify a recommendation: a score per budget for several strategies, with bands over the seeds.

`curves.json` of a run folder holds a list of curves for labelling and one for pruning. What the explorer draws as SVG,
`draw_curve` draws as a picture.

**Conventions**: every strategy has one mean, low and high per budget, None where it was not measured there; low and
high are the smallest and largest over the seeds.
"""

import dataclasses
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from latent_space.run_folder import CURVES_FILE, read_file, read_json, replaced_files, write_json

if TYPE_CHECKING:
    from matplotlib.axes import Axes

KEYS = ("labelling", "pruning")
Values = list[float | None]
# Those of the report, in its order: explorer/colors.js.
_COLORS = ("#3a6fd8", "#e07b1f", "#2f9e5f", "#c9407a", "#7a56c8", "#1f9bb0", "#b8931c", "#8a5a3c", "#d1483d", "#5f8f1e")
_RANDOM, _INK, _GRAY = "#8a919c", "#1c2430", "#5b6472"


@dataclass(frozen=True)
class Curve:
    """Scores of strategies at several budgets.

    Attributes
    ----------
    title : str
        What the curve shows.
    x_label, y_label : str
        Of the budgets and of the scores, units included.
    budgets : list of float
        Ascending.
    strategies : dict
        From a strategy's name to its `mean`, `low` and `high`, one value per budget each.
    n_seeds : int
        Repetitions behind each band.
    sentence : str
        What the curve says, in words.
    full : float, optional
        Score of the whole set, where there is one.

    Examples
    --------
    >>> scores = {"random": summary([[0.5, 0.7], [0.6, 0.8]])}
    >>> curve = Curve("Accuracy", "labels", "accuracy", [10, 20], scores, n_seeds=2, sentence="20 is better.")
    >>> curve.strategies["random"]["high"]
    [0.6, 0.8]
    """

    title: str
    x_label: str
    y_label: str
    budgets: list[float]
    strategies: dict[str, dict[str, Values]]
    n_seeds: int
    sentence: str
    full: float | None = None

    def __post_init__(self) -> None:
        for name, band in self.strategies.items():
            wrong = {key: len(band.get(key, ())) for key in ("mean", "low", "high")}
            if set(wrong.values()) != {len(self.budgets)}:
                raise ValueError(
                    f"strategies must have a value per budget, {len(self.budgets)}; got {wrong} of {name!r}."
                )


def summary(scores: npt.ArrayLike) -> dict[str, Values]:
    """Return mean, lowest and highest over the seeds, None where no seed has a score.

    Parameters
    ----------
    scores : (n_seeds, n_budgets) array
        NaN where not measured.
    """
    columns = [column[np.isfinite(column)] for column in np.asarray(scores, np.float64).T]
    return {
        name: [float(over(column)) if len(column) else None for column in columns]
        for name, over in (("mean", np.mean), ("low", np.min), ("high", np.max))
    }


def save_curves(
    run_dir: str | os.PathLike[str], key: str, curves: Sequence[Curve], *, path: Path | None = None
) -> Path:
    """Put curves into `curves.json` in the place of all it has under a key, so that none of an earlier call stays.

    With `path`, write what `curves.json` then shall hold there, for the caller to put in its place.

    Raises
    ------
    ValueError
        If the key is not one of `KEYS`, or the file that is there is not one of curves.
    """
    if key not in KEYS:
        raise ValueError(f"key must be one of {', '.join(KEYS)}; got {key!r}.")
    known: dict[str, list[Curve]] = _known_curves(run_dir) | {key: list(curves)}
    path = path or Path(run_dir) / CURVES_FILE
    content = {name: [dataclasses.asdict(one) for one in some] for name, some in known.items()}
    with replaced_files() as temporary_name:
        write_json(temporary_name(path), content)
    return path


def _known_curves(run_dir: str | os.PathLike[str]) -> dict[str, list[Curve]]:
    try:
        return read_curves(run_dir)
    except ValueError as error:
        raise ValueError(f"{error}. Remove the file: `armscope label` and `armscope prune` write it anew.") from error


def read_curves(run_dir: str | os.PathLike[str]) -> dict[str, list[Curve]]:
    """Return the curves of a run folder under each of `KEYS`; empty lists where it has none.

    Raises
    ------
    ValueError
        If the file does not hold curves; it names the file.
    """
    content = read_file(Path(run_dir) / CURVES_FILE, _read)
    return {key: [] for key in KEYS} | (content or {})


def _read(path: Path) -> dict[str, list[Curve]]:
    content = read_json(path)
    try:
        return {key: [Curve(**one) for one in content.get(key) or []] for key in KEYS}
    except (TypeError, AttributeError) as error:
        raise ValueError(f"no curves: {error}") from error


def draw_curve(curve: Curve, path: str | os.PathLike[str]) -> Path:
    """Draw a curve as a picture: a line and a band per strategy, auto first, random in gray, the whole set dashed."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 5.6), layout="constrained", facecolor="white")
    axes = figure.add_subplot()
    colors = cycle(_COLORS)
    for name in sorted(curve.strategies, key=lambda name: name != "auto"):
        color = _RANDOM if name == "random" else next(colors)
        _draw_band(axes, curve.budgets, curve.strategies[name], name, color)
    if curve.full is not None and math.isfinite(curve.full):
        axes.axhline(curve.full, color=_INK, linestyle="--", linewidth=1.1, label="everything")
    axes.set_xlabel(curve.x_label, color=_GRAY)
    axes.set_ylabel(curve.y_label, color=_GRAY)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color("#d5d9e0")
    axes.tick_params(colors=_GRAY, length=0)
    axes.grid(color="#eceff3", linewidth=0.8)
    axes.set_axisbelow(True)
    axes.legend(frameon=False, labelcolor=_INK)
    axes.set_title(_plain(curve.title), loc="left", fontsize=14, color=_INK, weight="bold", pad=12)
    figure.supxlabel(_plain(_wrapped(curve.sentence)), x=0.02, ha="left", fontsize=10, color=_INK)
    with replaced_files() as temporary_name:
        figure.savefig(temporary_name(Path(path)), dpi=150)
    return Path(path)


def _draw_band(axes: "Axes", budgets: Sequence[float], band: Mapping[str, Values], name: str, color: str) -> None:
    mean, low, high = (np.array(band[key], np.float64) for key in ("mean", "low", "high"))
    axes.fill_between(budgets, low, high, color=color, alpha=0.14, linewidth=0)
    axes.plot(budgets, mean, color=color, marker="o", markersize=3.5, linewidth=1.8, label=_plain(name))


def _wrapped(text: str) -> str:
    import textwrap

    return textwrap.fill(text, 118)


def _plain(text: str) -> str:
    return text.replace("$", r"\$")  # matplotlib reads formulas between dollars
