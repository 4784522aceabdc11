"""Everything a sample costs before the model: picture, ground truth and metadata of a 2448 x 2048 JPEG, 20 objects.

Run: ``python benchmarks/bench_encoding.py``. CPU time on one thread. The peers rasterise every object at the size of
the photograph with pycocotools and shrink the masks afterwards, plainly or with care. Targets: 100 ms for all of ours
together, and a tenth of the careful peer's time for the same masks.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import json
import platform
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pycocotools import mask as coco_mask

from armbench_segmentation.dataset import load_coco, read_image, read_sample
from armbench_segmentation.masks import gt_instances
from armbench_segmentation.metadata import image_metadata, object_metadata
from armbench_segmentation.resize import Resize
from armbench_segmentation.samples import Sample
from armbench_segmentation.targets import to_arrays

WIDTH, HEIGHT, INPUT, GRID, N_OBJECTS, REPEATS = 2448, 2048, (640, 640), (160, 160), 20, 15
CATEGORIES = ("Object", "Tote")
LIMIT_MS, LIMIT_FASTER = 100, 10


def main() -> None:
    """Print the table; fail where a target is missed."""
    cv2.setNumThreads(1)
    # pycocotools 2.0.11 under numpy 2 warns on every decode
    warnings.filterwarnings("ignore", message="__array__ implementation", category=DeprecationWarning)
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, CPU ms, 1 thread")
    with tempfile.TemporaryDirectory() as folder:
        sample = make_sample(Path(folder))
        resize = Resize.plan(sample.size, INPUT, "stretch")
        pixels, gt = picture(sample, resize), gt_instances(sample, resize, GRID)
        exact = careful_masks(sample)
        overlap = np.mean([(a & b).sum() / (a | b).sum() for a, b in zip(gt.masks, exact, strict=True)])
        print(f"\n{WIDTH} x {HEIGHT}, {sample.path.stat().st_size / 1e6:.1f} MB, {N_OBJECTS} objects, n = {REPEATS}")
        report("picture, all pixels decoded", lambda: resize.apply(read_image(sample.path)))
        report("picture, as we read it", lambda: picture(sample, resize))
        ours = report("ground-truth masks", lambda: gt_instances(sample, resize, GRID))
        plain = report("  peer: full size, then shrunk", lambda: plain_masks(sample))
        careful = report("  peer: the same, by area, no copy", lambda: careful_masks(sample))
        report("metadata of the picture", lambda: image_metadata(sample, pixels, resize, conditions={}))
        report("metadata of the objects", lambda: object_metadata(sample, gt, pixels, resize, categories=CATEGORIES))
        everything = report("all of ours together", lambda: encode(sample))
    print(f"\nMasks: {plain / ours:.0f} and {careful / ours:.0f} times faster than the peers (target {LIMIT_FASTER}),")
    print(f"mean IoU with the second {overlap:.4f}. Together {everything:.1f} ms (target {LIMIT_MS}),")
    print(f"{plain / everything:.1f} and {careful / everything:.1f} times faster than the peers' masks alone.")
    if everything > LIMIT_MS or careful < LIMIT_FASTER * ours:
        raise SystemExit("A target is missed.")


def make_sample(folder: Path) -> Sample:
    """Write a photograph-like JPEG with jagged outlines of 40 points, and load it as a data set."""
    rng = np.random.default_rng(0)
    coarse = cv2.resize(rng.integers(0, 255, (64, 64, 3), np.uint8), (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC)
    noisy = np.clip(coarse.astype(np.int16) + rng.integers(-8, 8, coarse.shape, np.int16), 0, 255)
    Image.fromarray(noisy.astype(np.uint8)).save(folder / "tote.jpg", quality=90)
    angles = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    annotations = []
    for k in range(N_OBJECTS):
        radii = rng.uniform(200, 300, len(angles))
        centre = rng.uniform((310, 310), (WIDTH - 310, HEIGHT - 310))
        points = centre + np.stack([radii * np.cos(angles), radii * np.sin(angles)], 1)
        annotations.append(
            {"id": k, "image_id": 1, "category_id": 1 + k % 2, "segmentation": [points.ravel().tolist()]}
        )
    content = {
        "images": [{"id": 1, "file_name": "tote.jpg", "width": WIDTH, "height": HEIGHT}],
        "annotations": annotations,
        "categories": [{"id": k, "name": name} for k, name in enumerate(CATEGORIES, 1)],
    }
    (folder / "tote.json").write_text(json.dumps(content), encoding="utf-8")
    return load_coco(folder / "tote.json", folder).samples[0]


def picture(sample: Sample, resize: Resize) -> NDArray[np.uint8]:
    """Read the model input, decoded no larger than it needs to be."""
    return resize.apply(read_sample(sample, at_least=resize.inner_size))


def encode(sample: Sample) -> None:
    """Do what the binder does for one sample."""
    resize = Resize.plan(sample.size, INPUT, "stretch")
    pixels, gt = picture(sample, resize), gt_instances(sample, resize, GRID)
    np.ascontiguousarray(pixels.transpose(2, 0, 1), np.float32) / np.float32(255)
    to_arrays(gt, input_size=INPUT, max_instances=N_OBJECTS)
    image_metadata(sample, pixels, resize, conditions={})
    object_metadata(sample, gt, pixels, resize, categories=CATEGORIES)


def at_full_size(sample: Sample) -> list[NDArray[np.uint8]]:
    """Draw every object at the size of the photograph, 0 and 255."""
    outlines = [[list(polygon) for polygon in annotation.segmentation] for annotation in sample.annotations]
    runs = [coco_mask.merge(coco_mask.frPyObjects(polygons, HEIGHT, WIDTH)) for polygons in outlines]
    return [coco_mask.decode(each) * np.uint8(255) for each in runs]


def plain_masks(sample: Sample) -> list[NDArray[np.bool_]]:
    """Shrink the full-size masks as one writes it first: one call, linear interpolation."""
    return [cv2.resize(full, GRID) > 127 for full in at_full_size(sample)]


def careful_masks(sample: Sample) -> list[NDArray[np.bool_]]:
    """Shrink them by area; transposed, because OpenCV reads the column order of the decoder without a copy then."""
    return [cv2.resize(full.T, GRID, interpolation=cv2.INTER_AREA).T > 127 for full in at_full_size(sample)]


def report(name: str, run: Callable[[], object]) -> float:
    """Print and return the median CPU milliseconds of `run`."""
    seconds = []
    for _ in range(REPEATS):
        start = time.process_time()
        run()
        seconds.append(time.process_time() - start)
    median = 1e3 * float(np.median(seconds))
    print(f"{name:<36}{median:9.2f}")
    return median


if __name__ == "__main__":
    main()
