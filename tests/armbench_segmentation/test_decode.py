import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from armbench_segmentation.decode import decode_predictions, suppress_overlaps
from armbench_segmentation.instances import Instances

REFERENCE = Path(__file__).parents[1] / "reference"
DECODE = json.loads((REFERENCE / "decode.json").read_text(encoding="utf-8"))
NMS = json.loads((REFERENCE / "nms.json").read_text(encoding="utf-8"))


def reference_outputs(contract):
    """The tensors of the frozen reference: listed rows, everything else 0."""
    entry = DECODE["contracts"][contract]
    predictions = np.zeros(entry["shape"], np.float32)
    for image, row, values in entry["entries"]:
        where = (image, slice(len(values)), row) if contract == "yolov8" else (image, row, slice(len(values)))
        predictions[where] = values
    listed = np.array(DECODE["prototypes"], np.float32)
    prototypes = np.zeros((2, DECODE["n_coefficients"], *listed.shape[2:]), np.float32)
    prototypes[:, : listed.shape[1]] = listed
    return [predictions, prototypes]


def decode_reference(outputs, **options):
    keys = ("n_classes", "image_size", "confidence", "iou")
    return decode_predictions(outputs, **{key: DECODE[key] for key in keys} | options)


def unpack(runs, size):
    if not runs:
        return np.zeros((0, *size), bool)
    return np.stack([coco_mask.decode({"size": list(size), "counts": r}).astype(bool) for r in runs])


@pytest.mark.parametrize("contract", ["yolov5", "yolov8", "end_to_end"])
class TestAgainstOtherDecoders:
    @pytest.mark.parametrize("swapped", [False, True])
    def test_on_the_prototype_grid(self, contract, swapped):
        outputs = reference_outputs(contract)
        found = decode_reference(outputs[::-1] if swapped else outputs)
        for ours, expected in zip(found, DECODE["contracts"][contract]["expected"], strict=True):
            assert len(ours) == len(expected["confidence"]) > 3
            np.testing.assert_allclose(ours.boxes_xyxy, expected["boxes_xyxy"], atol=2e-4)
            np.testing.assert_allclose(ours.confidence, expected["confidence"], atol=1e-5)
            assert ours.class_ids.tolist() == expected["class_ids"]
            np.testing.assert_array_equal(ours.masks, unpack(expected["masks"], (16, 16)))
            assert ours.masks.any(axis=(1, 2)).mean() > 0.8

    @pytest.mark.parametrize("resize", ["stretch", "letterbox"])
    def test_at_original_size(self, contract, resize):
        everything = [image[resize] for image in DECODE["contracts"][contract]["expected"]]
        sizes = [tuple(e["size"]) for e in everything]
        found = decode_reference(reference_outputs(contract), original_sizes=sizes, resize=resize)
        for ours, expected, size in zip(found, everything, sizes, strict=True):
            boxes = np.reshape(expected["boxes_xyxy"], (-1, 4))
            inside = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)  # they keep what lies in the padding, as an empty box
            np.testing.assert_allclose(ours.boxes_xyxy, boxes[inside], atol=2e-3)
            theirs = unpack(expected["masks"], size)[inside]
            assert ours.masks.shape == theirs.shape
            # Two ways to round the same interpolation may differ where a logit is 0 to the last digit.
            assert (ours.masks != theirs).sum() <= 2

    def test_float16_gives_the_same_objects(self, contract):
        outputs = reference_outputs(contract)
        full, half = decode_reference(outputs), decode_reference([o.astype(np.float16) for o in outputs])
        for a, b in zip(full, half, strict=True):
            order_a, order_b = (np.lexsort(i.boxes_xyxy.round().T) for i in (a, b))  # scores that are nearly equal swap
            assert a.class_ids[order_a].tolist() == b.class_ids[order_b].tolist()
            np.testing.assert_allclose(a.boxes_xyxy[order_a], b.boxes_xyxy[order_b], atol=0.05)
            np.testing.assert_allclose(a.confidence, b.confidence, atol=1e-3)
            assert b.boxes_xyxy.dtype == b.confidence.dtype == np.float32

    def test_an_image_does_not_depend_on_its_batch(self, contract):
        outputs = reference_outputs(contract)
        five = [np.concatenate([o, o[:1] * 0, o]) for o in outputs]
        together = decode_reference(five)
        assert [len(t) for t in together[:3]] == [len(together[3]), len(together[4]), 0]
        for index in range(5):
            (alone,) = decode_reference([o[index : index + 1] for o in five])
            assert_same(alone, together[index])

    def test_inputs_are_not_written_to(self, contract):
        outputs = reference_outputs(contract)
        before = [o.copy() for o in outputs]
        for output in outputs:
            output.setflags(write=False)
        decode_reference(outputs, original_sizes=[(9, 9), (300, 100)], resize="letterbox")
        assert all((a == b).all() for a, b in zip(outputs, before, strict=True))

    def test_max_detections_keeps_the_most_confident(self, contract):
        outputs = reference_outputs(contract)
        for few, every in zip(decode_reference(outputs, max_detections=2), decode_reference(outputs), strict=True):
            assert_same(few, every[:2])

    def test_rows_of_nan_and_infinity_are_dropped(self, contract):
        clean, outputs = reference_outputs(contract), reference_outputs(contract)
        columns = outputs[0].transpose(0, 2, 1) if contract == "yolov8" else outputs[0]
        free = [r for r in range(columns.shape[1]) if not columns[:, r].any()][:3]
        columns[:, free] = columns[
            0, next(row for image, row, _ in DECODE["contracts"][contract]["entries"] if not image)
        ]
        columns[:, free[0], 0], columns[:, free[1], 4], columns[:, free[2], -1] = np.inf, np.nan, -np.inf
        for ours, expected in zip(decode_reference(outputs), decode_reference(clean), strict=True):
            assert_same(ours, expected)

    def test_nothing_found(self, contract):
        for original_sizes in (None, [(30, 40), (50, 60)]):
            found = decode_reference([o * 0 for o in reference_outputs(contract)], original_sizes=original_sizes)
            expected = [(16, 16)] * 2 if original_sizes is None else original_sizes
            assert [f.masks.shape for f in found] == [(0, *size) for size in expected]


