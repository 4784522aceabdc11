import json
import re

import numpy as np
import pandas as pd
import pytest

from latent_space.insights import (
    Insight,
    Insights,
    add_insights,
    find_insights,
    read_insights,
    sentences,
    write_insights,
)
from latent_space.population import Population
from latent_space.space import sample_space


def make_population(n=500, seed=0, **changes):
    """Two clusters; yellow and wet fails; a duplicate, a leak, a lone sample; a fifth is unlabelled."""
    generator = np.random.default_rng(seed)
    cluster = generator.integers(0, 2, n)
    latents = 5 * generator.normal(size=(2, 12))[cluster] + generator.normal(size=(n, 12))
    split = generator.choice(["training", "validation", "unlabeled"], n, p=[0.5, 0.3, 0.2])
    split[:4] = ["training", "validation", "training", "training"]
    samples = pd.DataFrame(
        {
            "sample_id": [f"s{i}" for i in range(n)],
            "split": split,
            "meta_tote_colour": generator.choice(["yellow", "blue"], n),
            "meta_wet": generator.random(n) < 0.3,
            "meta_level": generator.normal(size=n),
            "meta_image_id": [f"{i}" for i in range(n)],
        }
    )
    fails = (samples["meta_tote_colour"] == "yellow") & samples["meta_wet"]
    loss = np.exp(0.4 * generator.normal(size=n) + 1.5 * fails)
    samples["loss"] = np.where(split == "unlabeled", np.nan, loss)
    samples["metric_quality"] = -samples["loss"]
    samples["metric_other"] = generator.random(n)
    for column, values in changes.items():
        samples[column] = values
    latents[1], latents[2] = latents[0], latents[3]
    latents[4] = 60
    return Population(samples, latents, run={"metrics": {"quality": "Upward", "other": "Downward"}})


@pytest.fixture(scope="module")
def population():
    return make_population()


@pytest.fixture(scope="module")
def found(population):
    return find_insights(population, sample_space(population))


def test_the_planted_slice_comes_first_in_words(found, population):
    first = found.insights[0]
    assert (first.kind, first.measure) == ("low_performance", "loss")
    assert first.title == "loss: tote_colour = yellow, wet = yes"
    assert first.p_value <= 0.01
    assert "Also worse there: quality (-" in first.description
    members = population.samples.set_index("sample_id").loc[list(first.sample_ids)]
    assert (members["meta_tote_colour"] == "yellow").all() and members["meta_wet"].all()
    assert (np.diff(members["loss"]) <= 0).all()
    assert {one["column"] for one in first.explained_by[:2]} == {"meta_tote_colour", "meta_wet"}
    assert sentences(found, 1) == [first.description]
    where = r"in the \d+ of \d+ samples with tote_colour = yellow and wet = yes"
    expected = rf"Loss is [\d.]+ instead of [\d.]+ \([\d.]+ times as high\) {where} \(p < \.001\)\. Also"
    assert re.match(expected, first.description)


def test_checks_find_what_was_planted(found):
    columns = found.columns
    assert np.flatnonzero(columns["is_near_duplicate"]).tolist() == [0, 1, 2, 3]
    assert np.flatnonzero(columns["is_leak"]).tolist() == [0, 1]
    assert columns["is_outlier"][4]
    assert columns["outlier_score"].argmax() == 4
    kinds = {one.kind: one for one in found.insights}
    assert set(kinds["leak"].sample_ids) == {"s0", "s1"}
    assert kinds["near_duplicate"].size == 4
    assert kinds["outlier"].sample_ids[0] == "s4"
    assert not [one for one in found.insights if any(each["column"] == "meta_image_id" for each in one.explained_by)]


def test_every_check_has_a_score_and_a_verdict_per_sample(found, population):
    enriched = add_insights(population, sample_space(population), insights=found).samples
    verdicts = [name for name in found.columns if name.startswith("is_")]
    assert len(verdicts) == 6
    for name in verdicts:
        assert enriched[name].dtype == bool
        assert enriched[f"{name.removeprefix('is_')}_score"].dtype == np.float64
    assert {"cluster_id", "cluster_id_kmeans", "cluster_id_hdbscan", "distance_to_center", "subgroup_id"} <= set(
        enriched
    )
    failing = enriched["is_low_performance"]
    assert enriched["low_performance_score"][failing].mean() > enriched["low_performance_score"][~failing].mean()


@pytest.mark.parametrize(("n_apart", "shown"), [(40, "hdbscan"), (12, "kmeans")])
def test_clusters_of_nearly_all_samples_are_not_the_ones_shown(n_apart, shown):
    latents = np.random.default_rng(0).normal(size=(300, 6))
    latents[:n_apart] += 40
    population = Population(pd.DataFrame({"sample_id": [f"s{i}" for i in range(300)]}), latents)
    found = find_insights(population, sample_space(population))
    assert found.columns["cluster_id_hdbscan"].max() > 0, "several clusters"
    assert found.clusterings["shown"] == shown
    assert (found.columns["cluster_id"] == found.columns[f"cluster_id_{shown}"]).all()


def test_findings_survive_the_file(found, tmp_path):
    path = write_insights(tmp_path, found)
    assert path.name == "insights.json"
    again = read_insights(tmp_path)
    assert again.insights == found.insights
    assert again.clusterings["shown"] in ("hdbscan", "kmeans")
    assert set(json.loads(path.read_text())["insights"][0]) == set(Insight.__dataclass_fields__)


