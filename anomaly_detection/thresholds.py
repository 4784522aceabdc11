"""From which score on a row is called anomalous: small objects that learn a number from validation scores, or know it.

**Conventions**: scores are float (n,), finite, higher = more anomalous; labels are 0 (normal) or 1. A row is flagged
when its score is *greater than* `value_`. Without labels every row counts as normal; with labels the rules about normal
scores use the rows of label 0 only. Nothing here may see test labels.

`choose_threshold` is the policy of the house: the best F1 when the validation rows have labels of both classes, else a
target false-positive rate. Not the 95th percentile of normal scores, though it is widely used and offered: it flags 5 %
of the normal rows by construction. Where 5 % of the rows are anomalous, even a detector that ranks every anomaly above
every normal row then has a precision of at most .05 / (.05 + .05 x .95) = .513, hence an F1 of at most .678.

References
----------
A. Siffer, P.-A. Fouque, A. Termier, C. Largouet: Anomaly Detection in Streams with Extreme Value Theory. KDD 2017.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anomaly_detection.pareto import fit_generalised_pareto
from anomaly_detection.scores import checked_labels, checked_scores, ends_of_ties

Floats = NDArray[np.float64]
MIN_PEAKS = 10
_MARGIN = 1e-6


@dataclass
class Threshold(ABC):
    """A rule that turns validation scores into `value_`; a subclass holds its settings and the maths."""

    name: ClassVar[str]
    _value: float | None = field(default=None, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        for setting, value in self.settings().items():
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise TypeError(f"{setting} must be a number; got {value!r}.")

    @property
    def value_(self) -> float:
        """The score above which a row is flagged."""
        if self._value is None:
            raise ValueError(f"The threshold {self.name!r} must be fitted first; call fit(scores).")
        return self._value

    def fit(self, scores: ArrayLike, labels: ArrayLike | None = None) -> Self:
        """Learn `value_`.

        Parameters
        ----------
        scores : (n,) float
            Of validation rows.
        labels : (n,) 0 or 1, optional
            1 = anomalous. By default all rows are normal.

        Raises
        ------
        ValueError
            If there is no score, one is not finite, or the rule lacks the rows it learns from.
        """
        checked = checked_scores(scores)
        flags = None if labels is None else checked_labels(labels, len(checked))
        self.check_labels(flags)
        self._value = float(self._fit(checked, flags))
        return self

    def check_labels(self, labels: NDArray[np.bool_] | None) -> None:
        """Raise ValueError where scores with these labels cannot teach the rule; `fit` does, too."""
        return

    def predict(self, scores: ArrayLike) -> NDArray[np.int64]:
        """Flag rows: 1 where the score is greater than `value_`, else 0, (n,)."""
        return (np.asarray(scores, np.float64) > self.value_).astype(np.int64)

    def unfitted(self) -> Self:
        """Return a new threshold with the same settings."""
        return replace(self)

    def settings(self) -> dict[str, Any]:
        """Return what the constructor was given."""
        return {key: value for key, value in asdict(self).items() if key != "_value"}

    def to_dict(self) -> dict[str, Any]:
        """Describe the threshold so that JSON and `threshold_from_dict` restore it exactly."""
        return {"name": self.name, "settings": self.settings(), "value": self._value}

    @abstractmethod
    def _fit(self, scores: Floats, labels: NDArray[np.bool_] | None) -> float:
        """Return the value for checked scores."""


class _OfNormalScores(Threshold):
    """A rule that looks at normal scores alone."""

    def check_labels(self, labels: NDArray[np.bool_] | None) -> None:
        """Raise ValueError without a normal row."""
        if labels is not None and labels.all():
            raise ValueError(f"labels must hold at least one normal row (0) for {self.name!r}; got only 1.")

    def _fit(self, scores: Floats, labels: NDArray[np.bool_] | None) -> float:
        return self._of_normal(scores if labels is None else scores[~labels])

    @abstractmethod
    def _of_normal(self, scores: Floats) -> float:
        """Return the value for one or more normal scores."""


@dataclass
class Percentile(_OfNormalScores):
    """A percentile, in [0, 100], of the normal scores, interpolated linearly; 95 flags 5 % of the normal rows."""

    name: ClassVar[str] = "percentile"
    percentile: float = 95.0

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_range("percentile", self.percentile, 0 <= self.percentile <= 100, "lie in [0, 100]")

    def _of_normal(self, scores: Floats) -> float:
        return float(np.percentile(scores, self.percentile))


@dataclass
class FalsePositiveRate(_OfNormalScores):
    """A value that at most `rate`, in [0, 1), of the normal scores exceed: never more than that, ties or not.

    It lies between the lowest score of which that holds and the next higher one (a millionth above the highest), so
    that another order of summation, in another runtime, flips no row.
    """

    name: ClassVar[str] = "false_positive_rate"
    rate: float = 0.01

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_range("rate", self.rate, 0 <= self.rate < 1, "lie in [0, 1)")

    def _of_normal(self, scores: Floats) -> float:
        n = len(scores)
        allowed = math.floor(self.rate * n + 1e-9)
        if allowed / n > self.rate:
            allowed -= 1
        lowest = float(np.partition(scores, n - 1 - allowed)[n - 1 - allowed])
        higher = scores[scores > lowest]
        return _between(lowest, float(higher.min())) if len(higher) else lowest + _MARGIN * abs(lowest)


@dataclass
class ScaledMaximum(_OfNormalScores):
    """A `quantile`, in (0, 1], of the normal scores (nearly their maximum, but for outliers) times `factor`, >= 1."""

    name: ClassVar[str] = "scaled_maximum"
    factor: float = 4 / 3
    quantile: float = 0.999

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_range("factor", self.factor, 1 <= self.factor < math.inf, "be a finite number of at least 1")
        _check_range("quantile", self.quantile, 0 < self.quantile <= 1, "lie in (0, 1]")

    def _of_normal(self, scores: Floats) -> float:
        top = float(np.quantile(scores, self.quantile))
        if top < 0:
            raise ValueError(
                f"scores must have a quantile {self.quantile:g} of at least 0 for 'scaled_maximum'; got {top:g}. "
                "A factor would lower it: choose another threshold for scores that can be negative."
            )
        return self.factor * top


@dataclass
class ExtremeValue(_OfNormalScores):
    """The score that normal rows exceed with probability `risk`, read off the tail of the normal scores.

    Peaks over threshold: a generalised Pareto distribution is fitted (`fit_generalised_pareto`) to what the
    highest scores exceed their quantile `level` by, and extrapolated. With fewer than `MIN_PEAKS` distinct peaks
    there is no tail to fit, and the value is the highest normal score.

    Parameters
    ----------
    risk : float
        In (0, 1 - level).
    level : float
        In (0, 1).
    """

    name: ClassVar[str] = "extreme_value"
    risk: float = 1e-4
    level: float = 0.98

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_range("level", self.level, 0 < self.level < 1, "lie in (0, 1)")
        _check_range("risk", self.risk, 0 < self.risk < 1 - self.level, f"lie in (0, {1 - self.level:g}), 1 - level")

    def _of_normal(self, scores: Floats) -> float:
        start = float(np.quantile(scores, self.level))
        excesses = scores[scores > start] - start
        if len(np.unique(excesses)) < MIN_PEAKS:
            return float(scores.max())
        ratio = self.risk * len(scores) / len(excesses)
        if ratio >= 1:  # so many scores equal `start` that exceeding it is rare enough
            return start
        shape, scale = fit_generalised_pareto(excesses)
        growth = -math.log(ratio) if abs(shape) < 1e-9 else math.expm1(-shape * math.log(ratio)) / shape
        value = start + scale * growth
        return value if math.isfinite(value) else float(scores.max())


@dataclass
class BestF1(Threshold):
    """The value that gives the best F1 on labelled validation rows, halfway between two neighbouring scores.

    Every distinct score is tried. Of equally good values the highest is taken: it raises the fewest alarms.
    """

    name: ClassVar[str] = "best_f1"

    def check_labels(self, labels: NDArray[np.bool_] | None) -> None:
        """Raise ValueError without rows of both kinds."""
        if labels is None or labels.all() or not labels.any():
            got = "none" if labels is None else f"only {int(labels[0])}"
            raise ValueError(
                f"labels must hold normal (0) and anomalous (1) rows for 'best_f1'; got {got}. "
                "Without them choose 'false_positive_rate'."
            )

    def _fit(self, scores: Floats, labels: NDArray[np.bool_] | None) -> float:
        assert labels is not None
        order = np.argsort(-scores, kind="stable")
        ranked = scores[order]
        last = ends_of_ties(ranked)
        hits = np.cumsum(labels[order])[last]
        f1 = 2 * hits / (last + 1 + labels.sum())
        best = int(np.argmax(f1))
        lowest_flagged = ranked[last[best]]
        if best == len(last) - 1:
            return float(np.nextafter(lowest_flagged, -np.inf))
        return _between(float(ranked[last[best] + 1]), float(lowest_flagged))


@dataclass
class Fixed(Threshold):
    """A limit that theory or experience gives, finite and at least 0: no score or label changes it."""

    name: ClassVar[str] = "fixed"
    limit: float

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_range("limit", self.limit, 0 <= self.limit < math.inf, "be a finite number of at least 0")

    def _fit(self, scores: Floats, labels: NDArray[np.bool_] | None) -> float:
        return self.limit


THRESHOLDS: dict[str, type[Threshold]] = {
    rule.name: rule for rule in (BestF1, ExtremeValue, FalsePositiveRate, Fixed, Percentile, ScaledMaximum)
}


def make_threshold(name: str, **settings: float) -> Threshold:
    """Make an unfitted threshold by its name in `THRESHOLDS`.

    Examples
    --------
    >>> make_threshold("false_positive_rate", rate=0.25).fit([1.0, 2.0, 3.0, 4.0]).value_
    3.5
    """
    if name not in THRESHOLDS:
        raise ValueError(f"threshold must be one of {', '.join(THRESHOLDS)}; got {name!r}.")
    known = [setting.name for setting in fields(THRESHOLDS[name]) if setting.init]
    if unknown := sorted(set(settings) - set(known)):
        raise ValueError(f"settings of {name!r} must be among {known}; got {unknown}.")
    if name == Fixed.name and not settings:
        raise ValueError("the threshold 'fixed' must come with its number, as in fixed=3.73; got none.")
    return THRESHOLDS[name](**settings)


def parse_threshold(text: str) -> Threshold:
    """Make an unfitted threshold from its name, or from its name and its first setting.

    Examples
    --------
    >>> parse_threshold("percentile"), parse_threshold("percentile=99")
    (Percentile(percentile=95.0), Percentile(percentile=99.0))
    """
    name, equals, value = text.partition("=")
    if not equals or name not in THRESHOLDS:
        return make_threshold(name)
    known = [setting.name for setting in fields(THRESHOLDS[name]) if setting.init]
    try:
        return make_threshold(name, **{known[0]: float(value)})
    except (IndexError, ValueError) as error:
        reason = f"{name} has no setting" if isinstance(error, IndexError) else error
        raise ValueError(
            f"threshold must be a name, or a name and a number as in percentile=99; got {text!r}: {reason}"
        ) from error


def choose_threshold(labels: ArrayLike | None = None) -> Threshold:
    """Choose the rule for validation rows with these labels: best F1 if both classes are there, else 1 % false alarms.

    Examples
    --------
    >>> choose_threshold([0, 0, 1]).name, choose_threshold().name
    ('best_f1', 'false_positive_rate')
    """
    if labels is not None:
        flags = checked_labels(labels)
        if flags.any() and not flags.all():
            return BestF1()
    return FalsePositiveRate()


def threshold_from_dict(description: Mapping[str, Any]) -> Threshold:
    """Restore what `Threshold.to_dict` described, its `value_` included.

    Raises
    ------
    ValueError
        If the description is not one.
    """
    if set(description) != {"name", "settings", "value"} or not isinstance(description["settings"], Mapping):
        raise ValueError(f"threshold must have the keys name, settings and value; got {sorted(description)}.")
    name, settings = description["name"], description["settings"]
    if not isinstance(name, str) or "name" in settings:
        raise ValueError(f"threshold must have a name and settings of its own; got {name!r} with {sorted(settings)}.")
    threshold = make_threshold(name, **settings)
    value = description["value"]
    if value is not None:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise ValueError(f"the threshold's value must be a finite number or null; got {value!r}.")
        threshold._value = float(value)
    return threshold


def _check_range(setting: str, value: float, is_fine: bool, expected: str) -> None:
    if not is_fine:
        raise ValueError(f"{setting} must {expected}; got {value!r}.")


def _between(low: float, high: float) -> float:
    """Halfway between two different numbers, yet below the higher one where no number lies between."""
    middle = low / 2 + high / 2
    return middle if low <= middle < high else low
