"""Scoring speed: 1M rows x 8 float32 on one thread, beside scikit-learn and, where it is installed, PyOD.

Rows per CPU second, the best of the passes of a second or more: a pass may take a few milliseconds, and what else runs
on the core's other thread can halve its speed. One sample through onnxruntime, as live data comes, and a file of 10M
rows in wall time.
"""

import os
import platform

# Before the libraries read it.
os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

import importlib
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.decomposition import PCA
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from anomaly_detection.base import Detector
from anomaly_detection.registry import make_detector
from anomaly_detection.stored import load_detector, save_detector

N_ROWS, N_CHANNELS, N_TRAINING, N_SINGLE, N_LARGE = 1_000_000, 8, 20_000, 20_000, 10_000_000


def sensor_rows(n: int) -> np.ndarray:
    """Return rows in which three causes drive all channels."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(n, 3)) @ rng.normal(size=(3, N_CHANNELS)) + 0.1 * rng.normal(size=(n, N_CHANNELS)) + 20
    return rows.astype(np.float32)


def rate(work: Callable[[np.ndarray], Any], rows: np.ndarray, passes: int = 3) -> float:
    """Return rows per CPU second, the best of at least `passes` passes that take at least a second together."""
    seconds: list[float] = []
    while len(seconds) < passes or sum(seconds) < 1:
        start = time.process_time()
        work(rows)
        seconds.append(time.process_time() - start)
    return len(rows) / min(seconds)


def print_rate(label: str, value: float, *, ours: float | None = None) -> None:
    """Print a line of the table; for a peer, how many times faster ours is."""
    factor = "" if ours is None else f"   ours is {ours / value:.1f} x as fast"
    print(f"{label:52}{value / 1e6:10.3f}{factor}", flush=True)


def stored(detector: Detector, folder: Path) -> Any:
    """Store a detector and load it again."""
    save_detector(detector, folder)
    return load_detector(folder)


def scikit_learn(training: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Return the usual pipeline: scale, project, project back, mean squared difference."""
    pipeline = make_pipeline(StandardScaler(), PCA(2)).fit(training)
    scaler, pca = pipeline.named_steps.values()

    def score(rows: np.ndarray) -> np.ndarray:
        scaled = scaler.transform(rows)
        errors: np.ndarray = np.square(scaled - pca.inverse_transform(pca.transform(scaled))).mean(axis=1)
        return errors

    return score


def pyod_rate(module: str, name: str, training: np.ndarray, rows: np.ndarray) -> float | None:
    """Return the rate of a PyOD model with its defaults, or print why there is none."""
    try:
        model = getattr(importlib.import_module(f"pyod.models.{module}"), name)
    except ImportError as error:
        print(f"{f'PyOD {name}':52}   skipped: {error}", flush=True)
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = model(epoch_num=1, verbose=0) if name == "AutoEncoder" else model()
        fitted.fit(training)
        return rate(fitted.decision_function, rows, passes=1 if name == "AutoEncoder" else 3)


def single_windows(label: str, detector: Any, rows: np.ndarray) -> None:
    """Print the time of one window after the other."""
    size, times = detector.window_size, []
    for row in range(size, size + N_SINGLE):
        window = rows[row - size : row]
        start = time.perf_counter()
        detector.score_window(window)
        times.append(time.perf_counter() - start)
    p50, p99 = np.percentile(times, [50, 99]) * 1e6
    print(f"{label:52}{p50:10.1f}{p99:10.1f}", flush=True)


