import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from latent_space.insights import find_insights
from latent_space.insights.effects import compared, effect_of
from latent_space.population import Population
from latent_space.space import sample_space


def make_population(columns, *, n=600, seed=0, directions=None, unlabeled=0.0):
    """Samples without structure in latent space; `columns` makes the measures."""
    generator = np.random.default_rng(seed)
    samples = pd.DataFrame(
        {
            "sample_id": [f"s{i}" for i in range(n)],
            "split": np.where(generator.random(n) < unlabeled, "unlabeled", "validation"),
            **{f"meta_{name}": generator.random(n) < 0.15 for name in ("wet", "old", "dim")},
            **{f"meta_level_{i}": generator.normal(size=n) for i in range(3)},
        }
    )
    for name, values in columns(generator, samples).items():
        samples[name] = values
    return Population(samples, generator.normal(size=(n, 6)), run={"metrics": directions or {}})


def findings(population, *kinds):
    found = find_insights(population, sample_space(population)).insights
    return [one for one in found if one.kind in (kinds or ("low_performance",))]


def in_all(generator, samples, effects):
    return generator.normal(size=len(samples)) + sum(size * samples[f"meta_{name}"] for name, size in effects.items())


def test_the_strongest_comes_first_whatever_the_units():
    def columns(generator, samples):
        return {
            "loss": 1e3 * in_all(generator, samples, {"old": 1.3}),
            "metric_miss": 1e-6 * (10 + in_all(generator, samples, {"wet": 3.0})),
        }

    found = findings(make_population(columns, directions={"miss": "Downward"}))
    assert [one.title for one in found[:2]] == ["miss: wet = yes", "loss: old = yes"]
    severities = [one.severity for one in found]
    assert severities == sorted(severities, reverse=True)
    assert all(0 < one <= 1 for one in severities)


def test_severity_does_not_depend_on_units():
    generator = np.random.default_rng(0)
    inside = np.arange(200) < 50
    errors = np.exp(generator.normal(size=200) + inside)
    layers = np.zeros(200, np.int64)
    base = effect_of(errors, inside, ~inside, layers)
    other = effect_of(-2000 + 1000 * errors, inside, ~inside, layers)
    assert other.severity == pytest.approx(base.severity)
    assert (base.inside, base.outside) == (errors[inside].mean(), errors[~inside].mean())


def test_severity_by_hand():
    # Half of the samples have the lower of two values each: membership and ranks are the same thing.
    inside = np.arange(40) < 20
    one = effect_of(inside.astype(float), inside, ~inside, np.zeros(40, np.int64))
    assert one.severity == pytest.approx(1.0)
    assert one.difference == pytest.approx(2.0)
    # The means differ by a twentieth only: half of the severity.
    assert effect_of(2.0 + 0.1 * inside, inside, ~inside, np.zeros(40, np.int64)).severity == pytest.approx(0.5)


@pytest.mark.parametrize("inside", [[True, True], [False, False]])
def test_nothing_to_compare_with_is_no_effect(inside):
    own = np.array(inside)
    one = effect_of(np.array([1.0, 2.0]), own, ~own, np.zeros(2, np.int64))
    assert (one.severity, one.matters) == (0.0, False)


def test_a_measure_known_only_in_another_slice_is_handled():
    def columns(generator, samples):
        wet, old = samples["meta_wet"], samples["meta_old"]
        depth = np.where(wet, generator.normal(size=len(samples)) + 3.0 * old, np.nan)
        return {"loss": in_all(generator, samples, {"wet": 4.0}), "metric_depth": depth}

    found = findings(make_population(columns, n=1500, directions={"depth": "Downward"}))
    assert [one.title for one in found] == ["loss: wet = yes", "depth: old = yes"]


def test_a_sure_but_small_difference_is_not_reported():
    def columns(generator, samples):
        return {"loss": in_all(generator, samples, {}) + 0.35 * (samples["meta_level_0"] > 0)}

    assert findings(make_population(columns, n=3000)) == []


def test_measures_that_fail_together_are_one_finding():
    def columns(generator, samples):
        failing = {"wet": 2.5}
        return {
            "loss": in_all(generator, samples, failing),
            "metric_miss": in_all(generator, samples, failing),
            "metric_recall": -in_all(generator, samples, {"wet": 4.0}),
            "metric_other": in_all(generator, samples, {"old": 3.0}),
        }

    directions = {"miss": "Downward", "recall": "Upward", "other": "Downward"}
    first, second = findings(make_population(columns, directions=directions))
    assert first.title == "recall: wet = yes"
    assert "Also worse there: " in first.description
    named = re.findall(r"(\w+) \(-?[\d.]+ instead of -?[\d.]+\)", first.description.split("Also worse there: ")[1])
    assert sorted(named) == ["loss", "miss"]
    assert second.title == "other: old = yes"
    assert "Also" not in second.description


def test_three_other_measures_come_with_their_means_and_the_rest_by_name():
    names = [f"m{number}" for number in range(14)]

    def columns(generator, samples):
        return {f"metric_{name}": in_all(generator, samples, {"wet": 4.0}) for name in names}

    (first,) = findings(make_population(columns, directions=dict.fromkeys(names, "Downward")))
    others = first.description.split("Also worse there: ")[1]
    assert len(re.findall(r"m\d+ \(", others)) == 3
    assert len(re.findall(r"m\d+", others)) == 11
    assert others.endswith(" and 2 more.")


def test_a_measure_that_is_not_worse_in_a_slice_is_not_named_there():
    def columns(generator, samples):
        wet, both = samples["meta_wet"], samples["meta_wet"] & samples["meta_old"]
        return {"loss": in_all(generator, samples, {"wet": 4.0}), "metric_miss": 6.0 * both - 2.0 * (wet & ~both)}

    first, *_ = findings(make_population(columns, n=1200, directions={"miss": "Downward"}))
    assert first.title == "loss: wet = yes"
    assert "miss" not in first.description


