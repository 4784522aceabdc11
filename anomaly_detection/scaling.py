"""Scaling of channels, fitted on training rows only and folded into the exported model.

**Conventions**: scaled = (raw - center) / scale, per channel. A channel without spread has scale 1, as in scikit-learn:
its scaled values are its deviations in raw units.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import DTypeLike

SCALINGS = ("standard", "minmax", "robust")
_SMALL_REST = 2e-6  # of a channel's scale


@dataclass(frozen=True)
class Scaling:
    """Two numbers per channel.

    Attributes
    ----------
    center, scale : ndarray of shape (n_channels,)
        float64; `scale` is positive.
    """

    center: np.ndarray
    scale: np.ndarray

    def apply(self, rows: np.ndarray) -> np.ndarray:
        """Scale raw rows (..., n_channels)."""
        scaled: np.ndarray = (rows - self.center) / self.scale
        return scaled

    def undo(self, rows: np.ndarray) -> np.ndarray:
        """Bring scaled rows (..., n_channels) back to raw units."""
        raw: np.ndarray = rows * self.scale + self.center
        return raw

    def split_center(self, dtype: DTypeLike) -> tuple[np.ndarray, np.ndarray | None]:
        """Return the center in `dtype` and what that leaves out of it, None where that is nothing to any scale.

        Large beside its spread, as a pressure in pascal, a center in float32 alone would shift every scaled value.
        """
        center = self.center.astype(dtype)
        rest = self.center - center
        matters = (np.abs(rest) > _SMALL_REST * self.scale).any()
        return center, rest.astype(dtype) if matters else None


def fit_scaling(name: str, rows: np.ndarray) -> Scaling:
    """Fit one of `SCALINGS` to raw rows.

    Parameters
    ----------
    name : str
        "standard" (mean, standard deviation), "minmax" (minimum, range) or "robust" (median, interquartile range).
    rows : ndarray of shape (n_rows, n_channels)

    Raises
    ------
    ValueError
        If the name is unknown.

    Examples
    --------
    >>> fit_scaling("minmax", np.array([[0.0], [4.0]])).apply(np.array([[1.0]])).tolist()
    [[0.25]]
    """
    rows = np.asarray(rows, dtype=np.float64)
    if name == "standard":
        center, scale = rows.mean(axis=0), rows.std(axis=0)
        scale = np.where(scale <= 10 * np.finfo(np.float64).eps * np.abs(center), 0.0, scale)
    elif name == "minmax":
        center, scale = rows.min(axis=0), np.ptp(rows, axis=0)
    elif name == "robust":
        low, center, high = np.percentile(rows, [25, 50, 75], axis=0)
        scale = high - low
    else:
        raise ValueError(f"scaling must be one of {', '.join(SCALINGS)}; got {name!r}.")
    return Scaling(center, np.where(scale > 0, scale, 1.0))
