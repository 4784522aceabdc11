"""What a table of detectors must be read against: scores that know nothing of the sensors.

**Conventions**: results are those of `evaluate_scores`. The threshold of each row comes from validation rows, by the
same rule as the detectors'. No test label is used, no sensor value either.

- ``random``: uniform scores.
- ``always 1``: a constant score, every row flagged, whatever the rule.
- ``position``: the number of the row within its series, from 0: "late rows are anomalous".
- ``position, learned``: how often rows of this number were anomalous in the validation series; only where the
  validation labels have both classes. It finds rules such as "rows 572 to 975", which score higher than most detectors
  on a benchmark whose anomalies all lie at the same place.

A detector that does not clearly beat these has not been shown to see anything.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anomaly_detection.evaluation import evaluate_scores
from anomaly_detection.events import row_numbers, series_starts
from anomaly_detection.scores import checked_labels
from anomaly_detection.thresholds import Fixed, Threshold, choose_threshold

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def trivial_rows(
    labels: ArrayLike,
    validation_labels: ArrayLike,
    *,
    positions: ArrayLike | None = None,
    validation_positions: ArrayLike | None = None,
    threshold: Threshold | None = None,
    random_state: int = 0,
    **evaluation: Any,
) -> dict[str, dict[str, Any]]:
    """Evaluate the trivial scores as if each were a detector.

    Parameters
    ----------
    labels : (n,) 0 or 1
        Of the test rows.
    validation_labels : (m,) 0 or 1
        Of the validation rows; all 0 where nothing is labelled.
    positions, validation_positions : (n,) and (m,) int, optional
        Number of each row within its file or series. By default test rows count from 0 in every series of
        ``evaluation["series"]`` and validation rows from 0.
    threshold : Threshold, optional
        Unfitted or fitted, its settings count; by default, and for a number fixed for other scores,
        `choose_threshold` of the validation labels.
    random_state : int
    **evaluation
        Keywords of `evaluate_scores`: types, step_s, series, sliding_window.

    Examples
    --------
    >>> labels = np.repeat([0, 1], 50)
    >>> rows = trivial_rows(labels, labels)
    >>> list(rows), round(rows["always 1"]["f1"], 3), rows["position"]["f1"]
    (['random', 'always 1', 'position', 'position, learned'], 0.667, 1.0)
    """
    truth, known = checked_labels(labels), checked_labels(validation_labels)
    places = _positions("positions", positions, series_starts(evaluation.get("series"), len(truth)), len(truth))
    seen = _positions("validation_positions", validation_positions, np.zeros(1, np.int64), len(known))
    rule = choose_threshold(known) if threshold is None or isinstance(threshold, Fixed) else threshold

    def judge(validation_scores: Floats, scores: Floats) -> dict[str, Any]:
        value = rule.unfitted().fit(validation_scores, known).value_
        return evaluate_scores(truth, scores, threshold=value, **evaluation)

    rng = np.random.default_rng(random_state)
    rows = {
        "random": judge(rng.random(len(known)), rng.random(len(truth))),
        "always 1": evaluate_scores(truth, np.ones(len(truth)), threshold=0.0, **evaluation),
        "position": judge(seen.astype(np.float64), places.astype(np.float64)),
    }
    if known.any() and not known.all():
        frequency = position_frequency(known, seen)
        rows["position, learned"] = judge(frequency[seen], frequency[np.minimum(places, len(frequency) - 1)])
    return rows


def position_frequency(labels: NDArray[np.bool_], positions: Ints) -> Floats:
    """Return the share of anomalous rows at every position, (longest + 1,); where no row is known, and beyond, 0.

    Examples
    --------
    >>> position_frequency(np.array([0, 1, 0, 0], bool), np.array([0, 1, 0, 1])).tolist()
    [0.0, 0.5, 0.0]
    """
    seen = np.bincount(positions, minlength=int(positions.max()) + 2)
    anomalous = np.bincount(positions[labels], minlength=len(seen))
    return anomalous / np.maximum(seen, 1)


def _positions(name: str, positions: ArrayLike | None, starts: Ints, n_rows: int) -> Ints:
    if positions is None:
        return row_numbers(starts, n_rows)
    array = np.asarray(positions)
    if array.shape != (n_rows,) or array.dtype.kind not in "iu" or (array < 0).any():
        raise ValueError(
            f"{name} must be {n_rows} whole numbers from 0 on, one per row; got {array.dtype} of shape {array.shape}."
        )
    return array.astype(np.int64)
