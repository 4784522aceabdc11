"""What every detector is: one contract, checked once here; a family supplies only its maths.

**Conventions**: a detector is a function of the last `window_size` rows, so its scores are causal: the score of row t
depends on rows <= t alone (the first rows are padded on the left with the first row). Scores are float64, one per
row, higher = more anomalous, at most `LARGEST_SCORE`, and repeatable. Values that go in and come out are in raw units;
residuals are scaled. With a `baseline_size`, scores are then compared with their recent level (`baseline`), and
depend on `reach` rows; `outputs` stay those of the window alone.

References
----------
The template (public methods validate, `_methods` compute) follows dtaianomaly (Carpentier et al., 2025).
"""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, cast

import numpy as np

from anomaly_detection.baseline import Baseline, check_baseline
from anomaly_detection.rows import (
    Rows,
    SeriesLike,
    Stretch,
    as_labels,
    as_list,
    as_rows,
    channel_names,
    check_learnable,
    labelled,
    n_rows_of,
    normal_windows,
    past_the_start,
    split_newest,
)
from anomaly_detection.windows import causal_windows, in_chunks

if TYPE_CHECKING:
    import pandas as pd

    from anomaly_detection.thresholds import Threshold

Kind = Literal["reconstruction", "forecast"]
_ROUNDING = 1e-12  # scores that are: a millionth of a channel's scale, squared
LARGEST_SCORE = float(np.finfo(np.float32).max)


class NotFittedError(ValueError):
    """A detector is asked before it has learned."""


@dataclass(frozen=True)
class Outputs:
    """What a detector says of n windows.

    Attributes
    ----------
    score : ndarray of shape (n,)
        Of the newest row; higher = more anomalous.
    residual : ndarray of shape (n, n_channels)
        Scaled, signed residual of the newest row, per channel: what the score is made of.
    latent : ndarray of shape (n, n_latents)
    prediction : ndarray of shape (n, window_size, n_channels)
        Raw units. A reconstruction of each row; or, after each row, the forecast of the next: the last one is what
        comes after the window, the last but one is what the newest row was compared with.
    """

    score: np.ndarray
    residual: np.ndarray
    latent: np.ndarray
    prediction: np.ndarray


