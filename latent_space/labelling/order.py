"""An order of samples that depends on the samples alone, not on how a table lists them.

**Conventions**: rows are told apart by the hash of their latents; only exact duplicates keep the order they came in.
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