def write_large_file(file: Path, n_rows: int) -> None:
    """Write a Parquet file of `n_rows` rows, a million at a time."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    rows, writer = sensor_rows(N_ROWS), None
    for start in range(0, n_rows, N_ROWS):
        times = np.datetime64("2026-01-01", "s") + np.arange(start, min(start + N_ROWS, n_rows))
        columns = {f"channel_{i}": rows[: len(times), i] for i in range(N_CHANNELS)}
        table = pa.table({"datetime": times.astype("datetime64[ms]"), **columns})
        writer = writer or pq.ParquetWriter(file, table.schema)
        writer.write_table(table)
    assert writer is not None
    writer.close()


def large_file(folder: Path) -> None:
    """Score a file of 10M rows in a process of its own and print its peak of memory."""
    file, model = folder / "large.parquet", folder / "large_model"
    write_large_file(file, N_LARGE)
    save_detector(make_detector("pca").fit(sensor_rows(N_TRAINING)), model)
    command = [sys.executable, __file__, "--score", str(model), str(file), str(folder / "scores.parquet")]
    start = time.perf_counter()
    peak_mb = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    seconds = time.perf_counter() - start
    print(f"\n{f'a Parquet file of {N_LARGE:,} rows':52}{seconds:8.1f} s, at most {peak_mb:,.0f} MB of memory")


def score_alone(model: str, file: str, out: str) -> None:
    """Score a file and print this process's peak of memory in MB."""
    from anomaly_detection.scoring import score_table

    score_table(load_detector(model), file, Path(out))
    status = Path("/proc/self/status")
    if status.is_file():  # on Linux, the usage of resources starts at that of the parent process
        print(int(status.read_text().partition("VmHWM:")[2].split()[0]) / 2**10)
    else:
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)


def main() -> None:
    """Measure and print two tables, and a file of 10M rows."""
    if sys.argv[1:2] == ["--score"]:
        score_alone(*sys.argv[2:])
        return
    import torch

    torch.set_num_threads(1)
    rows, training = sensor_rows(N_ROWS), sensor_rows(N_TRAINING)
    pca = make_detector("pca").fit(training)
    smooth = make_detector("pca", statistic="t2", window_size=10).fit(training)
    autoencoder = make_detector("autoencoder", window_size=1, max_epochs=1).fit(training)
    same = scikit_learn(training[: round(0.85 * N_TRAINING)])  # what fit learns from; the rest sets the threshold
    assert np.allclose(pca.decision_function(training), same(training), atol=1e-4)
    print(f"\nScoring {N_ROWS:,} x {N_CHANNELS} float32, one thread, {platform.machine()}, {os.cpu_count()} cores")
    print(f"{'million rows per CPU second':52}")
    with tempfile.TemporaryDirectory() as folder:
        stored_pca, stored_smooth = stored(pca, Path(folder) / "pca"), stored(smooth, Path(folder) / "smooth")
        stored_autoencoder = stored(autoencoder, Path(folder) / "autoencoder")
    ours = rate(pca.decision_function, rows)
    print_rate("PCA reconstruction error (ours)", ours)
    print_rate("PCA through onnxruntime (ours)", rate(stored_pca.decision_function, rows))
    print_rate("PCA t2 on means of 10 rows (ours)", rate(smooth.decision_function, rows))
    print_rate("scikit-learn StandardScaler + PCA", rate(scikit_learn(training), rows), ours=ours)
    if (peer := pyod_rate("pca", "PCA", training, rows)) is not None:
        print_rate("PyOD PCA", peer, ours=ours)
    ours = rate(stored_autoencoder.decision_function, rows)
    print_rate("autoencoder 64-32-4 through onnxruntime (ours)", ours)
    print_rate("autoencoder 64-32-4 in torch (ours)", rate(autoencoder.decision_function, rows))
    if (peer := pyod_rate("auto_encoder", "AutoEncoder", training, rows[:100_000])) is not None:
        print_rate("PyOD AutoEncoder, on 100,000 rows", peer, ours=ours)
    print(f"\n{'one window through onnxruntime, microseconds':52}{'p50':>10}{'p99':>10}")
    single_windows("PCA, one row", stored_pca, rows)
    single_windows("PCA t2, 10 rows", stored_smooth, rows)
    single_windows("autoencoder, one row", stored_autoencoder, rows)
    with tempfile.TemporaryDirectory() as name:
        large_file(Path(name))


if __name__ == "__main__":
    main()
