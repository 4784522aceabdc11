"""Rows about the objects in a sample, and their latent vectors."""

import sys

import numpy as np
import onnx
import pandas as pd
import pytest
from onnx import TensorProto, helper, numpy_helper

from latent_space.engine.failures import IntegrationError

pytestmark = pytest.mark.slow


ELEMENTS = """
from code_loader.contract.datasetclasses import ElementInstance

@tensorleap_instances_length_encoder("count")
def count(sample_id, response):
    return int(sample_id.split("-")[-1]) % 3


@tensorleap_instances_masks_encoder("objects")
def objects(sample_id, response, instance_id):
    mask = np.zeros((8, 16), np.float32)
    mask[2:4, 4 * instance_id : 4 * instance_id + 4] = 1
    return ElementInstance(f"kind {instance_id}", mask, {"size": 8 + instance_id})


@tensorleap_custom_instances_metric("quality", direction=MetricDirection.Upward)
def quality(label, scores):
    return {k: np.full(len(label), k + 0.5, np.float32) for k in range(3)}
"""


def test_element_instances_and_instance_metrics(write_integration, tmp_path, run):
    """Instances are rows of their own table, never samples; their ids are not handed to the encoders."""
    change = {
        "\n\n@tensorleap_preprocess()\n": ELEMENTS + "\n\n@tensorleap_element_instance_preprocess(count, objects)\n",
    }
    folder = write_integration("", "quality(label, scores)", change=change)
    population = run(folder, tmp_path / "run")
    assert len(population) == 24
    assert not [name for name in population.samples if "builtin" in name]
    table = population.instances
    expected = {k: k % 3 for k in range(13)}
    counts = table[table["split"] == "training"]["sample_id"].value_counts()
    assert {int(name.split("-")[1]): n for name, n in counts.items()} == {k: n for k, n in expected.items() if n}
    second = table[table["sample_id"] == "training-2"].iloc[1]
    assert (second["kind"], second["label"], second["meta_size"]) == ("gt", "kind 1", 9.0)
    assert list(second["box_rel"]) == [0.25, 0.25, 0.5, 0.5]
    assert second["area_rel"] == 8 / 128
    (ring,) = second["polygons_rel"]
    assert ring.reshape(-1, 2).tolist() == [[0.25, 0.25], [0.25, 0.5], [0.5, 0.5], [0.5, 0.25]], "its mask's outline"
    assert second["metric_quality"] == 1.5
    assert table[table["split"] == "unlabeled"]["metric_quality"].isna().all()
    assert population.instance_latents is None, "a vector has no grid to pool"


def test_instance_latent_spaces_are_left_out_with_a_line(write_integration, tmp_path, run):
    extra = """
    @tensorleap_instance_custom_latent_space("part")
    def part(sample_id, response, instance_id):
        return np.zeros(3, np.float32)
    """
    change = {
        "\n\n@tensorleap_preprocess()\n": ELEMENTS + "\n\n@tensorleap_element_instance_preprocess(count, objects)\n",
    }
    population = run(write_integration(extra, change=change), tmp_path / "run", limit=3)
    assert any(line.startswith("instance latent space 'part' is not run") for line in population.run["warnings"])
    assert any(line.startswith("metric 'quality' is registered but not wired") for line in population.run["warnings"])


def test_false_positives_are_rows_too(write_integration, tmp_path, run):
    extra = """
    @tensorleap_false_positive_instances_encoder("ghosts")
    def ghosts(sample_id, response, predictions):
        mask = np.ones((4, 4), np.float32)
        return [ElementInstance("ghost", mask)] if predictions["scores"][0] > 0.5 else []

    @tensorleap_false_positive_empty_gt("label")
    def no_label(sample_id, response):
        return np.zeros(3, np.float32)
    """
    change = {
        "\n\n@tensorleap_preprocess()\n": ELEMENTS + "\n\n@tensorleap_element_instance_preprocess(count, objects)\n",
    }
    table = run(write_integration(extra, "quality(label, scores)", change=change), tmp_path / "run").instances
    ghosts = table[table["kind"] == "pred"]
    assert 0 < len(ghosts) < 24
    assert set(ghosts["verdict"]) == {"background"}
    assert set(ghosts["label"]) == {"ghost"}


