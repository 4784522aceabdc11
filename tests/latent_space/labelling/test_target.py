"""Errors and chances of failure, and the words for them."""

import numpy as np
import pandas as pd
import pytest

from latent_space.labelling.target import Target
from latent_space.measures import Measure
from latent_space.population import Population


def target(values, *, higher_is_worse):
    samples = pd.DataFrame({"sample_id": [str(k) for k in range(len(values))], "metric_some_x": values})
    population = Population(samples, np.zeros((len(values), 1), np.float32))
    found = Target.of(population, Measure("metric_some_x", higher_is_worse))
    return found, found.errors(samples).tolist()


@pytest.mark.parametrize(
    ("values", "higher_is_worse", "errors", "failures"),
    [
        ([0.0, 1.0, 1.0], False, [1, 0, 0], "some x = 0"),
        ([0.0, 1.0, 1.0], True, [0, 1, 1], "some x = 1"),
        ([False, True, True], False, [1, 0, 0], "some x = 0"),
        ([0.0, 0.5, 1.0], False, [0, -0.5, -1], "worst 15 % by some x"),
        ([0.0, 2.0, 1.0], True, [0, 2, 1], "worst 15 % by some x"),
        ([-1.5, 1.0, 0.0], True, [-1.5, 1, 0], "worst 15 % by some x"),
    ],
)
def test_errors_by_hand(values, higher_is_worse, errors, failures):
    found, own = target(values, higher_is_worse=higher_is_worse)
    assert own == errors
    assert found.failures == failures


def test_unknown_values_say_nothing_of_the_kind():
    found, own = target([np.nan, 1.0, 0.0], higher_is_worse=False)
    assert found.is_binary
    assert np.isnan(own[0])
    assert not target([np.nan, np.nan], higher_is_worse=True)[0].is_binary


def test_chances_are_told_in_percent_and_known_outcomes_as_they_are():
    wrong = Target(Measure("metric_correct", False), is_binary=True)
    assert wrong.predicted(0.254) == "predicted chance of failure 25 %"
    assert wrong.predicted(0.0254) == "predicted chance of failure 2.5 %"
    assert wrong.predicted(-0.1) == "predicted chance of failure 0 %"
    assert wrong.predicted(1.3) == "predicted chance of failure 100 %"
    assert wrong.between(0.004, 0.3) == "its chance of failure may lie anywhere from 0.4 % to 30 %"
    assert wrong.measured(1.0) == "correct 0"
    assert Target(Measure("metric_late", True), is_binary=True).measured(1.0) == "late 1"


def test_errors_are_told_in_the_measures_own_values():
    f1, loss = Target(Measure("metric_f1", False)), Target(Measure("loss", True))
    assert f1.predicted(-0.5) == "predicted f1 0.5"
    assert f1.between(-0.9, -0.2) == "its f1 may lie anywhere from 0.2 to 0.9"
    assert loss.between(0.2, 0.9) == "its loss may lie anywhere from 0.2 to 0.9"
    assert f1.measured(0.0) == "f1 0"
