import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from anomaly_detection import add_feature_engineering


@pytest.fixture
def frame():
    rng = np.random.default_rng(0)
    n = 60
    return pd.DataFrame(
        {
            "datetime": pd.date_range("2026-01-01 22:59:50", periods=n, freq="s"),
            "machine": rng.choice(["a", "b"], n),
            "x": rng.normal(size=n),
            "y": rng.integers(0, 9, n),
            "label": rng.integers(0, 2, n),
            "anomaly_type": "normal",
        },
        index=np.arange(100, 100 + n),
    )


def test_columns_are_added_for_channels_alone(frame):
    before = frame.copy()
    features = add_feature_engineering(frame)
    pd.testing.assert_frame_equal(frame, before)
    pd.testing.assert_frame_equal(features[frame.columns], frame)
    assert features.columns[len(frame.columns) :].tolist() == [
        "x_rolling_mean_10",
        "x_rolling_std_10",
        "x_diff",
        "y_rolling_mean_10",
        "y_rolling_std_10",
        "y_diff",
        "hour_sin",
        "hour_cos",
    ]


@pytest.mark.parametrize("window", [1, 2, 10, 100])
def test_as_pandas_for_each_machine_and_never_missing(frame, window):
    features = add_feature_engineering(frame, window)
    for _, rows in features.groupby("machine"):
        rolling = rows["x"].rolling(window, min_periods=1)
        assert_allclose(rows[f"x_rolling_mean_{window}"], rolling.mean(), atol=1e-12)
        assert_allclose(rows[f"x_rolling_std_{window}"], rolling.std().fillna(0), atol=1e-12)
        assert_allclose(rows["x_diff"], rows["x"].diff().fillna(0), atol=1e-12)
    assert not features.isna().any().any()


@given(st.integers(1, 59), st.integers(1, 12))
def test_a_row_does_not_know_what_comes_after_it(row, window):
    rng = np.random.default_rng(1)
    times = pd.date_range("2026-01-01", periods=60, freq="min")
    frame = pd.DataFrame({"datetime": times, "machine": rng.choice(["a", "b"], 60), "x": rng.normal(size=60)})
    changed = frame.assign(x=frame["x"].where(frame.index < row, -1e9))
    before = add_feature_engineering(frame, window).iloc[:row]
    pd.testing.assert_frame_equal(add_feature_engineering(changed, window).iloc[:row], before)


def test_the_hour_is_a_point_on_a_circle(frame):
    features = add_feature_engineering(frame)
    assert_allclose(features["hour_sin"] ** 2 + features["hour_cos"] ** 2, 1)
    assert_allclose(features["hour_sin"].iloc[10], np.sin(2 * np.pi * 23 / 24))


def test_times_in_the_index(frame):
    indexed = frame.set_index("datetime")
    assert_array_equal(add_feature_engineering(indexed)["hour_sin"], add_feature_engineering(frame)["hour_sin"])


def test_missing_cells_count_as_the_last_value():
    times = pd.date_range("2026-01-01", periods=4, freq="s")
    features = add_feature_engineering(pd.DataFrame({"datetime": times, "x": [np.nan, 2.0, np.nan, 6.0]}), window=2)
    assert features["x"].isna().tolist() == [True, False, True, False]
    assert features["x_rolling_mean_2"].tolist() == [2, 2, 2, 4]
    assert features["x_diff"].tolist() == [0, 0, 0, 4]


@pytest.mark.parametrize("table", [np.zeros((5, 2)), [[1.0]], {"x": [1.0]}, None])
def test_what_is_no_table_is_refused(table):
    with pytest.raises(TypeError, match=rf"df must be a pandas DataFrame .*; got {type(table).__name__}\.$"):
        add_feature_engineering(table)


@pytest.mark.parametrize("zone", [None, "Europe/Berlin"])
def test_times_that_go_back_are_refused(zone):
    times = pd.date_range("2026-01-01", periods=3, freq="s", tz=zone)[::-1]
    for frame in (pd.DataFrame({"datetime": times, "x": 1.0}), pd.DataFrame({"x": [1.0, 2, 3]}, index=times)):
        with pytest.raises(ValueError, match=r"order of time.*:01\.0+ after .*:02\.0+\. Sort it by its times first"):
            add_feature_engineering(frame)
        ascending = add_feature_engineering(frame[::-1])
        assert len(ascending) == 3


def test_times_may_stand_still_and_those_of_machines_are_their_own():
    times = pd.to_datetime(["2026-01-01 00:00:05", "2026-01-01 00:00:05", "2026-01-01 00:00:00", "2026-01-01 00:00:01"])
    frame = pd.DataFrame({"datetime": times, "machine": ["a", "a", "b", "b"], "x": [1.0, 2, 3, 5]})
    assert add_feature_engineering(frame)["x_diff"].tolist() == [0, 1, 0, 2]
    with pytest.raises(ValueError, match="order of time"):
        add_feature_engineering(frame.assign(machine="a"))


def test_a_spike_is_forgotten_when_it_leaves_the_window():
    times = pd.date_range("2026-01-01", periods=40, freq="s")
    x = np.where(np.arange(40) == 5, 1e15, np.arange(40) % 2)
    features = add_feature_engineering(pd.DataFrame({"datetime": times, "x": x}))
    assert_allclose(features["x_rolling_std_10"].iloc[20:], np.std([0, 1] * 5, ddof=1))


TIMES = pd.date_range("2026-01-01", periods=2, freq="s")


@pytest.mark.parametrize(
    ("frame", "window", "message"),
    [
        ({"datetime": TIMES, "x": [1.0, 2]}, 0, "window must be at least 1 row; got 0"),
        ({"x": [1.0, 2]}, 10, "df must have a column 'datetime' or an index of times; got neither"),
        ({"datetime": [TIMES[0], None], "x": [1.0, 2]}, 10, "df must have a time in every row"),
        ({"datetime": TIMES, "label": [0, 1]}, 10, "df must have rows and a numeric column that is a channel"),
        ({"datetime": [], "x": []}, 10, "df must have rows and a numeric column that is a channel"),
        ({"datetime": TIMES, "x": [np.nan, np.nan]}, 10, "a value of each channel for each machine; got none of 'x'"),
        ({"datetime": TIMES, "x": [1.0, 2], "x_diff": ["", ""]}, 10, "must not have the column 'x_diff' yet"),
    ],
)
def test_what_has_no_features(frame, window, message):
    with pytest.raises(ValueError, match=message):
        add_feature_engineering(pd.DataFrame(frame), window)
