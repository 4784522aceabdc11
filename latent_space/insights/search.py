"""Search for groups of samples with high values among conditions and their combinations, tested against chance.

The values are turned into normal scores first, so that one extreme sample makes no slice. A group of s of n samples
has the statistic z = sum of its scores / sqrt(s (1 - s / n)). A beam keeps the best conditions and combines each with
every other. **Chance**: the whole search is repeated with the values shuffled; what is compared is the best z of the
search, which corrects for all the groups it tried. A Gumbel distribution fitted to the shuffled bests gives p-values
beyond the number of repetitions (A. M. Winkler et al., NeuroImage 2016).

**Conventions**: a group is a tuple of columns of the conditions' matrix. z is one-sided: only higher values count.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import combinations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Singles = npt.NDArray[np.float32]
Group = tuple[int, ...]

BEAM = 40
DEPTH = 3
_GAIN = 1.1  # a condition more must be worth its words
_ENOUGH = 0.95
_EULER = 0.5772156649015329
_LEAST_SCALE = 0.25  # about that of the best of a thousand; rare events make all bests alike
_HOPELESS = 3


@dataclass(frozen=True, eq=False)
class Candidates:
    """The conditions among which groups are searched.

    Attributes
    ----------
    masks : (n, n_conditions) bool array
        Which samples meet them.
    source : (n_conditions,) int array
        Conditions of the same source are not combined.
    smallest, largest : int
        Samples of a group.
    """

    masks: Bools
    source: npt.NDArray[np.int64]
    smallest: int
    largest: int

    def members(self, group: Group) -> Bools:
        """Tell which samples meet all conditions of a group."""
        met = self.masks[:, list(group)]
        return np.asarray(met.all(axis=1), bool)

    @cached_property
    def as_floats(self) -> npt.NDArray[np.float32]:
        """The masks for products of matrices."""
        return self.masks.astype(np.float32)

    @cached_property
    def sizes(self) -> npt.NDArray[np.float32]:
        """Samples that meet each condition."""
        sizes: npt.NDArray[np.float32] = self.masks.sum(axis=0).astype(np.float32)
        return sizes


@dataclass(frozen=True)
class Found:
    """A group and how far its scores lie above chance."""

    group: Group
    z: float


def normal_scores(values: npt.ArrayLike) -> Floats:
    """Return the normal quantiles of the ranks, with mean 0 and variance 1; 0 where all values are the same.

    Examples
    --------
    >>> normal_scores([3.0, 1.0, 2.0]).round(2).tolist()
    [1.22, -1.22, 0.0]
    """
    from scipy.stats import norm, rankdata

    array = np.asarray(values, np.float64)
    scores = norm.ppf((rankdata(array) - 0.5) / max(len(array), 1)) if len(array) else array
    spread = scores.std() if len(array) else 0.0
    centered: Floats = scores - scores.mean() if len(array) else scores
    return centered / spread if spread > 1e-12 else np.zeros(len(array))


def search(scores: Floats, candidates: Candidates, *, depth: int = DEPTH) -> list[Found]:
    """Return groups, the highest z first: single conditions, and combinations that are better than their parts.

    Parameters
    ----------
    scores : (n,) array
        Of mean about 0 and variance about 1.
    candidates : Candidates
        Of the same samples.
    depth : int
        Most conditions in a group.

    Returns
    -------
    list of Found
        Of positive z; at most `BEAM` per number of conditions.
    """
    masks = candidates.as_floats
    if not masks.shape[1] or not scores.any():
        return []
    weighted = scores.astype(np.float32)
    single = _z(weighted @ masks, candidates.sizes, candidates)
    groups = _best(single)[:, None]
    z = single[groups[:, 0]]
    found = [(groups, z)]
    for _ in range(depth - 1):
        if not len(groups):
            break
        groups, z = _deeper(groups, z, weighted, candidates)
        found.append((groups, z))
    listed = [
        Found(tuple(group), float(value))
        for groups, z in found
        for group, value in zip(groups.tolist(), z, strict=True)
    ]
    return sorted(listed, key=lambda one: (-one.z, one.group))


def _deeper(groups: Ints, old: Singles, weighted: Singles, candidates: Candidates) -> tuple[Ints, Singles]:
    """Combine every group with every condition of another source; keep the best that gain by it."""
    masks = candidates.as_floats
    parents = masks[:, groups].prod(axis=2).T
    z = _z((parents * weighted) @ masks, parents @ masks, candidates)
    sources = candidates.source[groups]
    z[(sources[:, :, None] == candidates.source).any(axis=1) | (z < np.float32(_GAIN) * old[:, None])] = 0
    row, column = np.divmod(_best(z.ravel()), z.shape[1])
    combined = np.sort(np.column_stack([groups[row], column]), axis=1)
    kept = np.sort(np.unique(combined, axis=0, return_index=True)[1])
    return combined[kept], z[row, column][kept]


def _z(sums: Singles, sizes: Singles, candidates: Candidates) -> Singles:
    n = np.float32(len(candidates.masks))
    spread = np.sqrt(sizes * (n - sizes) / n)
    allowed = (sizes >= candidates.smallest) & (sizes <= candidates.largest) & (spread > 0)
    return np.divide(sums, spread, out=np.zeros_like(sums), where=allowed)


def _best(z: Singles) -> Ints:
    """Return the places of the `BEAM` highest positive values, ties by place."""
    places = np.flatnonzero(z > 0)
    if len(places) > BEAM:
        least = np.partition(z[places], len(places) - BEAM)[len(places) - BEAM]
        places = places[z[places] >= least]
    return places[np.argsort(-z[places], kind="stable")[:BEAM]]


def simpler(found: Found, scores: Floats, candidates: Candidates) -> list[Found]:
    """List the groups of fewer conditions that are nearly as good, the fewest first; last the group itself.

    A beam adds a condition to the group it came from; with others, one less may do.
    """
    listed: list[Found] = []
    for n in range(1, len(found.group)):
        groups = list(combinations(found.group, n))
        members = np.stack([candidates.members(group) for group in groups], axis=1).astype(np.float32)
        z = _z(scores.astype(np.float32) @ members, members.sum(axis=0), candidates)
        order = np.argsort(-z, kind="stable")
        listed += [Found(groups[index], float(z[index])) for index in order if z[index] >= _ENOUGH * found.z]
    return [*listed, found]


def shuffled_bests(
    scores: Floats,
    candidates: Candidates,
    *,
    strata: Ints,
    n_permutations: int,
    random_state: int,
    stop_above: float = np.inf,
) -> Floats:
    """Return the best z of the search on scores shuffled within strata, once per permutation.

    With `stop_above`, the repetition ends early once three of the bests reached it: no p-value can be small then.
    """
    generator = np.random.default_rng(random_state)
    places = [np.flatnonzero(strata == one) for one in np.unique(strata)]
    bests: list[float] = []
    for _ in range(n_permutations):
        shuffled = scores.copy()
        for own in places:
            shuffled[own] = scores[generator.permutation(own)]
        found = search(shuffled, candidates)
        bests.append(found[0].z if found else 0.0)
        if sum(best >= stop_above for best in bests) >= _HOPELESS:
            break
    return np.array(bests)


def chance_of(z: float, bests: Floats) -> float:
    """Return the probability that chance alone makes a search as good as `z`: Gumbel's, fitted to the shuffled bests.

    Examples
    --------
    >>> bests = np.array([2.0, 2.5, 3.0, 3.5])
    >>> chance_of(3.0, bests), round(chance_of(6.0, bests), 4)
    (0.6, 0.0009)
    """
    if not len(bests):
        return 1.0
    scale = max(float(bests.std(ddof=1)) * np.sqrt(6) / np.pi, _LEAST_SCALE) if len(bests) > 1 else 1.0
    center = float(bests.mean()) - _EULER * scale
    gumbel = float(-np.expm1(-np.exp(-(z - center) / scale)))
    counted = float((np.sum(bests >= z) + 1) / (len(bests) + 1))
    return counted if counted > 2 / (len(bests) + 1) else min(max(gumbel, 1e-12), 1.0)
