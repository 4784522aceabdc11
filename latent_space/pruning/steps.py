"""Pruning by hand, made repeatable: the four steps of someone who looks at the map.

1. Pick clusters in which the model does well: those whose mean loss is not above the mean of all samples.
2. Cut by the distance to the cluster's centre: what lies farther out than the cut is kept, it says more.
3. Split the rest of each cluster into subgroups of samples that say the same.
4. Sample each subgroup, at least one of each and in proportion to its size.

The cut starts at the median distance of each cluster. Where that does not free enough samples, it moves outwards, then
the other clusters are picked too, those with the smaller loss first.

**Conventions**: cluster and subgroup numbers are those of `latent_space.clustering`; samples that are noise are in no
cluster and are kept as long as a cluster has samples to give. Without losses all clusters count as done well.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from latent_space.clustering import Clusters, cluster, subgroups
from latent_space.pruning.choice import Choice, Flags, Floats, Indices, Pool

_CUTS = (0.5, 0.75, 0.9, 1.0)  # quantiles of the distances in a cluster


@dataclass(frozen=True, eq=False)
class Steps:
    """What each of the four steps did.

    Attributes
    ----------
    cluster_ids : (n,) int64 array
        Cluster of each sample, -1 = noise.
    picked : list of int
        Step 1: the clusters that samples are taken from.
    cut : float
        Step 2: share of each picked cluster that lies within the cut.
    thresholds : dict
        Step 2: the distance to the centre at the cut, by picked cluster.
    subgroup_ids : (n,) int64 array
        Step 3: subgroup of each sample within the cut, -1 for all others.
    kept : (n_kept,) int64 array
        Step 4: what is kept, ranked.
    distances_to_center : (n,) float64 array
        Of each sample, in the latents' units.
    """

    cluster_ids: Indices
    picked: list[int]
    cut: float
    thresholds: dict[int, float]
    subgroup_ids: Indices
    kept: Indices
    distances_to_center: Floats


class StepsOrder:
    """The four steps for a pool, with a reason for every sample.

    Parameters
    ----------
    pool : Pool
        Samples, with losses where the model's are known.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._clusters = cluster(pool.latents, method="kmeans", graph=pool.graph, random_state=pool.random_state)
        self._parts = subgroups(pool.latents, self._clusters.cluster_ids, random_state=pool.random_state)

    def __call__(self, n_keep: int) -> Choice:
        """Keep samples by the four steps, and say of each at which one it was kept or dropped."""
        done = prune_by_steps(self._pool, n_keep, self._clusters, self._parts)
        is_kept = np.zeros(len(self._pool), bool)
        is_kept[done.kept] = True
        return Choice(done.kept, np.array(_reasons(done, is_kept), object))


def _reasons(done: Steps, is_kept: Flags) -> list[str]:
    sizes = np.bincount(done.subgroup_ids + 1)
    stay = np.bincount(done.subgroup_ids[is_kept] + 1, minlength=len(sizes))
    reasons = []
    for sample, (own, part) in enumerate(zip(done.cluster_ids.tolist(), done.subgroup_ids.tolist(), strict=True)):
        if part >= 0:
            share = f"{stay[part + 1]} of {sizes[part + 1]} kept of subgroup {part} in cluster {own}"
            reasons.append(f"sampled: {share}" if is_kept[sample] else f"near the centre, not sampled: {share}")
        elif own in done.thresholds:
            away, limit = done.distances_to_center[sample], done.thresholds[own]
            reasons.append(f"far from the centre of cluster {own}: {away:.3g} > {limit:.3g}")
        else:
            reasons.append(f"the model does not do well here: cluster {own}")
    return reasons


def prune_by_steps(pool: Pool, n_keep: int, clusters: Clusters, all_parts: Indices) -> Steps:
    """Go through the four steps until `n_keep` samples are left.

    Parameters
    ----------
    pool : Pool
        Samples, with losses where the model's are known.
    n_keep : int
        How many to keep.
    clusters : Clusters
        Of the samples.
    all_parts : (n,) int64 array
        Subgroups of the clusters, as `latent_space.clustering.subgroups` gives them.
    """
    losses = np.zeros(len(pool)) if pool.losses is None else pool.losses
    ids, distances = clusters.cluster_ids, clusters.distances_to_center
    for picked, cut in _widening(ids, losses):
        limits = {one: float(np.quantile(distances[ids == one], cut)) for one in picked}
        limit = np.array([limits.get(one, -np.inf) for one in ids.tolist()])
        parts = np.where(distances <= limit, all_parts, -1)
        if (parts < 0).sum() + len(np.unique(parts[parts >= 0])) <= n_keep:
            break
    kept = _sampled(pool, parts, losses, n_keep)
    return Steps(ids, picked, cut, limits, parts, kept, distances)


def _widening(cluster_ids: Indices, losses: Floats) -> Iterator[tuple[list[int], float]]:
    """Yield clusters to take samples from and the cut, each time wider."""
    numbers = np.unique(cluster_ids[cluster_ids >= 0])
    means = np.array([losses[cluster_ids == one].mean() for one in numbers])
    order = numbers[np.argsort(means, kind="stable")].tolist()
    n_good = max(1, int((means <= losses.mean()).sum())) if len(order) else 0
    for cut in _CUTS:
        yield order[:n_good], cut
    for n_picked in range(n_good + 1, len(order) + 1):
        yield order[:n_picked], 1.0


def _sampled(pool: Pool, parts: Indices, losses: Floats, n_keep: int) -> Indices:
    """Rank what is outside all subgroups by loss, then the subgroups' samples in turns, each in random order."""
    outside: Flags = parts < 0
    first = np.flatnonzero(outside)
    first = first[np.argsort(-losses[first], kind="stable")]
    mixed = np.random.default_rng(pool.random_state).permutation(np.flatnonzero(~outside))
    turn = np.empty(len(mixed))
    for part in np.unique(parts[mixed]):
        own = np.flatnonzero(parts[mixed] == part)
        turn[own] = np.arange(len(own)) / len(own)  # in proportion to the subgroup's size, the first at once
    second = mixed[np.argsort(turn, kind="stable")]
    return np.concatenate([first, second])[:n_keep].astype(np.int64)
