"""ONNX models in onnxruntime: one sample at a time, fixed batches, types, files that are none."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from latent_space.engine.model import KerasModel, OnnxModel, open_model


def linear(path, *, batch="b", kind=TensorProto.FLOAT, outside=False):
    """y = 2 x, then a sum of it per row."""
    weight = numpy_helper.from_array(np.eye(64, dtype=np.float32) * 2, "w")
    nodes = [
        helper.make_node("Cast", ["x"], ["f"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["f", "w"], ["y"]),
        helper.make_node("ReduceSum", ["y", "axes"], ["total"], keepdims=1),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", kind, [batch, 64])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, n]) for name, n in (("y", 64), ("total", 1))],
        [weight, numpy_helper.from_array(np.array([1]), "axes")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    options = {"save_as_external_data": True, "location": "weights.bin", "size_threshold": 1024} if outside else {}
    onnx.save(model, path, **options)
    return path


ROW = np.arange(64, dtype=np.float32)


def test_outputs_have_no_batch_axis(tmp_path):
    model = OnnxModel(linear(tmp_path / "m.onnx"))
    assert model.input_names == ["x"]
    (prediction,) = model.predict([[ROW]])
    np.testing.assert_array_equal(prediction.outputs[0], 2 * ROW)
    assert prediction.outputs[1].shape == (1,)
    assert prediction.features is None


def test_a_fixed_batch_is_filled_up_and_read_back(tmp_path):
    model = OnnxModel(linear(tmp_path / "m.onnx", batch=3))
    assert model.batch_size == 3
    first, second = model.predict([[ROW], [ROW + 1]])
    np.testing.assert_array_equal(first.outputs[0], 2 * ROW)
    np.testing.assert_array_equal(second.outputs[0], 2 * (ROW + 1))
    assert model.open_latent("y", [ROW]).shape == (1, 64)
    assert model.predict([[ROW], [ROW + 1]])[1].features.tolist() == [(2 * (ROW + 1)).tolist()]


@pytest.mark.parametrize("kind", [TensorProto.INT64, TensorProto.DOUBLE, TensorProto.UINT8, TensorProto.BOOL])
def test_inputs_are_cast_to_the_models_type(kind, tmp_path):
    model = OnnxModel(linear(tmp_path / "m.onnx", kind=kind))
    expected = 2 * (ROW > 0) if kind == TensorProto.BOOL else 2 * ROW
    np.testing.assert_array_equal(model.predict([[ROW]])[0].outputs[0], expected)


def test_a_type_that_code_loader_cannot_give_is_refused(tmp_path):
    with pytest.raises(
        ValueError, match=r"model must take numbers code-loader can give; got tensor\(float16\) for input 'x'"
    ):
        OnnxModel(linear(tmp_path / "m.onnx", kind=TensorProto.FLOAT16))


def test_weights_beside_the_file_are_found_with_the_latent_as_output(tmp_path):
    model = OnnxModel(linear(tmp_path / "m.onnx", outside=True))
    assert (tmp_path / "weights.bin").stat().st_size >= 64 * 64 * 4
    model.open_latent("y", [ROW])
    np.testing.assert_array_equal(model.predict([[ROW]])[0].features[0], 2 * ROW)
    (tmp_path / "weights.bin").write_bytes(b"\0" * (tmp_path / "weights.bin").stat().st_size)
    assert OnnxModel(tmp_path / "m.onnx").sha256 != model.sha256, "the weights are part of the model"


def test_a_file_that_is_no_model_is_told(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"model must be an ONNX file; got .*nowhere.onnx, which does not exist"
    ):
        OnnxModel(tmp_path / "nowhere.onnx")
    (tmp_path / "text.onnx").write_text("no model")
    with pytest.raises(ValueError, match=r"model must be a readable ONNX file; got .*text.onnx: "):
        OnnxModel(tmp_path / "text.onnx")


def test_an_output_without_batch_is_told(tmp_path):
    graph = helper.make_graph(
        [helper.make_node("ReduceSum", ["x"], ["y"], keepdims=0)],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["b", 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    with pytest.raises(ValueError, match=r"output 'y' has no batch axis of 1: \(\)"):
        OnnxModel(model.SerializeToString()).predict([[np.zeros(4, np.float32)]])


def test_the_file_of_a_session_is_found(tmp_path):
    path = linear(tmp_path / "m.onnx")
    from_file = open_model(onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]))
    from_bytes = open_model(onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"]))
    assert from_file.name == str(path)
    assert from_file.sha256 == from_bytes.sha256
    assert from_bytes.name == "the model given as bytes"


def test_a_keras_model_without_keras_says_how_to_install_it():
    with pytest.raises(ImportError, match="install Keras with `pip install tensorflow`"):
        KerasModel(object())
