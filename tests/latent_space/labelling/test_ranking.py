"""Rankings: nothing twice, nothing labelled, groups whole, floors met, the same whatever the order of the rows."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latent_space.labelling import predict_error, select_for_labelling
from latent_space.labelling.ranking import rank_for_labelling
from latent_space.labelling.strategies import STRATEGIES
from latent_space.neighbors import build_graph


def made_up(n, seed):
    generator = np.random.default_rng(seed)
    latents = generator.normal(size=(n, 3)).astype(np.float32)
    return latents, latents[:, 0] + generator.gamma(1, 0.1, n).astype(np.float32), generator.random(n) < 0.4


@given(
    n=st.integers(1, 60),
    budget=st.integers(0, 80),
    strategy=st.sampled_from(sorted(STRATEGIES)),
    seed=st.integers(0, 5),
    grouped=st.booleans(),
)
@settings(max_examples=80, deadline=None)
def test_nothing_twice_nothing_labelled_and_the_budget_is_kept(n, budget, strategy, seed, grouped):
    latents, errors, labelled = made_up(n, seed)
    labelled[0] = True
    groups = np.arange(n) // 3 if grouped else None
    predicted = predict_error(latents, np.where(labelled, errors, np.nan))
    picks = select_for_labelling(
        latents, budget, strategy=strategy, labelled=labelled, predicted_error=predicted, groups=groups
    )
    assert len(set(picks.tolist())) == len(picks)
    assert not labelled[picks].any()
    free = np.flatnonzero(~labelled)
    if not grouped:
        assert len(picks) == min(budget, len(free))
    else:
        assert len(picks) <= budget
        for group in set((picks // 3).tolist()):
            assert set(free[free // 3 == group].tolist()) <= set(picks.tolist())


@pytest.mark.parametrize("strategy", sorted(STRATEGIES))
def test_the_order_of_the_rows_does_not_matter(strategy):
    latents, errors, labelled = made_up(80, 3)
    shuffled = np.random.default_rng(0).permutation(80)
    results = []
    for rows in (np.arange(80), shuffled):
        predicted = predict_error(latents[rows], np.where(labelled, errors, np.nan)[rows])
        picks = select_for_labelling(
            latents[rows], 20, strategy=strategy, labelled=labelled[rows], predicted_error=predicted
        )
        results.append(rows[picks].tolist())
    assert results[0] == results[1]


def test_a_known_graph_gives_the_same_as_none():
    latents, _, labelled = made_up(60, 1)
    options = {"labelled": labelled, "strategy": "coverage"}
    known = select_for_labelling(latents, 10, graph=build_graph(latents), **options)
    assert known.tolist() == select_for_labelling(latents, 10, **options).tolist()


def test_a_prefix_is_the_selection_of_a_smaller_budget():
    latents, errors, labelled = made_up(80, 2)
    predicted = predict_error(latents, np.where(labelled, errors, np.nan))
    for strategy in ("failure", "coverage", "kcenter", "typical", "uncertain", "random"):
        options = {"strategy": strategy, "labelled": labelled, "predicted_error": predicted}
        many = select_for_labelling(latents, 20, **options).tolist()
        assert select_for_labelling(latents, 7, **options).tolist() == many[:7]


def test_only_candidates_are_picked():
    latents, _, _ = made_up(30, 0)
    picks = select_for_labelling(latents, 99, candidates=[3, 5, 7], labelled=[5])
    assert sorted(picks.tolist()) == [3, 7]


def test_a_group_follows_its_first_member_and_one_that_does_not_fit_is_left_out():
    latents = [[0.0], [0.1], [5.0], [9.0], [9.1]]
    picks = rank_for_labelling(
        latents, 3, strategy="failure", predicted_error=[5.0, 1, 4, 3, 0], groups=["a", "a", "b", "c", "c"]
    )
    assert picks == [(0, "failure"), (1, "group"), (2, "failure")]
    assert rank_for_labelling(latents, 1, predicted_error=[5.0, 1, 4, 3, 0], groups=["a", "a", "b", "c", "c"]) == [
        (2, "coverage")
    ]


def test_what_is_picked_counts_when_groups_that_do_not_fit_make_it_look_again():
    latents = np.array([0.0, 301, 300, 150, 151, 75, 76, 290, 35])[:, None]
    groups = ["known", "c", "c", "d", "d", "e", "e", "near c", "alone"]
    picks = select_for_labelling(latents, 3, strategy="kcenter", labelled=[0], groups=groups)
    assert picks.tolist() == [1, 2, 8], "the seventh is near what was picked"


def test_samples_of_no_group_are_picked_alone():
    picks = select_for_labelling([[0.0], [1.0], [2.0]], 1, groups=[None, None, None])
    assert len(picks) == 1


def test_floors_replace_the_last_picks():
    latents = np.arange(10.0)[:, None]
    colour = ["blue"] * 8 + ["yellow"] * 2
    picks = rank_for_labelling(
        latents, 4, strategy="failure", predicted_error=10.0 - np.arange(10), floors={"colour": (colour, 2)}
    )
    assert picks == [(0, "failure"), (1, "failure"), (8, "floor"), (9, "floor")]


def test_a_floor_asks_for_no_more_than_there_is():
    picks = select_for_labelling(np.arange(6.0)[:, None], 4, floors={"colour": (["blue"] * 5 + ["yellow"], 3)})
    assert 5 in picks.tolist()
    assert len(picks) == 4


def test_two_floors_hold_at_once():
    generator = np.random.default_rng(0)
    first, second = generator.choice(["a", "b"], 60, p=[0.9, 0.1]), generator.choice(["x", "y"], 60, p=[0.8, 0.2])
    floors = {"first": (first, 3), "second": (second, 3)}
    picks = select_for_labelling(generator.normal(size=(60, 2)), 8, floors=floors)
    assert len(picks) == 8
    for values in (first, second):
        assert np.unique(values[picks], return_counts=True)[1].min() >= 3


def test_constant_latents_and_single_samples_are_ranked():
    for strategy in sorted(set(STRATEGIES) - {"failure", "uncertain"}):
        assert len(select_for_labelling(np.ones((30, 4)), 5, strategy=strategy)) == 5
        assert select_for_labelling([[1.0]], 1, strategy=strategy).tolist() == [0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"budget": -1}, "budget must be at least 0; got -1"),
        ({"strategy": "best"}, "strategy must be one of auto, failure, .*; got 'best'"),
        ({"strategy": "failure"}, "predicted_error must be given for strategy 'failure'; got None"),
        ({"labelled": [3]}, r"labelled must be indices between 0 and 2; got \[3\]"),
        ({"labelled": [True]}, "labelled must be indices, or 3 booleans"),
        ({"candidates": [0.5]}, "candidates must be indices"),
        ({"predicted_error": [1.0, np.nan, 2.0]}, "predicted_error must be 3 finite numbers"),
        ({"groups": ["a"]}, "groups must have one value per sample, 3; got shape"),
        (
            {"floors": {"colour": (["a", "b", "c"], 1)}, "budget": 2},
            "budget must be large enough for the floors; got 2",
        ),
    ],
)
def test_what_does_not_fit_is_said(options, message):
    with pytest.raises(ValueError, match=message):
        select_for_labelling([[0.0], [1.0], [2.0]], **{"budget": 1, **options})
