"""How many pixels the objects of one image share: computed once, read by every pair metric.

**Conventions**: rows are predictions (P), columns are ground truths (G); counts are whole pixels of whatever grid the
masks are on. Masks may be dense arrays (the prototype grid) or COCO run-length encodings (the original size); what
follows from the counts does not know which. A mask without pixels overlaps nothing: its ratios are 0, not NaN.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from armbench_segmentation.masks import pack_masks, packed_areas, packed_intersections

Among = Callable[[NDArray[np.int64]], NDArray[np.int64]]


@dataclass(frozen=True)
class Overlaps:
    """Shared pixels of one image.

    Attributes
    ----------
    intersections : (P, G) int64
        Pixels that a prediction and a ground truth share.
    pred_areas, gt_areas : (P,), (G,) int64
        Pixels.
    among_preds, among_gts : callable
        Maps k indices to the (k, k) pixels which those predictions (ground truths) share among themselves. Called for
        the few objects that compete as parts of one other, hence not computed for all.

    Examples
    --------
    >>> masks = np.ones((1, 4, 4), bool)
    >>> Overlaps.of_masks(masks, masks).iou.tolist()
    [[1.0]]
    """

    intersections: NDArray[np.int64]
    pred_areas: NDArray[np.int64]
    gt_areas: NDArray[np.int64]
    among_preds: Among
    among_gts: Among

    @classmethod
    def of_masks(cls, pred_masks: NDArray[np.bool_], gt_masks: NDArray[np.bool_]) -> "Overlaps":
        """Count on the grid of (P, h, w) and (G, h, w) boolean masks.

        Raises
        ------
        ValueError
            If the two are not on one grid.
        """
        if pred_masks.shape[1:] != gt_masks.shape[1:]:
            raise ValueError(
                f"pred_masks must be on the grid of gt_masks, {gt_masks.shape[1:]}; got {pred_masks.shape[1:]}."
            )
        preds, gts = pack_masks(pred_masks), pack_masks(gt_masks)
        return cls(
            packed_intersections(preds, gts),
            packed_areas(preds),
            packed_areas(gts),
            lambda indices: packed_intersections(preds[indices], preds[indices]),
            lambda indices: packed_intersections(gts[indices], gts[indices]),
        )

    @classmethod
    def of_runs(cls, preds: Sequence[dict[str, Any]], gts: Sequence[dict[str, Any]]) -> "Overlaps":
        """Count in compressed COCO run-length encodings of one size, without decoding them."""
        return cls(
            _run_intersections(preds, gts),
            _run_areas(preds),
            _run_areas(gts),
            lambda indices: _run_intersections(*2 * [[preds[i] for i in indices]]),
            lambda indices: _run_intersections(*2 * [[gts[i] for i in indices]]),
        )

    def select_preds(self, indices: NDArray[np.int64]) -> "Overlaps":
        """Keep only the predictions at `indices`."""
        return Overlaps(
            self.intersections[indices],
            self.pred_areas[indices],
            self.gt_areas,
            lambda chosen: self.among_preds(indices[chosen]),
            self.among_gts,
        )

    @cached_property
    def iou(self) -> NDArray[np.float64]:
        """Intersection over union, (P, G) in [0, 1]."""
        union = self.pred_areas[:, None] + self.gt_areas[None] - self.intersections
        return np.asarray(self.intersections / np.maximum(union, 1))

    @cached_property
    def ioa_of_preds(self) -> NDArray[np.float64]:
        """Share of every prediction that lies inside every ground truth, (P, G) in [0, 1]."""
        return np.asarray(self.intersections / np.maximum(self.pred_areas, 1)[:, None])

    @cached_property
    def ioa_of_gts(self) -> NDArray[np.float64]:
        """Share of every ground truth that lies inside every prediction, (P, G) in [0, 1]."""
        return np.asarray(self.intersections / np.maximum(self.gt_areas, 1)[None])


def box_iou(first: NDArray[np.floating], second: NDArray[np.floating]) -> NDArray[np.float64]:
    """Intersection over union of boxes.

    Parameters
    ----------
    first : (n, 4)
        ``x1, y1, x2, y2``.
    second : (m, 4)

    Returns
    -------
    (n, m) float64
        In [0, 1]; 0 where both boxes are empty.

    Examples
    --------
    >>> box_iou(np.array([[0, 0, 2, 2.0]]), np.array([[0, 0, 1, 2.0]])).tolist()
    [[0.5]]
    """
    a, b = np.asarray(first, np.float64)[:, None], np.asarray(second, np.float64)[None]
    sides = (np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])).clip(0)
    shared = sides[..., 0] * sides[..., 1]
    area_a, area_b = ((box[..., 2:] - box[..., :2]).clip(0).prod(-1) for box in (a, b))
    union = area_a + area_b - shared
    return np.asarray(np.divide(shared, union, out=np.zeros_like(shared), where=union > 0))


def _run_areas(runs: Sequence[dict[str, Any]]) -> NDArray[np.int64]:
    from pycocotools import mask as coco_mask

    return np.asarray(coco_mask.area(list(runs)), np.int64).reshape(len(runs))


def _run_intersections(first: Sequence[dict[str, Any]], second: Sequence[dict[str, Any]]) -> NDArray[np.int64]:
    """COCO's own ratio for crowds is shared pixels / area of the first: times that area it is a whole number again."""
    from pycocotools import mask as coco_mask

    if not first or not second:
        return np.zeros((len(first), len(second)), np.int64)
    ratio = np.asarray(coco_mask.iou(list(first), list(second), [True] * len(second)), np.float64)
    return np.rint(ratio * _run_areas(first)[:, None]).astype(np.int64)
