"""Against `tidecv` 1.0.1, the authors' own package: tests/reference/tide_masks.json, made by make_tide_masks.py."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from armbench_segmentation.overlaps import Overlaps
from armbench_segmentation.tide import TIDE_TYPES, TideImage, match_greedily, tide_errors, tide_table

REFERENCE = json.loads((Path(__file__).parents[1] / "reference" / "tide_masks.json").read_text())


def image_of(iou, gt_class_ids, pred_class_ids, confidence):
    gt_class_ids, pred_class_ids = (np.asarray(ids, np.int64) for ids in (gt_class_ids, pred_class_ids))
    confidence = np.asarray(confidence, np.float64)
    iou = np.asarray(iou, np.float64).reshape(len(pred_class_ids), len(gt_class_ids))
    same = pred_class_ids[:, None] == gt_class_ids[None]
    errors = tide_errors(iou, same, match_greedily(iou, same & (iou >= 0.5), confidence))
    return TideImage(errors, confidence, pred_class_ids, gt_class_ids)


def reference_images(name):
    images = []
    for scene in REFERENCE[name]["scenes"]:
        gt, pred = scene["gt"], scene["pred"]
        overlaps = Overlaps.of_runs([p["runs"] for p in pred], [g["runs"] for g in gt])
        classes = ([one["class_id"] for one in objects] for objects in (gt, pred))
        images.append(image_of(overlaps.iou, *classes, [p["confidence"] for p in pred]))
    return images


@pytest.fixture(scope="module")
def table():
    return tide_table(reference_images("plain"))


def test_every_prediction_has_the_reference_error():
    for image, expected in zip(reference_images("plain"), REFERENCE["plain"]["expected"]["kinds"], strict=True):
        assert image.errors.kinds.tolist() == expected


@pytest.mark.parametrize("kind", TIDE_TYPES)
def test_counts_and_regained_ap_are_the_reference(table, kind):
    expected = REFERENCE["plain"]["expected"]
    assert table[kind]["count"] == expected["count"][kind]
    assert table[kind]["ap_regained"] == pytest.approx(expected["ap_regained"][kind], abs=1e-12)
    assert expected["ap_regained"][kind] > 0


def test_base_ap_is_the_reference(table):
    assert table["base"]["ap"] == pytest.approx(REFERENCE["plain"]["expected"]["ap"], abs=1e-12)


@pytest.mark.parametrize(
    ("iou", "pred_class", "kind", "missed"),
    [
        ([[0.9]], 0, "match", False),
        ([[0.5]], 0, "match", False),
        ([[0.49]], 0, "localization", False),
        ([[0.1]], 0, "localization", False),
        ([[0.09]], 0, "background", True),
        ([[0.5]], 1, "class", False),
        ([[0.3]], 1, "both", True),
        ([[0.1]], 1, "background", True),
    ],
)
def test_one_object_one_prediction(iou, pred_class, kind, missed):
    errors = image_of(iou, [0], [pred_class], [0.9]).errors
    assert errors.kinds.tolist() == [kind]
    assert errors.gt_missed.tolist() == [missed]


def test_the_less_confident_of_two_is_the_duplicate():
    errors = image_of([[0.8], [0.9]], [0], [0, 0], [0.3, 0.6]).errors
    assert errors.kinds.tolist() == ["duplicate", "match"]


def test_half_an_iou_with_a_taken_object_is_a_localization_error():
    assert image_of([[0.8], [0.5]], [0], [0, 0], [0.9, 0.6]).errors.kinds.tolist() == ["match", "localization"]


def test_a_class_of_misses_alone_drops_out_once_they_are_fixed():
    table = tide_table([image_of([[0.9, 0.0]], [0, 1], [0], [0.9])])
    assert table["base"]["ap"] == pytest.approx(0.5)
    assert table["miss"]["ap_regained"] == pytest.approx(0.5)


def test_without_ground_truth_everything_is_background():
    image = image_of(np.zeros((2, 0)), [], [0, 1], [0.9, 0.8])
    assert image.errors.kinds.tolist() == ["background", "background"]
    assert np.isnan(tide_table([image])["base"]["ap"])
    assert np.isnan(tide_table([])["miss"]["ap_regained"])


@settings(deadline=None, max_examples=80)
@given(st.integers(0, 9999))
def test_no_fix_costs_precision(seed):
    rng = np.random.default_rng(seed)
    images = []
    for _ in range(rng.integers(1, 5)):
        n_pred, n_gt = rng.integers(0, 9), rng.integers(0, 6)
        iou = np.where(rng.random((n_pred, n_gt)) < 0.6, rng.random((n_pred, n_gt)), 0.0)
        classes = (rng.integers(0, 3, n) for n in (n_gt, n_pred))
        images.append(image_of(iou, *classes, rng.integers(0, 10, n_pred) / 10))
    table = tide_table(images)
    base = table.pop("base")["ap"]
    for kind, found in table.items():
        assert np.isnan(found["ap_regained"]) or -1e-12 <= found["ap_regained"] <= 1 - base + 1e-12, kind


def test_fixing_the_only_error_makes_ap_perfect():
    wrong = {
        "class": image_of([[0.9], [0.0]], [0], [1, 2], [0.9, 0.1]),
        "localization": image_of([[0.3]], [0], [0], [0.9]),
        "background": image_of([[0.0], [0.9]], [0], [0, 0], [0.9, 0.8]),
    }
    for kind, image in wrong.items():
        found = tide_table([image])
        assert found["base"]["ap"] + found[kind]["ap_regained"] == pytest.approx(1.0), kind
        assert [k for k in TIDE_TYPES if found[k]["ap_regained"] > 0] == [kind]


def test_without_predictions_fixing_the_misses_leaves_nothing_to_judge():
    table = tide_table([image_of(np.zeros((0, 2)), [0, 1], [], [])])
    assert table["base"]["ap"] == 0
    assert table["miss"]["count"] == 2
    assert [kind for kind in TIDE_TYPES if np.isnan(table[kind]["ap_regained"])] == ["miss"]


def test_a_class_without_ground_truth_does_not_enter_the_mean():
    image = image_of([[0.9], [0.0]], [0], [0, 7], [0.9, 0.8])
    assert tide_table([image])["base"]["ap"] == pytest.approx(1.0)


def test_order_of_images_and_instances_is_irrelevant(table):
    turned = tide_table(reference_images("plain")[::-1])
    assert {kind: pytest.approx(values) for kind, values in turned.items()} == table


def test_matching_prefers_confidence_then_overlap():
    iou = np.array([[0.6, 0.7], [0.9, 0.8]])
    assert match_greedily(iou, iou > 0, np.array([0.2, 0.9])).tolist() == [[1, 0], [0, 1]]
    assert match_greedily(iou, np.zeros_like(iou, bool), np.array([0.2, 0.9])).tolist() == []
    assert match_greedily(np.zeros((0, 2)), np.zeros((0, 2), bool), np.zeros(0)).shape == (0, 2)