def assert_same(a: Instances, b: Instances):
    for name in ("boxes_xyxy", "confidence", "class_ids", "masks"):
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name))


def one_object(box, *, size=(64, 64), score=0.9, logits=None):
    """An end-to-end head with one object of one class whose mask logits are given on the prototype grid."""
    height, width = size[0] // 4, size[1] // 4
    rows = np.zeros((1, 300, 38), np.float32)
    rows[0, 0, :7] = *box, score, 0, 1
    protos = np.zeros((1, 32, height, width), np.float32)
    protos[0, 0] = 1 if logits is None else logits
    return [rows, protos]


class TestByHand:
    def test_mask_is_cropped_to_the_box(self):
        (found,) = decode_predictions(one_object((8, 16, 24, 40)), n_classes=1, image_size=64)
        expected = np.zeros((16, 16), bool)
        expected[4:10, 2:6] = True
        np.testing.assert_array_equal(found.masks[0], expected)

    def test_letterbox_is_undone(self):
        # A 100 x 200 picture in 64 x 64: scale .32, 16 gray rows above and below. The box is the picture's left half.
        outputs = one_object((0, 16, 32, 48))
        options = {"n_classes": 1, "image_size": 64, "original_sizes": [(100, 200)]}
        (found,) = decode_predictions(outputs, resize="letterbox", **options)
        np.testing.assert_allclose(found.boxes_xyxy, [[0, 0, 100, 100]], atol=1e-4)
        assert found.masks.shape == (1, 100, 200)
        assert found.masks[0, :, :100].all()
        assert not found.masks[0, :, 100:].any()
        (found,) = decode_predictions(outputs, resize="stretch", **options)
        np.testing.assert_allclose(found.boxes_xyxy, [[0, 25, 100, 75]], atol=1e-4)

    def test_mask_edge_lands_where_the_picture_has_it(self):
        # Logits change sign between grid columns 7 and 8: x = 32 of the input, x = 100 of a picture 200 wide.
        logits = np.where(np.arange(16) < 8, 1, -1)[None].repeat(16, 0)
        (found,) = decode_predictions(
            one_object((0, 0, 64, 64), logits=logits),
            n_classes=1,
            image_size=64,
            original_sizes=[(100, 200)],
            resize="letterbox",
        )
        assert found.masks[0, :, :100].all()
        assert not found.masks[0, :, 100:].any()

    def test_inputs_that_are_not_square(self):
        outputs = one_object((64, 0, 128, 32), size=(64, 128))
        (found,) = decode_predictions(outputs, n_classes=1, image_size=(64, 128))
        assert found.masks[0].shape == (16, 32)
        assert found.masks[0, :8, 16:].all()
        assert found.masks.sum() == 8 * 16
        (found,) = decode_predictions(outputs, n_classes=1, image_size=(64, 128), original_sizes=[(640, 640)])
        assert found.boxes_xyxy.tolist() == [[320, 0, 640, 320]]
        assert found.masks[0, :320, 320:].all()

    def test_boxes_are_clipped_and_those_without_area_dropped(self):
        outputs = one_object((-10, 50, 30, 90))
        outputs[0][0, 1:5, :7] = [
            (70, 10, 90, 20, 0.9, 0, 1),
            (10, 10, 10, 20, 0.9, 0, 1),
            (20, 10, 10, 20, 0.9, 0, 1),
            (10, 70, 20, 90, 0.9, 0, 1),
        ]
        (found,) = decode_predictions(outputs, n_classes=1, image_size=64)
        assert found.boxes_xyxy.tolist() == [[0, 50, 30, 64]]
        # Letterbox: a box in the gray padding is not in the picture.
        (found,) = decode_predictions(
            one_object((5, 2, 60, 14)), n_classes=1, image_size=64, original_sizes=[(32, 64)], resize="letterbox"
        )
        assert found.masks.shape == (0, 32, 64)

    def test_boxes_of_no_or_negative_size_are_dropped_before_they_suppress(self):
        rows = np.zeros((1, 252, 39), np.float32)
        rows[0, :3, :7] = [(32, 32, 0, 20, 1, 1, 0), (32, 32, -20, -20, 1, 1, 0), (32, 32, 20, 20, 0.9, 0.9, 0)]
        (found,) = decode_predictions([rows, np.ones((1, 32, 16, 16))], n_classes=2, image_size=64)
        assert found.confidence == pytest.approx([0.81])

    def test_objectness_and_its_product_with_the_class_must_both_pass(self):
        rows = np.zeros((1, 252, 39), np.float32)
        rows[0, :4, :7] = [
            (16, 16, 9, 9, 0.25, 1, 0),  # objectness is not above .25
            (48, 16, 9, 9, 0.5, 0.5, 0.1),  # nor is the product here
            (16, 48, 9, 9, 0.6, 0.1, 0.5),
            (48, 48, 9, 9, 0.3, 0.9, 0.95),
        ]
        (found,) = decode_predictions([rows, np.ones((1, 32, 16, 16))], n_classes=2, image_size=64)
        assert found.confidence == pytest.approx([0.3, 0.285])
        assert found.class_ids.tolist() == [1, 1]

    def test_equal_scores_keep_the_order_of_the_rows(self):
        rows = np.zeros((1, 37, 84), np.float32)
        for column, x in ((70, 10), (3, 30), (40, 50)):
            rows[0, :5, column] = x, 32, 8, 8, 0.5
        (found,) = decode_predictions([rows, np.ones((1, 32, 16, 16))], n_classes=1, image_size=64)
        assert found.boxes_xyxy[:, 0].tolist() == [26, 46, 6]

    def test_non_finite_prototypes_give_no_pixels(self):
        outputs = one_object((0, 0, 64, 64))
        outputs[1][0, 0, 0, 0], outputs[1][0, 1, 3, 3] = np.nan, np.inf
        (found,) = decode_predictions(outputs, n_classes=1, image_size=64)
        assert found.masks.sum() == 256 - 2

    def test_an_empty_batch(self):
        assert decode_predictions([np.zeros((0, 300, 38)), np.zeros((0, 32, 16, 16))], n_classes=1, image_size=64) == []


