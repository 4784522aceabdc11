"""Replays: the same start for all, every failure found at most once, random as good as random is."""

import numpy as np
import pytest

from latent_space.labelling.prediction import predict_error
from latent_space.labelling.replay import budgets_for, replay
from latent_space.labelling.strategies import STRATEGIES


@pytest.fixture(scope="module")
def done(failing_side):
    latents, errors = failing_side
    return replay(latents, errors, classes=np.where(latents[:, 1] > 0, "object", "tote"), n_seeds=5)


def test_every_strategy_starts_alike_and_never_loses_a_failure(done):
    assert set(done.found) == set(done.accuracy) == set(STRATEGIES)
    for scores in done.found.values():
        assert scores.shape == (5, len(done.budgets))
        assert np.array_equal(scores[:, 0], done.found["random"][:, 0])
        assert (np.diff(scores, axis=1) >= 0).all()
        assert scores.min() >= 0
        assert scores.max() <= 100
    for scores in done.accuracy.values():
        assert np.array_equal(scores[:, 0], done.accuracy["random"][:, 0])


def test_failures_are_found_sooner_where_they_can_be_foreseen(done):
    assert done.found["random"][:, -1].mean() == pytest.approx(50, abs=10)
    for name in ("auto", "failure"):
        assert done.found[name][:, -1].mean() > 70
    assert done.accuracy["coverage"][:, -1].mean() > 80


def test_nobody_sees_an_error_before_it_is_labelled(failing_side, monkeypatch):
    seen = []

    def spy(points, revealed, **options):
        seen.append(int(np.isfinite(revealed).sum()))
        return predict_error(points, revealed, **options)

    monkeypatch.setattr("latent_space.labelling.replay.predict_error", spy)
    done = replay(*failing_side, strategies=("failure",), n_seeds=1)
    assert seen == done.budgets[:-1].tolist()


def test_where_the_error_is_noise_nobody_finds_more(failing_side):
    latents, _ = failing_side
    errors = np.random.default_rng(2).normal(size=300)
    found = replay(latents, errors, strategies=("auto", "random"), n_seeds=5).found
    assert abs(found["auto"][:, -1].mean() - 50) < 12


def test_it_is_the_same_again_and_whatever_the_order(failing_side):
    latents, errors = failing_side
    shuffled = np.random.default_rng(0).permutation(300)
    options = {"strategies": ("auto", "random"), "n_seeds": 2}
    once, again = replay(latents, errors, **options), replay(latents[shuffled], errors[shuffled], **options)
    assert np.array_equal(once.found["auto"], again.found["auto"])
    assert np.array_equal(once.found["random"], again.found["random"])


def test_of_many_samples_a_stated_number_is_replayed():
    generator = np.random.default_rng(0)
    done = replay(generator.normal(size=(2500, 2)), generator.normal(size=2500), strategies=("random",), n_seeds=1)
    assert (done.n_samples, done.n_known) == (2000, 2500)
    assert done.budgets.tolist()[::6] == [50, 1000]


@pytest.mark.parametrize("n", [40, 41, 100, 1999])
def test_budgets_rise_to_half(n):
    budgets = budgets_for(n)
    assert (np.diff(budgets) > 0).all()
    assert budgets[0] >= 10
    assert budgets[-1] == n // 2


@pytest.mark.parametrize("errors", [np.ones(50), np.where(np.arange(50) < 39, np.arange(50.0), np.nan)])
def test_what_can_show_nothing_is_refused(errors):
    with pytest.raises(ValueError, match="errors must be known for at least 40 samples and not all be equal"):
        replay(np.random.default_rng(0).normal(size=(50, 2)), errors)
