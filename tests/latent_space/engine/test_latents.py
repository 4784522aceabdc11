"""Feature maps become vectors, of the whole map and of boxes in it; a model gives one more of its tensors."""

import numpy as np
import onnxruntime
from onnx import TensorProto, helper

from latent_space.engine.latents import LatentTensor, add_outputs


def test_added_outputs_come_after_the_old_ones_and_leave_the_original_alone():
    nodes = [helper.make_node("Relu", ["x"], ["inner"]), helper.make_node("Neg", ["inner"], ["y"])]
    values = {name: helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 3]) for name in "xy"}
    proto = helper.make_model(
        helper.make_graph(nodes, "g", [values["x"]], [values["y"]]),
        ir_version=9,
        opset_imports=[helper.make_opsetid("", 17)],
    )
    extended = add_outputs(proto, ["inner", "y"])
    assert [value.name for value in extended.graph.output] == ["y", "inner"]
    assert [value.name for value in proto.graph.output] == ["y"]
    onnxruntime.InferenceSession(extended.SerializeToString(), providers=["CPUExecutionProvider"])


def test_pooling_takes_the_mean_over_the_grid():
    features = np.arange(8, dtype=np.float32).reshape(1, 2, 2, 2)
    assert LatentTensor("t", (1, 2, 2, 2), 1).pool(features).tolist() == [1.5, 5.5]
    assert LatentTensor("t", (1, 2, 2, 2), 3).pool(features).tolist() == [3.0, 4.0]


def test_boxes_are_pooled_by_the_area_they_cover():
    features = np.arange(16, dtype=np.float32).reshape(1, 1, 4, 4)
    tensor = LatentTensor("t", (1, 1, 4, 4), 1)
    boxes = np.array([[0, 0, 1, 1], [0.25, 0.25, 0.5, 0.5], [0, 0, 0.375, 0.25], [0.6, 0.9, 0.6, 0.9], [-1, -1, 9, 9]])
    expected = [7.5, 5.0, (0 * 1 + 1 * 0.5) / 1.5, 14.0, 7.5]
    np.testing.assert_allclose(tensor.pool_boxes(features, boxes)[:, 0], expected, rtol=1e-6)
    last = LatentTensor("t", (1, 4, 4, 1), 3)
    np.testing.assert_allclose(last.pool_boxes(features.reshape(1, 4, 4, 1), boxes)[:, 0], expected, rtol=1e-6)


def test_no_boxes_give_no_rows():
    tensor = LatentTensor("t", (1, 3, 4, 4), 1)
    assert tensor.pool_boxes(np.zeros((1, 3, 4, 4), np.float32), np.zeros((0, 4))).shape == (0, 3)
