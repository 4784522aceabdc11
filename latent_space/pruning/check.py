"""The check behind every pruning: what a probe that learns from the kept part is worth, beside random and everything.

Per seed a quarter of the samples is held out, near-duplicates together, and one of each group is judged. Every strategy
keeps several shares of the rest; a probe learns from what is kept (see `latent_space.pruning.probe`).

**Conventions**: scores are the probe's, at most 1, higher = better. More than 4,000 samples are checked on a seeded
4,000. Where the probe learns too little even from everything (at most 0.3, or twice what chance does, better than
guessing), the check cannot tell, and says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from latent_space.curves import Curve, summary
from latent_space.progress import track
from latent_space.pruning.automatic import representatives
from latent_space.pruning.choice import Indices, Pool
from latent_space.pruning.keeping import n_kept, prepare
from latent_space.pruning.probe import class_score, loss_score

Scores = npt.NDArray[np.float64]

TITLE = "What can be dropped"
FRACTIONS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
CHECKED = ("auto", "steps", "facility_location", "random")
N_SEEDS = 5
TOLERANCE = 0.01
FEWEST = 40
_AT_MOST = 4_000
_HELD_OUT = 0.25
_LEAST = 0.3  # better than guessing: below, a probe tells too little to drop anything by


@dataclass(frozen=True)
class Check:
    """The curve of a check, and what it proposes.

    Attributes
    ----------
    curve : Curve
        Scores by the share that is kept.
    proposed : float, optional
        Smallest share whose score stays within the tolerance of everything, with no larger one that does not, and is
        not below random's; None where nothing can be dropped, or the check cannot tell.
    """

    curve: Curve
    proposed: float | None


def check_pruning(
    pool: Pool,
    *,
    strategy: str = "auto",
    fractions: Sequence[float] = FRACTIONS,
    tolerance: float = TOLERANCE,
    n_seeds: int = N_SEEDS,
) -> Check:
    """Measure what is lost by keeping several shares of a pool.

    Parameters
    ----------
    pool : Pool
        With classes or losses.
    strategy : str
        The one to propose by; it is drawn beside those of `CHECKED`.
    fractions : sequence of float
        Shares to keep.
    tolerance : float
        How far the score may fall below that of everything.
    n_seeds : int
        Repetitions, each with other samples held out.

    Raises
    ------
    ValueError
        If the pool has neither classes nor losses, or is too small to hold some out.
    """
    if pool.codes is None and pool.losses is None:
        raise ValueError("pool must have classes or losses to check what can be dropped; got neither.")
    if len(pool) < FEWEST:
        raise ValueError(f"pool must have at least {FEWEST} labelled samples to be checked; got {len(pool)}.")
    if not 0 <= tolerance < 1:
        raise ValueError(f"tolerance must be between 0 and 1; got {tolerance}.")
    shares = sorted(fractions)
    names = list(dict.fromkeys([strategy, *CHECKED]))
    runs = [_one_seed(pool, names, shares, pool.random_state + seed) for seed in track(range(n_seeds), "check")]
    scores = {name: np.array([parts[name] for _, parts in runs]) for name in names}
    outcome = _Outcome(
        "accuracy" if pool.codes is not None else "rank correlation of predicted and true loss",
        shares,
        scores[strategy].mean(axis=0),
        scores["random"].mean(axis=0),
        float(np.mean([whole for whole, _ in runs])),
        *_guessing(pool, n_seeds),
        tolerance,
    )
    curve = Curve(
        TITLE,
        "share of the training samples kept",
        f"{outcome.what}, on held-out samples",
        shares,
        {name: summary(values) for name, values in scores.items()},
        n_seeds,
        outcome.sentence(),
        outcome.full if np.isfinite(outcome.full) else None,
    )
    place = outcome.place()
    return Check(curve, None if place is None else shares[place])


@dataclass(frozen=True, eq=False)
class _Outcome:
    """Mean scores of the strategy that proposes, of random and of everything, and what they say."""

    what: str
    shares: list[float]
    own: Scores
    random: Scores
    full: float
    guessing: float
    chance: float
    tolerance: float

    def can_tell(self) -> bool:
        return bool(self.full > self.guessing + max(_LEAST, 2 * self.chance))

    def place(self) -> int | None:
        """Return the place of the smallest share that is good, none larger being worse than the tolerance allows."""
        best = None
        if self.can_tell():
            for place in range(len(self.shares) - 1, -1, -1):
                if not self.own[place] >= self.full - self.tolerance:
                    break
                if self.own[place] >= self.random[place]:
                    best = place
        return best

    def sentence(self) -> str:
        """Say what can be dropped and what that costs, in the score's own numbers."""
        if not self.can_tell():
            if self.guessing == 1:
                return "Cannot tell what can be dropped: all samples are of one class."
            learned = "all losses are the same" if np.isnan(self.full) else f"{self.what} {self.full:.3f}"
            return f"Cannot tell what can be dropped: from all samples the probe learns too little ({learned})."
        place = self.place()
        at = len(self.shares) - 1 if place is None else place
        verdict = "Nothing can be dropped" if place is None else f"{1 - self.shares[at]:.0%} can be dropped"
        return (
            f"{verdict}: keeping {self.shares[at]:.0%} gives a probe's {self.what} of {self.own[at]:.3f}, everything "
            f"{self.full:.3f}, as many at random {self.random[at]:.3f} (tolerance {self.tolerance:g})."
        )


def _guessing(pool: Pool, n_seeds: int) -> tuple[float, float]:
    """Return the score of guessing, and how far chance takes it: its standard deviation, at most."""
    n_judged = min(1.0, n_seeds * _HELD_OUT) * min(len(pool), _AT_MOST)
    if pool.codes is None:
        return 0.0, n_judged**-0.5
    return 1 / len(np.unique(pool.codes)), 0.5 * n_judged**-0.5


def _one_seed(pool: Pool, names: list[str], shares: list[float], seed: int) -> tuple[float, dict[str, list[float]]]:
    """Return the score of everything, and those of every strategy at every share."""
    rows = np.random.default_rng(seed).permutation(len(pool))[:_AT_MOST]
    part = replace(pool.part(np.sort(rows)), random_state=seed)
    learned, judged = _split(part, seed)
    own = part.part(learned)
    strategies = {name: prepare(own, name) for name in names}
    scores = {
        name: [_score(part, learned[choose(n_kept(len(own), share)).kept], judged) for share in shares]
        for name, choose in strategies.items()
    }
    return _score(part, learned, judged), scores


def _split(pool: Pool, seed: int) -> tuple[Indices, Indices]:
    """Return samples to learn from and samples to judge, no near-duplicates across, one of each group to judge."""
    stands_for = representatives(pool, by_class=False)
    groups = np.random.default_rng(seed).permutation(np.unique(stands_for))
    if pool.codes is not None:  # every class in turn, so that a rare one is held out in proportion
        groups = groups[np.argsort(pool.codes[groups], kind="stable")]
    step = round(1 / _HELD_OUT)
    judged = groups[::step] if len(groups) >= 2 * step else groups[: len(groups) // 2]
    return np.flatnonzero(~np.isin(stands_for, judged)), np.sort(judged)


def _score(pool: Pool, kept: Indices, judged: Indices) -> float:
    kept = np.sort(kept)
    if not len(kept) or not len(judged):
        return float("nan")
    if pool.codes is not None:
        return class_score(pool.latents[kept], pool.codes[kept], pool.latents[judged], pool.codes[judged])
    losses = np.zeros(len(pool)) if pool.losses is None else pool.losses
    return loss_score(pool.latents[kept], losses[kept], pool.latents[judged], losses[judged])
