"""Checks of single samples: what lies far out, what crosses splits, whose ground truth is doubted, what is crowded.

**Conventions**: scores are float64, one per row of the space, higher = more suspicious; NaN where a check does not
apply. "Unusual" is a robust z-score whose normal tail survives a false-discovery rate of 1 % over all samples; the
spread is the widest that several upper quantiles suggest, so that a heavy tail is not taken for outliers.
"""

import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from latent_space.neighbors import Graph, build_graph
from latent_space.pruning.labels import class_codes, class_probabilities, doubt_labels
from latent_space.space import Space

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_FALSE_DISCOVERIES = 0.01
_QUANTILES = np.array([0.75, 0.9, 0.95])
_FEWEST = 20
_FEWEST_NEIGHBORS = 3
_CROWDED, _CROWDED_SHARE = 0.5, 0.05
_CLASS = re.compile(r"(^|_)(label|class|category|target|species|digit)(_name)?$")
TRAINING, JUDGED = "training", ("validation", "test")


@dataclass(frozen=True, eq=False)
class Check:
    """A score and a verdict per row of the space."""

    score: Floats
    verdict: Bools


def find_outliers(graph: Graph) -> Check:
    """Score samples by how far their neighbours are, in units of what is usual; 1 is usual.

    Far from everything is what the model has not seen: an edge scores higher than a center.

    Examples
    --------
    >>> from latent_space.neighbors import build_graph
    >>> check = find_outliers(build_graph([[0.0], [1.0], [2.0], [3.0], [40.0]], n_neighbors=2))
    >>> int(check.score.argmax())
    4
    """
    if graph.n_neighbors == 0:
        return Check(np.zeros(len(graph.indices)), np.zeros(len(graph.indices), bool))
    away = graph.distances.mean(axis=1, dtype=np.float64)
    usual = float(np.median(away)) or float(away.mean())
    if usual <= 0:
        return Check(np.ones(len(away)), np.zeros(len(away), bool))
    score = away / usual
    return Check(score, unusual(np.log(score.clip(1e-6))))


def find_leaks(graph: Graph, split: npt.NDArray[np.str_], near_duplicates: pd.DataFrame) -> Check:
    """Find samples that training shares with validation or test: near-duplicates on both sides.

    The score is 1 minus the distance to the nearest sample of the other side as a share of that to the last neighbour;
    0 where no neighbour is of the other side.
    """
    side = np.where(split == TRAINING, 1, np.where(np.isin(split, JUDGED), -1, 0))
    score = np.where(side == 0, np.nan, 0.0)
    if graph.n_neighbors:
        crossing = side[graph.indices] * side[:, None] == -1
        distances = graph.distances.astype(np.float64)
        far = distances[:, -1:]
        share = np.divide(distances, far, out=np.zeros_like(distances), where=far > 0)
        nearest = np.where(crossing, share, 1.0).min(axis=1)
        score = np.where(side == 0, np.nan, 1 - nearest)
    group = near_duplicates["near_duplicate_group"].to_numpy()
    both = np.intersect1d(group[side == 1], group[side == -1])
    leaked = np.isin(group, both[both >= 0]) & (side != 0)
    return Check(np.where(leaked, np.fmax(score, near_duplicates["near_duplicate_score"]), score), leaked)


def find_doubted_truths(graph: Graph, losses: Floats, split: npt.NDArray[np.str_]) -> Check:
    """Find samples whose loss is high although the model does well on all around them: the ground truth may be wrong.

    Parameters
    ----------
    graph : Graph
        Of the space.
    losses : (m,) array
        NaN where there is none.
    split : (m,) array of str
        Losses are compared with what is usual in their own split.

    Returns
    -------
    Check
        The score is a robust z-score of the logarithm of the loss beside its neighbours' mean.
    """
    nothing = Check(np.full(len(losses), np.nan), np.zeros(len(losses), bool))
    level = _levels(losses, split)
    known = np.isfinite(level)
    if known.sum() < _FEWEST or graph.n_neighbors == 0:
        return nothing
    around = level[graph.indices]
    counts = np.isfinite(around).sum(axis=1)
    means = np.where(counts >= _FEWEST_NEIGHBORS, np.nansum(around, axis=1) / np.maximum(counts, 1), np.nan)
    surprise = level - means
    judged = np.isfinite(surprise)
    if judged.sum() < _FEWEST:
        return nothing
    high = level >= np.quantile(level[known], 0.75)
    calm = means <= np.quantile(means[judged], 0.75)
    return Check(robust_z(surprise), unusual(surprise) & high & calm)


