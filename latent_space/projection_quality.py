"""How far a map of the latents can be trusted, as a whole and at every point.

**Conventions**: higher = better; NaN where undefined. Large populations are measured on a seeded choice, so that the
same map always gets the same figures.
"""

import numpy as np
import numpy.typing as npt

from latent_space.neighbor_search import Floats, row_blocks
from latent_space.neighbors import Graph, build_graph, metric_points

_FEWEST_MEASURED = 3
_ALL_RANKED_TO, _RANKED = 10_000, 4_000
_PAIRS = 100_000


def map_quality(
    latents: npt.ArrayLike, projection: npt.ArrayLike, *, graph: Graph | None = None, n_neighbors: int = 15
) -> dict[str, float]:
    """Measure how far a map can be trusted.

    Parameters
    ----------
    latents : (n, n_features) array
        Finite.
    projection : (n, 2) array
        Finite.
    graph : Graph, optional
        Of the latents, when it is known; its metric and number of neighbours count. Otherwise it is built.
    n_neighbors : int
        Size of a neighbourhood when `graph` is not given.

    Returns
    -------
    dict
        ``trustworthiness`` in [0, 1]: 1 when the neighbours on the map are neighbours in latent space, punished by how
        far they are not (of 4,000 seeded points when there are more than 10,000). ``neighbors_kept`` in [0, 1]: share
        of the latent neighbours that are among as many neighbours on the map. ``distance_correlation`` in [-1, 1]:
        Spearman's, between distances in latent space and on the map (of 100,000 seeded pairs when there are more).
        NaN where undefined: below 3 points, or when all distances are equal.

    Raises
    ------
    ValueError
        If the latents or the map are not finite matrices with a row per sample.

    References
    ----------
    J. Venna and S. Kaski, Neighborhood preservation in nonlinear projection methods, ICANN 2001.
    D. Kobak and P. Berens, The art of using t-SNE for single-cell transcriptomics, Nature Communications 2019.

    Examples
    --------
    >>> line = [[0.0, 0.0], [1.0, 0.0], [3.0, 0.0], [7.0, 0.0]]
    >>> map_quality(line, line)
    {'trustworthiness': 1.0, 'neighbors_kept': 1.0, 'distance_correlation': 1.0}
    """
    graph = graph or build_graph(latents, n_neighbors=n_neighbors)
    points = metric_points(latents, graph.metric)
    flat = _checked_projection(projection, len(points))
    if len(points) < _FEWEST_MEASURED:
        return dict.fromkeys(("trustworthiness", "neighbors_kept", "distance_correlation"), float("nan"))
    return {
        "trustworthiness": _trustworthiness(points, flat, min(graph.n_neighbors, (len(points) - 1) // 2)),
        "neighbors_kept": float(neighbors_kept(latents, flat, graph=graph).mean()),
        "distance_correlation": _distance_correlation(points, flat),
    }


def neighbors_kept(latents: npt.ArrayLike, projection: npt.ArrayLike, *, graph: Graph) -> npt.NDArray[np.float32]:
    """Measure for every point which share of its neighbours on the map are as near in latent space.

    Parameters
    ----------
    latents, projection, graph
        As in `map_quality`.

    Returns
    -------
    (n,) float32 array
        In [0, 1]; where a point lies wrongly on the map it is low. A neighbour on the map counts when it is not farther
        in latent space than the last of the graph's neighbours, so that ties do no harm.
    """
    points = metric_points(latents, graph.metric)
    flat = _checked_projection(projection, len(points))
    kept = np.ones(len(points), np.float32)
    if graph.n_neighbors == 0:
        return kept
    on_map = _map_neighbors(flat, graph.n_neighbors)
    for rows in row_blocks(len(points), graph.n_neighbors * points.shape[1]):
        difference = points[on_map[rows]].astype(np.float64) - points[rows, None]
        squared = np.einsum("ijk,ijk->ij", difference, difference)
        distances = squared / 2 if graph.metric == "cosine" else np.sqrt(squared)
        last = graph.distances[rows, -1:]
        kept[rows] = (distances <= last.astype(np.float64) * (1 + 1e-6)).mean(axis=1)
    return kept


def _checked_projection(projection: npt.ArrayLike, n: int) -> Floats:
    flat = np.asarray(projection, np.float64)
    if flat.shape != (n, 2) or not np.isfinite(flat).all():
        raise ValueError(f"projection must be finite, ({n}, 2), a row per sample; got {flat.shape}.")
    return flat


def _map_neighbors(flat: Floats, k: int) -> npt.NDArray[np.int64]:
    """Return the k nearest others of every point of the map."""
    from scipy.spatial import KDTree

    near = KDTree(flat).query(flat, k=k + 1)[1]
    dropped = near == np.arange(len(flat))[:, None]
    dropped[~dropped.any(axis=1), -1] = True  # more than k coincide with the point, which is not among those found
    others: npt.NDArray[np.int64] = near[~dropped].reshape(len(flat), k)
    return others


def _trustworthiness(points: npt.NDArray[np.float32], flat: Floats, k: int) -> float:
    n = len(points)
    measured = np.arange(n)
    if n > _ALL_RANKED_TO:
        measured = np.random.default_rng(0).choice(n, _RANKED, replace=False)
    on_map = _map_neighbors(flat, k)[measured]
    centered = points - points.mean(axis=0, dtype=np.float64)
    norms = np.einsum("ij,ij->i", centered, centered)
    excess = 0
    for rows in row_blocks(len(measured), n):
        own = measured[rows]
        squared = norms[own, None] + norms - 2 * centered[own] @ centered.T
        squared[np.arange(len(own)), own] = np.inf
        # What is nearer by less than the rounding of the product is a tie.
        reached = np.take_along_axis(squared, on_map[rows], axis=1) - 1e-14 * norms.max()
        for column in reached.T:
            n_nearer = (squared < column[:, None]).sum(axis=1)
            excess += int((n_nearer + 1 - k).clip(0).sum())
    return 1 - 2 * excess / (len(measured) * k * (2 * n - 3 * k - 1))


def _distance_correlation(points: npt.NDArray[np.float32], flat: Floats) -> float:
    from scipy.stats import spearmanr

    n = len(points)
    if n * (n - 1) // 2 <= _PAIRS:
        one, other = np.triu_indices(n, 1)
    else:
        generator = np.random.default_rng(0)
        one = generator.integers(0, n, _PAIRS)
        other = (one + generator.integers(1, n, _PAIRS)) % n
    far = np.empty(len(one))
    for rows in row_blocks(len(one), points.shape[1]):
        far[rows] = np.linalg.norm(points[one[rows]].astype(np.float64) - points[other[rows]], axis=1)
    far_on_map = np.linalg.norm(flat[one] - flat[other], axis=1)
    if np.ptp(far) == 0 or np.ptp(far_on_map) == 0:
        return float("nan")
    return float(spearmanr(far, far_on_map).statistic)
