"""The binder as code-loader runs it: each test is a process of its own, for an integration lives once per process."""

import json
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[2]

BATCHES = """
import json
import numpy as np
from anomaly_detection import integration as binder
from code_loader.contract.datasetclasses import SamplePreprocessResponse

[training, validation, *_] = binder.preprocess()
ids = [i for i in training.sample_ids if binder.encode_anomaly_type(i, training)[0] == 0][:3] + training.sample_ids[:3]
windows = np.stack([binder.encode_window(i, training) for i in ids])
labels = np.stack([binder.encode_labels(i, training) for i in ids])
types = np.stack([binder.encode_anomaly_type(i, training) for i in ids])
outputs = binder.load_model().model.run(None, {"window": windows})

def values(size, dtype):
    score, prediction, latent, residual = (output[:size].astype(dtype) for output in outputs)
    return {
        "loss": binder.prediction_error(residual).tolist(),
        "errors": binder.measure_errors(residual),
        "scores": binder.judge(score),
        "detection": binder.compare_with_labels(score, labels[:size], types[:size].astype(dtype)),
        "confusion": [[(e.label, e.expected_outcome.name, e.predicted_probability) for e in row]
                      for row in binder.confusion_matrix(score, types[:size])],
    }

def pictures(k):
    score, prediction, latent, residual = (output[k : k + 1] for output in outputs)
    samples = SamplePreprocessResponse(np.array([ids[k]]), training)
    window = windows[k : k + 1]
    return [binder.show_sensors(window, residual, samples).data.shape,
            binder.show_prediction(window, prediction, residual, samples).data.shape,
            binder.show_errors(residual).labels,
            binder.show_scores(score, prediction, samples).data.tolist()]

found = {f"{size} {dtype}": values(size, dtype) for size in (1, 2, 6) for dtype in ("float32", "float16")}
found["states"] = [response.state.name for response in binder.preprocess()]
found["ids"], found["windows"] = ids, windows.tolist()
found["threshold"] = binder.open_task().facts.threshold
found["score"] = outputs[0].tolist()
found["pictures"] = [pictures(k) for k in range(len(ids))]
found["metadata"] = [{**binder.describe_window(i, training), **binder.describe_channels(i, training),
                      **binder.describe_labels(i, training)} for i in ids]
print(json.dumps(found))
"""

EXPECTED = """
import json
from dataclasses import replace
import numpy as np
from anomaly_detection import integration as binder

found, [training, *_] = [], binder.preprocess()
newest = binder._TASK.samples[training.sample_ids[100]]
for row in (0, 1, 3, 4, 50, newest.row):
    sample = replace(newest, sample_id=str(row), row=row)
    binder._TASK.samples[sample.sample_id] = sample
    course = binder._course(sample.sample_id)
    for kind in ("reconstruction", "forecast"):
        binder._FACTS = replace(binder._FACTS, kind=kind)
        about = np.arange(sample.row - binder._FACTS.window_size + 1, sample.row + 1) + (kind == "forecast")
        perfect = sample.series.values[np.maximum(about, 0)][None]
        values, first = binder._expected(course, perfect)
        own = course.scaled[first : first + len(values)]
        found.append([kind, sample.row, first, len(values), bool(np.allclose(values[: len(own)], own)), len(own)])
print(json.dumps(found))
"""


@pytest.fixture(scope="session")
def run(binder_process, prepared_rig, pca_model):
    return binder_process("anomaly", prepared_rig, pca_model)


@pytest.fixture(scope="session")
def model_of(tmp_path_factory, prepared_rig):
    """Train a detector of any family for a moment; returns its folder."""
    from anomaly_detection import make_detector
    from anomaly_detection.parts import read_parts
    from anomaly_detection.training import train_detector

    def train(name, **settings):
        folder = tmp_path_factory.mktemp(name)
        train_detector(make_detector(name, **settings), read_parts(prepared_rig), folder)
        return folder

    return train


@pytest.fixture(scope="session")
def batches(run):
    process = run("-c", BATCHES)
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout.splitlines()[-1])


def test_the_binder_is_successful_without_a_warning(run):
    process = run(str(ROOT / "leap_binder.py"))
    assert process.returncode == 0, process.stderr
    assert set(process.stdout.split()) == {"Successful!"}
    assert process.stderr == ""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("pca", {}),
        ("autoencoder", {"window_size": 8, "max_epochs": 1}),
        ("vae", {"window_size": 1, "max_epochs": 1}),
        ("tcn", {"window_size": 16, "max_epochs": 1}),
        ("lstm", {"window_size": 4, "max_epochs": 1}),
    ],
)
def test_it_is_so_for_every_detector(run, model_of, name, settings):
    if name != "pca":
        pytest.importorskip("torch")
    # Of windows of one row there are more than max_samples, which a warning tells.
    quiet = {"ARMSCOPE_MODEL": str(model_of(name, **settings)), "PYTHONWARNINGS": "ignore:max_samples:UserWarning"}
    process = run(str(ROOT / "leap_binder.py"), **quiet)
    assert process.returncode == 0, process.stderr
    assert set(process.stdout.split()) == {"Successful!"}
    assert process.stderr == ""


