"""Detectors on a real UR3 robot arm at about 1 Hz (CobotOps): normal rows of its first half teach, the second judges.

The environment variable UR3, or the argument, names the CSV file or its folder. Two faults are labelled, the protective
stop and the lost grip; each is judged by its own rows against the normal ones. Rows whose label is missing are judged
nowhere.

The arm has states, at rest and on its ways. Hence nearest neighbours, on means of 5 s, about as long as most labelled
events, without the temperatures, which wander for hours. They were chosen on the first half: taught by one half of it
and judged on the other, both ways round, they beat every cloud and plane that was tried. The second half was looked at
with them once, after that. PCA stands beside them: Hotelling's statistic on the same means, all channels.
"""

import argparse
import os
import platform
from pathlib import Path
from typing import Any

# Before the libraries read it: a second thread makes small models slower.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd

from anomaly_detection.evaluation import average_precision, roc_auc
from anomaly_detection.parts import Parts, cut_by_time, rows_of
from anomaly_detection.registry import make_detector
from anomaly_detection.series import read_series

STOP, GRIP = "Robot_ProtectiveStop", "grip_lost"
HALVES = {"training": 0.5, "test": 0.5}
SETTINGS: dict[str, dict[str, Any]] = {
    "knn": {"window_size": 5},
    "pca": {"statistic": "t2", "window_size": 5},
}
LEFT_OUT = {"knn": ("Temperature",), "pca": ()}  # starts of names of channels


def flags(file: Path, column: str) -> np.ndarray:
    """Return a column of true and false as 1, 0 and, where there is neither, NaN."""
    frame = pd.read_csv(file, sep=";", decimal=",", usecols=lambda name: name.strip() == column)
    text = [str(value).strip().lower() for value in frame.iloc[:, 0]]
    return np.array([{"true": 1.0, "false": 0.0}.get(value, np.nan) for value in text])


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="?", default=os.environ.get("UR3") or None, type=Path)
    data = parser.parse_args().data
    if data is None:
        print("Skipped: set UR3 to the CSV file of the data set (make bench UR3=FILE).")
        return
    file = next(iter(sorted(data.glob("*.csv"))), data) if data.is_dir() else data
    halves = cut_by_time(read_series(file), HALVES)
    assert halves.test is not None
    stop, grip = flags(file, STOP), flags(file, GRIP)
    n_first = halves.training.n_rows
    if len(stop) != n_first + halves.test.n_rows:
        raise ValueError(
            f"{file} must have as many readable rows as rows; {len(stop)} and {n_first} + the rest differ."
        )
    unknown, faulty = np.isnan(stop) | np.isnan(grip), (stop == 1) | (grip == 1)
    edges = np.cumsum([len(part) for part in halves.training.series])[:-1]
    # A row without a label teaches nothing either.
    labels = np.split((faulty | unknown)[:n_first].astype(int), edges)
    stop, grip, unknown, faulty = (values[n_first:] for values in (stop, grip, unknown, faulty))
    print(f"\nUR3 CobotOps, second half, {platform.machine()}")
    print(f"{len(stop):,} rows, {unknown.sum()} without a label left out")
    truths = {"protective stop": stop == 1, "lost grip": grip == 1, "any fault": faulty}
    for name, settings in SETTINGS.items():
        scores = second_half_scores(name, settings, halves, labels)
        print(f"\n{name} {settings}, without {' '.join(LEFT_OUT[name]) or 'nothing'}")
        print(f"{'':24}{'rows':>8}{'AUC':>8}{'AUC PR':>8}{'chance':>8}")
        for fault, truth in truths.items():
            kept = ~unknown & (truth | ~faulty)
            area, precision = roc_auc(truth[kept], scores[kept]), average_precision(truth[kept], scores[kept])
            print(f"{fault:24}{truth[kept].sum():8}{area:8.3f}{precision:8.3f}{truth[kept].mean():8.3f}")


def second_half_scores(name: str, settings: dict[str, Any], halves: Parts, labels: list[np.ndarray]) -> np.ndarray:
    """Learn from the normal rows of the first half, score the second."""
    assert halves.test is not None
    channels = [channel for channel in halves.training.channels if not channel.startswith(LEFT_OUT[name] or "\0")]
    first, second = ([rows[channels] for rows in rows_of(half)] for half in (halves.training, halves.test))
    return make_detector(name, **settings).fit(first, labels).decision_function(second)


if __name__ == "__main__":
    main()
