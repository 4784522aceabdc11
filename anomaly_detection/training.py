"""Train a detector on a recording, judge it on rows it never saw, and store it.

**Conventions**: the training part teaches, the validation part stops the training early and sets the threshold, the
test part is looked at once, at the end. Labels are used where a part has them; see `Detector.fit` for what for.
"""

import hashlib
import json
import time
import warnings
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from anomaly_detection.base import Detector
from anomaly_detection.evaluation import evaluate_scores
from anomaly_detection.parts import Parts, known_labels_of, labels_of, rows_of, truth_of
from anomaly_detection.series import Recording
from anomaly_detection.stored import save_detector
from latent_space.run_folder import to_json

CHECKPOINT = "checkpoint.pth"
_MOST_SPREAD = 1e4
_MOST_FLAGGED = 0.5


@dataclass(frozen=True)
class TrainingReport:
    """What came out of a training.

    Attributes
    ----------
    model_dir : str
        Folder of the stored detector.
    detector : str
        Its name.
    n_rows : dict of str to int
        Rows per part.
    threshold_method : str
        How the threshold was set.
    threshold : float
        Scores above it are flagged.
    metrics : dict of str to dict
        Of the validation and the test part, where labelled; keys as `evaluate_scores`.
    seconds : float
        Wall time of the fit.
    """

    model_dir: str
    detector: str
    n_rows: dict[str, int]
    threshold_method: str
    threshold: float
    metrics: dict[str, dict[str, Any]]
    seconds: float

    def _n_normal(self, part: str) -> int:
        return self.n_rows[part] - int(self.metrics[part]["n_anomalous_rows"])

    def to_json(self) -> str:
        """Return the report as JSON; undefined numbers are null."""
        return json.dumps(to_json(asdict(self)), indent=2)

    def __str__(self) -> str:
        rows = ", ".join(f"{part} {n:,}" for part, n in self.n_rows.items())
        lines = [
            f"{self.detector}: fitted in {self.seconds:.1f} s on {rows} rows",
            f"threshold {self.threshold:.4g} ({self.threshold_method})",
        ]
        flagged = self.metrics.get("validation", {}).get("false_alarm_rate")
        if flagged is not None and flagged > _MOST_FLAGGED:
            lines.append(
                f"note: the threshold flags {flagged:.0%} of the normal validation rows; they are "
                f"{self._n_normal('validation'):,} of {self.n_rows['validation']:,}. Take another threshold method, or "
                "a validation part with more normal rows."
            )
        for part, found in self.metrics.items():
            line = f"{part}: mean score {found['mean_score']:.4g}"
            if found.get("n_anomalous_rows"):
                figures = {"F1": "f1", "precision": "precision", "recall": "recall", "AUC": "roc_auc"}
                line += "; " + ", ".join(f"{name} {found[key]:.3f}" for name, key in figures.items())
            lines.append(line)
        return "\n".join([*lines, f"detector: {self.model_dir}"])


