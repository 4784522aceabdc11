"""From a YOLO-seg model's raw outputs to the objects of each image.

`heads.py` describes the three contracts and tells them apart.

**Conventions**: boxes and masks as in `instances.py`; sizes are (height, width). Objects come out sorted by falling
confidence, equal ones in the order of the model's rows. A row that holds NaN or infinity, or whose box has no area
inside the image, is dropped. Masks are ``coefficients @ prototypes > 0`` (sigmoid above one half) inside the box; a
grid point c belongs to a box when x1 <= c < x2. Non-finite prototypes give no mask pixels.

Differs from Ultralytics' YOLOv5: suppression by class is exact in float64 instead of shifting boxes by 7680 pixels per
class in float32, and boxes are clipped to the image after suppression in every case.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from armbench_segmentation.heads import PROTOTYPE_STRIDE, Floats, HeadKind, check_prototypes, head_kind, split_outputs
from armbench_segmentation.instances import Instances
from armbench_segmentation.resize import Resize, ResizeMode

__all__ = ["HeadKind", "decode_predictions", "head_kind", "suppress_overlaps"]
MAX_CANDIDATES = 30_000


def decode_predictions(
    outputs: Sequence[NDArray[Any]],
    *,
    n_classes: int,
    image_size: int | tuple[int, int],
    original_sizes: Sequence[tuple[int, int]] | None = None,
    resize: ResizeMode = "stretch",
    confidence: float = 0.25,
    iou: float = 0.45,
    max_detections: int = 300,
) -> list[Instances]:
    """Decode a batch: threshold, suppress overlaps, build the masks.

    Parameters
    ----------
    outputs : sequence of (B, ...) float16 or float32 arrays
        One of rank 3 (predictions) and one of rank 4 (prototypes), in any order; other ranks are ignored.
    n_classes : int
        Number of classes the model was trained on.
    image_size : int or (height, width)
        Of the model input, pixels.
    original_sizes : sequence of B (height, width), optional
        When given, boxes and masks are those of the original images: `resize` is undone, boxes are clipped there.
    resize : {"stretch", "letterbox"}
        How the originals became inputs; used only with `original_sizes`.
    confidence : float
        In [0, 1]; objectness, and objectness times class probability, must exceed it.
    iou : float
        In [0, 1]; a box whose IoU with a better one of its class exceeds it is suppressed; *end_to_end* is done.
    max_detections : int
        Objects kept per image.

    Returns
    -------
    list of B Instances
        In input pixels with masks on the prototype grid, or in original pixels with masks at original size.

    Raises
    ------
    ValueError
        If the shapes fit none of the three contracts for this `n_classes`, if prototypes are not a quarter of
        `image_size`, or if an option is out of range.

    Examples
    --------
    >>> row = np.zeros((1, 300, 38), np.float32)
    >>> row[0, 0, :7] = 4, 4, 12, 12, 0.9, 0, 1
    >>> found = decode_predictions([row, np.ones((1, 32, 8, 8))], n_classes=1, image_size=32)[0]
    >>> found.boxes_xyxy.tolist(), int(found.masks.sum())
    ([[4.0, 4.0, 12.0, 12.0]], 4)
    """
    _check_options(confidence, iou, max_detections)
    kind = head_kind(outputs, n_classes)
    predictions, prototypes = split_outputs(outputs)
    input_size = (image_size, image_size) if isinstance(image_size, int) else (int(image_size[0]), int(image_size[1]))
    check_prototypes(prototypes.shape, input_size)
    if original_sizes is not None and len(original_sizes) != len(predictions):
        raise ValueError(
            f"original_sizes must have one (height, width) per image of the batch, {len(predictions)};"
            f" got {len(original_sizes)}."
        )
    found = []
    for index, (rows, protos) in enumerate(zip(predictions, prototypes, strict=True)):
        best = _detect(kind, rows, n_classes, (confidence, iou, max_detections))
        if original_sizes is None:
            found.append(_on_prototype_grid(best, protos, input_size))
        else:
            height, width = original_sizes[index]
            plan = Resize.plan((int(height), int(width)), input_size, resize)
            found.append(_at_original_size(best, protos, plan))
    return found


def suppress_overlaps(
    boxes_xyxy: NDArray[Any], scores: NDArray[Any], class_ids: NDArray[Any], *, iou: float, max_detections: int
) -> NDArray[np.int64]:
    """Greedy non-maximum suppression within each class.

    Parameters
    ----------
    boxes_xyxy : (n, 4)
        Corners, pixels, finite.
    scores : (n,)
        The best go first; equal ones in their order.
    class_ids : (n,)
        Boxes of different classes never suppress each other.
    iou : float
        A box with IoU above it with a kept one is dropped.
    max_detections : int
        Stop when so many are kept.

    Returns
    -------
    (m,) int64
        Positions of the kept boxes by falling score.

    Examples
    --------
    >>> boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [20, 0, 30, 10]])
    >>> suppress_overlaps(boxes, np.array([0.6, 0.9, 0.5]), np.zeros(3), iou=0.5, max_detections=9).tolist()
    [1, 2]
    """
    order = np.argsort(-scores.astype(np.float64), kind="stable")[:MAX_CANDIDATES]
    boxes = boxes_xyxy[order].astype(np.float64)
    span = float(np.ptp(boxes)) + 1.0 if len(boxes) else 1.0
    x1, y1, x2, y2 = (boxes + class_ids[order].astype(np.float64)[:, None] * span).T
    areas = (x2 - x1) * (y2 - y1)
    kept: list[int] = []
    rest = np.arange(len(order))
    while len(rest) and len(kept) < max_detections:
        best, rest = rest[0], rest[1:]
        kept.append(int(best))
        width = np.minimum(x2[rest], x2[best]) - np.maximum(x1[rest], x1[best])
        height = np.minimum(y2[rest], y2[best]) - np.maximum(y1[rest], y1[best])
        overlap = np.maximum(width, 0) * np.maximum(height, 0)
        # Compared without division, so that boxes without area need no special case.
        rest = rest[overlap <= iou * (areas[rest] + areas[best] - overlap)]
    return np.asarray(order[kept], np.int64)


@dataclass(frozen=True)
class _Detections:
    """n rows of a head, any contract: boxes in input pixels, coefficients (n, K)."""

    boxes: Floats
    scores: Floats
    class_ids: NDArray[np.int64]
    coefficients: Floats

    def __getitem__(self, index: NDArray[Any]) -> "_Detections":
        return _Detections(self.boxes[index], self.scores[index], self.class_ids[index], self.coefficients[index])


def _detect(kind: HeadKind, rows: Floats, n_classes: int, limits: tuple[float, float, int]) -> _Detections:
    confidence, iou, max_detections = limits
    if kind == "end_to_end":
        found = _end_to_end_rows(rows, n_classes, confidence)
        return found[np.argsort(-found.scores, kind="stable")[:max_detections]]
    found = _grid_rows(rows if kind == "yolov5" else rows.T, n_classes, confidence, has_objectness=kind == "yolov5")
    return found[suppress_overlaps(found.boxes, found.scores, found.class_ids, iou=iou, max_detections=max_detections)]


def _grid_rows(rows: Floats, n_classes: int, confidence: float, *, has_objectness: bool) -> _Detections:
    first_class = 5 if has_objectness else 4
    classes = slice(first_class, first_class + n_classes)
    # Few rows pass; the cheap test on one column goes first. Comparisons with NaN are false, so NaN drops out here.
    rows = rows[(rows[:, 4] if has_objectness else rows[:, classes].max(axis=1)) > confidence]
    rows = rows[np.isfinite(rows).all(axis=1)]
    scores = rows[:, classes] * rows[:, 4:5] if has_objectness else rows[:, classes]
    class_ids = scores.argmax(axis=1).astype(np.int64)
    best = scores[np.arange(len(rows)), class_ids]
    half = rows[:, 2:4] / 2
    boxes = np.concatenate([rows[:, :2] - half, rows[:, :2] + half], axis=1)
    keep = (best > confidence) & (rows[:, 2:4] > 0).all(axis=1)
    return _Detections(boxes, best, class_ids, rows[:, classes.stop :])[keep]


def _end_to_end_rows(rows: Floats, n_classes: int, confidence: float) -> _Detections:
    rows = rows[(rows[:, 4] > confidence) & np.isfinite(rows).all(axis=1)]
    class_ids = np.rint(rows[:, 5]).astype(np.int64)
    if len(rows) and not 0 <= class_ids.min() <= class_ids.max() < n_classes:
        raise ValueError(
            f"n_classes must cover the class ids of the outputs; got n_classes={n_classes} and class ids"
            f" {class_ids.min()} to {class_ids.max()}."
        )
    return _Detections(rows[:, :4], rows[:, 4], class_ids, rows[:, 6:])


def _clip(found: _Detections, boxes: NDArray[Any], size: tuple[int, int]) -> tuple[_Detections, Floats]:
    """Clip `boxes` of `found` to `size` and drop what has no area left, from both."""
    height, width = size
    clipped = np.clip(boxes, 0, [width, height, width, height]).astype(np.float32)
    keep = (clipped[:, 2:] > clipped[:, :2]).all(axis=1)
    return found[keep], clipped[keep]


def _logits(found: _Detections, protos: Floats) -> Floats:
    with np.errstate(invalid="ignore", over="ignore"):
        flat = found.coefficients @ protos.reshape(len(protos), -1)
    return np.asarray(flat.reshape(len(flat), *protos.shape[1:]), np.float32)


def box_windows(boxes_xyxy: NDArray[Any]) -> list[tuple[slice, slice]]:
    """Rows and columns of the grid points c with x1 <= c < x2 (y alike), for each (x1, y1, x2, y2) >= 0."""
    corners = np.ceil(boxes_xyxy).astype(np.int64)
    return [(slice(y1, y2), slice(x1, x2)) for x1, y1, x2, y2 in corners.tolist()]


def _on_prototype_grid(found: _Detections, protos: Floats, input_size: tuple[int, int]) -> Instances:
    found, boxes = _clip(found, found.boxes, input_size)
    logits = _logits(found, protos)
    masks = np.zeros(logits.shape, np.bool_)
    for index, window in enumerate(box_windows(boxes / PROTOTYPE_STRIDE)):
        masks[index][window] = logits[index][window] > 0
    return Instances(boxes, found.scores, found.class_ids, masks)


def _at_original_size(found: _Detections, protos: Floats, plan: Resize) -> Instances:
    found, boxes = _clip(found, plan.to_original(found.boxes.astype(np.float64)), plan.original_size)
    logits = _logits(found, protos)
    inner = plan.inner_size
    down = _interpolation(protos.shape[1], (plan.input_size[0], int(plan.offset_y), inner[0], plan.original_size[0]))
    across = _interpolation(protos.shape[2], (plan.input_size[1], int(plan.offset_x), inner[1], plan.original_size[1]))
    masks = np.zeros((len(boxes), *plan.original_size), np.bool_)
    for index, (rows, columns) in enumerate(box_windows(boxes)):
        with np.errstate(invalid="ignore"):
            masks[index, rows, columns] = _interpolate(logits[index], down[rows], across[columns]) > 0
    return Instances(boxes, found.scores, found.class_ids, masks)


def _interpolate(logits: Floats, down: Floats, across: Floats) -> Floats:
    """``down @ logits @ across.T`` of only those grid points that a window's matrices look at."""
    (near_y,), (near_x,) = np.nonzero(down.any(axis=0)), np.nonzero(across.any(axis=0))
    return np.asarray(down[:, near_y] @ logits[np.ix_(near_y, near_x)] @ across[:, near_x].T, np.float32)


def _interpolation(n_grid: int, sizes: tuple[int, int, int, int]) -> Floats:
    """Matrix (original, n_grid) of one axis: grid to input, padding cut off, to original, bilinear at each step.

    Bilinear resizing is linear and separable, so resizing the identity gives its matrix, and a mask is only worked out
    inside its box. `sizes` are input, offset, inner and original length.
    """
    import cv2

    n_input, offset, n_inner, n_original = sizes
    upsampled = cv2.resize(np.eye(n_grid, dtype=np.float32), (n_grid, n_input), interpolation=cv2.INTER_LINEAR)
    inner = upsampled[offset : offset + n_inner]
    return np.asarray(cv2.resize(inner, (n_grid, n_original), interpolation=cv2.INTER_LINEAR), np.float32)


def _check_options(confidence: float, iou: float, max_detections: int) -> None:
    for name, value in (("confidence", confidence), ("iou", iou)):
        if not 0 <= value <= 1:
            raise ValueError(f"{name} must lie in [0, 1]; got {value!r}.")
    if max_detections < 1:
        raise ValueError(f"max_detections must be at least 1; got {max_detections!r}.")
