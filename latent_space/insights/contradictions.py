"""Ground truths of objects that the model contradicts: the two overlap less than is usual for such objects.

Every annotated object and every object that the model found is asked the same: how well does it overlap with its best
counterpart of the same class? What is usual is learned from all objects of its kind, class and split: half from their
mean, half from how their overlap goes with confidence, width and height. By how much an object falls short of that is
its score. Forgotten objects (found with confidence, not annotated), surplus and misplaced ones and those of a wrong
class stand out, merged ones hardly; what the model is always bad at does not. Only half of what the shape explains
counts, since an odd shape may itself come from a wrong annotation. A sample is as suspicious as its most suspicious
object.

All of this was chosen on totes of the seeds 0 and 1, where adding the neighbours' losses to the score, pooling several
objects, and forests of trees found hardly more. Then it was measured once on the seeds 3 and 4, with an error in 8 % of
the annotated images and a network that learned from them (`benchmarks/bench_mislabels.py`; beside it the losses that
neighbours contradict): average precision .37 (.12) in training and .39 (.21) in validation, area under the ROC curve
.73 (.58) and .76 (.62); without the errors of class, the easiest, .18 (.08) and .20 (.13), .68 (.52) and .71 (.56), at
7 % of the images wrong. All 16 samples claimed were wrong ones, of 96, all of a wrong class; of 1,200 clean samples one
was claimed. The network found half of the objects.

**Conventions**: in the table of instances `kind` is ``gt`` or ``pred`` and `box_rel` is ``x1, y1, x2, y2``. Overlap is
the intersection over union of boxes. Scores are usual minus actual overlap, in -1..1, higher = more suspicious, NaN
where an object is not judged.

References
----------
U. Tkachenko, A. Thyagarajan and J. Mueller, ObjectLab: Automated diagnosis of mislabeled images in object detection
data, ICML workshop DataPerf 2023 (overlooked, badly located and swapped objects; the worst decides about the image).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from latent_space.pruning.probe import one_quiet_thread

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_COLUMNS = ("sample_id", "kind", "confidence", "box_rel")
_FEWEST = 20
_RIDGE = 10.0


@dataclass(frozen=True, eq=False)
class Contradictions:
    """How much the model contradicts each object.

    Attributes
    ----------
    scores : (n_instances,) array
        Expected minus actual overlap.
    overlaps : (n_instances,) array
        With the best counterpart of the same class; NaN where an object is not judged.
    overlaps_of_any : (n_instances,) array
        With the best counterpart of any class.
    """

    scores: Floats
    overlaps: Floats
    overlaps_of_any: Floats


def find_contradictions(instances: pd.DataFrame | None, splits: Mapping[str, str]) -> Contradictions | None:
    """Score annotated and found objects by how much they contradict each other.

    Parameters
    ----------
    instances : DataFrame or None
        A row per object.
    splits : mapping
        `sample_id` -> split, of the samples that are annotated; objects of others are not judged.

    Returns
    -------
    Contradictions or None
        None where the rows do not tell: no boxes, no confidence, fewer than 20 objects annotated or found.
    """
    judged = _judged(instances, splits)
    if instances is None or judged is None:
        return None
    table = instances[judged]
    boxes = np.array(table["box_rel"].tolist(), np.float64).reshape(-1, 4)
    is_gt, names = (table["kind"] == "gt").to_numpy(), table["sample_id"].to_numpy(object)
    labels = pd.factorize(table["label"])[0] if "label" in table else np.zeros(len(table), np.int64)
    best, best_of_any = _best_overlaps(boxes, is_gt, labels, pd.factorize(names)[0])
    split = pd.factorize(pd.Series([splits[name] for name in names]))[0]
    confidence = np.where(is_gt, 0.0, _numbers(table["confidence"]))
    traits = np.column_stack([confidence, boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1]])
    with one_quiet_thread():
        expected = _expected(best, traits, _groups(2 * split + is_gt, labels))
    return Contradictions(*(_spread(values, judged) for values in (expected - best, best, best_of_any)))


def worst_per_sample(scores: Floats, instances: pd.DataFrame, sample_ids: npt.NDArray[np.object_]) -> Floats:
    """Return each sample's highest score of an object, NaN where it has none that is judged."""
    worst = pd.Series(scores).groupby(instances["sample_id"].to_numpy(object)).max()
    return np.asarray(worst.reindex(sample_ids).to_numpy(np.float64))


