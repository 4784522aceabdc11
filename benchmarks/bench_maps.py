"""The neighbour graph and the maps beside scikit-learn's, on the same latents in the same run.

CPU seconds of this process; every library runs on one thread. `--full` takes 45,000 x 256 and leaves out scikit-learn's
t-SNE, which takes too long there.
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

from latent_space import build_graph, map_quality, project

T = TypeVar("T")


def made_up_latents(n: int, n_features: int) -> np.ndarray:
    """Return 40 overlapping groups whose variance falls off over the features, as that of real latents does."""
    generator = np.random.default_rng(0)
    falloff = np.geomspace(1, 0.02, n_features)
    centres = generator.normal(size=(40, n_features)) * falloff * 2
    points = centres[generator.integers(0, 40, n)] + generator.normal(size=(n, n_features)) * falloff
    return (points @ np.linalg.qr(generator.normal(size=(n_features, n_features)))[0]).astype(np.float32)


def timed(work: Callable[[], T]) -> tuple[float, T]:
    """Return the CPU seconds and the result of `work`."""
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="45,000 x 256 instead of 5,000 x 128")
    n, n_features = (45_000, 256) if parser.parse_args().full else (5_000, 128)
    latents = made_up_latents(n, n_features)
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
    for method in ("umap", "tsne", "pca"):
        row(
            f"{method} from the graph (ours)",
            *timed(lambda method=method: project(latents, method=method, graph=graph)),
        )
    if n <= 5_000:
        row("scikit-learn TSNE", *timed(lambda: scikit_learn_tsne(latents)))
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GB")


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
