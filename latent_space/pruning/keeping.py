"""Which share of the samples to keep: several strategies behind one door.

**Conventions**: a strategy is made for a pool, and then asked for any number of samples. `auto` is the default and
the only one that uses all that is known; `random` is what every other one has to beat.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from latent_space.neighbors import Graph, build_graph, checked_latents
from latent_space.pruning.automatic import AutomaticOrder
from latent_space.pruning.choice import Choice, Indices, Pool, covered_by
from latent_space.pruning.labels import class_codes, class_probabilities, hardness
from latent_space.pruning.steps import StepsOrder
from latent_space.selection import facility_location, k_center

N_NEIGHBORS = 15
Strategy = Callable[[int], Choice]


def select_to_keep(
    latents: npt.ArrayLike,
    fraction: float,
    *,
    strategy: str = "auto",
    labels: npt.ArrayLike | None = None,
    losses: npt.ArrayLike | None = None,
    random_state: int = 0,
) -> Indices:
    """Rank the samples that are worth keeping.

    Parameters
    ----------
    latents : (n, n_features) array
        Finite.
    fraction : float
        Share to keep, between 0 and 1, both excluded; at least one sample is kept.
    strategy : {"auto", "random", "facility_location", "kcenter", "loss", "steps"}
        What to go by; see `STRATEGIES`.
    labels : (n,) array, optional
        Class of each sample.
    losses : (n,) array, optional
        Loss of each sample, higher = worse; NaN where unknown.
    random_state : int
        Seed.

    Returns
    -------
    (n_kept,) int64 array
        Indices, the most worth keeping first.

    Raises
    ------
    ValueError
        If the fraction is not between 0 and 1, the strategy is unknown or lacks what it needs, or shapes do not fit.

    Examples
    --------
    >>> select_to_keep([[0.0], [1.0], [2.0], [3.0]], 0.5, strategy="loss", losses=[0.1, 0.4, 0.2, 0.3]).tolist()
    [1, 3]
    """
    pool = make_pool(latents, labels=labels, losses=losses, random_state=random_state)
    return choose(pool, fraction, strategy=strategy).kept


def choose(pool: Pool, fraction: float, *, strategy: str = "auto") -> Choice:
    """Decide for every sample of a pool whether it is kept, and why.

    Raises
    ------
    ValueError
        If the fraction or the strategy is none, or the strategy needs what the pool does not have.
    """
    n = n_kept(len(pool), fraction)
    return prepare(pool, strategy)(n)


def prepare(pool: Pool, strategy: str) -> Strategy:
    """Do what a strategy does once for a pool; the result takes the number of samples to keep.

    Raises
    ------
    ValueError
        If the strategy is none, or needs what the pool does not have.
    """
    check_strategy(strategy)
    return STRATEGIES[strategy](pool)


def check_strategy(strategy: str) -> None:
    """Raise a ValueError if a strategy is none."""
    if strategy not in STRATEGIES:
        raise ValueError(f"strategy must be one of {', '.join(STRATEGIES)}; got {strategy!r}.")


def n_kept(n: int, fraction: float) -> int:
    """Return how many of n samples a share is: at least one.

    Raises
    ------
    ValueError
        If the share is not between 0 and 1, or there are no samples.
    """
    if not 0 < fraction < 1:
        raise ValueError(f"fraction to keep must be between 0 and 1, both excluded; got {fraction}.")
    if n == 0:
        raise ValueError("latents must have at least one sample to keep; got none.")
    return max(1, round(fraction * n))


def make_pool(
    latents: npt.ArrayLike,
    *,
    graph: Graph | None = None,
    labels: npt.ArrayLike | None = None,
    losses: npt.ArrayLike | None = None,
    **more: Any,
) -> Pool:
    """Check what is known about samples, and build their graph where it is not given.

    Losses that are unknown count as the middle of the others; where none is known it is as if there were no losses.
    """
    points = checked_latents(latents)
    codes, classes = (None, np.array([], object)) if labels is None else class_codes(labels, len(points))
    known = None if losses is None else np.asarray(losses, np.float64)
    if known is not None:
        if known.shape != (len(points),):
            raise ValueError(f"losses must be one per sample, {len(points)}; got shape {known.shape}.")
        finite = np.isfinite(known)
        known = np.where(finite, known, np.median(known[finite])) if finite.any() else None
    graph = graph or build_graph(points, n_neighbors=N_NEIGHBORS)
    return Pool(points, graph, codes=codes, losses=known, classes=classes, **more)


def _random(pool: Pool) -> Strategy:
    order = np.random.default_rng(pool.random_state).permutation(len(pool))
    return lambda n_keep: _explained(pool, order[:n_keep], "drawn at random", "not drawn")


def _facility_location(pool: Pool) -> Strategy:
    reason = "stands for samples like it"
    return lambda n_keep: _explained(pool, facility_location(pool.graph, n_keep).indices, reason)


def _k_center(pool: Pool) -> Strategy:
    def choose_centers(n_keep: int) -> Choice:
        order = k_center(pool.latents, n_keep, random_state=pool.random_state).indices
        return _explained(pool, order, "far from what was kept before it")

    return choose_centers


def _loss(pool: Pool) -> Strategy:
    if pool.losses is not None:
        hard = pool.losses
    elif pool.codes is not None:
        probabilities = class_probabilities(pool.latents, pool.codes, random_state=pool.random_state)
        hard = hardness(probabilities, pool.codes)
    else:
        raise ValueError("losses or labels must be given for strategy loss; got neither.")
    order = np.argsort(-hard, kind="stable")
    return lambda n_keep: _explained(pool, order[:n_keep], "hard for the model", "easy for the model")


def _explained(pool: Pool, order: Indices, kept: str, dropped: str | None = None) -> Choice:
    reasons = np.full(len(pool), dropped or "", object)
    reasons[order] = kept
    if dropped is None:
        others = np.setdiff1d(np.arange(len(pool)), order)
        reasons[others] = covered_by(pool, others, order)
    return Choice(order.astype(np.int64), reasons)


STRATEGIES: dict[str, Callable[[Pool], Strategy]] = {
    "auto": AutomaticOrder,
    "random": _random,
    "facility_location": _facility_location,
    "kcenter": _k_center,
    "loss": _loss,
    "steps": StepsOrder,
}
