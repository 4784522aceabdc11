"""Quadratic forms of many rows: the squared length of every row along some directions, close to the speed of memory.

A score such as PCA's reconstruction error is |D (row - center)|^2 with few numbers per row. A library for matrices
writes every step of that and reads it again, and is slow on so few columns. Here a block of rows is transposed and
stays in the cache until its sums are there: for 8 channels about 1.6 times as many rows per second as blocks of numpy
with OpenBLAS, and no fewer for 256. numba compiles it at the first call, in one or two seconds, and keeps that on disk.

**Conventions**: rows are (n, n_channels), directions (n_directions, n_channels). Channels are taken 8 at a time, which
is what the processor's registers hold. The arithmetic is that of the rows, float32 or float64, with fused
multiply-adds and no other liberty: a value that is not finite makes its row's sum NaN or infinite.
"""

from collections.abc import Callable
from contextlib import suppress
from pickle import UnpicklingError

import numpy as np
from numba import njit

_BLOCK_ROWS = 240  # 8 channels of them stay in the cache; a power of two would put them in each other's way


def triangular(directions: np.ndarray) -> np.ndarray:
    """Rotate directions so that direction k has no part in the first k channels; all lengths stay as they are.

    Parameters
    ----------
    directions : ndarray of shape (n_directions, n_channels)

    Returns
    -------
    ndarray of shape (min(n_directions, n_channels), n_channels)

    Examples
    --------
    >>> np.abs(triangular(np.array([[0.0, 2.0], [3.0, 0.0]]))).tolist()
    [[3.0, 0.0], [0.0, 2.0]]
    """
    return np.asarray(np.linalg.qr(directions, mode="r"))


def quadratic_scores(rows: np.ndarray, directions: np.ndarray, center: np.ndarray) -> np.ndarray:
    """Sum the squares of what rows, less a center, are along triangular directions.

    Parameters
    ----------
    rows : ndarray of shape (n, n_channels)
        float32 or float64.
    directions : ndarray of shape (n_directions, n_channels)
        float64, as `triangular` returns them; scaling the channels keeps them so.
    center : ndarray of shape (n_channels,)
        float64. What float32 leaves out of it counts, too, as beside a large center it must.

    Returns
    -------
    ndarray of shape (n,)
        In the precision of the rows.

    Examples
    --------
    >>> rows = np.array([[3.0, 1.0], [3.0, 2.0]])
    >>> quadratic_scores(rows, np.array([[2.0, 0.0], [0.0, 1.0]]), np.array([2.0, 1.0])).tolist()
    [4.0, 5.0]
    """
    (n_directions, n_channels), dtype = directions.shape, rows.dtype
    padded = np.zeros((n_directions + n_directions % 2, n_channels + -n_channels % 8), dtype=dtype)
    padded[:n_directions, :n_channels] = directions
    near = center.astype(dtype)
    offsets = np.zeros(len(padded), dtype=dtype)
    offsets[:n_directions] = directions @ (near - center)
    space = _aligned_zeros(padded.shape[1] + 2, dtype)
    scores = np.zeros(len(rows), dtype=dtype)
    rows = np.ascontiguousarray(rows).view()
    rows.flags.writeable = False  # whoever's rows: numba compiles anew for every kind of array
    _add_scores(rows, near, padded, offsets, space, scores)
    return scores


def _aligned_zeros(n: int, dtype: np.dtype) -> np.ndarray:
    """Return (n, _BLOCK_ROWS) zeros of which every row starts a cache line: vectors across two take twice the time."""
    size = n * _BLOCK_ROWS * dtype.itemsize
    memory = np.zeros(size + 64, dtype=np.uint8)
    skipped = -memory.ctypes.data % 64
    return memory[skipped : skipped + size].view(dtype).reshape(n, _BLOCK_ROWS)


# Inlined before it is compiled: otherwise calls remain, and what is loaded from disk was slower than what is compiled.
_inlined = njit(inline="always", fastmath={"contract"}, nogil=True)


