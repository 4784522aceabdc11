"""Autoregressive integrations."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from latent_space.engine.failures import IntegrationError

pytestmark = pytest.mark.slow


CHAIN = """
import numpy as np
import onnxruntime
from pathlib import Path
from code_loader.contract.datasetclasses import PredictionTypeHandler, PreprocessResponse
from code_loader.contract.enums import DataStateType, LeapDataType, MetricDirection
from code_loader.contract.visualizer_classes import LeapGraph
from code_loader.inner_leap_binder.leapbinder_decorators import *


@tensorleap_preprocess()
def preprocess():
    return [
        PreprocessResponse(sample_ids=[f"{state}-{k}" for k in range(n)], state=DataStateType[state])
        for state, n in (("training", 4), ("validation", 2), ("unlabeled", 2))
    ]


@tensorleap_gt_encoder("target")
def target(sample_id, response):
    return np.array([100.0, 0.0], np.float32)


@tensorleap_metadata("number")
def number(sample_id, response):
    return int(sample_id.split("-")[1])


@tensorleap_load_model([PredictionTypeHandler("doubled", ["a", "b"], channel_dim=-1)])
def load_model():
    return onnxruntime.InferenceSession(str(Path(__file__).resolve().parent / "model.onnx"))


@tensorleap_autoregressive_step(latent_space_aggregation="{aggregation}")
def step(sample_id, prev_inputs, prev_outputs, state, response):
    if prev_inputs is None:
        return {"x": np.array([1.0 + int(sample_id.split("-")[1]), 0.5], np.float32)}, {"steps": 0}
    state = {"steps": state["steps"] + 1}
    if {ends}:
        return None, state
    return {"x": prev_outputs["doubled"].astype(np.float32)}, state


@tensorleap_model_loop()
def loop(model, sample_id, response):
    inputs, state = step(sample_id, None, None, None, response)
    while True:
        outputs = model.run(None, {"x": inputs["x"]})
        following, state = step(sample_id, inputs, outputs, state, response)
        if following is None:
            return inputs, outputs, state
        inputs = following


@tensorleap_autoregressive_metric("length", direction=MetricDirection.Downward)
def length(outputs, state):
    return {"steps": state["steps"], "last": float(outputs["doubled"][0])}


@tensorleap_autoregressive_loss("distance")
def distance(outputs, target):
    return float(np.abs(target - outputs["doubled"]).max())


@tensorleap_autoregressive_visualizer("trace", LeapDataType.Graph)
def trace(inputs, outputs) -> LeapGraph:
    return LeapGraph(np.stack([inputs["x"], outputs["doubled"]]).astype(np.float32))


@tensorleap_integration_test()
def integration_test(sample_id, response):
    model = load_model()
    truth = target(sample_id, response)
    inputs, outputs, state = loop(model, sample_id, response)
    length(outputs, state)
    distance(outputs, truth)
    trace(inputs, outputs)
"""


@pytest.fixture
def write_chain(tmp_path):
    """Write an integration whose model doubles its input until three steps are done."""

    def write(aggregation="last_step", ends="state['steps'] == 3"):
        folder = tmp_path / "chain"
        folder.mkdir()
        code = CHAIN.replace("{aggregation}", aggregation).replace("{ends}", ends)
        (folder / "leap.py").write_text(code)
        (folder / "leap.yaml").write_text("entryFile: leap.py\n")
        weights = [numpy_helper.from_array(np.eye(2, dtype=np.float32) * k, f"w{k}") for k in (1, 2)]
        nodes = [helper.make_node("MatMul", ["x", "w1"], ["h"]), helper.make_node("MatMul", ["h", "w2"], ["y"])]
        ends_ = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["b", 2]) for name in "xy"]
        graph = helper.make_graph(nodes, "g", ends_[:1], ends_[1:], weights)
        onnx.save(
            helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), folder / "model.onnx"
        )
        return folder

    return write


@pytest.mark.parametrize(("aggregation", "factor"), [("last_step", 4), ("mean", 7 / 3)])
def test_autoregressive_chains(aggregation, factor, write_chain, tmp_path, run):
    population = run(write_chain(aggregation), tmp_path / "run")
    samples = population.samples
    starts = samples["meta_number"].to_numpy() + 1
    np.testing.assert_array_equal(samples["metric_steps"], 3)
    np.testing.assert_allclose(samples["metric_last"], 8 * starts)
    labelled = samples["split"] != "unlabeled"
    np.testing.assert_allclose(samples["loss"][labelled], 100 - 8 * starts[labelled])
    assert samples["loss"][~labelled].isna().all()
    np.testing.assert_allclose(population.latents[:, 0], starts * factor, rtol=1e-6)
    assert len(list((tmp_path / "run" / "visualizers" / "trace").iterdir())) == 8


def test_a_chain_without_end_is_told(write_chain, tmp_path, run):
    with pytest.raises(
        IntegrationError, match=r"the autoregressive step failed on .* did not end the chain within 1000"
    ):
        run(write_chain(ends="False"), tmp_path / "run")
