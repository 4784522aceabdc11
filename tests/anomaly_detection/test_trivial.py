"""The rows that know nothing of the sensors."""

import math

import numpy as np
import pytest

from anomaly_detection.thresholds import FalsePositiveRate, Fixed, Percentile
from anomaly_detection.trivial import position_frequency, trivial_rows


def files(n_files, start, stop, length=100):
    labels = np.zeros((n_files, length), int)
    labels[:, start:stop] = 1
    return labels.ravel(), np.tile(np.arange(length), n_files)


def test_a_rule_about_row_numbers_is_learned_from_other_files():
    """The anomaly always lies in rows 40 to 59: position alone is perfect, and the table says so."""
    labels, positions = files(3, 40, 60)
    known, seen = files(2, 40, 60)
    rows = trivial_rows(labels, known, positions=positions, validation_positions=seen, series=[100, 100, 100])
    assert rows["position, learned"]["f1"] == 1
    assert rows["position, learned"]["roc_auc"] == 1
    assert rows["position"]["roc_auc"] == 0.5
    assert rows["position"]["n_events"] == 3


def test_late_anomalies_are_found_by_position_alone():
    labels, _ = files(4, 70, 100)
    known, seen = files(2, 70, 100)
    rows = trivial_rows(labels, known, validation_positions=seen, series=[100] * 4)
    assert rows["position"]["f1"] == 1, "positions count from 0 in every series"
    assert rows["position"]["threshold"] == 69.5


def test_always_1_flags_everything():
    labels, _ = files(1, 0, 25)
    row = trivial_rows(labels, labels)["always 1"]
    assert (row["recall"], row["precision"], row["false_alarm_rate"]) == (1, 0.25, 1)
    assert row["roc_auc"] == 0.5


def test_random_scores_separate_nothing():
    labels = np.random.default_rng(1).integers(0, 2, 20_000)
    row = trivial_rows(labels, labels, random_state=3)["random"]
    assert row["roc_auc"] == pytest.approx(0.5, abs=0.02)
    assert row["auc_pr"] == pytest.approx(0.5, abs=0.02)


def test_without_validation_labels_the_false_positive_rate_decides():
    """As on a benchmark whose first 400 rows are normal: whatever comes after them is called anomalous."""
    labels = np.repeat([0, 1, 0], [200, 400, 100])
    rows = trivial_rows(labels, np.zeros(400, int), positions=np.arange(400, 1100))
    assert list(rows) == ["random", "always 1", "position"]
    assert rows["position"]["threshold"] == 395.5
    assert rows["position"]["recall"] == 1
    assert rows["random"]["false_alarm_rate"] == pytest.approx(0.01, abs=0.03)


def test_the_rule_of_the_detectors_is_used_and_left_alone():
    rule = Percentile(percentile=50).fit([7.0])
    rows = trivial_rows([0, 1], np.zeros(101, int), threshold=rule)
    assert rows["position"]["threshold"] == 50
    assert rule.value_ == 7


def test_the_seed_decides():
    labels = np.repeat([0, 1], 50)
    one, same, other = (trivial_rows(labels, labels, random_state=seed)["random"]["roc_auc"] for seed in (1, 1, 2))
    assert one == same != other


def test_options_of_the_evaluation_are_passed_on():
    labels = np.repeat([0, 1], 50)
    types = np.where(labels == 1, "A", "normal")
    rows = trivial_rows(labels, labels, types=types, step_s=2.0, sliding_window=8)
    assert all(row["per_type"]["A"]["n_rows"] == 50 and row["vus_window"] == 8 for row in rows.values())


def test_the_frequency_of_a_position_nobody_saw_is_0():
    assert position_frequency(np.array([True, False]), np.array([1, 3])).tolist() == [0, 1, 0, 0, 0]
    rows = trivial_rows([0, 1], [1, 0], positions=[50, 60])
    assert rows["position, learned"]["recall"] == 0


@pytest.mark.parametrize("positions", [[0], [0, -1], [0.0, 1.0], [[0, 1]]])
def test_positions_are_checked(positions):
    with pytest.raises(ValueError, match="positions must be 2 whole numbers from 0 on, one per row"):
        trivial_rows([0, 1], [0, 0, 0], positions=positions)
    with pytest.raises(ValueError, match="validation_positions must be 2 whole numbers"):
        trivial_rows([0, 1, 0], [0, 0], validation_positions=positions)


def test_only_anomalous_validation_rows_give_no_threshold():
    with pytest.raises(ValueError, match="labels must hold at least one normal row"):
        trivial_rows([0, 1], [1, 1], threshold=FalsePositiveRate())


def test_undefined_figures_stay_undefined():
    assert math.isnan(trivial_rows([0, 0], [0, 0])["random"]["roc_auc"])


def test_a_number_fixed_for_the_scores_of_a_detector_is_none_for_these():
    labels, positions = files(2, 40, 60)
    context = {"positions": positions, "validation_positions": positions}
    by_default = trivial_rows(labels, labels, **context)
    fixed = trivial_rows(labels, labels, threshold=Fixed(3.73), **context)
    assert {name: row["threshold"] for name, row in fixed.items()} == {
        name: row["threshold"] for name, row in by_default.items()
    }
