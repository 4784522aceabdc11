import json
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from armbench_segmentation.instances import Instances
from armbench_segmentation.matching import match_instances
from armbench_segmentation.metrics import (
    DIRECTIONS,
    PanopticCounts,
    confusion_pairs,
    detection_scores,
    panoptic_counts,
    segmentation_metrics,
)
from armbench_segmentation.overlaps import Overlaps
from armbench_segmentation.tide import TIDE_TYPES
from tests.armbench_segmentation.conftest import build

PANOPTIC = json.loads((Path(__file__).parents[1] / "reference" / "panoptic.json").read_text())


def metrics_of(gt, pred, *, rule="hoover", small_area=3e-4):
    return segmentation_metrics(gt, pred, match_instances(gt, pred, rule=rule), small_area=small_area)


def random_objects(rng, n):
    masks = np.zeros((n, 20, 20), bool)
    for mask in masks:
        (y, x), (h, w) = rng.integers(0, 15, 2), rng.integers(0, 12, 2)
        mask[y : y + h, x : x + w] = True
    return build(masks, rng.integers(0, 3, n), rng.random(n))


def test_a_perfect_prediction_has_the_best_values(objects, draw):
    gt = objects(draw("aabb..cc", "aabb..cc", letters="abc"), [0, 1, 0])
    metrics = metrics_of(gt, gt)
    for key, direction in DIRECTIONS.items():
        if not math.isnan(metrics[key]):
            assert metrics[key] == (1.0 if direction == "upward" else 0.0), key
    undefined = {key for key, value in metrics.items() if math.isnan(value)}
    assert undefined == {
        "segments_per_over_segmented",
        "objects_per_under_segmented",
        "over_segmented_confidence",
        "under_segmented_confidence",
    }


def test_one_object_in_three_parts_by_hand(objects, draw):
    gt = objects(draw("xxxxxx..yy", letters="xy"))
    pred = objects(draw("aabbcc..yy", letters="abcy"), confidence=[0.5, 0.75, 1.0, 0.5])
    metrics = metrics_of(gt, pred)
    expected = {
        "over_segmented": 1.0,
        "over_segmented_count": 1.0,
        "segments_per_over_segmented": 3.0,
        "over_segmented_confidence": 0.75,
        "under_segmented": 0.0,
        "under_segmented_count": 0.0,
        "merged_objects_count": 0.0,
        "duplicate_count": 0.0,
        "precision": 0.25,
        "recall": 0.5,
        "f1": 1 / 3,
        "matched_iou": 1.0,
        "segmentation_quality": 1.0,
        "recognition_quality": 1 / 3,
        "panoptic_quality": 1 / 3,
        "tide_localization": 3.0,
        "tide_miss": 0.0,
    }
    assert {key: metrics[key] for key in expected} == pytest.approx(expected)


def test_two_objects_in_one_by_hand(objects, draw):
    gt = objects(draw("aabbb..c", letters="abc"))
    pred = objects(draw("mmmmm...", letters="m"), confidence=[0.5])
    metrics = metrics_of(gt, pred)
    assert metrics["under_segmented"] == metrics["under_segmented_count"] == 1.0
    assert metrics["merged_objects_count"] == metrics["objects_per_under_segmented"] == 2.0
    assert metrics["under_segmented_confidence"] == 0.5
    assert metrics["matched_iou"] == pytest.approx(0.6)
    assert metrics["panoptic_quality"] == pytest.approx(0.6 * 2 / 4)
    assert metrics["tide_miss"] == 2.0


