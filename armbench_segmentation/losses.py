"""What a model's outputs cost on each sample: box, objectness, class and mask losses, in numpy, without the network.

Heads with anchors (*yolov5*) are judged by the loss that trains them (`anchor_loss.py`, equal to `training/loss.py` on
a batch of one). Heads without (*yolov8*, *end_to_end*) are judged by their best prediction of each object
(`anchor_free_loss.py`); they have no objectness.

**Conventions**: lower is better; every loss is >= 0 and one number per sample, whatever else is in the batch. An image
without objects has box, classification and mask 0. Objectness is NaN for heads that have none. Ground-truth boxes are
cx, cy, w, h relative to the input and the class id, rows with a negative class or without area are padding; masks are
0 or 1 on the prototype grid. Inputs may be float16; a probability is kept 1e-7 away from 0 and 1, so that rounding
never makes a loss infinite. An output that holds NaN gives NaN for its sample only, where the number enters.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from armbench_segmentation.anchor_free_loss import anchor_free_losses
from armbench_segmentation.anchor_loss import AnchorGrid, anchor_losses
from armbench_segmentation.heads import Floats, check_prototypes, head_kind, split_outputs
from armbench_segmentation.precision import to_float32

LOSSES = ("box", "objectness", "classification", "mask")


def segmentation_losses(
    outputs: Sequence[NDArray[Any]],
    gt_boxes: NDArray[Any],
    gt_masks: NDArray[Any],
    *,
    n_classes: int,
    image_size: int | tuple[int, int],
    anchors: Sequence[Sequence[float]],
    strides: Sequence[int],
) -> dict[str, Floats]:
    """Losses of each sample of a batch.

    Parameters
    ----------
    outputs : sequence of (B, ...) arrays
        As for `decode_predictions`.
    gt_boxes : (B, M, 5)
        cx, cy, w, h relative to the input, class id; padding rows have class -1.
    gt_masks : (B, M, h, w)
        0 or 1 on the prototype grid.
    n_classes : int
        Number of classes.
    image_size : int or (height, width)
        Of the model input, pixels.
    anchors : sequence of rows
        Width, height pairs in pixels, a row per stride; used by heads with anchors.
    strides : sequence of int
        Pixels per cell, in the order of the output's rows; used by heads with anchors.

    Returns
    -------
    dict of str to (B,) float32
        Keys `LOSSES`.

    Raises
    ------
    ValueError
        If shapes do not agree with each other, with `n_classes` or, for heads with anchors, with `image_size`,
        `anchors` and `strides`; if a ground-truth class is not below `n_classes`.

    Examples
    --------
    >>> perfect = np.zeros((1, 300, 38), np.float32)
    >>> perfect[0, 0, :7] = 4, 4, 12, 12, 1, 0, 99
    >>> box, mask = np.array([[[0.25, 0.25, 0.25, 0.25, 0]]]), np.zeros((1, 1, 8, 8))
    >>> mask[0, 0, 1:3, 1:3] = 1
    >>> options = dict(n_classes=1, image_size=32, anchors=[[8, 8]] * 3, strides=[8, 16, 32])
    >>> found = segmentation_losses([perfect, np.ones((1, 32, 8, 8))], box, mask, **options)
    >>> {name: round(float(value[0]), 4) for name, value in found.items()}
    {'box': 0.0, 'objectness': nan, 'classification': 0.0, 'mask': 0.0}
    """
    kind = head_kind(outputs, n_classes)
    predictions, prototypes = split_outputs(outputs)
    input_size = (image_size, image_size) if isinstance(image_size, int) else (int(image_size[0]), int(image_size[1]))
    check_prototypes(prototypes.shape, input_size)
    boxes, masks = to_float32(gt_boxes), to_float32(gt_masks)
    _check_truth(boxes, masks, prototypes, n_classes)
    grid = AnchorGrid.plan(input_size, anchors, strides, n_rows=predictions.shape[1]) if kind == "yolov5" else None
    losses = np.zeros((len(predictions), len(LOSSES)), np.float32)
    for index, (rows, protos) in enumerate(zip(predictions, prototypes, strict=True)):
        real = (boxes[index, :, 4] >= 0) & (boxes[index, :, 2:4] > 0).all(axis=1)
        truth = (boxes[index, real, :4], boxes[index, real, 4].round().astype(np.int64), masks[index, real])
        with np.errstate(invalid="ignore", over="ignore"):
            if grid is not None:
                losses[index] = anchor_losses(rows, protos, truth, grid=grid, n_classes=n_classes)
            else:
                losses[index] = anchor_free_losses(kind, rows, protos, truth, input_size=input_size)
    return {name: losses[:, column] for column, name in enumerate(LOSSES)}


def _check_truth(boxes: Floats, masks: Floats, prototypes: Floats, n_classes: int) -> None:
    n_samples, _, *grid = prototypes.shape
    if boxes.ndim != 3 or boxes.shape[0] != n_samples or boxes.shape[2] != 5:
        raise ValueError(f"gt_boxes must be ({n_samples}, M, 5) for this batch; got {boxes.shape}.")
    expected = (n_samples, boxes.shape[1], *grid)
    if masks.shape != expected:
        raise ValueError(f"gt_masks must be {expected}, one per box on the prototype grid; got {masks.shape}.")
    if boxes.size and boxes[..., 4].max() >= n_classes:
        raise ValueError(f"gt_boxes must hold classes below n_classes={n_classes}; got {boxes[..., 4].max():g}.")
