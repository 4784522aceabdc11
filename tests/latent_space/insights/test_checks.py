import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latent_space.insights.checks import (
    class_column,
    find_crowded,
    find_doubted_truths,
    find_leaks,
    find_outliers,
    find_wrong_classes,
    unusual,
)
from latent_space.insights.conditions import conditions, short_names
from latent_space.insights.domains import find_domain_gaps
from latent_space.insights.duplicates import find_near_duplicates
from latent_space.insights.explanations import explain
from latent_space.neighbors import build_graph
from latent_space.space import as_space


@given(seed=st.integers(0, 10_000), n_features=st.integers(2, 16), scale=st.sampled_from([1e-3, 1.0, 1e3]))
@settings(max_examples=25, deadline=None)
def test_the_edge_is_more_of_an_outlier_than_the_center(seed, n_features, scale):
    latents = np.random.default_rng(seed).normal(size=(120, n_features))
    latents[0], latents[1] = 0, 25 / np.sqrt(n_features)
    check = find_outliers(build_graph(latents * scale))
    assert check.score[1] > check.score[0]
    assert check.score.argmax() == 1
    assert check.verdict[1] and not check.verdict[0]


def test_no_outliers_in_even_and_normal_latents():
    generator = np.random.default_rng(0)
    for latents in (generator.random((800, 6)), generator.normal(size=(800, 32)), np.ones((40, 2)), np.eye(3)):
        assert find_outliers(build_graph(latents)).verdict.mean() <= 0.01


def test_leaks_cross_from_training_to_what_is_judged():
    latents = np.random.default_rng(0).normal(size=(90, 12))
    split = np.array(["training"] * 40 + ["validation"] * 30 + ["unlabeled"] * 20)
    latents[45], latents[7], latents[80] = latents[3], latents[8], latents[9]  # leak; inside training; unlabelled
    graph = build_graph(latents)
    check = find_leaks(graph, split, find_near_duplicates(latents, graph=graph))
    assert np.flatnonzero(check.verdict).tolist() == [3, 45]
    assert check.score[[3, 45]].tolist() == [1, 1]
    assert np.isnan(check.score[70:]).all()
    assert np.nanmax(np.delete(check.score, [3, 45])) < 1


def test_the_nearer_the_other_side_the_higher_the_score_of_a_leak():
    latents = np.append(np.linspace(0, 1, 20), np.linspace(9, 10, 20))[:, None]
    split = np.repeat(["training", "validation"], 20)
    split[8] = "validation"
    graph = build_graph(latents, n_neighbors=12)
    score = find_leaks(graph, split, find_near_duplicates(latents, graph=graph)).score
    assert score.argmax() in (7, 8, 9)
    assert score[8] > score[0] > score[30] == 0


def test_one_split_has_no_leaks():
    latents = np.repeat(np.random.default_rng(0).normal(size=(20, 4)), 2, axis=0)
    check = find_leaks(build_graph(latents), np.full(40, "training"), find_near_duplicates(latents))
    assert not check.verdict.any()


def test_high_losses_among_low_ones_are_doubted():
    generator = np.random.default_rng(0)
    latents = generator.normal(size=(400, 6))
    hard = latents[:, 0] > 1
    losses = np.exp(0.3 * generator.normal(size=400) + 1.5 * hard)
    wrong = np.flatnonzero(latents[:, 0] < -0.8)[:6]
    losses[wrong] *= 20
    losses[[50, 60]] = np.nan
    check = find_doubted_truths(build_graph(latents), losses, np.full(400, "training"))
    assert check.verdict[wrong].sum() >= 5
    assert not np.delete(check.verdict, wrong).any()
    assert set(np.argsort(-np.nan_to_num(check.score))[:6]) == set(wrong)
    assert np.isnan(check.score[[50, 60]]).all()


def test_losses_are_compared_with_their_own_split():
    generator = np.random.default_rng(2)
    split = np.where(generator.random(400) < 0.5, "training", "validation")
    losses = np.where(split == "training", 0.1, 10.0) * np.exp(0.2 * generator.normal(size=400))
    wrong = np.flatnonzero(split == "training")[:1]
    losses[wrong] = 2  # far too high for training, and low for validation
    check = find_doubted_truths(build_graph(generator.normal(size=(400, 6))), losses, split)
    assert np.flatnonzero(check.verdict).tolist() == wrong.tolist()


def test_noisy_losses_are_not_doubted():
    generator = np.random.default_rng(1)
    graph, split = build_graph(generator.normal(size=(500, 6))), np.full(500, "training")
    for losses in (generator.normal(size=500), generator.exponential(size=500), np.exp(generator.normal(size=500))):
        assert find_doubted_truths(graph, losses, split).verdict.mean() <= 0.01
    assert not find_doubted_truths(graph, np.full(500, np.nan), split).verdict.any()


def test_classes_that_all_neighbours_contradict_are_found():
    generator = np.random.default_rng(0)
    truth = generator.integers(0, 4, 400)
    latents = 5 * generator.normal(size=(4, 8))[truth] + generator.normal(size=(400, 8))
    given_labels = np.array(["cat", "dog", "cow", None], object)[truth]
    wrong = np.flatnonzero(truth == 0)[:8]
    given_labels[wrong] = "dog"
    check = find_wrong_classes(as_space(latents), given_labels)
    assert np.flatnonzero(check.verdict).tolist() == sorted(wrong)
    assert np.isnan(check.score[truth == 3]).all()
    assert check.score[wrong].min() > np.nanmax(np.delete(check.score, wrong))
    numbers = pd.array(np.searchsorted(["cat", "cow", "dog"], np.where(truth == 3, "cat", given_labels)), dtype="Int64")
    numbers[truth == 3] = pd.NA
    again = find_wrong_classes(as_space(latents), numbers.astype(object))
    np.testing.assert_array_equal(again.verdict, check.verdict)


