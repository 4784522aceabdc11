import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.manifold import trustworthiness

from latent_space.neighbors import build_graph
from latent_space.projection_quality import map_quality, neighbors_kept


@settings(deadline=None, max_examples=30)
@given(st.integers(5, 60), st.integers(1, 15), st.integers(0, 1000))
def test_trustworthiness_is_scikit_learns(n, k, seed):
    rng = np.random.default_rng(seed)
    latents, flat = rng.normal(size=(n, 6)).astype(np.float32), rng.normal(size=(n, 2))
    k = min(k, (n - 1) // 2)
    ours = map_quality(latents, flat, n_neighbors=k)["trustworthiness"]
    assert ours == pytest.approx(trustworthiness(latents.astype(np.float64), flat, n_neighbors=k), abs=1e-9)


def test_trustworthiness_of_a_sample_of_rows_is_near_that_of_all(monkeypatch):
    rng = np.random.default_rng(0)
    latents = rng.normal(size=(1500, 6)).astype(np.float32)
    flat = latents[:, :2]
    monkeypatch.setattr("latent_space.projection_quality._ALL_RANKED_TO", 1000)
    monkeypatch.setattr("latent_space.projection_quality._RANKED", 500)
    sampled = map_quality(latents, flat)["trustworthiness"]
    assert sampled == pytest.approx(trustworthiness(latents.astype(np.float64), flat, n_neighbors=15), abs=0.01)


def test_quality_of_a_perfect_and_of_a_shuffled_map():
    flat = np.random.default_rng(0).normal(size=(400, 2)).astype(np.float32)
    assert map_quality(flat * 3 + 5, flat) == pytest.approx(
        {"trustworthiness": 1, "neighbors_kept": 1, "distance_correlation": 1}
    )
    shuffled = map_quality(flat, np.random.default_rng(1).permutation(flat))
    assert shuffled["trustworthiness"] == pytest.approx(0.5, abs=0.05)
    assert shuffled["neighbors_kept"] == pytest.approx(15 / 399, abs=0.02)
    assert shuffled["distance_correlation"] == pytest.approx(0, abs=0.05)


def test_neighbors_kept_points_at_the_misplaced_point():
    line = np.arange(20.0)[:, None]
    flat = np.hstack([line, np.zeros_like(line)])
    flat[3, 0] = 50
    kept = neighbors_kept(line, flat, graph=build_graph(line, n_neighbors=2))
    assert kept[3] == 0
    assert kept[10] == 1


def test_cosine_quality_is_of_directions():
    rng = np.random.default_rng(0)
    angles = rng.uniform(0, np.pi / 2, 200)
    circle = np.column_stack([np.cos(angles), np.sin(angles)])
    latents = circle * rng.uniform(1, 50, (200, 1))
    quality = map_quality(latents, circle, graph=build_graph(latents, metric="cosine"))
    assert quality["trustworthiness"] > 0.999
    assert quality["neighbors_kept"] > 0.99


@pytest.mark.parametrize("n", [0, 1, 2])
def test_too_few_points_have_no_quality(n):
    quality = map_quality(np.zeros((n, 3)), np.zeros((n, 2)))
    assert len(quality) == 3
    assert all(np.isnan(value) for value in quality.values())


def test_constant_latents_have_no_wrong_neighbours():
    quality = map_quality(np.ones((50, 3)), np.random.default_rng(0).normal(size=(50, 2)))
    assert (quality["trustworthiness"], quality["neighbors_kept"]) == (1, 1)
    assert np.isnan(quality["distance_correlation"])


def test_a_bad_map_is_refused():
    with pytest.raises(ValueError, match=r"projection must be finite, \(3, 2\), a row per sample; got \(2, 2\)"):
        map_quality(np.eye(3), np.zeros((2, 2)))
    with pytest.raises(ValueError, match="projection must be finite"):
        map_quality(np.eye(3), np.full((3, 2), np.nan))
