"""How far a predicted chance of failure is to be believed, where every known error is 0 (right) or 1 (failed).

What a learner predicts of such errors is their mean nearby, a chance. An interval that holds nine of ten outcomes
would say little: an outcome is 0 or 1. Told instead is how often labelled samples failed whose chance, predicted
without their own outcome, was about the same, with the 90 % interval of that frequency (Jeffreys).

**Conventions**: "about the same" is the tenth of the labelled samples around it by rank, half of it on either side;
near the ends, where there are not so many on one side, fewer on both, but at least 20.

References
----------
Brown, Cai and DasGupta, "Interval Estimation for a Binomial Proportion", Statistical Science, 2001.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_LEVEL = 0.9
_SHARE, _LEAST = 0.1, 20


@dataclass(frozen=True)
class Calibration:
    """How predicted chances and what was found agree, cross-validated.

    Attributes
    ----------
    n_failed : int
        Labelled samples that failed.
    top_predicted, top_found : float
        Mean predicted chance of the tenth predicted worst, and the share of it that failed.
    off : float
        Mean difference of the two over all tenths (expected calibration error).
    """

    n_failed: int
    top_predicted: float
    top_found: float
    off: float


def are_binary(errors: Floats) -> bool:
    """Tell whether errors are 0 or 1, with some of either."""
    return set(np.unique(errors)) == {0.0, 1.0}


def calibration(outcomes: Floats, predicted: Floats) -> Calibration:
    """Compare chances that were predicted without a sample's own outcome with the outcomes.

    Examples
    --------
    >>> calibration(np.repeat([0.0, 1.0], [90, 10]), np.repeat([0.0, 0.5], [90, 10]))
    Calibration(n_failed=10, top_predicted=0.5, top_found=1.0, off=0.05)
    """
    tenths = np.array_split(np.argsort(predicted, kind="stable"), min(10, len(predicted)))
    chances = np.clip(predicted, 0, 1)
    means = np.array([(chances[rows].mean(), outcomes[rows].mean()) for rows in tenths])
    off = float(np.abs(means[:, 0] - means[:, 1]).mean().round(12))
    return Calibration(int(outcomes.sum()), float(means[-1, 0]), float(means[-1, 1]), off)


def chance_interval(outcomes: Floats, held_out: Floats, predicted: Floats) -> tuple[Floats, Floats]:
    """Return the ends of the interval of the frequency with which samples of such a predicted chance fail.

    Parameters
    ----------
    outcomes : (n,) array
        0 or 1.
    held_out : (n,) array
        Their chances, predicted without their own outcome.
    predicted : (m,) array
        Chances to give an interval to.

    Returns
    -------
    (m,), (m,) arrays
    """
    from scipy.stats import beta

    n = len(outcomes)
    order = np.argsort(held_out, kind="stable")
    failed = np.concatenate([[0.0], np.cumsum(outcomes[order])])
    ordered = held_out[order]
    # In the middle of what is equal, so that equal predictions get an interval of their own kind.
    middle = (np.searchsorted(ordered, predicted, "left") + np.searchsorted(ordered, predicted, "right")) // 2
    least = min(n, _LEAST) / 2
    half = np.minimum(middle, n - middle).clip(least, max(least, round(_SHARE * n / 2)))
    width = (2 * half).astype(np.int64)
    first = np.clip(middle - width // 2, 0, n - width)
    count = failed[first + width] - failed[first]
    tails = (1 - _LEVEL) / 2, (1 + _LEVEL) / 2
    low, high = (beta.ppf(tail, count + 0.5, width - count + 0.5) for tail in tails)
    return np.where(count == 0, 0.0, low), np.where(count == width, 1.0, high)
