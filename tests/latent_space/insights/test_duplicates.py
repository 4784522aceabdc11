import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latent_space.insights import find_near_duplicates
from latent_space.neighbors import build_graph


def mixture(n, n_features, *, seed=0, apart=4.0):
    generator = np.random.default_rng(seed)
    centers = apart * generator.normal(size=(8, n_features))
    return centers[generator.integers(0, 8, n)] + generator.normal(size=(n, n_features))


def with_copies(latents, *, n_sources, n_copies, jitter, seed=1):
    """Return shuffled latents with copies, and which rows are a copy or have one."""
    generator = np.random.default_rng(seed)
    sources = generator.choice(len(latents), n_sources, replace=False)
    copied = np.repeat(sources, n_copies)
    noise = jitter * generator.normal(size=(len(copied), latents.shape[1]))
    order = generator.permutation(len(latents) + len(copied))
    planted = np.isin(np.arange(len(latents)), sources).tolist() + [True] * len(copied)
    return np.vstack([latents, latents[copied] + noise])[order], np.array(planted)[order]


@pytest.mark.parametrize("scale", [1e-3, 1, 1e3])
@pytest.mark.parametrize("jitter", [0, 1e-3, 1e-2])
@pytest.mark.parametrize(("n_sources", "n_copies"), [(5, 1), (50, 1), (60, 9), (30, 30), (500, 3)])
def test_planted_copies_are_found_and_nothing_else(scale, jitter, n_sources, n_copies):
    latents, planted = with_copies(mixture(800, 32), n_sources=n_sources, n_copies=n_copies, jitter=jitter)
    found = find_near_duplicates(latents * scale)["is_near_duplicate"].to_numpy()
    assert (found & planted).sum() >= 0.99 * planted.sum()
    assert (found & planted).sum() >= 0.99 * found.sum()


def clean_sets():
    generator = np.random.default_rng(2)
    sets = {f"normal {d}": generator.normal(size=(500, d)) for d in (1, 2, 5, 64)}
    sets |= {f"even {d}": generator.random((500, d)) for d in (1, 2, 5, 64)}
    sets |= {f"clusters {d}": mixture(500, d) for d in (2, 5, 64)}
    sets |= {f"few samples {n}": generator.normal(size=(n, 8)) for n in (1, 2, 3, 6, 20)}
    sets["heavy tails"] = generator.standard_t(2, size=(500, 8))
    sets["tight clusters"] = np.repeat(10 * np.eye(10), 50, 0) + 0.01 * generator.normal(size=(500, 10))
    sets["line"] = np.arange(300.0)[:, None]
    sets["grid"] = np.stack(np.meshgrid(*[np.arange(20.0)] * 2), -1).reshape(-1, 2)
    sets["cube"] = np.stack(np.meshgrid(*[np.arange(7.0)] * 3), -1).reshape(-1, 3)
    sets["track"] = np.cumsum(generator.normal(size=(500, 6)), axis=0)
    sets["constant"] = np.ones((60, 4))
    sets["two values"] = np.repeat(np.eye(2), 50, axis=0)
    return sets


@pytest.mark.parametrize("name", list(clean_sets()))
def test_none_are_invented(name):
    found = find_near_duplicates(clean_sets()[name])
    assert not found["is_near_duplicate"].any()
    assert (found["near_duplicate_group"] == -1).all()


def test_groups_hold_copies_of_one_sample_and_are_numbered_by_their_first():
    latents = mixture(200, 16)
    latents[150], latents[3], latents[90] = latents[7], latents[120], latents[7]
    groups = find_near_duplicates(latents)["near_duplicate_group"]
    assert groups[groups >= 0].to_dict() == {3: 0, 120: 0, 7: 1, 90: 1, 150: 1}


@given(st.integers(0, 10_000), st.integers(2, 24))
@settings(max_examples=25, deadline=None)
def test_a_copy_scores_higher_than_every_unique_sample(seed, n_features):
    generator = np.random.default_rng(seed)
    latents = generator.normal(size=(80, n_features))
    latents[0] = latents[1] + 1e-5 * generator.normal(size=n_features)
    score = find_near_duplicates(latents)["near_duplicate_score"].to_numpy()
    assert score[:2].min() > score[2:].max()
    assert ((score >= 0) & (score <= 1)).all()


def test_given_graph_gives_the_same():
    latents, _ = with_copies(mixture(200, 8), n_sources=9, n_copies=2, jitter=1e-4)
    assert find_near_duplicates(latents, graph=build_graph(latents)).equals(find_near_duplicates(latents))


def test_scores_do_not_depend_on_the_order():
    latents, _ = with_copies(mixture(200, 8), n_sources=9, n_copies=20, jitter=1e-4)
    one, other = find_near_duplicates(latents), find_near_duplicates(latents[::-1])
    np.testing.assert_array_equal(one["is_near_duplicate"], other["is_near_duplicate"][::-1])


@pytest.mark.parametrize(
    ("latents", "message"),
    [
        ([[np.nan]], "latents must be finite float32 numbers; got NaN or infinity in row 0"),
        (np.zeros(3), "latents must be (n_samples, n_features)"),
    ],
)
def test_bad_latents_are_refused(latents, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        find_near_duplicates(latents)


def test_graph_of_others_is_refused():
    with pytest.raises(ValueError, match="graph must be of the 4 latents; got one of 3 points"):
        find_near_duplicates(np.eye(4), graph=build_graph(np.eye(3)))
