"""What anomaly scores and labels must look like before anything is computed from them.

**Conventions**: scores are finite, higher = more anomalous; labels are 0 (normal) or 1 (anomalous), one per score.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray


def checked_scores(scores: ArrayLike) -> NDArray[np.float64]:
    """Return scores as float64, (n,); complain where there is none, or one is not finite."""
    array = np.asarray(scores, np.float64)
    if array.ndim != 1 or not len(array):
        raise ValueError(f"scores must be one-dimensional with at least one row; got shape {array.shape}.")
    if not np.isfinite(array).all():
        row = int(np.argmin(np.isfinite(array)))
        raise ValueError(f"scores must be finite; got {array[row]} in row {row}.")
    return array


def checked_labels(labels: ArrayLike, n_rows: int | None = None) -> NDArray[np.bool_]:
    """Return labels of 0 and 1 as booleans, (n,); complain about any other value or length."""
    array = np.asarray(labels)
    if array.ndim != 1 or (n_rows is not None and len(array) != n_rows):
        wanted = "one-dimensional" if n_rows is None else f"({n_rows},), one per score"
        raise ValueError(f"labels must be {wanted}; got shape {array.shape}.")
    if array.dtype != np.bool_ and not np.isin(array, (0, 1)).all():
        raise ValueError(f"labels must be 0 or 1; got {array[~np.isin(array, (0, 1))][0]!r}.")
    return array.astype(np.bool_)


def ends_of_ties(ranked: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the last row of every group of equal scores, (n_distinct,), for sorted scores.

    Examples
    --------
    >>> ends_of_ties(np.array([3.0, 2.0, 2.0, 1.0])).tolist()
    [0, 2, 3]
    """
    return np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(ranked) - 1)
