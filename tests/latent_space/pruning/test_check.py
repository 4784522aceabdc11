import numpy as np
import pytest

from latent_space.pruning.check import _Outcome, check_pruning
from latent_space.pruning.keeping import make_pool


def blobs(n, spread, seed=0):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 4, n)
    return rng.normal(size=(4, 6))[labels] * spread + rng.normal(size=(n, 6)), labels


def test_what_is_redundant_can_be_dropped():
    latents, labels = blobs(240, 8)
    check = check_pruning(make_pool(latents, labels=labels), fractions=[0.1, 0.2, 0.5, 0.9], n_seeds=3)
    assert check.proposed is not None
    assert check.proposed <= 0.2
    place = check.curve.budgets.index(check.proposed)
    own, random = (check.curve.strategies[name]["mean"][place] for name in ("auto", "random"))
    assert own >= check.curve.full - 0.01
    assert own >= random
    assert check.curve.sentence.startswith(f"{1 - check.proposed:.0%} can be dropped: keeping {check.proposed:.0%}")
    assert set(check.curve.strategies) == {"auto", "random", "steps", "facility_location"}


def test_noise_cannot_be_judged():
    rng = np.random.default_rng(0)
    check = check_pruning(make_pool(rng.normal(size=(200, 4)), losses=rng.exponential(size=200)), n_seeds=3)
    assert check.proposed is None
    assert check.curve.sentence.startswith("Cannot tell what can be dropped")


def test_copies_do_not_help_to_judge_one_another():
    rng = np.random.default_rng(0)
    latents, losses = rng.normal(size=(120, 4)), rng.exponential(size=120)
    check = check_pruning(make_pool(np.repeat(latents, 2, axis=0), losses=np.repeat(losses, 2)), n_seeds=3)
    assert check.curve.sentence.startswith("Cannot tell what can be dropped")


@pytest.mark.parametrize(
    ("own", "random", "expected"),
    [
        ([0.895, 0.895, 0.9], [0.8, 0.8, 0.8], 0),
        ([0.88, 0.895, 0.9], [0.8, 0.8, 0.8], 1),  # .02 is more than the tolerance
        ([0.895, 0.88, 0.9], [0.8, 0.8, 0.8], 2),  # a larger share that is not good
        ([0.895, 0.895, 0.9], [0.9, 0.8, 0.8], 1),  # random does better
        ([0.895, np.nan, 0.9], [0.8, 0.8, 0.8], 2),
        ([0.88, 0.88, 0.88], [0.8, 0.8, 0.8], None),
        ([0.895, 0.895, 0.9], [0.95, 0.95, 0.95], None),
    ],
)
def test_the_smallest_share_within_the_tolerance_is_proposed(own, random, expected):
    outcome = _Outcome("accuracy", [0.1, 0.5, 0.9], np.array(own), np.array(random), 0.9, 0.25, 0.01, 0.01)
    assert outcome.place() == expected


@pytest.mark.parametrize("losses", [np.ones(60), np.zeros(60)])
def test_constant_losses_and_constant_latents(losses):
    check = check_pruning(make_pool(np.ones((60, 3)), losses=losses), n_seeds=3)
    assert check.proposed is None
    assert "Cannot tell" in check.curve.sentence


def test_one_class_cannot_be_judged():
    check = check_pruning(make_pool(blobs(60, 1)[0], labels=np.zeros(60)), n_seeds=3)
    assert "Cannot tell" in check.curve.sentence


def test_says_so_when_nothing_can_be_dropped():
    rng = np.random.default_rng(0)
    latents = rng.normal(size=(150, 20))
    losses = latents @ rng.normal(size=20)  # 20 unknowns, 2 samples
    check = check_pruning(make_pool(latents, losses=losses), fractions=[0.02], n_seeds=3)
    assert check.proposed is None
    assert check.curve.sentence.startswith("Nothing can be dropped: keeping 2% gives")


def test_same_result_again():
    latents, labels = blobs(60, 2)
    first, again = (check_pruning(make_pool(latents, labels=labels), fractions=[0.5], n_seeds=3) for _ in range(2))
    assert first == again


def test_messages():
    with pytest.raises(ValueError, match="pool must have classes or losses"):
        check_pruning(make_pool(np.eye(50)))
    with pytest.raises(ValueError, match="at least 40 labelled samples to be checked; got 5"):
        check_pruning(make_pool(np.eye(5), losses=np.ones(5)))
    with pytest.raises(ValueError, match="tolerance must be between 0 and 1; got 2"):
        check_pruning(make_pool(np.eye(50), losses=np.ones(50)), tolerance=2)
