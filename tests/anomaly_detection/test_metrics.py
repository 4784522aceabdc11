import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomaly_detection.metrics import (
    LARGEST,
    anomaly_probability,
    detection_columns,
    error_columns,
    read_scores,
    score_columns,
)

TYPES = ("SPIKE", "DRIFT")
NORMAL, SPIKE, DRIFT = np.eye(3)


def as_list(columns):
    return {key: [None if np.isnan(value) else value for value in values] for key, values in columns.items()}


def test_errors_by_hand():
    found = error_columns(np.array([[3.0, -4.0], [0.0, 0.0]]), ["a", "b"])
    assert as_list(found) == {"error": [12.5, 0.0], "error_a": [9.0, 0.0], "error_b": [16.0, 0.0]}


def test_errors_of_half_precision_do_not_overflow():
    residual = np.array([[1000.0, np.inf]], np.float16)
    found = error_columns(residual, ["a", "b"])
    assert found["error_a"].tolist() == [1e6]
    assert found["error_b"].tolist() == [LARGEST**2]
    assert np.isfinite(found["error"]).all()


@pytest.mark.parametrize("shape", [(3,), (3, 1)])
def test_scores_of_either_shape_are_read(shape):
    scores = np.array([1.0, np.inf, np.nan], np.float16).reshape(shape)
    np.testing.assert_array_equal(read_scores(scores), [1, LARGEST, np.nan])


def test_a_score_at_the_threshold_is_not_flagged():
    found = as_list(score_columns(np.array([1.0, 2.0, 2.5, np.nan]), 2.0))
    assert found["margin"] == [-1.0, 0.0, 0.5, None]
    assert found["is_anomaly"] == [0, 0, 1, None]


def test_without_a_threshold_there_is_no_verdict():
    found = as_list(score_columns(np.array([1.0]), None))
    assert found == {"score": [1.0], "margin": [None], "is_anomaly": [None]}


def test_detection_by_hand():
    truth = np.stack([NORMAL, NORMAL, NORMAL, SPIKE, SPIKE, DRIFT])
    labels = np.array([[0, 0], [0, 0], [1, 0], [0, 1], [1, 1], [1, 1]])
    score = np.array([0.0, 9.0, 9.0, 9.0, 0.0, 9.0])
    assert as_list(detection_columns(score, labels, truth, 5.0, TYPES)) == {
        "correct": [1, 0, 0, 1, 0, 1],
        "detected": [None, None, None, 1, 0, 1],
        "false_alarm": [0, 1, None, None, None, None],
        "late_alarm": [None, None, 1, None, None, None],
        "detected_SPIKE": [None, None, None, 1, 0, None],
        "detected_DRIFT": [None, None, None, None, None, 1],
    }


def test_without_labels_nothing_is_detected_or_missed():
    empty = np.zeros((2, 0), np.float32)
    found = detection_columns(np.array([0.0, 9.0]), empty, empty, 5.0, TYPES)
    assert set(found) == {"correct", "detected", "false_alarm", "late_alarm", "detected_SPIKE", "detected_DRIFT"}
    assert all(np.isnan(values).all() for values in found.values())


def test_a_sample_without_labels_beside_labelled_ones_is_neither():
    truth, labels = np.stack([SPIKE, np.full(3, np.nan)]), np.array([[1.0], [np.nan]])
    found = as_list(detection_columns(np.array([9.0, 9.0]), labels, truth, 5.0, TYPES))
    assert found["correct"] == found["detected"] == [1, None]
    assert found["false_alarm"] == found["late_alarm"] == [None, None]


def test_without_a_threshold_nothing_is_detected_or_missed():
    found = detection_columns(np.array([9.0]), np.ones((1, 4)), SPIKE[None], None, TYPES)
    assert all(np.isnan(values).all() for values in found.values())


@given(st.lists(st.tuples(st.floats(0, 10), st.integers(0, 3), st.booleans()), min_size=1, max_size=12))
def test_every_labelled_window_is_right_or_wrong_and_no_other(rows):
    score, kinds, earlier = (np.array(column) for column in zip(*rows, strict=True))
    truth = np.vstack([np.eye(3), np.full(3, np.nan)])[kinds]  # the last kind has no label
    labels = np.column_stack([earlier, kinds % 3 > 0]).astype(float)
    found = detection_columns(score.astype(np.float16), labels, truth, 5.0, TYPES)
    assert (np.isfinite(found["correct"]) == (kinds < 3)).all()
    agreeing = (score.astype(np.float16) > 5) == (kinds > 0)
    assert (found["correct"][kinds < 3] == agreeing[kinds < 3]).all()
    parts = np.array([found["detected"], 1 - found["false_alarm"], 1 - found["late_alarm"]])
    assert (np.isfinite(parts).sum(axis=0) == (kinds < 3)).all(), "one of the three says why"
    np.testing.assert_array_equal(np.nansum(parts, axis=0)[kinds < 3], found["correct"][kinds < 3])


@given(st.lists(st.floats(0, 1e4), min_size=2, max_size=8), st.floats(-10, 100))
def test_probabilities_follow_scores_and_cross_a_half_at_the_threshold(scores, threshold):
    scores = np.sort(np.array(scores))
    found = anomaly_probability(scores, threshold)
    assert (np.diff(found) >= 0).all()
    assert ((found >= 0) & (found <= 1)).all()
    assert (found[scores > threshold] >= 0.5).all()
    assert (found[scores < threshold] <= 0.5).all()


def test_one_value_per_sample_whatever_the_batch():
    rng = np.random.default_rng(0)
    score, truth, labels = rng.gamma(1, size=7), np.eye(3)[rng.integers(3, size=7)], rng.integers(2, size=(7, 4))
    whole = detection_columns(score, labels, truth, 1.0, TYPES)
    for row in range(7):
        cut = slice(row, row + 1)
        one = detection_columns(score[cut], labels[cut], truth[cut], 1.0, TYPES)
        for key, values in whole.items():
            np.testing.assert_array_equal(one[key], values[cut])


def test_a_score_beyond_half_precision_exceeds_any_threshold():
    found = score_columns(np.array([np.inf, 1.0], np.float16), 1e6)
    assert found["is_anomaly"].tolist() == [1, 0]
    assert found["score"].tolist() == [2e6, 1]
    assert read_scores(np.array([70_000.0]), 80_000.0).tolist() == [70_000]
