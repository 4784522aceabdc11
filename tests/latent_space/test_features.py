"""What code-loader offers beyond a plain binder: each thing runs, or is left out with one line that names it."""

import sys

import numpy as np
import onnx
import pandas as pd
import pytest
from onnx import TensorProto, helper, numpy_helper

from latent_space.engine import explore
from latent_space.failures import IntegrationError

pytestmark = pytest.mark.slow


def run(folder, out, **options):
    return explore(folder, out=out, **{"maps": False, "jobs": 1, **options})


def vectors(split, k):
    seed = ("training", "validation", "unlabeled").index(split)
    return np.random.default_rng([seed, k]).normal(size=12).astype(np.float32)


GROUPED = {
    "    return vector(sample_id, response)\n": (
        "    check(sample_id)\n    return [vector(one, response) for one in sample_id]\n"
    ),
    "    return np.eye(3": "    return [np.eye(3",
    "(vector(sample_id, response)[0]) * 10) % 3]": "(vector(one, response)[0]) * 10) % 3] for one in sample_id]",
    "    values = vector(sample_id, response)\n    return {": "    return [{",
    "values.mean()": "vector(one, response).mean()",
    "values[0] > 0": "vector(one, response)[0] > 0",
    '"name": sample_id}': '"name": one} for one in sample_id]',
}
IDS = '[f"{state}-{k}" for k in range(n)]'


def test_grouped_ids(write_integration, tmp_path):
    """Encoders get lists of ids of one group; rows stay in the order of the ids."""
    check = "def check(ids):\n    assert len({int(one.split('-')[1]) % 3 for one in ids}) == 1\n\n\n"
    change = GROUPED | {
        IDS: '[[f"{state}-{k}" for k in range(n) if k % 3 == r] for r in range(3)]',
        "def vector(sample_id": f"{check}def vector(sample_id",
    }
    population = run(write_integration(change=change), tmp_path / "run")
    ids = population.samples["sample_id"].tolist()
    assert ids[:5] == ["training-0", "training-3", "training-6", "training-9", "training-12"]
    assert population.samples["meta_facts_name"].tolist() == ids
    plain = run(write_integration(name="plain"), tmp_path / "plain-run")
    order = [plain.samples["sample_id"].tolist().index(sample_id) for sample_id in ids]
    np.testing.assert_array_equal(population.latents, plain.latents[order])


def test_a_failing_sample_of_a_group_is_found(write_integration, tmp_path):
    extra = """
    def check(ids):
        assert isinstance(ids, list)

    @tensorleap_metadata("fragile")
    def fragile(ids, response):
        if "training-3" in ids:
            raise OSError("no")
        return [1 for _ in ids]
    """
    population = run(write_integration(extra, change=GROUPED | {IDS: f"[{IDS}]"}), tmp_path / "run")
    assert [one["sample_id"] for one in population.run["failed"]] == ["training-3"]
    assert len(population) == 23


def test_a_group_answered_with_too_few_values_is_told(write_integration, tmp_path):
    extra = """
    def check(ids):
        assert isinstance(ids, list)

    @tensorleap_metadata("short")
    def short(ids, response):
        return []
    """
    message = (
        "metadata 'short' failed on sample 'training-0' .* must return one value per sample of the group, 1; got 0"
    )
    with pytest.raises(IntegrationError, match=message):
        run(write_integration(extra, change=GROUPED | {IDS: f"[{IDS}]"}), tmp_path / "run")


def test_the_additional_state_and_a_separate_unlabeled_preprocess(write_integration, tmp_path):
    extra = """
    @tensorleap_unlabeled_preprocess()
    def more():
        return PreprocessResponse(sample_ids=["u-1", "u-2"], data={"seed": 7})
    """
    change = {'"unlabeled": 5': '"additional": 4, "test": 3'}
    population = run(write_integration(extra, change=change), tmp_path / "run")
    counts = population.samples["split"].value_counts(sort=False).to_dict()
    assert counts == {"training": 13, "validation": 6, "test": 3, "unlabeled": 2, "additional": 4}
    assert population.samples.set_index("split")["loss"].isna().groupby(level=0).all().to_dict() == {
        "additional": False, "test": False, "training": False, "unlabeled": True, "validation": False,
    }  # fmt: skip


