"""What one image says about the model: over- and under-segmentation, detection, panoptic quality, TIDE counts.

**Conventions**: pure functions of `Instances` and a `Matching`; one number per image and key, float, NaN where
undefined (no ground truth to cut, no prediction to be precise about). Predictions are those above the confidence that
counts. Flags are 0 or 1, counts whole numbers, the rest lies in [0, 1] except the mean numbers of segments.
`DIRECTIONS` says of every key which way is better. In `PREDICTION_DIRECTIONS`, "upward" of `predictions_count` is no
judgement: the platform wants a direction, but more predictions are neither better nor worse.

Panoptic quality is per image over all classes together, matched one to one by class at IoU > .5; predictions may
overlap, which the paper rules out, so the most confident takes the object.

References
----------
A. Kirillov et al.: Panoptic Segmentation. CVPR 2019.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from armbench_segmentation.instances import Instances
from armbench_segmentation.matching import Matching
from armbench_segmentation.overlaps import box_iou
from armbench_segmentation.tide import FOREGROUND_IOU, TIDE_TYPES, match_greedily

Direction = Literal["upward", "downward"]
DIRECTIONS: dict[str, Direction] = {
    "over_segmented": "downward",
    "under_segmented": "downward",
    "small_over_segmented": "downward",
    "small_under_segmented": "downward",
    "over_segmented_count": "downward",
    "under_segmented_count": "downward",
    "merged_objects_count": "downward",
    "segments_per_over_segmented": "downward",
    "objects_per_under_segmented": "downward",
    "over_segmented_confidence": "downward",
    "under_segmented_confidence": "downward",
    "duplicate_count": "downward",
    "precision": "upward",
    "recall": "upward",
    "f1": "upward",
    "matched_iou": "upward",
    "segmentation_quality": "upward",
    "recognition_quality": "upward",
    "panoptic_quality": "upward",
    "tide_class": "downward",
    "tide_localization": "downward",
    "tide_both": "downward",
    "tide_duplicate": "downward",
    "tide_background": "downward",
    "tide_miss": "downward",
}
PREDICTION_DIRECTIONS: dict[str, Direction] = {
    "predictions_count": "upward",
    "mean_confidence": "upward",
    "lowest_confidence": "upward",
}


def segmentation_metrics(
    gt: Instances, pred: Instances, matching: Matching, *, small_area: float = 3e-4
) -> dict[str, float]:
    """Sum up one image, so that images can be compared, coloured and sliced.

    Parameters
    ----------
    gt, pred : Instances
        As given to `match_instances`.
    matching : Matching
        Its result.
    small_area : float
        An object whose mask covers less than this share of the grid is small.

    Returns
    -------
    dict
        A float for every key of `DIRECTIONS`; NaN where undefined.

    Examples
    --------
    >>> from armbench_segmentation.matching import match_instances
    >>> one = Instances(np.array([[0, 0, 8, 8]], np.float32), np.ones(1, np.float32), np.zeros(1, np.int64),
    ...                 np.ones((1, 2, 2), bool))
    >>> metrics = segmentation_metrics(one, one, match_instances(one, one))
    >>> metrics["panoptic_quality"], metrics["over_segmented"], metrics["segments_per_over_segmented"]
    (1.0, 0.0, nan)
    """
    is_small = matching.overlaps.gt_areas < small_area * gt.masks.shape[1] * gt.masks.shape[2]
    metrics = _shape_metrics(matching, pred.confidence, is_small)
    metrics |= detection_scores(len(matching.pairs), len(pred), len(gt))
    quality = panoptic_counts(matching, pred.confidence)
    metrics |= {
        "matched_iou": _mean(matching.iou[matching.pairs[:, 0], matching.pairs[:, 1]]),
        "segmentation_quality": quality.segmentation_quality,
        "recognition_quality": quality.recognition_quality,
        "panoptic_quality": quality.panoptic_quality,
    }
    return metrics | {f"tide_{kind}": float(matching.errors.count(kind)) for kind in TIDE_TYPES}


def prediction_metrics(pred: Instances) -> dict[str, float]:
    """Sum up what the model says of one image, which needs no ground truth.

    Returns
    -------
    dict
        A float for every key of `PREDICTION_DIRECTIONS`; confidences are NaN where nothing was found.

    Examples
    --------
    >>> prediction_metrics(Instances.empty((2, 2)))
    {'predictions_count': 0.0, 'mean_confidence': nan, 'lowest_confidence': nan}
    """
    return {
        "predictions_count": float(len(pred)),
        "mean_confidence": _mean(pred.confidence),
        "lowest_confidence": float(pred.confidence.min()) if len(pred) else float("nan"),
    }


def detection_scores(n_matched: int, n_pred: int, n_gt: int) -> dict[str, float]:
    """Precision, recall and their harmonic mean; NaN where there is nothing to be right about.

    Examples
    --------
    >>> detection_scores(1, 2, 1)
    {'precision': 0.5, 'recall': 1.0, 'f1': 0.6666666666666666}
    >>> detection_scores(0, 2, 0)
    {'precision': 0.0, 'recall': nan, 'f1': 0.0}
    """
    return {
        "precision": _ratio(n_matched, n_pred),
        "recall": _ratio(n_matched, n_gt),
        "f1": _ratio(2 * n_matched, n_pred + n_gt),
    }


@dataclass(frozen=True)
class PanopticCounts:
    """What panoptic quality is made of; add them up over images, then read the ratios.

    Attributes
    ----------
    iou_sum : float
        Over matched pairs.
    n_matched, n_pred, n_gt : int

    Examples
    --------
    >>> counts = PanopticCounts(0.8, 1, 2, 1)
    >>> counts.segmentation_quality, round(counts.recognition_quality, 3), round(counts.panoptic_quality, 3)
    (0.8, 0.667, 0.533)
    """

    iou_sum: float = 0.0
    n_matched: int = 0
    n_pred: int = 0
    n_gt: int = 0

    def __add__(self, other: "PanopticCounts") -> "PanopticCounts":
        return PanopticCounts(
            self.iou_sum + other.iou_sum,
            self.n_matched + other.n_matched,
            self.n_pred + other.n_pred,
            self.n_gt + other.n_gt,
        )

    @property
    def segmentation_quality(self) -> float:
        """Mean IoU of the matched pairs; NaN without one."""
        return _ratio(self.iou_sum, self.n_matched)

    @property
    def recognition_quality(self) -> float:
        """F1 of the matching; NaN without any object."""
        return _ratio(2 * self.n_matched, self.n_pred + self.n_gt)

    @property
    def panoptic_quality(self) -> float:
        """Product of the two, 0 without a matched pair; NaN without any object."""
        return _ratio(2 * self.iou_sum, self.n_pred + self.n_gt)


def panoptic_counts(matching: Matching, confidence: NDArray[np.floating]) -> PanopticCounts:
    """Count for panoptic quality over all classes of one image together."""
    pairs = panoptic_pairs(matching, confidence)
    return PanopticCounts(float(matching.iou[pairs[:, 0], pairs[:, 1]].sum()), len(pairs), *matching.iou.shape)


def panoptic_pairs(matching: Matching, confidence: NDArray[np.floating]) -> NDArray[np.int64]:
    """Match one to one by class at IoU strictly above .5: (k, 2) prediction and ground truth."""
    return match_greedily(matching.iou, matching.same_class & (matching.iou > FOREGROUND_IOU), confidence)


class ConfusionPair(NamedTuple):
    """One entry of the confusion matrix, for one label.

    Attributes
    ----------
    class_id : int
        Position in the list of categories; ``n_classes`` is the background.
    is_positive : bool
        Whether the truth there is this label.
    probability : float
        In [0, 1], that the model gave to this label.
    """

    class_id: int
    is_positive: bool
    probability: float


def confusion_pairs(gt: Instances, pred: Instances, *, iou: float = 0.25, n_classes: int) -> list[ConfusionPair]:
    """List what the model called every object, and what it called an object where there is none.

    Predictions and ground truths are matched one to one by box, whatever their class, the most confident first. A pair
    of one class is a positive of that class with the prediction's confidence. A pair of two classes is a positive of
    the true class with probability 0 and a negative of the predicted class with its confidence. An unmatched
    prediction is a negative of its class, and background seen with the remaining probability. A missed object is a
    positive of its class with probability 0, and was taken for background with certainty.

    Parameters
    ----------
    gt, pred : Instances
        Boxes in one frame.
    iou : float
        A prediction explains a ground truth from this box IoU on, in (0, 1].
    n_classes : int
        Also the class id of the background.

    Raises
    ------
    ValueError
        If `iou` is outside its range, or a class id is not below `n_classes`.

    Examples
    --------
    >>> def boxes(rows, classes):
    ...     n = len(rows)
    ...     return Instances(np.array(rows, np.float32).reshape(n, 4), np.full(n, 0.75, np.float32),
    ...                      np.array(classes, np.int64), np.zeros((n, 2, 2), bool))
    >>> gt, pred = boxes([[0, 0, 4, 4]], [0]), boxes([[0, 0, 4, 4], [8, 8, 9, 9]], [1, 0])
    >>> for entry in confusion_pairs(gt, pred, n_classes=2):
    ...     print(tuple(entry))
    (0, True, 0.0)
    (1, False, 0.75)
    (0, False, 0.75)
    (2, True, 0.25)
    """
    if not 0 < iou <= 1:
        raise ValueError(f"iou must lie in (0, 1]; got {iou!r}.")
    highest = max((int(ids.max()) for ids in (gt.class_ids, pred.class_ids) if len(ids)), default=-1)
    if highest >= n_classes:
        raise ValueError(f"n_classes must exceed every class id; got {n_classes} and class id {highest}.")
    overlap = box_iou(pred.boxes_xyxy, gt.boxes_xyxy)
    pairs = dict(match_greedily(overlap, overlap >= iou, pred.confidence).tolist())
    entries = []
    for index, (class_id, confidence) in enumerate(zip(pred.class_ids.tolist(), pred.confidence.tolist(), strict=True)):
        if index not in pairs:
            entries += [
                ConfusionPair(class_id, False, confidence),
                ConfusionPair(n_classes, True, max(0.0, 1.0 - confidence)),
            ]
        elif (true_id := int(gt.class_ids[pairs[index]])) == class_id:
            entries.append(ConfusionPair(class_id, True, confidence))
        else:
            entries += [ConfusionPair(true_id, True, 0.0), ConfusionPair(class_id, False, confidence)]
    for index in sorted(set(range(len(gt))) - set(pairs.values())):
        entries += [ConfusionPair(int(gt.class_ids[index]), True, 0.0), ConfusionPair(n_classes, False, 1.0)]
    return entries


def _shape_metrics(
    matching: Matching, confidence: NDArray[np.floating], is_small: NDArray[np.bool_]
) -> dict[str, float]:
    """Over- and under-segmentation: flags, counts, mean sizes and confidences."""
    over, under = matching.over_segmented, matching.under_segmented
    over_parts = [parts for parts in matching.over_parts if len(parts)]
    merged = [parts for parts in matching.under_parts if len(parts)]
    all_merged = np.unique(np.concatenate(merged)) if merged else np.zeros(0, np.int64)
    has_gt = len(over) > 0
    return {
        "over_segmented": float(over.any()) if has_gt else float("nan"),
        "under_segmented": float(under.any()) if has_gt else float("nan"),
        "small_over_segmented": float((over & is_small).any()) if has_gt else float("nan"),
        "small_under_segmented": float(is_small[all_merged].any()) if has_gt else float("nan"),
        "over_segmented_count": float(over.sum()),
        "under_segmented_count": float(under.sum()),
        "merged_objects_count": float(len(all_merged)),
        "segments_per_over_segmented": _mean([len(parts) for parts in over_parts]),
        "objects_per_under_segmented": _mean([len(parts) for parts in merged]),
        "over_segmented_confidence": _mean(confidence[np.concatenate(over_parts)] if over_parts else []),
        "under_segmented_confidence": _mean(confidence[under]),
        "duplicate_count": float(matching.duplicates.sum()),
    }


def _mean(values: "NDArray[np.floating] | list[int] | list[float]") -> float:
    return float(np.mean(values, dtype=np.float64)) if len(values) else float("nan")


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")
