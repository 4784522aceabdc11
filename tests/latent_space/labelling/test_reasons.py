"""Reasons a person can check."""

import numpy as np

from latent_space.labelling.accuracy import Accuracy
from latent_space.labelling.prediction import PredictedError
from latent_space.labelling.reasons import Reasons
from latent_space.labelling.target import Target
from latent_space.measures import Measure
from latent_space.neighbors import build_graph

LATENTS = np.array([[0.0], [1.0], [2.0], [50.0], [51.0]])
LABELLED = np.array([True, False, False, False, False])
IDS = np.array(["a", "b", "c", "d", "e"])


def reasons(mean, target):
    mean = np.asarray(mean, float)
    predicted = PredictedError(mean, mean - 0.25, mean + 0.5, Accuracy(9, "a test", 0, 0, 0, 0))
    return Reasons(build_graph(LATENTS, n_neighbors=2), LABELLED, predicted, target)


def test_each_word_becomes_a_sentence():
    told = reasons([9, 1, 2, 3, 4], Target(Measure("loss", True)))
    picks = [(4, "failure"), (1, "coverage"), (3, "group"), (2, "uncertain"), (3, "random"), (1, "floor")]
    assert told.in_words(picks, IDS) == [
        "predicted loss 4, worse than 75 % of the unlabelled",
        "stands for 2 samples like it, 1 of them labelled; predicted loss 1, better than 75 % of the unlabelled",
        "belongs to the group of b",
        "its loss may lie anywhere from 1.75 to 2.5; predicted loss 2, better than 50 % of the unlabelled",
        "drawn at random; predicted loss 3, worse than 50 % of the unlabelled",
        "picked to fill a floor; predicted loss 1, better than 75 % of the unlabelled",
    ]


def test_zero_has_no_sign():
    told = reasons([-0.5, 0.0, -0.7, -0.6, -0.25], Target(Measure("metric_f1", False)))
    assert told.in_words([(1, "failure")], IDS) == ["predicted f1 0, worse than 75 % of the unlabelled"]


def test_the_worst_of_many_is_not_worse_than_all_of_them():
    n = 300
    mean = np.arange(n, dtype=float)
    predicted = PredictedError(mean, mean - 1, mean + 1, Accuracy(9, "a test", 0, 0, 0, 0))
    graph = build_graph(np.arange(n, dtype=float)[:, None], n_neighbors=2)
    told = Reasons(graph, np.zeros(n, bool), predicted, Target(Measure("loss", True)))
    assert told.in_words([(n - 1, "failure")], np.arange(n).astype(str))[0].endswith(
        "worse than 99 % of the unlabelled"
    )
    assert told.in_words([(0, "failure")], np.arange(n).astype(str))[0].endswith("better than 99 % of the unlabelled")


def test_a_metric_whose_higher_values_are_better_is_told_in_its_own_values():
    told = reasons([-0.9, -0.8, -0.7, -0.6, -0.2], Target(Measure("metric_panoptic_quality", False)))
    assert told.in_words([(4, "failure"), (3, "uncertain")], IDS) == [
        "predicted panoptic quality 0.2, worse than 75 % of the unlabelled",
        "its panoptic quality may lie anywhere from 0.1 to 0.85; "
        "predicted panoptic quality 0.6, worse than 50 % of the unlabelled",
    ]


def test_a_chance_is_called_one():
    told = reasons([0, 0.1, 0.2, 0.3, 0.45], Target(Measure("metric_correct", False), is_binary=True))
    assert told.in_words([(4, "failure"), (3, "uncertain")], IDS) == [
        "predicted chance of failure 45 %, worse than 75 % of the unlabelled",
        "its chance of failure may lie anywhere from 5.0 % to 80 %; "
        "predicted chance of failure 30 %, worse than 50 % of the unlabelled",
    ]


def test_without_a_prediction_only_the_place_is_told():
    alone = Reasons(build_graph([[1.0]]), np.array([False]), None, Target(Measure("loss", True)))
    assert alone.in_words([(0, "coverage")], ["x"]) == ["stands for itself alone"]
    told = Reasons(build_graph(LATENTS, n_neighbors=2), ~LABELLED, None, Target(Measure("loss", True)))
    assert told.in_words([(0, "kcenter")], IDS)[0].startswith("far from everything labelled or picked before; stands")
    assert told.in_words([(0, "typical")], IDS) == [
        "in the middle of a dense region; stands for 2 samples like it, all of them labelled"
    ]
