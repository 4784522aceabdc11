"""Domain gaps: values of a column, or splits, whose samples keep to themselves in latent space.

Where a column has nothing to do with the latents, the neighbours of its samples are a mixture like the whole; the more
of them share the value, the wider the gap (M. F. Schilling, Journal of the American Statistical Association 1986).

**Conventions**: the severity of a value is (share of its samples' neighbours with the same value - its share of all) /
(1 - its share of all): 0 = mixed, 1 = apart. Chance: the values are shuffled; Student's t of the severity
beside the shuffled ones gives the p-value, corrected for all values of all columns.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from latent_space.neighbors import Graph

Ints = npt.NDArray[np.int64]

_MOST_VALUES = 12
_FEWEST_SAMPLES = 15
_PERMUTATIONS = 40
_ALPHA = 0.01


@dataclass(frozen=True, eq=False)
class DomainGap:
    """A value whose samples lie apart.

    Attributes
    ----------
    column, value : str
        Which.
    indices : (n,) int64 array
        Its samples.
    severity : float
        0 = mixed with the others, 1 = apart from them.
    p_value : float
        Corrected.
    """

    column: str
    value: str
    indices: Ints
    severity: float
    p_value: float


def find_domain_gaps(
    graph: Graph, table: pd.DataFrame, *, least: float = 0.1, random_state: int = 0
) -> list[DomainGap]:
    """Find values of columns with few values whose samples lie apart, the widest gap first.

    Parameters
    ----------
    graph : Graph
        Of the samples.
    table : DataFrame
        A row per sample; columns with 2 to 12 values are looked at.
    least : float
        Smallest severity: with many samples even a tiny gap is no chance.
    random_state : int
        Seed of the permutations.
    """
    columns = {str(name): coded for name in table if (coded := _codes(table[name])) is not None}
    n_tried = sum(len(values) for _, values in columns.values())
    found: list[DomainGap] = []
    for name, (codes, values) in columns.items():
        severities = _severities(graph, codes, len(values))
        if not len(severities) or np.nanmax(severities, initial=0.0) < least:
            continue
        chance = _chance(severities, graph, codes, random_state) * n_tried
        # Two values are apart from one another: the rarer one is named.
        rarer = [int(np.bincount(codes[codes >= 0]).argmin())] if len(values) == 2 else range(len(values))
        for number in rarer:
            if severities[number] >= least and chance[number] <= _ALPHA:
                own = np.flatnonzero(codes == number)
                found.append(
                    DomainGap(name, values[number], own, float(severities[number]), float(min(1, chance[number])))
                )
    return sorted(found, key=lambda gap: (-gap.severity, gap.column, gap.value))


def _codes(column: pd.Series) -> tuple[Ints, list[str]] | None:
    if pd.api.types.is_float_dtype(column) and not pd.api.types.is_bool_dtype(column):
        return None
    texts = [None if pd.isna(value) else str(value) for value in column]
    counts = pd.Series([text for text in texts if text is not None], dtype=object).value_counts()
    values = sorted(str(value) for value, count in counts.items() if count >= _FEWEST_SAMPLES)
    if len(counts) < 2 or len(counts) > _MOST_VALUES or not values:
        return None
    number = {value: index for index, value in enumerate(values)}
    return np.array([-1 if text is None else number.get(text, -2) for text in texts], np.int64), values


def _severities(graph: Graph, codes: Ints, n_values: int) -> npt.NDArray[np.float64]:
    """Return the severity of every value; rows without a value (-1) are no one's neighbours."""
    if graph.n_neighbors == 0:
        return np.zeros(n_values)
    near = codes[graph.indices]
    known = near != -1
    same = ((near == codes[:, None]) & known).sum(axis=1)
    n_known = (codes != -1).sum()
    severities = np.zeros(n_values)
    for number in range(n_values):
        own = codes == number
        share = (own.sum() - 1) / max(n_known - 1, 1)
        near_share = same[own].sum() / max(known[own].sum(), 1)
        severities[number] = (near_share - share) / (1 - share) if share < 1 else 0.0
    return severities


def _chance(
    severities: npt.NDArray[np.float64], graph: Graph, codes: Ints, random_state: int
) -> npt.NDArray[np.float64]:
    from scipy.stats import t

    generator = np.random.default_rng(random_state)
    known = np.flatnonzero(codes != -1)
    shuffled = codes.copy()
    drawn = []
    for _ in range(_PERMUTATIONS):
        shuffled[known] = codes[generator.permutation(known)]
        drawn.append(_severities(graph, shuffled, len(severities)))
    spread = np.std(drawn, axis=0, ddof=1).clip(1e-9) * np.sqrt(1 + 1 / _PERMUTATIONS)
    p: npt.NDArray[np.float64] = t.sf((severities - np.mean(drawn, axis=0)) / spread, _PERMUTATIONS - 1)
    return p
