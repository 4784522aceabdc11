import numpy as np
import pytest
import torch

from armbench_segmentation.config import COCO_ANCHORS
from armbench_segmentation.instances import Instances
from armbench_segmentation.training.examples import Example
from armbench_segmentation.training.network import YoloSeg
from armbench_segmentation.training.validation import MaskPrecision, mask_precision, validate


def objects(*squares, classes=None, confidence=None) -> Instances:
    """Squares (row, column, side) on a 16 x 16 grid."""
    masks = np.zeros((len(squares), 16, 16), np.bool_)
    for mask, (row, column, side) in zip(masks, squares, strict=True):
        mask[row : row + side, column : column + side] = True
    n = len(squares)
    boxes = 4 * np.array([[c, r, c + s, r + s] for r, c, s in squares], np.float32).reshape(-1, 4)
    scores = np.linspace(0.9, 0.5, n) if confidence is None else np.array(confidence)
    return Instances(boxes, scores.astype(np.float32), np.array(classes or [0] * n, np.int64), masks)


def test_finding_everything_exactly_is_perfect():
    truth = [objects((0, 0, 4), (8, 8, 6), classes=[0, 1]), objects((2, 2, 3))]
    found = mask_precision(truth, truth, n_classes=3)
    assert found.map50 == pytest.approx(1)
    assert found.map50_95 == pytest.approx(1)
    assert found.fitness == pytest.approx(1)


def test_an_overlap_of_two_thirds_counts_up_to_iou_65():
    """12 common pixels of 18: IoU 2/3 passes at .50, .55, .60 and .65, four of the ten thresholds."""
    truth, found = objects((0, 0, 4)), objects((0, 0, 4))
    truth.masks[0], found.masks[0] = False, False
    truth.masks[0, 0, :15] = True
    found.masks[0, 0, 3:16] = True
    found.masks[0, 1, 0:2] = True
    assert (truth.masks & found.masks).sum() / (truth.masks | found.masks).sum() == pytest.approx(12 / 18)
    precision = mask_precision([truth], [found], n_classes=1)
    assert precision.map50 == pytest.approx(1)
    assert precision.map50_95 == pytest.approx(0.4)
    assert precision.fitness == pytest.approx(0.1 + 0.9 * 0.4)


def test_the_right_place_with_the_wrong_class_finds_nothing():
    assert mask_precision([objects((0, 0, 4))], [objects((0, 0, 4), classes=[1])], n_classes=2).map50 == 0


def test_without_objects_precision_is_undefined_and_without_detections_it_is_zero():
    assert mask_precision([objects()], [objects((0, 0, 4))], n_classes=1) == MaskPrecision(None, None)
    assert mask_precision([objects()], [objects((0, 0, 4))], n_classes=1).fitness == 0
    assert mask_precision([objects((0, 0, 4))], [objects()], n_classes=1) == MaskPrecision(0, 0)


def test_validate_sees_every_example_and_leaves_the_network_in_training():
    torch.set_num_threads(1)
    network = YoloSeg(1, "n", COCO_ANCHORS, image_size=64).train()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    mask = np.zeros((1, 16, 16), np.bool_)
    mask[0, :8, :8] = True
    example = Example(
        np.zeros((64, 64, 3), np.uint8), np.array([[0.25, 0.25, 0.5, 0.5]], np.float32), np.zeros(1, np.int64), mask
    )
    found = validate(network, iter([example] * 17), image_size=64)
    assert 0 <= found.map50 <= 1
    assert network.training
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name]), name
    assert validate(network, iter([]), image_size=64) == MaskPrecision(None, None)
