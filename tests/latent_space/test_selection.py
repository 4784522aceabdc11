import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latent_space.neighbors import build_graph
from latent_space.selection import facility_location, k_center, similarities


def clouds(smallest=2):
    return st.builds(
        lambda n, seed, lattice: (
            np.random.default_rng(seed).integers(0, 3, (n, 2)).astype(float)
            if lattice
            else np.random.default_rng(seed).normal(size=(n, 3))
        ),
        st.integers(smallest, 40),
        st.integers(0, 10_000),
        st.booleans(),
    )


def dense_greedy(similar, n, weights, chosen=(), candidates=None):
    """Every gain of every candidate at every step."""
    cover = similar[:, list(chosen)].max(axis=1, initial=0)
    able = [one for one in (range(len(similar)) if candidates is None else candidates) if one not in chosen]
    picked, gains = [], []
    for _ in range(n):
        every = {one: float(weights @ np.maximum(similar[:, one] - cover, 0)) for one in able if one not in picked}
        best = max(every, key=every.get)
        picked, gains = [*picked, best], [*gains, every[best]]
        cover = np.maximum(cover, similar[:, best])
    return picked, gains


def dense_centers(points, n, first):
    picked = [first]
    for _ in range(n - 1):
        away = np.linalg.norm(points[:, None] - points[picked][None], axis=-1).min(axis=1)
        picked.append(int(away.argmax()))
    return picked


def test_facility_location_by_hand():
    graph = build_graph([[0.0], [1.0], [2.0], [90.0], [92.0]], n_neighbors=2)
    ranking = facility_location(graph, 5)
    assert ranking.indices.tolist() == [1, 3, 0, 2, 4]
    assert len(ranking) == 5
    # The middle of three covers itself and two at exp(-1 / (1 * 2)).
    assert ranking.gains[0] == pytest.approx(1 + 2 * np.exp(-0.5))


