"""Replay labelling on samples whose labels are known, to see whether a strategy finds failures sooner than chance.

All labels are hidden but those of a small random start, which is the same for every strategy. Then in rounds a strategy
picks, the labels of its picks are revealed, and the error is predicted anew from all that is revealed so far. Counted
is what share of all failures has been revealed; where there are classes, also how well a linear probe that learned
from the revealed samples classifies a quarter that is held out and never picked.

**Conventions**: failures are the worst 15 % by the measure; of one that is 0 or 1, all that it says failed. Budgets
count all labels, the start included: they grow by a constant factor from the start (a fortieth of the samples, 10 to
50) to half of the samples, where random finds half of the failures. Of more than 2,000 samples a seeded choice of so
many is replayed. The latents come from a model that has already learned from its training samples: the replay judges
the choice of samples, not the training that follows.
"""

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from latent_space.labelling.accuracy import worst
from latent_space.labelling.order import own_order
from latent_space.labelling.prediction import LEAST_KNOWN, leading_components, predict_error
from latent_space.labelling.strategies import STRATEGIES, Pool
from latent_space.neighbors import build_graph, checked_latents

Indices = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

LEAST_SAMPLES = 40
LEAST_FAILURES = 6  # as many as the worst 15 % of them; the same few in every replay show nothing
_AT_MOST = 2_000
_N_SEEDS = 10
_N_ROUNDS = 7
_HELD_OUT = 0.25
_PREDICTING = ("auto", "failure", "uncertain")


@dataclass(frozen=True, eq=False)
class Replay:
    """What every strategy found.

    Attributes
    ----------
    budgets : (n_budgets,) int64 array
        Labels spent, the start included.
    found : dict
        From a strategy to (n_seeds, n_budgets) percentages of all failures that are among the labels.
    accuracy : dict
        From a strategy to (n_seeds, n_budgets) percentages that the probe classifies well, the mean over the classes;
        empty without classes.
    n_samples, n_known : int
        Replayed, of so many that have a measured error.
    """

    budgets: Indices
    found: dict[str, Floats]
    accuracy: dict[str, Floats]
    n_samples: int
    n_known: int


@dataclass(frozen=True, eq=False)
class _Stage:
    """The samples of one repetition: those that can be labelled, and those that judge the probe."""

    rows: Indices
    points: npt.NDArray[np.float32]
    errors: Floats
    classes: npt.NDArray[Any] | None
    judges: npt.NDArray[np.float32]
    truth: npt.NDArray[Any] | None
    pool: Pool
    columns: Floats | None = None


