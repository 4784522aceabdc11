"""Boxes as centre and size: to corners, and how alike two of them are.

**Conventions**: corner boxes are x1, y1, x2, y2, centre boxes cx, cy, w, h, both in any unit as long as it is one.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

_EPSILON = 1e-7


def to_corners(boxes_cxcywh: NDArray[Any]) -> NDArray[np.float64]:
    """Turn (..., 4) centre boxes into corner boxes.

    Examples
    --------
    >>> to_corners(np.array([2, 3, 2, 4])).tolist()
    [1.0, 1.0, 3.0, 5.0]
    """
    centre, half = boxes_cxcywh[..., :2].astype(np.float64), boxes_cxcywh[..., 2:].astype(np.float64) / 2
    return np.asarray(np.concatenate([centre - half, centre + half], axis=-1), np.float64)


def complete_iou(first_cxcywh: NDArray[Any], second_cxcywh: NDArray[Any]) -> NDArray[np.float64]:
    """CIoU of n pairs of (n, 4) centre boxes: IoU less what centres and aspect ratios differ; in (-1.5, 1].

    References
    ----------
    Zheng et al., "Distance-IoU Loss: Faster and Better Learning for Bounding Box Regression", AAAI 2020.

    Examples
    --------
    >>> complete_iou(np.array([[2.0, 2, 2, 2]]), np.array([[3.0, 2, 2, 2]])).round(3).tolist()
    [0.256]
    """
    first, second = to_corners(first_cxcywh), to_corners(second_cxcywh)
    extent = np.minimum(first[:, 2:], second[:, 2:]) - np.maximum(first[:, :2], second[:, :2])
    overlap = np.maximum(extent, 0).prod(axis=1)
    iou = overlap / (_areas(first) + _areas(second) - overlap + _EPSILON)
    hull = np.maximum(first[:, 2:], second[:, 2:]) - np.minimum(first[:, :2], second[:, :2])
    apart = first_cxcywh[:, :2].astype(np.float64) - second_cxcywh[:, :2]
    distance = (apart**2).sum(axis=1) / ((hull**2).sum(axis=1) + _EPSILON)
    # The angle of a box of no size is 0, where a quotient would not exist.
    angles = [np.arctan2(boxes[:, 2], boxes[:, 3], dtype=np.float64) for boxes in (first_cxcywh, second_cxcywh)]
    aspect = 4 / np.pi**2 * (angles[1] - angles[0]) ** 2
    weight = aspect / (aspect - iou + 1 + _EPSILON)
    return np.asarray(iou - distance - aspect * weight, np.float64)


def _areas(boxes_xyxy: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray((boxes_xyxy[..., 2:] - boxes_xyxy[..., :2]).prod(axis=-1), np.float64)
