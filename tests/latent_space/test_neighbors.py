import hashlib
import os
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from latent_space.neighbors import build_graph, find_neighbors


def brute(points, k):
    """Every distance from differences in float64, ties by index."""
    points = np.asarray(points, np.float32).astype(np.float64)
    squared = np.square(points[:, None] - points[None]).sum(axis=-1)
    np.fill_diagonal(squared, np.inf)
    indices = np.argsort(squared, axis=1, kind="stable")[:, :k]
    return indices, np.sqrt(np.take_along_axis(squared, indices, axis=1))


@pytest.fixture(params=["faiss", "numpy"])
def library(request, monkeypatch):
    if request.param == "numpy":
        monkeypatch.setitem(sys.modules, "faiss", None)  # what an import of a missing package meets


def test_a_line_by_hand():
    graph = build_graph([[0.0], [1.0], [3.0], [7.0]], n_neighbors=2)
    assert graph.indices.tolist() == [[1, 2], [0, 2], [1, 0], [2, 1]]
    assert graph.distances.tolist() == [[1, 3], [1, 2], [2, 3], [4, 6]]
    assert (graph.indices.dtype, graph.distances.dtype, graph.n_neighbors) == (np.int64, np.float32, 2)


def test_cosine_by_hand():
    graph = build_graph([[1, 0], [100, 1], [0, 5], [-2, 0]], n_neighbors=3, metric="cosine")
    assert graph.indices[0].tolist() == [1, 2, 3]
    np.testing.assert_allclose(graph.distances[0], [1 - 100 / np.sqrt(10001), 1, 2], atol=1e-6)


CLOUDS = {
    "plain": lambda rng: rng.normal(size=(300, 7)),
    "far from the origin": lambda rng: rng.normal(size=(300, 7)) + 1e4,
    "tight clusters far apart": lambda rng: (
        rng.normal(size=(5, 7))[rng.integers(0, 5, 300)] * 1e3 + rng.normal(size=(300, 7)) * 1e-3
    ),
    "lattice full of ties": lambda rng: rng.integers(0, 3, (300, 4)),
    "duplicates": lambda rng: rng.normal(size=(40, 7))[rng.integers(0, 40, 300)],
    "one outlier": lambda rng: np.vstack([rng.normal(size=(299, 7)), np.full((1, 7), 1e6)]),
    "tiny": lambda rng: rng.normal(size=(300, 7)) * 1e-30,
    "huge": lambda rng: rng.normal(size=(300, 7)) * 1e30,
    "small sphere and its center": lambda rng: (
        np.vstack([np.zeros(7), (lambda x: x / np.linalg.norm(x, axis=1, keepdims=True))(rng.normal(size=(299, 7)))])
        * 1e-3
    ),
    "minus zero": lambda rng: rng.choice([-0.0, 0.0, 1.0], (300, 4)),
}


@pytest.mark.parametrize("cloud", CLOUDS)
@pytest.mark.usefixtures("library")
def test_exact_on_every_cloud(cloud):
    points = CLOUDS[cloud](np.random.default_rng(0)).astype(np.float32)
    indices, distances = brute(points, 15)
    graph = build_graph(points)
    np.testing.assert_array_equal(graph.indices, indices)
    np.testing.assert_allclose(graph.distances, distances, rtol=1e-6)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_the_fallback_gives_the_same_bytes(metric, monkeypatch):
    points = np.random.default_rng(1).normal(size=(500, 33)).astype(np.float32)
    points[100:150] = points[0] + 1e-4 * points[100:150]
    with_faiss = build_graph(points, metric=metric)
    monkeypatch.setitem(sys.modules, "faiss", None)
    without = build_graph(points, metric=metric)
    assert with_faiss.indices.tobytes() == without.indices.tobytes()
    assert with_faiss.distances.tobytes() == without.distances.tobytes()


@settings(deadline=None, max_examples=60)
@given(st.integers(2, 40), st.integers(1, 20), st.integers(1, 5), st.integers(0, 2**32 - 1))
def test_small_lattices_are_exact_and_never_hold_the_point_itself(n, k, n_different, seed):
    points = np.random.default_rng(seed).integers(0, n_different, (n, 2))
    graph = build_graph(points, n_neighbors=k)
    indices, distances = brute(points, min(k, n - 1))
    np.testing.assert_array_equal(graph.indices, indices)
    np.testing.assert_allclose(graph.distances, distances, rtol=1e-6)
    assert not (graph.indices == np.arange(n)[:, None]).any()


def test_constant_latents_are_quick_and_never_hold_the_point_itself():
    graph = build_graph(np.ones((30_000, 64)))
    assert not (graph.indices == np.arange(30_000)[:, None]).any()
    assert not graph.distances.any()
    assert graph.indices[29_999].tolist() == list(range(15))
    assert graph.indices[3].tolist() == [0, 1, 2, *range(4, 16)]


@pytest.mark.parametrize("n", [0, 1, 2, 5, 15, 16])
@pytest.mark.usefixtures("library")
def test_fewer_points_than_neighbours(n):
    graph = build_graph(np.arange(n, dtype=float)[:, None])
    k = max(0, min(15, n - 1))
    assert graph.indices.shape == graph.distances.shape == (n, k)
    assert all(sorted({*row, i}) == list(range(n)) for i, row in enumerate(graph.indices.tolist()) if k == n - 1)