LATENT_SPACES = """
@tensorleap_custom_latent_space("raw")
def raw(sample_id, response: PreprocessResponse):
    return vector(sample_id, response).reshape(3, 4)


@tensorleap_custom_latent_space("pooled"{flag}, reduce=LatentSpaceReduction.MEAN_POOL, channel_axis=1)
def pooled(scores: np.ndarray, x: np.ndarray):
    assert scores.dtype == np.float16
    return np.stack([x.astype(np.float32)] * 2, 2)


@tensorleap_custom_latent_space("thrown", reduce=LatentSpaceReduction.RANDOM_PROJECTION, n_components=7)
def thrown(sample_id, response: PreprocessResponse):
    return np.arange(30.0) * len(sample_id)
"""
SPACE_IMPORTS = {"import DataStateType, ": "import DataStateType, LatentSpaceReduction, "}


def test_several_latent_spaces_the_flagged_one_first(write_integration, tmp_path):
    extra = LATENT_SPACES.format(flag=", use_ls_for_analysis=True")
    folder = write_integration(extra, "pooled(scores, vector)", change=SPACE_IMPORTS)
    out = tmp_path / "run"
    population = run(folder, out)
    assert population.run["latent"] == {"kind": "latent space", "name": "pooled", "n_features": 12}
    np.testing.assert_allclose(population.latents[0], vectors("training", 0).astype(np.float16), rtol=1e-6)
    others = {path.stem: np.load(path) for path in (out / "latent_spaces").iterdir()}
    assert set(others) == {"raw", "thrown"}
    np.testing.assert_array_equal(others["raw"][13], vectors("validation", 0))
    assert others["thrown"].shape == (24, 7)
    assert not np.array_equal(run(folder, tmp_path / "b", latent="thrown", seed=1).latents, others["thrown"])


def test_without_a_flag_the_first_by_name_and_another_by_wish(write_integration, tmp_path):
    extra = LATENT_SPACES.format(flag="")
    folder = write_integration(extra, "pooled(scores, vector)", change=SPACE_IMPORTS)
    assert run(folder, tmp_path / "run").run["latent"]["name"] == "pooled"
    raw = run(folder, tmp_path / "raw", latent="raw")
    np.testing.assert_array_equal(raw.latents[0], vectors("training", 0))
    assert run(folder, tmp_path / "tensor", latent="hidden").latents.shape == (24, 5)


def test_a_space_that_reads_ground_truth_gives_way_where_there_are_unlabelled_samples(write_integration, tmp_path):
    extra = """
    @tensorleap_custom_latent_space("truth")
    def truth(label: np.ndarray, scores: np.ndarray):
        return np.concatenate([label, scores], 1)
    """
    folder = write_integration(extra, "truth(label, scores)")
    population = run(folder, tmp_path / "run")
    assert population.run["latent"]["kind"] == "tensor"
    assert any("latent spaces truth cannot serve all samples" in line for line in population.run["warnings"])
    space = np.load(tmp_path / "run" / "latent_spaces" / "truth.npy")
    assert np.isnan(space).all(axis=1).tolist() == [False] * 19 + [True] * 5


def test_a_space_with_nan_sets_its_sample_aside(write_integration, tmp_path):
    extra = """
    @tensorleap_custom_latent_space("holes")
    def holes(sample_id, response: PreprocessResponse):
        return vector(sample_id, response) * (np.nan if sample_id == "training-1" else 1)
    """
    population = run(write_integration(extra), tmp_path / "run")
    (failed,) = population.run["failed"]
    assert (failed["sample_id"], failed["function"]) == ("training-1", "latent space 'holes'")


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


def test_element_instances_and_instance_metrics(write_integration, tmp_path):
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
    assert second["metric_quality"] == 1.5
    assert table[table["split"] == "unlabeled"]["metric_quality"].isna().all()
    assert population.instance_latents is None, "a vector has no grid to pool"


def test_instance_latent_spaces_are_left_out_with_a_line(write_integration, tmp_path):
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


def test_false_positives_are_rows_too(write_integration, tmp_path):
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


def test_simulations_are_left_out_with_a_line(write_integration, tmp_path):
    extra = """
    @tensorleap_simulation("rain", {"amount": {"type": float, "bounds": {"min": 0.0, "max": 1.0}}})
    def rain(amount, N, seed):
        return PreprocessResponse(sample_ids=[f"rain-{k}" for k in range(N)], data={"seed": seed})
    """
    population = run(write_integration(extra), tmp_path / "run", limit=2)
    assert any(line.startswith("simulation 'rain' is not run") for line in population.run["warnings"])


