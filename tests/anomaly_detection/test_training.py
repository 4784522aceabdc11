import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from anomaly_detection import load_detector, make_detector
from anomaly_detection.parts import Parts, read_parts, rows_of
from anomaly_detection.series import Recording
from anomaly_detection.thresholds import Fixed
from anomaly_detection.training import fingerprint, judge, train_detector


@pytest.fixture(scope="module")
def parts(prepared_rig: Path) -> Parts:
    return read_parts(prepared_rig)


def test_a_detector_is_fitted_judged_and_stored(parts: Parts, tmp_path: Path) -> None:
    detector = make_detector("pca", statistic="t2", window_size=5)
    report = train_detector(detector, parts, tmp_path, units={"power": "W"}, notes={"run_name": "first"})
    facts = json.loads((tmp_path / "detector.json").read_text())
    assert report.detector == "pca"
    assert report.n_rows == {"training": 3200, "validation": 2400, "test": 2400}
    assert report.threshold_method == "best_f1"
    assert report.metrics["test"]["roc_auc"] > 0.95
    assert facts["units"] == {"power": "W"}
    assert facts["training"]["run_name"] == "first"
    assert facts["training"]["fingerprint"] == fingerprint(parts.training)
    assert facts["metrics"]["test"]["f1"] == pytest.approx(report.metrics["test"]["f1"])
    assert json.loads(report.to_json())["threshold"] == report.threshold
    assert "test: mean score" in str(report)
    assert not (tmp_path / "checkpoint.pth").exists()
    loaded = load_detector(tmp_path)
    for frame in rows_of(parts.test):
        assert np.allclose(loaded.decision_function(frame), detector.decision_function(frame), rtol=1e-5, atol=1e-5)


def test_without_labels_the_scores_alone_are_reported(parts: Parts, tmp_path: Path) -> None:
    bare = replace(parts.training, series=tuple(replace(s, labels=None, types=None) for s in parts.training.series))
    report = train_detector(make_detector("pca"), Parts(bare), tmp_path)
    assert set(report.metrics["training"]) == {"mean_score"}
    assert report.threshold_method == "false_positive_rate"
    assert "F1" not in str(report)


def test_a_threshold_that_flags_most_normal_rows_is_told(parts: Parts, tmp_path: Path) -> None:
    assert parts.validation is not None
    sick = [replace(s, labels=np.arange(len(s)) > 5, types=None) for s in parts.validation.series]
    ill = replace(parts, validation=replace(parts.validation, series=tuple(sick)))
    told = str(train_detector(make_detector("pca"), ill, tmp_path))
    assert "note: the threshold flags 100% of the normal validation rows; they are" in told
    assert "note:" not in str(train_detector(make_detector("pca"), parts, tmp_path))


def test_labels_of_some_machines_are_used(parts: Parts, tmp_path: Path) -> None:
    def half(recording: Recording) -> Recording:
        first = recording.machines[0]
        bare = [s if s.name == first else replace(s, labels=None, types=None) for s in recording.series]
        return replace(recording, series=tuple(bare))

    some = Parts(half(parts.training), half(parts.validation))
    report = train_detector(make_detector("pca", statistic="t2"), some, tmp_path)
    assert report.threshold_method == "best_f1"
    detector = make_detector("pca", statistic="t2").fit(
        rows_of(some.training),
        [np.zeros(len(s), bool) if s.labels is None else s.labels for s in some.training.series],
        validation=(rows_of(some.validation)[0], some.validation.series[0].labels),
    )
    assert report.threshold == detector.threshold_.value_


def test_test_rows_do_not_reach_the_detector(parts: Parts, tmp_path: Path) -> None:
    shifted = replace(
        parts.test,
        series=tuple(replace(s, values=s.values + 1e3, labels=~s.labels, types=None) for s in parts.test.series),
    )
    one = train_detector(make_detector("pca"), parts, tmp_path / "one")
    other = train_detector(make_detector("pca"), replace(parts, test=shifted), tmp_path / "other")
    assert one.threshold == other.threshold
    assert (tmp_path / "one/detector.onnx").read_bytes() == (tmp_path / "other/detector.onnx").read_bytes()