def test_input_is_not_touched():
    points = np.random.default_rng(0).normal(size=(50, 3)).astype(np.float32)
    points.setflags(write=False)
    build_graph(points, metric="cosine")


def test_threads_of_faiss_are_given_back():
    faiss = pytest.importorskip("faiss")
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(3)
    try:
        build_graph(np.random.default_rng(0).normal(size=(100, 3)))
        assert faiss.omp_get_max_threads() == 3
    finally:
        faiss.omp_set_num_threads(before)


_HASH = """
import hashlib, numpy as np
from latent_space.neighbors import build_graph, find_neighbors
graph = build_graph(np.random.default_rng(0).normal(size=(3000, 50)).astype(np.float32))
print(hashlib.sha256(graph.indices.tobytes() + graph.distances.tobytes()).hexdigest())
"""


def test_same_bytes_whatever_the_thread_count():
    hashes = set()
    for threads in ("1", "2"):
        environment = {**os.environ, "OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads}
        run = subprocess.run([sys.executable, "-c", _HASH], env=environment, capture_output=True, text=True, check=True)
        hashes.add(run.stdout.strip())
    assert len(hashes) == 1
    assert len(hashes.pop()) == len(hashlib.sha256().hexdigest())


def test_bad_input_is_refused():
    with pytest.raises(ValueError, match="latents must be finite float32 numbers; got NaN or infinity in row 2"):
        build_graph([[0.0], [1.0], [np.nan]])
    with pytest.raises(ValueError, match="NaN or infinity in row 0"):
        build_graph([[np.inf], [1.0]])
    with pytest.raises(ValueError, match=r"latents must be \(n_samples, n_features\).*got \(3,\)"):
        build_graph([0.0, 1.0, 2.0])
    with pytest.raises(ValueError, match=r"at least one feature; got \(3, 0\)"):
        build_graph(np.zeros((3, 0)))
    with pytest.raises(ValueError, match="n_neighbors must be at least 1; got 0"):
        build_graph([[0.0], [1.0]], n_neighbors=0)
    with pytest.raises(ValueError, match="metric must be euclidean or cosine; got 'manhattan'"):
        build_graph([[0.0], [1.0]], metric="manhattan")
    with pytest.raises(ValueError, match="latents must have no row of zeros for cosine; got one in row 1"):
        build_graph([[1.0], [0.0]], metric="cosine")


def brute_queries(queries, points, k):
    difference = np.asarray(queries, np.float64)[:, None] - np.asarray(points, np.float64)
    squared = np.square(difference).sum(axis=-1)
    indices = np.argsort(squared, axis=1, kind="stable")[:, :k]
    return indices, np.sqrt(np.take_along_axis(squared, indices, axis=1))


@pytest.mark.parametrize("cloud", CLOUDS)
@pytest.mark.usefixtures("library")
def test_queries_are_exact_and_the_same_alone_and_together(cloud):
    points = CLOUDS[cloud](np.random.default_rng(0)).astype(np.float32)
    queries, points = points[::5], np.delete(points, np.arange(0, 300, 5), axis=0)
    together = find_neighbors(queries, points, n_neighbors=6)
    indices, distances = brute_queries(queries, points, 6)
    np.testing.assert_array_equal(together.indices, indices)
    np.testing.assert_allclose(together.distances, distances, rtol=1e-6)
    alone = [find_neighbors(query[None], points, n_neighbors=6) for query in queries]
    assert np.concatenate([one.indices for one in alone]).tobytes() == together.indices.tobytes()
    assert np.concatenate([one.distances for one in alone]).tobytes() == together.distances.tobytes()


@pytest.mark.usefixtures("library")
def test_a_query_finds_the_point_it_equals_and_one_far_beyond_all_is_answered():
    points = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
    own = find_neighbors(points[[7]], points, n_neighbors=1)
    assert (own.indices.item(), own.distances.item()) == (7, 0)
    far = np.float32([[1e25, 0, 0]])
    np.testing.assert_allclose(find_neighbors(far, points, n_neighbors=60).distances, 1e25, rtol=1e-6)


def test_queries_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="must have the latents' 2 features; got 3"):
        find_neighbors([[1, 2, 3]], [[1, 2]])
    with pytest.raises(ValueError, match="at least one point to be near to; got none"):
        find_neighbors([[1, 2]], np.zeros((0, 2)))
    assert find_neighbors(np.zeros((0, 2)), [[1, 2]]).indices.shape == (0, 1)


def test_approximate_graph_finds_nearly_all_and_repeats():
    points = np.random.default_rng(0).normal(size=(40, 6))[np.arange(20_000) % 40] * 2
    points += np.random.default_rng(1).normal(size=points.shape)
    exact, near = (build_graph(points, exact=exact) for exact in (True, False))
    shared = [len(set(a) & set(b)) for a, b in zip(exact.indices[:2000], near.indices[:2000], strict=True)]
    assert 0.95 < np.mean(shared) / 15 < 1.0 + 1e-9
    assert (near.indices != np.arange(20_000)[:, None]).all()
    assert build_graph(points, exact=False).indices.tobytes() == near.indices.tobytes()


def test_approximate_graph_of_few_or_lonely_points_is_complete():
    lonely = np.vstack([np.random.default_rng(0).normal(size=(3_000, 4)), 1e3 * np.eye(4)])
    graph = build_graph(lonely, exact=False)
    assert (graph.indices >= 0).all()
    assert np.isfinite(graph.distances).all()
