"""Principal components: how far a row lies from the plane, or from the cloud, that normal rows span.

**Conventions**: rows are scaled, z; every statistic is a quadratic form of z (of the mean of the last `window_size`
rows, where that is more than one). It is written as the mean over channels of a squared residual r = z W with a
symmetric W, so that the residual of a channel is its own part of the score (Garthwaite and Koch, 2016).

- `q`: r = z - z P P', the reconstruction error with `n_components` components. The score is the mean over channels of
  the squared scaled residual, as in the tutorials of robot arms.
- `t2`: Hotelling's statistic, the squared Mahalanobis distance to normal, divided by the number of channels; the
  covariance is shrunk (Ledoit and Wolf, 2004), so that it can be inverted.
- `combined`: q outside the plane plus t2 inside it, each divided by its mean on normal rows (after Yue and Qin, 2001).

With `spread`, t2 also sees the standard deviation of every channel over the window, beside its mean: a machine that
starts to shake or stops to is told even where its means stay. The residual of a channel then has the sign of its mean's
part and the size of both, so that the score stays the mean over channels of its square.

With `first_regime`, the rows of a training series before a lasting step (`regimes`) are normal and their mean is t2's
center. What comes after still teaches how channels vary and move together, about its own mean, and the step itself
counts for a little: a share of its square is added to the variance, so that the other state scores as far from normal,
up to about 4, but not as if it had never been seen.

t2 has a mean of about 1 over the rows it was fitted on. With c channels, a limit such as chi-square's quantile divided
by its degrees of freedom (c; with `spread` 2 c) needs no further calibration.

References
----------
Garthwaite P. H., Koch I.: Evaluating the contributions of individual variables to a quadratic form. ANZJS 2016.
Ledoit O., Wolf M.: A well-conditioned estimator for large-dimensional covariance matrices. JMVA 2004.
Yue H. H., Qin S. J.: Reconstruction-based fault identification using a combined index. IECR 2001.
"""

import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar, Literal

import numpy as np

from anomaly_detection.base import Detector, Outputs, check_choice, check_flag
from anomaly_detection.regimes import split_regimes, warn_of_steps
from anomaly_detection.rows import Stretch, normal_windows
from anomaly_detection.scaling import SCALINGS, Scaling, fit_scaling
from anomaly_detection.windows import full_windows, pad_left

STATISTICS = ("q", "t2", "combined")
_STEP_SHARE = 0.24  # of a step's square, over the number of watched quantities: a score of 1 / share at most
_FIT_BLOCK_BYTES = 1 << 25  # of windows, of which a standard deviation makes a copy
_LEAST_VARIANCE = 1e-12  # along a direction, as a share of the largest, that is no rounding
_ROWS_AT_ONCE = 64  # centred
_BLOCK_BYTES, _LEAST_BLOCK_ROWS = 1 << 20, 1024  # of what is scored at once


