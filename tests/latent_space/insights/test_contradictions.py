import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata
from sklearn.linear_model import Ridge
from sklearn.preprocessing import StandardScaler

from latent_space.insights import add_insights, find_insights
from latent_space.insights.contradictions import Contradictions, find_contradictions, worst_per_sample
from latent_space.insights.doubts import find_doubts, told_object
from latent_space.population import Population
from latent_space.space import sample_space

ERRORS = ("forgotten", "surplus", "misplaced", "merged", "swapped")


def row(sample, kind, box, label="box", confidence=1.0):
    return {"sample_id": sample, "kind": kind, "label": label, "confidence": confidence, "box_rel": list(box)}


def with_ids(rows):
    table = pd.DataFrame(rows).sort_values("sample_id", kind="stable", ignore_index=True)
    table["instance_id"] = table["sample_id"] + ":" + table.groupby("sample_id").cumcount().astype(str)
    return table


def make_scenes(generator, n=60, planted=()):
    """Objects side by side, found a little off; every fourth of a class that the model finds badly; then the errors."""
    rows = []
    for number in range(n):
        sample, true, found = f"s{number:03}", [], []
        for place in range(4):
            label = "bag" if place == 3 else "box"
            box = np.array([0.25 * place + 0.02, 0.1, 0.25 * place + 0.2, 0.9]) + generator.uniform(-0.01, 0.01, 4)
            off = generator.uniform(-0.02, 0.02, 4) * (2 if label == "bag" else 1)
            true.append(row(sample, "gt", box, label))
            found.append(row(sample, "pred", (box + off).clip(0, 1), label, generator.uniform(0.5, 0.95)))
        error = dict(planted).get(number)
        rows += plant(error, true) + found
    return with_ids(rows)


def plant(error, true):
    first, second, *rest = true
    if error == "forgotten":
        return true[1:]
    if error == "surplus":
        return [*true, row(first["sample_id"], "gt", [0.0, 0.92, 0.2, 1.0])]
    if error == "misplaced":
        left, top, right, bottom = first["box_rel"]
        return [{**first, "box_rel": [left, top + 0.4, right, min(bottom + 0.4, 1)]}, second, *rest]
    if error == "merged":
        both = np.concatenate([first["box_rel"][:2], second["box_rel"][2:]])
        return [{**first, "box_rel": both.tolist()}, *rest]
    if error == "swapped":
        return [{**first, "label": "bag"}, second, *rest]
    return true


def splits_of(table):
    return dict.fromkeys(table["sample_id"], "training")


def make_population(table, n, **changes):
    generator = np.random.default_rng(1)
    samples = pd.DataFrame({"sample_id": [f"s{number:03}" for number in range(n)], "split": "training"})
    samples["loss"] = np.exp(generator.normal(size=n))
    return Population(samples.assign(**changes), generator.normal(size=(n, 8)), instances=table)


@given(seed=st.integers(0, 10_000), scale=st.floats(0.2, 1.0), n_classes=st.sampled_from([1, 2]))
@settings(max_examples=15, deadline=None)
def test_planted_errors_score_above_clean_samples(seed, scale, n_classes):
    generator = np.random.default_rng(seed)
    errors = ERRORS[: None if n_classes == 2 else -1]
    where = generator.choice(60, len(errors), replace=False)
    table = make_scenes(generator, planted=list(zip(where.tolist(), errors, strict=True)))
    table["box_rel"] = [(scale * np.array(box)).tolist() for box in table["box_rel"]]
    if n_classes == 1:
        table["label"] = "box"
    found = find_contradictions(table, splits_of(table))
    worst = worst_per_sample(found.scores, table, np.array(sorted(set(table["sample_id"])), object))
    clean = np.delete(worst, where)
    assert worst[where].min() > np.quantile(clean, 0.9)
    assert worst[where].mean() > np.quantile(clean, 0.98)


def test_scores_by_hand():
    rows = [row(f"s{number}", kind, [0, 0, 0.5, 1]) for number in range(20) for kind in ("gt", "pred")]
    rows[0] = row("s0", "gt", [0, 0, 1, 1])  # half of it is found
    rows[3] = row("s1", "pred", [0.5, 0, 1, 1])  # beside the ground truth
    found = find_contradictions(pd.DataFrame(rows), {f"s{number}": "training" for number in range(20)})
    expected = np.ones(40)
    expected[:4] = [0.5, 0.5, 0, 0]
    np.testing.assert_array_equal(found.overlaps, expected)
    np.testing.assert_array_equal(found.overlaps_of_any, expected)
    # Traits say nothing about the found ones: what is usual is their mean.
    np.testing.assert_allclose(found.scores[1::2], 18.5 / 20 - expected[1::2])


