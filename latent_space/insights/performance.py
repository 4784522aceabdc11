"""Where the model does worse: failing slices of every measure, and slices in which only training looks good.

**Conventions**: errors are ranked within their split, so that training, on which every model does better, hides
nothing. What two measures find in the same samples is one finding, of the first measure; the others are named in it.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from latent_space.insights.insight import FAILING, Insight, written
from latent_space.insights.search import normal_scores
from latent_space.insights.slices import Slice, SliceFinder
from latent_space.measures import Measure

Floats = npt.NDArray[np.float64]
Texts = npt.NDArray[np.str_]

_SAME = 0.5
_FEWEST_PER_SPLIT = 5
_SLICES = 3


@dataclass(frozen=True, eq=False)
class Judged:
    """What slices are searched in: rows with their errors, splits and ids."""

    finder: SliceFinder
    measures: list[tuple[Measure, Floats]]
    split: Texts
    sample_ids: npt.NDArray[np.object_]


def find_failing(judged: Judged) -> list[Insight]:
    """Find slices of low performance, of every measure, tested together."""
    found: list[tuple[Measure, Slice]] = []
    for measure, errors in judged.measures:
        strata = np.unique(judged.split, return_inverse=True)[1]
        slices = judged.finder.find(errors, strata=strata, n_slices=_SLICES, n_tried=len(judged.measures))
        found += [(measure, one) for one in slices]
    merged: list[tuple[Measure, Slice, list[str]]] = []
    for measure, one in found:
        known = next((entry for entry in merged if _overlap(entry[1], one) >= _SAME), None)
        if known is None:
            merged.append((measure, one, []))
        elif measure.label not in (known[0].label, *known[2]):
            known[2].append(measure.label)
    errors_of = {measure.column: errors for measure, errors in judged.measures}
    return [_failing(number, entry, errors_of[entry[0].column], judged) for number, entry in enumerate(merged, start=1)]


def find_overfitting(judged: Judged) -> list[Insight]:
    """Find slices whose gap between validation and training is wider than elsewhere, by the first measure."""
    if not judged.measures:
        return []
    measure, errors = judged.measures[0]
    sides = {name: np.isfinite(errors) & (judged.split == name) for name in ("training", "validation")}
    if min(side.sum() for side in sides.values()) < _FEWEST_PER_SPLIT:
        return []
    both = np.where(sides["training"] | sides["validation"], errors, np.nan)
    slices = judged.finder.find(both, strata=sides["validation"].astype(np.int64), scorer=_contrast, n_slices=_SLICES)
    insights: list[Insight] = []
    for one in slices:
        counts = [int(side[one.indices].sum()) for side in sides.values()]
        if min(counts) < _FEWEST_PER_SPLIT:
            continue
        inside = np.isin(np.arange(len(errors)), one.indices)
        gaps = [_gap(errors, sides, part) for part in (inside, ~inside)]
        text = (
            f"In {one.description} the {measure.label} of validation is {written(gaps[0])} worse than that of training"
            f" ({counts[1]} and {counts[0]} samples); elsewhere the gap is {written(gaps[1])}{_chance(one.p_value)}."
        )
        if gaps[0] > max(gaps[1], 0):
            base = _insight(f"overfitting_{len(insights) + 1}", "overfitting", one, measure, judged)
            insights.append(
                replace(base, title=f"overfitting: {one.description}", description=text, severity=gaps[0] - gaps[1])
            )
    return insights


def _gap(errors: Floats, sides: dict[str, Any], part: npt.NDArray[np.bool_]) -> float:
    means = {name: errors[side & part].mean() for name, side in sides.items() if (side & part).any()}
    return float(means["validation"] - means["training"]) if len(means) == 2 else float("nan")


def _contrast(errors: Floats, validation: npt.NDArray[np.int64]) -> Floats:
    """Return scores that are high for bad validation samples and for good training samples, each side weighing half."""
    scores = np.zeros(len(errors))
    for value, sign in ((0, -1.0), (1, 1.0)):
        own = validation == value
        scores[own] = sign * normal_scores(errors[own]) * len(errors) / (2 * max(own.sum(), 1))
    spread = scores.std()
    return scores / spread if spread > 0 else scores


def _overlap(one: Slice, other: Slice) -> float:
    """Return the samples in both as a share of those in either."""
    both = len(np.intersect1d(one.indices, other.indices))
    return both / (one.size + other.size - both)


def _failing(number: int, entry: tuple[Measure, Slice, list[str]], errors: Floats, judged: Judged) -> Insight:
    measure, one, others = entry
    sign = 1 if measure.higher_is_worse else -1
    inside = errors[one.indices].mean()
    inside_mean, outside_mean = sign * inside, sign * (inside - one.severity)
    text = (
        f"{one.description}: the {measure.label} is {written(inside_mean)} on these {one.size:,} of"
        f" {int(np.isfinite(errors).sum()):,} samples, {written(outside_mean)} elsewhere{_chance(one.p_value)}."
    )
    if others:
        text += f" Also worse: {', '.join(others[:5])}{' and others' if len(others) > 5 else ''}."
    base = _insight(f"{FAILING}_{number}", FAILING, one, measure, judged)
    return replace(base, title=f"{measure.label}: {one.description}", description=text)


def _insight(name: str, kind: str, one: Slice, measure: Measure, judged: Judged) -> Insight:
    reasons = tuple({"column": each.column, "text": each.text} for each in one.explained_by)
    ids = tuple(str(value) for value in judged.sample_ids[one.indices])
    return Insight(name, kind, "", "", one.size, one.severity, one.p_value, measure.column, reasons, ids)


def _chance(p_value: float) -> str:
    return " (p < .001)" if p_value < 0.001 else f" (p = {written(p_value)})"
