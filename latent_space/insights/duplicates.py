"""Samples that are all but the same: nearer to each other than chance brings samples of this population together.

A threshold in units of the latents fits one model only, so nothing here has one. Two tests, both of ratios:

- **Small groups.** The nearest distance of a sample is compared with that to the last neighbour of the graph. Where
  samples lie evenly, the ratio to the power of the intrinsic dimension (estimated from the same graph) has a known
  distribution; a sample is a duplicate where the ratio is too small for chance, at a false-discovery rate of .1 % over
  all samples (Benjamini-Hochberg), and below a quarter; below a twelfth where it would be most samples, since many
  small clusters look like that.
- **Groups larger than the neighbourhood**, whose members see nothing but each other: a part of the graph that hangs
  together at its own scale and is 12 times as far from everything else as it is wide. Where the graph has only few
  parts it takes 100 times, and less than half of the samples: otherwise those are clusters.

**Conventions**: scores are in [0, 1], higher = more suspicious: 1 minus the ratio. Groups are numbered from 0 by their
first member, -1 is no group. Scaling, shifting or rotating the latents changes nothing. Latents that are all the same
are a collapsed model, not duplicates.

The constants were chosen on normal, uniform, heavy-tailed, clustered and grid data with and without planted copies, as
in the tests. A run on drawn totes was looked at meanwhile and chose none of them.
"""

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from latent_space.neighbors import Graph, build_graph, checked_latents

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Edges = tuple[Ints, Ints]

_FALSE_DISCOVERIES = 0.001
_LARGEST_RATIO, _LARGEST_OF_MOST = 1 / 4, 1 / 12
_FEWEST_NEIGHBORS = 5  # for an estimate of the dimension
_RANKS_APART = 3
_SAME_SCALE = 3.0
_ROWS_AT_ONCE = 2048
_TIGHT_AMONG_MANY, _TIGHT_AMONG_FEW = 1 / 12, 1 / 100


def find_near_duplicates(latents: npt.ArrayLike, *, graph: Graph | None = None) -> "pd.DataFrame":
    """Find groups of samples that are all but the same, by a threshold that the latents themselves set.

    Parameters
    ----------
    latents : (n, n_features) array
        Finite.
    graph : Graph, optional
        Of `build_graph(latents)`, when it is known.

    Returns
    -------
    DataFrame
        A row per sample: `near_duplicate_score` in [0, 1], `is_near_duplicate`, `near_duplicate_group` (-1 = none).

    Raises
    ------
    ValueError
        If the latents are not a finite matrix, or the graph is another population's.

    References
    ----------
    E. Levina and P. J. Bickel, Maximum likelihood estimation of intrinsic dimension, NeurIPS 2004.
    Y. Benjamini and Y. Hochberg, Controlling the false discovery rate, Journal of the Royal Statistical Society 1995.

    Examples
    --------
    >>> latents = np.random.default_rng(0).normal(size=(50, 8))
    >>> latents[7] = latents[3]
    >>> find_near_duplicates(latents).query("is_near_duplicate").index.tolist()
    [3, 7]
    """
    import pandas as pd

    points = checked_latents(latents)
    graph = graph or build_graph(points)
    if len(graph.indices) != len(points):
        raise ValueError(f"graph must be of the {len(points)} latents; got one of {len(graph.indices)} points.")
    score, group = np.zeros(len(points)), np.full(len(points), -1)
    if len(points) > 1 and (points != points[0]).any():
        small, large = _small_groups(graph), _large_groups(points, graph)
        score = 1 - np.minimum(_ratios(graph)[0], large[1])
        group = numbered_groups(len(points), np.hstack([small, large[0]]))
    found = group >= 0
    return pd.DataFrame({"near_duplicate_score": score, "is_near_duplicate": found, "near_duplicate_group": group})


def _ratios(graph: Graph) -> tuple[Floats, Floats]:
    """Return the nearest distance of every sample as a share of its farthest, and that one; 1 where all are 0."""
    distances = graph.distances.astype(np.float64)
    near, far = distances[:, 0], distances[:, -1]
    return np.divide(near, far, out=np.ones(len(near)), where=far > 0), far


def _small_groups(graph: Graph) -> Ints:
    """Return the pairs (2, n_pairs) of samples that are too near for chance, of what lies around both of them."""
    ratio, far = _ratios(graph)
    limit = _chance_limit(ratio, graph)
    start, end = _edges(graph)
    near = graph.distances.ravel() <= limit * np.minimum(far[start], far[end])
    near &= np.minimum(far[start], far[end]) > 0
    return np.stack([start[near], end[near]])


def _chance_limit(ratio: Floats, graph: Graph) -> float:
    """Return the ratio up to which chance is ruled out; 0, which exact copies have, where it cannot be known."""
    others = graph.n_neighbors - 1
    if others < _FEWEST_NEIGHBORS - 1:
        return 0.0
    power = _dimension(graph)
    with np.errstate(divide="ignore"):
        logarithm = power * np.log(np.minimum(ratio, 1 - 1e-12))
    chance = np.sort(-np.expm1(others * np.log1p(-np.exp(logarithm))))
    accepted = _FALSE_DISCOVERIES * np.arange(1, len(chance) + 1) / len(chance)
    passed = np.flatnonzero(chance <= accepted)
    if not len(passed):
        return 0.0
    share = -np.expm1(np.log1p(-accepted[passed[-1]]) / others)
    limit: float = float(share) ** (1 / power)
    limit = min(limit, _LARGEST_RATIO)
    return limit if (ratio <= limit).mean() <= 1 / 2 else min(limit, _LARGEST_OF_MOST)


