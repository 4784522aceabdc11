"""What a strategy decides: which samples are kept, in which order, and why each one is or is not.

**Conventions**: `kept` is ranked, the most worth keeping first. A reason is a short phrase that many samples share, and
after a ": " what is so of this one. It names other samples by `names`, row numbers unless sample ids are given.
"""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from latent_space.neighbors import Graph, build_graph

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Choice:
    """Samples to keep, and a reason for each sample.

    Attributes
    ----------
    kept : (n_kept,) int64 array
        Ranked, the most worth keeping first.
    reasons : (n,) object array of str
        For every sample, kept or not.
    """

    kept: Indices
    reasons: npt.NDArray[np.object_]

    @property
    def is_kept(self) -> Flags:
        """Whether each sample is kept."""
        flags = np.zeros(len(self.reasons), bool)
        flags[self.kept] = True
        return flags


@dataclass(frozen=True, eq=False)
class Pool:
    """The samples that are chosen from, and what is known about them.

    Attributes
    ----------
    latents : (n, n_features) float32 array
        Finite.
    graph : Graph
        Of the latents.
    codes : (n,) int64 array, optional
        Class of each sample, 0..n_classes - 1.
    losses : (n,) float64 array, optional
        Higher = worse, finite.
    suspects : (n,) bool array, optional
        Samples whose labels are known to be doubtful.
    classes : (n_classes,) array, optional
        Names of the classes, for the reasons.
    names : (n,) array, optional
        Of the samples, for the reasons.
    random_state : int
        Seed.
    """

    latents: npt.NDArray[np.float32]
    graph: Graph
    codes: Indices | None = None
    losses: Floats | None = None
    suspects: Flags | None = None
    classes: npt.NDArray[Any] = field(default_factory=lambda: np.array([], object))
    names: npt.NDArray[Any] = field(default_factory=lambda: np.array([], object))
    random_state: int = 0

    def __len__(self) -> int:
        return len(self.latents)

    def part(self, rows: Indices) -> "Pool":
        """Return the pool of some samples, with a graph of their own; itself where they are all."""
        if len(rows) == len(self):
            return self
        return replace(
            self,
            latents=self.latents[rows],
            graph=build_graph(self.latents[rows], n_neighbors=max(self.graph.n_neighbors, 1)),
            codes=None if self.codes is None else self.codes[rows],
            losses=None if self.losses is None else self.losses[rows],
            suspects=None if self.suspects is None else self.suspects[rows],
            names=self.names[rows] if len(self.names) else rows.astype(object),
        )

    def name(self, sample: int) -> str:
        """Return what a sample is called in a reason."""
        return str(self.names[sample]) if len(self.names) else str(sample)

    def class_name(self, code: int) -> str:
        """Return what a class is called in a reason."""
        return str(self.classes[code]) if len(self.classes) else str(code)


def ranks(values: Floats) -> Floats:
    """Return the share of other samples that lie below each, ties by their middle, in [0, 1].

    Examples
    --------
    >>> ranks(np.array([3.0, 1.0, 2.0, 2.0])).tolist()
    [1.0, 0.0, 0.5, 0.5]
    """
    from scipy.stats import rankdata

    return np.asarray((rankdata(values) - 1) / max(len(values) - 1, 1))


def covered_by(pool: Pool, samples: Indices, kept: Indices) -> list[str]:
    """Say of each sample that is left out which kept neighbour is nearest to it."""
    is_kept = np.zeros(len(pool), bool)
    is_kept[kept] = True
    near = np.take(is_kept, pool.graph.indices[samples])
    first = near.argmax(axis=1) if near.shape[1] else np.zeros(len(samples), np.int64)
    return [
        f"like one that is kept: {pool.name(pool.graph.indices[sample, place])}" if some else "of little help to others"
        for sample, place, some in zip(samples.tolist(), first.tolist(), np.atleast_1d(near.any(axis=1)), strict=True)
    ]
