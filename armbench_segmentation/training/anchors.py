"""Anchors fitted to the objects of a data set.

A stride learns an object only from anchors within a factor of 4 of its sides. Anchors that follow the crowd, as k-means
over all objects gives them, put most objects on every stride, where they overwrite each other in the few coarse cells:
on small images that, or COCO's anchors scaled down, learns next to nothing. So each stride keeps the objects that COCO
would give it, small, medium or large in pixels, and its three anchors are fitted to those alone. Even so, COCO's own
anchors do better on totes at 128 pixels, as the largest of them take nothing but the tote; they are the default.

**Conventions**: sizes are (width, height) in pixels of the model input; anchors are three rows, one per stride 8, 16
and 32, of three width, height pairs each, ordered by area.
"""

import numpy as np
from numpy.typing import NDArray

from armbench_segmentation.config import COCO_ANCHORS

Anchors = tuple[tuple[float, ...], ...]
_SIDE_LIMITS = (32, 96)
_PER_STRIDE = 3
_ENOUGH = 10
_ROUNDS = 100


def fit_anchors(sizes: NDArray[np.floating]) -> Anchors:
    """Fit three anchors per stride by k-means of the objects' logarithmic sides.

    In logarithms, distance is the ratio of sides, which is what decides whether an anchor learns an object. The groups
    start at evenly spaced areas or aspect ratios, whichever ends better, so there is no randomness.

    Parameters
    ----------
    sizes : (n, 2)
        Width, height of every object, pixels of the input. A stride with fewer than ten objects of its own keeps
        COCO's anchors.

    Returns
    -------
    three rows of three width, height pairs

    Examples
    --------
    >>> sides = np.repeat([6.0, 12, 24, 40, 50, 60], 5)
    >>> [row[::2] for row in fit_anchors(np.stack([sides, sides], 1))]
    [(6.0, 12.0, 24.0), (40.0, 50.0, 60.0), (116.0, 156.0, 373.0)]
    """
    usable = np.asarray(sizes, np.float64)
    usable = usable[(usable > 1).all(axis=1)]
    stride = np.searchsorted(_SIDE_LIMITS, np.sqrt(usable.prod(axis=1)), side="right")
    return tuple(
        _three_groups(np.log(usable[stride == level])) if (stride == level).sum() >= _ENOUGH else _as_floats(row)
        for level, row in enumerate(COCO_ANCHORS)
    )


def coco_anchors() -> Anchors:
    """COCO's anchors, in pixels whatever the size of the image."""
    return tuple(_as_floats(row) for row in COCO_ANCHORS)


def _three_groups(points: NDArray[np.float64]) -> tuple[float, ...]:
    """Best of two groupings: started along the areas, and along the aspect ratios."""
    groupings = [_group(points, points @ direction) for direction in ((1.0, 1.0), (1.0, -1.0))]
    centres, _ = min(groupings, key=lambda grouping: grouping[1])
    fitted = np.exp(centres[np.argsort(centres.sum(axis=1), kind="stable")])
    return _as_floats(fitted.round(2).ravel().tolist())


def _group(points: NDArray[np.float64], start_along: NDArray[np.float64]) -> tuple[NDArray[np.float64], float]:
    """Centres, and the mean squared distance to them."""
    order = points[np.lexsort((*points.T, start_along))]
    centres = order[(np.arange(0.5, _PER_STRIDE) / _PER_STRIDE * len(order)).astype(np.int64)]
    for _ in range(_ROUNDS):
        distances = ((order[:, None] - centres) ** 2).sum(axis=2)
        nearest = distances.argmin(axis=1)
        groups = [order[nearest == k] for k in range(_PER_STRIDE)]
        moved = np.array([g.mean(axis=0) if len(g) else centre for g, centre in zip(groups, centres, strict=True)])
        if np.allclose(moved, centres, atol=1e-6):
            break
        centres = moved
    return centres, float(distances.min(axis=1).mean())


def _as_floats(row: "NDArray[np.float64] | tuple[int, ...] | list[float]") -> tuple[float, ...]:
    return tuple(float(side) for side in row)
