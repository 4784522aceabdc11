import numpy as np
import pytest

from latent_space.clustering import Clusters
from latent_space.pruning.keeping import make_pool
from latent_space.pruning.steps import StepsOrder, prune_by_steps


@pytest.fixture
def easy_and_hard():
    """40 samples the model does well on, in two subgroups, and 10 it does not; distances grow with the row."""
    latents = np.concatenate([np.linspace(0, 1, 40), np.linspace(20, 21, 10)])[:, None]
    pool = make_pool(latents, losses=np.repeat([0.1, 5.0], [40, 10]))
    ids = np.repeat([0, 1], [40, 10])
    clusters = Clusters(ids, np.array([[0.0], [20.0]]), np.concatenate([np.arange(40.0), np.arange(10.0)]))
    return pool, clusters, np.repeat([0, 1, 2], [10, 30, 10])


def test_four_steps_by_hand(easy_and_hard):
    done = prune_by_steps(easy_and_hard[0], 35, *easy_and_hard[1:])
    assert done.picked == [0]  # 1: the model does well on it
    assert (done.cut, done.thresholds) == (0.5, {0: 19.5})  # 2: the median distance
    assert done.subgroup_ids.tolist() == [0] * 10 + [1] * 10 + [-1] * 30  # 3
    assert set(done.kept[:30]) == set(range(20, 50))  # far out, or hard: kept whole, the hard first
    assert set(done.kept[:10]) == set(range(40, 50))
    assert sorted(done.subgroup_ids[done.kept[30:]]) in ([0, 0, 1, 1, 1], [0, 0, 0, 1, 1])  # 4: in proportion


def test_the_cut_moves_out_and_then_more_clusters_are_picked(easy_and_hard):
    assert prune_by_steps(easy_and_hard[0], 20, *easy_and_hard[1:]).cut == 0.9
    wide = prune_by_steps(easy_and_hard[0], 5, *easy_and_hard[1:])
    assert wide.picked == [0, 1]
    assert len(wide.kept) == 5
    assert set(wide.subgroup_ids[wide.kept]) == {0, 1, 2}


def test_reasons_name_the_step():
    rng = np.random.default_rng(0)
    latents = np.concatenate([rng.normal(size=(80, 3)), rng.normal(size=(40, 3)) + 30])
    choice = StepsOrder(make_pool(latents, losses=np.repeat([0.1, 3.0], [80, 40])))(90)
    dropped, kept = choice.reasons[~choice.is_kept], choice.reasons[choice.is_kept]
    assert all("near the centre, not sampled: " in reason for reason in dropped)
    assert (~choice.is_kept).nonzero()[0].max() < 80
    starts = {" ".join(reason.split()[:2]) for reason in kept}
    assert "far from" in starts
    assert all(reason.startswith("the model does not do well here: cluster ") for reason in choice.reasons[80:])
