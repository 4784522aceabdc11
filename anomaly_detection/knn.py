"""Nearest neighbours: how far a row lies from the most similar rows that were seen when all was well.

A machine has states: at rest here, moving there. What lies between them is central to all rows together, hence normal
to a plane or a cloud (`pca`), and yet never seen. Neighbours know the states without being told.

**Conventions**: a row is the mean of the last `window_size` rows, scaled, z. Its reconstruction is the mean of its
`n_neighbors` nearest references (normal training rows, Euclidean distance); the residual is their difference, the score
the mean over channels of its square. Every row of a window gets the reconstruction of its mean. Of more than
`max_references` training rows a seeded choice is kept. The latent vector is z.

References
----------
Angiulli F., Pizzuti C.: Fast outlier detection in high dimensional spaces. PKDD 2002 (the neighbours' distances).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np

from anomaly_detection.base import Detector, Outputs, check_choice, check_count
from anomaly_detection.rows import Stretch, normal_windows
from anomaly_detection.scaling import SCALINGS, Scaling, fit_scaling
from anomaly_detection.windows import full_windows

_CELLS = 1 << 21  # distances at once


@dataclass(kw_only=True, eq=False)
class KNNDetector(Detector):
    """Reconstruct rows from the most similar normal ones.

    Parameters
    ----------
    n_neighbors : int
        References that a row is compared with; all of them where there are fewer.
    max_references : int
        Training rows kept to compare with, at most.
    scaling : {"standard", "minmax", "robust"}
        Of the channels, fitted on normal training rows.
    random_state : int
        Of the choice of references.

    Examples
    --------
    >>> states = np.repeat([[0.0, 0.0], [9.0, 9.0]], 50, axis=0) + np.random.default_rng(0).normal(size=(100, 2)) / 10
    >>> detector = KNNDetector().fit(states)
    >>> detector.predict(np.array([[0.0, 0.0], [9.0, 9.0], [4.5, 4.5]])).tolist()
    [0, 0, 1]
    """

    name: ClassVar[str] = "knn"
    precision: ClassVar[type[np.floating]] = np.float64
    n_neighbors: int = 5
    max_references: int = 5000
    scaling: Literal["standard", "minmax", "robust"] = "standard"
    random_state: int = 0
    scaling_: Scaling = field(init=False, repr=False)
    references_: np.ndarray = field(init=False, repr=False)  # (n_references, n_channels), scaled

    @property
    def n_usable(self) -> int:
        """Neighbours that there are: `n_neighbors`, or all references where they are fewer."""
        return min(self.n_neighbors, len(self.references_))

    def _check_settings(self) -> None:
        super()._check_settings()
        check_choice("scaling", self.scaling, SCALINGS)
        for name in ("n_neighbors", "max_references"):
            check_count(name, getattr(self, name))
        if self.max_references < self.n_neighbors:
            raise ValueError(
                f"max_references must be at least n_neighbors, {self.n_neighbors}; got {self.max_references}."
            )

    def _fit(self, train: list[Stretch], validation: list[Stretch]) -> None:
        rows = np.concatenate(
            [
                full_windows(s.values, self.window_size).mean(axis=1, dtype=np.float64)[
                    normal_windows(s, self.window_size)
                ]
                for s in train
            ]
        )
        if not len(rows):
            raise ValueError(
                f"y must leave a window of {self.window_size} normal rows in a row to learn from; got none. "
                "Take a smaller window_size."
            )
        self.scaling_ = fit_scaling(self.scaling, rows)
        if len(rows) > self.max_references:
            chosen = np.random.default_rng(self.random_state).choice(len(rows), self.max_references, replace=False)
            rows = rows[np.sort(chosen)]
        self.references_ = self.scaling_.apply(rows)

    def _fit_baseline(self, train: list[Stretch], held_out: list[Stretch]) -> None:
        """Take the level from held-out rows where there are normal ones: training rows are their own neighbours."""
        unseen = [stretch for stretch in held_out if normal_windows(stretch, self.window_size).any()]
        super()._fit_baseline(unseen or train, [])

    def _run(self, windows: np.ndarray) -> Outputs:
        newest = self.scaling_.apply(windows.mean(axis=1, dtype=np.float64))
        expected = np.concatenate([self._neighbors_mean(part) for part in self._parts(newest)])
        residual = newest - expected
        raw = self.scaling_.undo(expected)
        return Outputs(
            score=np.square(residual).mean(axis=1),
            residual=residual,
            latent=newest,
            prediction=np.repeat(raw[:, None], windows.shape[1], axis=1),
        )

    def _parts(self, rows: np.ndarray) -> Iterator[np.ndarray]:
        size = max(1, _CELLS // len(self.references_))
        for start in range(0, len(rows), size):
            yield rows[start : start + size]

    def _neighbors_mean(self, rows: np.ndarray) -> np.ndarray:
        """Mean of the nearest references of scaled rows, (n, n_channels)."""
        squares = np.square(self.references_).sum(axis=1) - 2 * rows @ self.references_.T
        n = self.n_usable
        nearest = np.argpartition(squares, n - 1, axis=1)[:, :n]
        mean: np.ndarray = self.references_[nearest].mean(axis=1)
        return mean

    def to_onnx(self) -> bytes:
        """Write the fitted detector as an ONNX model; see `Detector.to_onnx`."""
        from anomaly_detection.knn_graph import knn_graph

        return knn_graph(self)