MAPS = """
def describe_instances(sample_id, inputs, gt, predictions):
    assert inputs["image"].shape == (1, 8, 8) and predictions[0].shape == (2,)
    assert set(gt) == (set() if sample_id.startswith("unlabeled") else {"truth"})
    left = {"kind": "pred", "label": "left", "confidence": 0.5, "box_rel": [0, 0, 0.5, 1], "verdict": "match"}
    left["polygons_rel"] = [[0, 0, 0.5, 0, 0.5, 1 / 3], np.array([[0.25, 0.5], [0.5, 0.5], [0.5, 1.0]])]
    left["polygons_px"] = np.array([[[0.0, 0], [10, 0.01], [10, 6.1]]])
    whole = {"kind": "gt", "label": "all", "confidence": None, "box_rel": np.array([0.0, 0, 1, 1]), "area_rel": 1}
    rows = [left, whole] if gt else [left]
    return rows if not sample_id.endswith("2") else []
"""


IMAGES = """
import numpy as np
import onnxruntime
from pathlib import Path
from code_loader.contract.datasetclasses import PredictionTypeHandler, PreprocessResponse
from code_loader.contract.enums import DataStateType
from code_loader.inner_leap_binder.leapbinder_decorators import *


@tensorleap_preprocess()
def preprocess():
    return [
        PreprocessResponse(sample_ids=[f"{state}-{k}" for k in range(3)], state=DataStateType[state])
        for state in ("training", "validation", "unlabeled")
    ]


@tensorleap_input_encoder("image", channel_dim=1)
def image(sample_id, response):
    return np.random.default_rng(int(sample_id[-1])).random((1, 8, 8), np.float32)


@tensorleap_gt_encoder("truth")
def truth(sample_id, response):
    return np.zeros(2, np.float32)


@tensorleap_load_model([PredictionTypeHandler("y", ["a", "b"], channel_dim=-1)])
def load_model():
    return onnxruntime.InferenceSession(str(Path(__file__).resolve().parent / "model.onnx"))


@tensorleap_custom_loss("square")
def square(truth, y):
    return ((truth - y) ** 2).sum(1)

{more}

@tensorleap_integration_test()
def integration_test(sample_id, response):
    x = image(sample_id, response)
    y = load_model().run(None, {"image": x})[0]
    square(truth(sample_id, response), y)
"""


def write_images(folder, more):
    folder.mkdir()
    (folder / "leap.py").write_text(IMAGES.replace("{more}", more))
    (folder / "leap.yaml").write_text("entryFile: leap.py\n")
    weights = [
        numpy_helper.from_array(np.array([1.0, 2.0], np.float32).reshape(2, 1, 1, 1), "w"),
        numpy_helper.from_array(np.eye(2, dtype=np.float32), "v"),
    ]
    nodes = [
        helper.make_node("Conv", ["image", "w"], ["map"]),
        helper.make_node("GlobalAveragePool", ["map"], ["mean"]),
        helper.make_node("Flatten", ["mean"], ["flat"]),
        helper.make_node("MatMul", ["flat", "v"], ["y"]),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["b", 1, 8, 8])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["b", 2])
    model = helper.make_model(
        helper.make_graph(nodes, "g", [image], [y], weights), opset_imports=[helper.make_opsetid("", 17)], ir_version=9
    )
    onnx.save(model, folder / "model.onnx")
    return folder


def test_describe_instances_gives_rows_and_pools_the_feature_map(tmp_path, run):
    population = run(write_images(tmp_path / "images", MAPS), tmp_path / "run")
    table = population.instances
    assert table["sample_id"].value_counts(sort=False).to_dict() == {
        "training-0": 2, "training-1": 2, "validation-0": 2, "validation-1": 2, "unlabeled-0": 1, "unlabeled-1": 1,
    }  # fmt: skip
    assert table["instance_id"].is_unique
    assert population.instance_latents.shape == (10, 2)
    image = np.random.default_rng(0).random((1, 8, 8), np.float32)[0]
    first = [image[:, :4].mean(), 2 * image[:, :4].mean()]
    np.testing.assert_allclose(population.instance_latents[0], first, rtol=1e-5)
    np.testing.assert_allclose(population.instance_latents[1], population.latents[0], rtol=1e-6)
    assert pd.isna(table["confidence"][1])
    assert list(table["box_rel"][1]) == [0, 0, 1, 1]
    first, second = table["polygons_rel"][0]
    assert first.dtype == np.float32, "half of what it would take"
    assert first.tolist() == [0, 0, 0.5, 0, 0.5, round(2**14 / 3) / 2**14]
    assert second.tolist() == [0.25, 0.5, 0.5, 0.5, 0.5, 1.0]
    assert table["polygons_px"][0][0].tolist() == [0, 0, 10, 0, 10, 6.125]
    assert table["polygons_rel"][1] is None


