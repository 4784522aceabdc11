"""Two-dimensional maps of the latents (UMAP, t-SNE, PCA); how far they can be trusted: `projection_quality`.

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

from latent_space.neighbor_search import Floats
from latent_space.neighbors import Graph, build_graph, checked_latents

Method = Literal["umap", "tsne", "pca"]
METHODS: tuple[Method, ...] = ("umap", "tsne", "pca")

_FEWEST_SAMPLES = 4
_FEW_SAMPLES = 100  # below, the usual exaggeration and learning rate of t-SNE do not unfold the map
_SLOWEST_RATE = 10.0
_FFT_FROM = 5_000  # below, the fixed cost of the interpolation grid exceeds Barnes-Hut's whole work


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
