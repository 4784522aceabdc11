"""How well the best prediction of each object fits it, for heads without anchors or objectness.

Each object is paired with at most one prediction and each prediction with at most one object: again and again the pair
of highest alignment, ``sqrt(p) * IoU**6`` with p the probability of the right class, is taken.

**Conventions**: losses are means over the objects of one image, lower is better. box = 1 - IoU; classification =
-ln(p); mask = 1 - soft Dice of the predicted mask inside its own box. p counts as at least .001, below which
detections are left out of an evaluation, so an object that no prediction touches costs 1, 6.9 and 1. Predictions
without an object cost nothing here: the metrics count them.

References
----------
Feng et al., "TOOD: Task-aligned One-stage Object Detection", ICCV 2021 (the alignment, with YOLOv8's exponents).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from armbench_segmentation.anchor_loss import Truth
from armbench_segmentation.boxes import to_corners
from armbench_segmentation.decode import box_windows
from armbench_segmentation.heads import PROTOTYPE_STRIDE, Floats, HeadKind
from armbench_segmentation.overlaps import box_iou

LEAST_PROBABILITY = 1e-3
_SCORE_POWER, _IOU_POWER = 0.5, 6.0


def anchor_free_losses(
    kind: HeadKind, rows: Floats, prototypes: Floats, truth: Truth, *, input_size: tuple[int, int]
) -> tuple[float, float, float, float]:
    """Box, objectness (NaN), classification and mask loss of one image.

    Parameters
    ----------
    kind : {"yolov8", "end_to_end"}
    rows : (4 + n_classes + K, N) or (n, 6 + K)
        The model's output for the image.
    prototypes : (K, h, w)
    truth : boxes (n, 4) cx, cy, w, h relative to the input; class ids (n,); masks (n, h, w)
    input_size : (height, width)
        Pixels.
    """
    gt_boxes, class_ids, gt_masks = truth
    if not len(gt_boxes):
        return 0.0, np.nan, 0.0, 0.0
    height, width = input_size
    corners = to_corners(gt_boxes) * [width, height, width, height]
    boxes, probabilities, coefficients = _predictions(kind, rows, class_ids, len(prototypes))
    iou = box_iou(corners, boxes)
    pairs = pair_up(probabilities**_SCORE_POWER * iou**_IOU_POWER)
    box = len(gt_boxes) - sum(float(iou[pair]) for pair in pairs)
    unmatched = len(gt_boxes) - len(pairs)
    classification = -sum(float(np.log(probabilities[pair])) for pair in pairs) - unmatched * np.log(LEAST_PROBABILITY)
    mask = unmatched + sum(
        _dice_loss(coefficients[column], prototypes, boxes[column], gt_masks[row]) for row, column in pairs
    )
    n = len(gt_boxes)
    return box / n, np.nan, float(classification) / n, mask / n


def pair_up(alignment: NDArray[np.float64]) -> list[tuple[int, int]]:
    """Pair rows with columns one to one, the highest alignment first; nothing is paired at 0.

    Examples
    --------
    >>> pair_up(np.array([[0.9, 0.8, 0.0], [0.95, 0.1, 0.0], [0.0, 0.0, 0.0]]))
    [(1, 0), (0, 1)]
    """
    left = alignment.copy()
    pairs: list[tuple[int, int]] = []
    while left.size and left.max() > 0:
        row, column = (int(i) for i in np.unravel_index(left.argmax(), left.shape))
        pairs.append((row, column))
        left[row], left[:, column] = 0, 0
    return pairs


def _predictions(
    kind: HeadKind, rows: Floats, class_ids: NDArray[np.int64], n_coefficients: int
) -> tuple[NDArray[np.float64], NDArray[np.float64], Floats]:
    """Corner boxes (N, 4), probability of each object's class (n, N), coefficients (N, K); non-finite rows left out."""
    table = rows.T if kind == "yolov8" else rows
    table = table[np.isfinite(table).all(axis=1)]
    if kind == "yolov8":
        boxes, right = to_corners(table[:, :4]), table[:, 4 + class_ids].T
    else:
        boxes = table[:, :4].astype(np.float64)
        right = np.where(np.rint(table[:, 5]) == class_ids[:, None], table[:, 4], 0)
    return boxes, np.clip(right.astype(np.float64), LEAST_PROBABILITY, 1), table[:, -n_coefficients:]


def _dice_loss(coefficients: Floats, prototypes: Floats, box: NDArray[Any], gt_mask: Floats) -> float:
    [(rows, columns)] = box_windows(np.maximum(box[None], 0) / PROTOTYPE_STRIDE)
    logits = np.tensordot(coefficients, prototypes[:, rows, columns], 1)
    predicted = 0.5 * (1 + np.tanh(logits / 2))
    common = float((predicted * gt_mask[rows, columns]).sum(dtype=np.float64))
    total = float(predicted.sum(dtype=np.float64) + gt_mask.sum(dtype=np.float64))
    return 1 - 2 * common / total if total else 0.0
