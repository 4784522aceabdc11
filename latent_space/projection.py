"""Two-dimensional maps of the latents (UMAP, t-SNE, PCA) and how far they can be trusted.

UMAP and t-SNE both start from the same exact neighbour graph and from the principal components, so that they differ by
method alone and repeat themselves.

**Conventions**: a projection is (n, 2) float32, rows as in the latents. Same latents and `random_state` give the same
bytes, whatever the thread count. Too few samples for a method (fewer than 4 for UMAP and t-SNE) get their principal
components. t-SNE here has uniform affinities over the neighbours instead of Gaussian ones of a given perplexity, which
keeps as much of the neighbourhoods (A. C. Belkina et al., Nature Communications 2019; P. G. Poličar et al., Journal of
Statistical Software 2024).
"""

import warnings
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from latent_space.neighbor_search import Floats, row_blocks
from latent_space.neighbors import Graph, build_graph, checked_latents, metric_points

Method = Literal["umap", "tsne", "pca"]
METHODS: tuple[Method, ...] = ("umap", "tsne", "pca")

_FEWEST_SAMPLES = 4
_FEW_SAMPLES = 100  # below, the usual exaggeration and learning rate of t-SNE do not unfold the map
_SLOWEST_RATE = 10.0
_FFT_FROM = 5_000  # below, the fixed cost of the interpolation grid exceeds Barnes-Hut's whole work
_FEWEST_MEASURED = 3
_ALL_RANKED_TO, _RANKED = 10_000, 4_000
_PAIRS = 100_000


def project(
    latents: npt.ArrayLike, *, method: Method = "umap", graph: Graph | None = None, random_state: int = 0
) -> npt.NDArray[np.float32]:
    """Place every sample on a plane so that neighbours in latent space stay neighbours.

    Parameters
    ----------
    latents : (n, n_features) array
        Finite.
    method : {"umap", "tsne", "pca"}
        UMAP keeps groups together, t-SNE keeps more of each neighbourhood, PCA keeps the large distances.
    graph : Graph, optional
        Of `build_graph(latents)`, when it is known; its metric and number of neighbours are those of the map.
    random_state : int
        Seed.

    Returns
    -------
    (n, 2) float32 array
        Finite.

    Raises
    ------
    ValueError
        If the latents are not a finite matrix, the graph is another population's, or the method is unknown.

    References
    ----------
    L. McInnes et al., UMAP, JOSS 2018. L. van der Maaten and G. Hinton, Visualizing Data using t-SNE, JMLR 2008.
    P. G. Poličar et al., openTSNE, Journal of Statistical Software 2024.

    Examples
    --------
    >>> project([[0.0, 0.0], [3.0, 4.0]], method="pca").tolist()
    [[-2.5, 0.0], [2.5, 0.0]]
    """
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}; got {method!r}.")
    points = checked_latents(latents)
    components = _principal_components(points)
    if method == "pca" or len(points) < _FEWEST_SAMPLES:
        return components.astype(np.float32)
    graph = graph or build_graph(points)
    if len(graph.indices) != len(points):
        raise ValueError(f"graph must be of the {len(points)} latents; got one of {len(graph.indices)} points.")
    graph = _without_the_farthest(graph)
    start = _spread(components, random_state)
    place = _umap if method == "umap" else _tsne
    return place(points, graph, start, random_state).astype(np.float32)


def _principal_components(points: npt.NDArray[np.float32]) -> Floats:
    """Return the coordinates along the two directions of largest variance, signs fixed by the largest weight."""
    from scipy.linalg import eigh
    from threadpoolctl import threadpool_limits

    n, n_features = points.shape
    components = np.zeros((n, 2))
    if n < 2:
        return components
    centered = points.astype(np.float64)
    centered -= centered.mean(axis=0)
    with threadpool_limits(1):  # sums over threads differ in their last bits
        narrow = n_features <= n
        square = centered.T @ centered if narrow else centered @ centered.T
        last = len(square) - 1
        values, vectors = eigh(square, subset_by_index=[max(0, last - 1), last])
        known = values > last * np.finfo(np.float64).eps * max(values[-1], 0)
        values, vectors = values[known][::-1], vectors[:, known][:, ::-1]
        axes = vectors if narrow else centered.T @ vectors / np.sqrt(values)
        signs = np.sign(np.take_along_axis(axes, np.abs(axes).argmax(axis=0)[None], axis=0))
        components[:, : len(values)] = centered @ (axes * signs)
    return components


