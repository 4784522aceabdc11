"""Exact nearest neighbours by fast, inexact products: what the graph and the placement of new samples rest on.

The search runs in float32 matrix products (faiss, or numpy where faiss is missing), which cannot tell near-duplicates
apart: squared distances by ||x||^2 + ||y||^2 - 2xy lose all digits that the norms and the distance do not share. So the
search only proposes candidates: their distances are computed again from differences in float64, and a query whose
candidates the rounding bound cannot vouch for is searched again in float64. The result is exact, and the same bytes
whatever the thread count, whichever library searched, and however the queries are cut into batches.

**Conventions**: squared Euclidean distances; `own` is the position of a query among the points, which is never its own
neighbour, or None where queries are no points. Neighbours come nearest first, ties by index.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Rows = npt.NDArray[np.float32]
Proposer = Callable[[Rows], tuple[Ints, Floats]]

_SPARE_CANDIDATES = 16
_QUERIES_PER_BLOCK = 4096  # faiss is slow on fewer
_FLOATS_PER_BLOCK = 2**22
_PROBED_CELLS, _POINTS_PER_CELL, _TRAINED_PER_CELL = 48, 250, 64


def search(queries: Rows, points: Rows, k: int, *, own: Ints | None = None, exact: bool = True) -> tuple[Ints, Floats]:
    """Return indices and squared distances of the k nearest points of every query, both (n_queries, k).

    Parameters
    ----------
    queries, points : (n, n_features) float32 arrays
        Finite. Many equal points are slow: remove them before.
    k : int
        At most the number of points, less one where `own` is given.
    own : (n_queries,) int64 array, optional
        Position of each query among the points.
    exact : bool
        Otherwise candidates come from the cells of a coarse partition of the points, and distances alone are exact.
    """
    n = len(queries)
    indices, squared = np.zeros((n, k), np.int64), np.zeros((n, k))
    if k == 0 or n == 0:
        return indices, squared
    space = _SearchSpace.of(points)
    n_candidates = min(len(points), k + _SPARE_CANDIDATES + (own is not None))
    propose = _proposer(space.scaled, n_candidates, exact=exact)
    for start in range(0, n, _QUERIES_PER_BLOCK):
        rows = slice(start, min(start + _QUERIES_PER_BLOCK, n))
        mine = None if own is None else own[rows]
        scaled = space.scale_rows(queries[rows])
        candidates, reach = propose(scaled)
        indices[rows], squared[rows] = _nearest(queries[rows], points, candidates, k, own=mine)
        known = squared[rows, -1]
        unsure = np.flatnonzero(space.unsure(scaled, known, reach) if exact else ~np.isfinite(known)) + start
        again = _search_again(queries[unsure], points, space, k, own=None if own is None else own[unsure])
        for row, found in zip(unsure, again, strict=True):
            indices[row], squared[row] = found
    return indices, squared


def _nearest(queries: Rows, points: Rows, candidates: Ints, k: int, *, own: Ints | None) -> tuple[Ints, Floats]:
    """Return the k nearest candidates of each query and squared distances free of cancellation; -1 is no candidate."""
    squared = np.empty(candidates.shape)
    for block in row_blocks(len(queries), candidates.shape[1] * points.shape[1]):
        difference = points[candidates[block]].astype(np.float64)
        difference -= queries[block, None]
        squared[block] = np.einsum("ijk,ijk->ij", difference, difference)
    squared[candidates < 0] = np.inf
    if own is not None:
        squared[candidates == own[:, None]] = np.inf
    order = np.lexsort((candidates, squared), axis=1)[:, :k]
    return np.take_along_axis(candidates, order, axis=1), np.take_along_axis(squared, order, axis=1)


@dataclass(frozen=True)
class _SearchSpace:
    """The points as the search sees them: centered and scaled to norms of at most 1, in float32."""

    scaled: Rows
    norms: Floats
    mean: Floats
    scale: float

    @classmethod
    def of(cls, points: Rows) -> "_SearchSpace":
        mean = points.mean(axis=0, dtype=np.float64)
        norms = np.empty(len(points))
        for rows in row_blocks(len(points), points.shape[1]):
            norms[rows] = np.linalg.norm(points[rows] - mean, axis=1)
        scale = float(norms.max()) or 1.0
        scaled = np.empty_like(points)
        for rows in row_blocks(len(points), points.shape[1]):
            scaled[rows] = (points[rows] - mean) / scale
        return cls(scaled, norms / scale, mean, scale)

    def scale_rows(self, rows: Rows) -> Rows:
        """Bring rows to the scale of the points."""
        scaled: Rows = ((rows - self.mean) / self.scale).astype(np.float32)
        return scaled

    def rounding(self, norms: Floats, squared: Floats, epsilon: float) -> Floats:
        """Bound the error of a squared distance by matrix product, from rows of these norms to points so far away.

        A sum of d products is off by at most d * epsilon * ||x|| ||y|| (N. J. Higham, Accuracy and Stability of
        Numerical Algorithms, 2002, section 3.1), and ||y|| <= ||x|| + distance.
        """
        bound: Floats = (self.scaled.shape[1] + 8) * epsilon * np.square(2 * norms + np.sqrt(squared))
        return bound

    def unsure(self, scaled: Rows, squared: Floats, reach: Floats) -> npt.NDArray[np.bool_]:
        """Tell where a point beyond the search's reach might be nearer than the last neighbour found."""
        norms = np.sqrt(np.einsum("ij,ij->i", scaled, scaled, dtype=np.float64))
        squared = squared / self.scale**2
        sure: npt.NDArray[np.bool_] = squared + self.rounding(norms, squared, float(np.finfo(np.float32).eps)) < reach
        return ~sure  # a query so far off that its products overflow is not sure either


