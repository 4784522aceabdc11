import numpy as np
import pytest

from latent_space.insights.search import Candidates, chance_of, normal_scores, search, shuffled_bests


@pytest.fixture
def candidates():
    masks = np.random.default_rng(0).random((300, 12)) < 0.3
    return Candidates(masks, np.arange(12), 8, 150)


def test_the_statistic_by_hand(candidates):
    scores = normal_scores(np.random.default_rng(1).normal(size=300) + 2 * candidates.masks[:, 4])
    first = search(scores, candidates, depth=1)[0]
    inside = candidates.masks[:, 4]
    assert first.group == (4,)
    assert first.z == pytest.approx(scores[inside].sum() / np.sqrt(inside.sum() * (1 - inside.mean())), rel=1e-4)


def test_shuffled_scores_are_those_of_fresh_noise(candidates):
    generator = np.random.default_rng(2)
    scores = np.sort(normal_scores(generator.normal(size=300)))  # in an order that says something
    bests = shuffled_bests(scores, candidates, strata=np.zeros(300, int), n_permutations=40, random_state=0)
    fresh = [search(generator.permutation(scores), candidates)[0].z for _ in range(40)]
    assert len(np.unique(bests)) == 40
    assert bests.mean() == pytest.approx(np.mean(fresh), rel=0.1)
    assert bests.std() == pytest.approx(np.std(fresh), rel=0.6)


def test_scores_stay_in_their_stratum(candidates):
    strata = np.repeat([0, 1], 150)
    side = np.column_stack([strata == 1, candidates.masks])
    wider = Candidates(side, np.arange(13), 8, 150)
    scores = normal_scores(np.random.default_rng(3).normal(size=300)) + 5 * strata
    bests = shuffled_bests(scores, wider, strata=strata, n_permutations=5, random_state=0)
    assert (bests >= search(scores, wider, depth=1)[0].z - 1e-4).all(), "the side itself stays as high as it is"


def test_hopeless_searches_end_early(candidates):
    scores = normal_scores(np.random.default_rng(4).normal(size=300))
    options = {"strata": np.zeros(300, int), "n_permutations": 30, "random_state": 0}
    assert len(shuffled_bests(scores, candidates, **options, stop_above=0.1)) == 3
    assert len(shuffled_bests(scores, candidates, **options, stop_above=99)) == 30


def test_chance_falls_with_the_statistic():
    bests = np.random.default_rng(5).gumbel(3, 0.4, 30)
    chances = [chance_of(z, bests) for z in (2.0, 3.5, 4.5, 6.0, 9.0)]
    assert chances == sorted(chances, reverse=True)
    assert chances[0] > 0.9
    assert chances[-1] < 1e-4