def test_usual_is_halfway_between_the_mean_and_a_ridge_regression_on_ranks():
    generator = np.random.default_rng(0)
    ends, found = generator.uniform(0.3, 1, (2, 60)), generator.random(60)
    rows = [row(f"s{number}", "gt", [0, 0, right, 1]) for number, right in enumerate(ends[0])]
    rows += [row(f"s{number}", "pred", [0, 0, ends[1][number], 1], confidence=found[number]) for number in range(60)]
    scores = find_contradictions(pd.DataFrame(rows), {f"s{number}": "training" for number in range(60)}).scores
    overlaps = ends.min(axis=0) / ends.max(axis=0)
    for own, traits in ((scores[:60], [ends[0]]), (scores[60:], [found, ends[1]])):
        ranks = (rankdata(traits, axis=1).T - 0.5) / 60 - 0.5
        terms = StandardScaler().fit_transform(np.hstack([ranks, ranks**2]))
        regressed = Ridge(alpha=10.0).fit(terms, overlaps).predict(terms)
        np.testing.assert_allclose(own, (overlaps.mean() + regressed) / 2 - overlaps, atol=1e-6)


def test_rare_classes_are_judged_together_but_by_kind():
    table = make_scenes(np.random.default_rng(0), n=30)
    rare = [row("s001", "gt", [0, 0, 0.1, 0.05], "jar"), row("s001", "pred", [0, 0, 0.1, 0.05], "jar")]
    lost = [row("s002", "gt", [0, 0, 0.1, 0.05], "tin")]
    table = pd.concat([table, pd.DataFrame([*rare, *lost])], ignore_index=True)
    scores = find_contradictions(table, splits_of(table)).scores[-3:]
    np.testing.assert_allclose(scores, [-0.5, 0, 0.5], atol=1e-9)


def test_objects_apart_in_both_directions_do_not_overlap():
    rows = [row(f"s{number}", "gt", [0, 0, 0.4, 0.4]) for number in range(20)]
    rows += [row(f"s{number}", "pred", [0.6, 0.6, 1, 1]) for number in range(20)]
    found = find_contradictions(pd.DataFrame(rows), {f"s{number}": "training" for number in range(20)})
    assert not found.overlaps_of_any.any()


def test_an_annotation_needs_no_confidence():
    table = make_scenes(np.random.default_rng(0))
    blank = table.assign(confidence=table["confidence"].where(table["kind"] == "pred"))
    found, expected = (find_contradictions(one, splits_of(table)).scores for one in (blank, table))
    np.testing.assert_array_equal(found, expected)


def test_a_class_or_split_that_is_found_badly_is_not_suspicious():
    generator = np.random.default_rng(0)
    table = make_scenes(generator)
    bad = splits_of(table) | {f"s{number:03}": "validation" for number in range(30)}
    moved = table["sample_id"].map(bad).eq("validation") & (table["kind"] == "pred")
    table.loc[moved, "box_rel"] = pd.Series(
        [[box[0] + 0.08, *box[1:]] for box in table.loc[moved, "box_rel"]]
    ).to_numpy()
    scores = find_contradictions(table, bad).scores
    for group in (table["label"], table["sample_id"].map(bad), table["kind"]):
        assert pd.Series(scores).groupby(group.to_numpy()).mean().abs().max() < 1e-9


def test_the_order_of_rows_does_not_matter():
    table = make_scenes(np.random.default_rng(3), planted=[(5, "swapped")])
    order = np.random.default_rng(4).permutation(len(table))
    shuffled = find_contradictions(table.iloc[order].reset_index(drop=True), splits_of(table))
    np.testing.assert_allclose(shuffled.scores, find_contradictions(table, splits_of(table)).scores[order], atol=1e-12)


def test_rows_that_cannot_be_judged_have_no_score():
    table = make_scenes(np.random.default_rng(0))
    table["box_rel"] = table["box_rel"].astype(object)
    table.at[0, "box_rel"] = None
    table.at[1, "box_rel"] = [0.0, np.nan, 1.0, 1.0]
    table.loc[6, "confidence"] = np.nan
    unlabelled = table["sample_id"] == "s007"
    splits = {name: split for name, split in splits_of(table).items() if name != "s007"}
    scores = find_contradictions(table, splits).scores
    assert np.isnan(scores[[0, 1, 6]]).all()
    assert np.isnan(scores[unlabelled]).all()
    assert np.isfinite(np.delete(scores, [0, 1, 6, *np.flatnonzero(unlabelled)])).all()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda table: None,
        lambda table: table.drop(columns="confidence"),
        lambda table: table.drop(columns="box_rel"),
        lambda table: table.assign(confidence=np.nan),
        lambda table: table.assign(confidence=None),
        lambda table: table.assign(confidence="high"),
        lambda table: table.assign(box_rel=None),
        lambda table: table[table["kind"] == "gt"].reset_index(drop=True),
        lambda table: table[table["kind"] == "pred"].reset_index(drop=True),
        lambda table: table.head(0),
    ],
)
def test_without_what_tells_losses_are_judged(spoil):
    table = spoil(make_scenes(np.random.default_rng(0), n=40))
    population, plain = make_population(table, 40), make_population(None, 40)
    found, expected = (find_insights(one, sample_space(one)) for one in (population, plain))
    assert found.instance_columns == {}
    np.testing.assert_array_equal(found.columns["mislabel_score"], expected.columns["mislabel_score"])


