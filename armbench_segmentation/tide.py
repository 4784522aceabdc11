"""Why a prediction is wrong: the six error types of TIDE, and the AP that fixing each would bring back.

**Conventions**: rows are predictions (P), columns ground truths (G). A prediction is right when it is matched, one to
one and by descending confidence, to a ground truth of its class with IoU >= .5 (foreground). Of the others, in this
order: *localization* (right class, IoU in [.1, .5]), *class* (another class, IoU >= .5), *duplicate* (right class,
IoU >= .5, but the ground truth is taken), *background* (IoU <= .1 with everything), *both* (the rest). A ground truth
is a *miss* when it is unmatched and no class or localization error would claim it. AP is a fraction at IoU .5, with
COCO's 101 recall points, averaged over the classes that have ground truth.

Differs from the reference (`tidecv`) in three places, in the first two so that the base AP is COCO's AP50: a class
without any ground truth does not enter the mean; the recall points are COCO's, where those of the reference, 0 / 100 to
100 / 100, differ in the last bit at ten points (some ten-thousandths of AP where a recall is exactly such a point); and
a prediction excused by a crowd region is no error (the reference leaves it out of AP but still counts it).

References
----------
D. Bolya, S. Foley, J. Hays, J. Hoffman: TIDE: A General Toolbox for Identifying Object Detection Errors. ECCV 2020.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T", bound=np.generic)
FOREGROUND_IOU = 0.5
BACKGROUND_IOU = 0.1
TIDE_TYPES = ("class", "localization", "both", "duplicate", "background", "miss")
_RECALL_POINTS = np.linspace(0, 1, 101)  # COCO's to the last bit, which arange(101) / 100 is not


@dataclass(frozen=True)
class TideErrors:
    """The error of every object of one image.

    Attributes
    ----------
    kinds : (P,) str
        "match" or one of `TIDE_TYPES` except "miss".
    targets : (P,) int64
        Ground truth that a class or localization error should have matched; the matched one for a match; meaningless
        for the other kinds.
    gt_matched : (G,) bool
        Found by a prediction of its class.
    gt_missed : (G,) bool
        Neither found nor claimed by a class or localization error.
    """

    kinds: NDArray[np.str_]
    targets: NDArray[np.int64]
    gt_matched: NDArray[np.bool_]
    gt_missed: NDArray[np.bool_]

    def count(self, kind: str) -> int:
        """Count the errors of one of `TIDE_TYPES`."""
        return int(np.count_nonzero(self.gt_missed if kind == "miss" else self.kinds == kind))


def match_greedily(
    iou: NDArray[np.float64], allowed: NDArray[np.bool_], confidence: NDArray[np.floating]
) -> NDArray[np.int64]:
    """Match one to one: by descending confidence, each prediction takes the free ground truth it overlaps most.

    Parameters
    ----------
    iou : (P, G)
        In [0, 1].
    allowed : (P, G) bool
        Pairs that may be matched.
    confidence : (P,)
        Ties keep their order.

    Returns
    -------
    (k, 2) int64
        Prediction and ground truth of every pair, most confident first.

    Examples
    --------
    >>> iou = np.array([[0.6, 0.9], [0.0, 0.8]])
    >>> match_greedily(iou, iou > 0.5, np.array([0.9, 0.8])).tolist()
    [[0, 1]]
    """
    open_iou = np.where(allowed, iou, -1.0)
    order = np.argsort(-confidence, kind="stable")
    pairs = []
    for pred in order[allowed[order].any(1)].tolist():
        gt = int(open_iou[pred].argmax())
        if open_iou[pred, gt] >= 0:
            pairs.append((pred, gt))
            open_iou[:, gt] = -1.0
    return np.array(pairs, np.int64).reshape(-1, 2)


def tide_errors(iou: NDArray[np.float64], same_class: NDArray[np.bool_], pairs: NDArray[np.int64]) -> TideErrors:
    """Name the error of every prediction and find the ground truths that were missed.

    Parameters
    ----------
    iou : (P, G) float64
    same_class : (P, G) bool
    pairs : (k, 2) int64
        From `match_greedily` with the same class and IoU >= .5.
    """
    n_pred, n_gt = iou.shape
    targets = np.zeros(n_pred, np.int64)
    kinds = np.full(n_pred, "background", "U12")
    matched = np.zeros(n_gt, np.bool_)
    matched[pairs[:, 1]] = True
    if n_pred == 0 or n_gt == 0:
        return TideErrors(kinds, targets, matched, ~matched)
    same, other = iou * same_class, iou * ~same_class
    best_same, best_other = same.max(1), other.max(1)
    is_localization = (best_same >= BACKGROUND_IOU) & (best_same <= FOREGROUND_IOU)
    is_class = ~is_localization & (best_other >= FOREGROUND_IOU)
    is_duplicate = (same * matched).max(1) >= FOREGROUND_IOU
    # Later assignments win: the order of the paper, backwards.
    kinds[iou.max(1) > BACKGROUND_IOU] = "both"
    kinds[is_duplicate] = "duplicate"
    kinds[is_class] = "class"
    kinds[is_localization] = "localization"
    kinds[pairs[:, 0]] = "match"
    targets[is_class] = other.argmax(1)[is_class]
    targets[is_localization] = same.argmax(1)[is_localization]
    targets[pairs[:, 0]] = pairs[:, 1]
    claimed = matched.copy()
    claimed[targets[(kinds == "class") | (kinds == "localization")]] = True
    return TideErrors(kinds, targets, matched, ~claimed)


@dataclass(frozen=True)
class TideImage:
    """What one image contributes to the table: its errors and its objects' classes."""

    errors: TideErrors
    confidence: NDArray[np.floating]
    pred_class_ids: NDArray[np.int64]
    gt_class_ids: NDArray[np.int64]


