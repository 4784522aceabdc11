"""Every detector on one data set, each with one frozen setting, beside scores that know nothing of the sensors.

**Conventions**: results are those of `evaluate_scores` over all judged rows together. Where a protocol has several
trials, scores are divided by their trial's threshold before they are pooled, so that 1 is the limit of all of them;
`roc_auc_mean` is the mean over the trials that have rows of both kinds. Detectors that draw random numbers run once
per seed, others once.
"""

import json
import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from anomaly_detection.base import Detector
from anomaly_detection.evaluation import evaluate_scores, roc_auc
from anomaly_detection.evaluation_tables import format_table
from anomaly_detection.protocols import Protocol, Setting, Trial, read_protocol
from anomaly_detection.registry import DETECTORS, make_detector
from anomaly_detection.thresholds import parse_threshold
from anomaly_detection.trivial import trivial_rows
from latent_space.run_folder import to_json

RESULTS, PICTURE = "results.json", "benchmark.png"


@dataclass(frozen=True)
class BenchmarkResult:
    """What a benchmark found.

    Attributes
    ----------
    dataset : str
    n_trials, n_rows : int
        Fits per detector and seed; judged rows.
    detectors : dict of str to list of dict
        One result of `evaluate_scores` per seed, with `roc_auc_mean`, `seed` (None where there is none), `seconds`
        and, where there are several trials, `roc_auc_per_trial`.
    trivial : dict of str to dict
        From `trivial_rows`.
    settings : dict of str to dict
        What each detector was made with, and its threshold.
    """

    dataset: str
    n_trials: int
    n_rows: int
    detectors: dict[str, list[dict[str, Any]]]
    trivial: dict[str, dict[str, Any]]
    settings: dict[str, dict[str, Any]]

    def to_json(self) -> str:
        """Return everything as JSON; undefined numbers are null."""
        return json.dumps(to_json(vars(self)), indent=2) + "\n"

    def __str__(self) -> str:
        """Return the table, with the mean AUC of the trials below it where there are several."""
        text = format_table(self.detectors, trivial=self.trivial)
        if self.n_trials > 1:
            means = {name: [run["roc_auc_mean"] for run in runs] for name, runs in self.detectors.items()}
            parts = [f"{name} {100 * float(np.mean(values)):.1f}" for name, values in means.items()]
            text += f"Mean AUC of the {self.n_trials} trials: {', '.join(parts)}.\n"
        return text

    def save(self, out: Path) -> None:
        """Write `results.json` and `benchmark.png` into the folder `out`."""
        from anomaly_detection.benchmark_picture import draw_benchmark

        out.mkdir(parents=True, exist_ok=True)
        (out / RESULTS).write_text(self.to_json(), encoding="utf-8")
        draw_benchmark(self, out / PICTURE)