@dataclass(kw_only=True, eq=False)
class Detector(ABC):
    """Fit on series, score rows.

    Parameters
    ----------
    window_size : int
        Rows that are judged together, the newest of which is scored.
    threshold : str
        How `fit` chooses the threshold from scores of the validation part: "auto" (best F1 where that part has labels
        of both classes, else a target false-positive rate) or what `thresholds.parse_threshold` takes.
    baseline_size : int
        Scores in the recent level that a score is compared with; 0 for none. See `baseline`.
    baseline_weight : float
        How much of that level is taken off, above 0 and at most 1.
    """

    name: ClassVar[str]
    kind: ClassVar[Kind] = "reconstruction"
    # Whether a value that is not finite makes the score so: then scores are checked, which are fewer.
    shows_non_finite: ClassVar[bool] = False
    # Of the windows that `_run` is given.
    precision: ClassVar[type[np.floating]] = np.float32

    window_size: int = 1
    threshold: str = "auto"
    baseline_size: int = 0
    baseline_weight: float = 0.6
    channels_: tuple[str, ...] = field(default=(), init=False, repr=False)
    named_: bool = field(default=False, init=False, repr=False)
    threshold_: "Threshold | None" = field(default=None, init=False, repr=False)
    baseline_: Baseline | None = field(default=None, init=False, repr=False)

    # What a family supplies.

    @abstractmethod
    def _fit(self, train: list[Stretch], validation: list[Stretch]) -> None:
        """Learn from checked series."""

    @abstractmethod
    def _run(self, windows: np.ndarray) -> Outputs:
        """Answer for float windows (n, window_size, n_channels) in raw units."""

    @abstractmethod
    def to_onnx(self) -> bytes:
        """Write the fitted detector as an ONNX model, with the names and shapes of `stored`."""

    def _regimes(self, stretch: Stretch) -> list[Stretch]:
        """Cut a training series into states, in the order of time, of which the first may be normal: all is one."""
        return [stretch]

    def weights(self) -> bytes | None:
        """Return what `stored` writes beside the model, for those who train on; None where there is nothing."""
        return None

    def _decision_function(self, values: np.ndarray) -> np.ndarray:
        """Scores (n_steps,) of one checked series; a family may have a faster way than windows."""
        return np.concatenate([outputs.score for outputs in self._outputs(values)])

    def _check_settings(self) -> None:
        """Raise ValueError for settings that no data can mend."""
        if not isinstance(self.window_size, int) or self.window_size < 1:
            raise ValueError(f"window_size must be an integer of at least 1; got {self.window_size!r}.")
        check_baseline(self.baseline_size, self.baseline_weight)
        if not self.baseline_size and self.baseline_weight != Detector.baseline_weight:
            raise ValueError("baseline_weight must go with a baseline_size of at least 1; got 0.")
        if self.threshold != "auto":
            from anomaly_detection.thresholds import parse_threshold

            parse_threshold(self.threshold)

    # What users call.

    @property
    def settings(self) -> dict[str, Any]:
        """The constructor's keyword settings."""
        return {f.name: getattr(self, f.name) for f in fields(self) if f.init}

    @property
    def reach(self) -> int:
        """Rows that a score depends on, its own included."""
        return self.window_size + (0 if self.baseline_ is None else self.baseline_.size - 1)

    def fit(self, X: SeriesLike, y: Any = None, *, validation: tuple[SeriesLike, Any] | None = None) -> Self:
        """Learn what is normal, and a threshold.

        Parameters
        ----------
        X : array or DataFrame of shape (n_steps, n_channels), or a list of them
            No window crosses from one series of the list into another.
        y : array of shape (n_steps,), or a list of them, optional
            1 where a row is anomalous. Families that learn the normal leave such rows out. In a list, None stands for
            a series without labels.
        validation : (X, y), optional
            For early stopping and the threshold; y may be None. Without it the newest 15 % of each series serve. Where
            only some of its series have labels, the threshold comes from those. Rows that do not fill a window with
            those before them set none, unless the only anomalous ones, or the only normal ones, are among them.

        Raises
        ------
        TypeError
            If `validation` is no pair.
        ValueError
            If X or y are not as described, no series fills a window, or every row is labelled anomalous.
        """
        self._check_settings()
        if not as_list(X):
            raise ValueError("X must hold at least one series; got an empty list.")
        names = channel_names(as_list(X)[0])
        if not names:
            raise ValueError("X must have shape (n_steps, n_channels); for one channel, reshape it to (n_steps, 1).")
        self.channels_, self.named_ = names, hasattr(as_list(X)[0], "columns")
        self.threshold_ = self.baseline_ = None
        learned = False
        try:
            self._learn(X, y, validation)
            learned = True
        finally:
            if not learned:  # or it would score by what an earlier fit left
                self.channels_ = ()
        return self

    def _learn(self, X: SeriesLike, y: Any, validation: tuple[SeriesLike, Any] | None) -> None:
        train = self._stretches(X, y)
        if validation is None:
            train, held_out = self._split(train)
        else:
            held_out = self._stretches(*_pair(validation))
        if max(len(stretch.values) for stretch in train) < self.window_size:
            longest = max(len(stretch.values) for stretch in train)
            raise ValueError(
                f"X must have a series of at least window_size = {self.window_size} rows to learn from; "
                f"the longest has {longest}."
            )
        if all(stretch.labels is not None and stretch.labels.all() for stretch in train):
            raise ValueError("y must leave normal rows to learn from; every row is labelled anomalous.")
        if self.baseline_size and not any(normal_windows(stretch, self.window_size).any() for stretch in train):
            raise ValueError(
                f"y must leave a window of {self.window_size} normal rows in a row for the level of a baseline; got "
                "none. Take a smaller window_size, or no baseline."
            )
        judged, normal = held_out or train, [self._regimes(stretch)[0] for stretch in train]
        is_unlabelled = not held_out or labelled(held_out)[1] is None
        if is_unlabelled and n_rows_of(normal) < n_rows_of(train):
            judged = normal  # what comes later is in the other state
        self._rule(labelled(judged)[1])  # before the work that it would make useless
        _warn_of_constants(train)
        self._fit(train, held_out)
        if self.baseline_size:
            self._fit_baseline(normal, held_out)
        self._calibrate(judged)

    def _split(self, train: list[Stretch]) -> tuple[list[Stretch], list[Stretch]]:
        """Hold out the newest rows of each series, but of one that ends in another state than its normal one."""
        kept, held_out = [], []
        for stretch in train:
            is_one = len(self._regimes(stretch)) == 1
            older, newest = split_newest([stretch], self.window_size) if is_one else ([stretch], [])
            kept += older
            held_out += newest
        return kept, held_out

    def decision_function(self, X: SeriesLike) -> np.ndarray:
        """Score every row: (n_steps,), float64, higher = more anomalous; the scores of a list follow one another.

        Where there is a baseline, the scores of each series are compared with their recent level.
        """
        scores = self.window_scores(X)
        if self.baseline_ is None:
            return scores
        ends = np.cumsum([len(series) for series in as_list(X)])
        return np.concatenate([self.baseline_.relative(part) for part in np.split(scores, ends[:-1])])

    def window_scores(self, X: SeriesLike) -> np.ndarray:
        """Score every row by its window alone, compared with no level: (n_steps,), float64.

        A row too far off for the arithmetic scores `LARGEST_SCORE`: never NaN, which no threshold would flag.
        """
        with np.errstate(invalid="ignore", over="ignore"):
            scores = [self._decision_function(values) for values in self._checked(X, finite=not self.shows_non_finite)]
        joined = scores[0] if len(scores) == 1 else np.concatenate(scores)
        if joined.max() <= LARGEST_SCORE and joined.min() >= -LARGEST_SCORE:  # NaN is neither
            return joined.astype(np.float64)
        if self.shows_non_finite:
            self._checked(X)
        return np.clip(np.nan_to_num(joined.astype(np.float64), nan=LARGEST_SCORE), -LARGEST_SCORE, LARGEST_SCORE)

    def score_frame(self, X: Rows) -> "pd.DataFrame":
        """Scores as a DataFrame with X's index and the column `anomaly_score`."""
        import pandas as pd

        return pd.DataFrame({"anomaly_score": self.decision_function(X)}, index=getattr(X, "index", None))

    def predict(self, X: SeriesLike) -> np.ndarray:
        """Flag every row: (n_steps,), 1 where its score exceeds the threshold."""
        scores = self.decision_function(X)
        if self.threshold_ is None:
            raise NotFittedError(f"This {self.name} has no threshold; call fit.")
        flags: np.ndarray = (scores > self.threshold_.value_).astype(np.int64)
        return flags

    def reconstruct(self, X: Rows) -> Any:
        """Return what the detector makes of every row, in raw units: like X, a DataFrame for a DataFrame."""
        self._require("reconstruction", "reconstruct", "forecast")
        return self._newest_prediction(X)

    def forecast(self, X: Rows) -> Any:
        """Return what comes next, after every row, in raw units: row t forecasts row t + 1 from rows <= t."""
        self._require("forecast", "forecast", "reconstruct")
        return self._newest_prediction(X)

    def contributions(self, X: SeriesLike) -> np.ndarray:
        """Share of each channel in the error of every row: (n_steps, n_channels), each row sums to 1."""
        squares = np.square(np.concatenate([o.residual for values in self._checked(X) for o in self._outputs(values)]))
        totals = squares.sum(axis=1, keepdims=True)
        shares: np.ndarray = np.where(totals > 0, squares / np.where(totals > 0, totals, 1.0), 1 / len(self.channels_))
        return shares

    def outputs(self, X: SeriesLike) -> Outputs:
        """Everything about every row; see `Outputs`, n = rows of X."""
        parts = [outputs for values in self._checked(X) for outputs in self._outputs(values)]
        return Outputs(*(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Outputs)))

    # The rest is between the two.

    def _outputs(self, values: np.ndarray) -> Iterator[Outputs]:
        for windows in in_chunks(causal_windows(values, self.window_size), dtype=self.precision):
            yield self._run(windows)

    def _checked(self, X: SeriesLike, *, finite: bool = True) -> list[np.ndarray]:
        if not self.channels_:
            raise NotFittedError(f"This {self.name} is not fitted; call fit first.")
        if not as_list(X):
            raise ValueError("X must hold at least one series; got an empty list.")
        return [as_rows(series, self.channels_, named=self.named_, finite=finite) for series in as_list(X)]

    def _stretches(self, X: SeriesLike, y: Any) -> list[Stretch]:
        values = self._checked(X)
        for part in values:
            check_learnable(part, self.channels_)
        labels = [None] * len(values) if y is None else list(as_labels(y, [len(part) for part in values]))
        return [Stretch(part, label) for part, label in zip(values, labels, strict=True)]

    def _newest_prediction(self, X: Rows) -> Any:
        values = np.concatenate([o.prediction[:, -1] for v in self._checked(X) for o in self._outputs(v)])
        if not hasattr(X, "columns"):
            return values
        import pandas as pd

        return pd.DataFrame(values, index=cast("pd.DataFrame", X).index, columns=list(self.channels_))

    def _require(self, kind: Kind, called: str, offered: str) -> None:
        if self.kind != kind:
            raise TypeError(f"{called} must be called on a detector that does it; {self.name} does not. Use {offered}.")

    def _fit_baseline(self, train: list[Stretch], held_out: list[Stretch]) -> None:
        """Take the level from the normal windows of the training part; `held_out` is for families that know it."""
        normal = [self._decision_function(s.values)[self.window_size - 1 :] for s in train]
        normal = [scores[normal_windows(s, self.window_size)] for scores, s in zip(normal, train, strict=True)]
        self.baseline_ = Baseline.fit(normal, size=self.baseline_size, weight=self.baseline_weight)

    def _calibrate(self, stretches: list[Stretch]) -> None:
        stretches, labels = labelled(stretches)
        scores = self.decision_function([stretch.values for stretch in stretches])
        rule, used = self._rule(labels), past_the_start(stretches, self.window_size)
        try:
            rule.check_labels(None if labels is None else labels[used])
        except ValueError:  # the only rows of a kind that the rule needs
            used[:] = True
        labels = None if labels is None else labels[used]
        self.threshold_ = rule.fit(np.maximum(scores[used], _ROUNDING), labels)

    def _rule(self, labels: np.ndarray | None) -> "Threshold":
        """Make the rule for the threshold, which these labels of the validation part must suit."""
        from anomaly_detection.thresholds import choose_threshold, parse_threshold

        rule = choose_threshold(labels) if self.threshold == "auto" else parse_threshold(self.threshold)
        rule.check_labels(labels)
        return rule


