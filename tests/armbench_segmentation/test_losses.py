import json
from pathlib import Path

import numpy as np
import pytest

from armbench_segmentation.config import COCO_ANCHORS
from armbench_segmentation.losses import LOSSES, segmentation_losses

REFERENCE = json.loads((Path(__file__).parents[1] / "reference" / "yolov5_loss.json").read_text(encoding="utf-8"))
STRIDES = (8, 16, 32)
SIZE = 128
N_ROWS = 3 * (16 * 16 + 8 * 8 + 4 * 4)


def logistic(x):
    return 1 / (1 + np.exp(-x))


def a_batch(seed, n_samples, *, n_classes=2, n_objects=4, size=SIZE):
    """Random raw logits of an anchor head, its prototypes, and a padded ground truth; the last sample is empty."""
    rng = np.random.default_rng(seed)
    raw = [
        rng.normal(0, 1.5, (n_samples, 3, size // s, size // s, 5 + n_classes + 32)).astype(np.float32) for s in STRIDES
    ]
    protos = rng.normal(0, 1, (n_samples, 32, size // 4, size // 4)).astype(np.float32)
    boxes = np.zeros((n_samples, n_objects + 2, 5), np.float32)
    boxes[..., 4] = -1
    extent = rng.uniform(0.06, 0.5, (n_samples, n_objects, 2))
    boxes[:, :n_objects, :2] = rng.uniform(extent / 2, 1 - extent / 2)
    boxes[:, :n_objects, 2:4] = extent
    boxes[:, :n_objects, 4] = rng.integers(0, n_classes, (n_samples, n_objects))
    masks = (rng.random((n_samples, n_objects + 2, size // 4, size // 4)) > 0.5).astype(np.float32)
    if n_samples > 1:
        boxes[-1, :, :4], boxes[-1, :, 4] = 0, -1
    return raw, protos, boxes, masks


def exported(raw, n_classes):
    """What an ONNX export makes of the logits, written here once more from the contract."""
    rows = []
    for level, stride, anchors in zip(raw, STRIDES, COCO_ANCHORS, strict=True):
        n, _, height, width, _ = level.shape
        y, x = np.mgrid[:height, :width]
        out = level.copy()
        out[..., 0] = (2 * logistic(level[..., 0]) - 0.5 + x) * stride
        out[..., 1] = (2 * logistic(level[..., 1]) - 0.5 + y) * stride
        out[..., 2:4] = (2 * logistic(level[..., 2:4])) ** 2 * np.reshape(anchors, (1, 3, 1, 1, 2))
        out[..., 4 : 5 + n_classes] = logistic(level[..., 4 : 5 + n_classes])
        rows.append(out.reshape(n, -1, level.shape[-1]))
    return np.concatenate(rows, 1)


def losses_of(outputs, boxes, masks, *, n_classes=2, size=SIZE, **options):
    options = {"anchors": COCO_ANCHORS, "strides": STRIDES} | options
    return segmentation_losses(outputs, boxes, masks, n_classes=n_classes, image_size=size, **options)


def torch_losses(raw, protos, boxes, masks, index, n_classes):
    """The loss that trains the network, on one image."""
    torch = pytest.importorskip("torch")
    from armbench_segmentation.training.loss import SegmentationLoss, Targets

    torch.set_num_threads(1)
    real = boxes[index, :, 4] >= 0
    targets = Targets(
        torch.zeros(int(real.sum()), dtype=torch.int64),
        torch.from_numpy(boxes[index, real, 4]).long(),
        torch.from_numpy(boxes[index, real, :4]),
        torch.from_numpy(masks[index, real]),
    )
    loss = SegmentationLoss(
        torch.tensor(COCO_ANCHORS).float().view(3, 3, 2), n_classes=n_classes, image_size=4 * protos.shape[-1]
    )
    levels = [torch.from_numpy(level[index : index + 1]) for level in raw]
    parts = loss(levels, torch.from_numpy(protos[index : index + 1]), targets)
    return {name: float(getattr(parts, name)) for name in LOSSES}


def wave(shape, start):
    """Any numbers, the same everywhere; the reference was made of them."""
    flat = 2 * np.sin(0.37 * np.arange(np.prod(shape)) * (1 + 0.001 * start) + start)
    return flat.astype(np.float32).reshape(shape)


class TestAnchorHead:
    @pytest.mark.parametrize("case", REFERENCE["cases"])
    def test_equals_yolov5(self, case):
        n_classes, size = case["n_classes"], case["image_size"]
        shapes = [(1, 3, size // s, size // s, 5 + n_classes + 32) for s in STRIDES]
        raw = [wave(shape, start) for start, shape in enumerate(shapes, 1)]
        protos = wave((1, 32, size // 4, size // 4), 4) / 2
        boxes = np.array([case["boxes"]], np.float32)
        masks = wave((len(boxes[0]), size // 4, size // 4), 5)[None] > 0
        found = losses_of([exported(raw, n_classes), protos], boxes, masks, n_classes=n_classes, size=size)
        assert {k: found[k][0] for k in LOSSES} == pytest.approx({k: case[k] for k in LOSSES}, rel=2e-5)

    @pytest.mark.parametrize("n_classes", [1, 2, 5])
    @pytest.mark.parametrize("seed", range(4))
    def test_equals_the_training_loss_of_each_image(self, n_classes, seed):
        raw, protos, boxes, masks = a_batch(seed, 3, n_classes=n_classes)
        ours = losses_of([exported(raw, n_classes), protos], boxes, masks, n_classes=n_classes)
        for index in range(3):
            expected = torch_losses(raw, protos, boxes, masks, index, n_classes)
            assert {k: ours[k][index] for k in LOSSES} == pytest.approx(expected, rel=2e-5, abs=1e-7)
            assert (expected["box"] > 0) == (index < 2)

    def test_equals_the_training_loss_where_objects_crowd_one_cell_and_the_border(self):
        raw, protos, boxes, masks = a_batch(9, 1, n_objects=6)
        boxes[0, :3, :4] = [0.51, 0.51, 0.2, 0.2], [0.511, 0.512, 0.21, 0.19], [0.512, 0.511, 0.2, 0.2]
        boxes[0, 3:6, :4] = [0.02, 0.01, 0.04, 0.02], [0.999, 0.999, 0.3, 0.3], [0.5, 0.001, 1.0, 0.002]
        ours = losses_of([exported(raw, 2), protos], boxes, masks)
        expected = torch_losses(raw, protos, boxes, masks, 0, 2)
        assert {k: ours[k][0] for k in LOSSES} == pytest.approx(expected, rel=2e-5)

    def test_equals_the_training_loss_at_640(self):
        raw, protos, boxes, masks = a_batch(5, 1, size=640)
        ours = losses_of([exported(raw, 2), protos], boxes, masks, size=640)
        expected = torch_losses(raw, protos, boxes, masks, 0, 2)
        assert {k: ours[k][0] for k in LOSSES} == pytest.approx(expected, rel=2e-5)

    def test_equals_the_training_loss_of_the_real_network(self):
        torch = pytest.importorskip("torch")
        from armbench_segmentation.training.network import ExportForm, YoloSeg

        torch.manual_seed(0)
        torch.set_num_threads(1)
        network = YoloSeg(2, "n", COCO_ANCHORS, image_size=SIZE).eval()
        _, _, boxes, masks = a_batch(6, 2)
        with torch.no_grad():
            images = torch.rand(2, 3, SIZE, SIZE)
            outputs = [o.numpy() for o in ExportForm(network, SIZE)(images)]
            raw, protos = network(images)
        ours = losses_of(outputs, boxes, masks)
        for index in range(2):
            expected = torch_losses([r.numpy() for r in raw], protos.numpy(), boxes, masks, index, 2)
            assert {k: ours[k][index] for k in LOSSES} == pytest.approx(expected, rel=1e-4, abs=1e-7)

    def test_objectness_of_an_empty_image_by_hand(self):
        rows = np.full((1, N_ROWS, 39), 0.5, np.float32)
        found = losses_of([rows, np.zeros((1, 32, 32, 32))], np.zeros((1, 0, 5)), np.zeros((1, 0, 32, 32)))
        # Every cell says one half: ln 2 at each stride, balanced 4, 1 and .4, scaled with the number of cells.
        assert found["objectness"][0] == pytest.approx((4 + 1 + 0.4) * np.log(2) * (SIZE / 640) ** 2)
        assert [found[k][0] for k in ("box", "classification", "mask")] == [0, 0, 0]

    def test_one_object_by_hand(self):
        # Two anchors no object is like, and one 16 x 16 that only fits at stride 8; its centre is the middle of
        # cell (4, 4) exactly, so only that cell learns it (.5 is near neither side on the left, and is on the right).
        anchors = [[16, 16], [1000, 1000], [1000, 1000]]
        rows = np.zeros((1, 256 + 64 + 16, 39), np.float32)
        rows[0, :, 5:7] = 0.25
        rows[0, 4 * 16 + 4, :6] = 36, 36, 16, 16, 0.5, 0.75
        boxes = np.array([[[36 / 128, 36 / 128, 16 / 128, 16 / 128, 0]]], np.float32)
        masks = np.zeros((1, 1, 32, 32), np.float32)
        found = losses_of([rows, np.ones((1, 32, 32, 32))], boxes, masks, anchors=anchors)
        assert found["box"][0] == pytest.approx(0, abs=1e-6)
        assert found["objectness"][0] == pytest.approx(4 * np.log(2) / 256 * (128 / 640) ** 2, rel=1e-3)
        assert found["classification"][0] == pytest.approx(0.5 * 2 / 80 * -np.log(0.75))
        # Logits 0: ln 2 per pixel of the 4 x 4 window, over 32 x 32 pixels, over the box's area 1/64.
        assert found["mask"][0] == pytest.approx(0.05 * 16 * np.log(2) / 1024 * 64)

    @pytest.mark.parametrize("dtype", [np.float16, np.float32])
    @pytest.mark.parametrize("n_samples", [1, 2, 5])
    def test_samples_do_not_depend_on_their_batch(self, n_samples, dtype):
        raw, protos, boxes, masks = a_batch(3, n_samples)
        rows = exported(raw, 2).astype(dtype)
        protos, boxes, masks = protos.astype(dtype), boxes.astype(dtype), masks.astype(dtype)
        together = losses_of([rows, protos], boxes, masks)
        for name in LOSSES:
            assert together[name].shape == (n_samples,)
            assert together[name].dtype == np.float32
            alone = [
                losses_of([rows[i : i + 1], protos[i : i + 1]], boxes[i : i + 1], masks[i : i + 1])[name][0]
                for i in range(n_samples)
            ]
            assert together[name].tolist() == alone

    def test_float16_stays_close_and_saturated_probabilities_stay_finite(self):
        raw, protos, boxes, masks = a_batch(3, 2)
        rows = exported(raw, 2)
        exact, half = (losses_of([rows.astype(t), protos.astype(t)], boxes, masks) for t in (np.float32, np.float16))
        for name in LOSSES:
            assert half[name] == pytest.approx(exact[name], rel=0.02)
        rows[..., 4:7] = np.round(rows[..., 4:7])
        assert all(np.isfinite(value).all() for value in losses_of([rows, protos], boxes, masks).values())

    def test_inputs_are_not_written_to(self):
        raw, protos, boxes, masks = a_batch(1, 1)
        arrays = [exported(raw, 2), protos, boxes, masks]
        before = [a.copy() for a in arrays]
        for array in arrays:
            array.setflags(write=False)
        losses_of(arrays[:2], *arrays[2:])
        assert all((a == b).all() for a, b in zip(arrays, before, strict=True))

    def test_padding_order_and_extra_rows_do_not_matter(self):
        raw, protos, boxes, masks = a_batch(2, 1)
        rows = exported(raw, 2)
        base = losses_of([rows, protos], boxes, masks)
        turned = losses_of([protos, rows], boxes[:, ::-1], masks[:, ::-1])
        for name in ("box", "classification", "mask"):  # objects in one cell replace each other by order in objectness
            assert turned[name] == pytest.approx(base[name], rel=1e-5)

    def test_nan_stays_in_its_sample(self):
        raw, protos, boxes, masks = a_batch(4, 2)
        rows = exported(raw, 2)
        clean = losses_of([rows, protos], boxes, masks)
        rows[0, 0, :] = np.nan
        found = losses_of([rows, protos], boxes, masks)
        assert np.isnan(found["objectness"][0])
        assert found["objectness"][1] == clean["objectness"][1]

    def test_rows_that_do_not_fit_name_the_numbers(self):
        rows, protos = np.zeros((1, N_ROWS + 3, 39)), np.zeros((1, 32, 32, 32))
        with pytest.raises(ValueError, match=r"\(128, 128\).*\(8, 16, 32\).*make 1008 rows; got outputs with 1011"):
            losses_of([rows, protos], np.zeros((1, 0, 5)), np.zeros((1, 0, 32, 32)))

    @pytest.mark.parametrize(
        ("anchors", "strides", "message"),
        [
            (COCO_ANCHORS[:2], STRIDES, "one entry per stride"),
            ([[10, 13, 16]] * 3, STRIDES, "positive width, height pairs"),
            ([[10, 0]] * 3, STRIDES, "positive width, height pairs"),
        ],
    )
    def test_bad_anchors_are_refused(self, anchors, strides, message):
        rows, protos = np.zeros((1, N_ROWS, 39)), np.zeros((1, 32, 32, 32))
        with pytest.raises(ValueError, match=message):
            losses_of([rows, protos], np.zeros((1, 0, 5)), np.zeros((1, 0, 32, 32)), anchors=anchors, strides=strides)


def anchor_free(kind, detections, *, n_classes=2, size=64):
    """One image whose detections are (x1, y1, x2, y2, class, probability, first coefficient)."""
    grid = size // 4
    if kind == "end_to_end":
        rows = np.zeros((1, 300, 38), np.float32)
        for row, (*box, class_id, p, coefficient) in zip(rows[0], detections, strict=False):
            row[:7] = *box, p, class_id, coefficient
    else:
        rows = np.zeros((1, 4 + n_classes + 32, 84), np.float32)
        for column, (x1, y1, x2, y2, class_id, p, coefficient) in enumerate(detections):
            rows[0, :4, column] = (x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1
            rows[0, 4 + class_id, column] = p
            rows[0, 4 + n_classes, column] = coefficient
    return [rows, np.ones((1, 32, grid, grid), np.float32)]


def truth(*boxes, size=64):
    """Objects (x1, y1, x2, y2, class) whose masks fill their boxes; corners at multiples of 4."""
    rows = np.array(
        [[(a + c) / 2 / size, (b + d) / 2 / size, (c - a) / size, (d - b) / size, k] for a, b, c, d, k in boxes]
    )
    masks = np.zeros((len(boxes), size // 4, size // 4))
    for mask, (x1, y1, x2, y2, _) in zip(masks, boxes, strict=True):
        mask[y1 // 4 : y2 // 4, x1 // 4 : x2 // 4] = 1
    return rows[None].astype(np.float32), masks[None].astype(np.float32)


@pytest.mark.parametrize("kind", ["yolov8", "end_to_end"])
class TestAnchorFreeHeads:
    def test_perfect_prediction_costs_nothing(self, kind):
        outputs = anchor_free(kind, [(8, 8, 24, 24, 1, 1.0, 99), (40, 32, 60, 60, 0, 1.0, 99)])
        found = losses_of(outputs, *truth((8, 8, 24, 24, 1), (40, 32, 60, 60, 0)), size=64)
        for name in ("box", "classification", "mask"):
            assert found[name] == pytest.approx([0], abs=1e-5)
        assert np.isnan(found["objectness"]).all()

    def test_half_right_by_hand(self, kind):
        # The left half of the object, right class at .5, mask logits 0: p = 1/2 on 8 of 16 grid points.
        found = losses_of(anchor_free(kind, [(8, 8, 16, 24, 1, 0.5, 0)]), *truth((8, 8, 24, 24, 1)), size=64)
        assert found["box"] == pytest.approx([0.5])
        assert found["classification"] == pytest.approx([np.log(2)])
        assert found["mask"] == pytest.approx([1 - 2 * 4 / (4 + 16)])

    def test_a_missed_object_costs_the_whole(self, kind):
        found = losses_of(anchor_free(kind, [(40, 40, 60, 60, 0, 0.9, 9)]), *truth((8, 8, 24, 24, 0)), size=64)
        assert found["box"] == pytest.approx([1])
        assert found["classification"] == pytest.approx([-np.log(1e-3)])
        assert found["mask"] == pytest.approx([1])

    def test_one_prediction_serves_one_object(self, kind):
        same = truth((8, 8, 24, 24, 0), (8, 8, 24, 24, 0))
        one = losses_of(anchor_free(kind, [(8, 8, 24, 24, 0, 1.0, 99)]), *same, size=64)
        two = losses_of(anchor_free(kind, [(8, 8, 24, 24, 0, 1.0, 99)] * 2), *same, size=64)
        assert one["box"] == pytest.approx([0.5])
        assert two["box"] == pytest.approx([0])

    def test_scores_are_considered(self, kind):
        # Two equal boxes: the sure one is the object's, so its probability is judged.
        detections = [(8, 8, 24, 24, 0, 0.1, 9), (8, 8, 24, 24, 0, 0.8, 9)]
        found = losses_of(anchor_free(kind, detections), *truth((8, 8, 24, 24, 0)), size=64)
        assert found["classification"] == pytest.approx([-np.log(0.8)])

    @pytest.mark.parametrize(("p", "box"), [(0.04, 0.0), (0.03, 0.25)])
    def test_the_fit_counts_by_its_sixth_power(self, kind, p, box):
        # (4/3)**6 = 5.62 lies between 1 / sqrt(.04) = 5 and 1 / sqrt(.03) = 5.77; the fifth and seventh powers do not.
        detections = [(8, 8, 20, 24, 0, 1.0, 99), (8, 8, 24, 24, 0, p, 99)]
        found = losses_of(anchor_free(kind, detections), *truth((8, 8, 24, 24, 0)), size=64)
        assert found["box"] == pytest.approx([box])

    def test_a_wrong_class_keeps_the_box(self, kind):
        found = losses_of(anchor_free(kind, [(8, 8, 24, 24, 1, 0.9, 99)]), *truth((8, 8, 24, 24, 0)), size=64)
        assert found["box"] == pytest.approx([0])
        assert found["classification"] == pytest.approx([-np.log(1e-3)])

    def test_no_objects(self, kind):
        found = losses_of(
            anchor_free(kind, [(8, 8, 24, 24, 1, 0.9, 99)]), np.zeros((1, 0, 5)), np.zeros((1, 0, 16, 16)), size=64
        )
        assert [found[k][0] for k in ("box", "classification", "mask")] == [0, 0, 0]
        assert np.isnan(found["objectness"][0])

    def test_rows_of_nan_are_left_out(self, kind):
        clean = anchor_free(kind, [(8, 8, 16, 24, 1, 0.5, 0)])
        spoilt = anchor_free(kind, [(8, 8, 16, 24, 1, 0.5, 0), (np.nan, 8, 24, 24, 1, 1.0, 99)])
        objects = truth((8, 8, 24, 24, 1))
        assert losses_of(clean, *objects, size=64)["box"] == losses_of(spoilt, *objects, size=64)["box"]

    @pytest.mark.parametrize("dtype", [np.float16, np.float32])
    @pytest.mark.parametrize("n_samples", [1, 2, 5])
    def test_samples_do_not_depend_on_their_batch(self, kind, n_samples, dtype):
        rng = np.random.default_rng(n_samples)
        each = []
        for _ in range(n_samples):
            corners = 4 * rng.integers(0, 8, (3, 2))
            objects = [(x, y, x + 16, y + 12, int(rng.integers(2))) for x, y in corners.tolist()]
            guesses = [(a + 1, b, c, d + 2, k, float(rng.uniform(0.2, 1)), 1.0) for a, b, c, d, k in objects]
            each.append([*anchor_free(kind, guesses), *truth(*objects)])
        rows, protos, boxes, masks = (np.concatenate(part).astype(dtype) for part in zip(*each, strict=True))
        together = losses_of([rows, protos], boxes, masks, size=64)
        for i in range(n_samples):
            alone = losses_of([rows[i : i + 1], protos[i : i + 1]], boxes[i : i + 1], masks[i : i + 1], size=64)
            for name in LOSSES:
                np.testing.assert_array_equal(together[name][i : i + 1], alone[name])
                assert together[name].dtype == np.float32


class TestArguments:
    outputs = (np.zeros((2, N_ROWS, 39), np.float32), np.zeros((2, 32, 32, 32), np.float32))

    def test_ground_truth_must_fit_the_batch(self):
        with pytest.raises(ValueError, match=r"gt_boxes must be \(2, M, 5\).*got \(1, 3, 5\)"):
            losses_of(self.outputs, np.zeros((1, 3, 5)), np.zeros((1, 3, 32, 32)))

    def test_masks_must_lie_on_the_prototype_grid(self):
        with pytest.raises(ValueError, match=r"gt_masks must be \(2, 3, 32, 32\).*got \(2, 3, 16, 16\)"):
            losses_of(self.outputs, np.zeros((2, 3, 5)), np.zeros((2, 3, 16, 16)))

    def test_classes_must_be_known(self):
        with pytest.raises(ValueError, match="classes below n_classes=2; got 2"):
            losses_of(self.outputs, np.full((2, 3, 5), 2), np.zeros((2, 3, 32, 32)))

    def test_image_size_must_be_the_models(self):
        with pytest.raises(ValueError, match="image_size must be 4 times"):
            losses_of(self.outputs, np.zeros((2, 0, 5)), np.zeros((2, 0, 32, 32)), size=640)
