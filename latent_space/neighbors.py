"""The exact k-nearest-neighbour graph of the latents, built once and used by every later stage.

The search runs in float32 matrix products (faiss, or numpy where faiss is missing), which cannot tell near-duplicates
apart: squared distances by ||x||^2 + ||y||^2 - 2xy lose all digits that the norms and the distance do not share. So the
search only proposes candidates: their distances are computed again from differences in float64, and a row whose
candidates the rounding bound cannot vouch for is searched again in float64. The result is exact, and the same bytes
whatever the thread count and whichever library searched.

**Conventions**: `indices` (n, k) int64 and `distances` (n, k) float32, nearest first, ties by index. k is
``min(n_neighbors, n - 1)``. A point is never its own neighbour, however many exact duplicates it has. Cosine distance
is 1 - cos, in [0, 2].
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Metric = Literal["euclidean", "cosine"]
Floats = npt.NDArray[np.float64]
Found = tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]
Rows = slice | npt.NDArray[np.int64]
Proposer = Callable[[slice], tuple[npt.NDArray[np.int64], Floats]]

_SPARE_CANDIDATES = 16
_QUERIES_PER_BLOCK = 4096  # faiss is slow on fewer
_FLOATS_PER_BLOCK = 2**22


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


def build_graph(latents: npt.ArrayLike, *, n_neighbors: int = 15, metric: Metric = "euclidean") -> Graph:
    """Find the exact nearest neighbours of every point among all others.

    Parameters
    ----------
    latents : (n, n_features) array
        Finite.
    n_neighbors : int
        Neighbours per point; with fewer other points, all of them.
    metric : {"euclidean", "cosine"}
        Of the distance.

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
    if n_neighbors < 1:
        raise ValueError(f"n_neighbors must be at least 1; got {n_neighbors}.")
    points = metric_points(latents, metric)
    unique, group = _unique_rows(points)
    k = min(n_neighbors, max(len(points) - 1, 0))
    indices, distances = _search(unique, min(k, max(len(unique) - 1, 0)))
    if len(unique) < len(points):
        indices, distances = _with_duplicates(indices, distances, group, k)
    if metric == "cosine":
        distances = (np.square(distances) / 2).astype(np.float32)
    return Graph(indices, distances, metric)


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


def _search(points: npt.NDArray[np.float32], k: int) -> Found:
    """Return the k nearest others of every point; the points are all different."""
    n = len(points)
    indices, distances = np.zeros((n, k), np.int64), np.zeros((n, k), np.float32)
    if k == 0:
        return indices, distances
    space = _SearchSpace.of(points)
    propose = _proposer(space.scaled, min(n, k + 1 + _SPARE_CANDIDATES))
    for start in range(0, n, _QUERIES_PER_BLOCK):
        rows = slice(start, min(start + _QUERIES_PER_BLOCK, n))
        candidates, reach = propose(rows)
        found, squared = _nearest(points, np.arange(n)[rows], candidates, k)
        indices[rows], distances[rows] = found, np.sqrt(squared)
        unsure = np.flatnonzero(space.unsure(rows, squared[:, -1], reach)) + start
        for row, (found, squared) in zip(unsure, _search_again(points, unsure, space, k), strict=True):
            indices[row], distances[row] = found, np.sqrt(squared)
    return indices, distances


def _nearest(
    points: npt.NDArray[np.float32], rows: npt.NDArray[np.int64], candidates: npt.NDArray[np.int64], k: int
) -> tuple[npt.NDArray[np.int64], Floats]:
    """Return the k nearest candidates of each row, itself excepted, with squared distances free of cancellation."""
    squared = np.empty(candidates.shape)
    for block in row_blocks(len(rows), candidates.shape[1] * points.shape[1]):
        difference = points[candidates[block]].astype(np.float64)
        difference -= points[rows[block], None]
        squared[block] = np.einsum("ijk,ijk->ij", difference, difference)
    squared[candidates == rows[:, None]] = np.inf
    order = np.lexsort((candidates, squared), axis=1)[:, :k]
    return np.take_along_axis(candidates, order, axis=1), np.take_along_axis(squared, order, axis=1)