def _dimension(graph: Graph) -> float:
    """Estimate the intrinsic dimension from how distances grow with rank, at ranks that few groups of copies straddle.

    In dimension d the logarithm of the ratio of two distances is (H(upper - 1) - H(lower - 1)) / d on average, with
    the harmonic numbers H. The median over samples and ranks is what copies cannot move.
    """
    distances = graph.distances.astype(np.float64)
    lower = np.arange(2, graph.n_neighbors - _RANKS_APART + 1)
    expected = sum(1 / (lower + step) for step in range(_RANKS_APART))
    near, far = distances[:, lower - 1], distances[:, lower + _RANKS_APART - 1]
    known = near > 0
    if not known.any():
        return np.inf
    growth = np.log(far[known] / near[known]) / np.broadcast_to(expected, near.shape)[known]
    middle = float(np.median(growth))
    return 1 / middle if middle > 0 else np.inf


def _large_groups(points: npt.NDArray[np.float32], graph: Graph) -> tuple[Ints, Floats]:
    """Return pairs that join the groups larger than a neighbourhood, and per sample its share of the way out (or 1)."""
    part = _parts(graph)
    sizes = np.bincount(part)
    members = np.split(np.argsort(part, kind="stable"), np.cumsum(sizes)[:-1])
    candidates = [own for own in members if len(own) > graph.n_neighbors]
    shares = _shares_of_the_way_out(points, part, candidates) if len(sizes) > 1 else np.ones(len(candidates))
    few = len(sizes) < np.sqrt(len(points)) / 2
    limit = _TIGHT_AMONG_FEW if few else _TIGHT_AMONG_MANY
    tight = [(own, share) for own, share in zip(candidates, shares, strict=True) if share <= limit]
    ratio = np.ones(len(points))
    if few and sum(len(own) for own, _ in tight) > len(points) / 2:
        return np.empty((2, 0), np.int64), ratio  # a few tight clusters
    for own, share in tight:
        ratio[own] = share
    pairs = [np.stack([np.full(len(own) - 1, own[0]), own[1:]]) for own, _ in tight]
    return np.hstack([np.empty((2, 0), np.int64), *pairs]), ratio


def _parts(graph: Graph) -> Ints:
    """Give numbers to the parts of the graph that hang together by edges no longer than usual at both of their ends."""
    start, end = _edges(graph)
    far = graph.distances[:, -1].astype(np.float64)
    usual = graph.distances.ravel() <= _SAME_SCALE * np.minimum(far[start], far[end])
    return _connected(len(far), np.stack([start[usual], end[usual]]))


def _shares_of_the_way_out(points: npt.NDArray[np.float32], part: Ints, candidates: list[Ints]) -> Floats:
    """Return how far the members of each part lie from its first, as a share of the distance to the next other sample.

    Products of matrices are exact enough here: a share counts as tight from far above their rounding.
    """
    from threadpoolctl import threadpool_limits

    first = np.array([own[0] for own in candidates], np.int64)
    outside = np.full(len(first), np.inf)
    centered = points - points.mean(axis=0, dtype=np.float64)
    norms = np.einsum("ij,ij->i", centered, centered)
    with threadpool_limits(1):
        for start in range(0, len(points), _ROWS_AT_ONCE):
            rows = slice(start, start + _ROWS_AT_ONCE)
            squared = norms[first, None] + norms[rows] - 2 * centered[first] @ centered[rows].T
            squared[part[first, None] == part[rows]] = np.inf
            outside = np.minimum(outside, squared.min(axis=1, initial=np.inf).clip(0))
    width = np.empty(len(first))
    for number, own in enumerate(candidates):
        away = centered[own[1:]] - centered[own[0]]
        width[number] = np.median(np.einsum("ij,ij->i", away, away))
    shares: Floats = np.sqrt(np.divide(width, outside, out=np.ones(len(width)), where=outside > 0))
    return shares


def _edges(graph: Graph) -> Edges:
    return np.repeat(np.arange(len(graph.indices)), graph.n_neighbors), graph.indices.ravel()


def _connected(n: int, pairs: Ints) -> Ints:
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    linked = coo_array((np.ones(pairs.shape[1], np.int8), (pairs[0], pairs[1])), shape=(n, n))
    part: Ints = connected_components(linked, directed=False)[1].astype(np.int64)
    return part


def numbered_groups(n: int, pairs: Ints) -> Ints:
    """Give numbers to the groups that the pairs make, by their first member, -1 for samples in no pair."""
    part = _connected(n, pairs)
    group = np.full(n, -1)
    paired = np.unique(pairs)
    if len(paired):
        _, first, inverse = np.unique(part[paired], return_index=True, return_inverse=True)
        group[paired] = np.argsort(np.argsort(first))[inverse]
    return group
