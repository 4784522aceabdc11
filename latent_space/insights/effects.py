"""How much worse a group of samples is: one severity for measures of any unit, and two means in words.

The severity is the correlation of being in the group with the normal scores of the errors within their split:
d sqrt(s (1 - s)), with d the difference of the mean scores in standard deviations and s the share of the samples. Its
square is the share of the measure's variance that the group explains. So a large group that is somewhat worse and a
small one that is far worse weigh alike, and no unit, and no single extreme sample, counts. Where the means themselves
differ by less than a tenth of what is usual, the severity shrinks in proportion: .21 instead of .20 moves nobody,
however sure. Only measures that are never negative have such a share; for those between 0 and 1 the distance to 1
counts as well (an accuracy of .90 instead of .95 has twice the errors).

**Conventions**: errors are higher = worse; means are in the measure's own sign.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from latent_space.insights.insight import written
from latent_space.insights.search import normal_scores

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

LEAST_DIFFERENCE = 0.5  # in standard deviations: what J. Cohen (1988) calls a medium effect
_NOTABLE = 0.1


@dataclass(frozen=True)
class Effect:
    """What sets a group's errors apart.

    Attributes
    ----------
    inside, outside : float
        Mean of the measure, in its units.
    difference : float
        Of mean normal scores, inside minus all others, in standard deviations.
    severity : float
        From 0 to 1, the same for every measure; 0 where the group is no worse.
    is_share : bool
        Whether the measure is 0 or 1 per sample.
    """

    inside: float
    outside: float
    difference: float
    severity: float
    is_share: bool = False

    @property
    def matters(self) -> bool:
        """Whether the difference is worth a sentence."""
        return self.difference >= LEAST_DIFFERENCE and self.severity > 0


def effect_of(errors: Floats, inside: Bools, others: Bools, strata: Ints, *, higher_is_worse: bool = True) -> Effect:
    """Compare a group with other samples.

    Parameters
    ----------
    errors : (n,) array
        Finite, higher = worse.
    inside, others : (n,) bool array
        The group, and the samples whose mean it is compared with.
    strata : (n,) int array
        Errors are ranked within each.
    higher_is_worse : bool
        False where `errors` is the negative of the measure.
    """
    if not inside.any() or not others.any():
        return Effect(np.nan, np.nan, 0.0, 0.0)
    values = errors if higher_is_worse else -errors
    scores = scores_within(errors, strata)
    means = float(values[inside].mean()), float(values[others].mean())
    difference = float(scores[inside].mean() - scores[~inside].mean())
    share = float(inside.mean())
    is_worse = errors[inside].mean() > errors[others].mean()
    severity = difference * np.sqrt(share * (1 - share)) * min(1.0, _relative(*means, values) / _NOTABLE)
    is_share = bool(np.isin(values, (0.0, 1.0)).all())
    return Effect(*means, difference, float(np.clip(severity, 0, 1)) if is_worse else 0.0, is_share)


def scores_within(errors: Floats, strata: Ints) -> Floats:
    """Return normal scores within each stratum."""
    scores = np.zeros(len(errors))
    for one in np.unique(strata):
        scores[strata == one] = normal_scores(errors[strata == one])
    return scores


def _relative(inside: float, outside: float, values: Floats) -> float:
    """Return the difference as a share of what is usual; infinite where there is no such share."""
    if values.min() < 0 or outside <= 0:
        return np.inf
    usual = outside if values.max() > 1 or outside >= 1 else min(outside, 1 - outside)
    return abs(inside - outside) / usual


def compared(inside: float, outside: float, *, shares: bool = False) -> str:
    """Write two means side by side.

    Examples
    --------
    >>> compared(0.258, 0.371), compared(0.0, 0.953, shares=True)
    ('.26 instead of .37 (30% lower)', '0% instead of 95%')
    """
    scale = max(abs(inside), abs(outside))
    digits = 2 if abs(inside - outside) >= _NOTABLE * scale else 3
    if shares:
        return f"{written(100 * inside, digits)}% instead of {written(100 * outside, digits)}%"
    text = f"{written(inside, digits)} instead of {written(outside, digits)}"
    if min(inside, outside) <= 0:
        return text
    ratio = inside / outside
    if ratio >= 2:
        return f"{text} ({written(ratio, 2)} times as high)"
    return f"{text} ({abs(ratio - 1):.0%} {'higher' if ratio > 1 else 'lower'})"
