"""The binder as code-loader runs it: each test is a process of its own, for an integration lives once per process."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

ROOT = Path(__file__).resolve().parents[2]

BATCHES = """
import json
import numpy as np
from armbench_segmentation import integration as binder
from armbench_segmentation.object_rows import object_rows
from armbench_segmentation.resize import Resize

[training, *_] = binder.preprocess()
ids = training.sample_ids[:5]
images = np.stack([binder.encode_image(i, training) for i in ids])
boxes = np.stack([binder.encode_boxes(i, training) for i in ids])
masks = np.stack([binder.encode_masks(i, training) for i in ids])
session = binder.load_model().model
outputs = session.run(None, {session.get_inputs()[0].name: images})

def values(size, dtype):
    arrays = [array[:size].astype(dtype) for array in (*outputs, boxes, masks)]
    compared = binder.compare_objects(*arrays)
    return {
        "loss": binder.segmentation_loss(*arrays).tolist(),
        "components": binder.loss_components(*arrays),
        "objects": compared,
        "predictions": binder.describe_predictions(*arrays[:2]),
        "confusion": [len(elements) for elements in binder.confusion_matrix(*arrays)],
    }

found = {f"{size} {dtype}": values(size, dtype) for size in (1, 2, 5) for dtype in ("float32", "float16")}
found["true boxes"] = boxes[0].tolist()
found["rows"] = binder.describe_instances(ids[0], {"image": images[0]}, {"boxes": boxes[0], "masks": masks[0]},
                                          [output[0] for output in outputs])
found["unlabeled rows"] = binder.describe_instances(ids[0], {"image": images[0]}, {}, [o[0] for o in outputs])
wide = Resize.plan((100, 200), (64, 64), "letterbox")
true = binder._instances(boxes[:1], masks[:1])[0]
found["padded rows"] = object_rows("gt", true, [None] * len(true), fit=wide, categories=["Object", "Tote"])
print(json.dumps(found))
"""


@pytest.fixture(scope="session")
def run(binder_process, totes, tote_model):
    return binder_process("segmentation", totes, tote_model)


LOSS_OF_ANOTHER_HEAD = """
import json
from armbench_segmentation import integration as binder

[training, *_] = binder.preprocess()
[first, *_] = training.sample_ids
outputs = [output[None] if output.ndim == 2 else output for output in binder.load_model().model.run(None, {
    "images": binder.encode_image(first, training)[None]})]
truth = [binder.encode_boxes(first, training)[None], binder.encode_masks(first, training)[None]]
print(json.dumps([binder.segmentation_loss(*outputs, *truth).tolist(),
                  binder.loss_components(*outputs, *truth)["objectness_loss"]]))
"""


def save_yolov8(path, rows):
    """A model of 64 pixels and two classes with YOLOv8's outputs: constants, declared with `rows`."""
    values = {"output0": np.full((1, 38, 84), 0.5, np.float32), "output1": np.ones((1, 32, 16, 16), np.float32)}
    declared = {"output0": [1, 38, rows], "output1": [1, 32, 16, 16]}
    graph = helper.make_graph(
        [helper.make_node("Constant", [], [name], value=numpy_helper.from_array(v)) for name, v in values.items()],
        "constant",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 64, 64])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in declared.items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)


@pytest.fixture(scope="session")
def batches(run):
    process = run("-c", BATCHES)
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout.splitlines()[0])


def test_the_binder_is_successful_without_a_warning(run):
    process = run(str(ROOT / "leap_binder.py"))
    assert process.returncode == 0, process.stderr
    assert set(process.stdout.split()) == {"Successful!"}
    assert process.stderr == ""


def test_check_dataset_is_valid_and_everything_is_wired(run):
    report = run.check_dataset()
    assert report["errors"] == [None]
    assert report["valid"]
    assert report["wired"] == [
        "CustomLoss segmentation_loss",
        "Input0 image",
        "Metric confusion_matrix",
        "Metric losses",
        "Metric predictions",
        "Metric segmentation",
        "PredictionLabels detections",
        "PredictionLabels prototypes",
        *(
            f"Visualizer {name}"
            for name in (
                "image",
                "over_segmentation",
                "predicted_boxes",
                "predicted_masks",
                "true_boxes",
                "true_masks",
                "under_segmentation",
            )
        ),
    ]


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("size", [1, 2, 5])
def test_one_value_per_sample_that_does_not_depend_on_its_batch(batches, size, dtype):
    found, whole = batches[f"{size} {dtype}"], batches[f"5 {dtype}"]
    assert found["loss"] == pytest.approx(whole["loss"][:size])
    assert found["confusion"] == whole["confusion"][:size]
    for metric in ("components", "objects", "predictions"):
        for key, values in found[metric].items():
            assert len(values) == size, key
            assert values == pytest.approx(whole[metric][key][:size], nan_ok=True), key


