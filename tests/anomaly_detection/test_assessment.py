from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from anomaly_detection import evaluate_scores, load_detector
from anomaly_detection.assessment import assess


def test_the_test_part_is_judged_beside_trivial_rows(pca_model: Path, prepared_rig: Path) -> None:
    rows, trivial = assess(pca_model, prepared_rig)
    assert list(rows) == ["pca"]
    assert list(trivial) == ["random", "always 1", "position", "position, learned"]
    assert rows["pca"]["roc_auc"] > 0.95 > trivial["random"]["roc_auc"]
    assert trivial["always 1"]["recall"] == 1
    assert set(rows["pca"]["per_type"]) <= {"SPIKE", "MULTI_SENSOR"}


def test_all_takes_a_table_whole(pca_model: Path, rig_csv: Path) -> None:
    rows, _ = assess(pca_model, rig_csv, part="all")
    frame = pd.read_csv(rig_csv)
    detector = load_detector(pca_model)
    machines = [frame[frame["machine"] == name] for name in ("machine1", "machine2")]
    scores = np.concatenate([detector.decision_function(m[list(detector.channels_)]) for m in machines])
    expected = evaluate_scores(
        frame["label"], scores, threshold=detector.threshold_.value_, types=frame["anomaly_type"], series=[4000, 4000]
    )
    assert rows["pca"] == expected


def test_without_validation_labels_the_trivial_rows_take_the_default_rule(
    pca_model: Path, prepared_rig: Path, tmp_path: Path
) -> None:
    for name in ("train", "val", "test"):
        frame = pd.read_csv(prepared_rig / f"{name}.csv")
        kept = frame if name == "test" else frame.drop(columns=["label", "anomaly_type"])
        kept.to_csv(tmp_path / f"{name}.csv", index=False)
    _, trivial = assess(pca_model, tmp_path)
    assert list(trivial) == ["random", "always 1", "position"]
    assert trivial["random"]["false_alarm_rate"] < 0.05


def test_bad_requests_are_refused(pca_model: Path, prepared_rig: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"part must be one of training, validation, test, all; got 'val'\."):
        assess(pca_model, prepared_rig, part="val")
    frame = pd.read_csv(prepared_rig / "test.csv")
    frame.drop(columns=["label", "anomaly_type"]).to_csv(tmp_path / "train.csv", index=False)
    with pytest.raises(ValueError, match=r"part must have rows; .* has none for test"):
        assess(pca_model, tmp_path)
    with pytest.raises(ValueError, match="must have labels to evaluate on; the part 'training' has rows without"):
        assess(pca_model, tmp_path, part="training")
    with pytest.raises(FileNotFoundError, match=r"No detector\.json in"):
        assess(tmp_path, prepared_rig)


def test_data_with_anomalies_alone_is_judged_all_the_same(pca_model: Path, rig_csv: Path, tmp_path: Path) -> None:
    frame = pd.read_csv(rig_csv).assign(label=1, anomaly_type="SPIKE")
    frame.to_csv(tmp_path / "all.csv", index=False)
    rows, trivial = assess(pca_model, tmp_path / "all.csv")
    assert rows["pca"]["n_anomalous_rows"] == rows["pca"]["n_rows"]
    assert np.isnan(rows["pca"]["roc_auc"])
    assert "position, learned" not in trivial
