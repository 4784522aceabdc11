"""How long a million rows of each simulated machine take, and how many of them are anomalous.

Run: ``python benchmarks/bench_simulation.py``. Wall-clock seconds, one thread, 5 machines, the best of some runs, the
table as a pandas DataFrame. Target: 2 s for each simulation. Written files have pandas' own `to_csv` as their peer.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from anomaly_detection.simulation import simulate_arm, simulate_rig, write_simulation

N_ROWS, N_MACHINES, REPEATS, LIMIT_S = 1_000_000, 5, 5, 2.0
Result = TypeVar("Result")


def main() -> None:
    """Print both tables; fail where a simulation is too slow."""
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, 1 thread")
    print(f"\n{N_ROWS:,} rows, {N_MACHINES} machines, seconds, best of {REPEATS}")
    n_steps = N_ROWS // N_MACHINES
    rig, rig_s = best_of("rig, episodes", lambda: simulate_rig(n_steps, n_machines=N_MACHINES))
    samples, samples_s = best_of("rig, samples", lambda: simulate_rig(n_steps, n_machines=N_MACHINES, mode="samples"))
    arm, arm_s = best_of("arm", lambda: simulate_arm(n_steps, n_arms=N_MACHINES))
    with tempfile.TemporaryDirectory() as folder:
        best_of("rig to CSV", lambda: write_simulation(rig, Path(folder) / "rig.csv"))
        best_of("  peer: pandas to_csv", lambda: rig.to_csv(Path(folder) / "peer.csv", index=False), repeats=1)
        best_of("rig to Parquet", lambda: write_simulation(rig, Path(folder) / "rig.parquet"))
    for name, frame in (("rig, episodes", rig), ("rig, samples", samples), ("arm", arm)):
        shares = 100 * frame["anomaly_type"].value_counts(normalize=True).drop("normal").sort_index()
        print(f"\n{name}: {100 * frame['label'].mean():.3f} % anomalous")
        print("  " + ", ".join(f"{kind} {share:.2f} %" for kind, share in shares.items()))
    if max(rig_s, samples_s, arm_s) > LIMIT_S:
        raise SystemExit(f"The target of {LIMIT_S} s is missed.")


def best_of(name: str, run: Callable[[], Result], *, repeats: int = REPEATS) -> tuple[Result, float]:
    """Print and return the shortest time of `run`, with its result."""
    seconds = []
    for _ in range(repeats):
        start = time.perf_counter()
        result = run()
        seconds.append(time.perf_counter() - start)
    print(f"{name:<24}{min(seconds):8.2f}")
    return result, min(seconds)


if __name__ == "__main__":
    main()
