"""Scores relative to their recent level: what stood out for long stands out less.

**Conventions**: the level G of a row is the geometric mean of the newest `size` scores, its own included; L is that of
the normal training rows (`knn`, which knows those by heart, takes held-out ones), and what a series has not had yet
counts as L. The relative score is

    s (L / max(L, G)) ^ weight

so it is the score itself while the machine is as it was in training, and never more. After a fault, or where a machine
settles in a state that is a little off the one it was trained in, the level has risen, and what follows must be worse
than that to raise an alarm. A weight of 0 changes nothing; with 1 a lasting state ends up at the level of training,
however bad it is. In between, a lasting score s sinks to L (s / L) ^ (1 - weight): serious faults go on alarming.

Comparing an error with its own recent past is the idea of the anomaly likelihood (Ahmad et al., 2017) and of dynamic
thresholds (Hundman et al., 2018); this form needs one number besides the two settings.

References
----------
Ahmad S., Lavin A., Purdy S., Agha Z.: Unsupervised real-time anomaly detection for streaming data. Neurocomputing 2017.
Hundman K. et al.: Detecting Spacecraft Anomalies Using LSTMs and Nonparametric Dynamic Thresholding. KDD 2018.
"""

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Self

import numpy as np

_LEAST = 1e-12  # of a score, for its logarithm


@dataclass(frozen=True)
class Baseline:
    """The level that scores are compared with.

    Attributes
    ----------
    size : int
        Scores in the level of a row, at least 1.
    weight : float
        From 0, excluded, to 1.
    level : float
        Geometric mean of the scores of normal rows, positive.

    Raises
    ------
    ValueError
        If one of them is out of range.

    Examples
    --------
    >>> Baseline(size=2, weight=1.0, level=1.0).relative(np.array([1.0, 4.0, 4.0, 0.25])).round(2).tolist()
    [1.0, 2.0, 1.0, 0.25]
    """

    size: int
    weight: float
    level: float

    def __post_init__(self) -> None:
        check_baseline(self.size, self.weight)
        if self.size < 1:
            raise ValueError(f"baseline_size must be at least 1 for a baseline; got {self.size}.")
        if isinstance(self.level, bool) or not isinstance(self.level, int | float) or not 0 < self.level < math.inf:
            raise ValueError(f"level must be a positive number; got {self.level!r}.")

    @classmethod
    def fit(cls, scores: Iterable[np.ndarray], *, size: int, weight: float) -> Self:
        """Take the level of normal rows from their scores, one array (n_steps,) per series."""
        return cls(size, weight, float(np.exp(_log(np.concatenate(list(scores))).mean())))

    def relative(self, scores: np.ndarray) -> np.ndarray:
        """Compare the scores of one series with their level: (n_steps,) to (n_steps,), float64, never higher."""
        levels = np.maximum(_sum_of_newest(_log(scores) - math.log(self.level), self.size) / self.size, 0.0)
        relative: np.ndarray = np.asarray(scores, dtype=np.float64) * np.exp(-self.weight * levels)
        return relative

    def to_dict(self) -> dict[str, Any]:
        """Describe it so that JSON and `Baseline(**description)` restore it exactly."""
        return asdict(self)


def check_baseline(size: int, weight: float) -> None:
    """Raise ValueError for a `size` that is no count, 0 for none included, or a `weight` outside (0, 1]."""
    if isinstance(size, bool) or not isinstance(size, int) or size < 0:
        raise ValueError(f"baseline_size must be an integer of at least 0; got {size!r}.")
    if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 < weight <= 1:
        raise ValueError(f"baseline_weight must be a number above 0 and at most 1; got {weight!r}.")


def _log(scores: np.ndarray) -> np.ndarray:
    """Logarithms; a score too far off for the arithmetic counts as the largest number that is not."""
    largest = float(np.finfo(np.float32).max)
    finite = np.nan_to_num(np.asarray(scores, dtype=np.float64), nan=largest, posinf=largest)
    logs: np.ndarray = np.log(np.clip(finite, _LEAST, largest))
    return logs


def _sum_of_newest(values: np.ndarray, size: int) -> np.ndarray:
    """Sum of the newest `size` values, (n,); of as many as there are at the start."""
    sums = np.concatenate([[0.0], np.cumsum(values)])
    stop = np.arange(1, len(values) + 1)
    newest: np.ndarray = sums[stop] - sums[np.maximum(stop - size, 0)]
    return newest
