"""Anomalies and alarms as events, not rows: which were found, how late, and how many alarms were false.

**Conventions**: ranges are int64 (k, 2) ``[start, stop)`` row numbers. An event is a run of rows labelled 1, an alarm a
run of flagged rows; neither crosses from one series to the next. An event is *detected* when at least one of its rows
is flagged. An alarm is *false* when it shares no row with an event; an alarm that begins early and lasts into the event
is not. Times are seconds; hours count every row, normal or not. What is undefined is NaN.

Range-based precision and recall (Tatbul et al.) here: flat positional bias; a range met by k ranges of the other side
keeps 1/k of its overlap (reciprocal cardinality); recall gives a weight of .2 to existence (was the event met at all),
precision none. These are the choices of the TSB-AD benchmark.

References
----------
N. Tatbul, T. J. Lee, S. Zdonik, M. Alam, J. Gottschlich: Precision and Recall for Time Series. NeurIPS 2018.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

Bools = NDArray[np.bool_]
Ints = NDArray[np.int64]
EXISTENCE_WEIGHT = 0.2


class EventCounts(NamedTuple):
    """What happened to the events of some series, and what else raised an alarm."""

    n_events: int
    n_detected: int
    n_false_alarms: int
    delays_s: NDArray[np.float64]
    """Seconds from the onset to the first flagged row, one per detected event."""


class RangeScores(NamedTuple):
    """Range-based precision, recall and their harmonic mean, in [0, 1] or NaN."""

    precision: float
    recall: float
    f1: float


def series_starts(series: ArrayLike | None, n_rows: int) -> Ints:
    """Return the first row of every series, (m,).

    Parameters
    ----------
    series : (n,) ids, or (m,) int lengths, optional
        With one entry per row: ids, a new series wherever they change (so series of one row each need ids). Otherwise
        the lengths of the series, in order. By default all rows are one series.
    n_rows : int

    Raises
    ------
    ValueError
        If lengths do not sum to `n_rows`, or one is not a positive whole number.

    Examples
    --------
    >>> series_starts([2, 3], 5).tolist(), series_starts(["a", "a", "b", "b", "b"], 5).tolist()
    ([0, 2], [0, 2])
    """
    if series is None:
        return np.zeros(1, np.int64)
    array = np.asarray(series)
    if array.shape == (n_rows,):
        return np.append(0, np.flatnonzero(array[1:] != array[:-1]) + 1).astype(np.int64)
    if array.ndim != 1 or array.dtype.kind not in "iu" or not (array > 0).all() or array.sum() != n_rows:
        raise ValueError(
            f"series must be {n_rows} ids, one per row, or lengths greater than 0 that sum to {n_rows}; "
            f"got {array.dtype} of shape {array.shape}."
        )
    return np.append(0, np.cumsum(array)[:-1]).astype(np.int64)


def row_numbers(starts: Ints, n_rows: int) -> Ints:
    """Count the rows of every series from 0, (n,)."""
    lengths = np.diff(np.append(starts, n_rows))
    return np.arange(n_rows) - np.repeat(starts, lengths)


def find_ranges(flags: Bools, starts: Ints) -> Ints:
    """Return the runs of True, (k, 2), cut where a series starts.

    Examples
    --------
    >>> find_ranges(np.array([0, 1, 1, 1, 0], bool), np.array([0, 2])).tolist()
    [[1, 2], [2, 4]]
    """
    is_start = np.zeros(len(flags), np.bool_)
    is_start[starts] = True
    follows = np.append(False, flags[:-1]) & ~is_start
    followed = np.append(flags[1:] & ~is_start[1:], False)
    return np.stack([np.flatnonzero(flags & ~follows), np.flatnonzero(flags & ~followed) + 1], axis=1)


def count_events(labels: Bools, flags: Bools, starts: Ints, *, step_s: float = 1.0) -> EventCounts:
    """Compare alarms with events.

    Parameters
    ----------
    labels, flags : (n,) bool
        The truth, and what the detector flagged.
    starts : (m,) int
        From `series_starts`.
    step_s : float
        Seconds between two rows.

    Examples
    --------
    >>> labels, flags = np.array([[0, 1, 1, 1, 0, 0, 0], [0, 0, 0, 1, 1, 0, 1]], bool)
    >>> counts = count_events(labels, flags, np.array([0]), step_s=10)
    >>> counts.n_events, counts.n_detected, counts.n_false_alarms, counts.delays_s.tolist()
    (1, 1, 1, [20.0])
    """
    events, alarms = find_ranges(labels, starts), find_ranges(flags, starts)
    rows = np.append(np.flatnonzero(flags), len(flags))
    first = rows[np.searchsorted(rows[:-1], events[:, 0])]
    detected = first < events[:, 1]
    return EventCounts(
        n_events=len(events),
        n_detected=int(detected.sum()),
        n_false_alarms=int((_shared_rows(alarms, labels) == 0).sum()),
        delays_s=(first - events[:, 0])[detected].astype(np.float64) * step_s,
    )


def range_scores(labels: Bools, flags: Bools, starts: Ints) -> RangeScores:
    """Compute range-based precision, recall and F1.

    Examples
    --------
    Half of one event is found, in two pieces: .2 for its existence + .8 x .5 x 1/2.

    >>> labels, flags = np.array([[1, 1, 1, 1, 0], [1, 0, 0, 1, 0]], bool)
    >>> range_scores(labels, flags, np.array([0]))
    RangeScores(precision=1.0, recall=0.4, f1=0.5714285714285715)
    """
    events, alarms = find_ranges(labels, starts), find_ranges(flags, starts)
    recall = _mean_reward(events, alarms, flags, existence=EXISTENCE_WEIGHT)
    precision = _mean_reward(alarms, events, labels, existence=0.0)
    if not len(events) and not len(alarms):
        return RangeScores(precision, recall, float("nan"))
    if not recall > 0 or not precision > 0:
        return RangeScores(precision, recall, 0.0)
    return RangeScores(precision, recall, 2 * precision * recall / (precision + recall))


def _mean_reward(ranges: Ints, others: Ints, other_flags: Bools, *, existence: float) -> float:
    if not len(ranges):
        return float("nan")
    met_by = np.searchsorted(others[:, 0], ranges[:, 1]) - np.searchsorted(others[:, 1], ranges[:, 0], side="right")
    overlap = _shared_rows(ranges, other_flags) / (ranges[:, 1] - ranges[:, 0]) / np.maximum(met_by, 1)
    return float(np.mean(existence * (met_by > 0) + (1 - existence) * overlap))


def _shared_rows(ranges: Ints, flags: Bools) -> Ints:
    """Count the True rows inside every range."""
    counted: Ints = np.append(0, np.cumsum(flags)).astype(np.int64)
    return counted[ranges[:, 1]] - counted[ranges[:, 0]]
