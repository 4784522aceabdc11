"""Judge a stored detector on labelled rows it did not learn from, beside scores that know nothing of the sensors.

**Conventions**: the detector's threshold is the stored one; the trivial rows take theirs from the validation labels, by
the rule the detector's came from, where they can.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from anomaly_detection.evaluation import evaluate_scores
from anomaly_detection.parts import Parts, labels_of, lengths_of, read_parts, rows_of, truth_of
from anomaly_detection.preparation import as_prepared
from anomaly_detection.scoring import order_notes, short_notes, step_notes
from anomaly_detection.series import Recording, Series, read_series
from anomaly_detection.stored import load_detector
from anomaly_detection.tables.options import ReadOptions
from anomaly_detection.trivial import trivial_rows

PARTS = ("training", "validation", "test", "all")


class Assessment(NamedTuple):
    """How good a detector is.

    Attributes
    ----------
    detectors, trivial : dict of str to dict
        Results of `evaluate_scores`: of the detector under its name, and of `trivial_rows`.
    notes : tuple of str
        What to read the results with, one sentence each.
    """

    detectors: dict[str, dict[str, Any]]
    trivial: dict[str, dict[str, Any]]
    notes: tuple[str, ...]


def assess(model_dir: Path, data: Path, *, part: str = "test", options: ReadOptions | None = None) -> Assessment:
    """Evaluate a stored detector.

    Parameters
    ----------
    model_dir : Path
        Folder of the detector.
    data : Path
        Prepared folder, or a table, whose parts are then cut by time.
    part : str
        One of `PARTS`; "all" takes every row of a table.
    options : ReadOptions, optional
        How to read tables that do not tell it.

    Returns
    -------
    Assessment

    Raises
    ------
    FileNotFoundError
        If there is no detector or no data.
    ValueError
        If `part` is unknown or has no row, a channel is missing, or a row has no label.
    """
    if part not in PARTS:
        raise ValueError(f"part must be one of {', '.join(PARTS)}; got {part!r}.")
    detector = load_detector(model_dir)
    options = as_prepared(data, options or ReadOptions()).changed(channels=detector.channels_)
    parts = Parts(read_series(data, options=options)) if part == "all" else read_parts(data, options=options)
    recording = parts.training if part == "all" else getattr(parts, part)
    if recording is None:
        raise ValueError(f"part must have rows; {data} has none for {part}.")
    labels = _labels(recording, data, part)
    threshold = detector.threshold_
    if threshold is None:
        raise ValueError(f"{model_dir} must hold a detector with a threshold; train it again.")
    context = truth_of(recording)
    result = evaluate_scores(
        labels, detector.decision_function(rows_of(recording)), threshold=threshold.value_, **context
    )
    known, positions = _validation(parts.validation or replace(recording, series=_unlabelled(recording)))
    both = known.any() and not known.all()
    rule = threshold if both or threshold.name != "best_f1" else None
    trivial = trivial_rows(labels, known, validation_positions=positions, threshold=rule, **context)
    told_step_s = parts.training.step_s if parts.training.step_is_told else None  # of all parts
    whole = part == "all" and data.is_dir()  # the parts joined again
    drawn = () if whole else order_notes(detector, data)
    lengths = lengths_of(recording)
    short = short_notes(detector, sum(n < detector.window_size for n in lengths), len(lengths))
    notes = (*(drawn or short), *step_notes(detector, told_step_s), *_one_class_notes(labels))
    return Assessment({detector.name: result}, trivial, notes)


def _labels(recording: Recording, data: Path, part: str) -> np.ndarray:
    labels = labels_of(recording)
    if labels is None:
        raise ValueError(
            f"{data} must have labels to evaluate on; the part {part!r} has rows without. Name their column with "
            "--read label_column=NAME, or use score."
        )
    return np.concatenate(labels)


def _one_class_notes(labels: np.ndarray) -> tuple[str, ...]:
    if labels.all():
        return ("the labels of this part are all 1: without a normal row AUC and FAR are undefined.",)
    if not labels.any():
        return (
            "the labels of this part are all 0: without an anomaly recall, AUC and delay are undefined, and F1 is 0.",
        )
    return ()


def _unlabelled(recording: Recording) -> tuple[Series, ...]:
    return tuple(replace(series, labels=None, types=None) for series in recording.series)


def _validation(recording: Recording) -> tuple[np.ndarray, np.ndarray]:
    """Labels of the validation rows, all normal where they tell nothing, and their numbers within their series."""
    labels, lengths = labels_of(recording), lengths_of(recording)
    known = np.zeros(sum(lengths), dtype=bool) if labels is None else np.concatenate(labels)
    known = np.zeros_like(known) if known.all() else known  # nothing can be learned from anomalies alone
    return known, np.concatenate([np.arange(n) for n in lengths])
