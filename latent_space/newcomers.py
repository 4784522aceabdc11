"""New samples beside those of a run: where they lie on its maps, and how far they are from what the run knows.

**Conventions**: both populations have latents of the same model and layer. `nearest_distance` is the Euclidean distance
in latent space to the nearest sample of the run; `strangeness_score` is the share of the run's own samples that are
nearer than that to their nearest other, so 1 means farther off than any, and `is_strange` marks scores above .99.
"""

import numpy as np
import pandas as pd

from latent_space.maps import MAPPED_METHODS
from latent_space.neighbors import find_neighbors
from latent_space.placement import place_among
from latent_space.population import Population
from latent_space.space import N_NEIGHBORS, Space, spread

STRANGE = 0.99
NEW = "new"
_PLACEMENT = ("nearest_sample_id", "nearest_distance", "strangeness_score")


def methods_with_map(known: Population) -> list[str]:
    """Return the methods of the maps on which new samples can be placed.

    Raises
    ------
    ValueError
        If there is no map.
    """
    methods: list[str] = [method for method in MAPPED_METHODS if f"{method}_x" in known.samples]
    if not methods:
        raise ValueError("The run must have a map to place samples on; got none. Make it with `armscope explore`.")
    return methods


def place_newcomers(new: Population, known: Population, space: Space) -> Population:
    """Place the samples of one population on the maps of another.

    Parameters
    ----------
    new : Population
        With latents of as many features as the other's.
    known : Population
        With maps.
    space : Space
        Of the samples of `known`.

    Returns
    -------
    Population
        `new` with the columns of `known`'s maps, `nearest_sample_id`, `nearest_distance`, `strangeness_score` and
        `is_strange`; NaN, and None, where a sample has no finite latents.

    Raises
    ------
    ValueError
        If `known` has no map, or the latents cannot be compared.
    """
    methods = methods_with_map(known)
    if new.latents.shape[1] != known.latents.shape[1]:
        raise ValueError(
            f"new samples must have latents like the run's, {known.latents.shape[1]} features; got "
            f"{new.latents.shape[1]}. They must come from the same model and layer."
        )
    rows = np.flatnonzero(np.isfinite(new.latents).all(axis=1))
    near = find_neighbors(new.latents[rows], space.latents, n_neighbors=N_NEIGHBORS)
    for method in methods:
        flat = known.samples[[f"{method}_x", f"{method}_y"]].to_numpy(np.float32)[space.rows]
        placed = place_among(near, flat, n=len(flat))
        for axis, column in zip("xy", placed.T, strict=True):
            places = spread(column, rows, len(new)).astype(np.float32)
            new = new.with_column(f"{method}_{axis}", places, replace=True)
    nearest = near.distances[:, 0]
    usual = np.sort(space.graph.distances[:, 0]) if space.graph.n_neighbors else np.zeros(0)
    score = spread(np.searchsorted(usual, nearest) / max(1, len(usual)), rows, len(new))
    names = np.full(len(new), None, object)
    names[rows] = known.samples["sample_id"].to_numpy(object)[space.rows[near.indices[:, 0]]]
    columns = {
        "nearest_sample_id": names,
        "nearest_distance": spread(nearest, rows, len(new)),
        "strangeness_score": score,
        "is_strange": score > STRANGE,
    }
    for name, values in columns.items():
        new = new.with_column(name, values, replace=True)
    return new


def beside(new: Population, known: Population, folder: str) -> Population:
    """Return the samples of both, the new ones in the split "new", to be looked at on one map.

    Parameters
    ----------
    new : Population
        As `place_newcomers` returns it.
    known : Population
        Those on the maps.
    folder : str
        Of the new samples, relative to the run folder of the others: their thumbnails lie in it.

    Returns
    -------
    Population
        With the columns that both have, and those that tell of the placement. A new sample whose id is taken is called
        "new: <id>".
    """
    mine, others = new.samples.copy(), known.samples.copy()
    mine["split"] = NEW
    taken = mine["sample_id"].isin(set(others["sample_id"]))
    mine["sample_id"] = mine["sample_id"].where(~taken, f"{NEW}: " + mine["sample_id"])
    if "thumbnail" in mine:
        mine["thumbnail"] = [f"{folder}/{name}" if isinstance(name, str) else None for name in mine["thumbnail"]]
    others["is_strange"] = False
    shared = [name for name in others if name in mine]
    placement = [name for name in _PLACEMENT if name not in shared]
    joined = pd.concat([others[shared], mine[[*shared, *placement]]], ignore_index=True)
    return Population(joined, np.concatenate([known.latents, new.latents]), run=known.run)
