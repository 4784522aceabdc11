"""The exact k-nearest-neighbour graph of the latents, built once and used by every later stage.

Up to `EXACT_TO` points the graph is exact (see `neighbor_search`); beyond, candidates come from an inverted file, and
the distances alone are exact.

**Conventions**: `indices` (n, k) int64 and `distances` (n, k) float32, nearest first, ties by index. k is
``min(n_neighbors, n - 1)``. A point is never its own neighbour, however many exact duplicates it has. Cosine distance
is 1 - cos, in [0, 2].
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from latent_space.neighbor_search import search

Metric = Literal["euclidean", "cosine"]
Found = tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]

EXACT_TO = 100_000


@dataclass(frozen=True, eq=False)
class Graph:
    """The k nearest neighbours of every point.

    Attributes
    ----------
    indices : (n, k) int64 array
        Of the neighbours, nearest first.
    distances : (n, k) float32 array
        To them, in the graph's metric.
    metric : {"euclidean", "cosine"}
        Of the distances.
    """

    indices: npt.NDArray[np.int64]
    distances: npt.NDArray[np.float32]
    metric: Metric = "euclidean"

    @property
    def n_neighbors(self) -> int:
        """Neighbours of each point."""
        return int(self.indices.shape[1])


def build_graph(
    latents: npt.ArrayLike, *, n_neighbors: int = 15, metric: Metric = "euclidean", exact: bool | None = None
) -> Graph:
    """Find the nearest neighbours of every point among all others.

    Parameters
    ----------
    latents : (n, n_features) array
        Finite.
    n_neighbors : int
        Neighbours per point; with fewer other points, all of them.
    metric : {"euclidean", "cosine"}
        Of the distance.
    exact : bool, optional
        By default up to `EXACT_TO` points.

    Returns
    -------
    Graph
        Same bytes for the same latents, whatever the number of threads.

    Raises
    ------
    ValueError
        If `latents` is not a finite matrix, holds a row of zeros under cosine, or an option is unknown.

    Examples
    --------
    >>> build_graph([[0.0], [1.0], [3.0]], n_neighbors=1).indices.ravel().tolist()
    [1, 0, 1]
    """
    _check_count(n_neighbors)
    points = metric_points(latents, metric)
    unique, group = _unique_rows(points)
    k = min(n_neighbors, max(len(points) - 1, 0))
    exact = len(points) <= EXACT_TO if exact is None else exact
    own = np.arange(len(unique))
    indices, squared = search(unique, unique, min(k, max(len(unique) - 1, 0)), own=own, exact=exact)
    distances = _roots(squared)
    if len(unique) < len(points):
        indices, distances = _with_duplicates(indices, distances, group, k)
    return Graph(indices, _in_metric(distances, metric), metric)


def find_neighbors(
    queries: npt.ArrayLike, latents: npt.ArrayLike, *, n_neighbors: int = 15, metric: Metric = "euclidean"
) -> Graph:
    """Find the exact nearest latents of other points, which may coincide with them.

    Parameters
    ----------
    queries : (m, n_features) array
        Finite.
    latents : (n, n_features) array
        Finite, at least one.
    n_neighbors : int
        Neighbours per query; with fewer latents, all of them.
    metric : {"euclidean", "cosine"}
        Of the distance.

    Returns
    -------
    Graph
        (m, k), indices of rows of `latents`. The same for a query alone and among others.

    Raises
    ------
    ValueError
        If there are no latents, the numbers of features differ, or as in `build_graph`.

    Examples
    --------
    >>> find_neighbors([[2.6]], [[0.0], [1.0], [3.0]], n_neighbors=2).indices.tolist()
    [[2, 1]]
    """
    _check_count(n_neighbors)
    mine, points = metric_points(queries, metric), metric_points(latents, metric)
    if len(points) == 0:
        raise ValueError("latents must hold at least one point to be near to; got none.")
    if mine.shape[1] != points.shape[1]:
        raise ValueError(f"queries must have the latents' {points.shape[1]} features; got {mine.shape[1]}.")
    indices, squared = search(mine, points, min(n_neighbors, len(points)))
    return Graph(indices, _in_metric(_roots(squared), metric), metric)


def _roots(squared: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    """Return distances, at most what float32 holds."""
    roots: npt.NDArray[np.float32] = np.minimum(np.sqrt(squared), np.finfo(np.float32).max).astype(np.float32)
    return roots


def _check_count(n_neighbors: int) -> None:
    if n_neighbors < 1:
        raise ValueError(f"n_neighbors must be at least 1; got {n_neighbors}.")


def _in_metric(distances: npt.NDArray[np.float32], metric: Metric) -> npt.NDArray[np.float32]:
    """Turn Euclidean distances between directions into cosine's."""
    return (np.square(distances) / 2).astype(np.float32) if metric == "cosine" else distances


