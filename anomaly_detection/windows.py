"""Sliding windows over a series: what every detector sees of the past.

**Conventions**: a series is (n_steps, n_channels), in raw units. Window t holds rows t - window_size + 1 .. t, the
newest row last, so whatever is computed from it is causal. The first windows are padded on the left with the first
row of the series; no window crosses from one series into another.
"""

from collections.abc import Iterator

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

_CHUNK_BYTES = 1 << 17  # so that what a small network makes of it stays in the cache


def pad_left(series: np.ndarray, n_rows: int) -> np.ndarray:
    """Repeat the first row of (n_steps, n_channels) `n_rows` times before it; the series itself where `n_rows` is 0."""
    return np.concatenate([np.repeat(series[:1], n_rows, axis=0), series]) if n_rows else series


def full_windows(series: np.ndarray, window_size: int) -> np.ndarray:
    """Every window that the series fills by itself, without padding.

    Parameters
    ----------
    series : ndarray of shape (n_steps, n_channels)
    window_size : int
        Rows per window, at least 1.

    Returns
    -------
    ndarray of shape (max(0, n_steps - window_size + 1), window_size, n_channels)
        A read-only view; window i ends at row i + window_size - 1.

    Examples
    --------
    >>> full_windows(np.arange(4.0)[:, None], 3)[:, :, 0].tolist()
    [[0.0, 1.0, 2.0], [1.0, 2.0, 3.0]]
    """
    if len(series) < window_size:
        return np.empty((0, window_size, series.shape[1]), dtype=series.dtype)
    return sliding_window_view(series, window_size, axis=0).transpose(0, 2, 1)


def causal_windows(series: np.ndarray, window_size: int) -> np.ndarray:
    """One window per row, padded on the left with the first row.

    Returns
    -------
    ndarray of shape (n_steps, window_size, n_channels)
        A read-only view; window t ends at row t.

    Examples
    --------
    >>> causal_windows(np.arange(3.0)[:, None], 3)[:, :, 0].tolist()
    [[0.0, 0.0, 0.0], [0.0, 0.0, 1.0], [0.0, 1.0, 2.0]]
    """
    return full_windows(pad_left(series, window_size - 1), window_size)


def in_chunks(windows: np.ndarray, *, dtype: type[np.floating] = np.float32) -> Iterator[np.ndarray]:
    """Cut windows (n, window_size, n_channels) into contiguous blocks of about 128 kB, in order."""
    per_window = max(1, np.dtype(dtype).itemsize * windows.shape[1] * windows.shape[2])
    size = max(1, _CHUNK_BYTES // per_window)
    for start in range(0, len(windows), size):
        yield np.ascontiguousarray(windows[start : start + size], dtype=dtype)
