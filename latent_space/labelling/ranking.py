"""Rank the samples to label next by a strategy, keeping groups together and giving every value of a column its floor.

**Conventions**: rows are brought into an order of their own (by the hash of their latents) before anything is ranked
and brought back after it, so that the ranking depends on the samples and not on their order in a table; only exact
duplicates cannot be told apart. A group is taken whole or not at all: its first member is the pick, the others follow
it. Floors are met at the end of the ranking, in place of its last picks. Where nothing is labelled yet, the graph
has 40 neighbours instead of 15, so that few picks can stand for all samples.
"""

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from latent_space.labelling.accuracy import Accuracy
from latent_space.labelling.order import group_codes, own_order, value_codes
from latent_space.labelling.prediction import PredictedError
from latent_space.labelling.strategies import NEED_PREDICTION, STRATEGIES, Picks, Pool
from latent_space.neighbors import Graph, build_graph, checked_latents
from latent_space.space import N_NEIGHBORS

Indices = npt.NDArray[np.int64]
_FIRST_NEIGHBORS = 40


def select_for_labelling(
    latents: npt.ArrayLike,
    budget: int,
    *,
    strategy: str = "auto",
    labelled: npt.ArrayLike | None = None,
    predicted_error: PredictedError | npt.ArrayLike | None = None,
    groups: npt.ArrayLike | None = None,
    random_state: int = 0,
    **options: Any,
) -> Indices:
    """Rank the samples that are worth labelling next.

    Parameters
    ----------
    latents : (n, n_features) array
        Finite; of labelled and unlabelled samples alike.
    budget : int
        Samples to pick; with fewer candidates, all of them.
    strategy : str
        One of `STRATEGIES`.
    labelled : indices or (n,) bool array, optional
        Samples that have a label: never picked, and what lies near them counts as known.
    predicted_error : PredictedError or (n,) array, optional
        Higher = worse, as `predict_error` returns it; an array is taken at its word. Without it `auto` is `coverage`.
    groups : (n,) array, optional
        Samples of equal value stay together: all candidates of a group are picked, or none.
    random_state : int
        Seed of what is drawn at random.
    **options
        `candidates` (indices or bool array): only these may be picked. `floors` ({name: ((n,) values, least)}): at
        least so many picks of each value, or all there are. `graph`: of the latents, where it is known.

    Returns
    -------
    (m,) int64 array
        Rows, the most worthwhile first; m is `budget` unless there are fewer candidates, or groups that do not fit.

    Raises
    ------
    ValueError
        If an option is unknown or does not fit the latents, or the budget is smaller than the floors.

    Examples
    --------
    >>> latents = [[0.0], [0.1], [0.2], [5.0], [5.1], [5.2]]
    >>> select_for_labelling(latents, 1, labelled=[1]).tolist()
    [4]
    """
    picks = rank_for_labelling(
        latents,
        budget,
        strategy=strategy,
        labelled=labelled,
        predicted_error=predicted_error,
        groups=groups,
        random_state=random_state,
        **options,
    )
    return np.array([row for row, _ in picks], np.int64)


def rank_for_labelling(
    latents: npt.ArrayLike,
    budget: int,
    *,
    strategy: str = "auto",
    labelled: npt.ArrayLike | None = None,
    candidates: npt.ArrayLike | None = None,
    predicted_error: PredictedError | npt.ArrayLike | None = None,
    groups: npt.ArrayLike | None = None,
    floors: Mapping[str, tuple[npt.ArrayLike, int]] | None = None,
    graph: Graph | None = None,
    random_state: int = 0,
) -> Picks:
    """Do what `select_for_labelling` does, and say for every row what spoke for it.

    Returns
    -------
    list of (row, word)
        The word is the strategy's name; for `auto` "failure" or "coverage"; "group" for what came with another pick;
        "floor" for what was taken to fill one.
    """
    points = checked_latents(latents)
    n = len(points)
    _check_options(budget, strategy, predicted_error)
    known = _as_rows(labelled, n, "labelled")
    able = np.setdiff1d(np.arange(n) if candidates is None else _as_rows(candidates, n, "candidates"), known)
    predicted = _as_prediction(predicted_error, n)
    order = own_order(points)
    place = np.argsort(order)
    pool = Pool(
        points[order],
        _reordered(_graph(points, graph, len(known)), order, place),
        np.sort(place[known]),
        np.sort(place[able]),
        None if predicted is None else predicted.of(order),
        random_state,
    )
    together = None if groups is None else group_codes(groups, n)[order]
    floor_codes = {
        name: (value_codes(values, n, name)[order], least) for name, (values, least) in (floors or {}).items()
    }
    picker = _Picker(pool, strategy, together)
    units = picker.fill(min(budget, len(able)), able=pool.candidates)
    for codes, least in floor_codes.values():
        units = picker.raise_floor(units, codes, least, min(budget, len(able)), protected=floor_codes.values())
    return [(int(order[row]), why) for unit in units for row, why in unit]


