"""The parts' values are held against numpy and an outside oracle in test_losses.py; here: assignment and gradients."""

import numpy as np
import pytest
import torch

from armbench_segmentation.config import COCO_ANCHORS
from armbench_segmentation.training.loss import SegmentationLoss, Targets, assign, complete_iou
from armbench_segmentation.training.network import STRIDES

SIZE = 64
ANCHORS = torch.tensor(COCO_ANCHORS).float().view(3, 3, 2)


def cells(boxes, anchors=((1.0, 1.0),), grid=(4, 4)) -> set:
    """(object, anchor, row, column) of every pair."""
    found = assign(torch.tensor(boxes), torch.tensor(anchors), grid)
    pairs = list(
        zip(found.target.tolist(), found.anchor.tolist(), found.row.tolist(), found.column.tolist(), strict=True)
    )
    assert len(set(pairs)) == len(pairs)
    return set(pairs)


@pytest.mark.parametrize(
    ("x", "y", "expected"),
    [
        (0.40, 0.60, {(2, 1), (2, 2), (1, 1)}),  # centre (1.6, 2.4): right half, upper half
        (0.35, 0.65, {(2, 1), (2, 0), (3, 1)}),  # centre (1.4, 2.6): left half, lower half
        (0.10, 0.10, {(0, 0)}),  # centre (0.4, 0.4): the neighbours lie outside
        (0.95, 0.95, {(3, 3)}),  # centre (3.8, 3.8): likewise at the other end
        (0.15, 0.90, {(3, 0), (3, 1)}),  # centre (0.6, 3.6): right neighbour, none below
    ],
)
def test_the_cell_of_the_centre_and_its_nearest_neighbours_learn(x, y, expected):
    assert {(row, column) for _, _, row, column in cells([[x, y, 0.25, 0.25]])} == expected


def test_an_anchor_learns_what_is_within_a_factor_of_four():
    boxes = [[0.1, 0.1, 0.25, 0.25]]  # one cell
    anchors = [(1.0, 1.0), (3.9, 1.0), (1.0, 0.26), (4.0, 1.0), (1.0, 0.25)]
    assert {anchor for _, anchor, _, _ in cells(boxes, anchors)} == {0, 1, 2}


def test_no_objects_and_objects_without_area_give_no_pairs():
    assert not len(assign(torch.zeros(0, 4), torch.ones(3, 2), (4, 4)).target)
    assert not cells([[0.5, 0.5, 0.0, 0.25]])


def test_complete_iou_of_equal_boxes_is_one_and_falls_with_distance_and_shape():
    box = torch.tensor([[2.0, 2, 2, 2]])
    assert float(complete_iou(box, box)) == pytest.approx(1, abs=1e-6)
    # Apart: IoU 0, centres 3 apart, hull 5 x 2: -(9 / 29).
    assert float(complete_iou(box, torch.tensor([[5.0, 2, 2, 2]]))) == pytest.approx(-9 / 29, abs=1e-6)
    # Same centre, another shape: IoU 4/12, aspect term v^2 / (v - IoU + 1) with v = (2 (atan 3 - atan 1) / pi)^2.
    v = (2 * (np.arctan(3) - np.arctan(1)) / np.pi) ** 2
    expected = 1 / 3 - v**2 / (v - 1 / 3 + 1)
    assert float(complete_iou(box, torch.tensor([[2.0, 2, 6, 2]]))) == pytest.approx(expected, abs=1e-6)