class _Kept:
    """Compile at the first call, and keep that where a folder can be written: beside this file or the user's own.

    Where the disk is full, or what it holds is damaged or another's, it is compiled all the same and not kept.
    """

    def __init__(self, function: Callable[..., None]) -> None:
        self._compiled = self._not_kept = _inlined(function)
        with suppress(RuntimeError):  # no such folder
            self._compiled = njit(cache=True, fastmath={"contract"}, nogil=True)(function)

    def __call__(self, *arrays: np.ndarray) -> None:
        try:
            self._compiled(*arrays)
        except (OSError, EOFError, UnpicklingError):  # before anything was computed
            self._compiled = self._not_kept
            self._compiled(*arrays)


@_inlined
def _transpose_chunk(rows: np.ndarray, center: np.ndarray, columns: np.ndarray) -> None:
    """Write rows (n, 8), less a center (8,), as columns (8, n). The names keep the center in registers."""
    c0, c1, c2, c3 = center[0], center[1], center[2], center[3]
    c4, c5, c6, c7 = center[4], center[5], center[6], center[7]
    for i in range(len(rows)):
        columns[0, i] = rows[i, 0] - c0
        columns[1, i] = rows[i, 1] - c1
        columns[2, i] = rows[i, 2] - c2
        columns[3, i] = rows[i, 3] - c3
        columns[4, i] = rows[i, 4] - c4
        columns[5, i] = rows[i, 5] - c5
        columns[6, i] = rows[i, 6] - c6
        columns[7, i] = rows[i, 7] - c7


@_inlined
def _transpose_channel(values: np.ndarray, center: float, column: np.ndarray) -> None:
    """Write the values (n,) of one channel, less its center."""
    for i in range(len(values)):
        column[i] = values[i] - center


@_inlined
def _add_parts(x: np.ndarray, d: np.ndarray, parts: np.ndarray) -> None:
    """Add to the parts (n,) of rows along a direction d what 8 channels x (8, n) contribute."""
    for i in range(len(parts)):
        first = d[0] * x[0, i] + d[1] * x[1, i] + d[2] * x[2, i] + d[3] * x[3, i]
        parts[i] += first + d[4] * x[4, i] + d[5] * x[5, i] + d[6] * x[6, i] + d[7] * x[7, i]


@_inlined
def _add_squares(x: np.ndarray, d: np.ndarray, e: np.ndarray, p: np.ndarray, q: np.ndarray, sums: np.ndarray) -> None:
    """Complete the parts p, q (n,) along two directions d, e with the last 8 channels x (8, n); add their squares."""
    for i in range(len(sums)):
        x0, x1, x2, x3, x4, x5, x6, x7 = x[0, i], x[1, i], x[2, i], x[3, i], x[4, i], x[5, i], x[6, i], x[7, i]
        a = p[i] + d[0] * x0 + d[1] * x1 + d[2] * x2 + d[3] * x3 + d[4] * x4 + d[5] * x5 + d[6] * x6 + d[7] * x7
        b = q[i] + e[0] * x0 + e[1] * x1 + e[2] * x2 + e[3] * x3 + e[4] * x4 + e[5] * x5 + e[6] * x6 + e[7] * x7
        sums[i] += a * a + b * b


@_Kept
def _add_scores(
    rows: np.ndarray,
    center: np.ndarray,
    directions: np.ndarray,
    offsets: np.ndarray,
    space: np.ndarray,
    scores: np.ndarray,
) -> None:
    """Add the sums to scores (n,), block by block. `directions` are padded with zeros, to pairs of chunks of 8."""
    n_block, n_full, last = space.shape[1], rows.shape[1] // 8 * 8, directions.shape[1] - 8
    for start in range(0, len(rows), n_block):
        block, sums = rows[start : start + n_block], scores[start : start + n_block]
        columns, p, q = space[:-2], space[-2, : len(block)], space[-1, : len(block)]
        for first in range(0, n_full, 8):
            chunk = slice(first, first + 8)
            _transpose_chunk(block[:, chunk], center[chunk], columns[chunk])
        for channel in range(n_full, rows.shape[1]):
            _transpose_channel(block[:, channel], center[channel], columns[channel])
        for k in range(0, len(directions), 2):
            p[:] = offsets[k]
            q[:] = offsets[k + 1]
            for first in range(k // 8 * 8, last, 8):  # no direction has a part in channels before its own
                chunk = slice(first, first + 8)
                _add_parts(columns[chunk], directions[k, chunk], p)
                _add_parts(columns[chunk], directions[k + 1, chunk], q)
            _add_squares(columns[last:], directions[k, last:], directions[k + 1, last:], p, q, sums)
