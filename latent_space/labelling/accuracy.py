"""How well errors are predicted, in figures that a ranking, a regression and an interval are judged by.

**Conventions**: higher = worse. Failures are the worst 15 % of the known errors, and where every error is 0 or 1, those
of 1. What is given was predicted without the sample's own error; the interval of a fold is taken from the residuals of
the other folds.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from latent_space.labelling.chances import Calibration, are_binary, calibration

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

FAILURE_SHARE = 0.15
_BEYOND = 0.05  # at either end of the interval


@dataclass(frozen=True)
class Accuracy:
    """How well errors are predicted, cross-validated on the known ones; NaN where they are too few or all equal.

    Attributes
    ----------
    n_known : int
        Samples with a known error.
    learner : str
        What predicts, in words.
    spearman : float
        Rank correlation of predicted and known error.
    auc : float
        Probability that a failure is predicted to be worse than another sample.
    r2 : float
        Share of the variance that the prediction explains; below 0 it is worse than the mean.
    coverage : float
        Share of known errors inside their interval; 0.9 is promised. NaN where errors are 0 or 1.
    calibration : Calibration, optional
        Of predicted chances, where errors are 0 or 1.
    """

    n_known: int
    learner: str
    spearman: float
    auc: float
    r2: float
    coverage: float
    calibration: Calibration | None = None


def interval_ends(scaled: Floats) -> tuple[float, float]:
    """Return the ends of the conformal interval of scaled residuals, half of what may be missed at either end."""
    ordered, n = np.sort(scaled), len(scaled)
    beyond = int(np.floor(_BEYOND * (n + 1)))
    return float(ordered[max(beyond - 1, 0)]), float(ordered[min(n - beyond, n - 1)])


def judged(target: Floats, predicted: Floats, scaled: Floats, folds: Indices, learner: str) -> Accuracy:
    """Return the accuracy of held-out predictions; `scaled` are their residuals in units of the expected ones."""
    from scipy.stats import rankdata

    covered = np.zeros(len(target), bool)
    for fold in np.unique(folds):
        below, above = interval_ends(scaled[folds != fold])
        covered[folds == fold] = (scaled[folds == fold] >= below) & (scaled[folds == fold] <= above)
    constant = np.ptp(predicted) == 0
    spearman = np.nan if constant else float(np.corrcoef(rankdata(predicted), rankdata(target))[0, 1])
    r2 = 1 - float(np.square(target - predicted).sum() / np.square(target - target.mean()).sum())
    auc = ranking_auc(worst(target), predicted)
    if are_binary(target):
        return Accuracy(len(target), learner, spearman, auc, r2, np.nan, calibration(target, predicted))
    return Accuracy(len(target), learner, spearman, auc, r2, float(covered.mean()))


def worst(errors: Floats, share: float = FAILURE_SHARE) -> Flags:
    """Tell the failures: the worst `share` of finite errors, at least one; ties at the border are all left out or in.

    Where every error is 0 or 1, those of 1, however many.

    Examples
    --------
    >>> worst(np.array([0.0, 3.0, 1.0, 2.0]), 0.25).tolist()
    [False, True, False, False]
    """
    ordered = np.sort(errors)[::-1]
    border = ordered[max(round(share * len(errors)) - 1, 0)]
    failed: Flags = errors >= border
    if 2 * failed.sum() > len(errors) and border < ordered[0]:  # a tie that would call most samples failures
        failed = errors > border
    return failed


def ranking_auc(failed: Flags, predicted: Floats) -> float:
    """Return the area under the ROC curve, NaN without two kinds."""
    from scipy.stats import rankdata

    n, n_failed = len(failed), int(failed.sum())
    if n_failed in (0, n):
        return float("nan")
    ranks = rankdata(predicted)[failed].sum()
    return float((ranks - n_failed * (n_failed + 1) / 2) / (n_failed * (n - n_failed)))
