"""Which measure labels are spent on."""

import numpy as np
import pytest

from latent_space.labelling.choice import choose_target
from latent_space.labelling.target import Target
from latent_space.measures import Measure
from latent_space.population import Population


@pytest.fixture
def detected(population):
    """The loss is known for all; whether the verdict was right for the labelled samples alone."""
    new = (population.samples["split"] == "unlabeled").to_numpy()
    kinds = np.arange(300)
    samples = population.samples.assign(
        loss=np.linspace(1, 2, 300),
        metric_score=kinds / 7,
        metric_found=np.where(new | (kinds % 3 > 0), np.nan, kinds % 2),
        metric_right=np.where(new, np.nan, kinds % 2),
        metric_rank=np.where(new, np.nan, kinds),
    )
    directions = {"score": "Downward", "found": "Upward", "right": "Upward", "rank": "Downward"}
    return Population(samples, population.latents, run=population.run | {"metrics": directions})


def test_a_measure_goes_by_its_name_with_or_without_prefix(population):
    assert choose_target(population, "loss").target == Target(Measure("loss", True))
    assert choose_target(population, "quality") == choose_target(population, "metric_quality")
    assert choose_target(population, "quality").target.measure.higher_is_worse is False
    assert choose_target(population, "quality").sentence == ""


def test_a_loss_that_takes_a_label_is_the_measure(population):
    found = choose_target(population, None)
    assert found.target == Target(Measure("loss", True))
    assert found.sentence == "Measure: loss, which takes a label to know."


def test_without_any_loss_there_is_no_measure(population):
    blank = population.with_column("loss", np.full(300, np.nan), replace=True)
    for name in (None, "loss"):
        found = choose_target(blank, name)
        assert (found.target, found.sentence) == (None, "")


def test_where_the_loss_takes_no_label_a_metric_does(detected):
    found = choose_target(detected, None)
    assert found.target == Target(Measure("metric_right", False), is_binary=True)
    assert found.sentence == (
        "Measure: right (0 is a failure), which takes a label to know; the loss of unlabelled samples is measured "
        "already (--measure loss ranks by it)."
    )
    assert choose_target(detected, "loss").target == Target(Measure("loss", True))


def test_a_metric_that_is_not_0_or_1_says_no_failure(detected):
    found = choose_target(detected.with_column("metric_right", np.ones(300), replace=True), None)
    assert found.target == Target(Measure("metric_rank", True))
    assert found.sentence.startswith("Measure: rank, which takes a label to know")


@pytest.mark.parametrize(("n_missing", "chosen"), [(22, "right"), (23, "rank")])
def test_a_metric_may_lack_a_tenth_of_the_labelled_samples(detected, n_missing, chosen):
    values = detected.samples["metric_right"].to_numpy(copy=True)
    values[np.flatnonzero(np.isfinite(values))[:n_missing]] = np.nan
    found = choose_target(detected.with_column("metric_right", values, replace=True), None)
    assert found.target.measure.name == chosen


def test_without_such_a_metric_it_is_the_loss_again(detected):
    samples = detected.samples.drop(columns=["metric_right", "metric_rank"])
    found = choose_target(Population(samples, detected.latents, run=detected.run), None)
    assert found.target == Target(Measure("loss", True))
    assert found.sentence == "Measure: loss, since no metric is known for all labelled samples and for no other."


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("empty", "measure must be one of loss, quality; got 'empty', which has no two different values"),
        ("nothing", "measure must be one of loss, quality; got 'nothing'[.]"),
    ],
)
def test_a_measure_without_values_is_refused(population, name, message):
    with pytest.raises(ValueError, match=message):
        choose_target(population, name)


def test_of_many_measures_the_closest_are_listed(population):
    names = [f"recall_{k:02d}" for k in range(30)] + ["precision"]
    samples = population.samples.assign(**{f"metric_{name}": np.arange(300.0) for name in names})
    many = Population(samples, population.latents, run={"metrics": dict.fromkeys(names, "Upward")})
    with pytest.raises(ValueError, match="measure must be one of ") as error:
        choose_target(many, "presicion")
    message = str(error.value)
    assert message.startswith("measure must be one of precision, loss, recall_00,")
    assert message.count("recall_") == 8
    assert message.endswith(" and 22 more; got 'presicion'.")
