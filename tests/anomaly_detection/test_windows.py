import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from anomaly_detection.windows import causal_windows, full_windows, in_chunks, pad_left

SERIES = np.arange(8.0).reshape(4, 2)


def test_window_t_ends_at_row_t_and_starts_with_the_first_row_repeated() -> None:
    windows = causal_windows(SERIES, 3)
    assert windows.shape == (4, 3, 2)
    assert windows[0].tolist() == [[0, 1], [0, 1], [0, 1]]
    assert windows[1].tolist() == [[0, 1], [0, 1], [2, 3]]
    assert windows[3].tolist() == [[2, 3], [4, 5], [6, 7]]


def test_full_windows_need_no_padding() -> None:
    assert full_windows(SERIES, 3).shape == (2, 3, 2)
    assert full_windows(SERIES, 4)[0].tolist() == SERIES.tolist()
    assert full_windows(SERIES, 5).shape == (0, 5, 2)


def test_no_padding_returns_the_series_itself() -> None:
    assert pad_left(SERIES, 0) is SERIES


@given(n=st.integers(1, 50), window_size=st.integers(1, 12))
def test_a_window_of_one_row_or_many_always_ends_with_its_row(n: int, window_size: int) -> None:
    series = np.random.default_rng(n).normal(size=(n, 3))
    windows = causal_windows(series, window_size)
    assert windows.shape == (n, window_size, 3)
    assert np.array_equal(windows[:, -1], series)


def test_windows_are_views_that_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="read-only"):
        full_windows(SERIES, 2)[0, 0, 0] = 1


@pytest.mark.parametrize("window_size", [1, 7])
def test_chunks_are_the_windows_in_order(window_size: int) -> None:
    series = np.random.default_rng(0).normal(size=(300_000 // window_size, 16)).astype(np.float32)
    windows = causal_windows(series, window_size)
    chunks = list(in_chunks(windows))
    assert len(chunks) > 1
    assert all(chunk.flags.c_contiguous and chunk.dtype == np.float32 and chunk.nbytes <= 1 << 17 for chunk in chunks)
    assert np.array_equal(np.concatenate(chunks), windows)
