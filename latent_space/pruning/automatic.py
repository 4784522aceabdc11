"""The automatic order: copies out, doubtful labels out, floors, then coverage that leans to what is hard.

Each step is one function, in the order that measured best:

1. **Near-duplicates**: one of each group (and class) stands for the group; the others are kept only when there is room.
2. **Label issues**, looked for among samples that are no copies, so that no wrong label vouches for its own copy:
   samples whose label a probe and the neighbours together contradict, and those that the caller suspects.
3. **Floors**: every class keeps a part of an even share, spread by k-center where the class is rare; so does every
   region of the latents that holds few samples.
4. **Facility location** over the rest, each sample's coverage weighted by how hard it is.

The constants were chosen on scikit-learn's digits alone (clean, with label noise, and redundant and imbalanced); see
`benchmarks/bench_pruning.py` for what they do there and on data that was not looked at before.

**Conventions**: higher loss = harder; with classes and without losses, hardness is EL2N of a probe. Ties by index.
"""

import numpy as np
import numpy.typing as npt

from latent_space.insights.duplicates import find_near_duplicates
from latent_space.pruning.choice import Choice, Flags, Floats, Indices, Pool, covered_by, ranks
from latent_space.pruning.floors import floor_samples, regions
from latent_space.pruning.labels import class_probabilities, doubt_labels, hardness
from latent_space.selection import facility_location

Reasons = npt.NDArray[np.object_]

EASY_WEIGHT, HARD_POWER = 0.05, 2.0  # coverage counts EASY_WEIGHT + (rank of the hardness) ** HARD_POWER
_HARD = 0.9  # said of a sample harder than this share of the others


class AutomaticOrder:
    """The steps that do not depend on how much is kept, done once for a pool.

    Parameters
    ----------
    pool : Pool
        Samples and what is known of them.
    """

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self._stands_for = representatives(pool)
        is_copy = self._stands_for != np.arange(len(pool))
        self._unique, self._copies = np.flatnonzero(~is_copy), np.flatnonzero(is_copy)
        self._own = pool.part(self._unique)
        probabilities = _probabilities(self._own)
        self._reasons = np.full(len(self._own), "", object)
        self._doubtful = _doubtful(self._own, probabilities, self._reasons)
        self._hard = _hardness(self._own, probabilities)
        self._regions = regions(self._own)

    def __call__(self, n_keep: int) -> Choice:
        """Keep the samples that stand best for all."""
        reasons, own_reasons = np.full(len(self._pool), "", object), self._reasons.copy()
        kept = self._unique[self._cover(n_keep, own_reasons)]
        reasons[self._unique] = own_reasons
        originals = self._stands_for[self._copies]
        reasons[self._copies] = [f"near-duplicate of another: {self._pool.name(row)}" for row in originals]
        doubts = self._unique[self._doubtful]
        for spare in (self._copies[~np.isin(originals, doubts)], doubts, self._copies):
            more = np.setdiff1d(spare, kept)[: n_keep - len(kept)]
            reasons[more] = [f"kept only because there is room: {reasons[row]}" for row in more]
            kept = np.concatenate([kept, more])
        return Choice(kept, reasons)

    def _cover(self, n_keep: int, reasons: Reasons) -> Indices:
        """Rank the sound samples to keep: floors first, then by coverage; say why each is kept or left out."""
        candidates = np.flatnonzero(~self._doubtful)
        n_keep = min(n_keep, len(candidates))
        weights = np.where(self._doubtful, 0, EASY_WEIGHT + self._hard**HARD_POWER)
        floors = floor_samples(self._own, n_keep, candidates, weights, self._regions)
        picked = list(floors)
        reasons[picked] = [*floors.values()]
        ranking = facility_location(
            self._own.graph, n_keep - len(picked), weights=weights, chosen=picked, candidates=candidates
        )
        for sample in ranking.indices:
            reasons[sample] = "stands for samples like it" + (": a hard one" if self._hard[sample] >= _HARD else "")
        order = np.concatenate([np.array(picked, np.int64), ranking.indices])
        left_out = np.setdiff1d(candidates, order)
        reasons[left_out] = covered_by(self._own, left_out, order)
        return order


def representatives(pool: Pool, *, by_class: bool = True) -> Indices:
    """Return for each sample the one that stands for it: the first of its near-duplicates (of its class, if asked)."""
    group = find_near_duplicates(pool.latents, graph=pool.graph)["near_duplicate_group"].to_numpy(np.int64)
    own = np.arange(len(pool))
    in_group = np.flatnonzero(group >= 0)
    codes = pool.codes if by_class and pool.codes is not None else np.zeros(len(pool), np.int64)
    keys = np.stack([group[in_group], codes[in_group]])
    _, first, number = np.unique(keys, axis=1, return_index=True, return_inverse=True)
    own[in_group] = in_group[first][number.ravel()]
    return own


def _probabilities(pool: Pool) -> Floats | None:
    if pool.codes is None:
        return None
    return class_probabilities(pool.latents, pool.codes, random_state=pool.random_state)


def _doubtful(pool: Pool, probabilities: Floats | None, reasons: Reasons) -> Flags:
    """Tell which labels are probably wrong, and say why."""
    doubtful = np.zeros(len(pool), bool) if pool.suspects is None else pool.suspects.copy()
    reasons[doubtful] = "label doubtful: the model or the neighbours contradict it"
    if pool.codes is not None and probabilities is not None:
        seems, _ = doubt_labels(probabilities, pool.graph, pool.codes)
        for sample in np.flatnonzero(seems != pool.codes):
            given, other = pool.class_name(pool.codes[sample]), pool.class_name(seems[sample])
            reasons[sample] = f"label probably wrong: {given}, but seems to be {other}"
        doubtful |= seems != pool.codes
    return doubtful


def _hardness(pool: Pool, probabilities: Floats | None) -> Floats:
    """Return how hard each sample is among the others, in [0, 1]; the same for all where nothing tells."""
    if pool.losses is not None:
        return ranks(pool.losses)
    if pool.codes is not None and probabilities is not None:
        return ranks(hardness(probabilities, pool.codes))
    return np.full(len(pool), 0.5)