class _Picker:
    """Picks units: single rows, or whole groups."""

    def __init__(self, pool: Pool, strategy: str, groups: Indices | None) -> None:
        self._pool, self._strategy = pool, STRATEGIES[strategy]
        self._groups = np.arange(len(pool.latents)) if groups is None else groups

    def fill(self, budget: int, *, able: Indices, taken: Iterable[int] = (), floor: int | None = None) -> list[Picks]:
        """Pick units of candidates among `able` until no other fits the budget, or `floor` units are picked."""
        units: list[Picks] = []
        gone = set(taken)
        left = budget
        while True:
            rest = np.array([row for row in self._pool.candidates.tolist() if row not in gone], np.int64)
            sizes = np.bincount(self._groups[rest], minlength=int(self._groups.max(initial=0)) + 1)
            fitting = np.intersect1d(rest[sizes[self._groups[rest]] <= left], able)
            if left == 0 or not len(fitting) or len(units) == floor:
                return units
            members = self._members(rest)
            known = np.union1d(self._pool.labelled, np.fromiter(gone, np.int64, len(gone)))
            pool = dataclasses.replace(self._pool, candidates=fitting, labelled=known)
            wanted = min(left, len(fitting)) if floor is None else min(left, len(fitting), floor - len(units))
            for row, word in self._strategy(pool, wanted):
                unit = members[int(self._groups[row])]
                if row in gone or len(unit) > left:
                    continue
                units.append(
                    [(row, word if floor is None else "floor"), *((other, "group") for other in unit if other != row)]
                )
                gone.update(unit)
                left -= len(unit)

    def _members(self, rows: Indices) -> dict[int, list[int]]:
        members: dict[int, list[int]] = {}
        for row, group in zip(rows.tolist(), self._groups[rows].tolist(), strict=True):
            members.setdefault(group, []).append(row)
        return members

    def raise_floor(
        self,
        units: list[Picks],
        codes: Indices,
        least: int,
        budget: int,
        *,
        protected: Iterable[tuple[Indices, int]],
    ) -> list[Picks]:
        """Give every value at least `least` picks: drop the last picks that no floor needs, and pick what lacks."""
        protected = list(protected)
        available = Counter(codes[self._pool.candidates].tolist())
        for value in sorted(available.keys() - {-1}):
            wanted = min(least, available[value])
            while (lacking := wanted - _count(units, codes, value)) > 0:
                taken = [row for unit in units for row, _ in unit]
                room = budget - len(taken)
                more = self.fill(room, able=np.flatnonzero(codes == value), taken=taken, floor=lacking)
                if more:
                    units = units + more
                elif not _drop_last(units, protected):
                    raise ValueError(
                        f"budget must be large enough for the floors; got {budget}. Raise it, or lower the floors."
                    )
        return units


def _count(units: list[Picks], codes: Indices, value: int) -> int:
    return sum(int(codes[row] == value) for unit in units for row, _ in unit)


def _drop_last(units: list[Picks], protected: list[tuple[Indices, int]]) -> bool:
    """Drop the last unit whose rows all belong to values with more picks than their floor."""
    for place in reversed(range(len(units))):
        rows = [row for row, _ in units[place]]
        spare = True
        for codes, least in protected:
            leaving = Counter(codes[rows].tolist())
            spare &= all(_count(units, codes, value) - n >= least for value, n in leaving.items() if value >= 0)
        if spare:
            del units[place]
            return True
    return False


def _check_options(budget: int, strategy: str, predicted_error: object) -> None:
    if budget < 0:
        raise ValueError(f"budget must be at least 0; got {budget}.")
    if strategy not in STRATEGIES:
        raise ValueError(f"strategy must be one of {', '.join(STRATEGIES)}; got {strategy!r}.")
    if strategy in NEED_PREDICTION and predicted_error is None:
        raise ValueError(f"predicted_error must be given for strategy {strategy!r}; got None. Try coverage instead.")


def _graph(points: npt.NDArray[np.float32], graph: Graph | None, n_labelled: int) -> Graph:
    """Return the graph that is known, or a new one where there is none or a wider one is wanted."""
    k = N_NEIGHBORS if n_labelled else _FIRST_NEIGHBORS
    if graph is not None and (n_labelled or graph.n_neighbors >= min(k, len(points) - 1)):
        return graph
    return build_graph(points, n_neighbors=k)


def _as_rows(rows: npt.ArrayLike | None, n: int, name: str) -> Indices:
    array = np.asarray([] if rows is None else rows)
    if array.dtype == bool:
        if array.shape != (n,):
            raise ValueError(f"{name} must be indices, or {n} booleans; got booleans of shape {array.shape}.")
        return np.flatnonzero(array)
    if not array.size:
        return np.empty(0, np.int64)
    if array.ndim != 1 or array.dtype.kind not in "iu" or array.min() < 0 or array.max() >= n:
        raise ValueError(f"{name} must be indices between 0 and {n - 1}; got {array.ravel()[:3].tolist()}...")
    return np.unique(array).astype(np.int64)


def _as_prediction(predicted: PredictedError | npt.ArrayLike | None, n: int) -> PredictedError | None:
    if predicted is None:
        return None
    if not isinstance(predicted, PredictedError):
        mean = np.asarray(predicted, np.float64)
        predicted = PredictedError(mean, mean, mean, Accuracy(0, "the caller", np.nan, 1.0, np.nan, np.nan))
    if predicted.mean.shape != (n,) or not np.isfinite(predicted.mean).all():
        raise ValueError(f"predicted_error must be {n} finite numbers; got shape {predicted.mean.shape}.")
    return predicted


def _reordered(graph: Graph, order: Indices, place: Indices) -> Graph:
    return Graph(place[graph.indices[order]], graph.distances[order], graph.metric)
