import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest

from anomaly_detection import load_detector, make_detector
from anomaly_detection.stored import FACTS, MODEL, save_detector

ROWS = pd.DataFrame(
    np.random.default_rng(0).normal(size=(300, 3)) * [1, 5, 30] + [0, 10, 101_325], columns=list("abc")
).astype("float32")


@pytest.fixture
def folder(tmp_path: Path, pca_model: Path) -> Path:
    return Path(shutil.copytree(pca_model, tmp_path / "model"))


def change(folder: Path, **changes: Any) -> None:
    facts = json.loads((folder / FACTS).read_text())
    (folder / FACTS).write_text(json.dumps(facts | changes))


def test_a_stored_detector_has_the_whole_contract(tmp_path: Path) -> None:
    detector = make_detector("pca", n_components=2, statistic="combined", window_size=4).fit(ROWS)
    save_detector(detector, tmp_path / "deep/model", units={"c": "Pa"}, training={"rows": 300})
    loaded = load_detector(tmp_path / "deep/model")
    assert (loaded.name, loaded.kind, loaded.window_size) == ("pca", "reconstruction", 4)
    assert loaded.settings == detector.settings
    assert loaded.channels_ == ("a", "b", "c")
    scores = detector.decision_function(ROWS)
    assert np.allclose(loaded.decision_function(ROWS), scores, rtol=1e-5, atol=1e-5)
    assert loaded.score_frame(ROWS).columns.tolist() == ["anomaly_score"]
    assert loaded.predict(ROWS).tolist() == detector.predict(ROWS).tolist()
    assert np.allclose(loaded.reconstruct(ROWS), detector.reconstruct(ROWS), rtol=1e-5)
    assert np.allclose(loaded.contributions(ROWS), detector.contributions(ROWS), atol=1e-4)
    assert loaded.outputs(ROWS).latent.shape == (300, 2)
    assert loaded.facts_["units"] == {"c": "Pa"}
    assert loaded.to_onnx() == (tmp_path / "deep/model/detector.onnx").read_bytes()


def test_a_stored_detector_only_scores(folder: Path) -> None:
    with pytest.raises(TypeError, match="a stored one only scores"):
        load_detector(folder).fit(ROWS)
    with pytest.raises(TypeError, match="forecast must be called on a detector that does it; pca does not"):
        load_detector(folder).forecast(ROWS)


@pytest.mark.parametrize("name", [FACTS, MODEL])
def test_a_missing_file_is_named(folder: Path, name: str) -> None:
    (folder / name).unlink()
    with pytest.raises(FileNotFoundError, match=f"No {name} in .*armscope anomaly train"):
        load_detector(folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"{", r"detector\.json must be JSON"),
        (b"\xff\xfe\x00", r"detector\.json must be JSON"),
        (b"[]", "must hold an object; got list"),
        (b"{}", "must have 'format' of the right kind; got None"),
    ],
)
def test_damaged_facts_are_refused(folder: Path, content: bytes, message: str) -> None:
    (folder / FACTS).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        load_detector(folder)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 99}, "must be of format 1; got 99"),
        ({"format": True}, "must have 'format' of the right kind; got True"),
        ({"kind": "guess"}, "kind reconstruction or forecast; got 'guess'"),
        ({"channels": []}, "must name at least one channel"),
        ({"channels": [1, 2]}, "must name at least one channel"),
        ({"channels": ["a", "a", "b", "c"]}, "must name each channel once"),
        ({"window_size": "5"}, "must have 'window_size' of the right kind; got '5'"),
        ({"window_size": 6}, r"must take windows of \[6, 4\].*; got \[5, 4\]"),
        ({"channels": ["a", "b"]}, r"must take windows of \[5, 2\].*; got \[5, 4\]"),
        ({"kind": "forecast"}, r"must have the output forecast"),
        ({"model_sha256": "0" * 64}, "their checksums differ"),
        ({"threshold": {"name": "best_f1"}}, "threshold must have the keys"),
        ({"threshold": {"name": "none", "settings": {}, "value": 1.0}}, "threshold must be one of"),
        ({"threshold": {"name": "best_f1", "settings": {}, "value": None}}, "must have a threshold with a value"),
    ],
)
def test_facts_that_cannot_be_true_are_refused(folder: Path, changes: dict[str, Any], message: str) -> None:
    change(folder, **changes)
    with pytest.raises(ValueError, match=message):
        load_detector(folder)


