import os

os.environ["TL_DISABLE_ANALYTICS"] = "1"

import numpy as np
import pytest
from code_loader.contract.visualizer_classes import LeapImage, LeapImageMask, LeapImageWithBBox

from armbench_segmentation.instances import Instances
from armbench_segmentation.matching import match_instances
from armbench_segmentation.overlays import PART_COLOURS, draw_splits, upsample
from armbench_segmentation.visualizers import (
    bounding_boxes,
    instance_map,
    show_boxes,
    show_image,
    show_masks,
    show_over_segmentation,
    show_under_segmentation,
    to_picture,
)

CATEGORIES = ("Object", "Tote")


def objects(*windows, grid=(32, 32), confidence=None, class_ids=None):
    """Rectangular objects (row1, row2, column1, column2) on the prototype grid, with their boxes in pixels."""
    masks = np.zeros((len(windows), *grid), bool)
    for mask, (y1, y2, x1, x2) in zip(masks, windows, strict=True):
        mask[y1:y2, x1:x2] = True
    boxes = np.array([(x1, y1, x2, y2) for y1, y2, x1, x2 in windows], np.float32).reshape(-1, 4) * 4
    return Instances(
        boxes,
        np.array(confidence if confidence is not None else [1] * len(windows), np.float32),
        np.array(class_ids if class_ids is not None else [0] * len(windows), np.int64),
        masks,
    )


WHOLE = objects((4, 20, 4, 20))
HALVES = objects((4, 20, 4, 12), (4, 20, 12, 20), confidence=[0.9, 0.456])
IMAGE = np.random.default_rng(0).random((1, 3, 128, 128), np.float32)


def count_colour(picture, colour):
    return int((np.abs(picture.astype(int) - colour).max(axis=2) < 8).sum())


class TestToPicture:
    def test_every_layout_gives_the_same_picture(self):
        chw = np.random.default_rng(1).random((3, 6, 8), np.float32)
        expected = np.round(chw.transpose(1, 2, 0) * 255).astype(np.uint8)
        for image in (chw, chw[None], chw.transpose(1, 2, 0), chw.transpose(1, 2, 0)[None], expected, expected[None]):
            picture = to_picture(image)
            assert picture.dtype == np.uint8
            np.testing.assert_array_equal(picture, expected)

    def test_values_outside_the_range_are_clipped(self):
        image = np.array([-1, 2, np.nan], np.float16).reshape(3, 1, 1).repeat(4, 2)
        assert to_picture(image)[0, 0].tolist() == [0, 255, 0]

    @pytest.mark.parametrize("shape", [(2, 3, 8, 8), (8, 8), (1, 1, 8, 8), (4, 8, 8)])
    def test_other_shapes_are_refused(self, shape):
        with pytest.raises(ValueError, match=r"image must be \(3, H, W\) or \(H, W, 3\)"):
            to_picture(np.zeros(shape, np.float32))


class TestBoundingBoxes:
    def test_centre_size_name_and_confidence(self):
        found = objects((2, 6, 8, 24), confidence=[0.25], class_ids=[1])
        (box,) = bounding_boxes(found, image_size=(64, 128), categories=CATEGORIES)
        assert (box.x, box.y, box.width, box.height) == (0.5, 0.25, 0.5, 0.25)
        assert (box.label, box.confidence) == ("Tote", 0.25)
        assert all(type(v) is float for v in (box.x, box.y, box.width, box.height, box.confidence))

    def test_clipped_to_the_picture(self):
        outside = Instances(
            np.array([[-64, 32, 64, 320]], np.float32),
            np.ones(1, np.float32),
            np.zeros(1, np.int64),
            np.zeros((1, 1, 1), bool),
        )
        (box,) = bounding_boxes(outside, image_size=(128, 128), categories=CATEGORIES)
        assert (box.x, box.y, box.width, box.height) == (0.25, 0.625, 0.5, 0.75)


class TestInstanceMap:
    def test_one_value_per_object(self):
        mask, labels = instance_map(HALVES, image_size=(128, 128), categories=CATEGORIES)
        assert mask.dtype == np.uint8
        assert labels == ["Object 1 .90", "Object 2 .46"]
        assert (mask[20:76, 20:44] == 1).all()
        assert (mask[20:76, 52:76] == 2).all()
        assert (mask[:12] == 0).all()

    def test_small_objects_lie_on_large_ones(self):
        nested = objects((10, 12, 10, 12), (4, 20, 4, 20), class_ids=[0, 1])
        mask, labels = instance_map(nested, image_size=(32, 32), categories=CATEGORIES)
        assert labels == ["Object 1", "Tote 2"]
        assert ((mask == 1).sum(), (mask == 2).sum()) == (4, 16 * 16 - 4)

    def test_more_objects_than_values_keeps_the_most_confident(self):
        n = 300
        many = objects(*[(0, 1, 0, 1)] * n, confidence=np.linspace(0, 0.999, n))
        mask, labels = instance_map(many, image_size=(32, 32), categories=CATEGORIES)
        assert len(labels) == 255
        assert labels[0].startswith("Object 46 ")
        assert mask.max() <= 255

    def test_nothing(self):
        mask, labels = instance_map(Instances.empty((32, 32)), image_size=(128, 128), categories=CATEGORIES)
        assert (mask.shape, mask.any(), labels) == ((128, 128), False, [])


class TestUpsample:
    def test_area_and_place_are_kept(self):
        large = upsample(WHOLE.masks, (128, 128))[0]
        exact = np.kron(WHOLE.masks[0], np.ones((4, 4), bool))
        assert (large & exact).sum() / (large | exact).sum() > 0.98

    def test_a_single_pixel_survives(self):
        assert upsample(objects((3, 4, 5, 6)).masks, (128, 128))[0, 12:16, 20:24].sum() >= 9

    def test_same_size_is_unchanged(self):
        np.testing.assert_array_equal(upsample(WHOLE.masks, (32, 32)), WHOLE.masks)


