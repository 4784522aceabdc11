"""What is kept whatever else is: some samples of every class, and of every region of the latents that holds few.

**Conventions**: a floor is a number of samples. A class is rare when it has less than half of what an even share would
be, a region when it holds less than half of the mean. Rare ones are spread by k-center, the others by coverage.
"""

from itertools import zip_longest

import numpy as np

from latent_space.pruning.choice import Flags, Floats, Indices, Pool
from latent_space.pruning.probe import one_quiet_thread
from latent_space.selection import facility_location, k_center

CLASS_FLOOR = 0.5  # of an even share of what is kept
REGION_FLOOR = 1.0  # of what a rare region would keep by its size
RARE = 0.5  # of the mean size
SAMPLES_PER_REGION = 50
MOST_REGIONS = 50
_LEARN_FROM = 5_000


def floor_samples(pool: Pool, n_keep: int, candidates: Indices, weights: Floats, region: Indices) -> dict[int, str]:
    """Return the samples that fill the floors, at most `n_keep`, each with the reason.

    Parameters
    ----------
    pool : Pool
        Samples.
    n_keep : int
        How many are kept in all.
    candidates : array of indices
        Samples that may fill a floor.
    weights : (n,) array
        How much the coverage of each counts.
    region : (n,) int64 array
        Where each sample is, as `regions` tells.
    """
    sound = np.zeros(len(pool), bool)
    sound[candidates] = True
    picks = [*_class_picks(pool, n_keep, sound, weights), *_region_picks(pool, n_keep, sound, region)]
    filled: dict[int, str] = {}
    for turn in zip_longest(*(samples.tolist() for _, samples in picks)):
        for (name, _), sample in zip(picks, turn, strict=True):
            if sample is not None and len(filled) < n_keep:
                filled.setdefault(sample, name)
    return filled


def _class_picks(pool: Pool, n_keep: int, sound: Flags, weights: Floats) -> list[tuple[str, Indices]]:
    if pool.codes is None:
        return []
    sizes = np.bincount(pool.codes[sound])
    even = n_keep / max((sizes > 0).sum(), 1)
    picks = []
    for code in np.flatnonzero(sizes):
        members = np.flatnonzero(sound & (pool.codes == code))
        n = min(len(members), int(np.ceil(CLASS_FLOOR * even)))
        if len(members) < RARE * sizes[sizes > 0].mean():
            picked = _spread(pool, members, n)
        else:
            mine = np.where(pool.codes == code, weights, 0)
            picked = facility_location(pool.graph, n, weights=mine, candidates=members).indices
        picks.append((f"so that every class stays: {pool.class_name(int(code))}", picked))
    return picks


def _region_picks(pool: Pool, n_keep: int, sound: Flags, region: Indices) -> list[tuple[str, Indices]]:
    sizes = np.bincount(region[sound], minlength=region.max(initial=0) + 1)
    if len(sizes) < 2:
        return []
    picks = []
    for one in np.flatnonzero((sizes > 0) & (sizes < RARE * sizes.mean())):
        members = np.flatnonzero(sound & (region == one))
        n = min(len(members), int(np.ceil(REGION_FLOOR * n_keep * len(members) / sound.sum())))
        picks.append((f"so that every rare region stays: one of {len(members)} samples", _spread(pool, members, n)))
    return picks


def _spread(pool: Pool, members: Indices, n: int) -> Indices:
    if not n:
        return members[:0]
    return members[k_center(pool.latents[members], n, random_state=pool.random_state).indices]


def regions(pool: Pool) -> Indices:
    """Cut the latents into cells, by k-means on at most some thousand of them."""
    from sklearn.cluster import KMeans

    n_regions = min(MOST_REGIONS, len(pool) // SAMPLES_PER_REGION)
    if n_regions < 2 or (pool.latents == pool.latents[0]).all():
        return np.zeros(len(pool), np.int64)
    scale = float(np.abs(pool.latents).max())
    points = (pool.latents / scale).astype(np.float64)
    generator = np.random.default_rng(pool.random_state)
    some = np.sort(generator.choice(len(points), min(len(points), _LEARN_FROM), replace=False))
    n_regions = min(n_regions, len(np.unique(points[some], axis=0)))
    with one_quiet_thread():  # points that one far off leaves no room between make fewer regions
        model = KMeans(n_regions, n_init=1, random_state=pool.random_state).fit(points[some])
        return np.asarray(model.predict(points), np.int64)
