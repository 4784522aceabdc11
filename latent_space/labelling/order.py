"""An order of samples that depends on the samples alone, not on how a table lists them.

**Conventions**: rows are told apart by the hash of their latents; only exact duplicates keep the order they came in.
Values and groups are numbered in the order of their texts.
"""

import hashlib

import numpy as np
import numpy.typing as npt


def own_order(points: npt.NDArray[np.float32]) -> npt.NDArray[np.int64]:
    """Return the rows in an order of their own.

    Examples
    --------
    >>> points = np.arange(6, dtype=np.float32).reshape(3, 2)
    >>> shuffled = points[[2, 0, 1]]
    >>> bool((points[own_order(points)] == shuffled[own_order(shuffled)]).all())
    True
    """
    digests = [hashlib.blake2b(row.tobytes(), digest_size=16).digest() for row in points + np.float32(0)]
    return np.array(sorted(range(len(digests)), key=digests.__getitem__), np.int64)


def value_codes(values: npt.ArrayLike, n: int, name: str) -> npt.NDArray[np.int64]:
    """Return a number per value of a column of `n` samples, called `name` in errors; -1 where one is missing."""
    import pandas as pd

    column = np.asarray(values, object)
    if column.shape != (n,):
        raise ValueError(f"{name} must have one value per sample, {n}; got shape {column.shape}.")
    texts = pd.Series(column).astype(str).where(~pd.isna(column), None)
    return pd.factorize(texts, sort=True)[0].astype(np.int64)


def group_codes(groups: npt.ArrayLike, n: int) -> npt.NDArray[np.int64]:
    """Return a number per group of `n` samples; a sample without one is a group of its own."""
    codes = value_codes(groups, n, "groups")
    alone = codes < 0
    codes[alone] = codes.max(initial=-1) + 1 + np.arange(alone.sum())
    return codes
