import re

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize

from latent_space.neighbors import build_graph, find_neighbors
from latent_space.placement import place, place_among
from latent_space.projection import project


@pytest.fixture(scope="module")
def mapped():
    rng = np.random.default_rng(0)
    groups = np.repeat(np.arange(5), 60)
    latents = (rng.normal(size=(5, 8))[groups] * 5 + rng.normal(size=(300, 8))).astype(np.float32)
    return latents, project(latents, method="tsne"), groups


def test_new_samples_of_a_group_lie_in_it(mapped):
    latents, flat, groups = mapped
    rng = np.random.default_rng(1)
    chosen = rng.integers(0, 300, 200)
    placed = place(latents[chosen] + 0.3 * rng.normal(size=(200, 8)), latents, flat)
    assert (placed.shape, placed.dtype) == ((200, 2), np.float32)
    nearest = find_neighbors(placed, flat, n_neighbors=1).indices[:, 0]
    assert (groups[nearest] == groups[chosen]).mean() > 0.99


def test_a_sample_of_the_map_takes_its_own_place(mapped):
    latents, flat, _ = mapped
    np.testing.assert_allclose(place(latents, latents, flat), flat, atol=1e-4)


def test_same_bytes_alone_together_and_in_another_order(mapped):
    latents, flat, _ = mapped
    new = latents[::7] + np.float32(0.5)
    together = place(new, latents, flat)
    assert np.concatenate([place(one[None], latents, flat) for one in new]).tobytes() == together.tobytes()
    assert place(new[::-1], latents, flat)[::-1].tobytes() == together.tobytes()


def test_what_lies_between_two_groups_goes_to_the_larger_one_not_between_them():
    latents = np.float32([[0], [0.1], [0.2], [2.0], [2.1]])
    flat = np.float32([[0, 0], [0, 1], [1, 0], [100, 100], [101, 100]])
    placed = place([[1.05]], latents, flat)[0]
    assert np.abs(placed).max() < 3


@settings(deadline=None, max_examples=25)
@given(st.integers(3, 10), st.integers(0, 1000))
@example(3, 653)  # the minimum lies at a corner
def test_place_is_the_weighted_geometric_median(n, seed):
    rng = np.random.default_rng(seed)
    latents, flat, new = rng.normal(size=(n, 4)), rng.normal(size=(n, 2)), rng.normal(size=(1, 4))
    near = find_neighbors(new, latents, n_neighbors=10)

    def cost(point):
        return (np.linalg.norm(flat[near.indices[0]] - point, axis=1) / near.distances[0]).sum()

    # The minimum of a convex function may lie at a corner: start the search from there too.
    starts = [flat.mean(axis=0), *flat]
    best = min(minimize(cost, start, method="Nelder-Mead", options={"xatol": 1e-7}).fun for start in starts)
    assert cost(place(new, latents, flat)[0]) <= best * 1.01


def test_few_points_and_equal_points():
    assert place([[9.0]], [[1.0]], [[3, 4]]).tolist() == [[3, 4]]
    assert place(np.zeros((0, 1)), [[1.0]], [[3, 4]]).shape == (0, 2)
    same = np.ones((30, 2))
    flat = np.random.default_rng(0).normal(size=(30, 2))
    assert np.isfinite(place(same[:2], same, flat)).all()


def test_the_graphs_metric_decides_what_is_near():
    latents, flat = np.float32([[1, 0], [0, 1], [50, 1]]), [[0, 0], [5, 5], [9, 9]]
    graph = build_graph(latents, metric="cosine")
    by_direction = place([[30.0, 0.0]], latents, flat, graph=graph)[0]
    assert np.linalg.norm(by_direction - [0, 0]) < 0.1
    assert np.linalg.norm(place([[49.0, 1.0]], latents, flat)[0] - [9, 9]) < 0.1


def test_a_map_that_does_not_fit_is_refused():
    near = find_neighbors([[1.0]], [[0.0], [2.0]])
    for flat in (np.zeros((3, 2)), np.full((2, 2), np.nan)):
        with pytest.raises(ValueError, match=re.escape("projection must be finite, (2, 2)")):
            place_among(near, flat, n=2)
    with pytest.raises(ValueError, match="must be finite float32 numbers; got NaN or infinity in row 0"):
        place([[np.nan]], [[0.0]], [[0, 0]])