def test_heatmap_visualizers(write_integration, tmp_path):
    """A visualizer that shows a heatmap is drawn; the function that reshapes the platform's heatmaps is left out."""
    extra = """
    from code_loader.contract.visualizer_classes import LeapImageWithHeatmap

    def reshape(vector):
        return vector

    @tensorleap_custom_visualizer("hot", LeapDataType.ImageWithHeatmap, heatmap_function=reshape)
    def hot(vector) -> LeapImageWithHeatmap:
        image = np.tile(vector.reshape(3, 4, 1), (4, 4, 3)).astype(np.float32)
        return LeapImageWithHeatmap(image, image[None, :, :, 0], ["a"])
    """
    population = run(write_integration(extra, "hot(vector)"), tmp_path / "run", limit=2)
    assert any(
        line.startswith("visualizer 'hot' is run, its heatmap function is not") for line in population.run["warnings"]
    )
    assert len(list((tmp_path / "run" / "visualizers" / "hot").iterdir())) == 6


def test_a_handler_that_is_not_wired_is_left_out_with_a_line(write_integration, tmp_path):
    extra = """
    @tensorleap_custom_metric("idle", direction=MetricDirection.Upward)
    def idle(label, scores):
        raise RuntimeError("must not run")
    """
    population = run(write_integration(extra), tmp_path / "run", limit=2)
    assert population.run["warnings"] == [
        "metric 'idle' is registered but not wired in the integration test, so it is not run."
    ]


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
def test_autoregressive_chains(aggregation, factor, write_chain, tmp_path):
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


def test_a_chain_without_end_is_told(write_chain, tmp_path):
    with pytest.raises(
        IntegrationError, match=r"the autoregressive step failed on .* did not end the chain within 1000"
    ):
        run(write_chain(ends="False"), tmp_path / "run")


MAPS = """
def describe_instances(sample_id, inputs, gt, predictions):
    assert inputs["image"].shape == (1, 8, 8) and predictions[0].shape == (2,)
    assert set(gt) == (set() if sample_id.startswith("unlabeled") else {"truth"})
    left = {"kind": "pred", "label": "left", "confidence": 0.5, "box_rel": [0, 0, 0.5, 1], "verdict": "match"}
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


def test_describe_instances_gives_rows_and_pools_the_feature_map(tmp_path):
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


def test_memory_is_bounded_by_the_batch(tmp_path):
    """400 samples of 4 MB each: a worker that kept them would hold 1.6 GB."""
    if sys.platform != "linux":
        pytest.skip("the unit of ru_maxrss is Linux's")
    more = """
@tensorleap_metadata("memory")
def memory(sample_id, response):
    import resource
    return {"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}
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


def test_thumbnails_come_from_an_input_where_no_visualizer_draws(tmp_path):
    population = run(write_images(tmp_path / "images", ""), tmp_path / "run")
    assert population.instances is None
    assert all((tmp_path / "run" / path).suffix == ".jpg" for path in population.samples["thumbnail"])


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("5", "must return a list of dicts; got int"),
        ("[{'box_rel': [0, 1]}]", "must give box_rel as four finite numbers"),
        ("[{'kind': np.zeros(2)}]", "must give numbers or strings; got ndarray for 'kind'"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
    ],
)
def test_instance_rows_that_are_none_are_told(rows, message, tmp_path):
    more = f"def describe_instances(sample_id, inputs, gt, predictions):\n    return {rows}\n"
    with pytest.raises(IntegrationError, match=f"describe_instances failed on sample 'training-0'.*{message}"):
        run(write_images(tmp_path / "images", more), tmp_path / "run")


def test_the_old_interface_without_a_graph_is_refused(tmp_path):
    (tmp_path / "leap.yaml").write_text("entryFile: leap.py\n")
    (tmp_path / "leap.py").write_text(
        "from code_loader import leap_binder\n"
        "from code_loader.contract.datasetclasses import PreprocessResponse\n"
        "leap_binder.set_preprocess(lambda: [PreprocessResponse(length=2), PreprocessResponse(length=2)])\n"
    )
    with pytest.raises(
        IntegrationError, match=r"leap.py registers no tensorleap_integration_test, so nothing is wired"
    ):
        run(tmp_path, tmp_path / "run")
