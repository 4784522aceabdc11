"""What is accepted as scores and labels."""

import numpy as np
import pytest

from anomaly_detection.scores import checked_labels, checked_scores


@pytest.mark.parametrize("labels", [[0, 1], [0.0, 1.0], [False, True], np.array([0, 1], np.uint8)])
def test_labels_become_booleans(labels):
    assert checked_labels(labels).tolist() == [False, True]


@pytest.mark.parametrize("labels", [[0, -1], [0, 0.5], ["0", "1"], [0, np.nan]])
def test_other_labels_are_named(labels):
    with pytest.raises(ValueError, match=r"labels must be 0 or 1; got .*"):
        checked_labels(labels)


def test_lengths_are_compared():
    with pytest.raises(ValueError, match=r"labels must be \(3,\), one per score; got shape \(2,\)"):
        checked_labels([0, 1], 3)
    with pytest.raises(ValueError, match=r"labels must be one-dimensional; got shape \(1, 2\)"):
        checked_labels([[0, 1]])


def test_scores_become_floats():
    assert checked_scores([1, 2]).dtype == np.float64


def test_the_first_score_that_is_not_finite_is_named():
    with pytest.raises(ValueError, match=r"scores must be finite; got -inf in row 1"):
        checked_scores([0.0, -np.inf, np.nan])