@dataclass(kw_only=True, eq=False)
class PCADetector(Detector):
    """Reconstruct rows from a few principal components, or measure their distance to the normal ones.

    Parameters
    ----------
    n_components : int
        Components that span the normal plane; for q less than the number of channels, else at most that.
    statistic : {"q", "t2", "combined"}
        See the module.
    scaling : {"standard", "minmax", "robust"}
        Of the channels, fitted on normal training rows.
    spread : bool
        Also watch the standard deviation of each channel over the window; for t2 and windows of 2 rows or more.
    first_regime : bool
        Where a training series steps to another level and stays there, take the rows before for normal; for t2.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> normal = rng.normal(size=(500, 1)) * [1.0, 2.0] + rng.normal(size=(500, 2)) * 0.01
    >>> detector = PCADetector(n_components=1).fit(normal)
    >>> detector.predict(np.array([[1.0, 2.0], [1.0, -2.0]])).tolist()
    [0, 1]
    """

    name: ClassVar[str] = "pca"
    shows_non_finite: ClassVar[bool] = True
    precision: ClassVar[type[np.floating]] = np.float64
    n_components: int = 2
    statistic: Literal["q", "t2", "combined"] = "q"
    scaling: Literal["standard", "minmax", "robust"] = "standard"
    spread: bool = False
    first_regime: bool = False
    scaling_: Scaling = field(init=False, repr=False)
    spread_scaling_: Scaling | None = field(default=None, init=False, repr=False)  # of the scaled channels' deviations
    components_: np.ndarray = field(init=False, repr=False)  # (n_components, n_channels)
    weights_: np.ndarray = field(init=False, repr=False)  # symmetric, a row per channel; with spread, means come first
    directions_: np.ndarray = field(init=False, repr=False)  # scores as weights_ do, in a column per rank; quicker

    def _check_settings(self) -> None:
        super()._check_settings()
        check_choice("statistic", self.statistic, STATISTICS)
        check_choice("scaling", self.scaling, SCALINGS)
        if not isinstance(self.n_components, int) or self.n_components < 1:
            raise ValueError(f"n_components must be an integer of at least 1; got {self.n_components!r}.")
        if self.spread and (self.statistic != "t2" or self.window_size < 2):
            raise ValueError(
                f"spread must go with statistic t2 and a window_size of at least 2; got {self.statistic} and "
                f"{self.window_size}."
            )
        for name in ("spread", "first_regime"):
            check_flag(name, getattr(self, name))
        if self.first_regime and self.statistic != "t2":
            raise ValueError(f"first_regime must go with statistic t2; got {self.statistic}.")

    def _fit(self, train: list[Stretch], validation: list[Stretch]) -> None:
        series = [self._regimes(stretch) for stretch in train]
        warn_of_steps(series)
        self.fit_regimes(series)

    def _regimes(self, stretch: Stretch) -> list[Stretch]:
        return split_regimes(stretch, self.window_size) if self.first_regime else [stretch]

    def fit_regimes(self, series: list[list[Stretch]]) -> None:
        """Learn from the regimes of each series, of which the first is normal."""
        from sklearn.decomposition import PCA

        rows, steps = self._normal_statistics(series, np.mean)
        self.scaling_ = fit_scaling(self.scaling, rows)
        scaled = self.scaling_.apply(rows)
        n_components = self._usable_components(*rows.shape)
        if self.statistic == "q":
            n_components = _leaving_something(scaled, n_components)
        pca = PCA(n_components, random_state=0)  # random where there are many channels
        with np.errstate(invalid="ignore"):  # shares of a variance that is 0
            pca.fit(scaled)
        # PCA centres once more, which matters for scalings that do not centre at the mean.
        center = self.scaling_.undo(pca.mean_[None])[0]
        self.scaling_ = Scaling(center, self.scaling_.scale)
        self.components_ = pca.components_
        watched, steps, self.spread_scaling_ = self.scaling_.apply(rows), steps / self.scaling_.scale, None
        if self.spread:
            deviations, changes = (part / self.scaling_.scale for part in self._normal_statistics(series, np.std))
            self.spread_scaling_ = fit_scaling("standard", deviations)
            watched = np.hstack([watched, self.spread_scaling_.apply(deviations)])
            steps = np.hstack([steps, changes / self.spread_scaling_.scale])
        self.weights_ = self._fit_weights(watched, steps)
        self.directions_ = _directions(self.weights_)

    def _usable_components(self, n_rows: int, n_channels: int) -> int:
        """Count the components to fit; q needs something to be left over, the others can do with all there are."""
        most = n_channels - 1 if self.statistic == "q" else n_channels
        if most == 0:
            raise ValueError(
                "n_components must leave something over to score, which the statistic q of a single channel does not; "
                "take the statistic t2."
            )
        if self.statistic == "q" and self.n_components > most:
            raise ValueError(
                f"n_components must be less than the number of channels, {n_channels}, for the statistic q: nothing "
                f"would be left over to score; got {self.n_components}. Take fewer, or the statistic t2."
            )
        if min(self.n_components, most) > n_rows:
            raise ValueError(
                f"n_components must be at most the number of normal rows, {n_rows}; got {self.n_components}."
            )
        return min(self.n_components, most)

    def _normal_statistics(
        self, series: list[list[Stretch]], statistic: Callable[..., np.ndarray]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the statistic of every full window without a labelled row, (n, n_channels), and the steps.

        Later regimes are moved onto the mean of the first one of their series; by how much is a row of the steps.
        """
        parts, steps = [], []
        for first, *later in series:
            parts.append(self._statistic_of_windows(first, statistic))
            for found in (self._statistic_of_windows(regime, statistic) for regime in later):
                if len(found):
                    steps.append(found.mean(axis=0) - parts[-1].mean(axis=0))
                    parts.append(found - steps[-1])
        rows = np.concatenate(parts)
        if not len(rows):
            raise ValueError(
                f"y must leave {self.window_size} normal rows in a row, a window, to learn from; anomalous ones are in "
                "every window. Take a smaller window_size."
            )
        return rows, np.array(steps).reshape(-1, rows.shape[1])

    def _statistic_of_windows(self, stretch: Stretch, statistic: Callable[..., np.ndarray]) -> np.ndarray:
        windows = full_windows(stretch.values.astype(np.float64, copy=False), self.window_size)
        # Block by block: a standard deviation makes a copy of the windows, which share their rows.
        size = max(1, _FIT_BLOCK_BYTES // (8 * self.window_size * stretch.values.shape[1]))
        blocks = [windows[start : start + size] for start in range(0, max(1, len(windows)), size)]
        found = np.concatenate([statistic(block, axis=1) for block in blocks])
        kept: np.ndarray = found[normal_windows(stretch, self.window_size)]
        return kept

    def _fit_weights(self, scaled: np.ndarray, steps: np.ndarray) -> np.ndarray:
        plane = self.components_.T @ self.components_
        outside = np.eye(len(plane)) - plane
        if self.statistic == "q":
            return np.asarray(outside)
        from sklearn.covariance import ledoit_wolf

        covariance, _ = ledoit_wolf(scaled, assume_centered=True)
        covariance += _STEP_SHARE / len(covariance) * steps.T @ steps
        values, vectors = np.linalg.eigh(covariance)
        floored = np.maximum(values, values.max() * 1e-12)
        precision = (vectors / np.where(floored > 0, floored, 1.0)) @ vectors.T  # 1: where no channel has spread
        if self.statistic == "t2":
            return _square_root(precision)
        inside = plane @ precision @ plane
        parts = [part / max(_mean_form(scaled, part), 1e-12) for part in (outside, inside)]
        return _square_root(parts[0] + parts[1])

    def _decision_function(self, values: np.ndarray) -> np.ndarray:
        """Fold scaling and statistic into one quadratic form of the raw rows, or of what is watched of each window."""
        from anomaly_detection.quadratic import quadratic_scores

        center, lag = self.scaling_.center, self.window_size - 1
        folded = (self.directions_ / self._divisors()[:, None] / np.sqrt(len(self.directions_))).T
        if lag == 0:
            return quadratic_scores(values, folded, center)
        near = center.astype(values.dtype)
        rest = center - near
        if self.spread_scaling_ is not None:
            rest = np.hstack([rest, self.spread_scaling_.center * self.scaling_.scale])
        scores, padded = np.empty(len(values), dtype=values.dtype), np.ascontiguousarray(pad_left(values, lag))
        size = max(_LEAST_BLOCK_ROWS, _BLOCK_BYTES // values[0].nbytes)
        together = np.tile(near, (_ROWS_AT_ONCE, 1))
        for start in range(0, len(values), size):  # so that a block stays in the cache
            rows = _minus(padded[start : start + size + lag], together)
            watched = _moving_mean(rows, self.window_size)
            if self.spread_scaling_ is not None:
                watched = np.hstack([watched, self._deviations(rows, watched)])
            scores[start : start + size] = quadratic_scores(watched, folded, rest)
        return scores

    def _divisors(self) -> np.ndarray:
        """By what raw centred statistics are divided, (n_channels,), with spread (2 n_channels,)."""
        scale = self.scaling_.scale
        return scale if self.spread_scaling_ is None else np.hstack([scale, scale * self.spread_scaling_.scale])

    def _deviations(self, rows: np.ndarray, means: np.ndarray) -> np.ndarray:
        """Return the standard deviation of every window of raw `rows`, whose `means` are known."""
        squares = np.zeros_like(means)
        for lag in range(self.window_size):
            squares += np.square(rows[self.window_size - 1 - lag : len(rows) - lag] - means)
        return np.sqrt(squares / self.window_size, out=squares)

    def _run(self, windows: np.ndarray) -> Outputs:
        scaled = self.scaling_.apply(windows.astype(np.float64))
        newest = scaled.mean(axis=1)
        if self.spread_scaling_ is None:
            residual = newest @ self.weights_
        else:
            both = np.hstack([newest, self.spread_scaling_.apply(scaled.std(axis=1))]) @ self.weights_
            of_mean, of_spread = np.split(both, 2, axis=1)
            residual = np.copysign(np.sqrt((of_mean**2 + of_spread**2) / 2), of_mean)
        plane = self.components_.T @ self.components_
        return Outputs(
            score=np.square(residual).mean(axis=1),
            residual=residual,
            latent=newest @ self.components_.T,
            prediction=self.scaling_.undo(scaled @ plane),
        )

    def to_onnx(self) -> bytes:
        """Write the fitted detector as an ONNX model; see `Detector.to_onnx`."""
        from anomaly_detection.pca_graph import pca_graph

        return pca_graph(self)


def _minus(rows: np.ndarray, center: np.ndarray) -> np.ndarray:
    """Subtract from contiguous rows what all rows of `center` hold, many at a time: numpy is slow on short rows."""
    n, centred = len(rows) // len(center) * len(center), np.empty_like(rows)
    np.subtract(rows[:n].reshape(-1, center.size), center.ravel(), out=centred[:n].reshape(-1, center.size))
    np.subtract(rows[n:], center[: len(rows) - n], out=centred[n:])
    return centred


def _leaving_something(scaled: np.ndarray, n_components: int) -> int:
    """Take fewer components, and warn, where these would span all that normal rows do: scores would be rounding."""
    variances = np.linalg.eigvalsh(np.atleast_2d(np.cov(scaled, rowvar=False, bias=True)))
    n_directions = int((variances > _LEAST_VARIANCE * max(variances.max(), 1.0)).sum())
    if n_components < n_directions:
        return n_components
    fewer = max(1, n_directions - 1)
    warnings.warn(
        f"n_components = {n_components} spans all the directions in which the normal rows vary, {n_directions}, so the "
        f"statistic q would see rounding: "
        + (f"{fewer} is taken. " if n_directions > 1 else "what lies along them is not told. ")
        + "Constant and copied channels, and few rows, add no direction. The statistic t2 needs none left over.",
        stacklevel=6,
    )
    return fewer


def _moving_mean(rows: np.ndarray, window_size: int) -> np.ndarray:
    """Mean of `window_size` rows, the newest last: (n - window_size + 1, n_channels)."""
    total = rows[window_size - 1 :].copy()
    for lag in range(1, window_size):
        total += rows[window_size - 1 - lag : len(rows) - lag]
    total /= window_size
    return total


def _mean_form(scaled: np.ndarray, matrix: np.ndarray) -> float:
    return float(np.einsum("ij,jk,ik->i", scaled, matrix, scaled).mean())


def _square_root(matrix: np.ndarray) -> np.ndarray:
    """Symmetric square root of a positive semi-definite matrix."""
    values, vectors = np.linalg.eigh(matrix)
    root: np.ndarray = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    return root


def _directions(matrix: np.ndarray) -> np.ndarray:
    """Return a lower triangular C, a column per rank of the symmetric M: for every z, z C is as long as z M."""
    from anomaly_detection.quadratic import triangular

    values, vectors = np.linalg.eigh(matrix)
    kept = np.abs(values) > 1e-12 * np.abs(values).max()
    return triangular((vectors[:, kept] * values[kept]).T).T
