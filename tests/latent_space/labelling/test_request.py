"""What a user may ask of a population, and what is refused with a word."""

import numpy as np
import pandas as pd
import pytest

from latent_space.labelling.request import (
    Request,
    candidates,
    check_classes,
    check_groups,
    column,
    comparable_errors,
    known_columns,
)
from latent_space.labelling.target import Target
from latent_space.measures import Measure
from latent_space.population import Population

LOSS = Target(Measure("loss", True))


def test_training_errors_are_moved_to_what_unseen_samples_have(population):
    seen = (population.samples["split"] == "training").to_numpy()
    loss = population.samples["loss"].to_numpy()
    overfitted = population.with_column("loss", np.where(seen, loss / 1000, loss), replace=True)
    errors = comparable_errors(overfitted, LOSS)
    unseen = np.isfinite(loss) & ~seen
    assert np.array_equal(errors[unseen], loss[unseen])
    assert np.isnan(errors[~np.isfinite(loss)]).all()
    assert np.median(errors[seen]) == pytest.approx(np.median(loss[unseen]), rel=0.2)
    order = pd.Series(loss[seen]).rank()
    assert pd.Series(errors[seen]).rank().corr(order) > 0.999


def test_few_unseen_labels_leave_the_errors_as_they_are(population):
    split = np.where(np.arange(300) < 290, "training", "validation")
    few = population.with_column("split", split, replace=True)
    loss = few.samples["loss"].to_numpy()
    assert np.array_equal(comparable_errors(few, LOSS), loss, equal_nan=True)


def test_what_failed_in_training_stays_failed(population):
    split = population.samples["split"]
    right = np.where(split == "unlabeled", np.nan, (np.arange(300) % 25 > 0).astype(float))
    right[(split == "validation").to_numpy()] = 1.0  # moved to these values, training would have no failure
    judged = population.with_column("metric_right", right)
    errors = comparable_errors(judged, Target(Measure("metric_right", False), is_binary=True))
    np.testing.assert_array_equal(errors, 1 - right)


def test_candidates_are_without_label_and_chosen(population):
    assert candidates(population, Request(5)).sum() == 75
    ids = ["sample 3", "sample 7", "sample 8"]
    assert np.flatnonzero(candidates(population, Request(5, sample_ids=ids))).tolist() == [3, 7]


def test_a_column_goes_without_its_prefix(population):
    assert column(population, "colour", "groups").name == "meta_colour"
    with pytest.raises(ValueError, match="floor must be a column of the run's samples; got 'flavour'"):
        column(population, "flavour", "floor")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sample_ids": ["sample 3", "x", "y"]}, "sample_ids must be of this run; got 'x' and 1 more, which it does"),
        ({"sample_ids": ["sample 0"]}, "sample_ids must name samples without a label; got 1 without any"),
    ],
)
def test_ids_that_cannot_be_picked_are_refused(population, options, message):
    with pytest.raises(ValueError, match=message):
        candidates(population, Request(5, **options))


def test_a_run_without_unlabelled_samples_is_refused(population):
    full = population.with_column("loss", np.arange(300.0), replace=True)
    full = full.with_column("split", ["validation"] * 300, replace=True)
    with pytest.raises(ValueError, match="run must have samples without a label; got 300 samples that all have one"):
        candidates(full, Request(5))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"budget": 0}, "budget must be at least 1; got 0"),
        ({"budget": 5, "strategy": "best"}, "strategy must be one of auto, .*; got 'best'"),
    ],
)
def test_a_request_that_asks_nothing_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        Request(**options)


def test_known_columns_are_numbers_of_every_sample_and_not_the_measure_itself(population):
    np.testing.assert_array_equal(known_columns(population, LOSS), population.samples[["meta_scene"]])
    more = population.with_column("metric_confidence", np.linspace(0, 1, 300)).with_column("meta_flag", [True] * 300)
    assert known_columns(more, LOSS).shape == (300, 2), "a column of one value tells nothing"
    assert known_columns(more, Target(Measure("metric_confidence", False))) is None, "it needs no label"
    bare = Population(population.samples[["sample_id", "split", "loss"]], population.latents)
    assert known_columns(bare, LOSS) is None


def test_a_loss_that_is_measured_for_all_is_known_beside_another_measure(population):
    right = np.where(population.samples["split"] == "unlabeled", np.nan, np.arange(300) % 2)
    judged = population.with_column("metric_right", right).with_column("loss", np.arange(300.0) ** 2, replace=True)
    target = Target(Measure("metric_right", False), is_binary=True)
    assert known_columns(judged, target).shape == (300, 2)
    repeated = judged.with_column("metric_error", np.arange(300.0) ** 2)
    assert known_columns(repeated, target).shape == (300, 2), "a loss that a metric repeats counts once"


@pytest.mark.parametrize(
    ("values", "got"),
    [
        (np.arange(300) / 10, "numbers with decimals"),
        (np.arange(300), "300 different values"),
        (np.zeros(300, int), "1 different values"),
        (np.array(["a", None] * 150, object), "1 different values"),
        (np.array([None] * 300, object), "0 different values"),
    ],
)
def test_what_are_no_classes_is_refused(values, got):
    with pytest.raises(ValueError, match=rf"classes must be a column of 2 to \d+ classes, for .*; got 'x', {got}[.]"):
        check_classes(values, "x")


@pytest.mark.parametrize("values", [np.arange(300) % 60, np.arange(9), np.array([0.0, 1.0, np.nan]), np.empty(0)])
def test_what_may_be_classes_is_taken(values):
    check_classes(values, "x")


def test_groups_that_are_all_larger_than_the_budget_are_refused():
    groups, free = np.array(["a"] * 6 + ["b"] * 5 + ["c"]), np.arange(12) < 11
    with pytest.raises(ValueError, match="budget must be at least 5, the size of the smallest group of 'scene'; got 4"):
        check_groups(groups, free, Request(4, groups="scene"))
    check_groups(groups, free, Request(5, groups="scene"))
