"""Maps that were made before, found again by what they were made from.

**Conventions**: a map is one file, ``<name>-<hash>.npy``, in the folder that is the cache. The hash covers the latents,
the graph, the method, the seed, and the versions of the libraries that place points. A new map takes the place of older
ones of its name; a file that cannot be read is made anew.
"""

import hashlib
from importlib import metadata
from pathlib import Path

import numpy as np
import numpy.typing as npt

from latent_space.neighbors import Graph
from latent_space.projection import Method, project
from latent_space.run_folder import replaced_files

_LIBRARIES = ("numpy", "scipy", "umap-learn", "openTSNE")


def cached_map(
    cache: Path, name: str, latents: npt.NDArray[np.float32], *, graph: Graph, method: Method, random_state: int
) -> npt.NDArray[np.float32]:
    """Return `project` of the latents, from the cache where it is there."""
    file = cache / f"{name}-{_key(latents, graph, method, random_state)}.npy"
    known = _read(file, len(latents))
    if known is not None:
        return known
    flat = project(latents, method=method, graph=graph, random_state=random_state)
    cache.mkdir(parents=True, exist_ok=True)
    for older in cache.glob(f"{name}-*.npy"):
        older.unlink()
    with replaced_files() as temporary_name, temporary_name(file).open("wb") as stream:
        np.save(stream, flat, allow_pickle=False)
    return flat


def _key(latents: npt.NDArray[np.float32], graph: Graph, method: str, random_state: int) -> str:
    versions = [f"{name} {metadata.version(name)}" for name in _LIBRARIES]
    made_from = hashlib.sha256(repr((method, random_state, graph.metric, latents.shape, versions)).encode())
    for array in (latents, graph.indices, graph.distances):
        made_from.update(np.ascontiguousarray(array).tobytes())
    return made_from.hexdigest()[:24]


def _read(file: Path, n: int) -> npt.NDArray[np.float32] | None:
    if not file.is_file():
        return None
    try:
        flat: npt.NDArray[np.float32] = np.load(file, allow_pickle=False)
    except (ValueError, OSError, EOFError):
        return None
    return flat if flat.shape == (n, 2) and flat.dtype == np.float32 and np.isfinite(flat).all() else None
