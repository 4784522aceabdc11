import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from anomaly_detection.series import read_series
from anomaly_detection.tables.chunks import iterate_table

START = np.datetime64("2026-01-01", "ns")


def times(*seconds):
    return START + (np.array(seconds, float) * 1e9).astype("timedelta64[ns]")


def write(path, frame):
    if path.suffix == ".parquet":
        frame.to_parquet(path, row_group_size=3)
    else:
        frame.to_csv(path, index=False)
    return path


@pytest.fixture
def frame():
    """Two machines by turns: a missing first cell, a pause of machine b, an extra column."""
    return pd.DataFrame(
        {
            "datetime": times(0, 0, 1, 1, 2, 20, 3, 21),
            "machine": list("abababab"),
            "note": "x",
            "x": [1.0, np.nan, np.nan, 4.0, np.inf, 6.0, 7.0, np.nan],
            "y": [1.0, 2, 3, 4, 5, 6, 7, 8],
        }
    )


def joined(chunks, name):
    return np.concatenate([getattr(chunk, name) for chunk in chunks])


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize("chunk_rows", [1, 2, 3, 5, 100])
def test_every_row_once_in_file_order_whatever_the_chunks(tmp_path, frame, suffix, chunk_rows):
    path = write(tmp_path / f"a{suffix}", frame)
    chunks = list(iterate_table(path, chunk_rows=chunk_rows, channels=("y", "x")))
    assert max(map(len, chunks)) <= chunk_rows
    assert joined(chunks, "rows").tolist() == list(range(8))
    assert_array_equal(joined(chunks, "times"), frame["datetime"].to_numpy())
    assert joined(chunks, "machines").tolist() == list("abababab")
    assert joined(chunks, "values")[:, 0].tolist() == [1, 2, 3, 4, 5, 6, 7, 8]
    assert joined(chunks, "values")[:, 1].tolist() == [1, 4, 1, 4, 1, 6, 7, 6]
    assert joined(chunks, "missing")[:, 1].tolist() == [False, True, True, False, True, False, False, True]
    assert joined(chunks, "starts").tolist() == [True, True, False, False, False, True, False, False]
    assert chunks[0].channels == ("y", "x")
    assert set(chunks[-1].repairs) == {
        "1 other column ignored: note.",
        "1 infinite cell of channel 'x' counted as missing (a).",
        "3 missing cells filled with the last value of the channel (a).",
        "1 missing cell before a channel's first value filled with that first value (a).",
        "1 pause longer than 10 s: a new series starts after each (a).",
    }


def test_repairs_are_counted_as_they_come(tmp_path):
    frame = pd.DataFrame({"datetime": times(0, 1, 2), "x": [1.0, np.nan, np.nan]})
    counts = [chunk.repairs for chunk in iterate_table(write(tmp_path / "a.csv", frame), chunk_rows=1)]
    assert [len(told) for told in counts] == [0, 1, 1]
    assert counts[2] == ("2 missing cells filled with the last value of the channel (a).",)


def test_times_that_go_back_repeat_or_are_unreadable(tmp_path):
    frame = pd.DataFrame({"datetime": [str(time) for time in times(5, 6, 6, 3, 4, 5)], "x": range(6)})
    frame.loc[4, "datetime"] = "noon"
    for chunk_rows in (1, 2, 6):
        chunks = list(iterate_table(write(tmp_path / "a.csv", frame), chunk_rows=chunk_rows))
        assert joined(chunks, "starts").tolist() == [True, False, False, True, False, False]
        assert np.isnat(joined(chunks, "times")).tolist() == [False] * 4 + [True, False]
        assert set(chunks[-1].repairs) == {
            "1 row earlier than the row before scored as the start of a new series: sort the rows first (a).",
            "1 row with the timestamp of the row before scored like any other (a).",
            "1 row without a readable timestamp, first 'noon' in row 5 (a).",
        }
        *_, last = iterate_table(tmp_path / "a.csv", chunk_rows=chunk_rows, tell_order=False)
        assert last.repairs == ("1 row without a readable timestamp, first 'noon' in row 5 (a).",)


