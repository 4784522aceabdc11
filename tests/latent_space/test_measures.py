import numpy as np
import pandas as pd

from latent_space.measures import measures
from latent_space.population import Population

SAMPLES = pd.DataFrame(
    {
        "sample_id": ["a", "b", "c"],
        "loss": [0.1, np.nan, 0.3],
        "metric_f1": [0.9, np.inf, 0.2],
        "metric_missed": [0.0, 2.0, 1.0],
        "metric_flat": [1.0, 1.0, 1.0],
        "metric_text": ["x", "y", "z"],
        "metric_unknown": [1.0, 2.0, 3.0],
    }
)
METRICS = {"group": {"f1": "Upward", "missed": "Downward", "text": "Upward"}, "flat": "Upward", "absent": "Downward"}


def test_loss_first_then_metrics_of_known_direction_that_vary():
    found = measures(Population(SAMPLES, np.zeros((3, 1)), run={"metrics": METRICS}))
    assert [(one.column, one.higher_is_worse) for one in found] == [
        ("loss", True),
        ("metric_f1", False),
        ("metric_missed", True),
    ]


def test_errors_are_higher_where_worse_and_nan_where_there_is_none():
    loss, f1, missed = measures(Population(SAMPLES, np.zeros((3, 1)), run={"metrics": METRICS}))
    np.testing.assert_array_equal(loss.errors(SAMPLES), [0.1, np.nan, 0.3])
    np.testing.assert_array_equal(f1.errors(SAMPLES), [-0.9, np.nan, -0.2])
    np.testing.assert_array_equal(missed.errors(SAMPLES), [0, 2, 1])


def test_a_run_that_says_nothing_of_metrics_has_the_loss_alone():
    for run in ({}, {"metrics": None}, {"metrics": ["f1"]}):
        assert [one.column for one in measures(Population(SAMPLES, np.zeros((3, 1)), run=run))] == ["loss"]