class TestSplits:
    def test_small_pictures_are_enlarged_and_large_ones_kept(self):
        for side, expected in ((128, 512), (256, 512), (640, 640)):
            picture = np.zeros((side, side, 3), np.uint8)
            drawn = draw_splits(picture, WHOLE.masks[:0], [], part_labels=[], caption="nothing")
            assert drawn.shape[1] == expected
            assert expected < drawn.shape[0] < expected + 40

    def test_a_picture_that_is_not_square(self):
        masks = np.zeros((1, 16, 48), bool)
        masks[0, 4:12, 10:40] = True
        drawn = draw_splits(np.zeros((64, 192, 3), np.uint8), masks, [masks], part_labels=[["A1"]], caption="x" * 200)
        assert drawn.shape[1] == 192 * 3

    def test_without_splits_the_picture_keeps_its_colours(self):
        picture = np.full((512, 512, 3), (10, 200, 30), np.uint8)
        drawn = draw_splits(picture, WHOLE.masks[:0], [], part_labels=[], caption="nothing")
        np.testing.assert_array_equal(drawn[:512], picture)

    def test_parts_have_their_own_colours_where_they_are(self):
        picture = np.zeros((512, 512, 3), np.uint8)
        drawn = draw_splits(picture, WHOLE.masks, [HALVES.masks], part_labels=[["", ""]], caption="halves")
        left, right = drawn[160, 100].astype(int), drawn[160, 280].astype(int)
        for seen, colour in ((left, PART_COLOURS[0]), (right, PART_COLOURS[1])):
            # Chosen colour over a dark gray: its channels keep their order.
            assert np.argsort(seen).tolist() == np.argsort(colour).tolist()
        assert drawn[400, 400].max() < 40
        assert count_colour(drawn[:512], (255, 255, 255)) > 4 * 16 * 16  # the outline of 4 sides of 256 pixels

    def test_an_empty_part_is_no_trouble(self):
        parts = np.stack([WHOLE.masks[0], np.zeros_like(WHOLE.masks[0])])
        picture = np.zeros((128, 128, 3), np.uint8)
        assert draw_splits(picture, WHOLE.masks, [parts], part_labels=[["A1", "A2"]], caption="x").shape[1] == 512

    def test_picture_is_not_written_to(self):
        picture = np.full((512, 512, 3), 99, np.uint8)
        picture.setflags(write=False)
        draw_splits(picture, WHOLE.masks, [HALVES.masks], part_labels=[["A1", "A2"]], caption="halves")


class TestShow:
    def test_classes_and_types(self):
        image = IMAGE.astype(np.float16)
        assert isinstance(show_image(image), LeapImage)
        boxes = show_boxes(image, HALVES, CATEGORIES)
        assert isinstance(boxes, LeapImageWithBBox)
        assert [b.label for b in boxes.bounding_boxes] == ["Object", "Object"]
        masks = show_masks(image, HALVES, CATEGORIES)
        assert isinstance(masks, LeapImageMask)
        assert masks.mask.shape == masks.image.shape[:2] == (128, 128)

    def test_over_segmentation_draws_the_parts(self):
        matching = match_instances(WHOLE, HALVES)
        plain = show_over_segmentation(IMAGE, WHOLE, WHOLE, match_instances(WHOLE, WHOLE), CATEGORIES)
        drawn = show_over_segmentation(IMAGE, WHOLE, HALVES, matching, CATEGORIES)
        assert drawn.data.shape == plain.data.shape == (540, 512, 3)
        assert drawn.data.dtype == np.uint8
        assert count_colour(drawn.data[:512], PART_COLOURS[1]) > 100  # the edge between the parts
        assert count_colour(plain.data[:512], PART_COLOURS[1]) < 100
        mirror = show_under_segmentation(IMAGE, WHOLE, HALVES, matching, CATEGORIES)
        assert count_colour(mirror.data[:512], PART_COLOURS[1]) < 100

    def test_under_segmentation_is_the_mirror_image(self):
        over = show_over_segmentation(IMAGE, WHOLE, HALVES, match_instances(WHOLE, HALVES), CATEGORIES)
        sure = Instances(HALVES.boxes_xyxy, np.ones(2, np.float32), HALVES.class_ids, HALVES.masks)
        under = show_under_segmentation(IMAGE, sure, WHOLE, match_instances(sure, WHOLE), CATEGORIES)
        assert np.abs(over.data[:512].astype(int) - under.data[:512]).max(axis=2).astype(bool).mean() < 0.02  # labels

    def test_caption_says_what_happened(self):
        from armbench_segmentation.visualizers import _describe

        assert _describe("over", []) == "No over-segmentation."
        assert _describe("over", [("Object", 3)]) == "A: ground truth (Object) became 3 predictions"
        assert _describe("under", [("Tote", 2)]) == "A: prediction (Tote) covers 2 ground truths"
        two = [("Object", 2), ("Object", 4)]
        assert _describe("over", two) == "2 ground truths became several predictions: A 2, B 4"
        assert _describe("under", two * 4).endswith("cover several ground truths: A 2, B 4, C 2, D 4, E 2, F 4, ...")

    def test_no_objects_at_all(self):
        none = Instances.empty((32, 32))
        matching = match_instances(none, none)
        for show in (show_over_segmentation, show_under_segmentation):
            assert show(IMAGE, none, none, matching, CATEGORIES).data.shape == (540, 512, 3)
        assert show_boxes(IMAGE, none, CATEGORIES).bounding_boxes == []
        assert not show_masks(IMAGE, none, CATEGORIES).mask.any()
