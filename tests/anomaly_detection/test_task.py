"""Settings, data and what a detector says of itself, put together."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest

from anomaly_detection import load_detector
from anomaly_detection.task import open_task


@pytest.fixture
def settle(tmp_path, monkeypatch, prepared_rig, pca_model):
    """Open the task on the rig and a copy of its detector, in which `change` may break something."""
    model = tmp_path / "model"
    shutil.copytree(pca_model, model)

    def open_with(change=None, *, data=prepared_rig, named=model):
        if change is not None:
            change(model)
        monkeypatch.setenv("ARMSCOPE_TASK", "anomaly")
        monkeypatch.setenv("ARMSCOPE_DATA", str(data))
        monkeypatch.setenv("ARMSCOPE_MODEL", str(named))
        open_task.cache_clear()
        return open_task()

    yield open_with
    open_task.cache_clear()


def edit(**changes):
    """Change entries of `detector.json`."""

    def change(model):
        file = model / "detector.json"
        file.write_text(json.dumps(json.loads(file.read_text()) | changes))

    return change


def test_what_the_detector_says_wins(settle):
    task = settle()
    assert task.facts.window_size == 5
    assert task.facts.channels == task.data.channels == ("temperature", "vibration", "pressure", "power")
    assert task.facts.threshold > 0
    assert task.context == 60
    assert task.output_labels == {
        "score": ["score"],
        "reconstruction": list(task.data.channels),
        "latent": ["latent_0", "latent_1"],
        "residual": list(task.data.channels),
    }


def test_samples_are_found_by_their_ids(settle):
    task = settle()
    for split in ("training", "validation", "test"):
        for sample in task.data.splits[split][:3]:
            assert task.samples[sample.sample_id] is sample
    assert task.data.types == ("MULTI_SENSOR", "SPIKE")


def test_the_truth_is_one_hot(settle):
    task = settle()
    sample = next(s for s in task.data.splits["training"] if s.anomaly_type == "MULTI_SENSOR")
    assert task.truth(sample, "training").tolist() == [0, 1, 0]
    assert task.labels(sample, "training").tolist()[-1] == 1
    assert task.labels(sample, "training").shape == (5,)


def test_samples_without_labels_can_be_stacked_with_labelled_ones(settle, tmp_path):
    header = "datetime,machine,temperature,vibration,pressure,power,label\n"
    for name, day in (("train", 1), ("val", 2)):
        lines = [
            f"2026-01-0{day}T00:{minute:02d}:{k:02d},{machine},{k % 7},{k % 3},{k % 5},{k},{label}\n"
            for minute, (machine, label) in enumerate({"known": 0, "bare": ""}.items())
            for k in range(40)
        ]
        (tmp_path / f"{name}.csv").write_text(header + "".join(lines))
    task = settle(data=tmp_path)
    truths = {s.series.name: task.truth(s, "training") for s in task.data.splits["training"]}
    labels = {s.series.name: task.labels(s, "training") for s in task.data.splits["training"]}
    assert truths["known"].tolist() == [1]
    assert np.isnan(truths["bare"]).all()
    assert np.isnan(labels["bare"]).all()
    assert np.stack(list(truths.values())).shape == (2, 1)
    assert np.stack(list(labels.values())).shape == (2, 5)


def test_a_model_may_be_named_by_its_file_too(settle, tmp_path):
    assert settle(named=tmp_path / "model" / "detector.onnx").facts == settle().facts


def test_detector_json_is_enough_where_there_is_no_model(settle):
    def remove(model):
        (model / "detector.onnx").unlink()

    assert settle(remove).facts.window_size == 5


def test_the_settings_decide_where_there_is_nothing(settle, tmp_path):
    with pytest.warns(UserWarning, match="max_samples: 2,000 of 3,200 windows of training"):
        task = settle(named=tmp_path / "nowhere")
    assert task.facts.window_size == 1
    assert task.facts.threshold is None
    assert task.facts.channels is None
    assert len(task.data.channels) == 4


def test_a_model_alone_says_its_window_and_its_latents(settle):
    def remove(model):
        (model / "detector.json").unlink()

    task = settle(remove)
    assert (task.facts.window_size, task.facts.n_latents, task.facts.threshold) == (5, 2, None)


def test_a_model_of_another_window_size_is_refused(settle):
    with pytest.raises(ValueError, match=r"must take windows of 7 rows and 4 channels, as detector.json"):
        settle(edit(window_size=7))


def test_a_model_of_other_channels_is_refused(settle):
    with pytest.raises(ValueError, match=r"must take windows of 5 rows and 3 channels"):
        settle(edit(channels=["temperature", "vibration", "pressure"]))


def test_data_without_a_channel_of_the_model_are_refused(settle):
    with pytest.raises(ValueError, match="torque"):
        settle(edit(channels=["temperature", "vibration", "pressure", "torque"]))


def test_a_model_that_detector_json_does_not_describe_is_refused(settle):
    with pytest.raises(ValueError, match=r"their checksums differ\. Train again"):
        settle(edit(model_sha256="0" * 64))


def test_a_detector_with_a_baseline_is_refused(settle):
    with pytest.raises(ValueError, match="every window is judged by itself; got one of 600 scores"):
        settle(edit(baseline={"size": 600, "weight": 0.6, "level": 1.0}))


def test_a_damaged_detector_json_is_named(settle):
    with pytest.raises(ValueError, match=r"detector.json must be JSON"):
        settle(lambda model: (model / "detector.json").write_text("{"))


def test_a_file_that_is_no_model_is_named(settle):
    def spoil(model):
        (model / "detector.onnx").write_bytes(b"no model")
        (model / "detector.json").unlink()

    with pytest.raises(ValueError, match=r"detector.onnx must be an ONNX model that onnxruntime reads"):
        settle(spoil)


def test_a_model_with_other_outputs_is_refused(settle):
    import onnx
    from onnx import TensorProto, helper

    def other(model):
        graph = helper.make_graph(
            [helper.make_node("Identity", ["window"], ["copy"])],
            "other",
            [helper.make_tensor_value_info("window", TensorProto.FLOAT, ["batch", 5, 4])],
            [helper.make_tensor_value_info("copy", TensorProto.FLOAT, ["batch", 5, 4])],
        )
        onnx.save(
            helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), model / "detector.onnx"
        )
        (model / "detector.json").unlink()

    with pytest.raises(ValueError, match=r"must take `window` and give score, .*; got the outputs copy"):
        settle(other)


def test_rows_of_a_sample_are_scored_by_the_model_itself(settle, pca_model):
    task, detector = settle(), load_detector(pca_model)
    samples = task.data.splits["validation"]
    for sample in (samples[0], samples[40], samples[-1]):
        frame = pd.DataFrame(sample.series.values, columns=list(task.data.channels))
        expected = detector.decision_function(frame)[sample.rows(task.context)]
        assert np.allclose(task.row_scores(sample), expected, rtol=1e-5)


def test_without_a_model_no_row_is_scored(settle):
    task = settle(lambda model: (model / "detector.onnx").unlink())
    assert task.row_scores(task.data.splits["validation"][0]) is None
