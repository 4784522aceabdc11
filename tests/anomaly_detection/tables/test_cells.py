import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_array_equal

from anomaly_detection.tables.cells import kind_of, read_names, read_numbers, read_times, read_truths, time_format_of

NAN = np.nan


def times(*texts):
    return np.array(texts, "datetime64[ns]")


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        ([1.5, NAN], "number"),
        (["1.5", "2", "x"], "number"),
        (["x", "y", "2"], "text"),
        ([True, False], "boolean"),
        (pd.Series([True, False, None], dtype=object), "boolean"),
        ([NAN, NAN], "empty"),
        (pd.to_datetime(["2026-01-01", None]), "time"),
        (["2026-01-01", "2026-01-02"], "text"),
        ([[1.5], [2.5]], "text"),
        (pd.Categorical(["a", "b"]), "text"),
        (pd.array([1, None], "Int64"), "number"),
    ],
)
def test_kind_of(cells, kind):
    assert kind_of(pd.Series(cells), ".") == kind


def test_numbers_in_text_with_a_decimal_comma():
    numbers = read_numbers(pd.Series([" 1,5", "-7,39E-30", None, "bad", "inf"]), ",")
    assert_array_equal(numbers.values, [1.5, -7.39e-30, NAN, NAN, np.inf])
    assert (numbers.n_text, numbers.first_text) == (1, (3, "bad"))
    assert not numbers.is_mostly_text


def test_truths_as_numbers():
    assert_array_equal(
        read_numbers(pd.Series([True, False, None], dtype=object).astype("boolean"), ".").values, [1, 0, NAN]
    )


@pytest.mark.parametrize("cells", [[1, 0, 1], [1.0, 0.0, 1.0], [True, False, True], ["Yes", " no", "TRUE"]])
def test_truths(cells):
    truth, missing = read_truths(pd.Series(cells), "fault", "a")
    assert truth.tolist() == [True, False, True]
    assert not missing.any()


def test_missing_truths():
    truth, missing = read_truths(pd.Series([1.0, NAN]), "fault", "a")
    assert (truth.tolist(), missing.tolist()) == ([True, False], [False, True])


@pytest.mark.parametrize("value", [2, -1, "perhaps", 0.5])
def test_neither_true_nor_false(value):
    with pytest.raises(ValueError, match=f"label column 'fault' must hold 0 or 1, .* got '{value}' in row 2 of a"):
        read_truths(pd.Series([0, value]), "fault", "a")


def test_names():
    assert read_names(pd.Series([1.0, 2.0, NAN])).tolist() == ["1", "2", None]
    assert read_names(pd.Series([" rig ", "", None])).tolist() == ["rig", None, None]


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["2026-01-02 03:04:05.678901"], times("2026-01-02T03:04:05.678901")),
        (["2026-01-02T03:04:05Z", "2026-01-02T03:04:06.5Z"], times("2026-01-02T03:04:05", "2026-01-02T03:04:06.5")),
        (["2026-01-02T03:04:05+02:00"], times("2026-01-02T01:04:05")),
        ([1767323045, 1767323046], times("2026-01-02T03:04:05", "2026-01-02T03:04:06")),
        ([1767323045.25], times("2026-01-02T03:04:05.25")),
        ([1767323045678], times("2026-01-02T03:04:05.678")),
        ([1767323045678901], times("2026-01-02T03:04:05.678901")),
        ([1767323045678901234], times("2026-01-02T03:04:05.678901234")),
        ([0.0, 0.1], times("1970-01-01", "1970-01-01T00:00:00.1")),
        (["02.01.2026 03:04:05"], times("2026-01-02T03:04:05")),
        (["13/01/2026 03:04", "14/01/2026 03:04"], times("2026-01-13T03:04", "2026-01-14T03:04")),
        (["01/02/2026 23:59:59", "01/03/2026 00:00:00"], times("2026-01-02T23:59:59", "2026-01-03")),
        ([" 2026-01-02 ", None], times("2026-01-02", "NaT")),
    ],
)
def test_times(cells, expected):
    column = pd.Series(cells)
    assert_array_equal(read_times(column, time_format_of(column)), expected)


def test_times_with_a_zone_become_utc():
    column = pd.Series(pd.to_datetime(["2026-01-02T03:00:00"]).tz_localize("Etc/GMT-3"))
    assert_array_equal(read_times(column, time_format_of(column)), times("2026-01-02T00:00:00"))


def test_times_beyond_nanoseconds_are_unreadable():
    column = pd.Series(["2026-01-02", "9999-12-31", "0001-01-01"])
    assert np.isnat(read_times(column, "iso")).tolist() == [False, True, True]


@pytest.mark.parametrize("cells", [["a", "b"], [NAN], [True, False], ["10:14:33"]])
def test_what_is_no_time(cells):
    assert time_format_of(pd.Series(cells)) is None


def test_month_first_shows_after_a_day():
    times = pd.date_range("2026-03-12 20:00:00", periods=4000, freq="10s")  # the 12th lasts for 1,440 rows
    cells = pd.Series(times.strftime("%m/%d/%Y %H:%M:%S"))
    assert time_format_of(cells) == "%m/%d/%Y %H:%M:%S"
    assert (read_times(cells, time_format_of(cells)) == times.to_numpy("datetime64[ns]")).all()