def run_benchmark(
    dataset: str,
    data: Path | str,
    *,
    detectors: Iterable[str] = DETECTORS,
    seeds: Sequence[int] = (0, 1, 2),
    out: Path | str | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> BenchmarkResult:
    """Fit and judge detectors.

    Parameters
    ----------
    dataset : {"skab", "csv"}
        A protocol of `protocols`.
    data : path
        Folder of the data set; for "csv" a prepared folder or a table.
    detectors : iterable of str
        Names in `DETECTORS`.
    seeds : sequence of int
        For detectors that draw random numbers.
    out : path, optional
        Folder for `results.json` and `benchmark.png`.
    progress : callable, optional
        Called with the detector, the number of fits that are done and the number of all.

    Raises
    ------
    FileNotFoundError
        If there is nothing at `data`.
    ValueError
        If an argument names nothing known, or the data do not suit the protocol.
    """
    names = list(detectors)
    unknown = sorted(set(names) - set(DETECTORS))
    if unknown or not names:
        raise ValueError(f"detectors must be some of {', '.join(DETECTORS)}; got {', '.join(unknown) or 'none'}.")
    if not seeds:
        raise ValueError("seeds must hold at least one number; got none.")
    protocol = read_protocol(dataset, Path(data))
    labels = np.concatenate([part for trial in protocol.trials for part in trial.labels])
    if labels.all() or not labels.any():
        raise ValueError(f"{data} must have normal and anomalous test rows; got labels that are all {int(labels[0])}.")
    runs = {name: _seeds_of(name, seeds) for name in names}
    n_fits, done = len(protocol.trials) * sum(map(len, runs.values())), 0
    results: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for name in names:
        for seed in runs[name]:
            if progress is not None:
                progress(name, done, n_fits)
            results[name].append(_judge(protocol, name, seed))
            done += len(protocol.trials)
    settings = {name: _described(protocol.setting(name)) for name in names}
    result = BenchmarkResult(dataset, len(protocol.trials), len(labels), results, _trivial(protocol), settings)
    if out is not None:
        result.save(Path(out))
    return result


def _seeds_of(name: str, seeds: Sequence[int]) -> list[int | None]:
    return list(seeds) if "random_state" in make_detector(name).settings else [None]


def _judge(protocol: Protocol, name: str, seed: int | None) -> dict[str, Any]:
    """Fit and judge one detector with one seed on every trial."""
    setting, started = protocol.setting(name), time.perf_counter()
    scores, areas, limit = [], {}, 1.0
    for trial in protocol.trials:
        options = dict(setting.options) | ({} if seed is None else {"random_state": seed})
        detector = _fit(make_detector(name, **options), trial)
        judged = np.concatenate([detector.decision_function(rows)[trial.n_past :] for rows in trial.test])
        limit = _limit(detector, setting, trial)
        areas[trial.name] = roc_auc(np.concatenate(trial.labels), judged)
        scores.append(judged)
        if len(protocol.trials) > 1:
            if limit <= 0:
                raise ValueError(
                    f"The threshold of {name} must be positive to pool trials; got {limit} on {trial.name}."
                )
            scores[-1], limit = judged / limit, 1.0
    labels, context = _context(protocol)
    result = evaluate_scores(labels, np.concatenate(scores), threshold=limit, **context)
    defined = [area for area in areas.values() if not np.isnan(area)]
    more = {"roc_auc_per_trial": areas} if len(areas) > 1 else {}
    mean = float(np.mean(defined)) if defined else float("nan")
    return {**result, "roc_auc_mean": mean, **more, "seed": seed, "seconds": time.perf_counter() - started}


def _fit(detector: Detector, trial: Trial) -> Detector:
    """Fit on one trial; what it warns of is told with the trial's name."""
    caught: list[warnings.WarningMessage] = []
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            return detector.fit(trial.train, trial.train_labels, validation=trial.validation)
    finally:
        for warning in caught:
            warnings.warn(f"{trial.name}: {warning.message}", warning.category, stacklevel=2)


def _limit(detector: Detector, setting: Setting, trial: Trial) -> float:
    if setting.threshold == "fitted":
        assert detector.threshold_ is not None
        return detector.threshold_.value_
    return parse_threshold(setting.threshold).fit(detector.decision_function(trial.train)).value_


def _context(protocol: Protocol) -> tuple[np.ndarray, dict[str, Any]]:
    """Labels of all judged rows, and what else `evaluate_scores` is told of them."""
    labels = [part for trial in protocol.trials for part in trial.labels]
    types = [trial.types for trial in protocol.trials if trial.types is not None]
    context: dict[str, Any] = {"step_s": protocol.step_s, "series": [len(part) for part in labels]}
    if len(types) == len(protocol.trials):
        context["types"] = np.concatenate(types)
    return np.concatenate(labels), context


def _trivial(protocol: Protocol) -> dict[str, dict[str, Any]]:
    labels, context = _context(protocol)
    known: list[np.ndarray] = []
    positions: list[np.ndarray] = []
    for trial in protocol.trials:
        rows, truth = trial.validation or (trial.train, None)
        labels_of_rows = truth or [None] * len(rows)
        known += [
            np.zeros(len(part), bool) if label is None else label
            for part, label in zip(rows, labels_of_rows, strict=True)
        ]
        positions += [np.arange(len(part)) for part in rows]
    context["positions"] = np.concatenate(
        [t.n_past + np.arange(len(part)) for t in protocol.trials for part in t.labels]
    )
    context["validation_positions"] = np.concatenate(positions)
    return trivial_rows(labels, np.concatenate(known), **context)


def _described(setting: Setting) -> dict[str, Any]:
    options: Mapping[str, Any] = setting.options
    return {**options, "threshold": setting.threshold}