@pytest.mark.parametrize("seed", range(5))
def test_facility_location_is_plain_greedy(seed):
    rng = np.random.default_rng(seed)
    graph = build_graph(rng.normal(size=(80, 4)), n_neighbors=7)
    weights, chosen = rng.uniform(size=80), rng.choice(80, 5, replace=False)
    candidates = rng.choice(80, 50, replace=False)
    ranking = facility_location(graph, 20, weights=weights, chosen=chosen, candidates=candidates)
    picked, gains = dense_greedy(similarities(graph).toarray(), 20, weights, chosen.tolist(), candidates.tolist())
    assert ranking.indices.tolist() == picked
    np.testing.assert_allclose(ranking.gains, gains, rtol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_k_center_is_plain_greedy(seed):
    points = np.random.default_rng(seed).normal(size=(80, 4)) * 100 + 1000
    ranking = k_center(points, 20, random_state=seed)
    assert ranking.indices.tolist() == dense_centers(points, 20, ranking.indices[0])
    nearest = [
        np.linalg.norm(points[one] - points[ranking.indices[:place]], axis=1).min(initial=np.inf)
        for place, one in enumerate(ranking.indices)
    ]
    np.testing.assert_allclose(ranking.gains, nearest, rtol=1e-4)


@settings(max_examples=60, deadline=None)
@given(clouds(), st.integers(1, 12), st.data())
def test_invariants(points, k, data):
    n = data.draw(st.integers(0, len(points)))
    graph = build_graph(points, n_neighbors=k)
    for ranking in (facility_location(graph, n), k_center(points, n)):
        assert len(set(ranking.indices.tolist())) == len(ranking) == n
        assert (ranking.gains[1:] <= ranking.gains[:-1]).all()
        assert (ranking.gains >= 0).all()
    assert facility_location(graph, n).indices.tolist() == facility_location(graph, len(points)).indices[:n].tolist()
    assert k_center(points, n).indices.tolist() == k_center(points, len(points)).indices[:n].tolist()
    assert facility_location(graph, len(points)).gains.sum() == pytest.approx(len(points))


@settings(max_examples=40, deadline=None)
@given(clouds(4), st.sampled_from([1e-20, 1e-3, 1e12]))
def test_scale_does_not_matter(points, scale):
    plain, scaled = points.astype(np.float32), (points * scale).astype(np.float32)
    a, b = similarities(build_graph(plain, n_neighbors=3)), similarities(build_graph(scaled, n_neighbors=3))
    np.testing.assert_allclose(a.toarray(), b.toarray(), atol=1e-4)
    assert np.isfinite(k_center(scaled, 4).gains[1:]).all()


def test_centers_are_rows_of_all_latents_whoever_may_be_chosen():
    points = np.array([[0.0], [50.0], [1.0], [9.0], [5.0], [-70.0]])
    ranking = k_center(points, 3, chosen=[0], candidates=[2, 3, 4])
    assert ranking.indices.tolist() == [3, 4, 2]
    assert ranking.gains.tolist() == pytest.approx([9, 4, 1])
    covering = facility_location(build_graph(points, n_neighbors=2), 3, chosen=[0], candidates=[2, 3, 4])
    assert sorted(covering.indices) == [2, 3, 4]


def test_similarities_are_symmetric_and_one_for_duplicates():
    points = np.repeat(np.random.default_rng(0).normal(size=(6, 3)), 5, axis=0)
    similar = similarities(build_graph(points, n_neighbors=6)).toarray()
    np.testing.assert_array_equal(similar, similar.T)
    assert (np.diag(similar) == 1).all()
    assert similar.max() == 1
    assert (similar[:5, :5] == 1).all()


def test_duplicates_come_last():
    points = np.repeat(np.random.default_rng(0).normal(size=(10, 3)), 3, axis=0)
    for ranking in (facility_location(build_graph(points, n_neighbors=5), 10), k_center(points, 10)):
        assert sorted(ranking.indices // 3) == list(range(10))


def test_constant_latents_are_covered_by_one():
    points = np.ones((20, 3))
    gains = facility_location(build_graph(points, n_neighbors=19), 3).gains
    assert gains.tolist() == [20, 0, 0]
    assert k_center(points, 3).gains.tolist() == [np.inf, 0, 0]


def test_one_sample():
    assert facility_location(build_graph([[1.0]]), 1).indices.tolist() == [0]
    assert k_center([[1.0]], 1).indices.tolist() == [0]


def test_weights_decide_where_to_cover():
    points = np.concatenate([np.zeros((9, 1)), np.full((3, 1), 50.0)]) + np.arange(12)[:, None] / 100
    graph = build_graph(points, n_neighbors=2)
    assert facility_location(graph, 1, weights=np.repeat([0.01, 1], [9, 3])).indices[0] >= 9


def test_what_is_there_is_not_chosen_again_and_covers():
    points = np.array([[0.0], [0.1], [0.2], [9.0], [9.1], [9.3]])
    assert facility_location(build_graph(points, n_neighbors=2), 1, chosen=[1]).indices[0] >= 3
    assert k_center(points, 2, chosen=[5]).indices.tolist() == [0, 3]


@pytest.mark.parametrize("select", [lambda n, **more: facility_location(build_graph(np.eye(4)), n, **more), None])
def test_messages(select):
    select = select or (lambda n, **more: k_center(np.eye(4), n, **more))
    for n in (-1, 5):
        with pytest.raises(
            ValueError, match=re.escape(f"n must be between 0 and the 4 samples that can be chosen; got {n}")
        ):
            select(n)
    with pytest.raises(ValueError, match="the 1 samples"):
        select(2, candidates=[1, 2], chosen=[2])
    with pytest.raises(ValueError, match=r"candidates must be indices between 0 and 3; got \[1, 4\]"):
        select(1, candidates=[1, 4])
    with pytest.raises(ValueError, match="chosen must be indices"):
        select(1, chosen=[0.5])
    with pytest.raises(ValueError, match="weights must be 4 finite numbers"):
        facility_location(build_graph(np.eye(4)), 1, weights=[1, 1, 1, np.nan])
    with pytest.raises(ValueError, match="latents must be finite"):
        k_center([[np.nan]], 1)
