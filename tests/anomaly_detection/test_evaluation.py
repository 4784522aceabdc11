"""Every figure of an evaluation by hand, against scikit-learn, and under what must not change it."""

import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from anomaly_detection.evaluation import average_precision, evaluate_scores, roc_auc
from anomaly_detection.vus import volume_under_surface

ROWS = st.lists(st.tuples(st.integers(0, 1), st.integers(-3, 5)), min_size=2, max_size=80)
RATES = ("precision", "recall", "f1", "accuracy", "false_alarm_rate", "missed_alarm_rate", "event_recall", "roc_auc")


def columns(rows):
    labels, scores = zip(*rows, strict=True)
    return np.array(labels), np.array(scores, float)


def test_every_figure_by_hand():
    #         normal  event       normal      event normal
    labels = [0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0]
    scores = [0, 0, 9, 0, 8, 7, 0, 0, 6, 6, 0, 0, 0, 5, 0, 0]
    result = evaluate_scores(labels, scores, threshold=4, step_s=0.5)
    assert [result[key] for key in ("tp", "fp", "fn", "tn")] == [2, 4, 3, 7]
    assert [result[key] for key in ("n_rows", "n_anomalous_rows", "threshold")] == [16, 5, 4]
    assert result["precision"] == 2 / 6
    assert result["recall"] == 2 / 5
    assert result["f1"] == pytest.approx(4 / 11)
    assert result["accuracy"] == 9 / 16
    assert result["false_alarm_rate"] == 4 / 11
    assert result["missed_alarm_rate"] == 3 / 5
    assert [result[key] for key in ("n_events", "n_detected_events", "event_recall")] == [2, 1, 0.5]
    assert result["n_false_alarms"] == 3
    assert result["false_alarms_per_hour"] == pytest.approx(3 / (8 / 3600))
    assert result["delay_mean_s"] == result["delay_median_s"] == 0.5
    # Wins of an anomalous over a normal row: 8 beats all but 9, so does 7; each 0 ties with 7 zeros.
    assert result["roc_auc"] == pytest.approx((10 + 10 + 3 * 7 / 2) / 55)
    assert result["auc_pr"] == pytest.approx((1 / 2 + 2 / 3 + 3 * 5 / 16) / 5)
    assert result["range_precision"] == pytest.approx(1 / 4)
    assert result["range_recall"] == pytest.approx((0.2 + 0.8 * 0.5) / 2)
    assert result["vus_window"] == 100
    assert result["per_type"] == {}


def test_it_is_flat_and_fit_for_json():
    result = evaluate_scores([0, 1, 1], [0.0, 1.0, 2.0], threshold=np.float32(0.5), types=["normal", "A", "B"])
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    nested = [key for key, value in result.items() if not isinstance(value, int | float)]
    assert nested == ["per_type"]


@given(rows=ROWS)
def test_areas_are_scikit_learns(rows):
    labels, scores = columns(rows)
    if labels.min() == labels.max():
        assert math.isnan(roc_auc(labels, scores))
        assert math.isnan(average_precision(labels, scores))
        return
    assert roc_auc(labels, scores) == pytest.approx(metrics.roc_auc_score(labels, scores), abs=1e-12)
    expected = metrics.average_precision_score(labels, scores)
    assert average_precision(labels, scores) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("decimals", [0, 2, 12])
def test_areas_are_scikit_learns_on_many_rows(decimals):
    rng = np.random.default_rng(decimals)
    labels = rng.random(20_000) < 0.05
    scores = np.round(rng.normal(size=20_000) + labels, decimals)
    assert roc_auc(labels, scores) == pytest.approx(metrics.roc_auc_score(labels, scores), abs=1e-12)
    expected = metrics.average_precision_score(labels, scores)
    assert average_precision(labels, scores) == pytest.approx(expected, abs=1e-12)