def _without_the_farthest(graph: Graph) -> Graph:
    """Keep at most a third of a small population as neighbours: a point near to all others has no neighbourhood."""
    k = max(2, (len(graph.indices) - 1) // 3)
    return Graph(graph.indices[:, :k], graph.distances[:, :k], graph.metric)


def _spread(components: Floats, random_state: int) -> Floats:
    """Scale the start to a standard deviation of 1, and move equal points apart by very little."""
    scale = components[:, 0].std() or 1.0
    noise = np.random.default_rng(random_state).normal(size=components.shape)
    return components / scale + 1e-4 * noise


def _umap(points: npt.NDArray[np.float32], graph: Graph, start: Floats, random_state: int) -> npt.NDArray[Any]:
    n_neighbors = graph.n_neighbors + 1  # UMAP counts the point itself
    itself = np.arange(len(points))[:, None]
    with warnings.catch_warnings():
        # Without TensorFlow its import warns that one of its classes is missing; it is not used here.
        warnings.filterwarnings("ignore", message="Tensorflow not installed", category=ImportWarning)
        from umap.umap_ import find_ab_params, fuzzy_simplicial_set, simplicial_set_embedding
    generator = np.random.RandomState(random_state)
    weights, _, _ = fuzzy_simplicial_set(
        points,
        n_neighbors,
        generator,
        graph.metric,
        knn_indices=np.hstack([itself, graph.indices]),
        knn_dists=np.hstack([np.zeros((len(points), 1), np.float32), graph.distances]),
    )
    a, b = find_ab_params(spread=1.0, min_dist=0.1)
    placed, _ = simplicial_set_embedding(
        points,
        weights,
        n_components=2,
        initial_alpha=1.0,
        a=a,
        b=b,
        gamma=1.0,
        negative_sample_rate=5,
        n_epochs=None,
        init=start.astype(np.float32),
        random_state=generator,
        metric=graph.metric,
        metric_kwds={},
        densmap=False,
        densmap_kwds={},
        output_dens=False,
        parallel=False,
        verbose=False,
    )
    return np.asarray(placed)


def _tsne(points: npt.NDArray[np.float32], graph: Graph, start: Floats, random_state: int) -> npt.NDArray[Any]:
    from openTSNE import TSNEEmbedding
    from openTSNE.affinity import Uniform
    from openTSNE.nearest_neighbors import PrecomputedNeighbors

    affinities = Uniform(
        knn_index=PrecomputedNeighbors(graph.indices, graph.distances.astype(np.float64)), symmetrize="mean"
    )
    n = len(points)
    exaggeration = 12 if n >= _FEW_SAMPLES else 4
    placed = TSNEEmbedding(
        start * 1e-4,
        affinities,
        negative_gradient_method="fft" if n >= _FFT_FROM else "bh",
        n_jobs=1,
        random_state=random_state,
    )
    # The usual rate, samples / exaggeration, is too low for a few samples to leave the start.
    placed = placed.optimize(
        n_iter=250, exaggeration=exaggeration, momentum=0.5, learning_rate=max(n / exaggeration, _SLOWEST_RATE)
    )
    placed = placed.optimize(n_iter=500, momentum=0.8, learning_rate=max(n, _SLOWEST_RATE))
    return np.asarray(placed)


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
        kept[rows] = (distances <= last * (1 + 1e-6)).mean(axis=1)
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
