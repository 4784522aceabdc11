"""Outlines against the masks that `decode` draws at the size of the picture."""

from pathlib import Path

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from armbench_segmentation.config import SegmentationConfig
from armbench_segmentation.dataset import SegmentationData
from armbench_segmentation.decode import decode_predictions
from armbench_segmentation.object_rows import object_rows, predicted_outlines
from armbench_segmentation.resize import Resize
from armbench_segmentation.task import SegmentationTask

SHAPES = ("ring", "two parts", "nothing", "speck in it", "bar on top")


def task_of(side):
    config = SegmentationConfig(Path(), Path(), head="end_to_end")
    return SegmentationTask(config, SegmentationData({}, ("Object", "Tote"), 1), (side, side))


def outputs_of(side, shapes=SHAPES):
    """Objects whose boxes are the whole input, by falling confidence, and prototypes that are their masks' logits."""
    n = side // 4
    ys, xs = (np.mgrid[:n, :n] + 0.5) / n
    far = np.hypot(xs - 0.5, ys - 0.5)
    logits = {
        "ring": np.minimum(0.4 - far, far - 0.2),
        "two parts": np.maximum(0.15 - np.hypot(xs - 0.2, ys - 0.5), 0.2 - np.hypot(xs - 0.75, ys - 0.4)),
        "nothing": np.full((n, n), -1.0),
        "speck in it": np.maximum(0.3 - far, 0.4 / n - np.hypot(xs - 0.92, ys - 0.92)),
        "bar on top": 0.1 - ys,
    }
    rows = np.zeros((1, 300, 38), np.float32)
    prototypes = np.zeros((1, 32, n, n), np.float32)
    for number, shape in enumerate(shapes):
        rows[0, number, :6] = 0, 0, side, side, 0.9 - 0.1 * number, number % 2
        rows[0, number, 6 + number] = 1
        prototypes[0, number] = 10 * logits[shape]
    return [rows, prototypes]


def drawn(rings, size):
    height, width = size
    runs = coco_mask.frPyObjects([np.ravel(ring).tolist() for ring in rings], height, width)
    return coco_mask.decode(coco_mask.merge(runs)).astype(bool)


def iou(first, second):
    return (first & second).sum() / (first | second).sum()


@pytest.mark.parametrize("side", [128, 640])
def test_outlines_cover_what_the_masks_of_the_picture_cover(side):
    task, outputs = task_of(side), outputs_of(side)
    outlines = predicted_outlines(task, outputs)
    size = (512, 512)
    (found,) = decode_predictions(outputs, n_classes=2, image_size=side, original_sizes=[size])
    assert [len(rings) for rings in outlines] == [1, 2, 0, 1, 1], "in order; a hole is no ring, a speck is not drawn"
    for rings, mask in zip(outlines, found.masks, strict=True):
        if rings:
            assert iou(drawn([ring * 512 for ring in rings], size), mask) > 0.98
    assert not drawn([outlines[0][0] * 512], size)[256, 256], "the ring has its hole"
    assert max(len(ring) for rings in outlines for ring in rings) < side


def test_rows_of_a_stretched_picture_have_shares_alone():
    task, outputs = task_of(128), outputs_of(128)
    fit = Resize.plan((60, 300), (128, 128), "stretch")
    outlines = predicted_outlines(task, outputs)
    found = task.decode(outputs)[0]
    rows = object_rows("pred", found, [None] * 5, fit=fit, categories=("Object", "Tote"), outlines=outlines)
    assert [row["label"] for row in rows] == ["Object", "Tote"] * 2 + ["Object"]
    assert [row["polygons_rel"] is None for row in rows] == [False, False, True, False, False]
    assert not any("polygons_px" in row for row in rows)
    bare = object_rows("gt", found, [None] * 5, fit=fit, categories=("Object", "Tote"))
    assert not any("polygons_rel" in row for row in bare)


def test_outlines_in_pixels_leave_the_padding_out():
    task, outputs = task_of(128), outputs_of(128)
    size = (100, 200)
    fit = Resize.plan(size, (128, 128), "letterbox")
    rows = object_rows(
        "pred",
        task.decode(outputs)[0],
        [None] * 5,
        fit=fit,
        categories=("Object", "Tote"),
        outlines=predicted_outlines(task, outputs),
    )
    (found,) = decode_predictions(outputs, n_classes=2, image_size=128, original_sizes=[size], resize="letterbox")
    for number in (0, 1, 3):
        points = np.concatenate(rows[number]["polygons_px"])
        assert (points >= 0).all()
        assert (points <= (200, 100)).all()
        assert iou(drawn(rows[number]["polygons_px"], size), found.masks[number]) > 0.97
    assert (rows[4]["polygons_rel"], rows[4]["polygons_px"]) == (None, None), "all of it lies in the padding"


def test_nothing_found_has_no_outlines():
    task, outputs = task_of(128), outputs_of(128, shapes=())
    assert predicted_outlines(task, outputs) == []
    fit = Resize.plan((60, 300), (128, 128), "stretch")
    assert object_rows("pred", task.decode(outputs)[0], [], fit=fit, categories=("Object",), outlines=[]) == []


def test_an_input_that_is_not_square_has_shares_of_its_own_sides():
    config = SegmentationConfig(Path(), Path(), head="end_to_end")
    task = SegmentationTask(config, SegmentationData({}, ("Object", "Tote"), 1), (64, 128))
    rows, prototypes = np.zeros((1, 300, 38), np.float32), np.full((1, 32, 16, 32), -10, np.float32)
    rows[0, 0, :7] = 0, 0, 128, 64, 0.9, 0, 1
    prototypes[0, 0, :, :8] = 10  # the left quarter
    ((ring,),) = predicted_outlines(task, [rows, prototypes])
    np.testing.assert_allclose([ring.min(0), ring.max(0)], [[0, 0], [0.25, 1]], atol=0.02)
