import numpy as np
import pandas as pd
import pytest

from anomaly_detection.rows import (
    Stretch,
    as_labels,
    as_list,
    as_rows,
    channel_names,
    check_learnable,
    normal_windows,
)

CHANNELS = ("a", "b")
FRAME = pd.DataFrame({"a": [1.0, 2.0], "b": [3.0, 4.0]})


def test_columns_are_matched_by_name_in_any_order() -> None:
    assert as_rows(FRAME[["b", "a"]], CHANNELS).tolist() == [[1, 3], [2, 4]]


def test_float32_stays_and_integers_become_float64() -> None:
    assert as_rows(np.ones((2, 2), dtype=np.float32), CHANNELS).dtype == np.float32
    assert as_rows(np.ones((2, 2), dtype=np.int64), CHANNELS).dtype == np.float64
    assert as_rows(FRAME.astype({"a": "int64"}), CHANNELS).dtype == np.float64


def test_extra_columns_are_ignored_and_said() -> None:
    with pytest.warns(UserWarning, match=r"Columns the detector does not know are ignored: c, d\."):
        assert as_rows(FRAME.assign(c=0, d="text"), CHANNELS).shape == (2, 2)


def test_a_detector_without_names_counts_a_frames_columns_by_position() -> None:
    frame = FRAME.set_axis(["x", "y"], axis=1)
    assert as_rows(frame, ("channel_0", "channel_1"), named=False).tolist() == FRAME.to_numpy().tolist()


@pytest.mark.parametrize(
    ("X", "message"),
    [
        (FRAME[["a"]], r"X must have the channels a, b; b missing\."),
        (FRAME.set_axis(["a", "a"], axis=1), r"one column per name; got a more than once"),
        (np.ones(3), r"X must have shape \(n_steps, 2\), a column per channel \(a, b\); got \(3,\)"),
        (np.ones((3, 4)), r"got \(3, 4\)"),
        (np.ones((0, 2)), r"at least one row; got none"),
        (FRAME.iloc[:0], r"at least one row; got none"),
        (np.array([[1.0, 2.0], [3.0, np.nan]]), r"finite; got nan in channel 'b', row 1 \(1 such cells\)"),
        (np.array([[np.inf, np.nan]]), r"finite; got inf in channel 'a', row 0 \(2 such cells\)"),
        (FRAME.assign(b=["3,5", "4"]), r"X must hold numbers; got in channel 'b': .*3,5"),
        (np.array([["x", "1"]]), r"X must hold numbers"),
    ],
)
def test_bad_rows_are_refused(X: object, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        as_rows(X, CHANNELS)


def test_channel_names() -> None:
    assert channel_names(FRAME) == ("a", "b")
    assert channel_names(np.ones((1, 3))) == ("channel_0", "channel_1", "channel_2")
    assert channel_names(np.ones(3)) == ()
    assert [len(series) for series in as_list([FRAME, FRAME])] == [2, 2]
    assert len(as_list(FRAME)) == 1


def test_labels_become_one_bool_array_per_series() -> None:
    one, two = as_labels([[0, 1], np.array([True])], [2, 1])
    assert one.tolist() == [False, True]
    assert two.tolist() == [True]
    assert as_labels([0, 1, 1], [3])[0].dtype == bool
    assert as_labels([None, [0, 1]], [5, 2])[0] is None
    assert as_labels(
        [
            [0],
        ],
        [1],
    )[0].tolist() == [False]


@pytest.mark.parametrize(
    ("y", "lengths", "message"),
    [
        ([0, 1], [3], r"y must have one label per row of X, shapes \[\(3,\)\]; got \[\(2,\)\]"),
        ([[0, 1]], [2, 2], r"shapes \[\(2,\), \(2,\)\]"),
        ([0, 2], [2], r"y must hold 0 \(normal\) and 1 \(anomalous\) only"),
        ([0, np.nan], [2], r"y must hold 0 \(normal\)"),
    ],
)
def test_bad_labels_are_refused(y: object, lengths: list[int], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        as_labels(y, lengths)


def test_times_are_no_numbers() -> None:
    frame = pd.DataFrame({"a": pd.to_datetime(["2026-01-01"]), "b": pd.to_datetime(["2026-01-02"])})
    with pytest.raises(ValueError, match="X must hold numbers; got times in a cell"):
        as_rows(frame, CHANNELS)


def test_values_whose_squares_overflow_cannot_be_learned_from() -> None:
    check_learnable(np.array([[1e18, -1e18]]), CHANNELS)
    with pytest.raises(ValueError, match=r"within 1e\+18 to learn from; got -1e\+300 in channel 'b', row 1"):
        check_learnable(np.array([[1.0, 2.0], [3.0, -1e300]]), CHANNELS)


def test_windows_count_as_normal_once_the_anomaly_has_left_them() -> None:
    stretch = Stretch(np.zeros((9, 1)), np.array([0, 0, 0, 1, 0, 0, 0, 0, 1], bool))
    expected = [True, True, True, False, False, False, True, True, False]
    assert normal_windows(stretch, 3).tolist() == expected[2:]
    assert normal_windows(stretch, 3, padded=True).tolist() == expected
    assert normal_windows(stretch, 20).tolist() == []
    assert normal_windows(stretch, 20, padded=True).tolist() == [True] * 3 + [False] * 6


@pytest.mark.parametrize(("window_size", "n_full"), [(1, 5), (3, 3), (5, 1), (6, 0)])
def test_without_labels_every_window_counts_as_normal(window_size: int, n_full: int) -> None:
    stretch = Stretch(np.zeros((5, 1)))
    assert normal_windows(stretch, window_size).tolist() == [True] * n_full
    assert normal_windows(stretch, window_size, padded=True).tolist() == [True] * 5


@pytest.mark.parametrize("padded", [False, True])
def test_a_window_for_every_row_that_ends_one(padded: bool) -> None:
    for n in range(1, 25):
        for window_size in range(1, 25):
            for labels in (None, np.zeros(n, dtype=bool), np.ones(n, dtype=bool)):
                found = normal_windows(Stretch(np.zeros((n, 1)), labels), window_size, padded=padded)
                assert len(found) == (n if padded else max(0, n - window_size + 1))
                assert found.all() if labels is None or not labels.any() else not found.any()


def test_labels_of_a_series_of_one_row() -> None:
    assert [part.tolist() for part in as_labels([1], [1])] == [[True]]
    assert [part.tolist() for part in as_labels([[1]], [1])] == [[True]]
    assert as_labels([None], [1]) == [None]
