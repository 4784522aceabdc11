"""When a simulated machine misbehaves: episodes of anomalous rows, spread over time, machines and types.

Machines are planned in groups of five, whether or not all five are asked for: so the plan of a machine does not change
when more machines join. Time is cut into as many strata as a machine has episodes; in each stratum the machines of a
group take turns, and the types go round in the order of these turns. Hence any stretch of time with four episodes in a
row holds four types, on one machine or on five: parts cut by time for training, validation and test all hold them.

**Conventions**: rows count from 0 and belong to one machine. `kinds` are positions in the sequence of types that the
plan was asked for. Lengths are uniform between the limits of their type (stratified, so that few episodes are
balanced too), then all shifted a little until a machine holds its share of anomalous rows. A normal row comes first,
last, and between any two episodes of a machine.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

MAX_ANOMALY_RATE = 0.5
_GROUP = 5  # machines planned together; prime to the number of types, so that each machine meets all of them
_SHUFFLES = 4096


@dataclass(frozen=True, eq=False)
class Episodes:
    """The episodes of one machine, in order of time.

    Attributes
    ----------
    onsets : (n_episodes,) int64 array
        First row of each.
    lengths : (n_episodes,) int64 array
        Rows of each.
    kinds : (n_episodes,) int64 array
        Type of each.
    """

    onsets: Ints
    lengths: Ints
    kinds: Ints

    def rows(self) -> tuple[Ints, Ints, Ints]:
        """Return, for every anomalous row: the row, the number of its episode, and the rows since the onset."""
        number = np.repeat(np.arange(len(self.onsets)), self.lengths)
        before = np.cumsum(self.lengths) - self.lengths
        elapsed = np.arange(len(number)) - before[number]
        return self.onsets[number] + elapsed, number, elapsed

    def codes(self, n_steps: int) -> npt.NDArray[np.int8]:
        """Return 0 for each normal row, 1 + kind for each anomalous one."""
        codes = np.zeros(n_steps, np.int8)
        rows, number, _ = self.rows()
        codes[rows] = 1 + self.kinds[number]
        return codes


def check_plan(
    n_steps: int, machines: dict[str, int], *, types: Sequence[str], known: Sequence[str], seed: int
) -> None:
    """Raise ValueError unless what a simulator was asked for can be planned.

    Parameters
    ----------
    n_steps : int
        Rows per machine.
    machines : dict of str to int
        Their number, by the name of the argument.
    types : sequence of str
        Of anomalies, out of those `known`.
    seed : int
        At least 0.
    """
    for name, count in {"n_steps": n_steps, **machines}.items():
        if count < 1:
            raise ValueError(f"{name} must be at least 1; got {count}.")
    if seed < 0:
        raise ValueError(f"seed must be 0 or more; got {seed}.")
    if isinstance(types, str) or not types or len(set(types)) < len(types) or not set(types) <= set(known):
        raise ValueError(f"types must be different ones of {', '.join(known)}; got {types!r}.")


def plan_episodes(
    n_steps: int, n_machines: int, *, lengths: Sequence[tuple[int, int]], anomaly_rate: float, seed: int
) -> list[Episodes]:
    """Plan the episodes of each machine.

    Parameters
    ----------
    n_steps : int
        Rows per machine.
    n_machines : int
        Machines.
    lengths : sequence of (shortest, longest)
        Rows of an episode, for each type.
    anomaly_rate : float
        Share of the rows of a machine that lie in an episode, from 0 to 0.5.
    seed : int
        Same seed, same plan.

    Returns
    -------
    list of Episodes
        One per machine.

    Raises
    ------
    ValueError
        If the share is out of range, or too small for a single episode.

    Examples
    --------
    >>> plan = plan_episodes(20_000, 2, lengths=[(20, 300)] * 4, anomaly_rate=0.05, seed=0)
    >>> [int(each.lengths.sum()) for each in plan]
    [1000, 1000]
    """
    if not 0 <= anomaly_rate <= MAX_ANOMALY_RATE:
        raise ValueError(f"anomaly_rate must be from 0 to {MAX_ANOMALY_RATE}; got {anomaly_rate}.")
    budget = anomaly_rate * n_steps
    shortest = max(limits[0] for limits in lengths)
    if 0 < budget < shortest:
        raise ValueError(
            f"n_steps must be at least {int(np.ceil(shortest / anomaly_rate))} for one episode of {shortest} rows at "
            f"an anomaly_rate of {anomaly_rate}; got {n_steps}. Take more steps, or anomaly_rate=0."
        )
    limits = np.array(lengths, np.float64)
    plan: list[Episodes] = []
    for group in range(-(-n_machines // _GROUP)):
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(0, group)))
        plan.extend(_plan_group(n_steps, limits, budget, rng))
    return plan[:n_machines]


def _plan_group(n_steps: int, limits: Floats, budget: float, rng: np.random.Generator) -> list[Episodes]:
    """Plan five machines together."""
    n_episodes = max(1, round(budget / limits.mean())) if budget else 0
    turns = np.arange(n_episodes) * _GROUP + rng.permutation(_GROUP)[:, None]
    kinds = rng.permutation(len(limits))[turns % len(limits)]
    shares = _balanced_shares(kinds, limits, rng)
    centres = (turns + rng.uniform(size=turns.shape)) / (_GROUP * max(n_episodes, 1))
    plan = []
    for own_kinds, own_shares, own_centres in zip(kinds, shares, centres, strict=True):
        lengths = _fitted_lengths(own_shares, limits[own_kinds], budget)
        normal = n_steps - int(lengths.sum())
        before = np.clip((own_centres * normal).astype(np.int64), 1, normal - 1)  # normal rows before each episode
        plan.append(Episodes(before + np.cumsum(lengths) - lengths, lengths, own_kinds))
    return plan


def _balanced_shares(kinds: Ints, limits: Floats, rng: np.random.Generator) -> Floats:
    """Draw where in its limits each length lies, 0 to 1: even on each machine, and the best of some shuffles for types.

    kinds, result: (n_machines, n_episodes).
    """
    n_episodes = kinds.shape[1]
    if n_episodes == 0:
        return np.zeros(kinds.shape)
    n_shuffles = max(1, _SHUFFLES // n_episodes)
    even = (np.arange(n_episodes) + rng.uniform(size=kinds.shape)) / n_episodes
    shares: Floats = rng.permuted(np.broadcast_to(even, (n_shuffles, *even.shape)), axis=2)
    lengths = limits[kinds, 0] + shares * (limits[kinds, 1] - limits[kinds, 0])
    totals = np.stack([(lengths * (kinds == kind)).sum(axis=(1, 2)) for kind in range(len(limits))], axis=1)
    wanted = limits.mean(axis=1) / limits.mean(axis=1).sum()
    off = np.abs(totals / totals.sum(axis=1, keepdims=True) / wanted - 1).max(axis=1)
    best: Floats = shares[off.argmin()]
    return best


def _fitted_lengths(shares: Floats, limits: Floats, budget: float) -> Ints:
    """Turn shares into rows, all shares shifted alike (within 0 to 1) until the rows meet the budget."""
    low, high = -1.0, 1.0
    span = limits[:, 1] - limits[:, 0]
    for _ in range(40):
        shift = (low + high) / 2
        above = (limits[:, 0] + span * np.clip(shares + shift, 0, 1)).sum() > budget
        low, high = (low, shift) if above else (shift, high)
    ends = np.rint(np.cumsum(limits[:, 0] + span * np.clip(shares + low, 0, 1))).astype(np.int64)
    return np.clip(np.diff(ends, prepend=0), limits[:, 0], limits[:, 1]).astype(np.int64)
