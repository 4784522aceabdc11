"""Every detector on SKAB, a public benchmark of anomaly detection, with the frozen settings of `protocols`.

The environment variable SKAB, or the argument, names a folder with SKAB's `valve1`, `valve2` and `other`. Causal: the
score of a row depends on rows up to it; the threshold comes from the first 400 rows of a file or from theory.
"""

import argparse
import os
import platform
from pathlib import Path

# Before the libraries read it: a second thread makes small models slower.
os.environ.setdefault("OMP_NUM_THREADS", "1")

from anomaly_detection.benchmark import run_benchmark
from anomaly_detection.registry import DETECTORS


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", nargs="?", default=os.environ.get("SKAB") or None, type=Path)
    parser.add_argument("--detectors", nargs="+", default=list(DETECTORS))
    parser.add_argument("--out", type=Path, help="folder for results.json and benchmark.png")
    options = parser.parse_args()
    if options.data is None:
        print("Skipped: set SKAB to the folder of the data set (make bench SKAB=DIR).")
        return
    result = run_benchmark("skab", options.data, detectors=options.detectors, out=options.out)
    print(f"\nSKAB, {result.n_trials} files, one thread, {platform.machine()}, {os.cpu_count()} cores")
    print(result)
    for name, runs in result.detectors.items():
        print(f"{name}: {sum(run['seconds'] for run in runs) / len(runs):.1f} s for one seed")


if __name__ == "__main__":
    main()
