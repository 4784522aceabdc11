"""The neighbour graph, the maps and the placement of new samples, beside scikit-learn's on the same latents.

CPU seconds of this process; every library runs on one thread. The latents are scikit-learn's digits, turned, moved and
scaled at random and passed through a random layer: real shapes, as many as are wanted. `--full` takes 45,000 x 256
(minutes for scikit-learn's t-SNE) and adds the approximate graph of 200,000.
"""

import argparse
import os
import platform
import resource
import time
from collections.abc import Callable
from typing import TypeVar

# Before the libraries read it.
os.environ.update(
    dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
)

import numpy as np
from scipy.ndimage import affine_transform
from sklearn.datasets import load_digits

from latent_space import build_graph, map_quality, place, project
from latent_space.neighbors import find_neighbors

T = TypeVar("T")
N_NEW, N_LARGE = 1_000, 200_000


def digit_latents(n: int, n_features: int) -> np.ndarray:
    """Return latents of `n` digits that are all a little different."""
    generator = np.random.default_rng(0)
    images, center = load_digits().images / 16, np.array([3.5, 3.5])
    drawn = np.empty((n, 64))
    for row in drawn:
        angle, scale = generator.uniform(-0.3, 0.3), generator.uniform(0.85, 1.15)
        turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        offset = center - turn @ center + generator.uniform(-0.7, 0.7, 2)
        row[:] = affine_transform(images[generator.integers(len(images))], turn, offset, order=1).ravel()
    weights, bias = generator.normal(size=(64, n_features)) / 8, 0.3 * generator.normal(size=n_features)
    return np.maximum(drawn @ weights + bias, 0).astype(np.float32)


def timed(work: Callable[[], T]) -> tuple[float, T]:
    """Return the CPU seconds and the result of `work`."""
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="45,000 x 256 instead of 5,000 x 128")
    full = parser.parse_args().full
    n, n_features = (45_000, 256) if full else (5_000, 128)
    latents, new = np.split(digit_latents(n + N_NEW, n_features), [n])
    print(f"\nMaps of {n:,} x {n_features} latents, one thread, {platform.machine()}, {os.cpu_count()} cores")
    print(f"{'':44}{'CPU s':>8}{'trustworthiness':>17}{'neighbours kept':>17}")

    def row(label: str, seconds: float, flat: np.ndarray | None = None) -> None:
        quality = None if flat is None else map_quality(latents, flat, graph=graph)
        figures = f"{quality['trustworthiness']:17.3f}{quality['neighbors_kept']:17.3f}" if quality else ""
        print(f"{label:44}{seconds:8.2f}{figures}", flush=True)

    seconds, graph = timed(lambda: build_graph(latents))
    row("exact graph, 15 neighbours (ours)", seconds)
    row("scikit-learn NearestNeighbors, brute", timed(lambda: scikit_learn_neighbors(latents))[0])
    # Numba compiles UMAP once per process; the first map pays for it.
    row("UMAP's compilation, once per process", timed(lambda: project(latents[:200], method="umap"))[0])
    for method in ("umap", "pca", "tsne"):
        seconds, flat = timed(lambda method=method: project(latents, method=method, graph=graph))
        row(f"{method} from the graph (ours)", seconds, flat)
    row(f"{N_NEW:,} new samples on that t-SNE map (ours)", timed(lambda: place(new, latents, flat))[0])
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    row("scikit-learn TSNE", *timed(lambda: scikit_learn_tsne(latents)))
    if full:
        large_graph(n_features)
    print(f"peak memory of our own maps {peak:.2f} GB")


def large_graph(n_features: int) -> None:
    """Measure the approximate graph of many points, and which share of the neighbours it finds."""
    latents = digit_latents(N_LARGE, n_features)
    seconds, graph = timed(lambda: build_graph(latents))
    some = np.random.default_rng(0).choice(N_LARGE, N_NEW, replace=False)
    exact = find_neighbors(latents[some], latents, n_neighbors=16).indices  # the point itself is among them
    found = np.mean([len(set(own) & set(true)) / 15 for own, true in zip(graph.indices[some], exact, strict=True)])
    print(f"{f'approximate graph of {N_LARGE:,}':44}{seconds:8.2f}   {found:.1%} of the neighbours found")


def scikit_learn_neighbors(latents: np.ndarray) -> np.ndarray:
    """Return the 15 nearest others by scikit-learn."""
    from sklearn.neighbors import NearestNeighbors

    return NearestNeighbors(n_neighbors=15, algorithm="brute").fit(latents).kneighbors(return_distance=False)


def scikit_learn_tsne(latents: np.ndarray) -> np.ndarray:
    """Return scikit-learn's t-SNE map."""
    from sklearn.manifold import TSNE

    return TSNE(init="pca", random_state=0, n_jobs=1).fit_transform(latents)


if __name__ == "__main__":
    main()
