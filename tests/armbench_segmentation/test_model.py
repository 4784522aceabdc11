import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from armbench_segmentation.model import open_session, output_shapes, read_facts


def save_model(path, *, input_shape, metadata=None):
    graph = helper.make_graph(
        [helper.make_node("Relu", ["images"], ["output0"])],
        "tiny",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, input_shape)],
        [helper.make_tensor_value_info("output0", TensorProto.FLOAT, input_shape)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    for key, value in (metadata or {}).items():
        model.metadata_props.add(key=key, value=value)
    onnx.save(model, path)
    return path


def test_facts_of_a_dynamic_batch(tmp_path):
    metadata = {"names": "{1: 'Tote', 0: 'Object'}", "anchors": "[[10, 13, 16, 30], [[1, 2], [3, 4]]]"}
    metadata["resize"] = "letterbox"
    path = save_model(tmp_path / "m.onnx", input_shape=["batch", 3, 64, 96], metadata=metadata)
    facts = read_facts(open_session(path))
    assert facts.image_size == (64, 96)
    assert facts.batch_size is None
    assert facts.names == ("Object", "Tote")
    assert facts.anchors == ((10, 13, 16, 30), (1, 2, 3, 4))
    assert facts.resize == "letterbox"


def test_output_shapes_that_the_file_leaves_open_are_found_by_running(tmp_path):
    fixed = open_session(save_model(tmp_path / "fixed.onnx", input_shape=["batch", 3, 64, 96]))
    assert output_shapes(fixed, (64, 96)) == [(1, 3, 64, 96)]
    open_ended = open_session(save_model(tmp_path / "open.onnx", input_shape=[2, 3, "h", "w"]))
    assert output_shapes(open_ended, (32, 64)) == [(2, 3, 32, 64)]


def test_facts_of_a_fixed_batch_without_metadata(tmp_path):
    facts = read_facts(open_session(save_model(tmp_path / "m.onnx", input_shape=[1, 3, "h", "w"])))
    assert (facts.batch_size, facts.image_size, facts.names, facts.anchors, facts.resize) == (1, None, None, None, None)


def test_the_session_runs(tmp_path):
    session = open_session(save_model(tmp_path / "m.onnx", input_shape=[1, 3, 2, 2]))
    (output,) = session.run(None, {"images": np.full((1, 3, 2, 2), -1, np.float32)})
    assert not output.any()


def test_a_missing_model_says_how_to_get_one(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"No model at .*none\.onnx\. Train one"):
        open_session(tmp_path / "none.onnx")


@pytest.mark.parametrize("content", [b"", b"not a model"])
def test_a_file_that_is_no_model_is_named(tmp_path, content):
    (tmp_path / "m.onnx").write_bytes(content)
    with pytest.raises(ValueError, match=r"m\.onnx must be an ONNX model"):
        open_session(tmp_path / "m.onnx")


@pytest.mark.parametrize("shape", [[1, 4], [1, 1, 8, 8]])
def test_another_input_is_refused(tmp_path, shape):
    with pytest.raises(ValueError, match=r"one input \(batch, 3, height, width\)"):
        read_facts(open_session(save_model(tmp_path / "m.onnx", input_shape=shape)))


@pytest.mark.parametrize("key", ["names", "anchors", "resize"])
def test_unreadable_metadata_is_named(tmp_path, key):
    path = save_model(tmp_path / "m.onnx", input_shape=[1, 3, 8, 8], metadata={key: "][no"})
    with pytest.raises(ValueError, match=f"metadata `{key}`"):
        read_facts(open_session(path))
