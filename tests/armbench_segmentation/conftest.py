"""Objects by hand: masks drawn as letters, read-only."""

import numpy as np
import pytest

from armbench_segmentation.instances import Instances


def build(masks, class_ids=None, confidence=None):
    """Instances of (n, h, w) masks; boxes are the hulls of the masks in grid pixels times 4."""
    masks = np.asarray(masks, bool)
    n = len(masks)
    boxes = np.zeros((n, 4), np.float32)
    for box, mask in zip(boxes, masks, strict=True):
        rows, columns = np.nonzero(mask)
        if len(rows):
            box[:] = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]) * 4
    found = Instances(
        boxes,
        np.asarray(np.ones(n) if confidence is None else confidence, np.float32),
        np.asarray(np.zeros(n) if class_ids is None else class_ids, np.int64),
        masks,
    )
    for array in (found.boxes_xyxy, found.confidence, found.class_ids, found.masks):
        array.flags.writeable = False
    return found


@pytest.fixture(scope="session")
def objects():
    """The builder of Instances."""
    return build


@pytest.fixture(scope="session")
def draw():
    """Turn rows of text into a mask: ``draw("##..", "##..")``; one mask per distinct letter with `letters`."""

    def drawn(*rows, letters="#"):
        grid = np.array([list(row) for row in rows])
        return np.stack([grid == letter for letter in letters])

    return drawn


@pytest.fixture(scope="session")
def constant_model():
    """Write an ONNX model that always finds the same objects: rows of x1, y1, x2, y2, confidence, class.

    An end-to-end head of 300 rows on a 64 x 64 input; the mask of every object is its box.
    """
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    def write(path, rows, *, names=None, batch=1, size=64):
        table = np.zeros((batch, 300, 38), np.float32)
        table[:, : len(rows), :6] = rows
        table[:, :, 6] = 1
        constants = {"rows": table, "ones": np.ones((batch, 32, 16, 16), np.float32), "zero": np.zeros(1, np.float32)}
        nodes = [
            helper.make_node("ReduceMean", ["images"], ["mean"], keepdims=0),
            helper.make_node("Mul", ["mean", "zero"], ["nothing"]),
            helper.make_node("Add", ["rows", "nothing"], ["output0"]),
            helper.make_node("Add", ["ones", "nothing"], ["output1"]),
        ]
        side = size or "side"
        graph = helper.make_graph(
            nodes,
            "constant",
            [helper.make_tensor_value_info("images", TensorProto.FLOAT, [batch, 3, side, side])],
            [
                helper.make_tensor_value_info("output0", TensorProto.FLOAT, [batch, 300, 38]),
                helper.make_tensor_value_info("output1", TensorProto.FLOAT, [batch, 32, 16, 16]),
            ],
            [numpy_helper.from_array(value, name) for name, value in constants.items()],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        if names:
            helper.set_model_props(model, {"names": str(dict(enumerate(names)))})
        onnx.checker.check_model(model)
        onnx.save(model, path)
        return path

    return write
