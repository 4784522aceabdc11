"""Suppressing overlaps, decoding one image and its losses, against other code measured in the same run.

Run: ``python benchmarks/bench_decode.py``. CPU seconds on one thread; the peers of suppression are OpenCV's
``NMSBoxes`` and onnxruntime's ``NonMaxSuppression``.
"""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import platform
import time
from collections.abc import Callable

import cv2
import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray

from armbench_segmentation.config import COCO_ANCHORS
from armbench_segmentation.decode import decode_predictions, suppress_overlaps
from armbench_segmentation.losses import segmentation_losses

IOU, MOST, SIZE, N_OBJECTS = 0.45, 300, 640, 20


def main() -> None:
    """Print the table."""
    cv2.setNumThreads(1)
    rng = np.random.default_rng(0)
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, CPU ms, 1 thread")
    boxes, scores = crowd(rng, 2_000)
    kept = suppress_overlaps(boxes, scores, np.zeros(len(boxes)), iou=IOU, max_detections=MOST)
    print(f"\nSuppression, {len(boxes)} boxes, {len(kept)} kept")
    report("ours", lambda: suppress_overlaps(boxes, scores, np.zeros(len(boxes)), iou=IOU, max_detections=MOST))
    corner_and_size = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], 1)
    report("OpenCV", lambda: cv2.dnn.NMSBoxes(corner_and_size, scores, 0.0, IOU))
    session = onnx_suppression()
    feed = {"boxes": boxes[None], "scores": scores[None, None], "most": np.array([MOST]), "iou": np.float32([IOU])}
    report("onnxruntime", lambda: session.run(None, feed))

    outputs, gt_boxes, gt_masks = yolov5_head(rng)
    options = {"n_classes": 2, "image_size": SIZE}
    print(f"\nOne image of {SIZE} x {SIZE}, {N_OBJECTS} objects, 25,200 rows")
    report("decode, masks on the prototype grid", lambda: decode_predictions(outputs, **options))
    original = {"original_sizes": [(2048, 2448)], "resize": "letterbox"}
    report("decode, masks at 2448 x 2048", lambda: decode_predictions(outputs, **options, **original))
    layout = {"anchors": COCO_ANCHORS, "strides": (8, 16, 32)}
    report("losses", lambda: segmentation_losses(outputs, gt_boxes, gt_masks, **options, **layout))


def report(name: str, work: Callable[[], object], *, repeats: int = 20) -> None:
    """Print the CPU milliseconds of one call, the median of `repeats`."""
    work()
    taken = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        taken.append(time.process_time() - start)
    print(f"  {name:<38}{1e3 * float(np.median(taken)):8.2f}")


def crowd(rng: np.random.Generator, n: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Boxes as a detector leaves them before suppression: many around each of a few objects."""
    objects = rng.uniform(40, SIZE - 40, (60, 2))
    centres = objects[rng.integers(len(objects), size=n)] + rng.normal(0, 4, (n, 2))
    half = rng.uniform(20, 50, (n, 2))
    return np.concatenate([centres - half, centres + half], 1).astype(np.float32), rng.random(n).astype(np.float32)


def onnx_suppression() -> onnxruntime.InferenceSession:
    """Build a model of one operator."""
    kinds = {"boxes": (1, [1, None, 4]), "scores": (1, [1, 1, None]), "most": (7, [1]), "iou": (1, [1])}
    inputs = [onnx.helper.make_tensor_value_info(name, *kind) for name, kind in kinds.items()]
    output = onnx.helper.make_tensor_value_info("kept", onnx.TensorProto.INT64, [None, 3])
    node = onnx.helper.make_node("NonMaxSuppression", list(kinds), ["kept"])
    graph = onnx.helper.make_graph([node], "suppression", inputs, [output])
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 13)], ir_version=8)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def yolov5_head(
    rng: np.random.Generator,
) -> tuple[list[NDArray[np.float32]], NDArray[np.float32], NDArray[np.float32]]:
    """Make outputs with 30 sure rows around each of `N_OBJECTS` objects, and the objects."""
    grid = SIZE // 4
    rows = np.zeros((1, 25_200, 39), np.float32)
    rows[..., 2:4], rows[..., 4:7] = 20, 0.001
    rows[..., 7:] = rng.normal(0, 1, (1, 25_200, 32))
    centres = rng.uniform(70, SIZE - 70, (N_OBJECTS, 2))
    for row in rng.choice(25_200, 30 * N_OBJECTS, replace=False):
        centre = centres[row % N_OBJECTS] + rng.normal(0, 3, 2)
        rows[0, row, :7] = *centre, *rng.normal(100, 4, 2), rng.uniform(0.4, 1), 0.9, 0.05
    prototypes = rng.normal(0, 1, (1, 32, grid, grid)).astype(np.float32)
    gt_boxes = np.zeros((1, N_OBJECTS, 5), np.float32)
    gt_boxes[0, :, :2], gt_boxes[0, :, 2:4] = centres / SIZE, 100 / SIZE
    return [rows, prototypes], gt_boxes, (rng.random((1, N_OBJECTS, grid, grid)) > 0.5).astype(np.float32)


if __name__ == "__main__":
    main()
