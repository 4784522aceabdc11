import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latent_space.pruning import STRATEGIES, choose, select_to_keep
from latent_space.pruning.keeping import make_pool


@pytest.fixture(scope="module")
def blobs():
    """Four classes of 60, well apart."""
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(4), 60)
    return rng.normal(size=(4, 6))[labels] * 6 + rng.normal(size=(240, 6)), labels


@pytest.mark.parametrize("strategy", STRATEGIES)
@settings(max_examples=6, deadline=None)
@given(n=st.integers(2, 60), seed=st.integers(0, 99), fraction=st.floats(0.01, 0.99), known=st.booleans())
def test_every_strategy_keeps_the_share_and_gives_everyone_a_reason(strategy, n, seed, fraction, known):
    rng = np.random.default_rng(seed)
    latents = rng.normal(size=(n, 3)).round(1)
    labels = rng.integers(0, 3, n) if known else None
    pool = make_pool(latents, labels=labels, losses=rng.exponential(size=n), random_state=seed)
    choice = choose(pool, fraction, strategy=strategy)
    assert len(choice.kept) == max(1, round(fraction * n)) == choice.is_kept.sum()
    assert all(choice.reasons)
    again = choose(pool, fraction, strategy=strategy)
    assert choice.kept.tolist() == again.kept.tolist()


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize(
    "latents", [np.ones((20, 3)), np.zeros((1, 2)), np.arange(6.0).reshape(3, 2), np.repeat(np.eye(3), 20, axis=0)]
)
def test_constant_few_and_copied_latents(strategy, latents):
    kept = select_to_keep(latents, 0.5, strategy=strategy, losses=np.arange(len(latents)))
    assert len(kept) == max(1, round(len(latents) / 2))


def test_one_class_and_unknown_losses(blobs):
    latents, labels = blobs
    assert len(select_to_keep(latents, 0.1, labels=np.zeros(240))) == 24
    some = np.where(labels == 0, np.nan, 1.0)
    assert len(select_to_keep(latents, 0.1, losses=some)) == 24
    assert len(select_to_keep(latents, 0.1, losses=np.full(240, np.nan))) == 24


def test_wrong_labels_go_first(blobs):
    latents, labels = blobs
    wrong = labels.copy()
    wrong[::20] = (wrong[::20] + 1) % 4
    pool = make_pool(latents, labels=wrong, names=np.array([f"s{i}" for i in range(240)], object))
    choice = choose(pool, 0.9)
    assert not choice.is_kept[::20].any()
    assert choice.reasons[0] == "label probably wrong: 1, but seems to be 0"


def test_suspects_are_kept_last(blobs):
    suspects = np.zeros(240, bool)
    suspects[:30] = True
    choice = choose(make_pool(blobs[0], suspects=suspects, losses=np.ones(240)), 0.8)
    assert not choice.is_kept[:30].any()
    assert choice.reasons[0] == "label doubtful: the model or the neighbours contradict it"


def test_copies_go_before_anything_unique(blobs):
    latents, labels = blobs
    copied = np.concatenate([latents, latents[:120] + 1e-6])
    choice = choose(make_pool(copied, labels=np.concatenate([labels, labels[:120]])), 240 / 360)
    assert sorted(choice.kept.tolist()) == list(range(240))
    assert choice.reasons[240] == "near-duplicate of another: 0"
    more = choose(make_pool(copied, labels=np.concatenate([labels, labels[:120]])), 250 / 360)
    assert more.reasons[more.kept[-1]].startswith("kept only because there is room: near-duplicate of another: ")


def test_of_pairs_of_copies_the_first_are_kept():
    latents = np.repeat(np.random.default_rng(0).normal(size=(60, 4)), 2, axis=0)
    choice = choose(make_pool(latents, losses=np.ones(120)), 0.5)
    assert sorted(choice.kept) == list(range(0, 120, 2))
    assert choice.reasons[1] == "near-duplicate of another: 0"


def test_what_is_hard_is_kept_rather_than_what_is_easy():
    rng = np.random.default_rng(3)
    losses = rng.random(400)
    choice = choose(make_pool(rng.normal(size=(400, 3)), losses=losses), 0.3)
    assert losses[choice.kept].mean() > 0.6 > losses.mean()


def test_every_class_has_its_floor(blobs):
    latents, labels = blobs
    few = np.concatenate([np.flatnonzero(labels < 3), np.flatnonzero(labels == 3)[:8]])
    pool = make_pool(latents[few], labels=labels[few])
    kept = labels[few][choose(pool, 0.2).kept]
    assert np.bincount(kept, minlength=4).min() >= np.ceil(0.5 * len(kept) / 4)


def test_rare_region_is_kept(blobs):
    rng = np.random.default_rng(1)
    latents = np.concatenate([rng.normal(size=(400, 4)), rng.normal(size=(6, 4)) * 0.1 + 40])
    losses = np.concatenate([rng.uniform(1, 2, 400), np.zeros(6)])  # nothing but the floor asks for them
    choice = choose(make_pool(latents, losses=losses), 0.1)
    assert choice.is_kept[400:].any()


def test_loss_keeps_the_hardest():
    assert select_to_keep(np.eye(5), 0.4, strategy="loss", losses=[1, 5, 2, 4, 3]).tolist() == [1, 3]


def test_messages():
    for fraction in (0, 1, -0.1, 1.5, float("nan")):
        with pytest.raises(
            ValueError, match=f"fraction to keep must be between 0 and 1, both excluded; got {fraction}"
        ):
            select_to_keep(np.eye(4), fraction)
    with pytest.raises(ValueError, match=r"strategy must be one of auto, random, facility_location, .*; got 'best'"):
        select_to_keep(np.eye(4), 0.5, strategy="best")
    with pytest.raises(ValueError, match="losses or labels must be given for strategy loss"):
        select_to_keep(np.eye(4), 0.5, strategy="loss")
    with pytest.raises(ValueError, match="latents must be finite"):
        select_to_keep([[np.nan], [1.0]], 0.5)
    with pytest.raises(ValueError, match=re.escape("labels must be one per sample, 4; got shape (3,)")):
        select_to_keep(np.eye(4), 0.5, labels=[1, 2, 3])
    with pytest.raises(ValueError, match="labels must be known for every sample; got none in row 1"):
        select_to_keep(np.eye(4), 0.5, labels=np.array(["a", None, "b", "c"], object))
    with pytest.raises(ValueError, match=re.escape("losses must be one per sample, 4; got shape (1,)")):
        select_to_keep(np.eye(4), 0.5, losses=[1.0])
    with pytest.raises(ValueError, match="at least one sample"):
        select_to_keep(np.zeros((0, 3)), 0.5)


@pytest.mark.parametrize("far", [3e37, 3e38])
def test_latents_as_large_as_can_be_are_ranked_without_a_warning(far):
    rng = np.random.default_rng(0)
    latents = rng.normal(size=(400, 8)).astype(np.float32)
    latents[[7, 9]] = [[far], [-far]]
    for strategy in ("auto", "steps", "kcenter", "facility_location"):
        kept = select_to_keep(latents, 0.5, strategy=strategy, losses=rng.uniform(size=400))
        assert len(np.unique(kept)) == 200
