"""`armscope explore`, as typed, on an integration that has nothing to do with ours."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pandas as pd
import pytest
from onnx import TensorProto, helper, numpy_helper

REVIEWS = """
import numpy as np
import onnxruntime
from pathlib import Path
from code_loader.contract.datasetclasses import PredictionTypeHandler, PreprocessResponse, SamplePreprocessResponse
from code_loader.contract.enums import DataStateType, LeapDataType, MetricDirection
from code_loader.contract.visualizer_classes import LeapTextMask
from code_loader.inner_leap_binder.leapbinder_decorators import *
import texts


@tensorleap_preprocess()
def preprocess():
    return [
        PreprocessResponse(sample_ids=sorted(reviews), data=reviews, state=DataStateType[state])
        for state, reviews in texts.REVIEWS.items()
    ]


@tensorleap_input_encoder("words", channel_dim=-1)
def words(review, response):
    return texts.encode(response.data[review]["text"])


@tensorleap_input_encoder("stars", channel_dim=-1)
def stars(review, response):
    return np.array([response.data[review]["stars"]], np.float32)


@tensorleap_gt_encoder("spam")
def spam(review, response):
    return np.array([response.data[review]["spam"]], np.float32)


@tensorleap_metadata("n_words")
def n_words(review, response):
    return len(response.data[review]["text"].split())


@tensorleap_custom_metric("blame", direction=MetricDirection.Upward)
def blame(score, reviews: SamplePreprocessResponse):
    lengths = [len(reviews.preprocess_response.data[str(name)]["text"]) for name in reviews.sample_ids]
    return score[:, 0].astype(np.float32) * np.array(lengths, np.float32)


@tensorleap_custom_loss("cross entropy")
def cross_entropy(truth, score):
    truth, score = (array[:, 0].astype(np.float32) for array in (truth, score))
    return -(truth * np.log(score + 1e-3) + (1 - truth) * np.log(1 - score + 1e-3))


@tensorleap_custom_visualizer("suspicious words", LeapDataType.TextMask)
def suspicious(words, reviews: SamplePreprocessResponse) -> LeapTextMask:
    text = reviews.preprocess_response.data[str(np.ravel(reviews.sample_ids)[0])]["text"].split()
    return LeapTextMask(np.array([word in texts.BAD for word in text], np.uint8), text, ["bad"])


@tensorleap_load_model([PredictionTypeHandler("score", ["spam"], channel_dim=-1)])
def load_model():
    return onnxruntime.InferenceSession(str(Path(__file__).parent / "spam.onnx"))


@tensorleap_integration_test()
def check(review, response):
    text, rating = words(review, response), stars(review, response)
    score = load_model().run(None, {"bag": text, "rating": rating})[0]
    blame(score, SamplePreprocessResponse(np.array([review]), response))
    cross_entropy(spam(review, response), score)
    suspicious(text, SamplePreprocessResponse(np.array([review]), response))
"""
TEXTS = """
import numpy as np

VOCABULARY = ["free", "win", "money", "kind", "sturdy", "box", "arrived", "late"]
BAD = set(VOCABULARY[:3])


def encode(text):
    return np.array([text.split().count(word) for word in VOCABULARY], np.float32)


def review(seed):
    rng = np.random.default_rng(seed)
    text = " ".join(rng.choice(VOCABULARY, rng.integers(3, 9)))
    return {"text": text, "stars": int(rng.integers(1, 6)), "spam": bool(BAD & set(text.split()))}