def test_half_precision_changes_losses_little(batches):
    assert batches["5 float16"]["loss"] == pytest.approx(batches["5 float32"]["loss"], rel=0.02)


def test_the_tiny_model_finds_something_so_that_these_tests_mean_something(batches):
    assert min(batches["5 float32"]["predictions"]["predictions_count"]) > 0
    assert len(set(batches["5 float32"]["loss"])) > 1


def test_instance_rows(batches):
    rows = batches["rows"]
    kinds = [row["kind"] for row in rows]
    assert kinds == sorted(kinds)
    assert set(kinds) == {"gt", "pred"}
    for row in rows:
        x1, y1, x2, y2 = row["box_rel"]
        assert 0 <= x1 <= x2 <= 1
        assert 0 <= y1 <= y2 <= 1
        assert 0 <= row["area_rel"] <= 1
        assert row["label"] in ("Object", "Tote")
        assert isinstance(row["verdict"], str)
    assert {row["verdict"] for row in batches["unlabeled rows"]} == {None}
    assert {row["kind"] for row in batches["unlabeled rows"]} == {"pred"}


def test_what_was_found_has_an_outline_and_what_is_annotated_has_none(batches):
    outlines = {row["kind"]: [] for row in batches["rows"]}
    for row in batches["rows"] + batches["unlabeled rows"]:
        assert "polygons_px" not in row, "shares of the input are shares of a picture that is stretched"
        outlines[row["kind"]].append(row.get("polygons_rel"))
    assert not any(outlines["gt"])
    assert any(outlines["pred"])


def test_boxes_in_pixels_are_those_of_the_picture(batches):
    for row in batches["rows"]:
        assert row["box_px"] == pytest.approx([128 * edge for edge in row["box_rel"]], abs=1e-3)


def test_boxes_in_pixels_leave_the_padding_out(batches):
    assert batches["padded rows"]
    for row in batches["padded rows"]:
        x1, y1, x2, y2 = (64 * edge for edge in row["box_rel"])
        # 200 x 100 pixels fill 64 x 32 of the input, below 16 rows of padding.
        expected = np.clip(np.array([x1, y1 - 16, x2, y2 - 16]) * 200 / 64, 0, [200, 100, 200, 100])
        assert row["box_px"] == pytest.approx(expected.tolist(), abs=1e-3)


def test_instance_rows_keep_x_and_y_apart(batches):
    true_rows = [row["box_rel"] for row in batches["rows"] if row["kind"] == "gt"]
    true_boxes = [box for box in batches["true boxes"] if box[4] >= 0]
    assert len(true_rows) == len(true_boxes) > 1
    for (x1, y1, x2, y2), (cx, cy, w, h, _) in zip(true_rows, true_boxes, strict=True):
        assert ((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1) == pytest.approx((cx, cy, w, h), abs=1e-5)


@pytest.mark.parametrize("rows", [84, "anchors"])
def test_a_head_without_objectness_has_a_loss_also_where_its_file_leaves_shapes_open(run, tmp_path, rows):
    save_yolov8(tmp_path / "v8.onnx", rows)
    process = run("-c", LOSS_OF_ANOTHER_HEAD, ARMSCOPE_MODEL=str(tmp_path / "v8.onnx"))
    assert process.returncode == 0, process.stderr
    [loss], [objectness] = json.loads(process.stdout.splitlines()[0])
    assert loss > 0
    assert objectness is None


def test_missing_data_is_one_clear_error(run, tmp_path):
    process = run(str(ROOT / "leap_binder.py"), ARMSCOPE_DATA=str(tmp_path / "nowhere"))
    assert process.returncode != 0
    assert str(tmp_path / "nowhere") in process.stderr.splitlines()[-1]


def test_a_missing_model_says_how_to_get_one(run, tmp_path):
    process = run(str(ROOT / "leap_binder.py"), ARMSCOPE_MODEL=str(tmp_path / "none.onnx"))
    assert process.returncode != 0
    assert "armscope segmentation train" in process.stderr.splitlines()[-1]