def _search_again(
    queries: Rows, points: Rows, space: _SearchSpace, k: int, *, own: Ints | None
) -> Iterator[tuple[Ints, Floats]]:
    """Yield neighbours and squared distances of single queries, with candidates from float64, as many as it takes."""
    last = k - (own is None)  # the query itself is among the points, or it is not
    for block in row_blocks(len(queries), len(points)):
        mine = (queries[block] - space.mean) / space.scale
        norms = np.linalg.norm(mine, axis=1)
        squared = np.square(norms)[:, None] + np.square(space.norms)
        for columns in row_blocks(len(points), points.shape[1]):
            squared[:, columns] -= 2 * mine @ ((points[columns] - space.mean) / space.scale).T
        kth = np.partition(squared, last, axis=1)[:, last].clip(0)
        limit = kth + 2 * space.rounding(norms, kth, float(np.finfo(np.float64).eps))
        for row, near in enumerate(squared <= limit[:, None], block.start):
            only, itself = slice(row, row + 1), None if own is None else own[row : row + 1]
            found, exact = _nearest(queries[only], points, np.flatnonzero(near)[None], k, own=itself)
            yield found[0], exact[0]


def _proposer(scaled: Rows, n_candidates: int, *, exact: bool) -> Proposer:
    """Return a search for candidates: from queries to indices, and the squared distance of the last one.

    With the rounding bound, points that are not proposed are farther than that.
    """
    n = len(scaled)
    if n_candidates == n:
        return lambda queries: (np.tile(np.arange(n), (len(queries), 1)), np.full(len(queries), np.inf))
    try:
        import faiss
    except ImportError:
        return _numpy_proposer(scaled, n_candidates)
    with _one_thread(faiss):
        index = _cells(faiss, scaled) if not exact else faiss.IndexFlatL2(scaled.shape[1])
        index.add(scaled)

    def propose(queries: Rows) -> tuple[Ints, Floats]:
        with _one_thread(faiss):
            squared, indices = index.search(queries, n_candidates)
        return indices, squared[:, -1].astype(np.float64)

    return propose


@contextmanager
def _one_thread(faiss: Any) -> Iterator[None]:
    """Let faiss use one thread: sums over more differ, win little here, and stall when the machine is busy."""
    n_threads = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(1)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(n_threads)


def _cells(faiss: Any, scaled: Rows) -> Any:
    """Cut the points into cells around centres of k-means; a search looks into the cells next to the query."""
    n_cells = max(1, len(scaled) // _POINTS_PER_CELL)
    index = faiss.IndexIVFFlat(faiss.IndexFlatL2(scaled.shape[1]), scaled.shape[1], n_cells)
    index.nprobe = _PROBED_CELLS
    step = max(1, len(scaled) // (_TRAINED_PER_CELL * n_cells))
    index.train(np.ascontiguousarray(scaled[::step]))
    return index


def _numpy_proposer(scaled: Rows, n_candidates: int) -> Proposer:
    norms = np.einsum("ij,ij->i", scaled, scaled)

    def propose(queries: Rows) -> tuple[Ints, Floats]:
        indices, reach = np.empty((len(queries), n_candidates), np.int64), np.empty(len(queries))
        for block in row_blocks(len(queries), len(scaled)):
            mine = queries[block]
            squared = np.einsum("ij,ij->i", mine, mine)[:, None] + norms - 2 * mine @ scaled.T
            indices[block] = np.argpartition(squared, n_candidates - 1, axis=1)[:, :n_candidates]
            reach[block] = np.take_along_axis(squared, indices[block], axis=1).max(axis=1)
        return indices, reach

    return propose


def row_blocks(n: int, floats_per_row: int) -> Iterator[slice]:
    """Cut n rows so that a block holds a bounded number of floats."""
    size = max(1, _FLOATS_PER_BLOCK // max(1, floats_per_row))
    return (slice(start, min(start + size, n)) for start in range(0, n, size))
