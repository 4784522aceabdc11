"""How fast the autoencoder learns and scores on one thread, beside PyOD's.

Run: ``python benchmarks/bench_neural.py [--rows 200000] [--epochs 5]``. Rows are random, eight channels; the network is
64-32-4, one row per window, batch 1,024. Seconds are of CPU time, so that a busy machine changes little. PyOD's
AutoEncoder runs with the same layers and batch where it can be imported, on fewer rows (it is slow).
"""

import argparse
import os

os.environ["OMP_NUM_THREADS"] = "1"

import platform
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

TARGET = 100_000
_PEER_ROWS = 20_000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--epochs", type=int, default=5)
    options = parser.parse_args()
    rows = np.random.default_rng(0).normal(size=(options.rows, 8)).astype(np.float32)
    print(f"{platform.machine()}, one thread, CPU time; n = {options.rows:,} rows x 8, {options.epochs} epochs")
    trained, with_validation, scored = _ours(rows, options.epochs)
    print(f"autoencoder 64-32-4, batch 1,024: {trained:,.0f} rows/s and epoch (target {TARGET:,})")
    print(
        f"  with the validation of every epoch: {with_validation:,.0f} training rows/s; scoring: {scored:,.0f} rows/s"
    )
    _print_peer(rows[:_PEER_ROWS])


def _ours(rows: np.ndarray, n_epochs: int) -> tuple[float, float, float]:
    """Rows per second: of training steps, of epochs with their validation, of scoring."""
    import torch

    from anomaly_detection.autoencoder import AutoencoderDetector, ReconstructionTask
    from anomaly_detection.rows import Stretch
    from anomaly_detection.training_loop import LoopSettings, own_torch, train

    detector = AutoencoderDetector(window_size=1, batch_size=1024, max_epochs=1).fit(rows[:5000])
    n_train = int(len(rows) * 0.85)
    seconds_validating = 0.0

    class Timed(ReconstructionTask):
        def validate(self) -> tuple[float, np.ndarray, np.ndarray | None]:
            nonlocal seconds_validating
            start = time.process_time()
            try:
                return super().validate()
            finally:
                seconds_validating += time.process_time() - start

    task = Timed(detector, [Stretch(rows[:n_train])], [Stretch(rows[n_train:])])
    settings = LoopSettings(
        learning_rate=1e-3, weight_decay=1e-5, max_epochs=n_epochs, patience=n_epochs, monitor="loss", random_state=0
    )
    torch.set_num_threads(1)
    with own_torch(0):
        start = time.process_time()
        train(task, settings)
        seconds = time.process_time() - start
    start = time.process_time()
    detector.decision_function(rows)
    scoring = time.process_time() - start
    learned = n_train * n_epochs
    return learned / (seconds - seconds_validating), learned / seconds, len(rows) / scoring


def _print_peer(rows: np.ndarray) -> None:
    try:
        from pyod.models.auto_encoder import AutoEncoder
    except ImportError as error:
        print(f"PyOD's AutoEncoder: skipped, {error}")
        return
    peer = AutoEncoder(hidden_neuron_list=[64, 32, 4], batch_size=1024, epoch_num=2, device="cpu", verbose=0)
    start = time.process_time()
    peer.fit(rows)
    fitting = time.process_time() - start
    start = time.process_time()
    peer.decision_function(rows)
    scoring = time.process_time() - start
    print(
        f"PyOD's AutoEncoder, n = {len(rows):,}, 2 epochs (its fit scores once too): "
        f"{2 * len(rows) / fitting:,.0f} rows/s and epoch; scoring: {len(rows) / scoring:,.0f} rows/s"
    )


if __name__ == "__main__":
    main()
