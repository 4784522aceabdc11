"""Does this installation work? Each check does the real thing on tiny data, in seconds.

**Conventions**: a check returns a sentence about what it saw, and raises where something is wrong.
"""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

_N_STEPS = 1500


@dataclass(frozen=True)
class Checked:
    """One check: its name, whether it passed, and what it saw or why it failed."""

    name: str
    passed: bool
    message: str

    def __str__(self) -> str:
        return f"{'PASS' if self.passed else 'FAIL'} | {self.name}: {self.message}"


def check_installation() -> Iterator[Checked]:
    """Run every check, one after the other; a failed one does not stop the next.

    Yields
    ------
    Checked
        As soon as each is done.
    """
    for name, check in CHECKS.items():
        try:
            yield Checked(name, True, check())
        except (ImportError, OSError, RuntimeError, ValueError, TypeError) as error:
            yield Checked(name, False, " ".join(str(error).split()) or type(error).__name__)


def check_models() -> str:
    """Make every detector, which imports what it needs."""
    from anomaly_detection.registry import DETECTORS, make_detector

    made = [make_detector(name).name for name in DETECTORS]
    return f"{len(made)} detectors can be made ({', '.join(made)})"


def check_data() -> str:
    """Simulate a rig, write it, and read the same numbers back."""
    from anomaly_detection.series import read_series
    from anomaly_detection.simulation import simulate_rig, write_simulation

    frame = simulate_rig(_N_STEPS, n_machines=2)
    with tempfile.TemporaryDirectory() as folder:
        recording = read_series(write_simulation(frame, Path(folder) / "rig.csv"))
    values = np.concatenate([series.values for series in recording.series])
    expected = frame[list(recording.channels)].to_numpy()
    if not np.array_equal(values, expected):
        raise ValueError("Reading a simulated CSV must give the numbers that were written; it gave others.")
    return f"{len(values):,} rows of {len(recording.channels)} channels written and read back"


def check_training() -> str:
    """Train for one epoch, store, load, and compare the scores."""
    from anomaly_detection.registry import make_detector
    from anomaly_detection.simulation import simulate_rig
    from anomaly_detection.stored import load_detector, save_detector

    frame = simulate_rig(_N_STEPS, n_machines=1)
    rows, labels = frame.drop(columns=["datetime", "machine", "label", "anomaly_type"]), frame["label"].to_numpy()
    detector = make_detector("autoencoder", max_epochs=1).fit(rows, labels)
    with tempfile.TemporaryDirectory() as folder:
        save_detector(detector, Path(folder))
        stored = load_detector(folder).decision_function(rows)
    scores = detector.decision_function(rows)
    difference = float(np.abs(stored - scores).max() / max(1.0, np.abs(scores).max()))
    if not np.isfinite(scores).all() or difference > 1e-5:
        raise ValueError(f"A stored detector must score as the trained one does; they differ by {difference:.1e}.")
    return f"one epoch on {len(rows):,} rows; torch and onnxruntime differ by {difference:.0e}"


CHECKS: dict[str, Callable[[], str]] = {
    "Model initialization": check_models,
    "Dataset creation": check_data,
    "Training step": check_training,
}
