"""The rows of a table that can be compared, and the one k-NN graph of them that every stage uses.

**Conventions**: rows whose latents are not finite are left out; `rows` tells which are in, and `spread` brings values
back to the table, NaN where a row is out. The graph is kept in the run folder (`graph.npz`) under the hash of the
latents it was built from, so that a later command reads it instead of building it again; a file that is damaged or of
other latents is built anew.
"""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from latent_space.neighbors import Graph, Metric, build_graph
from latent_space.population import Population
from latent_space.run_folder import GRAPH_FILE, replaced_files

N_NEIGHBORS = 15


@dataclass(frozen=True, eq=False)
class Space:
    """Rows with latents, and their neighbours.

    Attributes
    ----------
    rows : (m,) int64 array
        Rows of the table that are in, ascending.
    latents : (m, n_features) float32 array
        Finite.
    graph : Graph
        Of `latents`: its indices count within `rows`.
    n_rows : int
        Rows of the whole table.
    """

    rows: npt.NDArray[np.int64]
    latents: npt.NDArray[np.float32]
    graph: Graph
    n_rows: int

    def __len__(self) -> int:
        return len(self.rows)

    def spread(self, values: npt.ArrayLike, fill: float = np.nan) -> npt.NDArray[np.float64]:
        """Return one value per row of the table, `fill` for the rows that are out.

        Examples
        --------
        >>> space = as_space(np.array([[0.0], [np.nan], [1.0]]))
        >>> space.spread([5.0, 6.0]).tolist()
        [5.0, nan, 6.0]
        """
        return spread(values, self.rows, self.n_rows, fill)


def spread(
    values: npt.ArrayLike, rows: npt.NDArray[np.int64], n_rows: int, fill: float = np.nan
) -> npt.NDArray[np.float64]:
    """Return one value per row of a table of `n_rows`, from the values of some rows; see `Space.spread`."""
    array = np.asarray(values, np.float64)
    if array.shape != (len(rows),):
        raise ValueError(f"values must be one per row that has latents, {len(rows)}; got shape {array.shape}.")
    full = np.full(n_rows, fill)
    full[rows] = array
    return full


def as_space(latents: npt.ArrayLike, *, n_neighbors: int = N_NEIGHBORS, metric: Metric = "euclidean") -> Space:
    """Leave out the rows that are not finite, and build the graph of the others."""
    array = np.asarray(latents, np.float32)
    rows = np.flatnonzero(np.isfinite(array).all(axis=1))
    return Space(rows, array[rows], build_graph(array[rows], n_neighbors=n_neighbors, metric=metric), len(array))


def sample_space(population: Population, run_dir: str | os.PathLike[str] | None = None) -> Space:
    """Return the samples of a population with their graph.

    Parameters
    ----------
    population : Population
        With latents.
    run_dir : path, optional
        Its run folder, where the graph is read from, or written to for the next time.

    Raises
    ------
    ValueError
        If the population has no latents.
    """
    if population.latents.shape[1] == 0:
        raise ValueError("population must have latents to be compared; got none. Run `armscope explore` again.")
    if run_dir is None:
        return as_space(population.latents)
    file, digest = Path(run_dir) / GRAPH_FILE, _digest(population.latents)
    known = _read_graph(file, digest)
    if known is None:
        space = as_space(population.latents)
        write_graph(space, population, run_dir)
        return space
    rows = np.flatnonzero(np.isfinite(population.latents).all(axis=1))
    return Space(rows, population.latents[rows], known, len(population))


def write_graph(space: Space, population: Population, run_dir: str | os.PathLike[str]) -> Path:
    """Keep the graph of a population's samples in its run folder."""
    file = Path(run_dir) / GRAPH_FILE
    with replaced_files() as temporary_name, temporary_name(file).open("wb") as stream:
        np.savez(
            stream,
            indices=space.graph.indices,
            distances=space.graph.distances,
            made_from=np.array(_digest(population.latents)),
        )
    return file


def _digest(latents: npt.NDArray[np.float32]) -> str:
    return hashlib.sha256(f"{N_NEIGHBORS} {latents.shape}".encode() + latents.tobytes()).hexdigest()


def _read_graph(file: Path, digest: str) -> Graph | None:
    """Read the graph if it was built from latents of this digest."""
    if not file.is_file():
        return None
    try:
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as content:
            if str(content["made_from"]) != digest:
                return None
            return Graph(content["indices"], content["distances"])
    except (ValueError, OSError, EOFError, KeyError, BadZipFile):
        return None
