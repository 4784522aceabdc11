"""Choose few samples that stand for many: facility location on the k-NN graph, and k-center on the latents.

Facility location covers dense regions first: it maximises how similar every sample is to its most similar chosen one.
k-center covers the edges first: it takes the sample farthest from all chosen ones. Both are greedy, which is within
1 - 1/e and twice the best possible; neither ever holds an n x n matrix.

**Conventions**: `indices` are in the order of choice, so that a prefix is the selection of a smaller budget; ties by
index. Similarity is ``exp(-d(i, j)^2 / (s_i s_j))`` with s the distance to the last neighbour of the graph, 1 for a
sample itself and its exact duplicates, 0 for samples that are not neighbours: no scale has to be chosen. Samples in
`chosen` are covered from the start and not chosen again.

References
----------
Minoux, "Accelerated greedy algorithms for maximizing submodular set functions", Optimization Techniques, 1978.
Gonzalez, "Clustering to minimize the maximum intercluster distance", Theoretical Computer Science, 1985.
Zelnik-Manor and Perona, "Self-tuning spectral clustering", NIPS, 2004 (the kernel).
"""

import heapq
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from latent_space.neighbors import Graph, checked_latents

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Ranking:
    """Samples in the order in which they were chosen.

    Attributes
    ----------
    indices : (n,) int64 array
        Of the samples, all different.
    gains : (n,) float64 array
        What each added when it was chosen, never rising: coverage (in samples, or in units of the weights) for
        facility location; for k-center the distance to the nearest one chosen before, infinity where there is none.
    """

    indices: Indices
    gains: Floats

    def __len__(self) -> int:
        return len(self.indices)


def facility_location(
    graph: Graph,
    n: int,
    *,
    weights: npt.ArrayLike | None = None,
    chosen: npt.ArrayLike = (),
    candidates: npt.ArrayLike | None = None,
) -> Ranking:
    """Choose n samples that together cover all samples best.

    Lazy greedy: a gain can only fall while more is chosen, so only the gains at the top are computed again.

    Parameters
    ----------
    graph : Graph
        Neighbours of m samples.
    n : int
        Samples to choose, at most as many as there are candidates.
    weights : (m,) array, optional
        How much each sample's coverage counts, >= 0; by default 1.
    chosen : array of indices
        Samples that are there already.
    candidates : array of indices, optional
        Samples that may be chosen; by default all.

    Returns
    -------
    Ranking
        The same as plain greedy would give.

    Raises
    ------
    ValueError
        If n is larger than the number of candidates, or an argument does not fit the graph.

    Examples
    --------
    >>> from latent_space.neighbors import build_graph
    >>> graph = build_graph([[0.0], [1.0], [2.0], [90.0], [92.0]], n_neighbors=2)
    >>> facility_location(graph, 2).indices.tolist()
    [1, 3]
    """
    able, taken = _pools(len(graph.indices), n, chosen, candidates)
    coverage = _Coverage(similarities(graph), _checked_weights(weights, len(graph.indices)))
    for sample in taken.tolist():
        coverage.add(sample)
    queue = [(-coverage.gain(sample), sample) for sample in able.tolist()]
    heapq.heapify(queue)
    ranking: list[tuple[int, float]] = []
    while len(ranking) < n:
        _, sample = heapq.heappop(queue)
        now = (-coverage.gain(sample), sample)
        if queue and queue[0] < now:
            heapq.heappush(queue, now)
        else:
            coverage.add(sample)
            ranking.append((sample, -now[0]))
    return _ranking(ranking)


class _Coverage:
    """How similar each sample is to its most similar chosen one, so far."""

    def __init__(self, similar: "csr_matrix", weights: Floats) -> None:
        self._starts = similar.indptr.tolist()
        self._neighbors, self._similar = similar.indices, similar.data
        self._weights = weights
        self._cover = np.zeros(similar.shape[0])

    def gain(self, sample: int) -> float:
        """Return what choosing `sample` would add; never more than before, to the last bit."""
        mine = slice(self._starts[sample], self._starts[sample + 1])
        near = self._neighbors[mine]
        return float((self._weights[near] * np.maximum(self._similar[mine] - self._cover[near], 0)).sum())

    def add(self, sample: int) -> None:
        mine = slice(self._starts[sample], self._starts[sample + 1])
        near = self._neighbors[mine]
        self._cover[near] = np.maximum(self._cover[near], self._similar[mine])