def find_wrong_classes(space: Space, labels: npt.NDArray[np.object_], *, random_state: int = 0) -> Check:
    """Find samples that their neighbours, and a probe that never saw them, take for another class.

    The score is 0 where the label is the most probable class, towards 1; see `latent_space.pruning.labels`.

    References
    ----------
    C. G. Northcutt et al., Confident learning, Journal of Artificial Intelligence Research 2021.
    """
    score, verdict = np.full(len(labels), np.nan), np.zeros(len(labels), bool)
    given = np.flatnonzero(pd.notna(labels))
    codes, classes = class_codes(labels[given], len(given))
    if len(classes) < 2 or len(given) <= _FEWEST_NEIGHBORS or space.graph.n_neighbors < _FEWEST_NEIGHBORS:
        return Check(score, verdict)
    latents, graph = space.latents[given], space.graph
    if len(given) < len(labels):
        graph = build_graph(latents, n_neighbors=graph.n_neighbors)
    probabilities = class_probabilities(latents, codes, random_state=random_state)
    likely, score[given] = doubt_labels(probabilities, graph, codes)
    verdict[given] = likely != codes
    return Check(score, verdict)


def class_column(samples: pd.DataFrame) -> str | None:
    """Return the metadata column that by its name is a class and has a few values; None where there is none."""
    for column in samples.columns:
        if str(column).startswith("meta_") and _CLASS.search(str(column)):
            n_values = samples[column].nunique()
            if 2 <= n_values <= max(2, min(100, len(samples) // 10)):
                return str(column)
    return None


def find_crowded(graph: Graph, subgroup_ids: npt.NDArray[np.int64]) -> Check:
    """Find samples that say much the same: half as far apart as is usual, 5 % of all samples in one subgroup.

    The score is 1 minus the distance to the neighbours in units of what is usual, at least 0.
    """
    n = len(graph.indices)
    away = graph.distances.mean(axis=1, dtype=np.float64) if graph.n_neighbors else np.zeros(n)
    usual = float(np.median(away)) if n else 0.0
    if usual <= 0:
        return Check(np.zeros(n), np.zeros(n, bool))
    near, verdict = away <= _CROWDED * usual, np.zeros(n, bool)
    for number in np.unique(subgroup_ids[subgroup_ids >= 0]):
        own = (subgroup_ids == number) & near
        if own.sum() >= max(_CROWDED_SHARE * n, _FEWEST):
            verdict |= own
    return Check((1 - away / usual).clip(0), verdict)


def unusual(values: Floats) -> Bools:
    """Tell which values are too high for the rest; none of fewer than 20, and none where half are the same."""
    from scipy.stats import norm

    z = robust_z(values)
    known = np.isfinite(z)
    verdict = np.zeros(len(values), bool)
    if known.sum() < _FEWEST:
        return verdict
    chance = norm.sf(z[known])
    ordered = np.sort(chance)
    passed = np.flatnonzero(ordered <= _FALSE_DISCOVERIES * np.arange(1, len(ordered) + 1) / len(ordered))
    if len(passed):
        verdict[known] = chance <= ordered[passed[-1]]
    return verdict


def robust_z(values: Floats) -> Floats:
    """Return robust z-scores of the finite values, 0 where the upper half has no spread."""
    from scipy.stats import norm

    finite = values[np.isfinite(values)]
    if not len(finite):
        return np.full(len(values), np.nan)
    middle = np.median(finite)
    spread = float(((np.quantile(finite, _QUANTILES) - middle) / norm.ppf(_QUANTILES)).max())
    return (values - middle) / spread if spread > 0 else np.where(np.isfinite(values), 0.0, np.nan)


def _levels(losses: Floats, split: npt.NDArray[np.str_]) -> Floats:
    """Return losses (their logarithms where all are positive) beside the median of their split."""
    finite = np.isfinite(losses)
    positive = finite.any() and (losses[finite] > 0).all()
    level = np.log(np.where(finite, losses, 1.0)) if positive else losses.copy()
    level[~finite] = np.nan
    for name in np.unique(split[finite]):
        own = finite & (split == name)
        level[own] -= np.median(level[own])
    return level