def zero_raw(n_classes=2, **options):
    return [torch.zeros(1, 3, SIZE // s, SIZE // s, 5 + n_classes + 32, **options) for s in STRIDES]


def one_target(class_id=1) -> Targets:
    masks = torch.zeros(1, 16, 16)
    masks[0, 6:10, 6:10] = 1
    return Targets(torch.tensor([0]), torch.tensor([class_id]), torch.tensor([[0.5, 0.5, 0.25, 0.25]]), masks)


def test_zero_logits_by_hand():
    """All cross-entropies are ln 2; one 16-pixel object at the centre of a 64-pixel image."""
    loss = SegmentationLoss(ANCHORS, n_classes=2, image_size=SIZE)
    parts = loss(zero_raw(), torch.zeros(1, 32, 16, 16), one_target())
    levels = 2  # P5's anchors 116x90, 156x198, 373x326 are more than 4 times as wide as the object
    # The cross-entropy of p = 1/2 is ln 2 whatever the target.
    assert float(parts.objectness) == pytest.approx(np.log(2) * (4 + 1 + 0.4) * (SIZE / 640) ** 2, rel=1e-5)
    assert float(parts.classification) == pytest.approx(levels * np.log(2) * 0.5 * 2 / 80, rel=1e-5)
    # Inside the box, a 4 x 4 share of 16 x 16 pixels, ln 2 each; divided by the box's area .0625: ln 2 per level.
    assert float(parts.mask) == pytest.approx(levels * np.log(2) * 0.05, rel=1e-5)
    assert float(parts.total) == pytest.approx(
        float(parts.box + parts.objectness + parts.classification + parts.mask), rel=1e-6
    )


def test_images_without_objects_teach_objectness_alone():
    raw, prototypes = zero_raw(requires_grad=True), torch.zeros(1, 32, 16, 16)
    empty = Targets(
        torch.zeros(0, dtype=torch.int64), torch.zeros(0, dtype=torch.int64), torch.zeros(0, 4), torch.zeros(0, 16, 16)
    )
    parts = SegmentationLoss(ANCHORS, n_classes=2, image_size=SIZE)(raw, prototypes, empty)
    assert (float(parts.box), float(parts.classification), float(parts.mask)) == (0, 0, 0)
    parts.total.backward()
    for level in raw:
        assert (level.grad[..., 4] > 0).all()
        assert not level.grad[..., :4].any()
        assert not level.grad[..., 5:].any()


def test_one_class_has_no_class_loss():
    parts = SegmentationLoss(ANCHORS, n_classes=1, image_size=SIZE)(
        zero_raw(1), torch.zeros(1, 32, 16, 16), one_target(0)
    )
    assert float(parts.classification) == 0


def test_order_of_objects_does_not_matter_where_they_do_not_meet():
    generator = torch.Generator().manual_seed(0)
    raw = [torch.randn(2, 3, SIZE // s, SIZE // s, 39, generator=generator) for s in STRIDES]
    prototypes = torch.randn(2, 32, 16, 16, generator=generator)
    boxes = torch.tensor([[0.2, 0.2, 0.2, 0.2], [0.8, 0.8, 0.2, 0.3], [0.5, 0.5, 0.6, 0.6]])
    masks = (torch.rand(3, 16, 16, generator=generator) > 0.5).float()
    image, class_ids = torch.tensor([0, 0, 1]), torch.tensor([0, 1, 1])
    loss = SegmentationLoss(ANCHORS, n_classes=2, image_size=SIZE)
    forward = loss(raw, prototypes, Targets(image, class_ids, boxes, masks))
    order = torch.tensor([2, 1, 0])
    backward = loss(raw, prototypes, Targets(image[order], class_ids[order], boxes[order], masks[order]))
    assert float(forward.total) == pytest.approx(float(backward.total), rel=1e-6)
    # Masks are averaged per image, then over the batch.
    first = loss(
        [level[:1] for level in raw], prototypes[:1], Targets(image[:2], class_ids[:2], boxes[:2], masks[:2])
    ).mask
    second = loss(
        [level[1:] for level in raw], prototypes[1:], Targets(image[2:] - 1, class_ids[2:], boxes[2:], masks[2:])
    ).mask
    assert float(forward.mask) == pytest.approx(float(first + second) / 2, rel=1e-5)
