"""A k-NN graph as one matrix of distances that hangs together, which is what a minimum spanning tree needs.

**Conventions**: parts of the graph are joined one after another, each to the nearest of those joined before, by their
first members.
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from latent_space.neighbors import Graph

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


def joined_graph(points: npt.NDArray[np.float32], graph: Graph) -> Any:
    """Join the parts of a graph and make it symmetric.

    Parameters
    ----------
    points : (n, n_features) float32 array
    graph : Graph
        Of them.

    Returns
    -------
    scipy.sparse.csr_array
        (n, n), one part; distances of 0 are a tiny positive number, for a stored 0 would be no edge.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n, k = graph.indices.shape
    start, end = np.repeat(np.arange(n), k), graph.indices.ravel()
    # Where copies outnumber neighbours, all distances of the graph are 0.
    least = float(graph.distances.max() or np.abs(points).max()) * 1e-9
    far = np.maximum(graph.distances.ravel().astype(np.float64), least)
    part = connected_components(coo_array((far, (start, end)), shape=(n, n)), directed=False)[1]
    if part.max() > 0:
        links, lengths = _links(points, part)
        start, end, far = np.append(start, links[0]), np.append(end, links[1]), np.append(far, lengths)
    both = np.hstack([np.stack([start, end]), np.stack([end, start])])
    order = np.lexsort((both[1], both[0]))
    both, far = both[:, order], np.tile(far, 2)[order]
    kept = np.append(True, (np.diff(both) != 0).any(axis=0))  # the two ends may both name each other
    return coo_array((far[kept], (both[0][kept], both[1][kept])), shape=(n, n)).tocsr()


def _links(points: npt.NDArray[np.float32], part: Ints) -> tuple[Ints, Floats]:
    """Join the parts of the graph one after another, each to the nearest one that is joined, by their first members."""
    first = np.unique(part, return_index=True)[1]
    centers = points[first].astype(np.float64)
    reach, nearest = np.full(len(first), np.inf), np.zeros(len(first), np.int64)
    joined, pairs, lengths = 0, [], []
    reach[0] = -1.0
    for _ in range(len(first) - 1):
        away = np.linalg.norm(centers - centers[joined], axis=1)
        closer = away < reach
        reach[closer], nearest[closer] = away[closer], joined
        joined = int(np.where(reach < 0, np.inf, reach).argmin())
        pairs.append((first[joined], first[nearest[joined]]))
        lengths.append(reach[joined])
        reach[joined] = -1.0
    return np.array(pairs, np.int64).T, np.array(lengths)