def checked_latents(latents: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Return the latents as a float32 matrix.

    Raises
    ------
    ValueError
        If they are not a finite matrix with at least one feature.
    """
    array = np.asarray(latents)
    if array.ndim != 2 or array.shape[1] == 0:
        raise ValueError(f"latents must be (n_samples, n_features) with at least one feature; got {array.shape}.")
    points = np.ascontiguousarray(array, dtype=np.float32)
    bad = ~np.isfinite(points).all(axis=1)
    if bad.any():
        raise ValueError(f"latents must be finite float32 numbers; got NaN or infinity in row {bad.argmax()}.")
    return points


def metric_points(latents: npt.ArrayLike, metric: Metric) -> npt.NDArray[np.float32]:
    """Return points whose Euclidean distances order like the metric's: the latents, or their directions for cosine.

    Raises
    ------
    ValueError
        If the metric is unknown, or a row has no direction.
    """
    points = checked_latents(latents)
    if metric == "euclidean":
        return points + np.float32(0)  # -0 becomes 0, so that equal rows are equal bytes
    if metric != "cosine":
        raise ValueError(f"metric must be euclidean or cosine; got {metric!r}.")
    largest = np.abs(points).max(axis=1, initial=0)
    if not largest.all():
        raise ValueError(f"latents must have no row of zeros for cosine; got one in row {(largest == 0).argmax()}.")
    points = points / largest[:, None]
    length = np.sqrt(np.einsum("ij,ij->i", points, points, dtype=np.float64))
    directions: npt.NDArray[np.float32] = (points / length[:, None]).astype(np.float32) + np.float32(0)
    return directions


def _unique_rows(points: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """Return the different rows in order of first appearance, and for each row the number of its equal there."""
    first: dict[bytes, int] = {}
    group = np.fromiter((first.setdefault(row.tobytes(), len(first)) for row in points), np.int64, len(points))
    if len(first) == len(points):
        return points, group
    return points[np.unique(group, return_index=True)[1]], group


def _with_duplicates(
    indices: npt.NDArray[np.int64], distances: npt.NDArray[np.float32], group: npt.NDArray[np.int64], k: int
) -> Found:
    """Turn the graph of the different rows into that of all rows: equal rows are neighbours at distance 0.

    The k nearest different rows bring at least k points, and numbering by first appearance keeps ties by index.
    """
    members = np.split(np.argsort(group, kind="stable"), np.cumsum(np.bincount(group))[:-1])
    all_indices = np.empty((len(group), k), np.int64)
    all_distances = np.empty((len(group), k), np.float32)
    for number, own in enumerate(members):
        groups = [own, *(members[other] for other in indices[number])]
        # One more than k of each group is enough, self included: a constant column of latents stays cheap.
        near = np.concatenate([some[: k + 1] for some in groups])
        lengths = [min(len(some), k + 1) for some in groups]
        far = np.repeat(np.append(np.float32(0), distances[number]), lengths)
        order = np.lexsort((near, far))
        near, far = near[order], far[order]
        for row in own:
            others = np.flatnonzero(near[: k + 1] != row)[:k]
            all_indices[row], all_distances[row] = near[others], far[others]
    return all_indices, all_distances
