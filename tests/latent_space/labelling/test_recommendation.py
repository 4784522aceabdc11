"""From a population to `labelling.csv` and its curve, with all that may be missing."""

import csv
import json

import numpy as np
import pandas as pd
import pytest

from latent_space.curves import read_curves
from latent_space.labelling import predict_error, recommendation
from latent_space.labelling.recommendation import as_facts, recommend_labelling
from latent_space.labelling.replay import replay
from latent_space.labelling.request import Request
from latent_space.population import Population
from latent_space.run_folder import to_json


@pytest.fixture(autouse=True)
def few_seeds(monkeypatch):
    """Replay two strategies twice instead of all ten times: what is tested here is what becomes of it."""
    few = {"n_seeds": 2, "strategies": ("auto", "random")}
    monkeypatch.setattr(recommendation, "replay", lambda *args, **options: replay(*args, **few, **options))


def test_the_table_is_ranked_and_reasoned(population):
    found = recommend_labelling(population, Request(20))
    table = found.table
    assert table["rank"].tolist() == list(range(1, 21))
    samples = population.samples.set_index("sample_id").loc[table["sample_id"]]
    assert (samples["split"] == "unlabeled").all()
    assert table["sample_id"].is_unique
    assert (table["predicted_error_low"] <= table["predicted_error"]).all()
    assert (table["predicted_error"] <= table["predicted_error_high"]).all()
    assert table["reason"].str.contains("predicted loss").all()
    assert found.accuracy.n_known == 225
    assert len(found.curves) == 1
    assert "failures (worst 15 % by loss)" in found.curves[0].sentence
    assert found.notes == ()
    predicted = found.population.samples["predicted_error"]
    assert predicted.notna().all()
    assert predicted[samples.index.map(population.samples["sample_id"].tolist().index)].tolist() == pytest.approx(
        table["predicted_error"].tolist()
    )


def test_what_is_written_reads_back(population, tmp_path):
    population.save(tmp_path)
    found = recommend_labelling(population, Request(5, classes="class"))
    path = found.write(tmp_path)
    with path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [
        "rank",
        "sample_id",
        "predicted_error",
        "predicted_error_low",
        "predicted_error_high",
        "reason",
    ]
    assert [row["sample_id"] for row in rows] == found.table["sample_id"].tolist()
    assert read_curves(tmp_path)["labelling"] == list(found.curves)
    assert {"labelling.png", "labelling_probe.png", "curves.json"} <= {one.name for one in tmp_path.iterdir()}
    assert Population.load(tmp_path).samples["predicted_error_high"].notna().all()
    assert json.loads(json.dumps(to_json(as_facts(found))))["picks"][0]["rank"] == 1
    again = recommend_labelling(Population.load(tmp_path), Request(5, classes="class"))
    assert again.table.equals(found.table)


def test_names_that_would_break_a_table_or_a_page_come_back_whole(population, tmp_path):
    names = [f'{k}, "<script>" тест' for k in range(300)]
    strange = population.with_column("sample_id", names, replace=True)
    path = recommend_labelling(strange, Request(3)).write(tmp_path)
    assert set(pd.read_csv(path)["sample_id"]) <= set(names)


def test_without_labels_coverage_alone_picks_and_says_so(population):
    blank = population.with_column("loss", np.full(300, np.nan), replace=True)
    found = recommend_labelling(blank, Request(10))
    assert len(found.table) == 10
    assert found.table["predicted_error"].isna().all()
    assert found.accuracy is None
    assert found.curves == ()
    assert found.notes == (
        "No sample has a label, so nothing is predicted and no curve can be drawn: ranked without it.",
    )
    assert "predicted_error" not in found.population.samples
    with pytest.raises(ValueError, match="predicted_error must be given for strategy 'failure'"):
        recommend_labelling(blank, Request(10, strategy="failure"))


def test_few_labels_give_no_curve_and_say_so(population):
    labelled = np.flatnonzero(population.samples["split"] != "unlabeled")[:5]
    few = np.where(np.isin(np.arange(300), labelled), np.arange(300.0), np.nan)
    found = recommend_labelling(population.with_column("loss", few, replace=True), Request(10))
    assert found.curves == ()
    assert found.notes == (
        "The labelled samples tell nothing about the error of the others: coverage alone ranks them.",
        "No curve: it takes 40 labelled samples whose loss is not the same, and 6 failures.",
    )


