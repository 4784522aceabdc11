"""What sets a group of samples apart, in readable conditions on the metadata, the most informative first.

**Conventions**: information is the mutual information of being in the group and meeting a condition, in bits. A column
is named once, with its most informative condition among those that hold more often inside the group than outside.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from latent_space.insights.conditions import Condition, conditions

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

AT_MOST = 3  # what a person keeps in mind


@dataclass(frozen=True)
class Explanation:
    """A condition that members of a group meet more often than others.

    Attributes
    ----------
    column : str
        Of the metadata.
    text : str
        Condition in words.
    inside, outside : float
        Share of the group's samples that meet it, and of the others.
    bits : float
        Mutual information with membership.
    """

    column: str
    text: str
    inside: float
    outside: float
    bits: float


def explain(
    inside: npt.ArrayLike, metadata: pd.DataFrame, *, at_most: int = AT_MOST, first: Collection[str] = ()
) -> list[Explanation]:
    """Say which columns set a group apart, tested against chance.

    Parameters
    ----------
    inside : (n,) bool array
        Members of the group.
    metadata : DataFrame
        A row per sample.
    at_most : int
        Columns to name.
    first : collection of str
        Columns to name before the others, those that define the group.

    Returns
    -------
    list of Explanation
        Only columns whose information chance does not explain: 2 n ln(2) bits is chi-squared with one degree of
        freedom, corrected for all conditions tried.
    """
    listed, masks = conditions(metadata, smallest=1)
    return explained(inside, listed, masks, at_most=at_most, first=first)


def explained(
    inside: npt.ArrayLike,
    listed: Sequence[Condition],
    masks: Bools,
    *,
    at_most: int = AT_MOST,
    first: Collection[str] = (),
) -> list[Explanation]:
    """Do what `explain` does with conditions that are known."""
    members = np.asarray(inside, bool)
    if not listed or members.all() or not members.any():
        return []
    share_in, share_out = masks[members].mean(axis=0), masks[~members].mean(axis=0)
    bits = _information(masks, members)
    sure = _chance(bits * 2 * len(members) * np.log(2)) * len(listed) <= 0.01
    best: dict[str, Explanation] = {}
    for index in np.argsort(-bits, kind="stable"):
        one = listed[index]
        if share_in[index] > share_out[index] and sure[index] and one.column not in best:
            shares = float(share_in[index]), float(share_out[index])
            best[one.column] = Explanation(one.column, one.text, *shares, float(bits[index]))
    ordered = sorted(best.values(), key=lambda one: one.column not in first)
    return ordered[:at_most]


def _information(masks: Bools, members: Bools) -> Floats:
    n, total = len(members), members.sum()
    met, both = masks.sum(axis=0), masks[members].sum(axis=0)
    cells = np.stack([both, met - both, total - both, n - total - met + both]) / n
    expected = np.stack([met * total, met * (n - total), (n - met) * total, (n - met) * (n - total)]) / n**2
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = np.where(cells > 0, cells * np.log2(cells / expected), 0.0)
    bits: Floats = parts.sum(axis=0).clip(0)
    return bits


def _chance(statistic: Floats) -> Floats:
    from scipy.stats import chi2

    p: Floats = chi2.sf(statistic, 1)
    return p
