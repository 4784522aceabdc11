"""Over- and under-segmentation and every other pair metric of one image, against the predecessor's way of counting.

Run: ``python benchmarks/bench_masks.py``. The peer restates the rule of the first public ARMBench integration: both
mask sets enlarged to 640 x 640, then in Python, pair by pair, shared pixels over the area of either. It computes two
ratios and two flags per pair; ours computes these (the flags are asserted to be equal) and everything else a sample is
judged by. CPU milliseconds per image on one thread, medians.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import platform
import time
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from armbench_segmentation.instances import Instances
from armbench_segmentation.matching import match_instances
from armbench_segmentation.metrics import confusion_pairs, segmentation_metrics
from armbench_segmentation.overlaps import Overlaps

GRID, IMAGE, CONTAINED = 160, 640, 0.8
Masks = NDArray[np.bool_]


def main() -> None:
    """Print the table."""
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, numpy {np.__version__}")
    print("CPU ms per image, 1 thread, n predictions and n objects\n")
    print(f"{'':<58}" + "".join(f"{f'n={n}':>9}" for n in (10, 20, 50)))
    rows: dict[str, list[float]] = {}
    for n in (10, 20, 50):
        for name, taken in measure(n).items():
            rows.setdefault(name, []).append(taken)
    peer, ours = rows["predecessor: pairs in Python at 640 x 640"], rows["ours: all pair metrics"]
    for name, values in rows.items():
        print(f"{name:<58}" + "".join(f"{value:9.3f}" for value in values))
    print(
        f"{'predecessor / ours, all pair metrics':<58}"
        + "".join(f"{p / o:8.0f}x" for p, o in zip(peer, ours, strict=True))
    )


def measure(n: int) -> dict[str, float]:
    """Time every way on the same scene."""
    gt, pred = scene(np.random.default_rng(n), n)
    over, under = predecessor(pred.masks, gt.masks)
    matching = match_instances(gt, pred, rule="containment")
    assert over.tolist() == matching.over_segmented.tolist()
    assert under.tolist() == matching.under_segmented.tolist()

    def everything() -> None:
        found = match_instances(gt, pred)
        segmentation_metrics(gt, pred, found)
        confusion_pairs(gt, pred, n_classes=2)

    return {
        "predecessor: pairs in Python at 640 x 640": timed(lambda: predecessor(pred.masks, gt.masks), repeats=5),
        "shared pixels: float32 matrix product at 160 x 160": timed(lambda: matrix_product(pred.masks, gt.masks)),
        "shared pixels: ours, packed bits": timed(lambda: Overlaps.of_masks(pred.masks, gt.masks)),
        "ours: matching, over, under, duplicates, TIDE (hoover)": timed(lambda: match_instances(gt, pred)),
        "ours: the same by the predecessor's rule": timed(lambda: match_instances(gt, pred, rule="containment")),
        "ours: all pair metrics": timed(everything),
    }


def predecessor(pred_masks: Masks, gt_masks: Masks) -> tuple[Masks, Masks]:
    """Flag objects that hold several predictions, and predictions that hold several objects."""
    scale = IMAGE // GRID
    pred_large = [mask.repeat(scale, 0).repeat(scale, 1) for mask in pred_masks]
    gt_large = [mask.repeat(scale, 0).repeat(scale, 1) for mask in gt_masks]
    inside_gt, inside_pred = np.zeros(len(gt_large), int), np.zeros(len(pred_large), int)
    for i, pred in enumerate(pred_large):
        for j, gt in enumerate(gt_large):
            shared = np.logical_and(pred, gt).sum()
            inside_gt[j] += shared / pred.sum() > CONTAINED
            inside_pred[i] += shared / gt.sum() > CONTAINED
    return inside_gt >= 2, inside_pred >= 2


def matrix_product(pred_masks: Masks, gt_masks: Masks) -> NDArray[np.float32]:
    """Count shared pixels as one product of float masks."""
    pred, gt = (masks.reshape(len(masks), -1).astype(np.float32) for masks in (pred_masks, gt_masks))
    return np.asarray(pred @ gt.T)


def scene(rng: np.random.Generator, n: int) -> tuple[Instances, Instances]:
    """Ellipses of a tote's sizes; predictions shifted by a few pixels, every fifth object cut, every fifth merged."""
    y, x = np.mgrid[:GRID, :GRID]
    centres, radii = rng.uniform(15, GRID - 15, (n, 2)), rng.uniform(6, 22, (n, 2))
    gt = np.stack(
        [((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 < 1 for (cx, cy), (rx, ry) in zip(centres, radii, strict=True)]
    )
    pred = np.roll(gt, 1, axis=2)
    for i in range(0, n - 1, 5):
        left = x < centres[i, 0]
        pred[i], pred[i + 1] = gt[i] & left, gt[i] & ~left
        if i + 3 < n:
            pred[i + 3] = gt[i + 2] | gt[i + 3]
    class_ids = rng.integers(0, 2, n)
    return objects(gt, class_ids, np.ones(n)), objects(pred, class_ids, rng.uniform(0.35, 1, n))


def objects(masks: Masks, class_ids: NDArray[np.int64], confidence: NDArray[np.float64]) -> Instances:
    """Add the boxes, in pixels of the model input."""
    corners = []
    for mask in masks:
        rows, columns = np.nonzero(mask)
        corners.append([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
    boxes = np.array(corners, np.float32) * (IMAGE // GRID)
    return Instances(boxes, confidence.astype(np.float32), class_ids, masks)


def timed(work: Callable[[], object], *, repeats: int = 100) -> float:
    """CPU milliseconds of one call, the median of `repeats`."""
    work()
    taken = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    return 1e3 * float(np.median(taken))


if __name__ == "__main__":
    main()