def test_a_loss_that_is_always_the_same_leaves_coverage(population):
    loss = np.where(population.samples["loss"].notna(), 1.0, np.nan)
    found = recommend_labelling(population.with_column("loss", loss, replace=True), Request(4))
    assert len(found.table) == 4
    assert "coverage alone ranks them" in found.notes[0]


def test_a_budget_larger_than_the_pool_takes_all_and_says_so(population):
    found = recommend_labelling(population, Request(1000))
    assert len(found.table) == 75
    assert found.notes == ("75 instead of 1,000: there are no more samples that can be picked.",)


def test_a_lasso_restricts_and_labelled_ones_in_it_are_told(population):
    found = recommend_labelling(population, Request(10, sample_ids=["sample 3", "sample 7", "sample 8"]))
    assert sorted(found.table["sample_id"]) == ["sample 3", "sample 7"]
    assert "Of the chosen samples 1 have a label already." in found.notes


def test_groups_and_floors_come_from_columns(population):
    found = recommend_labelling(population, Request(12, groups="scene", floors={"colour": 4}))
    rows = [int(name.split()[1]) for name in found.table["sample_id"]]
    for scene in {row // 8 for row in rows}:
        assert sum(row // 8 == scene for row in rows) == sum(row % 4 == 3 for row in range(300) if row // 8 == scene)
    colours = population.samples["meta_colour"][rows].value_counts()
    assert colours.min() >= 4


def test_constant_latents_are_ranked_and_told(population):
    flat = Population(population.samples, np.ones((300, 4), np.float32), run=population.run)
    found = recommend_labelling(flat, Request(5))
    assert len(found.table) == 5
    assert found.notes[-1] == "All latents are the same: nothing tells the samples apart."


def test_latents_as_large_as_float32_holds_are_told_apart(population):
    huge = np.where(population.latents > 0, np.float32(3e38), np.float32(-3e38))
    found = recommend_labelling(Population(population.samples, huge, run=population.run), Request(5))
    assert not any("All latents are the same" in note for note in found.notes)


def test_latents_that_are_not_finite_are_left_out_and_told(population):
    latents = population.latents.copy()
    latents[[3, 4]] = np.nan
    found = recommend_labelling(Population(population.samples, latents, run=population.run), Request(100))
    assert "sample 3" not in set(found.table["sample_id"])
    assert found.notes[0] == "Left out, because their latents are not finite: 1."
    assert found.population.samples["predicted_error"].isna().sum() == 2
    broken = np.where((population.samples["split"] == "unlabeled").to_numpy()[:, None], np.nan, latents)
    with pytest.raises(ValueError, match="samples without a label must have finite latents; got none that has"):
        recommend_labelling(Population(population.samples, broken, run=population.run), Request(1))


def test_a_metric_is_predicted_in_its_own_direction(population):
    by_loss, by_metric = (recommend_labelling(population, Request(8, measure=name)) for name in ("loss", "quality"))
    assert by_metric.table["sample_id"].tolist() == by_loss.table["sample_id"].tolist()
    assert by_metric.table["reason"].str.contains("predicted quality -").all()


def test_a_few_samples_are_enough(population):
    small = Population(population.samples[:6], population.latents[:6], run=population.run)
    assert len(recommend_labelling(small, Request(5)).table) == 1


def test_a_loss_that_needs_no_label_is_taken_as_it_is(population):
    samples = population.samples.copy()
    new = samples["split"] == "unlabeled"
    samples.loc[new, "loss"] = np.linspace(5, 6, new.sum())
    measuring = Population(samples, population.latents, run=population.run)
    found = recommend_labelling(measuring, Request(8, measure="loss"))
    measured = samples.set_index("sample_id")["loss"].loc[found.table["sample_id"]]
    assert (samples.set_index("sample_id")["split"].loc[found.table["sample_id"]] == "unlabeled").all()
    for name in ("predicted_error", "predicted_error_low", "predicted_error_high"):
        np.testing.assert_array_equal(found.table[name], measured)
    assert not found.table["reason"].str.contains("predicted").any()
    assert found.notes == (
        "The loss of unlabelled samples is measured, not predicted: sorting by it takes no label, so there is no curve "
        "of labels saved.",
    )
    assert found.curves == ()
    assert found.accuracy is None, "nothing is predicted of those that may be picked"
    blind = Population(population.samples.drop(columns="meta_scene"), population.latents, run=population.run)
    before = recommend_labelling(blind, Request(8))  # what needs no label might tell the loss away: it is not used
    own, other = (one.population.samples["predicted_error"][~new] for one in (found, before))
    assert own.equals(other), "they teach nothing"


@pytest.fixture
def detected(population, failing_side):
    """A loss that takes no label, and a verdict that is known where there is one: wrong on the failing side."""
    new = (population.samples["split"] == "unlabeled").to_numpy()
    samples = population.samples.drop(columns="metric_quality").assign(
        loss=np.linspace(5, 6, 300), metric_right=np.where(new, np.nan, failing_side[1] < 2)
    )
    return Population(samples, population.latents, run={"metrics": {"right": "Upward"}})


def test_where_the_loss_takes_no_label_it_is_told_what_the_labels_are_for(detected):
    found = recommend_labelling(detected, Request(10))
    assert (found.measure, found.choice[:36]) == ("metric_right", "Measure: right (0 is a failure), whi")
    assert as_facts(found)["choice"] == found.choice
    assert found.table["reason"].str.contains("predicted chance of failure").all()
    picked = detected.samples["sample_id"].isin(found.table["sample_id"]).to_numpy()
    assert (detected.latents[picked, 0] > 1).mean() > 0.4, "the side that fails, which holds a sixth"
    for name in ("predicted_error", "predicted_error_low", "predicted_error_high"):
        assert found.population.samples[name].between(0, 1).all()
    wrong = (detected.samples["metric_right"] == 0).sum()
    assert found.accuracy.calibration.n_failed == wrong
    assert found.curves[0].y_label == "failures found (right = 0), %"
    assert "(right = 0)" in found.curves[0].sentence
    assert found.notes == ()
    by_name = recommend_labelling(detected, Request(10, measure="right"))
    assert by_name.choice == ""
    assert by_name.table.equals(found.table)


def test_training_windows_without_labels_may_be_picked_too(detected):
    training = (detected.samples["split"] == "training").to_numpy()
    right = np.where(training, np.nan, detected.samples["metric_right"])
    partly = detected.with_column("metric_right", right, replace=True)
    found = recommend_labelling(partly, Request(40))
    splits = partly.samples.set_index("sample_id")["split"].loc[found.table["sample_id"]]
    assert set(splits) == {"training", "unlabeled"}
    assert found.measure == "metric_right"
    assert found.accuracy.n_known == np.isfinite(right).sum() == 75
    assert "75 labelled samples" in found.curves[0].sentence
    by_loss = recommend_labelling(partly, Request(40, measure="loss"))
    assert by_loss.accuracy is None, "it is measured for all of them"
    assert by_loss.table["predicted_error"].tolist() == pytest.approx(
        partly.samples.set_index("sample_id")["loss"].loc[by_loss.table["sample_id"]].tolist()
    )


def test_a_measure_of_some_labelled_samples_says_so(detected):
    right = detected.samples["metric_right"].where(np.arange(300) % 3 == 0)
    found = recommend_labelling(detected.with_column("metric_some", right), Request(5, measure="right"))
    assert found.notes == ()
    run = detected.run | {"metrics": detected.run["metrics"] | {"some": "Upward"}}
    partly = Population(detected.samples.assign(metric_some=right), detected.latents, run=run)
    found = recommend_labelling(partly, Request(5, measure="some"))
    assert found.notes == (
        "The some is known for 75 of 225 labelled samples; what is predicted holds for such samples only.",
    )


def test_a_chance_that_is_told_is_one(detected):
    noise = np.random.default_rng(2).normal(0, 2, 300)
    right = np.where(detected.samples["metric_right"].isna(), np.nan, detected.latents @ [1, 1, 1, 1] + noise > -2)
    slope = detected.with_column("metric_right", right, replace=True)
    assert predict_error(slope.latents, 1 - right).mean.min() < 0, "or this test means nothing"
    found = recommend_labelling(slope, Request(75))
    for name in ("predicted_error", "predicted_error_low", "predicted_error_high"):
        assert found.population.samples[name].between(0, 1).all()
        assert found.table[name].between(0, 1).all()
    assert not found.table["reason"].str.contains("-").any()


def test_most_samples_may_be_failures(detected):
    mostly = detected.with_column("metric_right", 1 - detected.samples["metric_right"], replace=True)
    found = recommend_labelling(mostly, Request(5))
    assert found.curves[0].strategies["random"]["mean"][-1] == pytest.approx(50, abs=5)
    assert found.accuracy.calibration.n_failed > 0.6 * found.accuracy.n_known


@pytest.mark.parametrize(("n_failures", "has_curve"), [(5, False), (6, True)])
def test_a_handful_of_failures_gives_no_curve_and_says_so(detected, n_failures, has_curve):
    right = detected.samples["metric_right"].to_numpy()
    few = np.where(np.isnan(right), np.nan, 1.0)
    few[np.flatnonzero(right == 0)[:n_failures]] = 0
    found = recommend_labelling(detected.with_column("metric_right", few, replace=True), Request(5))
    assert bool(found.curves) == has_curve
    assert any(note.endswith("and 6 failures.") for note in found.notes) != has_curve


def test_groups_that_do_not_fit_are_refused(population):
    halves = population.with_column("meta_half", np.arange(300) // 150)
    with pytest.raises(ValueError, match=r"budget must be at least 37, .* group of 'half'; got 9[.] Raise it, or pick"):
        recommend_labelling(halves, Request(9, groups="half"))
    assert len(recommend_labelling(halves, Request(37, groups="half")).table) == 37


def test_columns_that_are_no_classes_are_refused(population):
    with pytest.raises(ValueError, match="got 'meta_scene', 225 different values"):
        recommend_labelling(
            population.with_column("meta_scene", np.arange(300), replace=True), Request(1, classes="meta_scene")
        )
    with pytest.raises(ValueError, match="got 'loss', numbers with decimals"):
        recommend_labelling(population, Request(1, classes="loss"))


def test_an_interruption_leaves_the_earlier_table_with_its_curves(population, tmp_path, monkeypatch):
    population.save(tmp_path)
    recommend_labelling(population, Request(5, classes="class")).write(tmp_path)
    names = ("labelling.csv", "curves.json", "labelling.png", "labelling_probe.png")
    before = {name: (tmp_path / name).read_bytes() for name in names}
    other = recommend_labelling(population, Request(7, measure="quality", random_state=1))

    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    for broken in ("draw_curve", "save_curves"):
        with monkeypatch.context() as context:
            context.setattr(recommendation, broken, interrupted)
            with pytest.raises(KeyboardInterrupt):
                other.write(tmp_path)
        assert {name: (tmp_path / name).read_bytes() for name in names} == before
        assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
    other.write(tmp_path)
    assert not (tmp_path / "labelling_probe.png").exists(), "it was of the earlier request"
    assert len(pd.read_csv(tmp_path / "labelling.csv")) == 7


def test_samples_without_latents_change_nothing_for_the_others(population):
    lost = population.samples[population.samples["split"] == "unlabeled"].head(7)
    samples = pd.concat([lost.assign(sample_id=[f"lost {k}" for k in range(7)]), population.samples])
    latents = np.vstack([np.full((7, 4), np.nan), population.latents])
    request = Request(20, groups="scene", floors={"colour": 3}, classes="class")
    expected = recommend_labelling(population, request)
    found = recommend_labelling(Population(samples, latents, run=population.run), request)
    assert found.table.equals(expected.table)
    assert found.curves == expected.curves
    columns = [name for name in expected.population.samples if name.startswith("predicted_error")]
    predicted = found.population.samples[columns]
    assert predicted.head(7).isna().all(axis=None)
    assert predicted.tail(300).reset_index(drop=True).equals(expected.population.samples[columns])