def test_a_unit_of_an_unknown_channel_is_refused(parts: Parts, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"units must name channels \(temperature, .*\); got speed\."):
        train_detector(make_detector("pca"), parts, tmp_path / "out", units={"speed": "m/s"})
    assert not (tmp_path / "out").exists()


def test_resuming_needs_a_checkpoint(parts: Parts, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"No checkpoint\.pth in .* to resume from"):
        train_detector(make_detector("vae"), parts, tmp_path, resume=True)


@pytest.mark.slow
def test_an_interrupted_training_goes_on_where_it_stopped(parts: Parts, tmp_path: Path) -> None:
    settings = {"window_size": 4, "batch_size": 512, "random_state": 3, "patience": 50}
    whole = make_detector("autoencoder", max_epochs=4, **settings)
    train_detector(whole, parts, tmp_path / "whole")
    half = make_detector("autoencoder", max_epochs=2, **settings)
    half.checkpoint_path = tmp_path / "checkpoint.pth"
    half.fit(
        rows_of(parts.training),
        [s.labels for s in parts.training.series],
        validation=(rows_of(parts.validation), [s.labels for s in parts.validation.series]),
    )
    assert half.checkpoint_path.is_file()
    again = make_detector("autoencoder", max_epochs=4, **settings)
    train_detector(again, parts, tmp_path, resume=True)
    frame = rows_of(parts.test)[0]
    assert np.array_equal(again.decision_function(frame), whole.decision_function(frame))


def test_judging_keeps_series_apart(parts: Parts) -> None:
    detector = make_detector("pca").fit(rows_of(parts.training), [s.labels for s in parts.training.series])
    first = parts.test.series[0]
    ends = np.flatnonzero(np.diff(first.labels.astype(int), append=0) == -1)
    cut = int(ends[0])  # within the first event: its two halves are events of two series
    apart = replace(parts.test, series=(first.rows(0, cut), first.rows(cut, len(first)), *parts.test.series[1:]))
    whole, found = judge(detector, parts.test), judge(detector, apart)
    assert found["n_rows"] == whole["n_rows"] == 2400
    assert found["n_events"] == whole["n_events"] + 1
    assert set(found["per_type"]) <= {"SPIKE", "MULTI_SENSOR"}


def test_judging_knows_the_step(parts: Parts) -> None:
    detector = make_detector("pca").fit(rows_of(parts.training), validation=(rows_of(parts.training), None))
    per_hour = [judge(detector, replace(parts.test, step_s=s))["false_alarms_per_hour"] for s in (1.0, 10.0)]
    assert per_hour[0] == pytest.approx(10 * per_hour[1]) and per_hour[0] > 0


def test_a_fingerprint_changes_with_any_value(parts: Parts) -> None:
    series = parts.test.series[0]
    values = series.values.copy()
    values[0, 0] += 1e-9
    changed = replace(parts.test, series=(replace(series, values=values), *parts.test.series[1:]))
    assert fingerprint(parts.test) == fingerprint(parts.test)
    assert fingerprint(changed) != fingerprint(parts.test)
    relabelled = replace(parts.test, series=(replace(series, labels=~series.labels), *parts.test.series[1:]))
    assert fingerprint(relabelled) != fingerprint(parts.test)


def test_outliers_that_mute_a_channel_are_told(parts: Parts, tmp_path: Path) -> None:
    series = parts.training.series[0]
    values = series.values.copy()
    values[np.flatnonzero(~series.labels)[:3], 1] = 1e6
    spoilt = replace(parts, training=replace(parts.training, series=(replace(series, values=values),)))
    with pytest.warns(UserWarning, match="Channel 'vibration' has outliers: .* take the scaling robust"):
        train_detector(make_detector("pca"), spoilt, tmp_path)
    train_detector(make_detector("pca", scaling="robust"), spoilt, tmp_path)


def test_what_learns_in_one_go_cannot_resume(parts: Parts, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="resume must be left out for pca, which learns in one go"):
        train_detector(make_detector("pca"), parts, tmp_path, resume=True)


def test_a_fixed_threshold_is_stored_as_it_was_given(parts: Parts, tmp_path: Path) -> None:
    report = train_detector(make_detector("pca", threshold="fixed=3.73"), parts, tmp_path)
    assert (report.threshold_method, report.threshold) == ("fixed", 3.73)
    assert load_detector(tmp_path).threshold_ == Fixed(3.73)