@given(rows=ROWS, threshold=st.integers(-4, 6))
def test_point_figures_are_scikit_learns(rows, threshold):
    labels, scores = columns(rows)
    result = evaluate_scores(labels, scores, threshold=threshold)
    flags = scores > threshold
    tn, fp, fn, tp = metrics.confusion_matrix(labels, flags, labels=[0, 1]).ravel()
    assert [result[key] for key in ("tn", "fp", "fn", "tp")] == [tn, fp, fn, tp]
    assert result["accuracy"] == pytest.approx(metrics.accuracy_score(labels, flags))
    for key in ("precision", "recall", "f1"):
        expected = getattr(metrics, f"{key}_score")(labels, flags, zero_division=np.nan)
        assert result[key] == pytest.approx(expected, nan_ok=True)


@settings(deadline=None)
@given(rows=ROWS, threshold=st.integers(-4, 6))
def test_a_monotone_transform_changes_nothing(rows, threshold):
    labels, scores = columns(rows)
    expected = evaluate_scores(labels, scores, threshold=threshold, sliding_window=6)
    moved = evaluate_scores(labels, np.exp(scores), threshold=np.exp(threshold), sliding_window=6)
    np.testing.assert_equal(moved, expected | {"threshold": moved["threshold"]})


@settings(deadline=None)
@given(rows=ROWS, threshold=st.integers(-4, 6))
def test_shares_lie_between_0_and_1(rows, threshold):
    labels, scores = columns(rows)
    result = evaluate_scores(labels, scores, threshold=threshold)
    for key in RATES:
        assert math.isnan(result[key]) or 0 <= result[key] <= 1
    assert result["false_alarms_per_hour"] >= 0


def test_perfect_scores():
    labels = np.repeat([0, 1, 0, 1], [50, 20, 40, 1])
    result = evaluate_scores(labels, labels, threshold=0.5)
    best = ("precision", "recall", "f1", "accuracy", "roc_auc", "auc_pr", "vus_roc", "vus_pr", "event_recall")
    assert all(result[key] == pytest.approx(1, abs=1e-12) for key in (*best, "range_f1"))
    worst = ("false_alarm_rate", "missed_alarm_rate", "n_false_alarms", "delay_mean_s", "fp", "fn")
    assert all(result[key] == 0 for key in worst)


def test_constant_scores_separate_nothing():
    labels = np.repeat([0, 1, 0], [50, 20, 30])
    result = evaluate_scores(labels, np.ones(100), threshold=-np.inf, sliding_window=0)
    assert result["roc_auc"] == result["vus_roc"] == 0.5
    assert result["auc_pr"] == result["vus_pr"] == result["precision"] == 0.2
    assert result["recall"] == result["event_recall"] == 1


def test_without_anomalies():
    result = evaluate_scores([0, 0, 0, 0], [1.0, 2.0, 3.0, 0.0], threshold=1.5, step_s=900)
    undefined = ("recall", "missed_alarm_rate", "event_recall", "roc_auc", "auc_pr", "vus_pr", "vus_roc")
    assert all(math.isnan(result[key]) for key in (*undefined, "delay_mean_s", "delay_median_s", "range_recall"))
    assert result["f1"] == result["precision"] == result["range_f1"] == 0
    assert result["false_alarm_rate"] == 0.5
    assert result["false_alarms_per_hour"] == 1


def test_without_alarms():
    result = evaluate_scores([0, 1, 0], [1.0, 2.0, 3.0], threshold=np.inf)
    assert math.isnan(result["precision"])
    assert math.isnan(result["delay_mean_s"])
    assert result["f1"] == result["recall"] == result["event_recall"] == result["range_f1"] == 0


def test_one_row():
    assert evaluate_scores([1], [2.0], threshold=1)["f1"] == 1


def test_events_do_not_join_across_series():
    labels, scores = [0, 1, 1, 0], [0.0, 1.0, 0.0, 0.0]
    assert evaluate_scores(labels, scores, threshold=0.5)["n_events"] == 1
    for series in ([2, 2], ["a", "a", "b", "b"]):
        result = evaluate_scores(labels, scores, threshold=0.5, series=series)
        assert (result["n_events"], result["event_recall"]) == (2, 0.5)