def test_small_objects_are_flagged_by_their_share_of_the_grid(objects, draw):
    merged = (objects(draw("aabbb.....", letters="ab")), objects(draw("mmmmm.....", letters="m")))
    cut = (objects(draw("xxxx......", letters="x")), objects(draw("aabb......", letters="ab")))
    assert metrics_of(*merged, small_area=0.21)["small_under_segmented"] == 1.0
    assert metrics_of(*merged, small_area=0.2)["small_under_segmented"] == 0.0
    apart = (objects(draw("aabbb....c", letters="abc")), objects(draw("mmmmm....c", letters="mc")))
    assert metrics_of(*apart, small_area=0.11)["small_under_segmented"] == 0.0
    assert metrics_of(*cut, small_area=0.41)["small_over_segmented"] == 1.0
    assert metrics_of(*cut, small_area=0.4)["small_over_segmented"] == 0.0


def test_matched_iou_and_quality_are_those_of_the_matched_pairs(objects, draw):
    gt = objects(draw("aaaa.bbbb.", letters="ab"))
    pred = objects(draw("aaa..bbbb.", letters="ab"))
    metrics = metrics_of(gt, pred)
    assert metrics["matched_iou"] == metrics["segmentation_quality"] == pytest.approx((0.75 + 1) / 2)
    assert metrics["recognition_quality"] == 1.0


def test_half_an_iou_matches_but_is_no_panoptic_match(objects, draw):
    metrics = metrics_of(objects(draw("xxxx", letters="x")), objects(draw("xx..", letters="x")))
    assert metrics["recall"] == 1.0
    assert metrics["matched_iou"] == 0.5
    assert metrics["recognition_quality"] == metrics["panoptic_quality"] == 0.0
    assert math.isnan(metrics["segmentation_quality"])


@pytest.mark.parametrize(
    ("n_gt", "n_pred", "zero", "undefined"),
    [
        (0, 0, {"over_segmented_count", "duplicate_count"}, {"precision", "recall", "f1", "panoptic_quality"}),
        (0, 2, {"precision", "f1", "panoptic_quality"}, {"recall", "over_segmented", "under_segmented"}),
        (2, 0, {"recall", "f1", "panoptic_quality", "over_segmented", "under_segmented"}, {"precision", "matched_iou"}),
    ],
)
def test_empty_cases(objects, n_gt, n_pred, zero, undefined):
    masks = np.ones((2, 3, 3), bool)
    metrics = metrics_of(objects(masks[:n_gt]), objects(masks[:n_pred]))
    assert {key: metrics[key] for key in zero} == dict.fromkeys(zero, 0.0)
    assert all(math.isnan(metrics[key]) for key in undefined)
    assert metrics["tide_miss"] == n_gt
    assert metrics["tide_background"] == n_pred


@pytest.mark.parametrize("rule", ["hoover", "containment"])
@settings(deadline=None, max_examples=50)
@given(st.integers(0, 9999))
def test_every_key_has_a_float_in_its_range_whatever_the_input(rule, seed):
    rng = np.random.default_rng(seed)
    gt, pred = random_objects(rng, rng.integers(0, 6)), random_objects(rng, rng.integers(0, 9))
    metrics = metrics_of(gt, pred, rule=rule)
    assert list(metrics) != [] and set(metrics) == set(DIRECTIONS)
    for key, value in metrics.items():
        assert type(value) is float, key
        assert math.isnan(value) or value >= 0, key
        if not key.endswith("_count") and "_per_" not in key and not key.startswith("tide_"):
            assert math.isnan(value) or value <= 1 + 1e-12, key
    errors = sum(metrics[f"tide_{kind}"] for kind in TIDE_TYPES if kind != "miss")
    n_matched = 0 if math.isnan(metrics["precision"]) else metrics["precision"] * len(pred)
    assert errors + n_matched == pytest.approx(len(pred))


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 9999))
def test_the_order_of_instances_is_irrelevant(seed):
    rng = np.random.default_rng(seed)
    gt, pred = random_objects(rng, 5), random_objects(rng, 8)
    overlaps = Overlaps.of_masks(pred.masks, gt.masks)
    # Between objects that fit a prediction equally well, or are equally large, the first counts.
    assume(all(len(np.unique(row[row > 0])) == (row > 0).sum() for row in (*overlaps.iou, overlaps.gt_areas)))
    shuffled = metrics_of(gt[rng.permutation(5)], pred[rng.permutation(8)])
    assert shuffled == pytest.approx(metrics_of(gt, pred), nan_ok=True)


