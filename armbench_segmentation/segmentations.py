"""The box around an annotated segmentation, and whether the segmentation makes sense at all.

**Conventions**: boxes are x, y, width, height in pixels of the original, clipped to it. Coordinates may lie
`TOLERANCE_PX` outside the image, as annotation tools round. Reasons name what is wrong, not where: callers add the ids.
Run-length encodings are checked to the last pixel, because decoding a short one returns uninitialised memory.
"""

import math
from array import array
from typing import Any

import numpy as np
from numpy.typing import NDArray

TOLERANCE_PX = 2.0
Box = tuple[float, float, float, float]
_CONTINUES, _SIGN, _PAYLOAD, _BASE = 0x20, 0x10, 0x1F, 48


def segmentation_box(segmentation: Any, width: int, height: int) -> Box:
    """Hull of all polygons, or of a run-length encoding.

    Parameters
    ----------
    segmentation : list or dict
        As COCO writes it.
    width, height : int
        Of the image, pixels.

    Raises
    ------
    ValueError
        With the reason, if this is no outline of an object in this image.

    Examples
    --------
    >>> segmentation_box([[10, 20, 30, 20, 30, 50], [40, 5, 50, 5, 50, 9]], 100, 100)
    (10.0, 5.0, 40.0, 45.0)
    >>> segmentation_box({"size": [4, 4], "counts": [5, 2, 2, 2, 5]}, 4, 4)
    (1.0, 1.0, 2.0, 2.0)
    """
    if isinstance(segmentation, dict):
        return _box_of_runs(segmentation, width, height)
    if not isinstance(segmentation, list) or not segmentation:
        raise ValueError("it has no segmentation")
    return _box_of_polygons(segmentation, width, height)


def run_lengths(runs: dict[str, Any], width: int, height: int) -> NDArray[np.int64]:
    """Lengths of the alternating runs of 0 and 1, column by column, once they are known to fill the image.

    Raises
    ------
    ValueError
        With the reason, if this encodes no mask of this image.
    """
    if runs.get("size") != [height, width]:
        raise ValueError(f"its run-length encoding has the size {runs.get('size')}, its image {[height, width]}")
    counts = _counts(runs.get("counts"))
    if (counts < 0).any() or counts.sum() != height * width:
        raise ValueError(f"its run-length encoding covers {counts.sum()} of {height * width} pixels")
    return counts


def _box_of_polygons(polygons: list[Any], width: int, height: int) -> Box:
    left, top, right, bottom = math.inf, math.inf, -math.inf, -math.inf
    for polygon in polygons:
        _check_polygon(polygon)
        xs, ys = polygon[::2], polygon[1::2]
        left, top = min(left, min(xs)), min(top, min(ys))
        right, bottom = max(right, max(xs)), max(bottom, max(ys))
    if min(left, top) < -TOLERANCE_PX or right > width + TOLERANCE_PX or bottom > height + TOLERANCE_PX:
        raise ValueError(
            f"its outline spans x {left:g}..{right:g}, y {top:g}..{bottom:g}, outside the {width}x{height} image"
        )
    left, top = max(float(left), 0.0), max(float(top), 0.0)
    right, bottom = min(float(right), float(width)), min(float(bottom), float(height))
    if right <= left or bottom <= top:
        raise ValueError("its outline encloses no area")
    return left, top, right - left, bottom - top


def _check_polygon(polygon: Any) -> None:
    if not isinstance(polygon, list | array) or len(polygon) % 2:
        raise ValueError("a polygon must be a list of x, y pairs")
    if len(polygon) < 6:
        raise ValueError(f"a polygon must have at least 3 points; got {len(polygon) // 2}")
    try:
        is_finite = math.isfinite(sum(polygon))
    except (TypeError, OverflowError):
        raise ValueError("a polygon must hold numbers only") from None
    if not is_finite:
        raise ValueError("a polygon has a coordinate that is not finite")


def _box_of_runs(runs: dict[str, Any], width: int, height: int) -> Box:
    counts = run_lengths(runs, width, height)
    ends = np.cumsum(counts)[1::2]
    starts = ends - counts[1::2]
    starts, ends = starts[ends > starts], ends[ends > starts]
    if not len(starts):
        raise ValueError("its run-length encoding is empty")
    last = ends - 1
    left, right = starts[0] // height, last[-1] // height + 1
    spans_columns = (starts // height != last // height).any()
    top = 0 if spans_columns else (starts % height).min()
    bottom = height if spans_columns else (last % height).max() + 1
    return float(left), float(top), float(right - left), float(bottom - top)


def _counts(counts: Any) -> NDArray[np.int64]:
    """Lengths of the alternating runs of 0 and 1, from a list or from COCO's compressed string."""
    if isinstance(counts, str):
        return _uncompress(counts)
    try:
        # Some writers say 100.0.
        whole = [int(n) if isinstance(n, float) and n.is_integer() else n for n in counts]
        return np.array(array("q", whole), np.int64)
    except (TypeError, OverflowError):
        raise ValueError("its run-length encoding must have counts: a string or a list of integers") from None


def _uncompress(counts: str) -> NDArray[np.int64]:
    """Decode groups of 5 bits, lowest first, sign-extended; later counts are relative to the last but one."""
    codes = np.frombuffer(counts.encode("ascii", "replace"), np.uint8).astype(np.int64) - _BASE
    if not len(codes) or codes.min() < 0 or codes.max() >= 2 * _CONTINUES or codes[-1] & _CONTINUES:
        raise ValueError("its run-length encoding is not a COCO string")
    is_last = (codes & _CONTINUES) == 0
    first = np.concatenate([[0], np.flatnonzero(is_last)[:-1] + 1])
    shift = 5 * (np.arange(len(codes)) - np.repeat(first, np.diff(first, append=len(codes))))
    if shift.max() > 50:
        raise ValueError("its run-length encoding is not a COCO string")
    values = np.add.reduceat((codes & _PAYLOAD) << shift, first)
    values -= np.where(codes[is_last] & _SIGN, np.int64(1) << (shift[is_last] + 5), 0)
    # COCO's writer leaves the first three counts as they are.
    values[1::2] = np.cumsum(values[1::2])
    values[2::2] = np.cumsum(values[2::2])
    return values
