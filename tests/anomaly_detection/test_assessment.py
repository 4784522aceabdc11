from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from anomaly_detection import evaluate_scores, load_detector, make_detector
from anomaly_detection.assessment import assess
from anomaly_detection.parts import read_parts
from anomaly_detection.preparation import prepare
from anomaly_detection.training import train_detector


def test_the_test_part_is_judged_beside_trivial_rows(pca_model: Path, prepared_rig: Path) -> None:
    rows, trivial, notes = assess(pca_model, prepared_rig)
    assert notes == ()
    assert list(rows) == ["pca"]
    assert list(trivial) == ["random", "always 1", "position", "position, learned"]
    assert rows["pca"]["roc_auc"] > 0.95 > trivial["random"]["roc_auc"]
    assert trivial["always 1"]["recall"] == 1
    assert set(rows["pca"]["per_type"]) <= {"SPIKE", "MULTI_SENSOR"}


def test_all_takes_a_table_whole(pca_model: Path, rig_csv: Path) -> None:
    rows = assess(pca_model, rig_csv, part="all").detectors
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
    trivial = assess(pca_model, tmp_path).trivial
    assert list(trivial) == ["random", "always 1", "position"]
    assert trivial["random"]["false_alarm_rate"] < 0.05


def test_bad_requests_are_refused(pca_model: Path, prepared_rig: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"part must be one of training, validation, test, all; got 'val'\."):
        assess(pca_model, prepared_rig, part="val")
    frame = pd.read_csv(prepared_rig / "test.csv")
    frame.drop(columns=["label", "anomaly_type"]).to_csv(tmp_path / "train.csv", index=False)
    with pytest.raises(ValueError, match=r"part must have rows; .* has none for test"):
        assess(pca_model, tmp_path)
    with pytest.raises(
        ValueError,
        match=r"must have labels to evaluate on; the part 'training' has rows without.*--read label_column=NAME",
    ):
        assess(pca_model, tmp_path, part="training")
    with pytest.raises(FileNotFoundError, match=r"No detector\.json in"):
        assess(tmp_path, prepared_rig)


def test_data_with_anomalies_alone_is_judged_all_the_same(pca_model: Path, rig_csv: Path, tmp_path: Path) -> None:
    frame = pd.read_csv(rig_csv).assign(label=1, anomaly_type="SPIKE")
    frame.to_csv(tmp_path / "all.csv", index=False)
    rows, trivial, _ = assess(pca_model, tmp_path / "all.csv")
    assert rows["pca"]["n_anomalous_rows"] == rows["pca"]["n_rows"]
    assert np.isnan(rows["pca"]["roc_auc"])
    assert "position, learned" not in trivial


def test_rows_another_time_apart_than_those_that_taught_are_told(
    pca_model: Path, rig_csv: Path, tmp_path: Path
) -> None:
    frame = pd.read_csv(rig_csv).query("machine == 'machine1'")
    start = pd.Timestamp("2026-01-01")
    slow = frame.assign(datetime=pd.date_range(start, periods=len(frame), freq="60s"))
    slow.to_csv(tmp_path / "slow.csv", index=False)
    frame.drop(columns="datetime").to_csv(tmp_path / "untimed.csv", index=False)
    (note,) = assess(pca_model, tmp_path / "slow.csv", part="all").notes
    assert note.startswith("rows are 60 s apart where the detector learned from rows 1 s apart")
    assert assess(pca_model, tmp_path / "untimed.csv").notes == ()


@pytest.mark.parametrize("label", [0, 1])
def test_labels_of_one_class_are_told(pca_model: Path, rig_csv: Path, tmp_path: Path, label: int) -> None:
    frame = pd.read_csv(rig_csv).drop(columns="anomaly_type").assign(label=label)
    frame.to_csv(tmp_path / "all.csv", index=False)
    rows, _, (note,) = assess(pca_model, tmp_path / "all.csv", part="all")
    assert note.startswith(f"the labels of this part are all {label}: without ")
    keys = ("recall", "roc_auc", "delay_mean_s") if label == 0 else ("roc_auc", "false_alarm_rate")
    assert all(np.isnan(rows["pca"][key]) for key in keys)


def test_windows_of_rows_drawn_at_random_are_told(pca_model: Path, rig_csv: Path, tmp_path: Path) -> None:
    prepare(rig_csv, tmp_path / "drawn", shuffle=True)
    note = "the rows were drawn at random, so 5 in a row are no piece of time; prepare without --shuffle, or take "
    for data, part in ((tmp_path / "drawn", "test"), (tmp_path / "drawn/val.csv", "all")):
        (told,) = assess(pca_model, data, part=part).notes
        assert told.startswith(note)
    whole = assess(pca_model, tmp_path / "drawn", part="all")  # the parts together are the series again
    assert whole.notes == ()
    assert whole.detectors == assess(pca_model, rig_csv, part="all").detectors
    train_detector(make_detector("pca"), read_parts(tmp_path / "drawn"), tmp_path / "single")
    assert assess(tmp_path / "single", tmp_path / "drawn").notes == ()


def test_series_shorter_than_the_window_are_told(pca_model: Path, prepared_rig: Path, tmp_path: Path) -> None:
    frame = pd.read_csv(prepared_rig / "test.csv").query("machine == 'machine1'").iloc[:50].drop(columns="machine")
    times = pd.to_datetime(frame["datetime"])
    start = "1 of 2 series has fewer rows than the window of 5: its rows are judged against its first row, repeated"
    for n_rows, is_told in ((5, False), (4, True)):
        late = times + pd.to_timedelta(3600 * (np.arange(50) >= n_rows), unit="s")
        frame.assign(datetime=late).to_csv(tmp_path / "data.csv", index=False)
        notes = assess(pca_model, tmp_path / "data.csv", part="all").notes
        assert any(note.startswith(start) for note in notes) == is_told