def test_check_dataset_is_valid_and_everything_is_wired(run):
    report = run.check_dataset()
    assert report["errors"] == [None]
    assert report["valid"]
    assert report["wired"] == [
        "CustomLoss reconstruction_error",
        "Input0 window",
        "Metric confusion_matrix",
        "Metric detection",
        "Metric errors",
        "Metric scores",
        "PredictionLabels latent",
        "PredictionLabels reconstruction",
        "PredictionLabels residual",
        "PredictionLabels score",
        "Visualizer error_per_channel",
        "Visualizer scores",
        "Visualizer sensors",
        "Visualizer sensors_and_reconstruction",
    ]


def test_without_labels_it_is_valid_too(run, tmp_path):
    rng = np.random.default_rng(0)
    lines = [
        f"2026-01-01T00:{k // 60:02d}:{k % 60:02d},{a},{b}\n" for k, (a, b) in enumerate(rng.normal(size=(600, 2)))
    ]
    (tmp_path / "bare.csv").write_text("datetime,a,b\n" + "".join(lines))
    report = run.check_dataset(ARMSCOPE_DATA=str(tmp_path / "bare.csv"), ARMSCOPE_MODEL=str(tmp_path / "none"))
    assert report["errors"] == [None]
    assert report["valid"]


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("size", [1, 2, 6])
def test_one_value_per_sample_that_does_not_depend_on_its_batch(batches, size, dtype):
    found, whole = batches[f"{size} {dtype}"], batches[f"6 {dtype}"]
    assert found["loss"] == pytest.approx(whole["loss"][:size])
    assert found["confusion"] == whole["confusion"][:size]
    for metric in ("errors", "scores", "detection"):
        for key, values in found[metric].items():
            assert len(values) == size, key
            assert values == pytest.approx(whole[metric][key][:size], nan_ok=True), key


def test_half_precision_changes_losses_little(batches):
    assert batches["6 float16"]["loss"] == pytest.approx(batches["6 float32"]["loss"], rel=0.01)


def test_verdicts_are_those_of_the_stored_detector(batches, pca_model):
    from anomaly_detection import load_detector

    detector = load_detector(pca_model)
    score = [float(detector.decision_function(np.array(window))[-1]) for window in batches["windows"]]
    assert score == pytest.approx(batches["score"], rel=1e-4)
    flagged = [float(value > batches["threshold"]) for value in score]
    assert batches["6 float32"]["scores"]["is_anomaly"] == flagged
    assert 0 < sum(flagged) < 6, "or this test means nothing"


def test_detection_agrees_with_labels_and_confusion(batches):
    values = batches["6 float32"]
    types = [row["anomaly_type"] for row in batches["metadata"]]
    assert types[:3] != ["normal"] * 3 == types[3:]
    for k, (kind, [element]) in enumerate(zip(types, values["confusion"], strict=True)):
        label, expected, probability = element
        assert (label, expected) == (kind, "Negative" if kind == "normal" else "Positive")
        assert (probability > 0.5) == (values["scores"]["is_anomaly"][k] == 1)
        assert values["detection"]["correct"][k] == ((probability > 0.5) == (kind != "normal"))
        assert (values["detection"]["detected"][k] is None) == (kind == "normal")
        assert (values["detection"]["false_alarm"][k] is None) == (kind != "normal")


def test_the_loss_is_the_mean_error_of_the_channels(batches):
    errors = batches["6 float32"]["errors"]
    channels = [values for key, values in errors.items() if key != "error"]
    assert len(channels) == 4
    assert batches["6 float32"]["loss"] == pytest.approx(np.mean(channels, axis=0), rel=1e-5)
    assert errors["error"] == pytest.approx(batches["6 float32"]["loss"], rel=1e-5)


def test_metadata_are_those_of_the_sample(batches):
    for name, found in zip(batches["ids"], batches["metadata"], strict=True):
        machine, _, time = name.partition(":")
        assert found["machine"] == machine
        assert found["hour"] == pytest.approx(sum(int(v) / 60**k for k, v in enumerate(time[-8:].split(":"))))
        assert found["std_power"] > 0
    assert all(found["peak_hz_vibration"] > 0 for found in batches["metadata"][:3]), "the others are too young"


def test_pictures_have_one_size_and_scores_end_with_the_detectors_own(batches):
    for (sensors, prediction, channels, graph), score in zip(batches["pictures"], batches["score"], strict=True):
        assert sensors == prediction == [200, 320, 3]
        assert sorted(channels) == ["power", "pressure", "temperature", "vibration"]
        assert graph[-1] == pytest.approx([score, batches["threshold"]], rel=1e-5)


def test_what_is_expected_lies_over_the_rows_it_is_about(run):
    process = run("-c", EXPECTED)
    assert process.returncode == 0, process.stderr
    for kind, row, first, n_values, fits, n_own in json.loads(process.stdout.splitlines()[-1]):
        n_rows = min(row + 1, 60)  # of the course
        assert fits
        assert first == max(0, n_rows - 5 + (kind == "forecast"))
        assert n_own == n_rows - first
        assert n_values == n_own + (kind == "forecast")  # a forecast goes one row beyond the course


def test_all_splits_are_there(batches):
    assert batches["states"] == ["training", "validation", "test"]


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"ARMSCOPE_DATA": "nowhere"}, "nowhere"),
        ({"ARMSCOPE_MODEL": "none"}, "armscope anomaly train"),
        ({"ARMSCOPE_TASK": "cooking"}, "task must be one of segmentation, anomaly"),
    ],
)
def test_what_is_missing_is_one_clear_error(run, overrides, message):
    process = run(str(ROOT / "leap_binder.py"), **overrides)
    assert process.returncode != 0
    assert message in process.stderr.splitlines()[-1]