def test_memory_is_bounded_by_the_batch(tmp_path, run):
    """400 samples of 4 MB each: a worker that kept them would hold 1.6 GB."""
    if sys.platform != "linux":
        pytest.skip("/proc is Linux's")
    more = """
@tensorleap_metadata("memory")
def memory(sample_id, response):
    # Not ru_maxrss, which a process inherits from the one that started it.
    with open("/proc/self/status") as file:
        peak = next(line for line in file if line.startswith("VmHWM"))
    return {"peak_mb": int(peak.split()[1]) / 1024}
"""
    folder = write_images(tmp_path / "images", more)
    code = (folder / "leap.py").read_text()
    code = code.replace("range(3)]", "range(400 if state == 'training' else 1)]")
    code = code.replace("random((1, 8, 8), np.float32)", "random((1, 1024, 1024), np.float32)")
    (folder / "leap.py").write_text(code)
    model = onnx.load(folder / "model.onnx")
    for axis in (2, 3):
        model.graph.input[0].type.tensor_type.shape.dim[axis].dim_value = 1024
    onnx.save(model, folder / "model.onnx")
    peaks = run(folder, tmp_path / "run", batch_size=8).samples["meta_memory_peak_mb"].to_numpy()
    assert peaks[390] - peaks[100] < 100
    assert peaks[390] < 800


def test_thumbnails_come_from_an_input_where_no_visualizer_draws(tmp_path, run):
    population = run(write_images(tmp_path / "images", ""), tmp_path / "run")
    assert population.instances is None
    assert all((tmp_path / "run" / path).suffix == ".jpg" for path in population.samples["thumbnail"])


def test_an_object_without_an_outline_has_none(tmp_path, run):
    rows = "[{'polygons_rel': None}, {'polygons_rel': []}, {'polygons_rel': [[0, 0, 1, 0, 1, 1]]}]"
    more = f"def describe_instances(sample_id, inputs, gt, predictions):\n    return {rows}\n"
    table = run(write_images(tmp_path / "images", more), tmp_path / "run").instances
    assert [outline is None for outline in table["polygons_rel"][:3]] == [True, True, False]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("5", "must return a list of dicts; got int"),
        ("[{'box_rel': [0, 1]}]", "must give box_rel as four finite numbers"),
        ("[{'box_px': [0, 1, 2, float('nan')]}]", "must give box_px as four finite numbers"),
        ("[{'polygons_rel': 5}]", "must give polygons_rel as a list of rings; got int"),
        ("[{'polygons_rel': [0, 0, 1, 0, 1, 1]}]", r"must give polygons_rel as rings of x, y; got one of shape \(\)"),
        (
            "[{'polygons_rel': [np.zeros((4, 3))]}]",
            r"must give polygons_rel as rings of x, y; got one of shape \(4, 3\)",
        ),
        ("[{'polygons_rel': [[0, 0, 1, 1, 1]]}]", r"must give polygons_rel as rings of x, y; got one of shape \(5,\)"),
        ("[{'polygons_px': [[0, 0, 1, 1]]}]", "must give polygons_px as rings of at least three finite points"),
        ("[{'polygons_px': [[0, 0, 1, 1, 1, float('inf')]]}]", "must give polygons_px as rings of .* finite points"),
        ("[{'polygons_rel': [[0, 0, 9, 0, 9, 312]]}]", "must give polygons_rel in 0..1 of the model's input; got 312"),
        ("[{'polygons_rel': [['a', 'b']]}]", "must give polygons_rel as rings of x, y; got .*could not convert"),
        ("[{'kind': np.zeros(2)}]", "must give numbers or strings; got ndarray for 'kind'"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
    ],
)
def test_instance_rows_that_are_none_are_told(rows, message, tmp_path, run):
    more = f"def describe_instances(sample_id, inputs, gt, predictions):\n    return {rows}\n"
    with pytest.raises(IntegrationError, match=f"describe_instances failed on sample 'training-0'.*{message}"):
        run(write_images(tmp_path / "images", more), tmp_path / "run")
