"""Outlines of objects as polygons: from a mask, clipped to a frame, and their area.

**Conventions**: an outline is a list of rings, each (n, 2) with n >= 3: x, y of its corners in continuous coordinates,
so that the pixel in column 0 spans x = 0..1. An object is what its rings cover together, as in COCO: parts that do not
touch are rings of their own. A hole is part of the ring around it, which goes to the hole and back along one line of no
width: what fills a polygon by its winding or by even and odd leaves the hole out, and no format needs a word for it.
An empty mask has no rings.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Ring = npt.NDArray[np.float64]


def trace_outline(mask: npt.NDArray[np.bool_], *, tolerance: float = 0.75, smallest: float = 0.0) -> list[Ring]:
    """Draw a mask as rings that keep close to the edges of its pixels.

    Parameters
    ----------
    mask : (h, w) bool
    tolerance : float
        How far a ring may lie from the edge, in pixels of the mask; it decides how many corners are left.
    smallest : float
        Area in pixels below which a hole is filled and a part left out; the largest part always stays.

    Returns
    -------
    list of (n, 2) float64 arrays
        In pixels of the mask, the largest part first.

    Examples
    --------
    >>> mask = np.zeros((4, 6), bool)
    >>> mask[1:3, 2:5] = True
    >>> trace_outline(mask)[0].tolist()
    [[2.0, 1.0], [2.0, 3.0], [5.0, 3.0], [5.0, 1.0]]
    """
    import cv2

    left, top, width, height = cv2.boundingRect(np.ascontiguousarray(mask).view(np.uint8))
    if not width:
        return []
    # A lattice of the pixels' centres (odd) and edges (even): there contours run along edges, not through centres.
    lattice = np.zeros((2 * height + 1, 2 * width + 1), np.uint8)
    lattice[1::2, 1::2] = mask[top : top + height, left : left + width]
    cv2.dilate(lattice, np.ones((3, 3), np.uint8), dst=lattice)
    contours, tree = cv2.findContours(lattice, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_SIMPLE)
    areas, parents = [cv2.contourArea(contour) / 4 for contour in contours], tree[0, :, 3].tolist()
    parts = sorted((part for part, parent in enumerate(parents) if parent < 0), key=lambda part: -areas[part])
    parts = [part for part in parts if areas[part] >= smallest] or parts[:1]
    rings = {part: _simplified(contours[part], tolerance) for part in parts}
    for hole, parent in enumerate(parents):
        if parent in rings and areas[hole] >= smallest:
            rings[parent] = _join(rings[parent], _simplified(contours[hole], tolerance))
    return [ring / 2 + (left, top) for ring in rings.values()]


def joined(rings: Sequence[Ring]) -> Ring:
    """Make one ring of several, for formats that take one per object: from part to part along a line of no width.

    Examples
    --------
    >>> square = np.array([[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]])
    >>> one = joined([square, square + (3, 0)])
    >>> len(one), polygon_area(one)
    (10, 2.0)
    """
    ring = rings[0]
    for part in rings[1:]:
        turned = _signed_area(part) * _signed_area(ring) < 0
        ring = _join(ring, part[::-1] if turned else part)
    return ring


def polygon_area(ring: Ring) -> float:
    """Return the area of a ring, holes through a slit left out.

    Examples
    --------
    >>> polygon_area(np.array([[0.0, 0.0], [4.0, 0.0], [4.0, 2.0]]))
    4.0
    """
    return abs(_signed_area(ring))


def clip_ring(ring: Ring, frame: Sequence[float]) -> Ring | None:
    """Cut off what lies outside a frame x1, y1, x2, y2; None if nothing is left.

    Where the ring leaves the frame and comes back it runs along the frame's edge.

    References
    ----------
    I. Sutherland, G. Hodgman, "Reentrant polygon clipping", Communications of the ACM, 1974.

    Examples
    --------
    >>> clip_ring(np.array([[-1.0, 0.0], [2.0, 0.0], [2.0, 1.0], [-1.0, 1.0]]), (0, 0, 1, 1)).tolist()
    [[0.0, 0.0], [1.0, 0.0], [1.0, 1.0], [0.0, 1.0]]
    """
    x1, y1, x2, y2 = frame
    for axis, edge, sign in ((0, x1, 1), (1, y1, 1), (0, x2, -1), (1, y2, -1)):
        depth = sign * (ring[:, axis] - edge)
        if (depth >= 0).all():
            continue
        if not (depth > 0).any():
            return None
        ring = _cut(ring, depth)
        outside = sign * (ring[:, axis] - edge) < 0
        ring[outside, axis] = edge  # what rounding left
    return ring if len(ring) >= 3 and polygon_area(ring) > 0 else None


def _cut(ring: Ring, depth: npt.NDArray[np.float64]) -> Ring:
    points: list[Ring] = []
    following, beyond = np.roll(ring, -1, axis=0), np.roll(depth, -1)
    for start, end, here, there in zip(ring, following, depth, beyond, strict=True):
        if here >= 0:
            points.append(start)
        if (here > 0 > there) or (here < 0 < there):
            points.append(start + (end - start) * (here / (here - there)))
    return np.array(points)


def _signed_area(ring: Ring) -> float:
    x, y = (ring - ring[0]).T
    return float(x[:-1] @ y[1:] - y[:-1] @ x[1:]) / 2


def _simplified(contour: npt.NDArray[Any], tolerance: float) -> Ring:
    """Return a contour of the lattice, in its steps of half a pixel, with fewer corners."""
    import cv2

    fewer = cv2.approxPolyDP(contour, 2 * tolerance, True)
    if len(fewer) < 3 or cv2.contourArea(fewer) == 0:
        fewer = contour  # thinner than the tolerance
    return np.asarray(fewer[:, 0], np.float64)


def _join(ring: Ring, other: Ring) -> Ring:
    """Go from a ring to another where their corners are nearest, around it, and back the same way."""
    apart = np.square(ring[:, None] - other[None]).sum(-1)
    start, entry = divmod(int(apart.argmin()), len(other))
    return np.concatenate([ring[: start + 1], other[entry:], other[: entry + 1], ring[start:]])