def _judged(instances: pd.DataFrame | None, splits: Mapping[str, str]) -> Bools | None:
    """Tell which rows can be judged; None where too few are annotated or found."""
    if instances is None or not set(_COLUMNS) <= set(instances.columns):
        return None
    is_gt, is_pred = ((instances["kind"] == kind).to_numpy(bool) for kind in ("gt", "pred"))
    confidence = _numbers(instances["confidence"])
    has_box = np.array([_is_box(box) for box in instances["box_rel"]], bool)
    judged = (
        instances["sample_id"].isin(list(splits)).to_numpy() & has_box & (is_gt | (is_pred & np.isfinite(confidence)))
    )
    enough = min((judged & is_gt).sum(), (judged & is_pred).sum()) >= _FEWEST
    return judged if enough else None


def _numbers(column: pd.Series) -> Floats:
    return np.asarray(pd.to_numeric(column, errors="coerce").to_numpy(np.float64, na_value=np.nan))


def _is_box(box: Any) -> bool:
    return np.shape(box) == (4,) and bool(np.isfinite(np.asarray(box, np.float64)).all())


def _best_overlaps(
    boxes: Floats, is_gt: Bools, labels: npt.NDArray[np.int64], samples: npt.NDArray[np.int64]
) -> tuple[Floats, Floats]:
    """Return each object's best overlap with an object of the other kind: of its class, and of any."""
    best, best_of_any = np.zeros(len(boxes)), np.zeros(len(boxes))
    order = np.argsort(samples, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(samples[order])) + 1):
        true, found = rows[is_gt[rows]], rows[~is_gt[rows]]
        if not len(true) or not len(found):
            continue
        overlaps = _overlaps(boxes[true], boxes[found])
        same = np.where(labels[true][:, None] == labels[found], overlaps, 0)
        best[true], best[found] = same.max(axis=1), same.max(axis=0)
        best_of_any[true], best_of_any[found] = overlaps.max(axis=1), overlaps.max(axis=0)
    return best, best_of_any


def _overlaps(first: Floats, second: Floats) -> Floats:
    """Return the intersection over union of every pair, 0 where both have no area."""
    sides = np.minimum(first[:, None, 2:], second[:, 2:]) - np.maximum(first[:, None, :2], second[:, :2])
    shared = sides.clip(0).prod(axis=-1)
    areas = [(boxes[:, 2:] - boxes[:, :2]).clip(0).prod(axis=-1) for boxes in (first, second)]
    union = areas[0][:, None] + areas[1] - shared
    return np.asarray(np.divide(shared, union, out=np.zeros_like(shared), where=union > 0))


def _groups(kinds: npt.NDArray[np.int64], labels: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Group objects by kind, split and class; classes too rare to say what is usual are one."""
    group = pd.factorize(pd.Series(list(zip(kinds, labels, strict=True))))[0]
    rare = np.bincount(group)[group] < _FEWEST
    return np.where(rare, -1 - kinds, group)


def _expected(overlaps: Floats, traits: Floats, groups: npt.NDArray[np.int64]) -> Floats:
    """Return the overlap that is usual for objects like each, halfway between its group's mean and a regression."""
    from scipy.stats import rankdata

    expected = np.empty(len(overlaps))
    for number in np.unique(groups):
        own = groups == number
        ranks = (rankdata(traits[own], axis=0) - 0.5) / own.sum() - 0.5
        terms = np.column_stack([ranks, ranks**2])
        terms -= terms.mean(axis=0)
        mean = overlaps[own].mean()
        slopes = np.linalg.solve(
            terms.T @ terms + _RIDGE * np.diag(terms.var(axis=0) + 1e-9), terms.T @ (overlaps[own] - mean)
        )
        expected[own] = mean + terms @ slopes / 2
    return expected


def _spread(values: Floats, judged: Bools) -> Floats:
    full = np.full(len(judged), np.nan)
    full[judged] = values
    return full
