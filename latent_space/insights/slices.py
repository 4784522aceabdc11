"""Slices: groups of samples on which a model does worse than elsewhere, found in latent space and in metadata at once.

Candidates are conditions on metadata (Y. Chung et al., Slice Finder, ICDE 2019) and regions of latent space at several
sizes (S. Eyuboglu et al., Domino, ICLR 2022), and combinations of two. The best is taken, its samples are set aside,
and the search goes on among the others, so that what overlaps a slice already found, such as one of its two
conditions alone, is not reported again.

**Conventions**: `values` are errors, higher = worse, NaN = not measured (left out). `indices` count rows of `values`,
the worst sample first. The severity is the mean inside minus the mean outside, in the measure's units; samples
that were set aside before do not count as outside. p-values are corrected for every candidate tried (see `search`).

The constants were chosen with the first 25 settings of `benchmarks/bench_insights.py` (seeds 0 to 24) and frozen; the
rate it prints is that of other seeds.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import pandas as pd

from latent_space.insights.conditions import Condition, conditions
from latent_space.insights.effects import scores_within
from latent_space.insights.explanations import AT_MOST, Explanation, explained
from latent_space.insights.insight import listed
from latent_space.insights.regions import regions
from latent_space.insights.search import Candidates, Found, chance_of, search, shuffled_bests, simpler
from latent_space.neighbors import checked_latents

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Scorer = Callable[[Floats, Ints], Floats]

ALPHA = 0.01
_SMALLEST, _SMALLEST_SHARE, _LARGEST_SHARE = 8, 0.01, 0.5
_SEARCHED = 3_000
_PERMUTATIONS = 30
_FEWEST_SEARCHED = 4
REGION = "a region of latent space"


@dataclass(frozen=True, eq=False)
class Slice:
    """A group of samples on which the model does worse.

    Attributes
    ----------
    indices : (n,) int64 array
        Its samples that are in no slice found before it, the worst first.
    severity : float
        Mean error inside minus outside; samples of slices found before it are neither.
    p_value : float
        That a search among noise finds as much.
    description : str
        In words: conditions on metadata, or what sets a region of latent space apart.
    explained_by : tuple of Explanation
        Columns with readable ranges, the most informative first.
    is_region : bool
        Whether latent space takes part in its definition.
    conditions, typical : tuple of str
        The conditions on metadata that define it, and those that set a region apart; at most three in all.
    members, others : (n,) int64 array
        All samples that its definition holds for, the worst first, and those in no slice found so far.
    """

    indices: Ints
    severity: float
    p_value: float
    description: str
    explained_by: tuple[Explanation, ...] = field(default=())
    is_region: bool = False
    conditions: tuple[str, ...] = ()
    typical: tuple[str, ...] = ()
    members: Ints = field(default_factory=lambda: np.empty(0, np.int64))
    others: Ints = field(default_factory=lambda: np.empty(0, np.int64))

    @property
    def size(self) -> int:
        """Number of samples."""
        return len(self.indices)


def find_slices(
    latents: npt.ArrayLike,
    values: npt.ArrayLike,
    metadata: pd.DataFrame | None = None,
    *,
    groups: Sequence[npt.ArrayLike] = (),
    n_slices: int = 5,
    random_state: int = 0,
) -> list[Slice]:
    """Find where errors are higher than elsewhere by more than chance.

    Parameters
    ----------
    latents : (n, n_features) array
        Finite.
    values : (n,) array
        Errors, higher = worse; NaN where there is none.
    metadata : DataFrame, optional
        A row per sample, any columns; ids are left out.
    groups : sequence of (n,) int arrays
        Clusters or subgroups that are known, -1 for none; tried beside the regions found here.
    n_slices : int
        Most slices.
    random_state : int
        Seed of regions and permutations.

    Returns
    -------
    list of Slice
        Those with a corrected p-value of at most .01, by severity times size; none where nothing is sure.

    Raises
    ------
    ValueError
        If the rows do not agree.

    Examples
    --------
    >>> generator = np.random.default_rng(0)
    >>> metadata = pd.DataFrame({"tote_colour": ["yellow", "blue", "blue", "blue"] * 50})
    >>> errors = generator.random(200) + (metadata["tote_colour"] == "yellow")
    >>> [one.description for one in find_slices(generator.normal(size=(200, 4)), errors, metadata)]
    ['tote_colour = yellow']
    """
    points = checked_latents(latents)
    errors = np.asarray(values, np.float64)
    table = pd.DataFrame(index=range(len(points))) if metadata is None else metadata.reset_index(drop=True)
    rows = {"values": len(errors), "metadata": len(table)}
    rows |= {f"groups[{number}]": len(np.asarray(group)) for number, group in enumerate(groups)}
    for name, n_rows in rows.items():
        if n_rows != len(points):
            raise ValueError(f"{name} must have a row per sample, {len(points)}; got {n_rows}.")
    finder = SliceFinder(points, table, groups=groups, random_state=random_state)
    return finder.find(errors, n_slices=n_slices)


class SliceFinder:
    """The candidates of one population, made once and used for many measures."""

    def __init__(
        self,
        points: npt.NDArray[np.float32],
        metadata: pd.DataFrame,
        *,
        groups: Sequence[npt.ArrayLike] = (),
        random_state: int = 0,
    ) -> None:
        self._points, self._metadata, self._groups = points, metadata, groups
        self._random_state = random_state
        self._made: dict[bytes, tuple[list[Condition], Candidates]] = {}
        self._bests: dict[bytes, Floats] = {}

    def find(
        self,
        errors: Floats,
        *,
        strata: Ints | None = None,
        scorer: Scorer | None = None,
        n_slices: int = 5,
        n_tried: int = 1,
    ) -> list[Slice]:
        """Find slices of one measure.

        Parameters
        ----------
        errors : (n,) array
            Higher = worse, NaN = not measured.
        strata : (n,) int array, optional
            Errors are ranked, and shuffled, within each.
        scorer : callable, optional
            From the errors and strata of some samples to what is searched for among them, instead of normal scores.
        n_slices : int
            Most slices.
        n_tried : int
            Measures tried in all: p-values are multiplied by it.
        """
        from threadpoolctl import threadpool_limits

        known = np.flatnonzero(np.isfinite(errors))
        if len(known) < 2 * _SMALLEST:
            return []
        _, candidates = self._candidates(known)
        layers = np.zeros(len(known), np.int64) if strata is None else strata[known]
        with threadpool_limits(1):  # sums over threads differ in their last bits, and small products stall on several
            groups = self._significant((errors[known], layers, scorer or scores_within), candidates, n_slices, n_tried)
        slices = []
        rest = np.ones(len(known), bool)
        for group, p in groups:
            one = self._described(group, p, errors, known, rest)
            rest &= ~candidates.members(group.group)
            slices += [one] if one.severity > 0 else []
        return sorted(slices, key=lambda one: -one.severity * one.size)

    def _significant(
        self, wanted: tuple[Floats, Ints, Scorer], candidates: Candidates, n_slices: int, n_tried: int
    ) -> list[tuple[Found, float]]:
        """Return the groups that chance does not explain, each found among the samples the earlier ones left."""
        errors, strata, scorer = wanted
        searched = self._searched(len(errors))
        errors, strata = errors[searched], strata[searched]
        smallest = max(_FEWEST_SEARCHED, candidates.smallest * len(searched) // len(wanted[0]))
        largest = int(_LARGEST_SHARE * len(searched))
        everything = Candidates(candidates.masks[searched], candidates.source, smallest, largest)
        scores, kept = scorer(errors, strata), np.ones(len(searched), bool)
        groups: list[tuple[Found, float]] = []
        while len(groups) < n_slices and len(np.unique(errors[kept])) > 1:
            part = (
                everything if kept.all() else Candidates(everything.masks[kept], everything.source, smallest, largest)
            )
            rest = scorer(errors[kept], strata[kept])
            found = search(rest, part)
            # With the samples set aside, a group may be larger than a slice may be.
            found = [one for one in found if everything.members(one.group).sum() <= largest]
            p = min(1.0, n_tried * self._chance(found[0].z, scores, strata, everything)) if found else 1.0
            if p > ALPHA:
                break
            simple = simpler(found[0], rest, part)
            groups.append((next(one for one in simple if everything.members(one.group).sum() <= largest), p))
            kept &= ~everything.members(groups[-1][0].group)
        return groups

    def _chance(self, z: float, scores: Floats, strata: Ints, candidates: Candidates) -> float:
        """Return the probability of such a z; the same scores in another order have the same chance."""
        in_order = scores[np.lexsort((scores, strata))].round(6)
        key = hashlib.sha256(in_order.tobytes() + strata.tobytes() + candidates.masks.tobytes()).digest()
        if key not in self._bests:
            bests = shuffled_bests(
                scores,
                candidates,
                strata=strata,
                n_permutations=_PERMUTATIONS,
                random_state=self._random_state,
                stop_above=z,
            )
            if len(bests) < _PERMUTATIONS:
                return 1.0
            self._bests[key] = bests
        return chance_of(z, self._bests[key])

    def _searched(self, n: int) -> Ints:
        if n <= _SEARCHED:
            return np.arange(n)
        return np.sort(np.random.default_rng(self._random_state).choice(n, _SEARCHED, replace=False))

    def _candidates(self, known: Ints) -> tuple[list[Condition], Candidates]:
        key = known.tobytes()
        if key not in self._made:
            smallest = max(_SMALLEST, int(_SMALLEST_SHARE * len(known)))
            listed, masks = conditions(self._metadata.iloc[known], smallest=smallest)
            areas = regions(self._points[known], [np.asarray(g)[known] for g in self._groups], self._random_state)
            areas = areas[:, (areas.sum(axis=0) >= smallest)]
            listed = listed + [Condition("", REGION)] * areas.shape[1]
            # Regions have no column: together they are one source.
            sources = np.unique([one.column for one in listed], return_inverse=True)[1].astype(np.int64)
            largest = int(_LARGEST_SHARE * len(known))
            candidates = Candidates(np.hstack([masks, areas]), sources, smallest, largest)
            self._made[key] = listed, candidates
        return self._made[key]

    def _described(self, found: Found, p: float, errors: Floats, known: Ints, rest: Bools) -> Slice:
        listed, candidates = self._candidates(known)
        inside = candidates.members(found.group)
        own, others = known[inside & rest], known[rest & ~inside]
        named = [listed[index] for index in found.group]
        own_columns = [one.column for one in named if one.column]
        on_metadata = [index for index, one in enumerate(listed) if one.column]
        masks = candidates.masks[:, on_metadata]
        reasons = explained(inside, [listed[index] for index in on_metadata], masks, first=own_columns)
        words = [one.text for one in named if one.column]
        is_region = len(words) < len(named)
        more = [one.text for one in reasons if one.column not in own_columns][: min(2, AT_MOST - len(words))]
        return Slice(
            _worst_first(own, errors),
            float(errors[own].mean() - errors[others].mean()) if len(own) and len(others) else 0.0,
            p,
            _in_words(words, more, is_region),
            tuple(reasons),
            is_region,
            tuple(words),
            tuple(more) if is_region else (),
            _worst_first(known[inside], errors),
            others,
        )


def _worst_first(rows: Ints, errors: Floats) -> Ints:
    return rows[np.argsort(-errors[rows], kind="stable")]


def _in_words(words: list[str], more: list[str], is_region: bool) -> str:
    if is_region:
        words = [*words, REGION + (f", mostly {listed(more)}" if more else "")]
    return ", ".join(words)