def test_samples_and_objects_get_their_columns_and_the_finding_names_objects():
    table = make_scenes(np.random.default_rng(0), n=80, planted=[(7, "forgotten"), (9, "swapped"), (11, "surplus")])
    losses = np.where(np.arange(80) < 70, 1.0, np.nan)
    population = make_population(table, 80, loss=losses)
    found = find_insights(population, sample_space(population))
    enriched = add_insights(population, sample_space(population), insights=found)
    score = enriched.samples["mislabel_score"]
    assert np.isnan(score[70:]).all() and np.isfinite(score[:70]).all()
    assert set(score[:70].nlargest(3).index) == {7, 9, 11}
    assert set(np.flatnonzero(enriched.samples["is_mislabel"])) == {7, 9, 11}
    objects = enriched.instances.set_index("instance_id")["mislabel_score"]
    assert set(objects.nlargest(3).index.str.slice(0, 4)) <= {"s007", "s009", "s011"}
    (mislabel,) = [one for one in found.insights if one.kind == "mislabel"]
    assert mislabel.description.startswith(
        "3 samples have objects on which the model contradicts the ground truth, above all: "
    )
    assert "of s007 (box: found with" in mislabel.description
    assert "% confidence, but not annotated)" in mislabel.description
    again = add_insights(enriched, sample_space(enriched))
    pd.testing.assert_frame_equal(again.instances, enriched.instances)


def test_a_sample_without_objects_is_not_doubted():
    """What is usual may lie so far below 0, with so little spread, that a 0 would stand out."""
    generator, rows = np.random.default_rng(0), []
    for number in range(299):
        box = np.array([0.1, 0.1, 0.2, 0.2]) + generator.normal(0, 1e-4, 4)
        moved = box + (0.05 if number < 12 else 0) + generator.normal(0, 1e-4, 4)
        rows += [row(f"s{number:03}", "gt", box), row(f"s{number:03}", "pred", moved, confidence=generator.random())]
    population = make_population(with_ids(rows), 300)
    space, split = sample_space(population), np.full(300, "training")
    check = find_doubts(population.samples, population.instances, space, split).check
    assert np.flatnonzero(check.verdict).tolist() == list(range(12))
    assert np.flatnonzero(np.isnan(check.score)).tolist() == [299]


def test_clean_samples_are_rarely_claimed():
    claimed = []
    for seed in range(8):
        population = make_population(make_scenes(np.random.default_rng(seed), n=100), 100)
        space, split = sample_space(population), np.full(100, "training")
        claimed.append(find_doubts(population.samples, population.instances, space, split).check.verdict.mean())
    assert np.mean(claimed) <= 0.01


def test_samples_are_judged_beside_their_split_and_the_three_worst_are_told():
    table = make_scenes(np.random.default_rng(0), n=200, planted=[(number, "swapped") for number in range(4)])
    moved = (table["kind"] == "pred") & (table["sample_id"] >= "s100")
    noise = np.random.default_rng(1).uniform(-0.05, 0.05, (moved.sum(), 4))
    boxes = np.array(table.loc[moved, "box_rel"].tolist()) + noise
    table.loc[moved, "box_rel"] = pd.Series(boxes.tolist(), index=table.index[moved])
    population, split = make_population(table, 200), np.repeat(["training", "validation"], 100)
    found = find_doubts(population.samples, table, sample_space(population), split)
    assert [float(np.median(found.check.score[split == name])) for name in np.unique(split)] == pytest.approx([0, 0])
    assert np.flatnonzero(found.check.verdict).tolist() == [0, 1, 2, 3]
    told = re.findall(r"object \d of (s\d+)", found.text)
    assert told == [f"s{number:03}" for number in np.argsort(-found.check.score)[:3]]


@pytest.mark.parametrize(
    ("kind", "overlap", "of_any", "text"),
    [
        ("pred", 0.0, 0.0, "(box: found with 92% confidence, but not annotated)"),
        ("pred", 0.0, 0.8, "(box: found with 92% confidence, but annotated as another class)"),
        ("pred", 0.3, 0.3, "(box: found with 92% confidence, but overlapping by 30% with what is annotated)"),
        ("gt", 0.0, 0.0, "(box: annotated, but not found)"),
        ("gt", 0.0, 0.8, "(box: annotated, but found as another class)"),
        ("gt", 0.4, 0.4, "(box: annotated, but overlapping by 40% with what is found)"),
        ("gt", 0.15, 0.15, "(box: annotated, but overlapping by 15% with what is found)"),
        ("gt", 0.0, 0.45, "(box: annotated, but overlapping by 45% with what is found)"),
        ("gt", 0.0, 0.55, "(box: annotated, but found as another class)"),
    ],
)
def test_objects_are_told(kind, overlap, of_any, text):
    one = pd.Series({**row("a {0}.jpg", kind, [0, 0, 1, 1], confidence=0.92), "instance_id": "a {0}.jpg:6"})
    found = Contradictions(np.zeros(1), np.array([overlap]), np.array([of_any]))
    assert told_object(one, found, 0) == f"object 6 of a {{0}}.jpg {text}"
    plain = told_object(one.drop(["instance_id", "label"]), found, 0)
    assert plain == f"an object of a {{0}}.jpg {text.replace('box: ', '')}"