def brute_force(boxes, scores, class_ids, iou):
    """The definition: by falling score, a box stays unless it overlaps one that stays."""
    kept = []
    for i in sorted(range(len(boxes)), key=lambda i: (-scores[i], i)):
        ax1, ay1, ax2, ay2 = map(float, boxes[i])
        for j in kept:
            bx1, by1, bx2, by2 = map(float, boxes[j])
            shared = max(min(ax2, bx2) - max(ax1, bx1), 0) * max(min(ay2, by2) - max(ay1, by1), 0)
            union = (ax2 - ax1) * (ay2 - ay1) + (bx2 - bx1) * (by2 - by1) - shared
            if class_ids[i] == class_ids[j] and shared > iou * union:
                break
        else:
            kept.append(i)
    return kept


class TestSuppression:
    @pytest.mark.parametrize("iou", [0.3, 0.45, 0.7])
    def test_equals_onnxruntime(self, iou):
        boxes, scores, class_ids = (np.array(NMS[key]) for key in ("boxes_xyxy", "scores", "class_ids"))
        assert (
            suppress_overlaps(boxes, scores, class_ids, iou=iou, max_detections=1000).tolist() == NMS["kept"][str(iou)]
        )

    @settings(max_examples=60, deadline=None)
    @given(st.integers(0, 10**6), st.integers(0, 60), st.sampled_from([0.0, 0.25, 0.5, 1.0]))
    def test_equals_the_definition(self, seed, n, iou):
        rng = np.random.default_rng(seed)
        corners = rng.integers(-5, 20, (n, 2))  # small integers: many ties and exact IoUs
        boxes = np.concatenate([corners, corners + rng.integers(0, 9, (n, 2))], 1)
        scores, class_ids = rng.integers(1, 6, n) / 5, rng.integers(0, 3, n)
        found = suppress_overlaps(boxes, scores, class_ids, iou=iou, max_detections=1000).tolist()
        assert found == brute_force(boxes, scores, class_ids, iou)

    def test_classes_do_not_suppress_each_other_even_with_80_of_them(self):
        boxes = np.tile([[100.0, 100, 101, 101.5]], (80, 1))
        kept = suppress_overlaps(boxes, np.ones(80), np.arange(80), iou=0.1, max_detections=300)
        assert kept.tolist() == list(range(80))

    def test_no_boxes(self):
        assert suppress_overlaps(np.zeros((0, 4)), np.zeros(0), np.zeros(0), iou=0.5, max_detections=9).shape == (0,)


