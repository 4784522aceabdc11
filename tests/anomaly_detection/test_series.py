"""What `read_series` makes of files: the policies that `anomaly_detection.series` states, one by one."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from anomaly_detection.series import Recording, Series, read_series

START = np.datetime64("2026-01-01", "ns")


def seconds(*values):
    return START + (np.array(values) * 1e9).astype("timedelta64[ns]")


def table(times, **columns):
    return pd.DataFrame({"datetime": [str(time) for time in seconds(*times)], **columns})


@pytest.fixture
def read(tmp_path):
    def read(frame, name="a.csv", **options):
        path = tmp_path / name
        path.write_text(frame, encoding="utf-8") if isinstance(frame, str) else frame.to_csv(path, index=False)
        return read_series(path, **options)

    return read


def test_a_clean_table(read):
    recording = read(table(range(3), x=[1.5, 2.5, 4.0], y=[0, 1, 1]))
    (series,) = recording.series
    assert (recording.channels, recording.step_s, recording.repairs) == (("x", "y"), 1.0, ())
    assert (series.name, recording.n_rows, recording.machines) == ("a", 3, ("a",))
    assert_array_equal(series.times, seconds(0, 1, 2))
    assert_array_equal(series.values, [[1.5, 0], [2.5, 1], [4, 1]])
    assert series.values.dtype == np.float64
    assert (series.labels, series.types, series.modes, series.missing) == (None, None, None, None)


def test_a_table_like_a_real_robots(read):
    text = (
        "Num;Timestamp;Current_J0;cycle ;Stop;grip_lost;;;\n"
        "1;2026-10-26T08:17:21.847Z;0,5;1;False;False;;;\n"
        "2;2026-10-26T08:17:22.847Z;-7,39E-30;1;True;True;;;\n"
        "3;2026-10-26T08:17:23.847Z;;1;;True;;;\n"
        "4;2026-10-26T08:17:24.847Z;1,5;1;False;False;;;\n"
    )
    recording = read(text, label_column=("Stop", "grip_lost"))
    (series,) = recording.series
    assert recording.channels == ("Current_J0", "cycle")
    assert_array_equal(series.values[:, 0], [0.5, -7.39e-30, -7.39e-30, 1.5])
    assert series.missing.tolist() == [[False, False], [False, False], [True, False], [False, False]]
    assert series.labels.tolist() == [False, True, True, False]
    assert series.types.tolist() == ["normal", "Stop", "grip_lost", "normal"]
    assert series.times[0] == np.datetime64("2026-10-26T08:17:21.847")
    assert recording.repairs == (
        "column 'Num' left out: an identifier.",
        "3 columns without a name or a value left out.",
        "1 missing label of column 'Stop' counted as normal (a).",
        "1 missing cell filled with the last value of the channel (a).",
        "channel 'cycle' is constant; it is kept.",
    )


def test_labels_types_modes_and_machines_by_their_names(read):
    frame = table(
        [0, 0, 1, 1],
        machine=["b", "a", "b", "a"],
        x=[1.0, 2.0, 3.0, 4.0],
        operating_mode=["idle", "run", None, "run"],
        label=[0, 1, 0, 0],
        anomaly_type=["normal", "SPIKE", "normal", "normal"],
    )
    first, second = read(frame).series
    assert (first.name, second.name) == ("b", "a")
    assert (first.values.ravel().tolist(), second.values.ravel().tolist()) == ([1, 3], [2, 4])
    assert (first.labels.tolist(), second.labels.tolist()) == ([False, False], [True, False])
    assert (first.types.tolist(), second.types.tolist()) == (["normal"] * 2, ["SPIKE", "normal"])
    assert first.modes.tolist() == ["idle", None]


def test_types_alone_are_labels_and_labels_win_over_types(read):
    kinds = ["normal", "DRIFT", None]
    (series,) = read(table(range(3), x=[1.0, 2, 3], anomaly_type=kinds)).series
    assert series.labels.tolist() == [False, True, False]
    recording = read(table(range(3), x=[1.0, 2, 3], anomaly_type=kinds, label=[0, 0, 1]))
    assert recording.series[0].types.tolist() == ["normal", "normal", "anomaly"]
    assert recording.repairs == (
        "1 anomalous row without a type called 'anomaly' (a).",
        "1 row labelled normal with an anomaly type called 'normal' (a).",
    )


def test_a_machine_without_a_label_is_unlabelled(read):
    frame = table([0, 0, 1, 1], machine=["a", "b"] * 2, x=[1.0, 2, 3, 4], label=[None, 0, None, 1])
    first, second = read(frame).series
    assert first.labels is None
    assert second.labels.tolist() == [False, True]


def test_duplicates_and_disorder(read):
    recording = read(table([0, 2, 1, 1, 3], x=[0.0, 2, 1, 9, 3]))
    assert recording.series[0].values.ravel().tolist() == [0, 1, 2, 3]
    assert recording.repairs == (
        "1 row earlier than the row before sorted into place (a).",
        "1 row with a duplicate timestamp left out, the first row of each kept (a).",
    )


def test_times_that_do_not_tell_rows_apart(read):
    with pytest.raises(
        ValueError, match=r"must tell rows apart; got 3 repeated ones of 5\. Name the column of machines"
    ):
        read(table([0, 0, 1, 1, 1], x=[1.0, 2, 3, 4, 5]))


def test_unreadable_times_and_nameless_machines_are_left_out(read):
    frame = table(range(4), machine=["a", None, "a", "a"], x=[1.0, 2, 3, 4])
    frame.loc[2, "datetime"] = "yesterday"
    recording = read(frame)
    assert recording.series[0].values.ravel().tolist() == [1, 4]
    assert recording.repairs == (
        "1 row without a machine left out (a).",
        "1 row without a readable timestamp left out (a).",
    )


def test_a_table_most_of_whose_times_are_missing_is_refused(read):
    frame = table(range(6), x=[1.0, 2, 3, 4, 5, 6])
    frame.loc[1:3, "datetime"] = None
    assert read(frame).n_rows == 3
    frame.loc[4, "datetime"] = None
    with pytest.raises(ValueError, match=r"most times in .*a\.csv must be readable; got 4 rows without one of 6\."):
        read(frame)
    assert read(frame, exclude=("datetime",)).n_rows == 6


def test_a_table_most_of_whose_times_are_unreadable_is_refused(read):
    frame = table(range(5), x=[1.0, 2, 3, 4, 5])
    frame.loc[1:2, "datetime"] = "yesterday"
    assert read(frame).n_rows == 3
    frame.loc[3, "datetime"] = "yesterday"
    message = r"most times in .*a\.csv must be readable; got others in half of the column 'datetime' or more\."
    with pytest.raises(ValueError, match=message):
        read(frame)
    assert read(frame, exclude=("datetime",)).n_rows == 5


def test_rows_without_any_cell_are_no_rows_without_a_time(read):
    recording = read("datetime,x,y\n2026-01-01,1,2\n2026-01-02,2,5\n" + ",,\n" * 9)
    assert recording.n_rows == 2
    assert "9 rows without a readable timestamp left out (a)." in recording.repairs


@pytest.mark.parametrize("order", ["%d/%m/%Y %H:%M:%S", "%m/%d/%Y %H:%M:%S"])
def test_a_guess_of_day_and_month_is_told(read, order):
    days = {"guess": ["2026-04-03"] * 3, "same": ["2026-04-04"] * 3, "told": ["2026-04-03", "2026-04-04", "2026-04-13"]}
    found = {}
    for name, dates in days.items():
        cells = [pd.Timestamp(f"{date}T10:00:0{k}").strftime(order) for k, date in enumerate(dates)]
        recording = read(pd.DataFrame({"datetime": cells, "x": [1.0, 2, 4]}), f"{name}.csv", max_gap_s=1e9)
        found[name] = [sentence for sentence in recording.repairs if "guess" in sentence]
        if name == "told":
            assert recording.series[0].times.astype("datetime64[D]").astype(str).tolist() == dates
    cell = pd.Timestamp("2026-04-03T10:00:00").strftime(order)
    read_as = "2026-04-03" if order.startswith("%d") else "2026-03-04"
    told = f"day and month are a guess: {cell!r} is read as {read_as}; write the times as 2026-12-31 if it is wrong."
    assert found == {"guess": [told], "same": [], "told": []}


def test_a_later_file_tells_day_from_month(tmp_path):
    for name, day in (("1", "03"), ("2", "04"), ("3", "13")):
        (tmp_path / f"{name}.csv").write_text(f"datetime,machine,x\n04/{day}/2026 10:00:00,m,1.5\n")
    recording = read_series(tmp_path)
    assert [str(series.times[0])[:10] for series in recording.series] == ["2026-04-03"]
    assert not any("guess" in sentence for sentence in recording.repairs)


def test_a_pause_starts_a_new_series_and_filling_crosses_it(read):
    recording = read(table([0, 1, 2, 13, 14, 24], x=[1.0, 2, 3, None, 5, 6]))
    assert [series.values.ravel().tolist() for series in recording.series] == [[1, 2, 3], [3, 5, 6]]
    assert [series.name for series in recording.series] == ["a", "a"]
    assert recording.repairs[-1] == "1 pause longer than 10 s: a new series starts after each (a)."
    assert len(read(table([0, 1, 2, 13], x=[1.0, 2, 3, 4]), max_gap_s=11).series) == 1


def test_missing_infinite_and_text_cells(read):
    frame = table(range(6), x=[None, 1, None, np.inf, 4, 5], y=["1", "bad", "3", "worse", "5", "6"])
    recording = read(frame)
    (series,) = recording.series
    assert_array_equal(series.values, [[1, 1], [1, 1], [1, 3], [1, 3], [4, 5], [5, 6]])
    assert series.missing.sum(axis=0).tolist() == [3, 2]
    assert recording.repairs == (
        "1 infinite cell of channel 'x' counted as missing (a).",
        "2 cells of text in channel 'y' counted as missing, first 'bad' in row 2 (a).",
        "4 missing cells filled with the last value of the channel (a).",
        "1 missing cell before a channel's first value filled with that first value (a).",
    )


def test_filling_never_crosses_machines(read):
    frame = table([0, 0, 1, 1], machine=["a", "b"] * 2, x=[1.0, None, 3, 4], y=[1.0, None, 2, None])
    first, second = read(frame).series
    assert first.missing.sum() == 0
    assert_array_equal(second.values, [[4, 1], [4, 1]])


def test_a_channel_without_values(read):
    frame = table(range(3), x=[1.0, 2, 3], y=[np.inf, None, np.inf], z=[None] * 3)
    recording = read(frame)
    assert recording.channels == ("x",)
    assert "channel 'y' without a value dropped." in recording.repairs
    with pytest.raises(ValueError, match=r"channels must have a value in .*; got none in y"):
        read(frame, channels=("x", "y"))
    with pytest.raises(ValueError, match="must have a column of numbers"):
        read(frame[["datetime", "z"]])


def test_without_times_rows_are_steps(read):
    recording = read(pd.DataFrame({"x": [1.5, 2.5, 4.5]}), step_s=0.5)
    assert_array_equal(recording.series[0].times, np.array([0, 500, 1000], "datetime64[ms]").astype("datetime64[ns]"))
    assert (recording.step_s, recording.repairs) == (0.5, ("no column of times: rows are steps of 0.5 s from 1970.",))


def test_one_row_tells_no_step(read):
    recording = read(table([0], x=[1.0]))
    assert (recording.n_rows, recording.step_s) == (1, 1.0)
    assert recording.repairs == ("no two rows tell the step: it is taken to be 1 s.",)


@pytest.mark.parametrize(
    ("written", "told"),
    [
        (["2026-07-01T02:00:00+02:00", "2026-07-01T02:00:01+02:00"], True),
        (["2026-03-29 00:59:59+00:00", "2026-03-29 02:00:00+0100"], True),
        (["2026-07-01T00:00:00Z", "2026-07-01T00:00:01Z"], False),
        (["2026-07-01 00:00:00+00:00", "2026-07-01 00:00:01+00:00"], False),
        (["2026-07-01", "2026-07-02"], False),
    ],
)
def test_times_with_an_offset_become_utc_and_that_is_told(read, written, told):
    recording = read(pd.DataFrame({"datetime": written, "x": [1.5, 2.5]}))
    assert recording.repairs == (("times with an offset from UTC are given as UTC.",) if told else ())
    assert recording.series[0].times[0] == np.datetime64(pd.Timestamp(written[0]).tz_localize(None)) or told


@pytest.mark.parametrize(("zone", "told"), [("Europe/Berlin", True), ("UTC", False), (None, False)])
def test_a_parquet_file_with_a_zone_becomes_utc_and_that_is_told(tmp_path, zone, told):
    times = pd.date_range("2026-07-01 02:00", periods=3, freq="s", tz=zone)
    pd.DataFrame({"datetime": times, "x": [1.5, 2.5, 3.5]}).to_parquet(tmp_path / "a.parquet")
    recording = read_series(tmp_path / "a.parquet")
    assert recording.repairs == (("times with an offset from UTC are given as UTC.",) if told else ())
    assert recording.series[0].times[0] == np.datetime64("2026-07-01T00:00" if told else "2026-07-01T02:00")


def test_machines_keep_their_zeros(read):
    frame = table([0, 0, 1, 1], machine=["01", "1"] * 2, x=[1.0, 2, 3, 4])
    assert read(frame).machines == ("01", "1")
    assert read(frame.rename(columns={"machine": "rig"}), machine_column="rig").machines == ("01", "1")


def test_the_step_is_the_median(read):
    assert read(table([0, 5, 10, 15.5, 20.5], x=[1.0, 2, 3, 4, 6])).step_s == 5.0


def test_parquet_reads_as_csv_does(read, tmp_path):
    frame = table(range(5), x=[1.0, None, 3, 4, 5], label=[0, 1, 0, 0, 1])
    from_csv = read(frame)
    typed = frame.assign(datetime=pd.to_datetime(frame["datetime"])).set_index("datetime")
    typed.to_parquet(tmp_path / "a.parquet")
    from_parquet = read_series(tmp_path / "a.parquet")
    pd.testing.assert_frame_equal(from_csv.to_frame(), from_parquet.to_frame())
    assert from_csv.repairs == from_parquet.repairs


def test_a_folder_is_a_series_per_file(tmp_path):
    (tmp_path / "valve").mkdir()
    table(range(3), x=[1.0, 2, 3], anomaly=[0, 1, 0], changepoint=[0, 1, 0]).to_csv(tmp_path / "valve" / "0.csv")
    table(range(2), x=[4.0, 5]).to_csv(tmp_path / "free.csv", sep=";", decimal=",")
    recording = read_series(tmp_path)
    assert [series.name for series in recording.series] == ["free", "valve/0"]
    assert recording.channels == ("x",)
    assert recording.series[0].labels is None
    assert recording.series[1].labels.tolist() == [False, True, False]


def test_a_machine_goes_on_in_the_next_file(tmp_path):
    table([0, 1], machine="m", x=[1.0, None]).to_csv(tmp_path / "1.csv")
    table([2, 3], machine="m", x=[None, 4.0]).to_csv(tmp_path / "2.csv")
    (series,) = read_series(tmp_path).series
    assert series.values.ravel().tolist() == [1, 1, 1, 4]


def test_without_times_files_do_not_go_on(tmp_path):
    for name in "12":
        pd.DataFrame({"machine": ["a", "b"] * 2, "x": [1.0, 2, 3, 5]}).to_csv(tmp_path / f"{name}.csv", index=False)
    assert [series.name for series in read_series(tmp_path).series] == ["a", "b", "a", "b"]


def test_files_with_different_channels(tmp_path):
    table([0, 1], x=[1.0, 2], y=[1.5, 2]).to_csv(tmp_path / "1.csv")
    table([0, 1], x=[1.0, 2]).to_csv(tmp_path / "2.csv")
    with pytest.raises(ValueError, match=r"all files must have the same channels; .*2\.csv lacks y"):
        read_series(tmp_path)
    assert read_series(tmp_path, exclude=("y",)).channels == ("x",)
    with pytest.raises(ValueError, match=r"channels must name columns of .*2\.csv; got y, which it lacks"):
        read_series(tmp_path, channels=("y",))


def test_no_rows(read):
    with pytest.raises(ValueError, match=r"a\.csv must hold at least one row below the column names"):
        read("datetime,x\n")
    with pytest.raises(ValueError, match="must hold at least one row with a time and a machine"):
        read(table([0], machine=[None], x=[1.0]))


def test_an_unknown_option(tmp_path):
    with pytest.raises(TypeError, match="'columns' must be an option"):
        read_series(tmp_path, columns=("x",))


def one_series(**changes):
    content = {"name": "m", "times": seconds(0, 1), "values": np.ones((2, 1)), "channels": ("x",), **changes}
    return Series(**content)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"values": np.ones((2, 2))}, r"values must be \(2, 1\), a row per time; got \(2, 2\)"),
        ({"values": np.array([[1.0], [np.nan]])}, "values must be finite; got NaN or infinity in the series 'm'"),
        ({"times": seconds(1, 1)}, "times must increase from row to row"),
        ({"labels": np.ones(3, bool)}, r"labels must be \(2,\), one per time; got \(3,\)"),
        ({"missing": np.ones((1, 1), bool)}, r"missing must be \(2, 1\) like the values; got \(1, 1\)"),
    ],
)
def test_arrays_that_do_not_belong_together(changes, message):
    with pytest.raises(ValueError, match=message):
        one_series(**changes)


def test_a_part_of_a_series():
    series = one_series(labels=np.array([False, True]))
    part = series.rows(1, 2)
    assert (len(series), len(part), part.labels.tolist(), part.types) == (2, 1, [True], None)


def test_a_frame_of_series_with_and_without_labels(tmp_path):
    labelled = one_series(labels=np.array([False, True]), types=np.array(["normal", "SPIKE"], object))
    plain = one_series(name="n", missing=np.array([[True], [False]]))
    recording = Recording((labelled, plain), ("x",), 1.0, (), tmp_path)
    frame = recording.to_frame()
    assert frame.columns.tolist() == ["datetime", "machine", "x", "label", "anomaly_type"]
    assert frame["label"].tolist() == [0, 1, pd.NA, pd.NA]
    assert recording.to_frame(mark_missing=True)["x"].isna().tolist() == [False, False, True, False]


def test_a_frame_has_no_room_for_a_channel_called_like_another_column(tmp_path):
    recording = Recording((one_series(channels=("label",)),), ("label",), 1.0, (), tmp_path)
    with pytest.raises(ValueError, match="channels must not be called like a column of another use; got 'label'"):
        recording.to_frame()


@settings(max_examples=30, deadline=None)
@given(rows=st.lists(st.tuples(st.integers(0, 40), st.none() | st.floats(-1e6, 1e6)), min_size=1, max_size=25))
def test_whatever_comes_is_ordered_finite_and_accounted_for(tmp_path_factory, rows):
    times, values = zip(*rows, strict=True)
    path = tmp_path_factory.mktemp("table") / "a.csv"
    table(times, x=values, steady=7.25).to_csv(path, index=False)
    n_unique = len(set(times))
    if 2 * (len(rows) - n_unique) > len(rows):
        with pytest.raises(ValueError, match="must tell rows apart"):
            read_series(path)
        return
    recording = read_series(path)
    assert recording.n_rows == n_unique
    joined = np.concatenate([series.times for series in recording.series])
    assert (np.diff(joined) > np.timedelta64(0)).all()
    assert "steady" in recording.channels


def test_what_single_precision_cannot_hold_counts_as_infinite(tmp_path):
    (tmp_path / "a.csv").write_text("x\n1.5\n1e300\n3e38\n-1e39\n")
    recording = read_series(tmp_path / "a.csv")
    assert recording.series[0].values[:, 0].tolist() == [1.5, 1.5, 3e38, 3e38]
    assert "2 infinite cells of channel 'x' counted as missing (a)." in recording.repairs