def test_class_column_is_known_by_its_name():
    table = pd.DataFrame({"meta_label_noise": [0, 1] * 20, "meta_label": ["a", "b"] * 20})
    assert class_column(table) == "meta_label"
    assert class_column(table.drop(columns="meta_label")) is None


def test_crowded_samples_are_found_in_their_subgroup():
    generator = np.random.default_rng(0)
    latents = generator.normal(size=(300, 6))
    latents[:60] = 9 + 0.1 * latents[:60]
    groups = np.repeat([0, 1], [60, 240])
    check = find_crowded(build_graph(latents), groups)
    assert check.verdict[:60].all()
    assert not check.verdict[60:].any()
    assert check.score[:60].min() > check.score[60:].max()
    assert not find_crowded(build_graph(np.ones((30, 2))), np.zeros(30, np.int64)).verdict.any()


def test_domain_gaps_are_found_and_named_once_for_two_values():
    generator = np.random.default_rng(0)
    dim = generator.random(400) < 0.3
    latents = generator.normal(size=(400, 8)) + 4 * dim[:, None]
    table = pd.DataFrame({"meta_lighting": np.where(dim, "dim", "bright"), "meta_noise": generator.integers(0, 4, 400)})
    (gap,) = find_domain_gaps(build_graph(latents), table)
    assert (gap.column, gap.value) == ("meta_lighting", "dim")
    np.testing.assert_array_equal(gap.indices, np.flatnonzero(dim))
    assert gap.severity > 0.9
    assert gap.p_value < 1e-6


def test_severity_is_none_for_a_mixture_and_one_apart():
    generator = np.random.default_rng(0)
    frequent = generator.random(600) < 0.7
    table = pd.DataFrame({"meta_light": np.where(frequent, "dim", "bright")})
    apart = build_graph(generator.normal(size=(600, 4)) + 99 * frequent[:, None])
    assert [gap.severity for gap in find_domain_gaps(apart, table)] == [1]
    mixed = generator.normal(size=(600, 4)) + np.array([1.5, 0, 0, 0]) * frequent[:, None]
    (gap,) = find_domain_gaps(build_graph(mixed), table, least=0.05)
    near = frequent[build_graph(mixed).indices][~frequent]
    assert gap.value == "bright"
    assert gap.severity == pytest.approx(1 - near.mean() / (frequent.sum() / 599), rel=1e-6)


def test_noise_has_no_domain_gaps():
    generator = np.random.default_rng(0)
    tables = [pd.DataFrame({f"c{i}": generator.choice(list("abc"), 150) for i in range(10)}) for _ in range(20)]
    graphs = [build_graph(generator.normal(size=(150, 4))) for _ in tables]
    claimed = [bool(find_domain_gaps(graph, table, least=0.0)) for graph, table in zip(graphs, tables, strict=True)]
    assert sum(claimed) <= 1


def test_explanation_names_the_informative_column_first_and_noise_never():
    generator = np.random.default_rng(0)
    inside = generator.random(300) < 0.2
    table = pd.DataFrame({f"noise_{i}": generator.normal(size=300) for i in range(20)})
    table["colour"] = np.where(inside, "yellow", generator.choice(["yellow", "blue"], 300))
    (one,) = explain(inside, table)
    assert (one.column, one.text, one.inside) == ("colour", "colour = yellow", 1.0)
    assert one.bits > 0.05
    assert explain(np.ones(300, bool), table) == []


def test_conditions_say_what_holds():
    table = pd.DataFrame(
        {
            "colour": ["red", "blue", None, "red"] * 10,
            "wet": [True, False] * 20,
            "level": np.linspace(0, 1000, 40),
            "constant": 1,
            "day": pd.date_range("2020-01-01", periods=40),
        }
    )
    listed, masks = conditions(table, smallest=4)
    texts = [one.text for one in listed]
    assert "colour = red" in texts
    assert "wet = yes" in texts
    assert not [text for text in texts if text.startswith(("constant", "day"))]
    for one, mask in zip(listed, masks.T, strict=True):
        if one.column == "level":
            _, sign, bound = one.text.split()
            expected = table["level"] > float(bound) if sign == ">" else table["level"] <= float(bound)
            np.testing.assert_array_equal(mask, expected)


@pytest.mark.parametrize(
    ("columns", "names"),
    [
        (["meta_a_x", "meta_a_y", "meta_b_x"], ["a_x", "a_y", "b_x"]),
        (["meta_img_x", "meta_img_y", "meta_img_z", "meta_b_x"], ["x", "y", "z", "b_x"]),
        (["meta_mean_x", "meta_mean_y", "meta_mean_z"], ["mean_x", "mean_y", "mean_z"]),
        ([], []),
    ],
)
def test_short_names_stay_apart(columns, names):
    assert short_names(columns) == names


def test_few_or_equal_values_are_never_unusual():
    assert not unusual(np.array([0.0] * 10 + [99.0])).any()
    assert not unusual(np.zeros(100)).any()
    assert unusual(np.append(np.random.default_rng(0).normal(size=100), 50)).tolist() == [False] * 100 + [True]
