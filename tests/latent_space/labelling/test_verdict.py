"""What is said of a replay: savings only where there are any beyond chance."""

import numpy as np
import pytest

from latent_space.labelling.replay import Replay
from latent_space.labelling.verdict import compared, labelling_curves, labels_needed, saving_in_words

BUDGETS = np.array([10, 20, 40])
NOISE = np.random.default_rng(0).normal(0, 2, (10, 3))
RANDOM = np.array([[10.0, 25, 50]]) + NOISE


def test_a_saving_is_told_in_labels():
    auto = np.array([[10.0, 50, 80]]) + NOISE[::-1]
    words = saving_in_words(BUDGETS, {"auto": auto, "random": RANDOM}, "failures")
    assert words.startswith("auto needs 2")
    assert "labels for the failures that random reaches with 40 (50 %)" in words
    assert words.endswith("% fewer")


def test_a_saving_that_comes_late_says_so():
    auto = np.array([[10.0, 25, 80]]) + NOISE[::-1]
    words = saving_in_words(BUDGETS, {"auto": auto, "random": RANDOM}, "failures")
    assert words.endswith("% fewer, but up to 20 labels it is no better than random")


def test_the_strategy_that_was_asked_for_is_told_about():
    scores = {"auto": RANDOM, "random": RANDOM, "kcenter": np.array([[10.0, 50, 80]]) + NOISE[::-1]}
    replayed = Replay(BUDGETS, scores, {}, 80, 80)
    for strategy, words in (("kcenter", "kcenter needs "), ("random", "auto saves no labels here")):
        [curve] = labelling_curves(replayed, "worst", strategy=strategy)
        assert curve.sentence.startswith(words)


def test_no_saving_is_told_as_well():
    words = saving_in_words(BUDGETS, {"auto": RANDOM + NOISE[::-1], "random": RANDOM}, "failures")
    assert words.startswith("auto saves no labels here that could be told from chance; failures: with 40 labels it rea")


def test_a_loss_is_told_and_what_would_have_done_better():
    scores = {"auto": RANDOM - [0, 10, 20], "random": RANDOM, "kcenter": RANDOM + [0, 10, 20] + NOISE[::-1] / 9}
    words = saving_in_words(BUDGETS, scores, "failures")
    assert words.startswith("auto saves no labels here, it is worse than random; failures: with 40 labels it reaches 3")
    assert "kcenter did best here (70 %), chosen after looking" in words


def test_differences_count_beyond_chance_only():
    assert compared(np.ones(5), np.zeros(5)) == 1
    assert compared(np.zeros(5), np.ones(5)) == -1
    assert compared(np.zeros(5), np.zeros(5)) == 0
    assert compared(np.array([1.0, -1, 2, -2, 0.1]), np.zeros(5)) == 0
    assert compared(np.array([5.0]), np.array([1.0])) == 0


@pytest.mark.parametrize(("target", "needed"), [(0.0, 10), (5.0, 15), (10.0, 20), (30.0, 40), (31.0, np.inf)])
def test_labels_needed_are_interpolated(target, needed):
    assert labels_needed(BUDGETS, np.array([[0.0, 10.0, 30.0]]), target) == needed


def test_curves_say_what_they_were_measured_on():
    scores = {"auto": RANDOM, "random": RANDOM}
    one, other = labelling_curves(Replay(BUDGETS, scores, scores, 2000, 9000), "worst 15 % by loss")
    alone = labelling_curves(Replay(BUDGETS, scores, {}, 2000, 9000), "worst 15 % by loss")
    assert one.title == "Failures found per label"
    assert one.y_label == "failures found (worst 15 % by loss), %"
    assert alone[0].sentence.endswith("(replayed 10 times on 2,000 of 9,000 labelled samples)")
    assert one.sentence.endswith("of 9,000 labelled samples, a quarter of them held out for the probe)")
    assert one.full == 100
    assert one.strategies["random"]["mean"] == pytest.approx(RANDOM.mean(axis=0).tolist())
    assert "accuracy of a linear probe: with 20 labels" in other.sentence
    assert len(alone) == 1