def tide_table(images: Sequence[TideImage]) -> dict[str, dict[str, float]]:
    """Count every error type over a data set and measure the AP that fixing it alone would regain.

    Fixing a class or localization error makes the most confident claimant of a free ground truth right and drops the
    other claimants; fixing a duplicate, background or both error drops the prediction; fixing a miss drops the ground
    truth.

    Parameters
    ----------
    images : sequence of TideImage
        Ground truth of the whole data set, images without predictions included.

    Returns
    -------
    dict
        For each of `TIDE_TYPES`: `count` and `ap_regained` in [0, 1]; and under "base" the `ap` itself.
        NaN where there is no ground truth at all; for misses also where there is no prediction, as nothing is left.
    """
    data = _Flat.of(images)
    base = data.average_precision(data.is_match, data.pred_class_ids, np.ones_like(data.is_match), data.n_gt)
    table = {"base": {"ap": base}}
    for kind in TIDE_TYPES:
        fixed = data.without_misses() if kind == "miss" else data.without(kind)
        # Never negative: a mended prediction only adds true or drops false ones, at the same rank.
        table[kind] = {"count": sum(image.errors.count(kind) for image in images), "ap_regained": fixed - base}
    return table


@dataclass(frozen=True)
class _Flat:
    """The predictions of all images in one row of arrays, most confident first."""

    kinds: NDArray[np.str_]
    confidence: NDArray[np.float64]
    pred_class_ids: NDArray[np.int64]
    target_class_ids: NDArray[np.int64]
    is_claimant: NDArray[np.bool_]
    n_gt: NDArray[np.int64]
    n_missed: NDArray[np.int64]

    @classmethod
    def of(cls, images: Sequence[TideImage]) -> "_Flat":
        n_classes = 1 + max((int(i.max()) for image in images for i in _class_ids(image) if len(i)), default=-1)
        missed = [image.gt_class_ids[image.errors.gt_missed] for image in images]
        confidence = _join([image.confidence.astype(np.float64) for image in images], np.float64)
        order = np.argsort(-confidence, kind="stable")
        return cls(
            _join([image.errors.kinds for image in images], np.str_)[order],
            confidence[order],
            _join([image.pred_class_ids for image in images], np.int64)[order],
            _join([_target_classes(image) for image in images], np.int64)[order],
            _join([_claimants(image) for image in images], np.bool_)[order],
            np.bincount(_join([image.gt_class_ids for image in images], np.int64), minlength=n_classes),
            np.bincount(_join(missed, np.int64), minlength=n_classes),
        )

    @property
    def is_match(self) -> NDArray[np.bool_]:
        return np.asarray(self.kinds == "match")

    def without(self, kind: str) -> float:
        """AP once all errors of one type are fixed."""
        is_kind = self.kinds == kind
        mended = is_kind & self.is_claimant
        classes = np.where(mended, self.target_class_ids, self.pred_class_ids)
        return self.average_precision(self.is_match | mended, classes, ~is_kind | mended, self.n_gt)

    def without_misses(self) -> float:
        """AP once the missed objects are not asked for."""
        kept = np.ones_like(self.is_match)
        return self.average_precision(self.is_match, self.pred_class_ids, kept, self.n_gt - self.n_missed)

    def average_precision(
        self,
        is_right: NDArray[np.bool_],
        class_ids: NDArray[np.int64],
        is_kept: NDArray[np.bool_],
        n_gt: NDArray[np.int64],
    ) -> float:
        """Mean over classes; a class left with neither objects nor predictions drops out."""
        scores = []
        for class_id in np.flatnonzero(self.n_gt):
            mine = is_right[is_kept & (class_ids == class_id)]
            if n_gt[class_id] or len(mine):
                scores.append(_average_precision(mine, int(n_gt[class_id])))
        return float(np.mean(scores)) if scores else float("nan")


def _average_precision(is_right: NDArray[np.bool_], n_gt: int) -> float:
    if n_gt == 0 or len(is_right) == 0:
        return 0.0
    n_right = np.cumsum(is_right)
    precision = n_right / np.arange(1, len(is_right) + 1)
    envelope = np.append(np.maximum.accumulate(precision[::-1])[::-1], 0.0)
    return float(envelope[np.searchsorted(n_right / n_gt, _RECALL_POINTS, side="left")].mean())


def _class_ids(image: TideImage) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return image.pred_class_ids, image.gt_class_ids


def _target_classes(image: TideImage) -> NDArray[np.int64]:
    return image.gt_class_ids[image.errors.targets] if len(image.gt_class_ids) else image.pred_class_ids


def _claimants(image: TideImage) -> NDArray[np.bool_]:
    """Mark the most confident class or localization error of every free ground truth: it alone can be mended."""
    errors = image.errors
    first = np.zeros(len(errors.kinds), np.bool_)
    taken = errors.gt_matched.copy()
    for pred in np.argsort(-image.confidence, kind="stable").tolist():
        if errors.kinds[pred] in ("class", "localization") and not taken[errors.targets[pred]]:
            first[pred] = taken[errors.targets[pred]] = True
    return first


def _join(arrays: Sequence[NDArray[T]], dtype: type[T]) -> NDArray[T]:
    return np.concatenate(arrays) if arrays else np.zeros(0, dtype)
