"""The strategies: what to label next, as rankings of samples that have no label.

| strategy | ranks first |
|---|---|
| `auto` | what is predicted to fail, in turn with what best covers the regions predicted to fail |
| `failure` | the largest predicted error |
| `coverage` | what best stands for the samples that nothing labelled stands for (facility location) |
| `kcenter` | what is farthest from everything labelled |
| `typical` | the middle of dense regions, one neighbourhood after the other |
| `uncertain` | the widest interval of the predicted error |
| `random` | anything |

`auto` trusts the prediction as far as it was right on labelled samples: with trust t = sqrt(2 AUC - 1) (0 where the
prediction is no better than chance, 1 where it is perfect), t / 2 of its picks are the largest predicted errors, and
the others are those of facility location in which t of every sample's weight is its predicted error. What lies beside a
pick is covered, so facility location leaves it out: this is what keeps redundant samples away. Without a prediction, or
with t = 0, `auto` is `coverage`.

**Conventions**: a pick is a row of the latents, with the word of what spoke for it. Strategies that need a predicted
error fall back to `coverage` where it is the same for all candidates. `auto` was chosen on scikit-learn's digits alone
(the loss of a small network, also with noise added, and a linear probe): 24 variants in three looks, and the width of
the first graph in a fourth. The demo's totes were seen once before the third look, which asked how far to trust a weak
prediction; sensor windows were seen once too, and changed nothing. Breast cancer in `benchmarks/bench_labelling.py` was
first seen when all was frozen, and so were the wrong windows of five simulated rigs there: with few labels k-center
finds more of them than `auto`, which was left as it is. That columns known without labels stand beside the latents
followed a look at two demos' totes, whose latents alone tell little; it changes nothing where there are no such
columns.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from latent_space.labelling.prediction import PredictedError
from latent_space.neighbors import Graph
from latent_space.selection import facility_location, k_center

Indices = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Picks = list[tuple[int, str]]

_MOST_BY_FAILURE = 0.5
_LEAST_QUANTILE = 0.05


@dataclass(frozen=True, eq=False)
class Pool:
    """What a strategy chooses from, and what it may know.

    Attributes
    ----------
    latents : (n, n_features) float32 array
        Of all samples.
    graph : Graph
        Of `latents`.
    labelled : indices
        Samples that have a label, or were picked before.
    candidates : indices
        Ascending, none of them labelled.
    predicted : PredictedError, optional
        Of all samples.
    random_state : int
        Seed of what is drawn at random.
    """

    latents: npt.NDArray[np.float32]
    graph: Graph
    labelled: Indices
    candidates: Indices
    predicted: PredictedError | None
    random_state: int

    @property
    def tells_apart(self) -> bool:
        """Whether there is a prediction that differs between candidates."""
        return self.predicted is not None and bool(np.ptp(self.predicted.mean[self.candidates]) > 0)

    @property
    def trust(self) -> float:
        """How far the prediction is to be believed, from 0 to 1; what was not measured is not believed."""
        auc = self.predicted.accuracy.auc if self.predicted is not None else np.nan
        return float(np.sqrt(np.clip(2 * auc - 1, 0, 1))) if np.isfinite(auc) else 0.0


def _auto(pool: Pool, n: int) -> Picks:
    if not pool.tells_apart or pool.trust == 0:
        return _coverage(pool, n)
    covering = [sample for sample, _ in _coverage(pool, n, weights=failing_weights(pool))]
    return _in_turn(_by_failure(pool, n), covering, _MOST_BY_FAILURE * pool.trust, n)


def failing_weights(pool: Pool) -> Floats:
    """Return how much covering each sample counts: more where it is predicted to fail, as far as that is trusted."""
    if pool.predicted is None:
        return np.ones(len(pool.latents))
    mean = pool.predicted.mean
    above = np.maximum(mean - np.quantile(mean, _LEAST_QUANTILE), 0)
    return np.asarray((1 - pool.trust) + pool.trust * above / (above.mean() or 1.0))


def _in_turn(failing: list[int], covering: list[int], share: float, n: int) -> Picks:
    """Take from both lists so that `share` of the picks comes from the first, evenly spread, none twice."""
    picks: dict[int, str] = {}
    n_failing = 0
    rests = {"failure": iter(failing), "coverage": iter(covering)}
    while len(picks) < n:
        why = "failure" if n_failing < share * (len(picks) + 1) - 0.5 else "coverage"
        sample = next((one for one in rests[why] if one not in picks), None)
        if sample is None:  # that list is through, and the other is not: both hold n different samples
            why = "coverage" if why == "failure" else "failure"
            sample = next(one for one in rests[why] if one not in picks)
        picks[sample] = why
        n_failing += why == "failure"
    return list(picks.items())


def _by_failure(pool: Pool, n: int) -> list[int]:
    assert pool.predicted is not None
    return _largest(pool, pool.predicted.mean, n)


def _largest(pool: Pool, values: Floats, n: int) -> list[int]:
    order = np.argsort(-values[pool.candidates], kind="stable")[:n]
    ranked: list[int] = pool.candidates[order].tolist()
    return ranked


def _failure(pool: Pool, n: int) -> Picks:
    return [(sample, "failure") for sample in _by_failure(pool, n)] if pool.tells_apart else _coverage(pool, n)


def _uncertain(pool: Pool, n: int) -> Picks:
    if pool.predicted is None:
        return _coverage(pool, n)
    width = pool.predicted.high - pool.predicted.low
    if np.ptp(width[pool.candidates]) == 0:
        return _coverage(pool, n)
    return [(sample, "uncertain") for sample in _largest(pool, width, n)]


def _coverage(pool: Pool, n: int, weights: Floats | None = None) -> Picks:
    ranking = facility_location(pool.graph, n, weights=weights, chosen=pool.labelled, candidates=pool.candidates)
    return [(sample, "coverage") for sample in ranking.indices.tolist()]


def _kcenter(pool: Pool, n: int) -> Picks:
    ranking = k_center(
        pool.latents, n, chosen=pool.labelled, candidates=pool.candidates, random_state=pool.random_state
    )
    return [(sample, "kcenter") for sample in ranking.indices.tolist()]


def _typical(pool: Pool, n: int) -> Picks:
    """Go through the candidates from the densest on, leaving out neighbours of what is taken until all are through."""
    if pool.graph.n_neighbors == 0:
        return [(int(sample), "typical") for sample in pool.candidates[:n]]
    sparse = pool.graph.distances.mean(axis=1, dtype=np.float64)[pool.candidates]
    waiting = pool.candidates[np.argsort(sparse, kind="stable")].tolist()
    taken = set(pool.labelled.tolist())
    picks: Picks = []
    while len(picks) < n:
        passed = []
        for sample in waiting:
            if len(picks) == n:
                break
            if taken.isdisjoint(pool.graph.indices[sample].tolist()):
                picks.append((sample, "typical"))
                taken.add(sample)
            else:
                passed.append(sample)
        waiting, taken = passed, set()
    return picks


def _random(pool: Pool, n: int) -> Picks:
    drawn = np.random.default_rng(pool.random_state).permutation(pool.candidates)[:n]
    return [(sample, "random") for sample in drawn.tolist()]


STRATEGIES: dict[str, Callable[[Pool, int], Picks]] = {
    "auto": _auto,
    "failure": _failure,
    "coverage": _coverage,
    "kcenter": _kcenter,
    "typical": _typical,
    "uncertain": _uncertain,
    "random": _random,
}
NEED_PREDICTION = ("failure", "uncertain")
