"""Settings, data and model put together; the model here is a constant with a chosen head and chosen facts."""

import json

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from PIL import Image

from armbench_segmentation.task import open_task


@pytest.fixture
def settle(tmp_path, monkeypatch):
    """Write a data set of two categories and a model of the given outputs and metadata, and open the task on them."""
    (tmp_path / "images").mkdir()
    Image.new("RGB", (64, 32)).save(tmp_path / "images" / "a.png")
    Image.new("RGB", (64, 32)).save(tmp_path / "images" / "b.png")
    categories = [{"id": 1, "name": "Object"}, {"id": 2, "name": "Tote"}]
    for split, name in (("train", "a.png"), ("val", "b.png")):
        annotation = {"id": 1, "image_id": 1, "category_id": 2, "iscrowd": 0, "segmentation": [[0, 0, 32, 0, 32, 32]]}
        image = {"id": 1, "file_name": name, "width": 64, "height": 32}
        content = {"images": [image], "annotations": [annotation], "categories": categories}
        (tmp_path / f"{split}.json").write_text(json.dumps(content))

    def open_with(rows=(1, 252, 39), size=64, **metadata):
        outputs = {
            "output0": np.zeros(rows, np.float32),
            "output1": np.zeros((1, 32, size // 4, size // 4), np.float32),
        }
        graph = helper.make_graph(
            [helper.make_node("Constant", [], [name], value=numpy_helper.from_array(v)) for name, v in outputs.items()],
            "constant",
            [helper.make_tensor_value_info("images", onnx.TensorProto.FLOAT, [1, 3, size, size])],
            [helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, v.shape) for n, v in outputs.items()],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
        helper.set_model_props(model, metadata)
        onnx.save(model, tmp_path / "model.onnx")
        monkeypatch.setenv("ARMSCOPE_DATA", str(tmp_path))
        monkeypatch.setenv("ARMSCOPE_MODEL", str(tmp_path / "model.onnx"))
        open_task.cache_clear()
        return open_task()

    yield open_with
    open_task.cache_clear()


def test_what_the_model_says_of_itself_wins(settle):
    task = settle(resize="letterbox", anchors="[[1,2,3,4,5,6],[7,8,9,10,11,12],[13,14,15,16,17,18]]")
    assert task.input_size == (64, 64)
    assert task.mask_size == (16, 16)
    assert task.config.anchors[1] == (7, 8, 9, 10, 11, 12)
    assert task.resize(task.samples["a.png"]).inner_size == (32, 64)


def test_a_model_that_says_nothing_leaves_the_settings(settle):
    task = settle()
    assert task.config.resize == "stretch"
    assert task.config.anchors[0] == (10, 13, 16, 30, 33, 23)


@pytest.mark.parametrize(
    ("rows", "head", "first_labels"),
    [
        ((1, 252, 39), "yolov5", ["x", "y", "w", "h", "objectness", "Object", "Tote"]),
        ((1, 38, 84), "yolov8", ["x", "y", "w", "h", "Object", "Tote"]),
        ((1, 300, 38), "end_to_end", ["x1", "y1", "x2", "y2", "confidence", "class"]),
    ],
)
def test_the_head_is_told_by_shape_and_names_every_value(settle, rows, head, first_labels):
    task = settle(rows)
    detections, prototypes = task.output_labels
    assert task.config.head == head
    assert detections[: len(first_labels)] == first_labels
    assert len(detections) == (rows[1] if head == "yolov8" else rows[2])
    assert len(prototypes) == 32


def test_categories_follow_the_models_order(settle):
    task = settle(names="{0: 'Tote', 1: 'Object'}")
    assert task.data.categories == ("Tote", "Object")
    assert task.ground_truth(task.samples["a.png"]).class_ids.tolist() == [0]


@pytest.mark.parametrize("names", ["['Cat', 'Dog']", "['Tote']"])
def test_classes_that_are_not_those_of_the_data_are_refused(settle, names):
    with pytest.raises(ValueError, match=r"must be the data's categories Object, Tote; name those to use"):
        settle(names=names)


def test_outputs_for_another_number_of_classes_are_refused(settle):
    with pytest.raises(ValueError, match=r"for n_classes=2 and 32 mask coefficients"):
        settle((1, 252, 45))