def test_directions_name_both_ways_only():
    assert set(DIRECTIONS.values()) == {"upward", "downward"}
    assert {"panoptic_quality", "recall"} <= {key for key, way in DIRECTIONS.items() if way == "upward"}


def labelled(labels):
    """Instances of a label map of the reference."""
    labels = np.array(labels)
    ids = [i for i in np.unique(labels) if i]
    return build([labels == i for i in ids], [i // 10 - 1 for i in ids])


@pytest.mark.parametrize("class_id", [0, 1])
def test_panoptic_quality_is_torchmetrics(class_id):
    total = PanopticCounts()
    for scene in PANOPTIC["scenes"]:
        gt, pred = (labelled(scene[key]) for key in ("gt", "pred"))
        gt, pred = gt[gt.class_ids == class_id], pred[pred.class_ids == class_id]
        total += panoptic_counts(match_instances(gt, pred), pred.confidence)
    expected = PANOPTIC["expected"][class_id]
    found = {"PQ": total.panoptic_quality, "SQ": total.segmentation_quality, "RQ": total.recognition_quality}
    assert found == pytest.approx(expected, abs=1e-6)


def test_detection_scores_without_anything_are_undefined():
    assert all(math.isnan(value) for value in detection_scores(0, 0, 0).values())


def boxes(rows, class_ids, confidence=None):
    n = len(rows)
    return Instances(
        np.array(rows, np.float32).reshape(n, 4),
        np.array(np.ones(n) if confidence is None else confidence, np.float32),
        np.array(class_ids, np.int64),
        np.zeros((n, 2, 2), bool),
    )


def test_confusion_by_hand():
    gt = boxes([[0, 0, 4, 4], [10, 0, 14, 4], [20, 0, 24, 4]], [0, 1, 1])
    pred = boxes([[0, 0, 4, 4], [10, 0, 14, 4], [30, 0, 34, 4]], [0, 0, 1], [0.75, 0.5, 0.25])
    assert [tuple(entry) for entry in confusion_pairs(gt, pred, n_classes=2)] == [
        (0, True, 0.75),
        (1, True, 0.0),
        (0, False, 0.5),
        (1, False, 0.25),
        (2, True, 0.75),
        (1, True, 0.0),
        (2, False, 1.0),
    ]


def test_confusion_matches_one_to_one():
    gt = boxes([[0, 0, 4, 4]], [0])
    pred = boxes([[0, 0, 4, 4], [0, 0, 4, 3]], [1, 0], [0.25, 0.75])
    found = [tuple(entry) for entry in confusion_pairs(gt, pred, n_classes=2)]
    assert found == [(1, False, 0.25), (2, True, 0.75), (0, True, 0.75)]


def test_confusion_starts_at_its_iou():
    gt = boxes([[0, 0, 4, 4]], [0])
    for width, expected in ((1.0, True), (0.99, False)):
        found = confusion_pairs(gt, boxes([[0, 0, width, 4]], [0], [0.5]), n_classes=1)
        assert ((0, True, 0.5) in [tuple(entry) for entry in found]) is expected


def test_confusion_of_nothing_is_empty():
    assert confusion_pairs(boxes([], []), boxes([], []), n_classes=2) == []


def test_confusion_refuses_what_makes_no_sense():
    one = boxes([[0, 0, 4, 4]], [2])
    with pytest.raises(ValueError, match="n_classes must exceed every class id; got 2 and class id 2"):
        confusion_pairs(one, boxes([], []), n_classes=2)
    with pytest.raises(ValueError, match=r"iou must lie in \(0, 1\]; got 0"):
        confusion_pairs(one, one, iou=0, n_classes=3)