class TestArguments:
    outputs = (np.zeros((1, 300, 38), np.float32), np.zeros((1, 32, 16, 16), np.float32))

    @pytest.mark.parametrize(
        ("option", "message"),
        [
            ({"confidence": 25}, r"confidence must lie in \[0, 1\]; got 25"),
            ({"iou": -0.1}, r"iou must lie in \[0, 1\]; got -0.1"),
            ({"max_detections": 0}, "max_detections must be at least 1; got 0"),
            ({"image_size": 640}, r"image_size must be 4 times the prototypes' .* got \(640, 640\)"),
            ({"original_sizes": [(10, 10), (20, 20)]}, "one .* per image of the batch, 1; got 2"),
            ({"original_sizes": [(10, 10)], "resize": "crop"}, "resize must be 'stretch' or 'letterbox'; got 'crop'"),
            ({"n_classes": 0}, "n_classes must be at least 1"),
        ],
    )
    def test_options_out_of_range_are_refused(self, option, message):
        with pytest.raises(ValueError, match=message):
            decode_predictions(self.outputs, **{"n_classes": 1, "image_size": 64} | option)

    def test_shapes_that_fit_nothing_are_named(self):
        with pytest.raises(ValueError, match=r"got \[\(1, 252, 39\), \(1, 32, 16, 16\)\]"):
            decode_predictions([np.zeros((1, 252, 39)), self.outputs[1]], n_classes=1, image_size=64)

    def test_a_class_beyond_n_classes_is_refused(self):
        outputs = one_object((1, 1, 9, 9))
        outputs[0][0, 0, 5] = 3
        with pytest.raises(ValueError, match="n_classes=2 and class ids 3 to 3"):
            decode_predictions(outputs, n_classes=2, image_size=64)