@pytest.mark.parametrize(
    ("baseline", "message"),
    [
        ({"size": 5}, r"baseline of size, weight and level; got \['size'\]"),
        ({"size": 5, "weight": 2, "level": 1.0}, "baseline_weight must be a number above 0 and at most 1; got 2"),
        ({"size": 5, "weight": 0.5, "level": None}, "level must be a positive number; got None"),
    ],
)
def test_a_damaged_baseline_is_refused(folder: Path, baseline: dict[str, Any], message: str) -> None:
    change(folder, baseline=baseline)
    with pytest.raises(ValueError, match=message):
        load_detector(folder)


def test_facts_from_before_there_were_baselines_are_read(folder: Path) -> None:
    facts = json.loads((folder / "detector.json").read_text())
    del facts["baseline"]
    (folder / "detector.json").write_text(json.dumps(facts))
    assert load_detector(folder).baseline_ is None


def test_another_model_beside_the_facts_is_noticed(folder: Path) -> None:
    other = make_detector("pca", window_size=5).fit(ROWS)
    (folder / MODEL).write_bytes(other.to_onnx())
    with pytest.raises(ValueError, match="their checksums differ"):
        load_detector(folder)


def test_channels_in_another_order_than_the_model_learned_are_noticed(folder: Path) -> None:
    channels = json.loads((folder / FACTS).read_text())["channels"]
    change(folder, channels=channels[::-1])
    with pytest.raises(ValueError, match=rf"must have the channels {', '.join(channels)}, as detector.onnx says; got"):
        load_detector(folder)


def test_a_file_that_is_no_model_is_refused(folder: Path) -> None:
    import hashlib

    (folder / MODEL).write_bytes(b"no model")
    change(folder, model_sha256=hashlib.sha256(b"no model").hexdigest())
    with pytest.raises(ValueError, match=r"detector\.onnx must be an ONNX model"):
        load_detector(folder)


def test_the_model_takes_raw_windows_of_any_batch(folder: Path) -> None:
    model = onnx.load(folder / MODEL)
    onnx.checker.check_model(model, full_check=True)
    assert [i.name for i in model.graph.input] == ["window"]
    assert {o.name for o in model.graph.output} == {"score", "reconstruction", "latent", "residual"}
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param


def test_a_folder_may_be_named_by_a_text(tmp_path: Path) -> None:
    assert save_detector(make_detector("pca").fit(ROWS), str(tmp_path / "model")) == tmp_path / "model" / FACTS


def test_saving_twice_replaces_and_leaves_no_temporary_file(tmp_path: Path) -> None:
    for window_size in (1, 3):
        save_detector(make_detector("pca", window_size=window_size).fit(ROWS), tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == [FACTS, MODEL]
    assert load_detector(tmp_path).window_size == 3


def test_a_single_window_is_scored_directly(folder: Path, rig_csv: Path) -> None:
    detector = load_detector(folder)
    rows = pd.read_csv(rig_csv)[list(detector.channels_)][:20]
    window = rows.to_numpy()[-5:]
    assert detector.score_window(window) == pytest.approx(detector.decision_function(rows)[-1], rel=1e-6)


def test_a_channel_that_single_precision_blurs_is_told(tmp_path: Path) -> None:
    rows = ROWS.astype("float64").assign(c=1.7e9 + ROWS["a"].to_numpy("float64")[::-1])
    with pytest.warns(UserWarning, match=r"Channel 'c' varies little far from 0: .* Subtract a constant"):
        save_detector(make_detector("pca").fit(rows), tmp_path)


def test_weights_of_another_detector_are_removed(tmp_path: Path) -> None:
    (tmp_path / "best_model.pth").write_bytes(b"of a network that was here before")
    save_detector(make_detector("pca").fit(ROWS), tmp_path)
    assert sorted(file.name for file in tmp_path.iterdir()) == [FACTS, MODEL]
