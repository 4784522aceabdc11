"""How good anomaly scores are against labels: by row, by event, by anomaly type, with and without a threshold.

**Conventions**: labels 0 or 1 (n,), scores float (n,), higher = more anomalous; a row is flagged when its score is
greater than the threshold. Shares lie in [0, 1]; times are seconds; what is undefined (no anomaly, no alarm, one class)
is NaN. Validate first, then count, then divide.

- ``false_alarm_rate`` and ``missed_alarm_rate`` are SKAB's FAR and MAR, FP / (FP + TN) and FN / (FN + TP), as shares:
  SKAB prints percent.
- ``auc_pr`` is the average precision (no interpolation), as scikit-learn's.
- ``vus_roc`` and ``vus_pr``: `anomaly_detection.vus`. Events, delay, range-based scores: `anomaly_detection.events`.
- An anomaly type is judged by its own rows against all normal rows.

The point-adjusted F1, which counts a whole event as found once one of its rows is flagged, is not offered: under it a
random score beats published detectors, because a long event is hit by chance and then pays for all false alarms.
Event recall beside false alarms per hour says what it meant to say. Point F1 alone is nearly as blind where half of
the rows are anomalous: read it beside the rows of `trivial_rows`.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anomaly_detection.events import EventCounts, count_events, range_scores, series_starts
from anomaly_detection.scores import checked_labels, checked_scores, ends_of_ties
from anomaly_detection.series import NORMAL
from anomaly_detection.vus import DEFAULT_WINDOW, volume_under_surface

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
SECONDS_PER_HOUR = 3600


def evaluate_scores(
    labels: ArrayLike,
    scores: ArrayLike,
    *,
    threshold: float,
    types: ArrayLike | None = None,
    step_s: float = 1.0,
    series: ArrayLike | None = None,
    sliding_window: int | None = None,
) -> dict[str, Any]:
    """Judge anomaly scores.

    Parameters
    ----------
    labels : (n,) 0 or 1
        1 = anomalous.
    scores : (n,) float
        Finite.
    threshold : float
        Fixed without test labels. May be infinite: ``-inf`` flags every row.
    types : (n,) str, optional
        Anomaly type of each row, "normal" exactly where the label is 0.
    step_s : float
        Seconds between two rows.
    series : (n,) ids or (m,) lengths, optional
        Events, alarms and buffers never cross from one series to the next (`series_starts`). By default one series.
    sliding_window : int, optional
        Largest window of the volumes under the surface, in rows; 100 by default.

    Returns
    -------
    dict
        Flat and fit for JSON, but for ``per_type``: a dict for every type, with n_rows, n_events, recall, event_recall
        and roc_auc; empty without `types`.

    Raises
    ------
    ValueError
        If lengths differ, there is no row, a score is not finite, the threshold is NaN, or types contradict labels.

    Examples
    --------
    >>> result = evaluate_scores([0, 0, 1, 1], [0.1, 0.6, 0.4, 0.9], threshold=0.5)
    >>> result["precision"], result["recall"], result["roc_auc"], result["delay_mean_s"]
    (0.5, 0.5, 0.75, 1.0)
    """
    values = checked_scores(scores)
    truth = checked_labels(labels, len(values))
    limit, seconds = _checked_number("threshold", threshold), _checked_number("step_s", step_s, positive=True)
    starts = series_starts(series, len(values))
    names = None if types is None else _checked_types(types, truth)
    window = DEFAULT_WINDOW if sliding_window is None else sliding_window
    flags = values > limit
    counts = confusion_counts(truth, flags)
    events = count_events(truth, flags, starts, step_s=seconds)
    ranges = range_scores(truth, flags, starts)
    volume = volume_under_surface(truth, values, window=window, series=series)
    return {
        "n_rows": len(values),
        "n_anomalous_rows": int(truth.sum()),
        "threshold": limit,
        **counts,
        **_point_ratios(**counts),
        "roc_auc": roc_auc(truth, values),
        "auc_pr": average_precision(truth, values),
        "vus_roc": volume.roc,
        "vus_pr": volume.pr,
        "vus_window": int(window),
        **_event_ratios(events, hours=len(values) * seconds / SECONDS_PER_HOUR),
        "range_precision": ranges.precision,
        "range_recall": ranges.recall,
        "range_f1": ranges.f1,
        "per_type": {} if names is None else _by_type(truth, values, flags, names, starts),
    }


def confusion_counts(labels: Bools, flags: Bools) -> dict[str, int]:
    """Count rows: true and false positives and negatives."""
    tp, n_flagged, n_anomalous = int((labels & flags).sum()), int(flags.sum()), int(labels.sum())
    return {"tp": tp, "fp": n_flagged - tp, "fn": n_anomalous - tp, "tn": len(labels) - n_flagged - n_anomalous + tp}


def roc_auc(labels: ArrayLike, scores: ArrayLike) -> float:
    """Return the probability that an anomalous row scores higher than a normal one, ties counting half.

    Examples
    --------
    >>> roc_auc([0, 0, 1], [0.0, 1.0, 1.0])
    0.75
    """
    values = checked_scores(scores)
    truth = checked_labels(labels, len(values))
    return _separation(values[truth], np.sort(values[~truth]))


def average_precision(labels: ArrayLike, scores: ArrayLike) -> float:
    """Return the mean precision over the recall gained from one distinct score to the next; NaN for one class.

    Examples
    --------
    >>> average_precision([1, 0, 1], [0.9, 0.5, 0.1])
    0.8333333333333333
    """
    values = checked_scores(scores)
    truth = checked_labels(labels, len(values))
    if truth.all() or not truth.any():
        return float("nan")
    order = np.argsort(-values)
    last = ends_of_ties(values[order])
    hits = np.cumsum(truth[order])[last]
    return float(np.sum(np.diff(np.append(0, hits)) * (hits / (last + 1))) / hits[-1])


def _separation(anomalous: Floats, sorted_normal: Floats) -> float:
    if not len(anomalous) or not len(sorted_normal):
        return float("nan")
    anomalous = np.sort(anomalous)
    below = np.searchsorted(sorted_normal, anomalous, side="left").sum()
    not_above = np.searchsorted(sorted_normal, anomalous, side="right").sum()
    return float((int(below) + int(not_above)) / (2 * len(anomalous) * len(sorted_normal)))


def _point_ratios(tp: int, fp: int, fn: int, tn: int) -> dict[str, float]:
    return {
        "precision": _ratio(tp, tp + fp),
        "recall": _ratio(tp, tp + fn),
        "f1": _ratio(2 * tp, 2 * tp + fp + fn),
        "accuracy": _ratio(tp + tn, tp + fp + fn + tn),
        "false_alarm_rate": _ratio(fp, fp + tn),
        "missed_alarm_rate": _ratio(fn, fn + tp),
    }


def _event_ratios(events: EventCounts, *, hours: float) -> dict[str, float]:
    delays = events.delays_s
    return {
        "n_events": events.n_events,
        "n_detected_events": events.n_detected,
        "event_recall": _ratio(events.n_detected, events.n_events),
        "n_false_alarms": events.n_false_alarms,
        "false_alarms_per_hour": events.n_false_alarms / hours,
        "delay_mean_s": float(np.mean(delays)) if len(delays) else float("nan"),
        "delay_median_s": float(np.median(delays)) if len(delays) else float("nan"),
    }


def _by_type(
    labels: Bools, scores: Floats, flags: Bools, types: NDArray[np.str_], starts: Ints
) -> dict[str, dict[str, float]]:
    """Judge every type by its own rows and the normal ones; `types` are those of the anomalous rows."""
    rows, normal = np.flatnonzero(labels), np.sort(scores[~labels])
    found = {}
    for name in np.unique(types).tolist():
        own = np.zeros(len(labels), np.bool_)
        own[rows[types == name]] = True
        n_rows = int(own.sum())
        events = count_events(own, flags, starts)
        found[name] = {
            "n_rows": n_rows,
            "n_events": events.n_events,
            "recall": _ratio(int((own & flags).sum()), n_rows),
            "event_recall": _ratio(events.n_detected, events.n_events),
            "roc_auc": _separation(scores[own], normal),
        }
    return found


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")


def _checked_number(name: str, value: float, *, positive: bool = False) -> float:
    number = float(value)
    if positive and not 0 < number < np.inf:
        raise ValueError(f"{name} must be a finite number greater than 0; got {value!r}.")
    if np.isnan(number):
        raise ValueError(f"{name} must be a number; got {value!r}.")
    return number


def _checked_types(types: ArrayLike, labels: Bools) -> NDArray[np.str_]:
    """Return the types of the anomalous rows as text."""
    array = np.asarray(types, dtype=object)
    if array.shape != labels.shape:
        raise ValueError(f"types must be {labels.shape}, one per row; got shape {array.shape}.")
    wrong = np.flatnonzero((array == NORMAL) == labels)
    if len(wrong):
        row = int(wrong[0])
        raise ValueError(
            f"types must be {NORMAL!r} exactly where labels are 0; got {array[row]!r} with label {int(labels[row])} "
            f"in row {row} ({len(wrong)} rows differ)."
        )
    anomalous = array[labels]
    for name in anomalous:
        if not isinstance(name, str):
            raise ValueError(f"types must be text; got {name!r} in an anomalous row.")
    return anomalous.astype(np.str_)
