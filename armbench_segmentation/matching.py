"""Which prediction found which object, and where one object became several or several became one.

**Conventions**: rows are predictions (P), columns ground truths (G); everything follows from one matrix of shared
pixels (`Overlaps`). IoA is shared pixels over the area of the *part*.

- ``rule="hoover"`` (T .75): a ground truth is *over-segmented* when at least two predictions of its class each lie
  inside it (IoA >= T), are disjoint, and together cover at least T of it. *Under-segmented* is the mirror image: at
  least two disjoint ground truths lie inside one prediction of their class and together cover at least T of it.
  Two parts are disjoint when they share at most `MAX_PART_OVERLAP` of the smaller: neighbours on a coarse grid share an
  edge, duplicates share nearly everything. Of overlapping candidates the larger is chosen first (then the more
  confident, then the earlier); where that fails, the search starts again from the next, until one candidate alone
  covers T: a whole with fragments nested in it is found, not over-segmented. Coverage counts pixels that two parts
  share once.
- ``rule="containment"`` (T .8), the predecessor's: at least two parts with IoA > T, of any class, overlapping or not,
  whatever they cover. It also fires on duplicates and nested objects.

*Duplicates* are TIDE's: a prediction of the right class with IoU >= .5 for an object that a more confident one has
already taken; under the Hoover rule a disjoint part is no duplicate.

Verdicts, the first that applies: of a prediction "under", "over" (it is a part), "match", "duplicate", "class",
"localization", "both", "background"; of a ground truth "over", "under" (it was merged), "match", "class",
"localization" (a prediction claims it with that error), "miss".

References
----------
A. Hoover et al.: An Experimental Comparison of Range Image Segmentation Algorithms. IEEE TPAMI 18(7), 1996.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from armbench_segmentation.instances import Instances
from armbench_segmentation.overlaps import Among, Overlaps
from armbench_segmentation.tide import FOREGROUND_IOU, TideErrors, match_greedily, tide_errors

Rule = Literal["hoover", "containment"]
DEFAULT_TOLERANCE: dict[str, float] = {"hoover": 0.75, "containment": 0.8}
MAX_PART_OVERLAP = 0.1
PRED_VERDICTS = ("under", "over", "match", "duplicate", "class", "localization", "both", "background")
GT_VERDICTS = ("over", "under", "match", "class", "localization", "miss")
_NONE = np.zeros(0, np.int64)


@dataclass(frozen=True)
class Matching:
    """How the predictions of one image relate to its ground truth.

    Attributes
    ----------
    rule : str
        "hoover" or "containment".
    tolerance : float
        T of the rule.
    overlaps : Overlaps
        Shared pixels; has `iou` (P, G).
    same_class : (P, G) bool
    pairs : (k, 2) int64
        Prediction and ground truth matched one to one: same class, IoU >= .5, most confident first.
    over_segmented : (G,) bool
        The object became several predictions.
    under_segmented : (P,) bool
        The prediction swallowed several objects.
    over_parts : tuple of G arrays
        Indices of the predictions that are the parts of each over-segmented object, largest first; else empty.
    under_parts : tuple of P arrays
        Indices of the ground truths merged by each under-segmented prediction, largest first; else empty.
    duplicates : (P,) bool
    errors : TideErrors
        TIDE's view, untouched by the rule.
    pred_verdicts : (P,) str
        One of `PRED_VERDICTS`.
    gt_verdicts : (G,) str
        One of `GT_VERDICTS`.
    """

    rule: Rule
    tolerance: float
    overlaps: Overlaps
    same_class: NDArray[np.bool_]
    pairs: NDArray[np.int64]
    over_segmented: NDArray[np.bool_]
    under_segmented: NDArray[np.bool_]
    over_parts: tuple[NDArray[np.int64], ...]
    under_parts: tuple[NDArray[np.int64], ...]
    duplicates: NDArray[np.bool_]
    errors: TideErrors
    pred_verdicts: NDArray[np.str_]
    gt_verdicts: NDArray[np.str_]

    @property
    def iou(self) -> NDArray[np.float64]:
        """Mask IoU, (P, G) in [0, 1]."""
        return self.overlaps.iou


def match_instances(
    gt: Instances, pred: Instances, *, rule: Rule = "hoover", tolerance: float | None = None
) -> Matching:
    """Compare the objects of one image with what a model predicted.

    Parameters
    ----------
    gt : Instances
        Ground truth, on the mask grid of `pred`.
    pred : Instances
        Predictions above the confidence that counts.
    rule : {"hoover", "containment"}
        When an object counts as over- or under-segmented.
    tolerance : float, optional
        T of the rule, in (.5, 1]; by default .75 (hoover) or .8 (containment).

    Raises
    ------
    ValueError
        If the rule is unknown, the tolerance is outside its range, or the masks are on two grids.

    Examples
    --------
    One object, found as its left and its right half:

    >>> whole = np.ones((1, 4, 4), bool)
    >>> halves = np.zeros((2, 4, 4), bool)
    >>> halves[0, :, :2] = halves[1, :, 2:] = True
    >>> def objects(masks):
    ...     n = len(masks)
    ...     return Instances(np.zeros((n, 4), np.float32), np.ones(n, np.float32), np.zeros(n, np.int64), masks)
    >>> matching = match_instances(objects(whole), objects(halves))
    >>> matching.over_segmented.tolist(), matching.over_parts[0].tolist(), matching.pred_verdicts.tolist()
    ([True], [0, 1], ['over', 'over'])
    """
    overlaps = Overlaps.of_masks(pred.masks, gt.masks)
    return match_overlaps(overlaps, gt.class_ids, pred.class_ids, pred.confidence, rule=rule, tolerance=tolerance)


def match_overlaps(
    overlaps: Overlaps,
    gt_class_ids: NDArray[np.int64],
    pred_class_ids: NDArray[np.int64],
    confidence: NDArray[np.floating],
    *,
    rule: Rule = "hoover",
    tolerance: float | None = None,
) -> Matching:
    """Do the same as `match_instances` where the shared pixels are known already."""
    if rule not in DEFAULT_TOLERANCE:
        raise ValueError(f"rule must be 'hoover' or 'containment'; got {rule!r}.")
    limit = DEFAULT_TOLERANCE[rule] if tolerance is None else float(tolerance)
    if not 0.5 < limit <= 1:
        raise ValueError(f"tolerance must lie in (0.5, 1]; got {tolerance!r}.")
    same_class = pred_class_ids[:, None] == gt_class_ids[None]
    pairs = match_greedily(overlaps.iou, same_class & (overlaps.iou >= FOREGROUND_IOU), confidence)
    errors = tide_errors(overlaps.iou, same_class, pairs)
    over = _Side.over(overlaps, same_class, confidence).parts(rule, limit)
    under = _Side.under(overlaps, same_class).parts(rule, limit)
    duplicates = errors.kinds == "duplicate"
    if rule == "hoover":
        duplicates[np.concatenate([_NONE, *over])] = False
    return Matching(
        rule=rule,
        tolerance=limit,
        overlaps=overlaps,
        same_class=same_class,
        pairs=pairs,
        over_segmented=_filled(over),
        under_segmented=_filled(under),
        over_parts=over,
        under_parts=under,
        duplicates=duplicates,
        errors=errors,
        pred_verdicts=_pred_verdicts(errors, over, under),
        gt_verdicts=_gt_verdicts(errors, confidence, over, under),
    )


@dataclass(frozen=True)
class _Side:
    """One of the two directions of the rule: rows are possible parts, columns possible wholes."""

    shared: NDArray[np.int64]
    inside: NDArray[np.float64]
    same_class: NDArray[np.bool_]
    confidence: NDArray[np.floating]
    part_areas: NDArray[np.int64]
    whole_areas: NDArray[np.int64]
    among_parts: Among

    @classmethod
    def over(cls, overlaps: Overlaps, same_class: NDArray[np.bool_], confidence: NDArray[np.floating]) -> "_Side":
        """Predictions as parts of ground truths."""
        return cls(
            overlaps.intersections,
            overlaps.ioa_of_preds,
            same_class,
            confidence,
            overlaps.pred_areas,
            overlaps.gt_areas,
            overlaps.among_preds,
        )

    @classmethod
    def under(cls, overlaps: Overlaps, same_class: NDArray[np.bool_]) -> "_Side":
        """Ground truths as parts of predictions."""
        return cls(
            overlaps.intersections.T,
            overlaps.ioa_of_gts.T,
            same_class.T,
            np.ones(len(overlaps.gt_areas)),
            overlaps.gt_areas,
            overlaps.pred_areas,
            overlaps.among_gts,
        )

    def parts(self, rule: Rule, limit: float) -> tuple[NDArray[np.int64], ...]:
        """For every whole the indices of its parts, largest first; empty where it is in one piece."""
        candidates = self.same_class & (self.inside >= limit) if rule == "hoover" else self.inside > limit
        found = [_NONE] * candidates.shape[1]
        for whole in np.flatnonzero(candidates.sum(0) >= 2).tolist():
            rows = np.flatnonzero(candidates[:, whole])
            rows = rows[np.lexsort((-self.confidence[rows], -self.shared[rows, whole]))]
            found[whole] = rows if rule == "containment" else self._disjoint(rows, whole, limit)
        return tuple(found)

    def _disjoint(self, rows: NDArray[np.int64], whole: int, limit: float) -> NDArray[np.int64]:
        """Choose disjoint candidates greedily, largest first, until several of them cover the whole."""
        common = self.among_parts(rows)
        areas = self.part_areas[rows]
        clash = common > MAX_PART_OVERLAP * np.minimum(areas[:, None], areas[None])
        shared = self.shared[rows, whole]
        needed = limit * self.whole_areas[whole]
        for first in range(len(rows)):
            chosen = [first]
            for other in range(len(rows)):
                if not clash[other, chosen].any():
                    chosen.append(other)
            twice = np.triu(common[np.ix_(chosen, chosen)], 1).sum()
            if len(chosen) >= 2 and shared[chosen].sum() - twice >= needed:
                return rows[sorted(chosen)]
            if shared[first] >= needed:
                break
        return _NONE


def _filled(parts: tuple[NDArray[np.int64], ...]) -> NDArray[np.bool_]:
    return np.array([len(rows) > 0 for rows in parts], np.bool_)


def _pred_verdicts(
    errors: TideErrors, over: tuple[NDArray[np.int64], ...], under: tuple[NDArray[np.int64], ...]
) -> NDArray[np.str_]:
    verdicts = errors.kinds.copy()
    verdicts[np.concatenate([_NONE, *over])] = "over"
    verdicts[_filled(under)] = "under"
    return verdicts


def _gt_verdicts(
    errors: TideErrors,
    confidence: NDArray[np.floating],
    over: tuple[NDArray[np.int64], ...],
    under: tuple[NDArray[np.int64], ...],
) -> NDArray[np.str_]:
    verdicts = np.full(len(errors.gt_matched), "miss", "U12")
    claims = np.flatnonzero((errors.kinds == "class") | (errors.kinds == "localization"))
    # The most confident claim is written last, hence stays.
    for pred in claims[np.argsort(confidence[claims], kind="stable")].tolist():
        verdicts[errors.targets[pred]] = errors.kinds[pred]
    verdicts[errors.gt_matched] = "match"
    verdicts[np.concatenate([_NONE, *under])] = "under"
    verdicts[_filled(over)] = "over"
    return verdicts
