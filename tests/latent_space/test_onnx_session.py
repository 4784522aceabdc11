from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from latent_space.onnx_session import open_session, runtime_errors


@pytest.fixture
def model() -> bytes:
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", 2]) for name in "xy"]
    graph = helper.make_graph([helper.make_node("Neg", ["x"], ["y"])], "negate", value[:1], value[1:])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(made)
    content: bytes = made.SerializeToString()
    return content


def test_a_file_and_its_content_open_alike(model: bytes, tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(model)
    for source in (model, tmp_path / "m.onnx"):
        session = open_session(source)
        assert session.run(None, {"x": np.ones((1, 2), np.float32)})[0].tolist() == [[-1, -1]]
        assert session.get_session_options().intra_op_num_threads == 1


def test_what_is_wrong_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"^No model at .*absent\.onnx\. Train one\.$"):
        open_session(tmp_path / "absent.onnx", advice="Train one.")
    (tmp_path / "bad.onnx").write_bytes(b"no model")
    with pytest.raises(ValueError, match=r"bad\.onnx must be an ONNX model that onnxruntime reads: ") as raised:
        open_session(tmp_path / "bad.onnx")
    assert "\n" not in str(raised.value)
    with pytest.raises(ValueError, match=r"^detector must be an ONNX model"):
        open_session(b"no model", name="detector")


def test_errors_of_a_run_are_named_too(model: bytes) -> None:
    with pytest.raises(runtime_errors()):
        open_session(model).run(None, {"x": np.ones((1, 3), np.float32)})
