"""Where the model does worse: failing slices of every measure, and slices in which only training looks good.

What is said of a slice holds for all samples that meet its conditions, compared with those in no slice of the same
measure. Differences below `effects.LEAST_DIFFERENCE` are not reported. What two measures find in the same samples is
one finding, of the measure with the higher severity (see `effects`); the others are named in it.

A measure with values for unlabelled samples needs no ground truth: it says what is unusual for the model, such as a
low confidence or a badly reconstructed anomaly, and not what is wrong. Where other measures exist, its slices are
findings of a kind of their own, after the failures.

**Conventions**: errors are ranked within their split, so that training, on which every model does better, hides
nothing.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from latent_space.insights.effects import Effect, compared, effect_of
from latent_space.insights.insight import FAILING, UNUSUAL, Insight, listed, written
from latent_space.insights.search import normal_scores
from latent_space.insights.slices import REGION, Slice, SliceFinder
from latent_space.measures import Measure

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Texts = npt.NDArray[np.str_]

_SAME = 0.5
_FEWEST_PER_SPLIT = 5
_SLICES = 3
_WITH_MEANS, _NAMED = 3, 11
_MOST_UNUSUAL = 3
_UNLABELED = "unlabeled"
_NO_TRUTH = " This needs no ground truth: it tells what is unusual, not what is wrong."


@dataclass(frozen=True, eq=False)
class Judged:
    """What slices are searched in: rows with their errors, splits and ids."""

    finder: SliceFinder
    measures: list[tuple[Measure, Floats]]
    split: Texts
    sample_ids: npt.NDArray[np.object_]

    def strata(self) -> npt.NDArray[np.int64]:
        """Return the number of each row's split."""
        return np.unique(self.split, return_inverse=True)[1]


@dataclass(frozen=True, eq=False)
class _Finding:
    """A slice with what it does to the measure it was found by, and other measures worse in it."""

    measure: Measure
    slice: Slice
    effect: Effect
    also: dict[str, Effect] = field(default_factory=dict)


def find_failing(judged: Judged) -> list[Insight]:
    """Find slices of low performance, of every measure, tested together; the severest first.

    Returns
    -------
    list of Insight
        Of the kind `FAILING`, then of the kind `UNUSUAL`.
    """
    of_truth = {measure.column for measure, errors in judged.measures if _needs_truth(errors, judged.split)}
    found = [one for measure, errors in judged.measures for one in _findings(measure, errors, judged)]
    found = sorted((one for one in found if one.effect.matters), key=lambda one: -round(one.effect.severity, 9))
    failing = [one for one in found if not of_truth or one.measure.column in of_truth]
    unusual = [one for one in found if of_truth and one.measure.column not in of_truth]
    kinds = {FAILING: _merged(failing, judged), UNUSUAL: _merged(unusual, judged)[:_MOST_UNUSUAL]}
    return [
        _about_slice(f"{kind}_{number}", kind, one, judged)
        for kind, own in kinds.items()
        for number, one in enumerate(own, start=1)
    ]


def _needs_truth(errors: Floats, split: Texts) -> bool:
    unlabeled = split == _UNLABELED
    return bool(unlabeled.any() and not np.isfinite(errors[unlabeled]).any())


def _findings(measure: Measure, errors: Floats, judged: Judged) -> list[_Finding]:
    slices = judged.finder.find(errors, strata=judged.strata(), n_slices=_SLICES, n_tried=len(judged.measures))
    return [_Finding(measure, one, _effect(measure, errors, one, judged)) for one in slices]


def _effect(measure: Measure, errors: Floats, one: Slice, judged: Judged, *, others: Bools | None = None) -> Effect:
    """Compare the slice's samples with `others`: those in no slice of the measure so far."""
    known, numbers = np.isfinite(errors), np.arange(len(errors))
    inside = np.isin(numbers, one.members)[known]
    apart = np.isin(numbers, one.others)[known] if others is None else others[known]
    return effect_of(errors[known], inside, apart, judged.strata()[known], higher_is_worse=measure.higher_is_worse)


def _merged(found: list[_Finding], judged: Judged) -> list[_Finding]:
    """Join slices that hold half of each other, where the measure of the weaker is worse in the severer as well.

    A second slice of a measure that is named already is left out where half of it lies in that finding.
    """
    errors_of = {measure.column: errors for measure, errors in judged.measures}
    merged: list[_Finding] = []
    for one in found:
        label = one.measure.label
        if any(label in (home.measure.label, *home.also) and _shared(one, home) >= _SAME for home in merged):
            continue
        errors = errors_of[one.measure.column]
        for home in merged:
            if min(_shared(one, home), _shared(home, one)) >= _SAME:
                inside = np.isin(np.arange(len(errors)), home.slice.members)
                there = _effect(one.measure, errors, home.slice, judged, others=~inside)
                if there.matters:
                    home.also[label] = there
                    break
        else:
            merged.append(one)
    return merged


