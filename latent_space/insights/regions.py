"""Regions of latent space at several sizes: clusters of partitions, known groups, and the nearest of some samples.

**Conventions**: a region is a column of a bool matrix with a row per sample; no two columns are the same.
"""

import numpy as np
import numpy.typing as npt

from latent_space.clustering import partition, reduced

Bools = npt.NDArray[np.bool_]

_REGIONS = (3, 6, 12, 24, 48)
_PER_REGION = 12
_BALLS, _BALL_SHARES = 60, (0.04, 0.08)


def regions(points: npt.NDArray[np.float32], groups: list[npt.NDArray[np.int64]], random_state: int) -> Bools:
    """Return the members of every cluster of several partitions, and of the groups given."""
    masks: list[Bools] = [group == number for group in groups for number in np.unique(group[group >= 0])]
    if (points != points[0]).any():
        flat = reduced(points)
        for n_clusters in _REGIONS:
            if n_clusters * _PER_REGION <= len(flat):
                ids = partition(flat, n_clusters, random_state)
                masks += [ids == number for number in np.unique(ids)]
        masks += _balls(flat, random_state)
    different = {mask.tobytes(): mask for mask in masks}
    return np.stack(list(different.values()), axis=1) if different else np.zeros((len(points), 0), bool)


def _balls(flat: npt.NDArray[np.float32], random_state: int) -> list[Bools]:
    """Return the nearest samples around some drawn ones, in a few sizes."""
    generator = np.random.default_rng(random_state)
    masks = []
    for center in generator.choice(len(flat), min(_BALLS, len(flat)), replace=False):
        away = np.square(flat - flat[center]).sum(axis=1)
        masks += [away <= np.quantile(away, share) for share in _BALL_SHARES]
    return masks
