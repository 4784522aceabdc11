"""Each strategy on samples where its first picks can be told by looking."""

import dataclasses

import numpy as np
import pytest

from latent_space.labelling import PredictedError, predict_error, select_for_labelling
from latent_space.labelling.accuracy import Accuracy
from latent_space.labelling.strategies import Pool, _in_turn, failing_weights
from latent_space.neighbors import build_graph


def prediction(mean, auc, width=1.0):
    mean = np.asarray(mean, float)
    return PredictedError(mean, mean - width, mean + width, Accuracy(50, "a test", auc, auc, 0.5, 0.9))


def pool(mean, auc):
    latents = np.arange(float(len(mean)))[:, None].astype(np.float32)
    nothing = np.empty(0, np.int64)
    return Pool(latents, build_graph(latents), nothing, np.arange(len(mean)), prediction(mean, auc), 0)


def test_failure_takes_the_largest_and_uncertain_the_widest():
    predicted = prediction([3.0, 9, 1, 5], 0.9, width=np.array([1.0, 0, 9, 2]))
    latents = np.arange(4.0)[:, None]
    assert select_for_labelling(latents, 4, strategy="failure", predicted_error=predicted).tolist() == [1, 3, 0, 2]
    assert select_for_labelling(latents, 4, strategy="uncertain", predicted_error=predicted).tolist() == [2, 3, 0, 1]


def test_coverage_goes_where_nothing_is_labelled_and_typical_to_the_middle():
    generator = np.random.default_rng(0)
    known, new = generator.normal(0, 1, (40, 2)), generator.normal(20, 1, (100, 2))
    latents = np.concatenate([known, new])
    for strategy in ("coverage", "auto", "kcenter"):
        first = select_for_labelling(latents, 1, strategy=strategy, labelled=np.arange(30))[0]
        assert first >= 40, strategy
    typical = select_for_labelling(latents, 2, strategy="typical", candidates=np.arange(40, 140))
    middle = np.linalg.norm(new - new.mean(axis=0), axis=1)
    assert middle[typical[0] - 40] < np.median(middle)


def test_auto_finds_the_failing_region_and_spreads_in_it(failing_side):
    latents, errors = failing_side
    labelled = np.random.default_rng(0).random(300) < 0.4
    predicted = predict_error(latents, np.where(labelled, errors, np.nan))
    picks = select_for_labelling(latents, 20, labelled=labelled, predicted_error=predicted)
    failing = (errors > 2)[~labelled].mean()
    assert (errors[picks] > 2).mean() > 2 * failing
    copies = np.concatenate([latents, np.repeat(latents[picks[:1]], 30, axis=0)])
    known = np.concatenate([labelled, np.zeros(30, bool)])
    again = predict_error(copies, np.where(known, np.concatenate([errors, np.zeros(30)]), np.nan))
    with_copies = select_for_labelling(copies, 20, labelled=known, predicted_error=again)
    assert (with_copies >= 300).sum() <= 11, "at most the share that goes by failure alone"


@pytest.mark.parametrize("auc", [np.nan, 0.5, 0.3])
def test_auto_is_coverage_where_the_prediction_is_worth_nothing(auc):
    generator = np.random.default_rng(0)
    latents = generator.normal(size=(50, 2))
    predicted = prediction(generator.normal(size=50), auc)
    auto = select_for_labelling(latents, 10, labelled=[0, 1], predicted_error=predicted)
    assert auto.tolist() == select_for_labelling(latents, 10, strategy="coverage", labelled=[0, 1]).tolist()


def test_weights_follow_the_predicted_error_as_far_as_it_is_trusted():
    mean = np.arange(20.0)
    assert failing_weights(pool(mean, 0.5)).tolist() == [1.0] * 20
    trusted = failing_weights(pool(mean, 1.0))
    assert (np.diff(trusted[2:]) > 0).all()
    assert trusted[0] == 0
    assert trusted.mean() == pytest.approx(1)
    assert (failing_weights(pool(mean, 0.7)) > 0).all()
    assert failing_weights(dataclasses.replace(pool(mean, 1.0), predicted=None)).tolist() == [1.0] * 20


def test_both_lists_are_taken_in_turn_and_nothing_twice():
    picks = _in_turn([9, 8, 7, 6], [9, 1, 2, 3], 0.5, 4)
    assert [why for _, why in picks].count("failure") == 2
    assert {row for row, _ in picks} == {9, 8, 1, 2} or len({row for row, _ in picks}) == 4
    assert [why for _, why in _in_turn([5, 6], [7, 8], 0.0, 2)] == ["coverage", "coverage"]
    assert [row for row, _ in _in_turn([1, 2, 3], [1, 2, 3], 1.0, 3)] == [1, 2, 3]


def test_predictions_that_are_all_the_same_fall_back_to_coverage():
    latents = np.random.default_rng(0).normal(size=(30, 2))
    flat = prediction(np.ones(30), 0.9)
    covering = select_for_labelling(latents, 5, strategy="coverage", labelled=[0]).tolist()
    for strategy in ("auto", "failure", "uncertain"):
        picks = select_for_labelling(latents, 5, strategy=strategy, labelled=[0], predicted_error=flat)
        assert picks.tolist() == covering


def test_typical_lies_in_the_middle_never_at_the_edge():
    generator = np.random.default_rng(0)
    latents = np.concatenate([generator.normal(size=(60, 2)), [[30.0, 30.0]]])
    picks = select_for_labelling(latents, 61, strategy="typical", labelled=[]).tolist()
    assert picks.index(60) > 5
