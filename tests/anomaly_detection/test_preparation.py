import hashlib
import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from sklearn.model_selection import train_test_split

from anomaly_detection.preparation import as_prepared, is_drawn_at_random, metadata_of, prepare, read_prepared
from anomaly_detection.series import read_series
from anomaly_detection.tables.options import ReadOptions

START = np.datetime64("2026-01-01", "ns")


def times(seconds):
    return START + (np.asarray(seconds, float) * 1e9).astype("timedelta64[ns]")


@pytest.fixture
def rig(tmp_path):
    """Two machines of 20 and 10 rows; machine b's labels are all in its last rows."""
    a = pd.DataFrame({"datetime": times(range(20)), "machine": "a", "x": np.arange(20) / 7, "y": np.arange(20) ** 2})
    b = pd.DataFrame({"datetime": times(range(10)), "machine": "b", "x": np.arange(10) / 3, "y": 1.0})
    frame = pd.concat([a, b]).sort_values("datetime", kind="stable")
    frame["label"] = ((frame["machine"] == "b") & (frame["y"] == 1) & (frame["x"] > 2.5)).astype(int)
    frame["anomaly_type"] = np.where(frame["label"] == 1, "DRIFT", "normal")
    frame.to_csv(tmp_path / "rig.csv", index=False)
    return tmp_path / "rig.csv"


def rows_by_machine(path):
    return pd.read_csv(path).groupby("machine").size().to_dict()


def test_files_and_metadata_of_a_cut_in_time(rig, tmp_path):
    out = tmp_path / "out"
    summary = prepare(rig, out)
    assert sorted(file.name for file in out.iterdir()) == ["metadata.json", "test.csv", "train.csv", "val.csv"]
    assert rows_by_machine(out / "train.csv") == {"a": 14, "b": 7}
    assert rows_by_machine(out / "val.csv") == {"a": 3, "b": 1}
    assert rows_by_machine(out / "test.csv") == {"a": 3, "b": 2}
    metadata = json.loads((out / "metadata.json").read_text())
    assert metadata == summary.metadata
    digest = hashlib.sha256(b"".join((out / f"{part}.csv").read_bytes() for part in ("train", "val", "test")))
    assert metadata == {
        "fingerprint": digest.hexdigest(),
        "source": str(rig),
        "split": "time",
        "random_state": None,
        "tail": None,
        "ratios": {"train": 0.7, "val": 0.15, "test": 0.15},
        "channels": ["x", "y"],
        "machines": ["a", "b"],
        "step_s": 1.0,
        "max_gap_s": None,
        "lengths": {"train": 21, "val": 4, "test": 5},
        "time_ranges": {
            "train": ["2026-01-01T00:00:00.000", "2026-01-01T00:00:13.000"],
            "val": ["2026-01-01T00:00:07.000", "2026-01-01T00:00:16.000"],
            "test": ["2026-01-01T00:00:08.000", "2026-01-01T00:00:19.000"],
        },
        "label_counts": {
            "train": {"normal": 21, "anomaly": 0},
            "val": {"normal": 4, "anomaly": 0},
            "test": {"normal": 3, "anomaly": 2},
        },
        "type_counts": {"train": {"normal": 21}, "val": {"normal": 4}, "test": {"DRIFT": 2, "normal": 3}},
        "repairs": [],
    }


def test_the_written_columns(rig, tmp_path):
    prepare(rig, tmp_path / "out")
    header, first = (tmp_path / "out" / "test.csv").read_text().splitlines()[:2]
    assert header == "datetime,machine,x,y,label,anomaly_type"
    assert first == "2026-01-01T00:00:17.000,a,2.4285714285714284,289,0,normal"


def test_the_summary_tells_what_a_user_wants_to_know(rig, tmp_path):
    lines = str(prepare(rig, tmp_path / "out")).splitlines()
    assert lines[0] == f"{tmp_path / 'out'}: 2 channels, 2 machines"
    assert lines[3] == "  test: 5 rows, 2 anomalous, 2026-01-01T00:00:08.000 to 2026-01-01T00:00:19.000"


def test_within_a_machine_every_part_is_later_than_the_one_before(rig, tmp_path):
    prepare(rig, tmp_path / "out")
    data = read_prepared(tmp_path / "out")
    for earlier, later in ((data.train, data.val), (data.val, data.test)):
        for before, after in zip(earlier.series, later.series, strict=True):
            assert before.name == after.name
            assert before.times.max() < after.times.min()


