"""The YOLOv5-seg training loss of one image, from what the exported model returns.

**Conventions**: rows hold decoded boxes in input pixels and probabilities, ordered by stride, then anchor, row and
column of the cell. The formulas, and the order in which objects that meet in one cell replace each other, are those of
`training/loss.py`; gains included, so the four parts sum to the training loss of a batch of one. CIoU does not change
when both boxes move together, so boxes are compared where they lie and no logit has to be recovered.

Differs from YOLOv5 where float32 probabilities cannot follow logits: beyond 1e-7 from 0 or 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from armbench_segmentation.boxes import complete_iou
from armbench_segmentation.decode import box_windows
from armbench_segmentation.heads import Floats

Integers = NDArray[np.int64]
Truth = tuple[Floats, Integers, Floats]
ANCHOR_RATIO = 4.0
_BOX_GAIN, _OBJECTNESS_GAIN, _CLASS_GAIN = 0.05, 1.0, 0.5
_BALANCES = {3: (4.0, 1.0, 0.4), 4: (4.0, 1.0, 0.25, 0.06)}
_NEIGHBOURS = np.array([(0, 0), (0.5, 0), (0, 0.5), (-0.5, 0), (0, -0.5)], np.float32)
_EPSILON = 1e-7


@dataclass(frozen=True)
class AnchorGrid:
    """The layout of a head's rows: per stride, cells (rows, columns) and anchors (n, 2) in cells.

    Attributes
    ----------
    input_size : (height, width)
        Pixels.
    strides : tuple of int
    anchors : tuple of (n, 2) float32
        Width, height in cells of their stride.
    """

    input_size: tuple[int, int]
    strides: tuple[int, ...]
    anchors: tuple[Floats, ...]

    @classmethod
    def plan(
        cls, input_size: tuple[int, int], anchors: Sequence[Sequence[float]], strides: Sequence[int], *, n_rows: int
    ) -> "AnchorGrid":
        """Lay out `n_rows` rows.

        Raises
        ------
        ValueError
            If strides and anchors do not agree, or make another number of rows.

        Examples
        --------
        >>> grid = AnchorGrid.plan((32, 32), [[10, 13, 16, 30]] * 3, (8, 16, 32), n_rows=42)
        >>> grid.cells
        ((4, 4), (2, 2), (1, 1))
        """
        if len(anchors) != len(strides) or len(strides) not in _BALANCES:
            raise ValueError(
                f"anchors and strides must have one entry per stride, 3 or 4 of them;"
                f" got {len(anchors)} rows of anchors and strides {tuple(strides)}."
            )
        if any(len(row) % 2 or min(row) <= 0 for row in map(np.ravel, anchors)):
            raise ValueError(f"anchors must be rows of positive width, height pairs; got {anchors}.")
        pairs = [np.asarray(row, np.float32).reshape(-1, 2) for row in anchors]
        grid = cls(
            input_size,
            tuple(int(s) for s in strides),
            tuple(pair / np.float32(s) for pair, s in zip(pairs, strides, strict=True)),
        )
        expected = sum(len(pair) * rows * columns for pair, (rows, columns) in zip(pairs, grid.cells, strict=True))
        if n_rows != expected:
            raise ValueError(
                f"image_size {input_size}, strides {grid.strides} and {[len(pair) for pair in pairs]} anchors make"
                f" {expected} rows; got outputs with {n_rows}. Give the model's own input size, anchors and strides."
            )
        return grid

    @property
    def cells(self) -> tuple[tuple[int, int], ...]:
        """(rows, columns) of each stride."""
        height, width = self.input_size
        return tuple((height // stride, width // stride) for stride in self.strides)


@dataclass(frozen=True)
class _Level:
    """One stride: rows as (anchor, row, column, values), boxes of predictions and truth in its cells."""

    rows: Floats
    anchors: Floats
    stride: int
    truth: Floats


def anchor_losses(
    rows: Floats, prototypes: Floats, truth: Truth, *, grid: AnchorGrid, n_classes: int
) -> tuple[float, float, float, float]:
    """Box, objectness, classification and mask loss of one image.

    Parameters
    ----------
    rows : (N, 5 + n_classes + K)
    prototypes : (K, h, w)
    truth : boxes (n, 4) cx, cy, w, h relative to the input; class ids (n,); masks (n, h, w)
    grid : AnchorGrid
    n_classes : int
    """
    box = objectness = classification = mask = 0.0
    start = 0
    balances = _BALANCES[len(grid.strides)]
    for balance, stride, anchors, cells in zip(balances, grid.strides, grid.anchors, grid.cells, strict=True):
        stop = start + len(anchors) * cells[0] * cells[1]
        size = np.array([cells[1], cells[0]] * 2, np.float32)
        level = _Level(rows[start:stop].reshape(len(anchors), *cells, -1), anchors, stride, truth[0] * size)
        start = stop
        target, where = assign(level.truth, anchors, cells)
        chosen = level.rows[where].astype(np.float64)
        overlap = complete_iou(chosen[:, :4] / stride, level.truth[target])
        expected = np.zeros(level.rows.shape[:3])
        expected[where] = np.maximum(overlap, 0)
        objectness += balance * float(_cross_entropy(level.rows[..., 4], expected).mean())
        if len(target):
            box += float((1 - overlap).mean())
            classification += _classification(chosen[:, 5 : 5 + n_classes], truth[1][target])
            mask += _mask_loss(chosen[:, 5 + n_classes :], prototypes, truth, target)
    height, width = grid.input_size
    return (
        box * _BOX_GAIN * 3 / len(balances),
        objectness * _OBJECTNESS_GAIN * height * width / 640**2 * 3 / len(balances),
        classification * _CLASS_GAIN * n_classes / 80 * 3 / len(balances),
        mask * _BOX_GAIN * 3 / len(balances),
    )


def assign(
    boxes: Floats, anchors: Floats, cells: tuple[int, int]
) -> tuple[Integers, tuple[Integers, Integers, Integers]]:
    """Choose the anchors and cells of one stride that learn each object.

    Parameters
    ----------
    boxes : (n, 4) float32
        cx, cy, w, h in cells.
    anchors : (k, 2) float32
        Width, height in cells.
    cells : (rows, columns)

    Returns
    -------
    target : (m,) int64
        The object of each pair.
    where : anchor, row, column, each (m,) int64

    Examples
    --------
    >>> target, (_, row, column) = assign(np.array([[1.6, 2.4, 1, 1]]), np.ones((1, 2)), (4, 4))
    >>> sorted(zip(row.tolist(), column.tolist()))
    [(1, 1), (2, 1), (2, 2)]
    """
    ratio = boxes[None, :, 2:] / anchors[:, None]
    anchor, target = np.nonzero(np.maximum(ratio, 1 / ratio).max(axis=2) < ANCHOR_RATIO)
    centre = boxes[target, :2]
    from_end = np.array([cells[1], cells[0]], np.float32) - centre
    near_start = ((centre % 1 < 0.5) & (centre > 1)).T
    near_end = ((from_end % 1 < 0.5) & (from_end > 1)).T
    neighbour, pair = np.nonzero(np.stack([np.ones(len(centre), np.bool_), *near_start, *near_end]))
    cell = (centre[pair] - _NEIGHBOURS[neighbour]).astype(np.int64)
    return target[pair], (anchor[pair], cell[:, 1].clip(0, cells[0] - 1), cell[:, 0].clip(0, cells[1] - 1))


def _cross_entropy(probabilities: NDArray[np.floating], expected: NDArray[np.float64]) -> NDArray[np.float64]:
    p = np.clip(probabilities.astype(np.float64), _EPSILON, 1 - _EPSILON)
    return np.asarray(-expected * np.log(p) - (1 - expected) * np.log1p(-p), np.float64)


def _classification(probabilities: NDArray[np.float64], class_ids: Integers) -> float:
    n_classes = probabilities.shape[1]
    if n_classes == 1:
        return 0.0
    return float(_cross_entropy(probabilities, np.eye(n_classes)[class_ids]).mean())


def _mask_loss(coefficients: NDArray[np.float64], prototypes: Floats, truth: Truth, target: Integers) -> float:
    """Mean over pairs of the cross-entropy inside the object's box, per pixel of the grid, divided by the box's area.

    Pairs of one object share its window, and only the window is worked out.
    """
    boxes, _, masks = truth
    _, height, width = prototypes.shape
    # In float32, like the training loss, so that an edge on a grid line falls on the same side of it.
    centre, half, scale = boxes[:, :2], boxes[:, 2:] / 2, np.array([width, height], np.float32)
    corners = np.concatenate([(centre - half) * scale, (centre + half) * scale], axis=1)
    windows = box_windows(np.maximum(corners, 0))
    total = 0.0
    for index in np.unique(target):
        rows, columns = windows[index]
        mine = coefficients[target == index].astype(np.float32)
        logits = np.tensordot(mine, prototypes[:, rows, columns], 1)
        wrong = np.maximum(logits, 0) - logits * masks[index, rows, columns] + np.log1p(np.exp(-np.abs(logits)))
        total += float(wrong.sum(dtype=np.float64)) / (height * width) / float(boxes[index, 2:].prod())
    return total / len(target)
