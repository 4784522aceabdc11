import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomaly_detection.quadratic import _add_scores, _aligned_zeros, _Kept, quadratic_scores, triangular


def oracle(rows: np.ndarray, directions: np.ndarray, center: np.ndarray) -> np.ndarray:
    parts = np.einsum("ij,kj->ik", rows.astype(np.float64) - center, directions)
    return np.square(parts).sum(axis=1)


def drawn(n: int, n_channels: int, n_directions: int, offset: float, seed: int = 0) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(seed)
    center = offset * rng.normal(size=n_channels)
    return rng.normal(size=(n, n_channels)) + center, rng.normal(size=(n_directions, n_channels)), center


@given(
    n=st.integers(0, 600),
    n_channels=st.integers(1, 40),
    n_directions=st.integers(0, 12),
    offset=st.sampled_from([0.0, 1.0, 1e3]),
    dtype=st.sampled_from([np.float32, np.float64]),
    seed=st.integers(0, 2**32 - 1),
)
@settings(max_examples=80, deadline=None)
def test_any_shape_scores_as_the_products_do(n, n_channels, n_directions, offset, dtype, seed):
    rows, directions, center = drawn(n, n_channels, n_directions, offset, seed)
    rows = rows.astype(dtype)
    scores = quadratic_scores(rows, triangular(directions), center)
    assert scores.dtype == dtype
    tolerance = 2e-5 if dtype is np.float32 else 1e-11
    # A sum is as exact as its largest terms; directions and rows are about 1 in size.
    assert scores == pytest.approx(oracle(rows, directions, center), rel=tolerance, abs=tolerance * n_channels)


@pytest.mark.parametrize("n", [1, 239, 240, 241, 480, 1000])
@pytest.mark.parametrize("n_channels", [1, 7, 8, 9, 16, 40])
def test_blocks_and_chunks_meet_without_a_seam(n, n_channels):
    rows, directions, center = drawn(n, n_channels, n_channels, 1.0)
    expected = oracle(rows, directions, center)
    assert quadratic_scores(rows, triangular(directions), center) == pytest.approx(expected, rel=1e-9)


def test_what_single_precision_leaves_out_of_a_center_counts():
    rows = np.array([[1e6 + 1, 0.0], [1e6 - 2, 0.0]], dtype=np.float32)
    scores = quadratic_scores(rows, np.eye(2), np.array([1e6 + 0.03, 0.0]))
    assert scores == pytest.approx([0.97**2, 2.03**2], rel=1e-6)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("channel", [0, 6, 7, 8, 12])
@pytest.mark.filterwarnings("ignore:invalid value")
def test_a_value_that_is_not_finite_shows_in_its_row_alone(dtype, value, channel):
    rows, directions, center = drawn(500, 13, 5, 1.0)
    rows = rows.astype(dtype)
    rows[300, channel] = value
    finite = np.isfinite(quadratic_scores(rows, triangular(directions), center))
    assert np.flatnonzero(~finite).tolist() == [300]


def test_a_sum_beyond_the_precision_is_infinite():
    assert quadratic_scores(np.full((1, 1), 1e30, dtype=np.float32), np.eye(1), np.zeros(1)).tolist() == [np.inf]


def test_rows_may_lie_anywhere_and_stay_as_they_are():
    rows, directions, center = drawn(600, 10, 10, 1.0)
    turned = triangular(directions)
    expected = quadratic_scores(rows, turned, center)
    frozen = rows.copy()
    frozen.flags.writeable = False
    wide = np.repeat(np.repeat(rows, 2, axis=0), 3, axis=1)
    for same in (frozen, np.asfortranarray(rows), wide[::2, ::3]):
        assert np.array_equal(quadratic_scores(same, turned, center), expected)
    assert rows.flags.writeable
    assert np.array_equal(rows, frozen)


def test_one_compilation_serves_rows_that_may_be_written_and_such_that_may_not():
    rows, directions, center = drawn(10, 3, 3, 1.0)
    for writeable in (True, False):
        rows.flags.writeable = writeable
        quadratic_scores(rows, triangular(directions), center)
    assert len(_add_scores._compiled.signatures) <= 2  # float32 and float64


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_row_of_the_workspace_starts_a_cache_line(dtype):
    for n in range(1, 20):
        space = _aligned_zeros(n, np.dtype(dtype))
        assert space.flags.c_contiguous
        assert not any(row.ctypes.data % 64 for row in space)


@given(n_directions=st.integers(1, 9), n_channels=st.integers(1, 9))
@settings(max_examples=30, deadline=None)
def test_a_rotation_keeps_lengths_and_leaves_a_triangle(n_directions, n_channels):
    directions = np.random.default_rng(n_directions).normal(size=(n_directions, n_channels))
    turned = triangular(directions)
    assert turned.shape == (min(n_directions, n_channels), n_channels)
    assert not np.tril(turned, -1).any()
    assert turned.T @ turned == pytest.approx(directions.T @ directions)


def double(values: np.ndarray) -> None:
    values *= 2


def doubled(compiled: _Kept) -> list[float]:
    values = np.array([1.0, 2.0])
    compiled(values)
    return values.tolist()


def test_without_a_folder_to_keep_it_in_it_is_compiled_all_the_same(monkeypatch):
    monkeypatch.setattr("numba.core.caching.CompileResultCacheImpl._locator_classes", [])
    assert doubled(_Kept(double)) == [2, 4]


@contextmanager
def nothing_can_be_written() -> Iterator[None]:
    """Let every write to a file fail, as on a full disk."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_on_a_full_disk_it_is_compiled_all_the_same(monkeypatch, tmp_path):
    monkeypatch.setattr("numba.config.CACHE_DIR", str(tmp_path))
    compiled = _Kept(double)
    with nothing_can_be_written():
        with pytest.raises(OSError, match="too large"):
            (tmp_path / "a.txt").write_text("a")
        assert [doubled(compiled), doubled(compiled)] == [[2, 4], [2, 4]]
    assert not [file for file in tmp_path.rglob("*.nb?") if file.stat().st_size]


@pytest.mark.parametrize("suffix", ["nbi", "nbc"])
@pytest.mark.parametrize("size", [0, 50])
def test_where_what_was_kept_is_damaged_it_is_compiled_all_the_same(monkeypatch, tmp_path, suffix, size):
    monkeypatch.setattr("numba.config.CACHE_DIR", str(tmp_path))
    assert doubled(_Kept(double)) == [2, 4]
    (file,) = tmp_path.rglob(f"*.{suffix}")
    file.write_bytes(file.read_bytes()[:size])
    assert doubled(_Kept(double)) == [2, 4]


def test_numba_waits_until_something_is_scored():
    code = "import sys, anomaly_detection.pca, anomaly_detection.registry; print('numba' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False"]
