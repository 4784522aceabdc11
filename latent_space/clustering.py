"""Groups of samples in latent space: HDBSCAN and k-means side by side, distances to centers, and subgroups.

HDBSCAN runs on the stored neighbour graph: mutual reachability along its edges, parts of the graph joined by their
centers. That is what scales: it needs no search of its own, takes seconds for 45,000 samples, and has no threads. (On a
map it would find the map's faults.) k-means runs on the first principal components, in which far samples are drawn in
so that a few of them do not take all clusters, with the number of clusters that has the highest mean silhouette
(P. J. Rousseeuw, Journal of Computational and Applied Mathematics 1987) on a seeded part of the samples.

**Conventions**: clusters are numbered by size, the largest is 0; -1 is noise (HDBSCAN only). Distances are Euclidean,
in the latents' units; a sample that is noise has its distance to the nearest center. Same latents and `random_state`
give the same bytes, whatever the thread count. Constant latents and fewer than 4 samples are one cluster.
"""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from latent_space.joined_graph import joined_graph
from latent_space.neighbors import Graph, build_graph, checked_latents
from latent_space.space import Space

ClusterMethod = Literal["hdbscan", "kmeans"]
CLUSTER_METHODS: tuple[ClusterMethod, ...] = ("hdbscan", "kmeans")

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

_FEWEST_SAMPLES = 4
_MIN_SAMPLES = 5
_COMPONENTS = 32
_NUMBERS = (2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 20, 24, 28, 32, 40)
_SUBGROUP_NUMBERS = (2, 3, 4, 5, 6, 8)
_SMALLEST_SUBGROUP = 10
_FITTED, _JUDGED = 20_000, 2_000


@dataclass(frozen=True, eq=False)
class Clusters:
    """Which cluster each sample is in, and how far from its center.

    Attributes
    ----------
    cluster_ids : (m,) int64 array
        By size, the largest is 0; -1 is noise.
    centers : (n_clusters, n_features) float64 array
        Means of the members.
    distances_to_center : (m,) float64 array
        Of the own cluster; of the nearest for noise.
    criterion : dict
        What chose the number of clusters, and its values.
    """

    cluster_ids: Ints
    centers: Floats
    distances_to_center: Floats
    criterion: dict[str, Any] = field(default_factory=dict)

    @property
    def n_clusters(self) -> int:
        """Clusters; noise is none."""
        return len(self.centers)

    @property
    def noise_share(self) -> float:
        """Share of the samples that are in no cluster."""
        return float((self.cluster_ids < 0).mean()) if len(self.cluster_ids) else 0.0


def cluster(
    latents: Space | npt.ArrayLike,
    *,
    method: ClusterMethod = "hdbscan",
    graph: Graph | None = None,
    random_state: int = 0,
) -> Clusters:
    """Find clusters in latent space.

    Parameters
    ----------
    latents : Space or (m, n_features) array
        Finite.
    method : {"hdbscan", "kmeans"}
        HDBSCAN finds clusters of any shape and leaves the rest as noise; k-means gives every sample a cluster.
    graph : Graph, optional
        Of `build_graph(latents)`, when it is known; a `Space` brings its own.
    random_state : int
        Seed of k-means.

    Returns
    -------
    Clusters
        For every sample.

    Raises
    ------
    ValueError
        If the latents are not a finite matrix, the graph is another population's, or the method is unknown.

    References
    ----------
    R. J. G. B. Campello et al., Density-based clustering based on hierarchical density estimates, PAKDD 2013.

    Examples
    --------
    >>> latents = np.repeat([[0.0, 0.0], [9.0, 9.0]], 20, axis=0) + np.random.default_rng(0).normal(size=(40, 2))
    >>> cluster(latents, method="kmeans").cluster_ids[[0, 39]].tolist()
    [0, 1]
    """
    if method not in CLUSTER_METHODS:
        raise ValueError(f"method must be one of {', '.join(CLUSTER_METHODS)}; got {method!r}.")
    space = latents if isinstance(latents, Space) else None
    graph = graph or (None if space is None else space.graph)
    points = checked_latents(latents) if space is None else space.latents  # type: ignore[arg-type]
    if graph is not None and len(graph.indices) != len(points):
        raise ValueError(f"graph must be of the {len(points)} latents; got one of {len(graph.indices)} points.")
    if len(points) < _FEWEST_SAMPLES or not (points != points[0]).any():
        ids, criterion = np.zeros(len(points), np.int64), {"name": "one cluster: too few or constant samples"}
    elif method == "hdbscan":
        ids, criterion = _hdbscan(points, graph or build_graph(points))
    else:
        ids, criterion = _kmeans(reduced(points), _NUMBERS, random_state)
    return _described(points, _by_size(ids), criterion)


def subgroups(latents: npt.ArrayLike, cluster_ids: npt.ArrayLike, *, random_state: int = 0) -> Ints:
    """Split every cluster into groups of samples that hold similar information.

    Parameters
    ----------
    latents : (m, n_features) array
        Finite.
    cluster_ids : (m,) int array
        As `cluster` gives them.
    random_state : int
        Seed of k-means.

    Returns
    -------
    (m,) int64 array
        Unique over all clusters, in the order of the clusters; -1 where the cluster is -1. A cluster of fewer than 20
        samples is one subgroup.

    Raises
    ------
    ValueError
        If the ids are not one per row.
    """
    points = checked_latents(latents)
    ids = np.asarray(cluster_ids, np.int64)
    if ids.shape != (len(points),):
        raise ValueError(f"cluster_ids must be one per row of the latents, {len(points)}; got shape {ids.shape}.")
    found, n_found = np.full(len(ids), -1), 0
    for number in np.unique(ids[ids >= 0]):
        own = np.flatnonzero(ids == number)
        inside = np.zeros(len(own), np.int64)
        numbers = [count for count in _SUBGROUP_NUMBERS if count * _SMALLEST_SUBGROUP <= len(own)]
        if numbers and (points[own] != points[own[0]]).any():
            inside = _by_size(_kmeans(reduced(points[own]), numbers, random_state)[0])
        found[own] = inside + n_found
        n_found += int(inside.max()) + 1
    return found


