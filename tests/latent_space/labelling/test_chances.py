"""Predicted chances of failure, against outcomes whose chance is known."""

import numpy as np
import pytest
from scipy.stats import beta

from latent_space.labelling import predict_error
from latent_space.labelling.chances import are_binary, calibration, chance_interval


def drawn(seed, *, share=0.3, n=1500):
    """Latents, the true chance of every sample, and outcomes of which some are hidden."""
    generator = np.random.default_rng(seed)
    latents = generator.normal(size=(n, 3))
    chances = share / (1 + np.exp(-3 * latents[:, 0]))
    outcomes = (generator.random(n) < chances).astype(float)
    known = generator.random(n) < 0.5
    return latents, chances, outcomes, known


def test_only_0_and_1_with_some_of_either_are_binary():
    assert are_binary(np.array([0.0, 1.0, 1.0]))
    assert not are_binary(np.zeros(3))
    assert not are_binary(np.array([0.0, 1.0, 2.0]))
    assert not are_binary(np.array([0.0, 0.5, 1.0]))


def test_the_interval_holds_the_chance_nine_times_of_ten():
    held = []
    for seed in range(200):
        generator = np.random.default_rng(seed)
        outcomes = (generator.random(400) < 0.2).astype(float)
        low, high = chance_interval(outcomes, np.zeros(400), np.zeros(1))
        held.append(low[0] <= 0.2 <= high[0])
    assert np.mean(held) == pytest.approx(0.9, abs=0.06)


def test_near_the_ends_the_interval_is_of_what_lies_there():
    chances = np.linspace(0, 1, 2000) ** 8
    outcomes = (np.random.default_rng(1).random(2000) < chances).astype(float)
    low, high = chance_interval(outcomes, chances, chances)
    top, bottom = slice(-20, None), slice(0, 500)
    assert (low[top] > 0.8).all(), "a tenth of all fails far less often"
    assert (high[bottom] < 0.1).all()
    assert np.mean((low <= chances) & (chances <= high)) > 0.8


def test_the_interval_is_that_of_the_tenth_around_by_hand():
    held_out = np.linspace(0, 1, 1000)
    outcomes = np.zeros(1000)
    outcomes[450:550] = 1
    low, high = chance_interval(outcomes, held_out, np.array([0.5, 0.55]))
    # Jeffreys: quantiles of Beta(count + 1/2, 100 - count + 1/2), of 100 failures of 100 and of 50.
    np.testing.assert_allclose(low, beta.ppf(0.05, [100.5, 50.5], [0.5, 50.5]), atol=0.01)
    np.testing.assert_allclose(high, [1, beta.ppf(0.95, 50.5, 50.5)], atol=0.01)


def test_it_follows_the_chance_and_knows_the_ends():
    outcomes = np.repeat([0.0, 1.0], 200)
    low, high = chance_interval(outcomes, outcomes, np.array([-1.0, 0.0, 1.0, 2.0]))
    assert low[:2].tolist() == [0, 0]
    assert high[2:].tolist() == [1, 1]
    assert high[1] < 0.1
    assert low[2] > 0.9


@pytest.mark.parametrize("share", [0.1, 0.6, 1.0])
def test_predicted_chances_and_their_intervals_are_calibrated(share):
    held, off = [], []
    for seed in range(4):
        latents, chances, outcomes, known = drawn(seed, share=share)
        predicted = predict_error(latents, np.where(known, outcomes, np.nan))
        assert predicted.accuracy.auc > 0.6
        assert predicted.accuracy.r2 > 0
        assert np.isnan(predicted.accuracy.coverage)
        assert predicted.accuracy.calibration.n_failed == outcomes[known].sum()
        assert (predicted.low <= predicted.mean).all()
        assert (predicted.mean <= predicted.high).all()
        # Of samples with about the same prediction, the mean chance is what the interval is of.
        order = np.flatnonzero(~known)[np.argsort(predicted.mean[~known])]
        for rows in np.array_split(order, 10):
            held.append(predicted.low[rows].mean() <= chances[rows].mean() <= predicted.high[rows].mean())
            off.append(abs(predicted.mean[rows].mean() - chances[rows].mean()))
    assert np.mean(held) >= 0.85
    assert np.mean(off) < 0.05


def test_calibration_by_hand():
    outcomes = np.r_[np.zeros(16), 1, 0, 1, 1]
    found = calibration(outcomes, np.r_[np.full(16, 0.1), 0.4, 0.4, 0.9, 1.3])
    assert found.n_failed == 3
    assert (found.top_predicted, found.top_found) == (0.95, 1.0)
    assert found.off == pytest.approx((8 * 0.1 + 0.1 + 0.05) / 10)


def test_chances_that_tell_nothing_are_said_to_tell_nothing():
    generator = np.random.default_rng(0)
    outcomes = (generator.random(400) < 0.1).astype(float)
    accuracy = predict_error(generator.normal(size=(400, 5)), outcomes).accuracy
    assert not accuracy.auc > 0.65
    assert accuracy.r2 < 0.05
    assert accuracy.calibration.top_predicted < 0.25