def test_absent_file_has_no_findings(tmp_path):
    assert read_insights(tmp_path).insights == ()


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"insights": [{"id": 1}]}', '{"insights": 3}', '{"insights": [3]}', '{"clusterings": 4}']
)
def test_damaged_file_is_named(tmp_path, content):
    (tmp_path / "insights.json").write_text(content)
    with pytest.raises(ValueError, match=r"insights\.json must"):
        read_insights(tmp_path)


def test_overfitting_is_a_gap_between_validation_and_training():
    base = make_population(900, seed=1)
    samples, generator = base.samples.copy(), np.random.default_rng(0)
    wet_validation = samples["meta_wet"] & (samples["split"] == "validation")
    samples["loss"] = np.exp(0.3 * generator.normal(size=900) + 1.5 * wet_validation)
    population = Population(samples.drop(columns=["metric_quality"]), base.latents, run={})
    found = find_insights(population, sample_space(population)).insights
    overfitting = [one for one in found if one.kind == "overfitting"]
    assert overfitting[0].title == "overfitting: wet = yes"
    assert 0.2 < overfitting[0].severity <= 1
    assert "worse than that of training" in overfitting[0].description


def test_same_seed_same_findings(population, found):
    again = find_insights(population, sample_space(population))
    assert again.insights == found.insights
    for name, values in found.columns.items():
        np.testing.assert_array_equal(again.columns[name], values)


def test_noise_has_almost_no_findings():
    claimed = []
    for seed in range(6):
        generator = np.random.default_rng(seed)
        samples = pd.DataFrame({f"meta_{i}": generator.normal(size=300) for i in range(10)})
        samples["sample_id"] = [f"s{i}" for i in range(300)]
        samples["split"] = generator.choice(["training", "validation"], 300)
        samples["loss"], samples["metric_m"] = generator.gamma(2, 1, 300), generator.random(300)
        population = Population(samples, generator.normal(size=(300, 10)), run={"metrics": {"m": "Downward"}})
        claimed += find_insights(population, sample_space(population)).insights
    assert len(claimed) <= 1, claimed


@pytest.mark.parametrize(
    "changes",
    [
        {"split": "training"},
        {"split": "unlabeled", "loss": np.nan, "metric_quality": np.nan},
        {"metric_other": np.nan},
        {"loss": np.nan},
        {"loss": 1.0},
        {"loss": np.inf},
        {"meta_level": np.nan, "meta_tote_colour": None},
        {"meta_level": [[1]] * 60},
    ],
)
def test_poor_tables_are_handled(changes):
    population = make_population(60, **changes)
    found = find_insights(population, sample_space(population))
    assert all(len(values) == 60 for values in found.columns.values())
    assert all(np.isfinite(one.severity) for one in found.insights)


@pytest.mark.parametrize("n", [1, 2, 3, 12])
def test_few_samples_are_handled(n):
    samples = pd.DataFrame({"sample_id": [f"s{i}" for i in range(n)], "loss": np.arange(float(n))})
    population = Population(samples, np.random.default_rng(0).normal(size=(n, 3)))
    found = find_insights(population, sample_space(population))
    assert found.insights == ()
    assert add_insights(population, sample_space(population), insights=found).samples["cluster_id"].notna().all()


@pytest.mark.parametrize("latents", [np.ones((40, 3)), np.full((40, 3), np.nan), np.eye(40) * [[1.0]] + np.nan * 0])
def test_constant_and_missing_latents_are_handled(latents):
    samples = pd.DataFrame({"sample_id": [f"s{i}" for i in range(40)], "loss": np.arange(40.0), "split": "training"})
    population = Population(samples, latents)
    enriched = add_insights(population, sample_space(population)).samples
    assert not enriched["is_near_duplicate"].any()
    assert not enriched["is_outlier"].any()


def test_rows_without_latents_have_no_cluster(population):
    latents = population.latents.copy()
    latents[9] = np.nan
    partly = Population(population.samples, latents, run=population.run)
    row = add_insights(partly, sample_space(partly)).samples.iloc[9]
    assert row["cluster_id"] == row["subgroup_id"] == row["near_duplicate_group"] == -1
    assert np.isnan(row["outlier_score"]) and np.isnan(row["distance_to_center"])
    assert not row["is_outlier"]


def test_sentences_are_those_of_failing_slices():
    insights = [
        Insight(f"{kind}_1", kind, "", f"About {kind}.", 1, 1.0, None, None, (), ())
        for kind in ("leak", "low_performance")
    ]
    assert sentences(insights) == sentences(Insights(tuple(insights))) == ["About low_performance."]


def test_samples_without_latents_change_nothing_for_the_others():
    population = make_population(300)
    lost = population.samples.head(5).assign(sample_id=[f"lost{i}" for i in range(5)], split="training")
    samples = pd.concat([lost, population.samples], ignore_index=True)
    more = Population(samples, np.vstack([np.full((5, 12), np.nan), population.latents]), run=population.run)
    expected = find_insights(population, sample_space(population))
    found = find_insights(more, sample_space(more))
    assert found.insights == expected.insights
    for name, values in expected.columns.items():
        np.testing.assert_array_equal(found.columns[name][5:], values, err_msg=name)