def test_a_part_that_fails_in_another_way_is_a_finding_of_its_own():
    def columns(generator, samples):
        high = samples["meta_level_0"] > 0.5
        part = high & samples["meta_wet"]
        noise = generator.normal(size=(2, len(samples)))
        return {"loss": noise[0] + 2.5 * high, "metric_miss": noise[1] + 5.0 * part}

    found = findings(make_population(columns, n=1200, directions={"miss": "Downward"}))
    assert {one.measure for one in found} == {"loss", "metric_miss"}
    assert next(one for one in found if one.measure == "metric_miss").title.startswith("miss: wet = yes, level_0 > 0.5")


def test_what_needs_no_ground_truth_is_unusual_and_no_failure():
    def columns(generator, samples):
        unlabeled = samples["split"] == "unlabeled"
        return {
            "loss": in_all(generator, samples, {"dim": 5.0}),  # known for all: an error of reconstruction
            "metric_confidence": -in_all(generator, samples, {"dim": 4.0}),
            "metric_miss": np.where(unlabeled, np.nan, in_all(generator, samples, {"wet": 2.0})),
        }

    population = make_population(columns, n=900, unlabeled=0.3, directions={"confidence": "Upward", "miss": "Downward"})
    found = find_insights(population, sample_space(population))
    assert [one.title for one in found.insights if one.kind == "low_performance"] == ["miss: wet = yes"]
    (unusual,) = (one for one in found.insights if one.kind == "unusual_prediction")
    assert unusual.title == "loss: dim = yes"
    assert unusual.description.endswith("This needs no ground truth: it tells what is unusual, not what is wrong.")
    assert "Also: confidence (" in unusual.description
    failing = found.columns["is_low_performance"]
    assert not failing[(population.samples["meta_dim"] & ~population.samples["meta_wet"]).to_numpy()].any()


def test_without_any_ground_truth_the_loss_is_what_fails():
    def columns(generator, samples):
        return {"loss": in_all(generator, samples, {"dim": 5.0})}

    (first,) = findings(make_population(columns, unlabeled=0.3))
    assert first.title == "loss: dim = yes"
    assert findings(make_population(columns, unlabeled=0.3), "unusual_prediction") == []


def test_sentences_say_what_fails_where_and_by_how_much():
    def columns(generator, samples):
        wet = samples["meta_wet"].to_numpy()
        return {
            "loss": np.where(wet, 3.0, 1.0) * generator.uniform(0.9, 1.1, len(samples)),
            "metric_detected": np.where(samples["meta_old"], 0.0, 1.0),
            "metric_f1": np.where(samples["meta_dim"], 0.2, 0.8) + generator.uniform(-0.01, 0.01, len(samples)),
        }

    population = make_population(columns, n=1000, directions={"detected": "Upward", "f1": "Upward"})
    sizes = {name: int(population.samples[f"meta_{name}"].sum()) for name in ("wet", "old", "dim")}
    texts = {one.measure: one.description for one in findings(population)}
    assert texts["loss"] == (
        f"Loss is 3 instead of 1 (3 times as high) in the {sizes['wet']} of 1,000 samples with wet = yes (p < .001)."
    )
    assert texts["metric_detected"] == (
        f"Detected is 0% instead of 100% in the {sizes['old']} of 1,000 samples with old = yes (p < .001)."
    )
    assert texts["metric_f1"] == (
        f"F1 is .2 instead of .8 (75% lower) in the {sizes['dim']} of 1,000 samples with dim = yes (p < .001)."
    )


def test_a_finding_names_at_most_three_conditions_and_holds_all_samples_that_meet_them():
    def columns(generator, samples):
        return {"loss": in_all(generator, samples, {"wet": 3.0, "old": 2.0})}

    population = make_population(columns, n=1200)
    found = findings(population)
    by_title = {one.title: one for one in found}
    assert by_title["loss: wet = yes"].size == population.samples["meta_wet"].sum()
    assert by_title["loss: old = yes"].size == population.samples["meta_old"].sum()
    for one in found:
        assert len(one.explained_by) <= 3
        losses = population.samples.set_index("sample_id")["loss"].loc[list(one.sample_ids)]
        assert (np.diff(losses) <= 0).all()


@pytest.mark.parametrize(
    ("inside", "outside", "shares", "text"),
    [
        (0.258, 0.371, False, ".26 instead of .37 (30% lower)"),
        (0.2162, 0.2011, False, ".216 instead of .201 (8% higher)"),
        (5.83, 2.16, False, "5.8 instead of 2.2 (2.7 times as high)"),
        (0.0, 0.953, False, "0 instead of .95"),
        (0.0, 0.953, True, "0% instead of 95%"),
        (0.994, 0.999, True, "99.4% instead of 99.9%"),
        (1234.5, 101.2, False, "1234 instead of 101 (12 times as high)"),
        (-1.0, -2.0, False, "-1 instead of -2"),
        (3.0, 0.0, False, "3 instead of 0"),
        (1e-8, 5e-9, False, "1e-08 instead of 5e-09 (2 times as high)"),
    ],
)
def test_two_means_in_words(inside, outside, shares, text):
    assert compared(inside, outside, shares=shares) == text


@given(st.floats(0, 1e9), st.floats(0, 1e9))
def test_two_means_that_differ_are_written_differently_or_say_so(inside, outside):
    text = compared(inside, outside)
    assert " instead of " in text
    assert "e+" not in text.split(" (")[0]
