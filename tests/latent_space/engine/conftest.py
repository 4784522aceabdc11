"""Small integrations that the engine's tests write, run and break."""

import textwrap
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

LEAP_YAML = "entryFile: {entry}\ninclude: ['**']\n"

VECTORS = """
import numpy as np
import onnxruntime
from pathlib import Path
from code_loader.contract.datasetclasses import PredictionTypeHandler, PreprocessResponse, SamplePreprocessResponse
from code_loader.contract.enums import DataStateType, LeapDataType, MetricDirection
from code_loader.contract.visualizer_classes import LeapImage, LeapGraph
from code_loader.inner_leap_binder.leapbinder_decorators import *

HERE = Path(__file__).resolve().parent
SIZES = {{"training": 13, "validation": 6, "unlabeled": 5}}


@tensorleap_preprocess()
def preprocess():
    return [
        PreprocessResponse(
            sample_ids=[f"{{state}}-{{k}}" for k in range(n)], data={{"seed": seed}}, state=DataStateType[state]
        )
        for seed, (state, n) in enumerate(SIZES.items())
    ]


def vector(sample_id, response):
    rng = np.random.default_rng([response.data["seed"], int(sample_id.split("-")[-1])])
    return rng.normal(size=12).astype(np.float32)


@tensorleap_input_encoder("vector", channel_dim=1)
def encode_vector(sample_id, response):
    return vector(sample_id, response)


@tensorleap_gt_encoder("label")
def encode_label(sample_id, response):
    return np.eye(3, dtype=np.float32)[int(abs(vector(sample_id, response)[0]) * 10) % 3]


@tensorleap_metadata("facts")
def facts(sample_id, response):
    values = vector(sample_id, response)
    return {{"mean": float(values.mean()), "positive": bool(values[0] > 0), "name": sample_id}}


@tensorleap_custom_metric("error", direction=MetricDirection.Downward)
def error(label, scores):
    return np.abs(label.astype(np.float32) - scores).mean(1)


@tensorleap_custom_loss("loss")
def loss(label, scores):
    return -(np.log(scores.astype(np.float32) + 1e-6) * label).sum(1)


@tensorleap_custom_visualizer("curve", LeapDataType.Graph)
def curve(vector) -> LeapGraph:
    return LeapGraph(np.asarray(vector, np.float32).reshape(-1, 1))


@tensorleap_load_model([PredictionTypeHandler("scores", ["a", "b", "c"], channel_dim=-1)])
def load_model():
    return onnxruntime.InferenceSession(str(HERE / "model.onnx"))

{extra}

@tensorleap_integration_test()
def integration_test(sample_id, response):
    vector = encode_vector(sample_id, response)
    label = encode_label(sample_id, response)
    scores = load_model().run(None, {{"vector": vector}})[0]
    error(label, scores)
    loss(label, scores)
    curve(vector)
{wired}
"""


def perceptron(batch="batch", seed=0):
    """An ONNX model: vector (batch, 12) -> hidden (batch, 5) -> softmax over 3."""
    rng = np.random.default_rng(seed)
    weights = {
        name: numpy_helper.from_array(rng.normal(size=shape).astype(np.float32), name)
        for name, shape in {"w1": (12, 5), "b1": (5,), "w2": (5, 3), "b2": (3,)}.items()
    }
    nodes = [
        helper.make_node("Gemm", ["vector", "w1", "b1"], ["h"]),
        helper.make_node("Relu", ["h"], ["hidden"]),
        helper.make_node("Gemm", ["hidden", "w2", "b2"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["scores"], axis=1),
    ]
    graph = helper.make_graph(
        nodes,
        "perceptron",
        [helper.make_tensor_value_info("vector", TensorProto.FLOAT, [batch, 12])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, [batch, 3])],
        list(weights.values()),
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


@pytest.fixture
def write_integration(tmp_path):
    """Write an integration on vectors; code may be added, and wired into its integration test."""

    def write(extra="", wired="", *, entry="leap_integration.py", change=None, batch="batch", name="integration"):
        folder = tmp_path / name
        file = folder / entry
        file.parent.mkdir(parents=True)
        code = VECTORS.format(extra=textwrap.dedent(extra), wired=textwrap.indent(textwrap.dedent(wired), "    "))
        for old, new in (change or {}).items():
            assert code.count(old), f"{old!r} is not in the integration"
            code = code.replace(old, new)
        file.write_text(code)
        (folder / "leap.yaml").write_text(LEAP_YAML.format(entry=entry))
        onnx.save(perceptron(batch), file.parent / "model.onnx")
        return Path(folder)

    return write


@pytest.fixture
def run():
    """Run an integration in one worker process, without maps."""
    from latent_space.engine.exploration import explore

    def run(folder, out, **options):
        return explore(folder, out=out, **{"maps": False, "jobs": 1, **options})

    return run
