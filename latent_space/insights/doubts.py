"""Whose ground truth is doubted: by its objects where the run has them, else by its class, else by its loss.

**Conventions**: as in `checks`; scores of objects are in the order of the table of instances. A sample is judged by its
objects only where it is annotated (it has a loss) and has some, and beside the other samples of its split.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from latent_space.insights.checks import (
    Check,
    class_column,
    find_doubted_truths,
    find_wrong_classes,
    robust_z,
    unusual,
)
from latent_space.insights.contradictions import Contradictions, find_contradictions, worst_per_sample
from latent_space.measures import LOSS, Measure
from latent_space.space import Space

Floats = npt.NDArray[np.float64]

_APART, _SAME = 0.1, 0.5  # overlaps: of objects that have nothing to do with each other, of one object twice
_NAMED = 3


@dataclass(frozen=True, eq=False)
class Doubts:
    """What is doubted.

    Attributes
    ----------
    check : Check
        Of the samples.
    instance_columns : dict of (n_instances,) arrays
        `mislabel_score` of the objects, NaN where one is not judged; empty where samples were judged by something else.
    text : str
        What the doubted samples have in common, the worst objects by name.
    """

    check: Check
    instance_columns: dict[str, Floats]
    text: str


def find_doubts(
    rows: pd.DataFrame,
    instances: pd.DataFrame | None,
    space: Space,
    split: npt.NDArray[np.str_],
    *,
    random_state: int = 0,
) -> Doubts:
    """Find the samples whose ground truth is probably wrong.

    Parameters
    ----------
    rows : DataFrame
        The samples of the space.
    instances : DataFrame or None
        A row per object, of these and perhaps of other samples.
    space : Space
    split : (m,) array of str
        Of the samples.
    random_state : int
        Seed of the probe that judges classes.
    """
    losses = Measure(LOSS, True).errors(rows) if LOSS in rows else np.full(len(rows), np.nan)
    known = np.isfinite(losses)
    names = rows["sample_id"].to_numpy(object)
    found = find_contradictions(instances, dict(zip(names[known], split[known], strict=True)))
    if found is not None and instances is not None:
        check = _beside_their_split(worst_per_sample(found.scores, instances, names), split)
        return Doubts(check, {"mislabel_score": found.scores}, _about_objects(check, names, instances, found))
    labels = class_column(rows)
    if labels is not None:
        check = find_wrong_classes(space, rows[labels].astype(object).to_numpy(), random_state=random_state)
        text = f"{check.verdict.sum():,} samples have a class that their neighbours and a probe contradict."
        return Doubts(check, {}, text)
    check = find_doubted_truths(space.graph, losses, split)
    return Doubts(check, {}, f"{check.verdict.sum():,} samples have a high loss that their neighbours contradict.")


def _beside_their_split(worst: Floats, split: npt.NDArray[np.str_]) -> Check:
    score, verdict = np.full(len(worst), np.nan), np.zeros(len(worst), bool)
    for name in np.unique(split):
        own = split == name
        score[own], verdict[own] = robust_z(worst[own]), unusual(worst[own])
    return Check(score, verdict)


def _about_objects(check: Check, names: npt.NDArray[np.object_], instances: pd.DataFrame, found: Contradictions) -> str:
    doubted = np.flatnonzero(check.verdict)
    text = f"{len(doubted):,} samples have objects on which the model contradicts the ground truth"
    worst = doubted[np.argsort(-check.score[doubted], kind="stable")][:_NAMED]
    if not len(worst):
        return f"{text}."
    of_sample = instances["sample_id"].to_numpy(object)
    rows = [int(np.nanargmax(np.where(of_sample == name, found.scores, np.nan))) for name in names[worst]]
    told = [told_object(instances.iloc[row], found, row) for row in rows]
    return f"{text}, above all: {'; '.join(told)}."


def told_object(row: pd.Series, found: Contradictions, number: int) -> str:
    """Say in words how an object and its counterpart disagree.

    Parameters
    ----------
    row : Series
        Of the table of instances.
    found : Contradictions
        Of the whole table.
    number : int
        Of the row in the table.

    Examples
    --------
    >>> values = {"sample_id": "a.jpg", "instance_id": "a.jpg:6", "kind": "pred", "label": "box", "confidence": 0.92}
    >>> row = pd.Series(values)
    >>> told_object(row, Contradictions(np.ones(1), np.zeros(1), np.zeros(1)), 0)
    'object 6 of a.jpg (box: found with 92% confidence, but not annotated)'
    """
    overlap, of_any = found.overlaps[number], found.overlaps_of_any[number]
    which = str(row.get("instance_id", "")).removeprefix(f"{row['sample_id']}:")
    name = f"object {which} of {row['sample_id']}" if which else f"an object of {row['sample_id']}"
    label = f"{row['label']}: " if isinstance(row.get("label"), str) else ""
    is_found = row["kind"] == "pred"
    own, other = ("found", "annotated") if is_found else ("annotated", "found")
    sure = f" with {row['confidence']:.0%} confidence" if is_found else ""
    end = f"but overlapping by {of_any:.0%} with what is {other}"
    if of_any < _APART:
        end = f"but not {other}"
    elif of_any >= _SAME and overlap < of_any - _APART:
        end = f"but {other} as another class"
    return f"{name} ({label}{own}{sure}, {end})"