@pytest.mark.parametrize("chunk_rows", [7, 5000])
@pytest.mark.parametrize(
    ("first", "later", "told"),
    [
        (["03/04/2026 10:00:00"], "04/13/2026 10:00:00", "%d/%m/%Y %H:%M:%S"),  # only now it shows: months come first
        (["03/04/2026 10:00:00", "03/05/2026 10:00:00"], "13/05/2026 10:00:00", "%m/%d/%Y %H:%M:%S"),
        (["2026-04-03T10:00:00"], "13.04.2026 10:00", "iso"),
        ([1775210400], 1775210400000, "s"),
    ],
)
def test_a_later_time_that_is_written_otherwise_is_refused(tmp_path, chunk_rows, first, later, told):
    head = np.repeat(np.array(first, object), 1005 // len(first))
    path = write(tmp_path / "a.csv", pd.DataFrame({"datetime": [*head, later, *head[-9:]], "x": 1.5}))
    row = len(head) + 1
    message = rf"times must be written alike in all rows; got '{later}' in row {row} of .*a\.csv, .* format '{told}'"
    with pytest.raises(ValueError, match=message):
        list(iterate_table(path, chunk_rows=chunk_rows))


def test_a_guess_of_day_and_month_is_told(tmp_path):
    frame = pd.DataFrame({"datetime": ["03/04/2026 10:00:00", "03/04/2026 10:00:01"], "x": [1.5, 2.5]})
    (chunk,) = iterate_table(write(tmp_path / "a.csv", frame))
    assert chunk.repairs == (
        "day and month are a guess: '03/04/2026 10:00:00' is read as 2026-04-03; "
        "write the times as 2026-12-31 if it is wrong.",
    )


def test_times_with_an_offset_are_told_once(tmp_path):
    frame = pd.DataFrame({"datetime": [f"2026-07-01T02:00:0{k}+02:00" for k in range(4)], "x": [1.5, 2.5, 3.5, 4.5]})
    chunks = list(iterate_table(write(tmp_path / "a.csv", frame), chunk_rows=2))
    assert chunks[-1].repairs == ("times with an offset from UTC are given as UTC.",)
    assert joined(chunks, "times")[0] == np.datetime64("2026-07-01T00:00")


def test_without_times_rows_are_steps_file_by_file(tmp_path):
    for name in "ab":
        write(tmp_path / f"{name}.csv", pd.DataFrame({"x": [1.5, 2.5, 3.0]}))
    chunks = list(iterate_table(tmp_path, chunk_rows=2, step_s=0.5))
    assert [chunk.file for chunk in chunks] == ["a", "a", "b", "b"]
    assert joined(chunks, "rows").tolist() == list(range(6))
    assert joined(chunks, "starts").tolist() == [True, False, False] * 2
    assert (joined(chunks, "times").astype(np.int64) / 1e9).tolist() == [0, 0.5, 1] * 2
    assert chunks[0].machines is None


def test_a_machine_goes_on_in_the_next_file(tmp_path):
    write(tmp_path / "1.csv", pd.DataFrame({"datetime": times(0, 1), "machine": "m", "x": [1.5, 2.5]}))
    write(tmp_path / "2.csv", pd.DataFrame({"datetime": times(2, 3), "machine": "m", "x": [np.nan, 4.5]}))
    chunks = list(iterate_table(tmp_path))
    assert joined(chunks, "values").ravel().tolist() == [1.5, 2.5, 2.5, 4.5]
    assert joined(chunks, "starts").tolist() == [True, False, False, False]


def test_text_is_counted_with_its_row_in_the_file(tmp_path):
    frame = pd.DataFrame({"datetime": times(0, 1, 2, 3), "x": ["1", "2", "bad", "4"]})
    chunks = list(iterate_table(write(tmp_path / "a.csv", frame), chunk_rows=2))
    assert joined(chunks, "values").ravel().tolist() == [1, 2, 2, 4]
    assert "1 cell of text in channel 'x' counted as missing, first 'bad' in row 3 (a)." in chunks[-1].repairs


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"channels": ("x", "z", "w")},
            "channels must name columns of .*; got z, w, which it lacks. It has datetime, ",
        ),
        ({"channels": ("note",)}, "channels must name columns of numbers; got 'note', with 'x' in row 1"),
        ({"channels": ("void",)}, "channels must have a value in .*; got none in void"),
        ({"chunk_rows": 0}, "chunk_rows must be at least 1; got 0"),
    ],
)
def test_what_cannot_be_scored(tmp_path, frame, options, message):
    path = write(tmp_path / "a.csv", frame.assign(void=np.nan))
    with pytest.raises(ValueError, match=message):
        list(iterate_table(path, **options))


def test_no_rows(tmp_path):
    (tmp_path / "a.csv").write_text("datetime,x\n")
    with pytest.raises(ValueError, match="must hold at least one row below the column names"):
        iterate_table(tmp_path / "a.csv")


def test_errors_come_before_the_first_chunk_is_asked_for(tmp_path):
    with pytest.raises(FileNotFoundError, match="there is nothing at"):
        iterate_table(tmp_path / "a.csv")


@settings(max_examples=25, deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.integers(1, 15), st.sampled_from("ab"), st.none() | st.floats(-9, 9), st.floats(-9, 9)),
        min_size=2,
        max_size=30,
    ),
    chunk_rows=st.integers(1, 8),
)
def test_of_ordered_rows_the_chunks_are_what_read_series_reads(tmp_path_factory, rows, chunk_rows):
    steps, machines, x, y = zip(*rows, strict=True)
    frame = pd.DataFrame({"datetime": times(*np.cumsum(steps)), "machine": machines, "x": x, "y": y})
    frame["x"] = frame["x"].astype(float).where(frame.index > 0, 0.5)
    path = write(tmp_path_factory.mktemp("table") / "a.csv", frame)
    whole = read_series(path, channels=("x", "y"), step_s=1.0)
    chunks = list(iterate_table(path, channels=("x", "y"), step_s=1.0, chunk_rows=chunk_rows))
    order = np.argsort(pd.factorize(joined(chunks, "machines"))[0], kind="stable")
    assert_array_equal(joined(chunks, "values")[order], np.concatenate([series.values for series in whole.series]))
    starts = np.concatenate([np.arange(len(series)) == 0 for series in whole.series])
    assert_array_equal(joined(chunks, "starts")[order], starts)
    told, expected = ([text for text in texts if "pause" in text] for texts in (chunks[-1].repairs, whole.repairs))
    assert told == expected


@pytest.mark.parametrize("chunk_rows", [4, 8])
def test_a_pause_shows_behind_a_row_without_a_time(tmp_path, chunk_rows):
    seen = times(0, 1, 2, 3, 3600, 3601, 3602, 3603)
    seen[3] = "NaT"
    path = write(tmp_path / "a.csv", pd.DataFrame({"datetime": seen, "x": np.sin(np.arange(8))}))
    starts = joined(iterate_table(path, chunk_rows=chunk_rows), "starts")
    assert np.flatnonzero(starts).tolist() == [0, 4]
