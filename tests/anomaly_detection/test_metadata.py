import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from anomaly_detection.metadata import (
    LABEL_TYPES,
    MOST_CHANNELS,
    WINDOW_TYPES,
    channel_metadata,
    channel_types,
    label_metadata,
    unique_keys,
    window_metadata,
)
from anomaly_detection.series import Series


def series(n=4, start="2026-01-01T13:29:57", **optional):
    times = np.datetime64(start, "ns") + np.arange(n) * np.timedelta64(1, "s")
    return Series("m7", times, np.zeros((n, 2)), ("a", "b"), **optional)


class TestWindow:
    def test_it_says_when_the_newest_row_was_measured(self):
        found = window_metadata(series(), slice(0, 4))
        assert found["machine"] == "m7"
        assert found["hour"] == 13.5
        assert found["weekday"] == "Thursday"
        assert found["hour_sin"] == pytest.approx(np.sin(2 * np.pi * 13.5 / 24))
        assert found["hour_cos"] == pytest.approx(np.cos(2 * np.pi * 13.5 / 24))

    def test_the_mode_is_that_of_the_newest_row_and_cells_are_counted_over_all(self):
        modes = np.array(["idle", "idle", "pick", None], object)
        missing = np.zeros((4, 2), bool)
        missing[0, 0] = missing[1, 1] = True
        whole = series(modes=modes, missing=missing)
        assert window_metadata(whole, slice(1, 3))["operating_mode"] == "pick"
        assert window_metadata(whole, slice(1, 3))["missing_share"] == 0.25
        assert window_metadata(whole, slice(0, 4))["operating_mode"] is None

    def test_start_and_end_are_those_of_the_rows(self):
        found = window_metadata(series(), slice(1, 3))
        assert (found["start"], found["end"]) == ("2026-01-01T13:29:58", "2026-01-01T13:29:59")
        fine = window_metadata(series(2, "2026-01-01T00:00:00.25"), slice(0, 2))
        assert (fine["start"], fine["end"]) == ("2026-01-01T00:00:00.250", "2026-01-01T00:00:01.250")

    def test_what_nobody_recorded_is_none(self):
        found = window_metadata(series(), slice(0, 4))
        assert found["operating_mode"] is None
        assert found["missing_share"] is None
        assert list(found) == list(WINDOW_TYPES)

    @pytest.mark.parametrize(
        ("start", "weekday"), [("1970-01-01", "Thursday"), ("2000-02-29", "Tuesday"), ("1969-12-31", "Wednesday")]
    )
    def test_weekdays(self, start, weekday):
        assert window_metadata(series(1, start), slice(0, 1))["weekday"] == weekday


class TestChannels:
    def test_a_wave_by_hand(self):
        time = np.arange(64) / 8  # 8 s at 8 Hz
        values = np.stack([3 + np.sin(2 * np.pi * 2 * time), 5 * time], axis=1)
        found = channel_metadata(values, ["wave", "ramp"], step_s=1 / 8)
        assert found["mean_wave"] == pytest.approx(3)
        assert found["std_wave"] == pytest.approx(np.sqrt(0.5))
        assert found["peak_hz_wave"] == 2
        assert found["slope_ramp"] == pytest.approx(5)
        assert found["peak_hz_ramp"] is None, "a straight line has no frequency"

    @given(arrays(np.float64, (12, 3), elements=st.floats(-1e3, 1e3)), st.floats(0.01, 100))
    def test_slopes_are_those_of_numpy(self, values, step_s):
        found = channel_metadata(values, ["a", "b", "c"], step_s=step_s)
        expected = np.polyfit(np.arange(12) * step_s, values, 1)[0]
        np.testing.assert_allclose([found[f"slope_{key}"] for key in "abc"], expected, atol=1e-6 / step_s)

    @pytest.mark.parametrize(("n", "known"), [(1, {"mean"}), (2, {"mean", "std", "slope"})])
    def test_few_rows_have_few_statistics(self, n, known):
        found = channel_metadata(np.arange(float(n))[:, None], ["x"], step_s=1)
        assert {key.removesuffix("_x") for key, value in found.items() if value is not None} == known
        assert set(found) == set(channel_types(["x"]))

    def test_a_constant_channel_has_no_frequency(self):
        found = channel_metadata(np.full((20, 1), 1e6), ["x"], step_s=1)
        assert (found["std_x"], found["slope_x"], found["peak_hz_x"]) == (0, 0, None)

    def test_there_are_never_too_many_keys(self):
        keys = [f"c{k}" for k in range(500)]
        found = channel_metadata(np.ones((9, 500)), keys, step_s=1)
        assert list(found) == list(channel_types(keys))
        assert len(found) == 4 * MOST_CHANNELS < 800 - len(WINDOW_TYPES) - len(LABEL_TYPES)


def test_labels():
    assert label_metadata("SPIKE", np.array([False, True, True, True])) == {
        "anomaly_type": "SPIKE",
        "anomalous_share": 0.75,
    }
    assert label_metadata(None, None) == dict.fromkeys(LABEL_TYPES)


@given(st.lists(st.text(max_size=8), max_size=12))
def test_keys_are_plain_and_different(names):
    keys = unique_keys(names)
    assert len(keys) == len(set(keys)) == len(names)
    assert all(key.replace("_", "a").isalnum() for key in keys)
