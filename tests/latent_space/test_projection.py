import os
import subprocess
import sys

import numpy as np
import pytest
from sklearn.decomposition import PCA

from latent_space.neighbors import build_graph
from latent_space.projection import METHODS, project
from latent_space.projection_quality import map_quality


@pytest.fixture(scope="module")
def clusters():
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(4), 60)
    latents = rng.normal(size=(4, 12))[labels] * 6 + rng.normal(size=(240, 12))
    latents.setflags(write=False)
    return latents.astype(np.float32), labels


@pytest.mark.parametrize("method", METHODS)
class TestEveryMethod:
    def test_neighbours_on_the_map_are_of_the_same_cluster(self, clusters, method):
        latents, labels = clusters
        near = build_graph(project(latents, method=method), n_neighbors=5).indices
        assert (labels[near] == labels[:, None]).mean() > 0.99

    def test_shape_type_and_repetition(self, clusters, method):
        latents, _ = clusters
        first = project(latents, method=method, random_state=3)
        assert (first.shape, first.dtype) == ((240, 2), np.float32)
        assert np.isfinite(first).all()
        assert first.tobytes() == project(latents, method=method, graph=build_graph(latents), random_state=3).tobytes()

    @pytest.mark.parametrize("n", [0, 1, 2, 3, 4, 5, 7, 12, 20])
    def test_tiny_populations(self, method, n):
        latents = np.random.default_rng(n).normal(size=(n, 6))
        flat = project(latents, method=method)
        assert flat.shape == (n, 2)
        assert np.isfinite(flat).all()
        assert n < 2 or np.ptp(flat, axis=0).max() > 0.1
        if n >= 7:
            assert map_quality(latents, flat, n_neighbors=2)["trustworthiness"] > 0.7

    @pytest.mark.parametrize("n_different", [1, 3, 20])
    def test_duplicates_and_constant_latents(self, method, n_different):
        rng = np.random.default_rng(0)
        latents = rng.normal(size=(n_different, 5))[rng.integers(0, n_different, 200)]
        assert np.isfinite(project(latents, method=method)).all()

    def test_one_feature_and_more_features_than_samples(self, method):
        for n_features in (1, 2, 400):
            latents = np.random.default_rng(0).normal(size=(60, n_features))
            assert map_quality(latents, project(latents, method=method))["trustworthiness"] > 0.55

    def test_bad_input_is_refused(self, clusters, method):
        with pytest.raises(ValueError, match="latents must be finite float32 numbers; got NaN or infinity in row 1"):
            project([[0.0], [np.nan]], method=method)
        if method != "pca":
            with pytest.raises(ValueError, match="graph must be of the 240 latents; got one of 5 points"):
                project(clusters[0], method=method, graph=build_graph(np.eye(5)))


def test_unknown_method():
    with pytest.raises(ValueError, match="method must be one of umap, tsne, pca; got 'mds'"):
        project([[0.0]], method="mds")


@pytest.mark.parametrize("shape", [(50, 8), (8, 50)])
def test_pca_is_scikit_learns(shape):
    latents = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    theirs = PCA(2, svd_solver="full").fit_transform(latents.astype(np.float64))
    np.testing.assert_allclose(np.abs(project(latents, method="pca")), np.abs(theirs), atol=1e-5)


def test_the_fast_gradient_for_many_points():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 5, 5_100)
    latents = rng.normal(size=(5, 8))[labels] * 8 + rng.normal(size=(5_100, 8))
    near = build_graph(project(latents, method="tsne"), n_neighbors=5).indices
    assert (labels[near] == labels[:, None]).mean() > 0.99


_HASH = """
import hashlib, numpy as np
from latent_space import build_graph, project
latents = np.random.default_rng(0).normal(size=(700, 40)).astype(np.float32)
large = np.random.default_rng(0).normal(size=(5001, 10)).astype(np.float32)
maps = [project(latents, method=method) for method in ("umap", "tsne", "pca")] + [project(large, method="tsne")]
print(hashlib.sha256(b"".join(one.tobytes() for one in maps)).hexdigest())
"""


@pytest.mark.slow
def test_same_bytes_in_two_processes_whatever_the_thread_count():
    hashes = []
    for threads in ("1", "2"):
        names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
        environment = {**os.environ, **dict.fromkeys(names, threads)}
        run = subprocess.run([sys.executable, "-c", _HASH], env=environment, capture_output=True, text=True, check=True)
        hashes.append(run.stdout.strip())
    assert hashes[0] == hashes[1]
    assert len(hashes[0]) == 64
