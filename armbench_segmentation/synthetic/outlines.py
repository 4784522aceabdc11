"""Turn a mask into a COCO segmentation: polygons where they say the same, run lengths where they do not.

**Conventions**: masks are (H, W) bool; polygon coordinates are pixels with 0 at the picture's left and top *edge*, as
COCO has them. A region with a hole, or one that polygons would distort, becomes compressed RLE, so
rasterising the result always gives the mask back with an IoU of at least .98.
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

_ZOOM = 4  # contours run through pixel centres; on an enlarged mask these lie close to the pixels' edges
_TOLERANCES = (0.5, 0.3, 0.0)
_FAITHFUL = 0.985


def to_segmentation(mask: NDArray[np.bool_]) -> list[list[float]] | dict[str, Any]:
    """Describe the visible region of an object as COCO does.

    Parameters
    ----------
    mask : (H, W) bool
        At least one pixel set.

    Returns
    -------
    list of polygons ``[x1, y1, x2, y2, ...]``, one per part, or a dict ``{"size": [H, W], "counts": str}``.

    Raises
    ------
    ValueError
        If the mask is empty.

    Examples
    --------
    >>> mask = np.zeros((8, 8), bool)
    >>> mask[2:5, 1:7] = True
    >>> len(to_segmentation(mask))
    1
    """
    if not mask.any():
        raise ValueError("mask must have at least one pixel; got an empty one.")
    y, x = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    crop = np.pad(mask[y[0] : y[-1] + 1, x[0] : x[-1] + 1], 1).astype(np.uint8)
    large = cv2.resize(crop, None, fx=_ZOOM, fy=_ZOOM, interpolation=cv2.INTER_NEAREST)
    contours, hierarchy = cv2.findContours(large, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    if (hierarchy[0][:, 3] < 0).all():
        origin = np.array([x[0] - 1, y[0] - 1])
        for tolerance in _TOLERANCES:
            polygons = [_to_polygon(contour, tolerance, origin) for contour in contours]
            if all(len(p) >= 6 for p in polygons) and _iou(polygons, mask) >= _FAITHFUL:
                return polygons
    return _encode(mask)


def decode(segmentation: list[list[float]] | dict[str, Any], size: tuple[int, int]) -> NDArray[np.bool_]:
    """Rasterise a COCO segmentation on a grid of ``size`` = (H, W) at the annotation's own scale."""
    from pycocotools import mask as coco

    if isinstance(segmentation, dict):
        return np.asarray(coco.decode(segmentation), bool)
    return np.asarray(coco.decode(coco.merge(coco.frPyObjects(segmentation, *size))), bool)


def _to_polygon(contour: NDArray[np.integer | np.floating], tolerance: float, origin: NDArray[np.int64]) -> list[float]:
    points = cv2.approxPolyDP(contour, tolerance * _ZOOM, True)[:, 0]
    return [float(v) for v in np.round((points + 0.5) / _ZOOM + origin, 2).ravel()]


def _iou(polygons: list[list[float]], mask: NDArray[np.bool_]) -> float:
    drawn = decode(polygons, (mask.shape[0], mask.shape[1]))
    return float((drawn & mask).sum() / (drawn | mask).sum())


def _encode(mask: NDArray[np.bool_]) -> dict[str, Any]:
    from pycocotools import mask as coco

    encoded = coco.encode(np.asfortranarray(mask.astype(np.uint8)))
    return {"size": [int(v) for v in encoded["size"]], "counts": encoded["counts"].decode("ascii")}