def reduced(points: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the (up to 32) principal components of the points with far ones drawn in, whatever the thread count.

    A point keeps its direction from the median; its distance r becomes R asinh(r / R), with R half the median distance.
    """
    from threadpoolctl import threadpool_limits

    with threadpool_limits(1):  # sums over threads differ in their last bits
        centered: Floats = points - points.mean(axis=0, dtype=np.float64)
        scale = np.abs(centered).max() or 1.0
        centered /= scale
        if centered.shape[1] > _COMPONENTS:
            _, axes = np.linalg.eigh(centered.T @ centered)
            centered = centered @ axes[:, ::-1][:, :_COMPONENTS]
        centered -= np.median(centered, axis=0)
        away = np.linalg.norm(centered, axis=1)
        radius = np.median(away) / 2
        if radius > 0:
            far = away > 0
            centered[far] *= (radius * np.arcsinh(away[far] / radius) / away[far])[:, None]
    return centered.astype(np.float32)


def partition(points: npt.NDArray[np.float32], n_clusters: int, random_state: int) -> Ints:
    """Return the k-means cluster of every row of `reduced` points."""
    from sklearn.cluster import KMeans
    from threadpoolctl import threadpool_limits

    fitted = points
    if len(points) > _FITTED:
        chosen = np.random.default_rng(random_state).choice(len(points), _FITTED, replace=False)
        fitted = points[np.sort(chosen)]
    n_clusters = min(n_clusters, len(np.unique(fitted, axis=0)) if len(fitted) < 10 * n_clusters else n_clusters)
    model = KMeans(n_clusters, n_init=1, max_iter=50, tol=1e-3, random_state=random_state)
    with threadpool_limits(1), _quiet():
        ids: Ints = model.fit(fitted).predict(points).astype(np.int64)
    return ids


def _kmeans(points: npt.NDArray[np.float32], numbers: Sequence[int], random_state: int) -> tuple[Ints, dict[str, Any]]:
    """Return the clusters of the number with the highest mean silhouette, and the silhouettes."""
    from sklearn.metrics import silhouette_score
    from threadpoolctl import threadpool_limits

    judged = np.arange(len(points))
    if len(points) > _JUDGED:
        judged = np.sort(np.random.default_rng(random_state).choice(len(points), _JUDGED, replace=False))
    found: dict[int, Ints] = {}
    scores: dict[int, float] = {}
    for number in numbers:
        if number > len(points) // 2:
            break
        found[number] = partition(points, number, random_state)
        with threadpool_limits(1):
            different = 1 < len(np.unique(found[number][judged])) < len(judged)
            scores[number] = float(silhouette_score(points[judged], found[number][judged])) if different else -1.0
    best = max(scores, key=lambda number: (scores[number], -number))
    return found[best], {"name": "mean silhouette", "n_clusters": best, "values": scores}


def _hdbscan(points: npt.NDArray[np.float32], graph: Graph) -> tuple[Ints, dict[str, Any]]:
    from sklearn.cluster import HDBSCAN

    smallest = max(_MIN_SAMPLES, round(np.sqrt(len(points)) / 2))
    model = HDBSCAN(
        min_cluster_size=min(smallest, len(points)),
        min_samples=min(_MIN_SAMPLES, graph.n_neighbors),
        metric="precomputed",
        copy=True,
    )
    with _quiet():
        ids: Ints = model.fit(joined_graph(points, graph)).labels_.astype(np.int64)
    return ids, {"name": "excess of mass", "min_cluster_size": smallest, "min_samples": _MIN_SAMPLES}


def _described(points: npt.NDArray[np.float32], ids: Ints, criterion: dict[str, Any]) -> Clusters:
    n_clusters = int(ids.max(initial=-1)) + 1
    centers = np.zeros((n_clusters, points.shape[1]))
    away = np.full(len(points), np.inf)
    for number in range(n_clusters):
        own = ids == number
        centers[number] = points[own].mean(axis=0, dtype=np.float64)
        away[own] = np.linalg.norm(points[own] - centers[number], axis=1)
    noise = np.flatnonzero(ids < 0)
    if not len(noise):
        return Clusters(ids, centers, away, {**criterion, "n_clusters": n_clusters})
    for center in centers if n_clusters else points.mean(axis=0, dtype=np.float64)[None]:
        away[noise] = np.minimum(away[noise], np.linalg.norm(points[noise] - center, axis=1))
    return Clusters(ids, centers, away, {**criterion, "n_clusters": n_clusters})


def _by_size(ids: Ints) -> Ints:
    """Renumber clusters, the largest first, ties by their first member."""
    numbers, first, sizes = np.unique(ids[ids >= 0], return_index=True, return_counts=True)
    order = np.lexsort((first, -sizes))
    new = np.full(int(ids.max(initial=-1)) + 2, -1)
    new[numbers[order]] = np.arange(len(numbers))
    renumbered: Ints = new[ids]
    return renumbered


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence what repeated samples make scikit-learn warn of; they are handled."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
