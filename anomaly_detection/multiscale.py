"""Hotelling's statistic over windows of three lengths at once: jolts, minutes of shaking, slow departures.

A short window sees what is sudden, a long one what is small and lasts. Each has its own cloud of normal means and
standard deviations (`pca` with the statistic t2 and `spread`); the score of a row is the geometric mean of the three
distances, so that a departure counts that is far out in one of them and not near in the others.

**Conventions**: the windows end at the scored row and have `window_size` rows, a third and a twelfth of that, at least
2. Each distance has a mean of about 1 on the rows it was fitted on; the score is a little below. The share of a channel
in the score is the mean of its shares in the distances; its residual has the sign of the longest window's. The
reconstruction is the longest window's, the latent vector those of all three.

References
----------
Bakshi B. R.: Multiscale PCA with application to multivariate statistical process monitoring. AIChE Journal 1998 (the
idea of several scales; there of wavelets).
"""

import warnings
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np

from anomaly_detection.base import Detector, Outputs, check_choice, check_flag
from anomaly_detection.pca import PCADetector
from anomaly_detection.regimes import split_regimes, warn_of_steps
from anomaly_detection.rows import Stretch, normal_windows
from anomaly_detection.scaling import SCALINGS, Scaling

LEAST_DISTANCE = 1e-12  # for its logarithm
_FEW = 4  # windows without common rows


@dataclass(kw_only=True, eq=False)
class MultiscaleDetector(Detector):
    """Measure how far the newest rows are from normal, in windows of three lengths.

    Parameters
    ----------
    window_size : int
        Rows of the longest window, at least 2.
    scaling : {"standard", "minmax", "robust"}
        Of the channels, fitted on the means of normal windows.
    first_regime : bool
        Where a training series steps to another level and stays there, take the rows before for normal.

    Examples
    --------
    >>> normal = np.random.default_rng(0).normal(size=(500, 2))
    >>> detector = MultiscaleDetector(window_size=12).fit(normal)
    >>> detector.predict(np.concatenate([normal[:50], normal[:50] + [0, 3]])).reshape(2, 50).mean(axis=1).round(1)
    array([0., 1.])
    """

    name: ClassVar[str] = "multiscale"
    precision: ClassVar[type[np.floating]] = np.float64
    window_size: int = 60
    scaling: Literal["standard", "minmax", "robust"] = "standard"
    first_regime: bool = False
    parts_: list[PCADetector] = field(init=False, repr=False)
    scaling_: Scaling = field(init=False, repr=False)  # of the shortest window, the finest

    def _check_settings(self) -> None:
        super()._check_settings()
        check_choice("scaling", self.scaling, SCALINGS)
        check_flag("first_regime", self.first_regime)
        if self.window_size < 2:
            raise ValueError(f"window_size must be an integer of at least 2; got {self.window_size}.")

    def _regimes(self, stretch: Stretch) -> list[Stretch]:
        return split_regimes(stretch, self.window_size) if self.first_regime else [stretch]

    def _fit(self, train: list[Stretch], validation: list[Stretch]) -> None:
        self._check_amount(train)
        sizes = sorted({max(2, self.window_size // 12), max(2, self.window_size // 3), self.window_size})
        series = [self._regimes(stretch) for stretch in train]
        warn_of_steps(series)
        self.parts_ = [
            PCADetector(window_size=size, statistic="t2", spread=True, scaling=self.scaling) for size in sizes
        ]
        for part in self.parts_:
            part.channels_ = self.channels_
            part.fit_regimes(series)
        self.scaling_ = self.parts_[0].scaling_

    def _check_amount(self, train: list[Stretch]) -> None:
        """Refuse a single normal window; tell of so few that they say little of new ones."""
        n_windows = sum(int(normal_windows(stretch, self.window_size).sum()) for stretch in train)
        if n_windows < 2:
            raise ValueError(
                f"X must fill at least 2 normal windows of window_size = {self.window_size} rows to learn from; "
                f"got {n_windows}. Take a smaller window_size."
            )
        if n_windows < _FEW * self.window_size:
            warnings.warn(
                f"Of {n_windows} normal windows of {self.window_size} rows few have no rows in common: new rows will "
                "score far above those that taught. Take more rows, or a smaller window_size.",
                stacklevel=5,
            )

    def _decision_function(self, values: np.ndarray) -> np.ndarray:
        return _geometric_mean([part.window_scores(values) for part in self.parts_])

    def _run(self, windows: np.ndarray) -> Outputs:
        parts = [part._run(windows[:, -part.window_size :]) for part in self.parts_]
        score = _geometric_mean([part.score for part in parts])
        squares = np.stack([np.square(part.residual) for part in parts])
        totals = squares.sum(axis=2, keepdims=True)
        shares = np.divide(squares, totals, out=np.full_like(squares, 1 / windows.shape[2]), where=totals > 0)
        return Outputs(
            score=score,
            residual=np.copysign(np.sqrt(shares.mean(axis=0) * windows.shape[2] * score[:, None]), parts[-1].residual),
            latent=np.hstack([part.latent for part in parts]),
            prediction=parts[-1].prediction,
        )

    def to_onnx(self) -> bytes:
        """Write the fitted detector as an ONNX model; see `Detector.to_onnx`."""
        from anomaly_detection.multiscale_graph import multiscale_graph

        return multiscale_graph(self)


def _geometric_mean(distances: list[np.ndarray]) -> np.ndarray:
    logs = [np.log(np.maximum(distance, LEAST_DISTANCE)) for distance in distances]
    mean: np.ndarray = np.exp(np.mean(logs, axis=0))
    return mean