@dataclass(frozen=True)
class _SearchSpace:
    """The points as the search sees them: centered and scaled to norms of at most 1, in float32."""

    scaled: npt.NDArray[np.float32]
    norms: Floats
    mean: Floats
    scale: float

    @classmethod
    def of(cls, points: npt.NDArray[np.float32]) -> "_SearchSpace":
        mean = points.mean(axis=0, dtype=np.float64)
        norms = np.empty(len(points))
        for rows in row_blocks(len(points), points.shape[1]):
            norms[rows] = np.linalg.norm(points[rows] - mean, axis=1)
        scale = norms.max()
        scaled = np.empty_like(points)
        for rows in row_blocks(len(points), points.shape[1]):
            scaled[rows] = (points[rows] - mean) / scale
        return cls(scaled, norms / scale, mean, float(scale))

    def rounding(self, rows: Rows, squared: Floats, epsilon: float) -> Floats:
        """Bound the error of a squared distance by matrix product, from `rows` to points about `squared` away.

        A sum of d products is off by at most d * epsilon * ||x|| ||y|| (N. J. Higham, Accuracy and Stability of
        Numerical Algorithms, 2002, section 3.1), and ||y|| <= ||x|| + distance.
        """
        bound: Floats = (self.scaled.shape[1] + 8) * epsilon * np.square(2 * self.norms[rows] + np.sqrt(squared))
        return bound

    def unsure(self, rows: slice, squared: Floats, reach: Floats) -> npt.NDArray[np.bool_]:
        """Tell where a point beyond the search's reach might be nearer than the last neighbour found."""
        squared = squared / self.scale**2
        return squared + self.rounding(rows, squared, float(np.finfo(np.float32).eps)) >= reach


def _search_again(
    points: npt.NDArray[np.float32], rows: npt.NDArray[np.int64], space: _SearchSpace, k: int
) -> Iterator[tuple[npt.NDArray[np.int64], Floats]]:
    """Yield neighbours and squared distances of single rows, with candidates from float64 and as many as it takes."""
    for block in row_blocks(len(rows), len(points)):
        own = rows[block]
        squared = np.square(space.norms[own])[:, None] + np.square(space.norms)
        mine = (points[own] - space.mean) / space.scale
        for columns in row_blocks(len(points), points.shape[1]):
            squared[:, columns] -= 2 * mine @ ((points[columns] - space.mean) / space.scale).T
        kth = np.partition(squared, k, axis=1)[:, k].clip(0)
        limit = kth + 2 * space.rounding(own, kth, float(np.finfo(np.float64).eps))
        for row, near in zip(own, squared <= limit[:, None], strict=True):
            found, exact = _nearest(points, np.array([row]), np.flatnonzero(near)[None], k)
            yield found[0], exact[0]


def _proposer(scaled: npt.NDArray[np.float32], n_candidates: int) -> Proposer:
    """Return a search for candidates: from a block of rows to indices, and the squared distance of the last one.

    With the rounding bound, points that are not proposed are farther than that.
    """
    n = len(scaled)
    if n_candidates == n:
        return lambda rows: (
            np.tile(np.arange(n), (rows.stop - rows.start, 1)),
            np.full(rows.stop - rows.start, np.inf),
        )
    try:
        import faiss
    except ImportError:
        return _numpy_proposer(scaled, n_candidates)
    index = faiss.IndexFlatL2(scaled.shape[1])
    index.add(scaled)

    def propose(rows: slice) -> tuple[npt.NDArray[np.int64], Floats]:
        n_threads = faiss.omp_get_max_threads()
        faiss.omp_set_num_threads(1)  # more threads win little here and stall when the machine is busy
        try:
            squared, indices = index.search(scaled[rows], n_candidates)
        finally:
            faiss.omp_set_num_threads(n_threads)
        return indices, squared[:, -1].astype(np.float64)

    return propose


def _numpy_proposer(scaled: npt.NDArray[np.float32], n_candidates: int) -> Proposer:
    norms = np.einsum("ij,ij->i", scaled, scaled)

    def propose(rows: slice) -> tuple[npt.NDArray[np.int64], Floats]:
        indices, reach = np.empty((rows.stop - rows.start, n_candidates), np.int64), np.empty(rows.stop - rows.start)
        for block in row_blocks(len(reach), len(scaled)):
            mine = slice(rows.start + block.start, rows.start + block.stop)
            squared = norms[mine, None] + norms - 2 * scaled[mine] @ scaled.T
            indices[block] = np.argpartition(squared, n_candidates - 1, axis=1)[:, :n_candidates]
            reach[block] = np.take_along_axis(squared, indices[block], axis=1).max(axis=1)
        return indices, reach

    return propose


def row_blocks(n: int, floats_per_row: int) -> Iterator[slice]:
    """Cut n rows so that a block holds a bounded number of floats."""
    size = max(1, _FLOATS_PER_BLOCK // floats_per_row)
    return (slice(start, min(start + size, n)) for start in range(0, n, size))