def _warn_of_constants(train: list[Stretch]) -> None:
    """Warn where no channel varies within the normal rows."""
    rows = np.concatenate([s.values if s.labels is None else s.values[~s.labels] for s in train])
    if (rows == rows[:1]).all():
        warnings.warn(
            "No channel varies in the normal training rows: whatever differs from them is flagged, however little.",
            stacklevel=4,
        )


def _pair(validation: Any) -> tuple[Any, Any]:
    """Return X and y of a validation part."""
    if not isinstance(validation, tuple) or len(validation) != 2:
        raise TypeError(
            f"validation must be a pair (X, y), where y may be None; got {type(validation).__name__}. Write (X, None)."
        )
    return validation


def check_choice(name: str, value: Any, known: tuple[str, ...]) -> None:
    """Raise ValueError unless `value` is one of `known`."""
    if value not in known:
        raise ValueError(f"{name} must be one of {', '.join(known)}; got {value!r}.")


def check_flag(name: str, value: Any) -> None:
    """Raise ValueError unless `value` is True or False."""
    if not isinstance(value, bool):
        raise ValueError(f"{name} must be true or false; got {value!r}.")


def check_count(name: str, value: Any, *, least: int = 1) -> None:
    """Raise ValueError unless `value` is an integer of at least `least`."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name} must be an integer of at least {least}; got {value!r}.")
