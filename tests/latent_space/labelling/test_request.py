"""What a user may ask of a population, and what is refused with a word."""

import numpy as np
import pandas as pd
import pytest

from latent_space.labelling.request import (
    Request,
    candidates,
    chosen_measure,
    column,
    comparable_errors,
    is_labelled,
    known_columns,
)
from latent_space.measures import Measure
from latent_space.population import Population


def test_a_measure_goes_by_its_name_with_or_without_prefix(population):
    assert chosen_measure(population, "loss") == Measure("loss", True)
    assert chosen_measure(population, "quality") == chosen_measure(population, "metric_quality")
    assert chosen_measure(population, "quality").higher_is_worse is False


def test_without_any_loss_there_is_no_measure_and_no_label(population):
    blank = population.with_column("loss", np.full(300, np.nan), replace=True)
    assert chosen_measure(blank, "loss") is None
    assert not is_labelled(blank).any()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("empty", "measure must be one of loss, metric_quality; got 'empty', which has no two different values"),
        ("nothing", "measure must be one of loss, metric_quality; got 'nothing'[.]"),
    ],
)
def test_a_measure_without_values_is_refused(population, name, message):
    with pytest.raises(ValueError, match=message):
        chosen_measure(population, name)


def test_training_errors_are_moved_to_what_unseen_samples_have(population):
    seen = (population.samples["split"] == "training").to_numpy()
    loss = population.samples["loss"].to_numpy()
    overfitted = population.with_column("loss", np.where(seen, loss / 1000, loss), replace=True)
    errors = comparable_errors(overfitted, Measure("loss", True))
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
    assert np.array_equal(comparable_errors(few, Measure("loss", True)), loss, equal_nan=True)


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
    loss = Measure("loss", True)
    np.testing.assert_array_equal(known_columns(population, loss), population.samples[["meta_scene"]])
    more = population.with_column("metric_confidence", np.linspace(0, 1, 300)).with_column("meta_flag", [True] * 300)
    assert known_columns(more, loss).shape == (300, 2), "a column of one value tells nothing"
    assert known_columns(more, Measure("metric_confidence", False)) is None, "it needs no label"
    bare = Population(population.samples[["sample_id", "split", "loss"]], population.latents)
    assert known_columns(bare, loss) is None
