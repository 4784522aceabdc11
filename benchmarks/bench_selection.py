"""Facility location and k-center: CPU seconds for 1,000 of 10,000 and, with `--full`, 4,500 of 45,000 x 256.

One thread; the graph is counted apart. The peer is greedy without laziness on the dense similarity matrix, on what it
can hold: 200 of 2,000.
"""

import argparse
import os
import platform
import resource
import time

# Before the libraries read it.
os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

import numpy as np
from bench_maps import timed

from latent_space import build_graph
from latent_space.neighbors import Graph
from latent_space.pruning import select_to_keep
from latent_space.selection import facility_location, k_center, similarities


def made_up_latents(n: int, n_features: int) -> np.ndarray:
    """Return 40 overlapping groups whose variance falls off over the features, as that of real latents does."""
    generator = np.random.default_rng(0)
    falloff = np.geomspace(1, 0.02, n_features)
    centers = generator.normal(size=(40, n_features)) * falloff * 2
    return (centers[generator.integers(0, 40, n)] + generator.normal(size=(n, n_features)) * falloff).astype(np.float32)


def dense_greedy(graph: Graph, n: int) -> list[int]:
    """Choose by every gain at every step."""
    similar = similarities(graph).toarray()
    cover, chosen = np.zeros(len(similar)), []
    for _ in range(n):
        gains = np.maximum(similar - cover[:, None], 0).sum(axis=0)
        gains[chosen] = -1
        chosen.append(int(gains.argmax()))
        cover = np.maximum(cover, similar[:, chosen[-1]])
    return chosen


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--full", action="store_true", help="also 4,500 of 45,000 x 256")
    sizes = [(2_000, 64, 200), (10_000, 128, 1_000)] + [(45_000, 256, 4_500)] * parser.parse_args().full
    print(f"\nSelection, one thread, {platform.machine()}, {os.cpu_count()} cores, {time.strftime('%Y-%m-%d')}")
    print(f"{'':52}{'CPU s':>8}")
    for n, n_features, n_chosen in sizes:
        latents = made_up_latents(n, n_features)
        label = f"{n_chosen:,} of {n:,} x {n_features}: "
        seconds, graph = timed(lambda latents=latents: build_graph(latents))
        print(f"{label + 'graph':52}{seconds:8.2f}")
        seconds, ours = timed(lambda graph=graph, k=n_chosen: facility_location(graph, k))
        print(f"{label + 'facility location':52}{seconds:8.2f}")
        if n == sizes[0][0]:
            seconds, theirs = timed(lambda graph=graph, k=n_chosen: dense_greedy(graph, k))
            same = "the same samples" if theirs == ours.indices.tolist() else "OTHER SAMPLES"
            print(f"{label + 'dense greedy':52}{seconds:8.2f}   {same}")
        seconds, _ = timed(lambda latents=latents, k=n_chosen: k_center(latents, k))
        print(f"{label + 'k-center':52}{seconds:8.2f}")
        losses = np.random.default_rng(0).exponential(size=n)
        seconds, _ = timed(lambda latents=latents, losses=losses: select_to_keep(latents, 0.1, losses=losses))
        print(f"{label + 'select_to_keep, auto, graph included':52}{seconds:8.2f}", flush=True)
    print(f"peak memory {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20:.2f} GB")


if __name__ == "__main__":
    main()