REVIEWS = {
    split: {f"shop/{split}/{k:03d}": review(1000 * start + k) for k in range(n)}
    for start, (split, n) in enumerate({"training": 30, "validation": 12, "unlabeled": 9}.items())
}
"""


def spam_model():
    """Bag of words (b, 8) and rating (b, 1), concatenated -> 6 hidden -> probability."""
    rng = np.random.default_rng(0)
    shapes = {"w1": (9, 6), "b1": (6,), "w2": (6, 1), "b2": (1,)}
    weights = [numpy_helper.from_array(rng.normal(size=size).astype(np.float32), name) for name, size in shapes.items()]
    nodes = [
        helper.make_node("Concat", ["bag", "rating"], ["both"], axis=1),
        helper.make_node("Gemm", ["both", "w1", "b1"], ["a"]),
        helper.make_node("Tanh", ["a"], ["b"]),
        helper.make_node("Gemm", ["b", "w2", "b2"], ["c"]),
        helper.make_node("Sigmoid", ["c"], ["score"]),
    ]
    ends = {name: helper.make_tensor_value_info(name, TensorProto.FLOAT, ["batch", n]) for name, n in
            {"bag": 8, "rating": 1, "score": 1}.items()}  # fmt: skip
    graph = helper.make_graph(nodes, "spam", [ends["bag"], ends["rating"]], [ends["score"]], weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)


@pytest.fixture(scope="module")
def reviews(tmp_path_factory):
    folder = tmp_path_factory.mktemp("reviews")
    (folder / "code").mkdir()
    (folder / "code" / "spam_binder.py").write_text(REVIEWS)
    (folder / "code" / "texts.py").write_text(TEXTS)
    (folder / "leap.yaml").write_text("entryFile: code/spam_binder.py\nprojectId: abc\n")
    onnx.save(spam_model(), folder / "code" / "spam.onnx")
    return folder


def armscope(*arguments, cwd=None):
    command = [sys.executable, "-c", "from armscope.cli import main; main()", "explore", *map(str, arguments)]
    house = str(Path(__file__).resolve().parents[2])
    return subprocess.run(
        command, capture_output=True, text=True, cwd=cwd, env={**os.environ, "PYTHONPATH": house, "COLUMNS": "200"}
    )


@pytest.mark.slow
def test_an_unrelated_integration_runs_from_the_command_to_the_page(reviews, tmp_path):
    done = armscope(reviews, "--out", tmp_path / "run", "--jobs", 2, "--batch-size", 4, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "training" in done.stdout
    assert f"run: {tmp_path / 'run'}" in done.stdout
    assert f"report: {tmp_path / 'run' / 'report.html'}" in done.stdout
    samples = pd.read_parquet(tmp_path / "run" / "samples.parquet")
    assert len(samples) == 51
    assert samples["sample_id"][0] == "shop/training/000"
    assert {"umap_x", "tsne_y", "metric_blame", "meta_n_words", "loss"} <= set(samples.columns)
    assert samples["metric_blame"].notna().all(), "it reads no ground truth"
    assert (samples["loss"].isna() == (samples["split"] == "unlabeled")).all()
    assert np.load(tmp_path / "run" / "latents.npy").shape == (51, 6)
    assert (tmp_path / "run" / "report.html").is_file()
    assert {path.name for path in (tmp_path / "run").glob("*.png")} == {"umap.png", "tsne.png"}


def test_json_is_for_machines(reviews, tmp_path):
    done = armscope(reviews, "--limit", 2, "--no-maps", "--no-visualizers", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)
    assert facts["out"] == str(tmp_path / "runs" / reviews.name)
    assert facts["report"] is None
    assert facts["splits"]["training"] == {"n": 2, "n_failed": 0}
    assert facts["mean_loss"]["unlabeled"] is None
    assert facts["mean_loss"]["training"] > 0
    assert facts["settings"]["visualizers"] is False


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "integration must be a folder with a leap.yaml, or an entry file; got"),
        (["--model", "nowhere.onnx"], "model must be an ONNX file; got"),
    ],
)
def test_what_the_user_can_mend_is_one_line(arguments, message, tmp_path):
    done = armscope(*arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith(f"armscope: {message}")
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_failing_handler_is_one_line(reviews, tmp_path):
    broken = tmp_path / "broken"
    broken.mkdir()
    for path in (reviews / "code").iterdir():
        if path.is_file():
            (broken / path.name).write_bytes(path.read_bytes())
    binder = broken / "spam_binder.py"
    binder.write_text(
        binder.read_text().replace("    return np.array([response.data[review]", "    return np.array([missing")
    )
    done = armscope(binder, "--out", tmp_path / "run", cwd=tmp_path)
    assert done.returncode == 2
    expected = "armscope: input 'stars' failed on sample 'shop/training/000' of training: NameError: name 'missing' is"
    assert done.stderr.startswith(expected)
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
def test_our_own_integration_is_the_default(totes, tote_model, tmp_path):
    done = armscope(
        "--data", totes, "--model", tote_model, "--out", tmp_path / "run", "--no-maps", "--limit", 4, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert "set aside" not in done.stdout
    samples = pd.read_parquet(tmp_path / "run" / "samples.parquet")
    assert samples["split"].value_counts().to_dict() == {"training": 4, "validation": 4, "unlabeled": 4}
    assert (tmp_path / "run" / "confusion.parquet").is_file()
    instances = pd.read_parquet(tmp_path / "run" / "instances.parquet")
    assert set(instances["kind"]) == {"gt", "pred"}
    assert len(np.load(tmp_path / "run" / "instance_latents.npy")) == len(instances)
    facts = json.loads((tmp_path / "run" / "run.json").read_text())
    assert facts["task"] == "segmentation"
    assert facts["warnings"] == []
    assert facts["latent"]["shape"] == [1, 64, 8, 8]


@pytest.mark.slow
def test_the_other_task_of_ours_gives_the_same_run_folder_and_page(small_rig, tmp_path):
    data, model = small_rig
    options = ["--task", "anomaly", "--data", data, "--model", model, "--out", tmp_path / "run", "--jobs", 2]
    done = armscope(*options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert "set aside" not in done.stdout
    samples = pd.read_parquet(tmp_path / "run" / "samples.parquet")
    facts = json.loads((tmp_path / "run" / "run.json").read_text())
    assert facts["task"] == "anomaly"
    assert facts["latent"]["name"] == "latent"
    assert facts["warnings"] == []
    assert list(facts["splits"]) == ["training", "validation", "test"]
    assert samples["sample_id"].str.match(r"machine[12]:2026-01-01T00:\d\d:\d\d$").all()
    assert {"meta_window_hour", "meta_channel_std_power", "meta_label_anomaly_type"} <= set(samples.columns)
    assert samples[["loss", "metric_error_power", "metric_margin"]].notna().all(axis=None)
    is_anomalous = samples["meta_label_anomaly_type"] != "normal"
    assert (samples["metric_detected"].notna() == is_anomalous).all()
    assert 0 < is_anomalous.mean() < 0.5
    assert np.load(tmp_path / "run" / "latents.npy").shape == (len(samples), 2)
    assert samples["thumbnail"].str.endswith(".png").all()
    assert (tmp_path / "run" / "report.html").is_file()
    assert {path.name for path in (tmp_path / "run" / "visualizers").iterdir()} == {
        "error_per_channel",
        "scores",
        "sensors",
        "sensors_and_reconstruction",
    }
    again = armscope(*options, "--resume", "--json", cwd=tmp_path)
    assert json.loads(again.stdout)["finished"] == facts["finished"]


def test_a_task_is_for_our_own_integration_only(reviews, tmp_path):
    done = armscope(reviews, "--task", "anomaly", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith(
        "armscope: task must be left out for an integration that is not ours; got anomaly for"
    )