def k_center(
    latents: npt.ArrayLike,
    n: int,
    *,
    chosen: npt.ArrayLike = (),
    candidates: npt.ArrayLike | None = None,
    random_state: int = 0,
) -> Ranking:
    """Choose n samples so that no candidate is far from the nearest chosen one.

    Parameters
    ----------
    latents : (m, n_features) array
        Finite.
    n : int
        Samples to choose, at most as many as there are candidates.
    chosen : array of indices
        Samples that are there already.
    candidates : array of indices, optional
        Samples that may be chosen; by default all.
    random_state : int
        Seed of the first choice, where nothing is chosen yet.

    Returns
    -------
    Ranking
        The same whatever the number of threads.

    Raises
    ------
    ValueError
        If n is larger than the number of candidates, or the latents are not a finite matrix.

    Examples
    --------
    >>> k_center([[0.0], [1.0], [9.0], [5.0]], 2, chosen=[0]).indices.tolist()
    [2, 3]
    """
    from threadpoolctl import threadpool_limits

    points, scale = _scaled(checked_latents(latents))
    able, taken = _pools(len(points), n, chosen, candidates)
    pool = points[able]
    norms = np.einsum("ij,ij->i", pool, pool)
    squared = np.full(len(pool), np.inf, np.float32)

    def see(center: npt.NDArray[np.float32]) -> None:
        np.minimum(squared, norms + center @ center - 2 * (pool @ center), out=squared)

    ranking: list[tuple[int, float]] = []
    with threadpool_limits(1, "blas"):  # more threads could round differently
        for center in points[taken]:
            see(center)
        first = np.random.default_rng(random_state).integers(len(pool)) if n and not len(taken) else None
        for _ in range(n):
            place = int(squared.argmax() if first is None or ranking else first)
            ranking.append((int(able[place]), scale * float(np.sqrt(squared[place].clip(0)))))
            see(pool[place])
            squared[place] = -np.inf
    return _ranking(ranking)


def similarities(graph: Graph) -> "csr_matrix":
    """Return the symmetrised graph as similarities in (0, 1], a sparse (m, m) matrix with ones on its diagonal."""
    from scipy.sparse import csr_matrix, identity

    m, k = graph.indices.shape
    if k == 0:
        return identity(m, format="csr")
    distances = graph.distances.astype(np.float64)
    scale = distances[:, -1]
    with np.errstate(divide="ignore", invalid="ignore"):
        kernel = np.exp(-np.square(distances) / (scale[:, None] * scale[graph.indices]))
    kernel[distances == 0] = 1  # also where the scale is 0: more exact duplicates than neighbours
    starts = np.arange(0, m * k + 1, k)
    directed = csr_matrix((kernel.ravel(), graph.indices.ravel(), starts), shape=(m, m))
    both = directed.maximum(directed.T).maximum(identity(m, format="csr")).tocsr()
    both.sort_indices()
    return both


def _pools(m: int, n: int, chosen: npt.ArrayLike, candidates: npt.ArrayLike | None) -> tuple[Indices, Indices]:
    """Return the samples that may be chosen, ascending, and those that are."""
    taken = _checked_indices(chosen, m, "chosen")
    able = np.arange(m) if candidates is None else _checked_indices(candidates, m, "candidates")
    able = np.setdiff1d(able, taken)
    if not 0 <= n <= len(able):
        raise ValueError(f"n must be between 0 and the {len(able)} samples that can be chosen; got {n}.")
    return able, taken


def _checked_indices(indices: npt.ArrayLike, m: int, name: str) -> Indices:
    array = np.unique(np.asarray(indices))
    if not len(array):
        return array.astype(np.int64)
    if array.dtype.kind not in "iu" or array[0] < 0 or array[-1] >= m:
        raise ValueError(f"{name} must be indices between 0 and {m - 1}; got {array[[0, -1]].tolist()} as extremes.")
    return array.astype(np.int64)


def _checked_weights(weights: npt.ArrayLike | None, m: int) -> Floats:
    array = np.ones(m) if weights is None else np.asarray(weights, np.float64)
    if array.shape != (m,) or not (np.isfinite(array) & (array >= 0)).all():
        raise ValueError(f"weights must be {m} finite numbers >= 0, one per sample; got shape {array.shape}.")
    return array


def _scaled(latents: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float32], float]:
    """Centre the points and bring them to at most 1, so that no square of theirs overflows; return also the factor."""
    centred = latents - latents.mean(axis=0, dtype=np.float64)
    scale = float(np.abs(centred).max(initial=0)) or 1.0
    return (centred / scale).astype(np.float32), scale


def _ranking(chosen: list[tuple[int, float]]) -> Ranking:
    return Ranking(np.array([sample for sample, _ in chosen], np.int64), np.array([gain for _, gain in chosen]))
