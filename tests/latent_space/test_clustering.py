import hashlib
import os
import re
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_rand_score

from latent_space.clustering import CLUSTER_METHODS, cluster, subgroups
from latent_space.neighbors import build_graph
from latent_space.space import as_space


def blobs(sizes=(200, 120, 80), n_features=16, apart=6.0, seed=0):
    generator = np.random.default_rng(seed)
    centers = apart * generator.normal(size=(len(sizes), n_features))
    truth = generator.permutation(np.repeat(np.arange(len(sizes)), sizes))
    return centers[truth] + generator.normal(size=(len(truth), n_features)), truth


@pytest.mark.parametrize("method", CLUSTER_METHODS)
@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_clusters_are_found_and_numbered_by_size(method, scale):
    latents, truth = blobs()
    found = cluster(latents * scale, method=method)
    assert adjusted_rand_score(truth, found.cluster_ids) == 1
    assert np.bincount(found.cluster_ids).tolist() == [200, 120, 80]
    assert found.n_clusters == found.criterion["n_clusters"] == 3
    expected = np.linalg.norm(latents * scale - found.centers[found.cluster_ids], axis=1)
    np.testing.assert_allclose(found.distances_to_center, expected, rtol=1e-4)
    np.testing.assert_allclose(found.centers[0], (latents * scale)[truth == 0].mean(axis=0), rtol=1e-4)


def test_what_lies_alone_is_noise_with_the_distance_to_the_nearest_center():
    latents, _ = blobs()
    latents[5] = 500
    found = cluster(latents)
    assert found.cluster_ids[5] == -1
    assert found.noise_share > 0
    nearest = np.linalg.norm(latents[5] - found.centers, axis=1).min()
    assert found.distances_to_center[5] == pytest.approx(nearest)


def test_silhouette_of_the_chosen_number_is_the_highest():
    criterion = cluster(blobs()[0], method="kmeans").criterion
    assert max(criterion["values"], key=criterion["values"].get) == criterion["n_clusters"] == 3


@pytest.mark.parametrize("method", CLUSTER_METHODS)
def test_space_and_graph_give_the_same(method):
    latents, _ = blobs()
    latents = latents.astype(np.float32)
    one, other = cluster(as_space(latents), method=method), cluster(latents, method=method, graph=build_graph(latents))
    np.testing.assert_array_equal(one.cluster_ids, other.cluster_ids)


@pytest.mark.parametrize("method", CLUSTER_METHODS)
@pytest.mark.parametrize("latents", [np.ones((40, 3)), np.zeros((0, 2)), np.eye(1), np.eye(3)])
def test_constant_latents_and_a_handful_are_one_cluster(method, latents):
    found = cluster(latents, method=method)
    assert (found.cluster_ids == 0).all()
    assert np.isfinite(found.distances_to_center).all()
    assert (subgroups(latents, found.cluster_ids) == 0).all()


def test_more_copies_than_neighbours_are_clusters():
    """All distances of their graph are 0."""
    latents = np.repeat(np.eye(2), 20, axis=0)
    assert cluster(latents, method="hdbscan").cluster_ids.tolist() == [0] * 20 + [1] * 20


def test_a_few_far_samples_do_not_take_all_clusters_of_kmeans():
    latents, truth = blobs((100, 100), apart=12)
    latents[:4] += 400 * np.eye(16)[:4]
    ids = cluster(latents, method="kmeans").cluster_ids
    assert set(ids[4:][truth[4:] == 0]).isdisjoint(ids[truth == 1])


@pytest.mark.parametrize("method", CLUSTER_METHODS)
@given(n=st.integers(4, 40), n_different=st.integers(2, 9), seed=st.integers(0, 99))
@settings(max_examples=8, deadline=None)
def test_any_latents_have_clusters(method, n, n_different, seed):
    generator = np.random.default_rng(seed)
    latents = generator.normal(size=(n_different, 3))[generator.integers(0, n_different, n)]
    found = cluster(latents, method=method)
    assert found.cluster_ids.shape == found.distances_to_center.shape == (n,)
    assert found.cluster_ids.max() + 1 == found.n_clusters
    assert np.isfinite(found.distances_to_center).all()
    groups = subgroups(latents, found.cluster_ids)
    assert ((groups == -1) == (found.cluster_ids == -1)).all()


def test_subgroups_split_clusters_and_nothing_else():
    latents, truth = blobs((60, 60), apart=40)
    latents[truth == 0] += 8 * np.eye(16)[np.arange(60) % 2]
    groups = subgroups(latents, np.where(np.arange(120) == 7, -1, truth))
    assert groups[7] == -1
    assert not set(groups[truth == 0]) & set(groups[truth == 1]) - {-1}
    assert set(groups) - {-1} == set(range(groups.max() + 1))
    assert len(set(groups[truth == 0]) - {-1}) == 2


@pytest.mark.slow
def test_same_bytes_whatever_the_thread_count():
    code = (
        "import numpy as np, hashlib; from latent_space.clustering import cluster, subgroups;"
        "x = np.random.default_rng(0).normal(size=(600, 64)).astype('f4'); h = hashlib.sha256();"
        "[h.update(c.cluster_ids.tobytes() + c.distances_to_center.tobytes() + subgroups(x, c.cluster_ids).tobytes())"
        " for c in (cluster(x, method=m) for m in ('hdbscan', 'kmeans'))]; print(h.hexdigest())"
    )
    printed = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for threads in ("1", "2")
    }
    assert len(printed) == 1
    assert len(printed.pop().strip()) == hashlib.sha256().digest_size * 2


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: cluster(x, method="spectral"), "method must be one of hdbscan, kmeans; got 'spectral'"),
        (lambda x: cluster(x * np.nan), "latents must be finite float32 numbers"),
        (lambda x: cluster(x, graph=build_graph(x[:5])), "graph must be of the 8 latents; got one of 5 points"),
        (lambda x: subgroups(x, [0]), "cluster_ids must be one per row of the latents, 8; got shape (1,)"),
    ],
)
def test_errors_say_what_is_wrong(call, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        call(np.eye(8))


def test_noise_is_as_far_as_its_nearest_center():
    generator = np.random.default_rng(0)
    latents = np.vstack([9 * generator.normal(size=(3, 4))[k] + generator.normal(size=(60, 4)) for k in range(3)])
    latents = np.vstack([latents, generator.uniform(-30, 30, (12, 4))]).astype(np.float32)
    found = cluster(latents)
    noise = found.cluster_ids < 0
    away = np.linalg.norm(latents[:, None] - found.centers, axis=2)
    assert noise.any()
    assert found.n_clusters > 1
    np.testing.assert_allclose(found.distances_to_center[noise], away[noise].min(axis=1))