def test_the_tutorials_split(tmp_path):
    rng = np.random.default_rng(0)
    moments = times(np.cumsum(rng.uniform(4.9, 5.1, 221)))
    raw = pd.DataFrame(rng.normal(size=(221, 4)), columns=[f"axis_{i}" for i in (1, 2, 3, 4)])
    raw.insert(0, "datetime", moments.astype("datetime64[us]"))
    raw.insert(0, "id", range(1, 222))
    raw.to_csv(tmp_path / "arm.csv", index=False)
    expected = train_test_split(
        raw.set_index("datetime").drop(columns=["id"]).tail(200), test_size=0.2, random_state=2024
    )
    ratios = {"train_ratio": 0.8, "val_ratio": 0.2, "test_ratio": 0}
    prepare(tmp_path / "arm.csv", tmp_path / "out", shuffle=True, random_state=2024, tail=200, **ratios)
    for name, frame in zip(("train", "val"), expected, strict=True):
        written = pd.read_csv(tmp_path / "out" / f"{name}.csv", parse_dates=["datetime"])
        assert_array_equal(written[frame.columns].to_numpy(), frame.to_numpy())
        assert_array_equal(written["datetime"].to_numpy(), frame.index.to_numpy())
    assert not (tmp_path / "out" / "test.csv").exists()
    data = read_prepared(tmp_path / "out")
    assert (data.test, data.train.n_rows, data.val.n_rows) == (None, 160, 40)
    assert abs(data.val.step_s - 5) < 0.1, "the step is the recording's, not that of the rows drawn"


def test_tail_keeps_the_last_rows_of_all_machines(rig, tmp_path):
    summary = prepare(rig, tmp_path / "out", tail=12)
    assert (summary.lengths, summary.metadata["machines"]) == ({"train": 7, "val": 2, "test": 3}, ["a", "b"])


def test_unlabelled_data_has_no_label_column(tmp_path):
    pd.DataFrame({"datetime": times(range(10)), "x": np.arange(10) / 3}).to_csv(tmp_path / "a.csv")
    summary = prepare(read_series(tmp_path / "a.csv"), tmp_path / "out")
    assert summary.metadata["label_counts"] == {"train": None, "val": None, "test": None}
    assert "label" not in pd.read_csv(tmp_path / "out" / "train.csv").columns
    assert "train: 7 rows, without labels" in str(summary)


def test_filled_cells_are_empty_where_reading_fills_them_again(tmp_path):
    x = [np.nan, 1, np.nan, 3, 4, np.nan, np.nan, np.nan, 8, 9]
    pd.DataFrame({"datetime": times(range(10)), "x": x}).to_csv(tmp_path / "a.csv", index=False)
    summary = prepare(tmp_path / "a.csv", tmp_path / "out", train_ratio=0.6, val_ratio=0.2, test_ratio=0.2)
    written = [pd.read_csv(tmp_path / "out" / f"{part}.csv")["x"].to_numpy() for part in ("train", "val", "test")]
    assert_array_equal(np.concatenate(written), [1, 1, np.nan, 3, 4, np.nan, 4, 4, 8, 9])
    data = read_prepared(tmp_path / "out")
    values = [part.series[0].values.ravel() for part in (data.train, data.val, data.test)]
    assert np.concatenate(values).tolist() == [1, 1, 1, 3, 4, 4, 4, 4, 8, 9]
    assert data.train.series[0].missing.ravel().tolist() == [False, False, True, False, False, True]
    assert len(summary.metadata["repairs"]) == 2


def test_names_that_need_quotes(tmp_path):
    frame = pd.DataFrame({"datetime": times(range(10)), "machine": 'rig 1, "left"', "x,y": np.arange(10) / 3})
    frame.to_csv(tmp_path / "a.csv", index=False)
    prepare(tmp_path / "a.csv", tmp_path / "out")
    data = read_prepared(tmp_path / "out")
    assert (data.train.machines, data.train.channels) == (('rig 1, "left"',), ("x,y",))


def test_channels_that_were_asked_for_stay_channels(tmp_path):
    frame = pd.DataFrame({"datetime": times(range(200)), "id": range(200), "ok": [True, False] * 100})
    frame.to_csv(tmp_path / "a.csv", index=False)
    prepare(tmp_path / "a.csv", tmp_path / "out", channels=("ok", "id"), max_gap_s=99.0)
    data = read_prepared(tmp_path / "out")
    assert data.train.channels == data.test.channels == ("ok", "id")
    assert data.metadata["max_gap_s"] == 99


def test_preparing_again_replaces_all_that_was_there(rig, tmp_path):
    first = prepare(rig, tmp_path / "out")
    assert prepare(rig, tmp_path / "out").metadata == first.metadata
    prepare(rig, tmp_path / "out", train_ratio=1, val_ratio=0, test_ratio=0)
    assert sorted(file.name for file in (tmp_path / "out").iterdir()) == ["metadata.json", "train.csv"]


def test_a_failure_leaves_what_was_there(rig, tmp_path, monkeypatch):
    prepare(rig, tmp_path / "out")
    before = {file.name: file.read_bytes() for file in (tmp_path / "out").iterdir()}

    def fail(*_):
        raise OSError("disk full")

    monkeypatch.setattr("anomaly_detection.preparation.write_json", fail)
    with pytest.raises(OSError, match="disk full"):
        prepare(rig, tmp_path / "out", train_ratio=0.5, val_ratio=0.25, test_ratio=0.25)
    assert {file.name: file.read_bytes() for file in (tmp_path / "out").iterdir()} == before


