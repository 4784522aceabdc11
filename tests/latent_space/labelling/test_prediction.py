"""Predicted errors: right where they can be, calibrated, never helped by a sample's own error."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import RidgeCV
from sklearn.metrics import r2_score

from latent_space.labelling import predict_error
from latent_space.labelling.accuracy import ranking_auc, worst
from latent_space.labelling.prediction import _ridge


def hidden(errors, share=0.5, seed=0):
    known = np.random.default_rng(seed).random(len(errors)) < share
    return np.where(known, errors, np.nan), known


def test_it_finds_the_side_that_fails_and_says_how_well(failing_side):
    latents, errors = failing_side
    shown, known = hidden(errors)
    predicted = predict_error(latents, shown)
    assert ranking_auc(worst(errors[~known]), predicted.mean[~known]) > 0.85
    assert predicted.accuracy.n_known == known.sum()
    assert predicted.accuracy.auc == pytest.approx(ranking_auc(worst(errors[known]), predicted.mean[known]))
    assert predicted.accuracy.r2 == pytest.approx(r2_score(errors[known], predicted.mean[known]))
    assert predicted.accuracy.r2 > 0.4
    assert (predicted.low <= predicted.mean).all()
    assert (predicted.mean <= predicted.high).all()
    assert (predicted.low >= 0).all(), "no loss is below 0"


@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e6])
def test_the_interval_holds_nine_of_ten_that_were_not_known(scale):
    covered = []
    for seed in range(6):
        generator = np.random.default_rng(seed)
        latents = generator.normal(size=(1200, 3)) * scale
        errors = np.abs(latents[:, 0] / scale) + generator.gamma(1, 0.2 + 0.3 * (latents[:, 1] > 0), 1200)
        shown, known = hidden(errors, 0.3, seed)
        predicted = predict_error(latents, shown)
        covered.append(((predicted.low <= errors) & (errors <= predicted.high))[~known].mean())
        assert abs(predicted.accuracy.coverage - 0.9) < 0.06
    assert abs(np.mean(covered) - 0.9) < 0.025


NOISES = {
    "uniform": lambda generator, n: generator.uniform(-1, 1, n),
    "heavy tails": lambda generator, n: generator.standard_t(2, n),
    "skewed": lambda generator, n: generator.gamma(1.5, 1, n),
}


@pytest.mark.parametrize("noise", NOISES)
def test_the_interval_is_fitted_to_the_residuals_at_either_end(noise):
    below, above = [], []
    for seed in range(4):
        generator = np.random.default_rng(seed)
        latents = generator.normal(size=(1500, 2))
        errors = latents[:, 0] - 10 + NOISES[noise](generator, 1500)
        shown, known = hidden(errors, 0.4, seed)
        predicted = predict_error(latents, shown)
        below.append((errors < predicted.low)[~known].mean())
        above.append((errors > predicted.high)[~known].mean())
    assert np.mean(below) == pytest.approx(0.05, abs=0.02)
    assert np.mean(above) == pytest.approx(0.05, abs=0.02)


def test_the_interval_is_wider_where_residuals_are_large():
    generator = np.random.default_rng(0)
    latents = generator.normal(size=(2000, 2))
    noisy = latents[:, 0] > 0
    errors = generator.normal(0, np.where(noisy, 5, 0.5), 2000)
    predicted = predict_error(latents, hidden(errors, 0.5)[0])
    width = predicted.high - predicted.low
    assert np.median(width[noisy]) > 1.5 * np.median(width[~noisy])


def test_noise_is_not_believed():
    generator = np.random.default_rng(0)
    predicted = predict_error(generator.normal(size=(200, 5)), generator.normal(size=200))
    assert predicted.accuracy.r2 < 0.1
    assert not predicted.accuracy.auc > 0.65


def test_the_own_error_does_not_help(failing_side):
    latents, errors = failing_side
    other = errors.copy()
    other[17] = 1000.0
    assert predict_error(latents, errors).mean[17] < 10
    assert predict_error(latents, other).mean[17] < 10


def test_the_order_of_the_samples_does_not_matter(failing_side):
    latents, errors = failing_side
    shown, _ = hidden(errors)
    shuffled = np.random.default_rng(1).permutation(len(errors))
    once, again = predict_error(latents, shown), predict_error(latents[shuffled], shown[shuffled])
    assert np.array_equal(once.mean[shuffled], again.mean)
    assert np.array_equal(once.high[shuffled], again.high)
    assert once.accuracy == again.accuracy


@given(n=st.integers(1, 30), n_known=st.integers(1, 30), n_features=st.integers(1, 80), equal=st.booleans())
@settings(max_examples=40, deadline=None)
def test_small_and_odd_sets_give_finite_predictions(n, n_known, n_features, equal):
    generator = np.random.default_rng(n)
    latents = np.ones((n, n_features)) if equal else generator.normal(size=(n, n_features))
    errors = generator.normal(size=n)
    errors[min(n_known, n) :] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        predicted = predict_error(latents, errors)
    assert np.isfinite([predicted.mean, predicted.low, predicted.high]).all()
    assert (predicted.low <= predicted.high).all()


@pytest.mark.parametrize("n", [8, 9, 12, 26, 49, 51])
def test_every_number_of_known_errors_is_judged_by_real_predictions(n):
    latents = np.linspace(0, 1, 60)[:, None]
    errors = np.where(np.arange(60) < n, 5 + latents[:, 0], np.nan)
    predicted = predict_error(latents, errors)
    assert np.abs(predicted.mean - 5.5).max() < 1.5
    assert predicted.accuracy.coverage > 0.5


def test_groups_do_not_judge_themselves():
    generator = np.random.default_rng(0)
    scenes = np.repeat(np.arange(40), 8)
    latents = generator.normal(size=(40, 3))[scenes] + generator.normal(0, 0.01, (320, 3))
    errors = generator.gamma(1, 1, 40)[scenes] + generator.normal(0, 0.01, 320)
    naive, honest = predict_error(latents, errors), predict_error(latents, errors, groups=scenes)
    assert naive.accuracy.r2 > 0.95
    assert honest.accuracy.r2 < 0.4
    few = predict_error(latents, errors, groups=scenes // 10)
    assert few.accuracy == naive.accuracy


def test_few_errors_give_their_mean_and_range():
    predicted = predict_error([[0.0], [1.0], [2.0]], [1.0, 3.0, np.nan])
    assert predicted.mean.tolist() == [2.0] * 3
    assert (predicted.low[0], predicted.high[0]) == (1.0, 3.0)
    assert np.isnan(predicted.accuracy.auc)


def test_latents_that_are_all_equal_predict_the_mean_without_a_ranking():
    errors = np.r_[np.arange(50.0), np.nan]
    predicted = predict_error(np.ones((51, 100)), errors)
    assert predicted.mean[-1] == pytest.approx(24.5, abs=10)
    assert not predicted.accuracy.r2 > 0.2


def test_ridge_is_that_of_scikit_learn():
    generator = np.random.default_rng(0)
    train, queries = generator.normal(size=(60, 5)), generator.normal(size=(9, 5))
    target = train @ [1.0, 2, 0, 0, 3] + generator.normal(size=60)
    oracle = RidgeCV(np.geomspace(1e-4, 1e3, 15) * 60).fit(train, target)
    assert _ridge(train, target, queries) == pytest.approx(oracle.predict(queries), rel=1e-6)


@pytest.mark.parametrize(
    ("errors", "message"),
    [
        ([np.nan] * 3, "errors must have a finite value somewhere; got none"),
        ([1.0, 2.0], r"errors must be one per sample, 3; got shape \(2,\)"),
    ],
)
def test_what_cannot_be_learned_from_is_said(errors, message):
    with pytest.raises(ValueError, match=message):
        predict_error([[0.0], [1.0], [2.0]], errors)


def test_columns_known_without_labels_help_where_the_latents_say_nothing():
    generator = np.random.default_rng(3)
    latents, columns = generator.normal(size=(200, 5)), generator.normal(size=(200, 3)) * [1, 1e6, 1e-6] + 50
    errors = 2 + (columns[:, 2] - 50) * 1e6 + 0.1 * generator.normal(size=200)
    known = np.where(np.arange(200) % 4 > 0, errors, np.nan)
    blind, seeing = (predict_error(latents, known, columns=one) for one in (None, columns))
    assert blind.accuracy.r2 < 0.1
    assert seeing.accuracy.r2 > 0.9
    assert seeing.accuracy.learner.endswith(", with what is known without labels")
    assert np.corrcoef(seeing.mean[::4], errors[::4])[0, 1] > 0.95


def test_columns_of_noise_or_of_one_value_change_nothing(failing_side):
    latents, errors = failing_side
    known = np.where(np.arange(300) % 3 > 0, errors, np.nan)
    alone = predict_error(latents, known)
    for columns in (np.ones((300, 2)), np.random.default_rng(1).normal(size=(300, 40))):
        np.testing.assert_array_equal(predict_error(latents, known, columns=columns).mean, alone.mean)


@pytest.mark.parametrize("columns", [np.zeros(300), np.zeros((299, 2)), np.full((300, 1), np.nan)])
def test_columns_that_do_not_fit_are_refused(failing_side, columns):
    with pytest.raises(ValueError, match=r"columns must be finite, \(300, n_columns\), a row per sample"):
        predict_error(*failing_side, columns=columns)