def test_per_type_by_hand():
    labels = [0, 0, 1, 1, 1, 1, 0, 1, 0]
    types = ["normal", "normal", "SPIKE", "SPIKE", "DRIFT", "DRIFT", "normal", "SPIKE", "normal"]
    scores = [0.0, 2.0, 9.0, 1.0, 0.0, 3.0, 0.0, 1.0, 4.0]
    per_type = evaluate_scores(labels, scores, threshold=2.5, types=types)["per_type"]
    assert list(per_type) == ["DRIFT", "SPIKE"]
    spike = {"n_rows": 3, "n_events": 2, "recall": 1 / 3, "event_recall": 0.5, "roc_auc": (4 + 2 + 2) / 12}
    drift = {"n_rows": 2, "n_events": 1, "recall": 0.5, "event_recall": 1.0, "roc_auc": (2 / 2 + 3) / 8}
    assert per_type == {"DRIFT": pytest.approx(drift), "SPIKE": pytest.approx(spike)}


@settings(deadline=None)
@given(rows=ROWS)
def test_the_auc_is_the_mean_of_the_types_by_rows(rows):
    labels, scores = columns(rows)
    if labels.min() == labels.max():
        return
    types = np.where(labels == 1, np.where(np.arange(len(labels)) % 3 == 0, "A", "B"), "normal")
    result = evaluate_scores(labels, scores, threshold=0, types=types)
    weights = [each["n_rows"] for each in result["per_type"].values()]
    for key in ("roc_auc", "recall"):
        mean = np.average([each[key] for each in result["per_type"].values()], weights=weights)
        assert result[key] == pytest.approx(mean, abs=1e-12)


def test_types_without_normal_rows_have_no_auc():
    per_type = evaluate_scores([1, 1], [0.0, 1.0], threshold=0, types=["A", "A"])["per_type"]
    assert math.isnan(per_type["A"]["roc_auc"])


def test_input_stays_as_it_was():
    labels, scores = np.array([0, 1, 0]), np.array([2.0, 1.0, 0.0])
    labels.flags.writeable = scores.flags.writeable = False
    evaluate_scores(labels, scores, threshold=0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": [0, 1]}, r"labels must be \(3,\), one per score"),
        ({"labels": [0, 1, 2]}, "labels must be 0 or 1"),
        ({"scores": [0.0, np.nan, 1.0]}, "scores must be finite; got nan in row 1"),
        ({"scores": []}, "at least one row"),
        ({"threshold": np.nan}, "threshold must be a number; got nan"),
        ({"step_s": 0}, "step_s must be a finite number greater than 0; got 0"),
        ({"step_s": np.inf}, "step_s must be a finite number greater than 0; got inf"),
        ({"series": [1, 1]}, "series must be 3 ids"),
        ({"sliding_window": -5}, "window must be a whole number of rows, at least 0; got -5"),
        ({"types": ["normal", "A"]}, r"types must be \(3,\), one per row; got shape \(2,\)"),
        ({"types": ["normal", "normal", "normal"]}, "'normal' exactly where labels are 0; got 'normal' with label 1"),
        ({"types": ["A", "A", "normal"]}, r"got 'A' with label 0 in row 0 \(1 rows differ\)"),
        ({"types": ["normal", np.nan, "normal"]}, "types must be text; got nan in an anomalous row"),
        ({"types": ["normal", None, "normal"]}, "types must be text; got None in an anomalous row"),
    ],
)
def test_arguments_are_checked(change, message):
    arguments = {"labels": [0, 1, 0], "scores": [0.0, 1.0, 2.0], "threshold": 0.5} | change
    with pytest.raises(ValueError, match=message):
        evaluate_scores(arguments.pop("labels"), arguments.pop("scores"), **arguments)


def test_the_volumes_keep_series_apart():
    labels, scores = np.repeat([0, 1, 0, 1], 30), np.random.default_rng(0).random(120)
    found = evaluate_scores(labels, scores, threshold=0.5, series=[60, 60], sliding_window=20)
    apart = volume_under_surface(labels, scores, window=20, series=[60, 60])
    assert (found["vus_roc"], found["vus_pr"]) == apart
    assert apart != volume_under_surface(labels, scores, window=20)