@pytest.mark.parametrize("name", ["notes.txt", "train.csv"])
def test_a_folder_with_other_files_is_left_alone(rig, tmp_path, name):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text("mine")
    with pytest.raises(ValueError, match=f"output_dir must be new, empty or a folder prepared before; .* holds {name}"):
        prepare(rig, tmp_path / "out")
    assert (tmp_path / "out" / name).read_text() == "mine"


def test_the_output_must_lie_outside_the_data(rig, tmp_path):
    for source, out in ((tmp_path, tmp_path / "out"), (rig, tmp_path), (tmp_path, tmp_path)):
        with pytest.raises(ValueError, match="output_dir must lie outside the data"):
            prepare(source, out)
    (tmp_path / "file").write_text("mine")
    with pytest.raises(ValueError, match="output_dir must be a folder; got the file"):
        prepare(rig, tmp_path / "file")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"train_ratio": 0.9}, r"train_ratio, val_ratio, test_ratio must sum to 1; got 0\.9 \+ 0\.15 \+ 0\.15"),
        ({"train_ratio": 0, "val_ratio": 0.85}, "train_ratio must be positive; got 0"),
        ({"tail": 0}, "tail must be at least 1 row; got 0"),
        ({"tail": 2}, r"val_ratio must leave the part a row; got 0\.15 of 2 rows"),
        ({"colour": "red"}, "'colour' must be an option of reading"),
    ],
)
def test_nothing_is_written_when_the_options_do_not_fit(rig, tmp_path, options, message):
    with pytest.raises((ValueError, TypeError), match=message):
        prepare(rig, tmp_path / "out", **options)
    assert not (tmp_path / "out").exists()


def test_what_is_no_prepared_folder(rig, tmp_path):
    out = tmp_path / "out"
    with pytest.raises(FileNotFoundError, match=r"must be a prepared folder; it has no metadata\.json"):
        read_prepared(out)
    prepare(rig, out)
    text = (out / "val.csv").read_text().splitlines()
    (out / "val.csv").write_text("\n".join(text[:-1]) + "\n")
    with pytest.raises(ValueError, match=r"val\.csv must have 4 rows as its metadata\.json says; got 3"):
        read_prepared(out)
    (out / "metadata.json").write_text('{"lengths": {}}')
    with pytest.raises(ValueError, match="must be as 'prepare' wrote it; got: KeyError"):
        read_prepared(out)


LARGEST = float(np.finfo(np.float32).max)  # beyond it a value counts as infinite
FLOATS = st.floats(-LARGEST, LARGEST)


@settings(max_examples=25, deadline=None)
@given(values=st.lists(FLOATS, min_size=10, max_size=30), shuffle=st.booleans())
def test_numbers_survive_the_round_trip_to_the_last_bit(tmp_path_factory, values, shuffle):
    folder = tmp_path_factory.mktemp("data")
    frame = pd.DataFrame({"datetime": times(np.arange(len(values)) / 8), "x": values})
    frame.to_parquet(folder / "a.parquet")
    prepare(folder / "a.parquet", folder.parent / f"{folder.name}-out", shuffle=shuffle)
    data = read_prepared(folder.parent / f"{folder.name}-out")
    series = [one for part in (data.train, data.val, data.test) for one in part.series]
    order = np.argsort(np.concatenate([one.times for one in series]))
    assert np.concatenate([one.values for one in series])[order].tobytes() == np.array(values).tobytes()


def test_a_part_knows_the_folder_it_lies_in(rig, tmp_path):
    for split, shuffle in (("time", False), ("random", True)):
        out = tmp_path / split
        prepare(rig, out, shuffle=shuffle, max_gap_s=7.0)
        for path in (out, out / "train.csv", out / "val.csv", out / "test.csv"):
            assert metadata_of(path)["split"] == split
            assert is_drawn_at_random(path) == shuffle
            assert as_prepared(path, ReadOptions()) == ReadOptions(step_s=1.0, max_gap_s=7.0)
        assert as_prepared(out, ReadOptions(step_s=2.0)) == ReadOptions(step_s=2.0, max_gap_s=7.0)


@pytest.mark.parametrize("text", [None, "{", "[]", "{}", '{"split": "random", "step_s": "1 s", "max_gap_s": null}'])
def test_other_files_and_other_metadata_say_nothing(rig, tmp_path, text):
    if text is not None:
        (tmp_path / "metadata.json").write_text(text)
    for path in (rig, tmp_path, tmp_path / "absent"):
        assert metadata_of(path) is None
        assert not is_drawn_at_random(path)
        assert as_prepared(path, ReadOptions(decimal=",")) == ReadOptions(decimal=",")
