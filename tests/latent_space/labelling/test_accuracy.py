"""Figures of a prediction, beside scikit-learn's and by hand."""

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import r2_score, roc_auc_score

from latent_space.labelling.accuracy import interval_ends, judged, ranking_auc, worst


def test_auc_is_that_of_scikit_learn():
    generator = np.random.default_rng(0)
    failed, predicted = generator.random(50) < 0.3, generator.integers(0, 6, 50).astype(float)
    assert ranking_auc(failed, predicted) == pytest.approx(roc_auc_score(failed, predicted))
    assert np.isnan(ranking_auc(np.zeros(3, bool), np.arange(3.0)))


def test_a_tie_that_would_make_most_samples_failures_makes_none_of_them_one():
    rare = np.array([0.0] * 95 + [1.0] * 5)
    assert worst(rare).sum() == 5
    assert worst(np.arange(100.0)).sum() == 15


@pytest.mark.parametrize("n_failed", [1, 5, 20, 60, 95])
def test_of_0_and_1_all_of_1_are_failures(n_failed):
    assert worst((np.arange(100) < n_failed).astype(float)).sum() == n_failed


def test_most_samples_at_the_worst_value_are_failures():
    assert worst(np.r_[np.zeros(10), 1.0, np.full(60, 2.0)]).sum() == 60


def test_the_figures_are_those_of_others():
    generator = np.random.default_rng(1)
    target = generator.gamma(1, 1, 200)
    predicted, folds = target + generator.normal(0, 1, 200), np.arange(200) % 5
    found = judged(target, predicted, target - predicted, folds, "a test")
    assert found.spearman == pytest.approx(spearmanr(target, predicted).statistic)
    assert found.r2 == pytest.approx(r2_score(target, predicted))
    assert found.auc == pytest.approx(roc_auc_score(worst(target), predicted))
    assert found.coverage == pytest.approx(0.9, abs=0.05)
    assert np.isnan(judged(target, np.ones(200), target, folds, "a test").spearman)


def test_the_interval_leaves_out_a_twentieth_at_either_end():
    low, high = interval_ends(np.arange(1.0, 100.0))
    assert (low, high) == (5.0, 95.0)
    assert interval_ends(np.array([3.0, 1.0, 2.0])) == (1.0, 3.0)