def train_detector(
    detector: Detector,
    parts: Parts,
    model_dir: Path,
    *,
    units: dict[str, str] | None = None,
    notes: dict[str, Any] | None = None,
    resume: bool = False,
) -> TrainingReport:
    """Fit, judge and store a detector.

    Parameters
    ----------
    detector : Detector
        Unfitted.
    parts : Parts
        Training is needed; validation and test may be missing.
    model_dir : Path
        Folder for `detector.onnx`, `detector.json` and, for a detector of torch, `best_model.pth`.
    units : dict, optional
        Unit of each channel; an unknown channel is refused.
    notes : dict, optional
        Kept in `detector.json` under `training`, such as the names of an experiment and a run.
    resume : bool
        Go on from `checkpoint.pth` in `model_dir`, which an interrupted training of a network leaves there.

    Raises
    ------
    ValueError
        If the data cannot teach this detector, or `units` names a channel that is not there.
    """
    unknown = sorted(set(units or {}) - set(parts.training.channels))
    if unknown:
        raise ValueError(f"units must name channels ({', '.join(parts.training.channels)}); got {', '.join(unknown)}.")
    _warn_of_outliers(parts.training, detector.settings.get("scaling"))
    checkpoint = _checkpoint(detector, model_dir, resume=resume)
    started = time.perf_counter()
    validation = None if parts.validation is None else (rows_of(parts.validation), known_labels_of(parts.validation))
    detector.fit(rows_of(parts.training), known_labels_of(parts.training), validation=validation)
    seconds = time.perf_counter() - started
    metrics = {name: judge(detector, part) for name, part in parts.items() if name != "unlabeled"}
    rows = {name: part.n_rows for name, part in parts.items()}
    training = {
        "rows": rows,
        "step_s": parts.training.step_s if parts.training.step_is_told else None,
        "fingerprint": fingerprint(parts.training),
        "seconds": round(seconds, 3),
        **(notes or {}),
    }
    save_detector(detector, model_dir, units=units, training=training, metrics=to_json(metrics))
    checkpoint.unlink(missing_ok=True)
    rule = detector.threshold_
    assert rule is not None
    return TrainingReport(str(model_dir), detector.name, rows, rule.name, rule.value_, metrics, round(seconds, 3))


def _warn_of_outliers(recording: Recording, scaling: str | None) -> None:
    """Tell where a few values so widen the scale of a channel that the detector will hardly see it."""
    if scaling not in ("standard", "minmax"):
        return
    values = np.concatenate([s.values if s.labels is None else s.values[~s.labels] for s in recording.series])
    if not len(values):
        return
    low, high = np.percentile(values, [25, 75], axis=0)
    for channel, spread, quartiles in zip(recording.channels, values.std(axis=0), high - low, strict=True):
        if quartiles > 0 and spread > _MOST_SPREAD * quartiles:
            warnings.warn(
                f"Channel {channel!r} has outliers: its standard deviation, {spread:.3g}, is {spread / quartiles:.0f} "
                "times its interquartile range, so the detector will hardly see it. Mend the data, or take the scaling "
                "robust.",
                stacklevel=3,
            )


def _checkpoint(detector: Detector, model_dir: Path, *, resume: bool) -> Path:
    """Say where a detector that can be interrupted keeps its state; without `resume` it starts anew."""
    file = model_dir / CHECKPOINT
    if hasattr(detector, "checkpoint_path"):
        model_dir.mkdir(parents=True, exist_ok=True)
        detector.checkpoint_path = file
    if resume and not hasattr(detector, "checkpoint_path"):
        raise ValueError(f"resume must be left out for {detector.name}, which learns in one go; train it again.")
    if resume and not file.is_file():
        raise FileNotFoundError(f"No {CHECKPOINT} in {model_dir} to resume from; train without --resume.")
    if not resume:
        file.unlink(missing_ok=True)
    return file


def judge(detector: Detector, recording: Recording) -> dict[str, Any]:
    """Score a recording; where every series is labelled, evaluate.

    Returns
    -------
    dict
        `mean_score`, the mean of the scores, and the keys of `evaluate_scores` where there are labels.
    """
    scores = detector.decision_function(rows_of(recording))
    labels = labels_of(recording)
    found: dict[str, Any] = {"mean_score": float(scores.mean())}
    if labels is None or detector.threshold_ is None:
        return found
    return found | evaluate_scores(
        np.concatenate(labels),
        scores,
        threshold=detector.threshold_.value_,
        **truth_of(recording),
    )


def fingerprint(recording: Recording) -> str:
    """Return a SHA-256 over channels, times, values and labels: the same data give the same."""
    digest = hashlib.sha256(json.dumps(recording.channels).encode())
    for series in recording.series:
        digest.update(series.name.encode())
        for array in (series.times, series.values, series.labels):
            if array is not None:
                digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
