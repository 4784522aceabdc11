"""How a detector fares on single windows, from its own score and scaled residuals.

Values in raw units would not survive float16, in which the platform hands over what a model gave; scores and scaled
residuals do. A score that half precision cannot hold arrives as infinity and counts as its largest value, 65504, or as
twice the threshold where that is more.

**Conventions**: arrays have the batch first; every metric is float64 (batch,), NaN where undefined. The truth of a
window is that of its newest row, the one which is scored: `truth` is (batch, 1 + n_types), 1 in the first column for a
normal row, in another for a type of anomaly; NaN, or (batch, 0), where there are no labels. A row is flagged when its
score is greater than the threshold.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Floats = NDArray[np.float64]
Columns = dict[str, Floats]
LARGEST = 65504.0

ERROR, SCORE, MARGIN, IS_ANOMALY = "error", "score", "margin", "is_anomaly"
CORRECT, DETECTED, FALSE_ALARM, LATE_ALARM = "correct", "detected", "false_alarm", "late_alarm"


def read_scores(score: Array, threshold: float | None = None) -> Floats:
    """Bring scores (batch,) or (batch, 1) to float64, infinite ones to a number above the threshold."""
    values = np.asarray(score, np.float64).reshape(len(score), -1)[:, 0]
    largest = max(LARGEST, 2 * (threshold or 0.0))
    return np.nan_to_num(values, nan=np.nan, posinf=largest, neginf=-largest)


def error_columns(residual: Array, keys: Sequence[str]) -> Columns:
    """Give the squared scaled residual of the newest row: ``error``, the mean over channels, and one per channel.

    Examples
    --------
    >>> error_columns(np.array([[1.0, -3.0]]), ["a", "b"])["error"].tolist()
    [5.0]
    """
    squares = np.square(np.asarray(residual, np.float64).clip(-LARGEST, LARGEST))
    return {ERROR: squares.mean(axis=1)} | {f"{ERROR}_{key}": squares[:, k] for k, key in enumerate(keys)}


def score_columns(score: Array, threshold: float | None) -> Columns:
    """Give what needs no labels: the score, how far it is above the threshold, and whether it is.

    Examples
    --------
    >>> {name: values.tolist() for name, values in score_columns(np.array([3.0]), 2.0).items()}
    {'score': [3.0], 'margin': [1.0], 'is_anomaly': [1.0]}
    """
    values = read_scores(score, threshold)
    margin = values - (np.nan if threshold is None else threshold)
    return {SCORE: values, MARGIN: margin, IS_ANOMALY: _flag(margin)}


def detection_columns(
    score: Array, labels: Array, truth: Array, threshold: float | None, types: Sequence[str]
) -> Columns:
    """Give whether the flags are right, whether anomalies were found, and whether normal rows were flagged.

    Parameters
    ----------
    score : (batch,)
    labels : (batch, window_size) or (batch, 0)
        Of all rows of the windows.
    truth : (batch, 1 + n_types) or (batch, 0)
        Of the newest rows.
    threshold : float or None
    types : sequence of str
        Keys of the types, in the order of `truth`.

    Returns
    -------
    dict
        ``correct``: 1 where an anomalous row is flagged or a normal one is not, 0 where the flag is wrong, NaN without
        a label. A late alarm is wrong: as wherever rows are counted, the label of the newest row decides.
        ``detected`` and ``detected_<type>``: 1 where a row of that type is flagged, 0 where it is missed, NaN where
        the row is of no such type. ``false_alarm``: 1 where a normal row is flagged, 0 where it is not, NaN where
        any row of the window is anomalous. ``late_alarm``: the same for normal rows after an anomaly that the window
        still holds.
    """
    flagged = score_columns(score, threshold)[IS_ANOMALY]
    truth = np.asarray(truth, np.float64).reshape(len(flagged), -1)
    known = truth if truth.shape[1] else np.zeros((len(flagged), 1 + len(types)))

    def among(members: NDArray[np.bool_]) -> Floats:
        return np.where(members, flagged, np.nan)

    is_type = np.asarray(known > 0.5)
    is_anomalous = np.asarray(is_type[:, 1:].any(axis=1))
    holds_anomaly = np.asarray((np.asarray(labels).reshape(len(flagged), -1) > 0.5).any(axis=1))
    return {
        CORRECT: np.where(is_anomalous, flagged, np.where(is_type[:, 0], 1 - flagged, np.nan)),
        DETECTED: among(is_anomalous),
        FALSE_ALARM: among(is_type[:, 0] & ~holds_anomaly),
        LATE_ALARM: among(is_type[:, 0] & holds_anomaly),
        **{f"{DETECTED}_{key}": among(is_type[:, 1 + k]) for k, key in enumerate(types)},
    }


def anomaly_probability(score: Array, threshold: float) -> Floats:
    """Squeeze scores into 0..1 so that .5 is the threshold: s / (s + threshold), for scores that are never negative.

    Where the threshold is not positive, the logistic function of the margin.

    Examples
    --------
    >>> anomaly_probability(np.array([0.0, 2.0, 6.0]), 2.0).tolist()
    [0.0, 0.5, 0.75]
    """
    values = read_scores(score, threshold)
    if threshold > 0:
        positive = np.maximum(values, 0)
        return np.asarray(positive / (positive + threshold), np.float64)
    return np.asarray(0.5 * (1 + np.tanh((values - threshold) / 2)), np.float64)


def _flag(margin: Floats) -> Floats:
    return np.where(np.isnan(margin), np.nan, (margin > 0).astype(np.float64))
