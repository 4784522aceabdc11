"""What ten epochs on synthetic totes give: mask precision on held-out scenes, and the CPU time that they take.

Run: ``python benchmarks/bench_training.py [--epochs 10] [--train 300] [--val 100] [--seed 0]``. The totes are drawn for
the purpose; the network is the smallest, at 128 pixels, on one thread, as in `make demo`. Nothing of the validation
scenes is learned from, but they choose the best epoch; so the network is measured on scenes of another seed as well.
"""

import argparse
import os

os.environ["OMP_NUM_THREADS"] = "1"

import platform
import tempfile
import time
from pathlib import Path

TARGET_MAP50, TARGET_CPU_S = 0.60, 300.0


def main() -> None:
    """Draw, train, evaluate, print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--train", type=int, default=300)
    parser.add_argument("--val", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()

    from armbench_segmentation.evaluation import evaluate
    from armbench_segmentation.synthetic import write_totes
    from armbench_segmentation.training.trainer import train_segmentation

    with tempfile.TemporaryDirectory() as folder:
        data, fresh, out = (Path(folder) / name for name in ("data", "fresh", "model"))
        write_totes(data, train=options.train, val=options.val, unlabeled=0, seed=options.seed)
        write_totes(fresh, train=0, val=options.val, unlabeled=0, seed=options.seed + 1000)
        start = time.process_time()
        report = train_segmentation(data, out, epochs=options.epochs, seed=options.seed)
        cpu_s = time.process_time() - start
        scores = {
            "validation": evaluate(data / "val.json", data / "images", model=report.model),
            "another seed": evaluate(fresh / "val.json", fresh / "images", model=report.model),
        }
    print(
        f"{platform.machine()}, {os.cpu_count()} processors, one thread; n = {options.train}, {options.epochs} epochs"
    )
    print(f"training and export: {cpu_s:.0f} CPU-s (target {TARGET_CPU_S:.0f})")
    print(f"mask mAP50 on the prototype grid, validation: {report.map50:.3f} (target {TARGET_MAP50:.2f})")
    for name, score in scores.items():
        classes = ", ".join(f"{c} {values['AP50']:.3f}" for c, values in score["segm"]["per_class"].items())
        print(f"at original size, {name}: mask mAP50 {score['AP50']:.3f}, mAP {score['AP']:.3f} (AP50 {classes})")


if __name__ == "__main__":
    main()
