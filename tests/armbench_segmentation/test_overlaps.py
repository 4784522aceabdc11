import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from armbench_segmentation.overlaps import Overlaps, box_iou


def random_masks(seed, n, shape):
    rng = np.random.default_rng(seed)
    return rng.random((n, *shape)) < rng.uniform(0, 1, (n, 1, 1))


def runs_of(masks):
    return [coco_mask.encode(np.asfortranarray(mask.astype(np.uint8))) for mask in masks]


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 9999), st.integers(0, 6), st.integers(0, 6), st.integers(1, 20), st.integers(1, 20))
def test_intersections_are_the_plain_counts(seed, n_pred, n_gt, h, w):
    preds, gts = random_masks(seed, n_pred, (h, w)), random_masks(seed + 1, n_gt, (h, w))
    expected = np.array([[(p & g).sum() for g in gts] for p in preds], np.int64).reshape(n_pred, n_gt)
    found = Overlaps.of_masks(preds, gts)
    assert found.intersections.dtype == np.int64
    np.testing.assert_array_equal(found.intersections, expected)
    np.testing.assert_array_equal(found.pred_areas, preds.sum((1, 2)))
    np.testing.assert_array_equal(found.gt_areas, gts.sum((1, 2)))


def test_intersections_of_more_pairs_than_one_chunk():
    masks = random_masks(0, 40, (64, 64))
    flat = masks.reshape(40, -1).astype(np.int64)
    np.testing.assert_array_equal(Overlaps.of_masks(masks, masks).intersections, flat @ flat.T)


def test_masks_must_share_a_grid():
    small, large = np.zeros((1, 4, 4), bool), np.zeros((1, 4, 5), bool)
    with pytest.raises(ValueError, match=r"pred_masks must be on the grid of gt_masks, \(4, 5\); got \(4, 4\)"):
        Overlaps.of_masks(small, large)


def test_ratios_by_hand(draw):
    preds, gts = draw("aab.", letters="ab"), draw("xx..", letters="x")
    overlaps = Overlaps.of_masks(preds, gts)
    assert overlaps.iou.tolist() == [[1.0], [0.0]]
    wide = Overlaps.of_masks(draw("xxx.", letters="x"), gts)
    assert wide.iou[0, 0] == pytest.approx(2 / 3)
    assert wide.ioa_of_preds[0, 0] == pytest.approx(2 / 3)
    assert wide.ioa_of_gts[0, 0] == 1.0


def test_empty_masks_overlap_nothing():
    overlaps = Overlaps.of_masks(np.zeros((2, 4, 4), bool), np.zeros((1, 4, 4), bool))
    for ratio in (overlaps.iou, overlaps.ioa_of_preds, overlaps.ioa_of_gts):
        assert ratio.tolist() == [[0.0], [0.0]]


@pytest.mark.parametrize(("n_pred", "n_gt"), [(5, 4), (0, 3), (3, 0), (0, 0)])
def test_runs_and_masks_agree(n_pred, n_gt):
    preds, gts = random_masks(3, n_pred, (30, 20)), random_masks(4, n_gt, (30, 20))
    dense, runs = Overlaps.of_masks(preds, gts), Overlaps.of_runs(runs_of(preds), runs_of(gts))
    for name in ("intersections", "pred_areas", "gt_areas", "iou", "ioa_of_preds", "ioa_of_gts"):
        np.testing.assert_array_equal(getattr(dense, name), getattr(runs, name), err_msg=name)
    for among, n in (("among_preds", n_pred), ("among_gts", n_gt)):
        chosen = np.arange(n)[::-2]
        np.testing.assert_array_equal(getattr(dense, among)(chosen), getattr(runs, among)(chosen))


def test_iou_is_cocos():
    preds, gts = random_masks(5, 6, (30, 20)), random_masks(6, 5, (30, 20))
    expected = coco_mask.iou(runs_of(preds), runs_of(gts), [False] * 5)
    np.testing.assert_array_equal(Overlaps.of_masks(preds, gts).iou, expected)


def test_selected_predictions_keep_their_own_pixels():
    preds, gts = random_masks(7, 6, (9, 9)), random_masks(8, 3, (9, 9))
    rows = np.array([4, 1])
    selected = Overlaps.of_masks(preds, gts).select_preds(rows)
    again = Overlaps.of_masks(preds[rows], gts)
    np.testing.assert_array_equal(selected.intersections, again.intersections)
    np.testing.assert_array_equal(selected.among_preds(np.array([1, 0])), again.among_preds(np.array([1, 0])))


def test_boxes_by_hand():
    boxes = np.array([[0, 0, 2, 2], [1, 1, 3, 3], [5, 5, 5, 5]], np.float32)
    np.testing.assert_allclose(box_iou(boxes, boxes), [[1, 1 / 7, 0], [1 / 7, 1, 0], [0, 0, 0]], atol=1e-12)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 9999))
def test_box_iou_is_cocos(seed):
    rng = np.random.default_rng(seed)
    corners = rng.uniform(0, 50, (7, 2))
    boxes = np.concatenate([corners, rng.uniform(1, 30, (7, 2))], 1)
    xyxy = np.concatenate([corners, corners + boxes[:, 2:]], 1)
    np.testing.assert_allclose(box_iou(xyxy, xyxy[:4]), coco_mask.iou(boxes, boxes[:4], [False] * 4), atol=1e-12)