def replay(
    latents: npt.ArrayLike,
    errors: npt.ArrayLike,
    *,
    columns: npt.ArrayLike | None = None,
    classes: npt.ArrayLike | None = None,
    strategies: Sequence[str] = tuple(STRATEGIES),
    n_seeds: int = _N_SEEDS,
    random_state: int = 0,
) -> Replay:
    """Replay labelling by several strategies.

    Parameters
    ----------
    latents : (n, n_features) array
        Finite.
    errors : (n,) array
        Higher = worse; samples with NaN are left out.
    columns : (n, n_columns) array, optional
        What else is known without a label; see `predict_error`.
    classes : (n,) array, optional
        Of the samples, for the probe.
    strategies : sequence of str
        Of `STRATEGIES`.
    n_seeds : int
        Repetitions with another start, and another quarter held out.
    random_state : int
        Seed of everything drawn at random.

    Raises
    ------
    ValueError
        If fewer than 40 samples have an error, or all errors are equal: nothing could be shown.
    """
    from threadpoolctl import threadpool_limits

    points, values = checked_latents(latents), np.asarray(errors, np.float64)
    known = np.flatnonzero(np.isfinite(values))
    if len(known) < LEAST_SAMPLES or np.ptp(values[known]) == 0:
        raise ValueError(
            f"errors must be known for at least {LEAST_SAMPLES} samples and not all be equal to replay labelling; "
            f"got {len(known)} known."
        )
    beside = None if columns is None else np.asarray(columns, np.float64)
    generator = np.random.default_rng(random_state)
    rows = known[own_order(points[known])]
    if len(rows) > _AT_MOST:
        rows = rows[np.sort(generator.choice(len(rows), _AT_MOST, replace=False))]
    names = None if classes is None else np.asarray(classes).astype(str)[rows]
    n_pool = len(rows) if names is None else len(rows) - round(_HELD_OUT * len(rows))
    budgets = budgets_for(n_pool)
    found: dict[str, list[list[float]]] = {name: [] for name in strategies}
    accuracy: dict[str, list[list[float]]] = {name: [] for name in strategies}
    with threadpool_limits(1):  # more threads could round differently
        for seed in generator.integers(2**31, size=n_seeds).tolist():
            stage = _stage(points[rows], values[rows], names, n_pool, seed)
            stage = stage if beside is None else dataclasses.replace(stage, columns=beside[rows][stage.rows])
            failed = worst(stage.errors)
            start = np.sort(np.random.default_rng(seed + 1).choice(n_pool, budgets[0], replace=False))
            for name in strategies:
                order = _labelled_in_order(stage, name, start, budgets)
                found[name].append((100 * np.cumsum(failed[order])[budgets - 1] / failed.sum()).tolist())
                if names is not None:
                    accuracy[name].append([_probe(stage, order[:budget]) for budget in budgets])
    probed = {} if names is None else {name: np.array(some) for name, some in accuracy.items()}
    return Replay(budgets, {name: np.array(some) for name, some in found.items()}, probed, len(rows), len(known))


def budgets_for(n: int) -> Indices:
    """Return the numbers of labels at which n samples are judged: from a small start to half of them.

    Examples
    --------
    >>> budgets_for(400).tolist()
    [10, 16, 27, 45, 74, 121, 200]
    """
    start = int(np.clip(n // 40, 10, 50))
    return np.unique(np.geomspace(start, max(n // 2, start + 1), _N_ROUNDS).round().astype(np.int64))


def _stage(points: npt.NDArray[np.float32], errors: Floats, classes: Any, n_pool: int, seed: int) -> _Stage:
    order = np.random.default_rng(seed).permutation(len(points)) if classes is not None else np.arange(len(points))
    rows, judging = np.sort(order[:n_pool]), np.sort(order[n_pool:])
    nothing = np.empty(0, np.int64)
    pool = Pool(points[rows], build_graph(points[rows]), nothing, np.arange(n_pool), None, seed)
    mine, truth = (None, None) if classes is None else (classes[rows], classes[judging])
    components = leading_components(points[rows]).astype(np.float32)
    return _Stage(rows, components, errors[rows], mine, points[judging], truth, pool)


def _labelled_in_order(stage: _Stage, strategy: str, start: Indices, budgets: Indices) -> Indices:
    """Return the samples in the order in which they are labelled."""
    labelled = start
    # Without a prediction nothing is learned between the rounds: one round is the same as many.
    rounds = budgets[1:] if strategy in _PREDICTING else budgets[-1:]
    for budget in rounds.tolist():
        revealed = np.full(len(stage.errors), np.nan)
        revealed[labelled] = stage.errors[labelled]
        learns = strategy in _PREDICTING and len(labelled) >= LEAST_KNOWN
        predicted = predict_error(stage.points, revealed, columns=stage.columns) if learns else None
        candidates = np.setdiff1d(np.arange(len(revealed)), labelled)
        pool = dataclasses.replace(stage.pool, labelled=labelled, candidates=candidates, predicted=predicted)
        picks = STRATEGIES[strategy](pool, budget - len(labelled))
        labelled = np.concatenate([labelled, [row for row, _ in picks]])
    return labelled


def _probe(stage: _Stage, labelled: Indices) -> float:
    from latent_space.pruning.probe import class_score

    if stage.classes is None or stage.truth is None:
        return float("nan")
    return 100 * class_score(stage.pool.latents[labelled], stage.classes[labelled], stage.judges, stage.truth)