def _shared(one: _Finding, other: _Finding) -> float:
    """Return the share of one slice's samples that lie in the other."""
    return len(np.intersect1d(one.slice.members, other.slice.members)) / len(one.slice.members)


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
        counts = [int(side[one.members].sum()) for side in sides.values()]
        if min(counts) < _FEWEST_PER_SPLIT:
            continue
        inside = np.isin(np.arange(len(errors)), one.members)
        gaps = [_gap(errors, sides, part) for part in (inside, ~inside)]
        text = (
            f"The {measure.label} of validation is {written(gaps[0])} worse than that of training in the samples"
            f" {_where(one)} ({counts[1]} and {counts[0]} samples); elsewhere the gap is {written(gaps[1])}"
            f"{_chance(one.p_value)}."
        )
        if gaps[0] > max(gaps[1], 0):
            title = f"overfitting: {one.description}"
            severity = _contrast_severity(both, sides["validation"], inside)
            texts = f"overfitting_{len(insights) + 1}", "overfitting", title, text
            insights.append(_insight(texts, one, measure, severity, judged))
    return insights


def _contrast_severity(errors: Floats, validation: npt.NDArray[np.bool_], inside: npt.NDArray[np.bool_]) -> float:
    """Return the correlation of being inside with the contrast of both sides."""
    known = np.isfinite(errors)
    scores, own = _contrast(errors[known], validation[known].astype(np.int64)), inside[known]
    difference = scores[own].mean() - scores[~own].mean()
    return float(np.clip(difference * np.sqrt(own.mean() * (1 - own.mean())), 0, 1))


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


def _about_slice(name: str, kind: str, one: _Finding, judged: Judged) -> Insight:
    label, effect = one.measure.label, one.effect
    n = next(int(np.isfinite(errors).sum()) for measure, errors in judged.measures if measure == one.measure)
    means = compared(effect.inside, effect.outside, shares=effect.is_share)
    text = (
        f"{label[:1].upper()}{label[1:]} is {means} in the {len(one.slice.members):,} of {n:,} samples"
        f" {_where(one.slice)}{_chance(one.slice.p_value)}."
    )
    if one.also:
        text += f" {'Also worse there' if kind == FAILING else 'Also'}: {_others(one.also)}."
    title = f"{label}: {one.slice.description}"
    text += _NO_TRUTH if kind == UNUSUAL else ""
    return _insight((name, kind, title, text), one.slice, one.measure, effect.severity, judged)


def _others(also: dict[str, Effect]) -> str:
    """Name the other measures, the severest first and with their means."""
    ordered = sorted(also.items(), key=lambda item: -round(item[1].severity, 9))
    named = [
        f"{label} ({compared(one.inside, one.outside, shares=one.is_share).split(' (')[0]})"
        for label, one in ordered[:_WITH_MEANS]
    ]
    named += [label for label, _ in ordered[_WITH_MEANS:_NAMED]]
    return ", ".join(named) + (f" and {len(ordered) - _NAMED} more" if len(ordered) > _NAMED else "")


def _where(one: Slice) -> str:
    """Say which samples a slice holds, as the end of a sentence.

    Examples
    --------
    >>> _where(Slice(np.arange(3), 1.0, 0.01, "", is_region=True, conditions=("wet = yes",), typical=("level > 3",)))
    'with wet = yes in a region of latent space, mostly with level > 3'
    """
    parts = [f"with {listed(one.conditions)}"] if one.conditions else []
    parts += [f"in {REGION}"] if one.is_region else []
    return " ".join(parts) + (f", mostly with {listed(one.typical)}" if one.typical else "")


def _insight(
    texts: tuple[str, str, str, str], one: Slice, measure: Measure, severity: float, judged: Judged
) -> Insight:
    reasons = tuple({"column": each.column, "text": each.text} for each in one.explained_by)
    ids = tuple(str(value) for value in judged.sample_ids[one.members])
    return Insight(*texts, len(one.members), severity, one.p_value, measure.column, reasons, ids)


def _chance(p_value: float) -> str:
    return " (p < .001)" if p_value < 0.001 else f" (p = {written(p_value)})"
