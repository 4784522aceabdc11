from pathlib import Path
from shutil import copytree, ignore_patterns

import numpy as np
import pandas as pd
import pytest

from anomaly_detection import load_detector, make_detector
from anomaly_detection.base import NotFittedError
from anomaly_detection.parts import read_parts
from anomaly_detection.preparation import prepare, read_prepared
from anomaly_detection.scoring import score_table
from anomaly_detection.series import read_series
from anomaly_detection.training import train_detector

ROWS = pd.DataFrame(np.random.default_rng(0).normal(size=(300, 2)), columns=["a", "b"])
DETECTOR = make_detector("pca", n_components=1, window_size=4).fit(ROWS)


def table(tmp_path: Path, frame: pd.DataFrame, name: str = "data.csv") -> Path:
    path = tmp_path / name
    frame.to_csv(path, index=False)
    return path


def timed(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.assign(datetime=pd.date_range("2026-01-01", periods=len(frame), freq="s"))


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize("chunk_rows", [1, 7, 300, 10_000])
def test_chunks_of_any_size_score_as_the_whole(tmp_path: Path, suffix: str, chunk_rows: int) -> None:
    out = tmp_path / f"scores{suffix}"
    report = score_table(DETECTOR, table(tmp_path, timed(ROWS)), out, chunk_rows=chunk_rows)
    scores = pd.read_csv(out) if suffix == ".csv" else pd.read_parquet(out)
    assert np.allclose(scores["anomaly_score"], DETECTOR.decision_function(ROWS))
    assert scores["is_anomaly"].tolist() == DETECTOR.predict(ROWS).tolist()
    assert report.n_rows == 300
    assert report.n_anomalies == DETECTOR.predict(ROWS).sum()
    assert list(scores.columns) == ["datetime", "anomaly_score", "is_anomaly", "is_filled"]
    assert [file.name for file in tmp_path.iterdir() if file.name.startswith(".")] == []


def test_interleaved_machines_have_pasts_of_their_own(tmp_path: Path) -> None:
    one, two = timed(ROWS[:150]), timed(ROWS[150:].reset_index(drop=True))
    mixed = pd.concat([one.assign(machine="m1"), two.assign(machine="m2")]).sort_values("datetime", kind="stable")
    score_table(DETECTOR, table(tmp_path, mixed), tmp_path / "s.csv", chunk_rows=31)
    scores = pd.read_csv(tmp_path / "s.csv")
    for name, rows in (("m1", ROWS[:150]), ("m2", ROWS[150:])):
        found = scores.loc[scores["machine"] == name, "anomaly_score"]
        assert np.allclose(found, DETECTOR.decision_function(rows))


def test_no_window_crosses_a_long_pause(tmp_path: Path) -> None:
    frame = timed(ROWS)
    frame.loc[100:, "datetime"] += pd.Timedelta("1h")
    score_table(DETECTOR, table(tmp_path, frame), tmp_path / "s.csv", chunk_rows=64)
    expected = np.concatenate([DETECTOR.decision_function(ROWS[:100]), DETECTOR.decision_function(ROWS[100:])])
    assert np.allclose(pd.read_csv(tmp_path / "s.csv")["anomaly_score"], expected)


def test_pauses_are_told_where_windows_end_at_them(tmp_path: Path) -> None:
    frame = timed(ROWS)
    frame.loc[100:, "datetime"] += pd.Timedelta("1h")
    path, told = table(tmp_path, frame), "1 pause longer than 10 s: a new series starts after each (data)."
    assert score_table(DETECTOR, path, tmp_path / "s.csv", chunk_rows=64).repairs == (told,)
    assert told in read_series(path).repairs
    single = make_detector("pca", n_components=1, window_size=1).fit(ROWS)
    assert score_table(single, path, tmp_path / "s.csv").repairs == ()


@pytest.mark.parametrize("chunk_rows", [1, 2, 100])
@pytest.mark.parametrize(
    ("lengths", "told"),
    [
        ([4, 5, 4], None),
        ([1], "1 of 1 series has fewer rows than the window of 4: its rows are judged against "),
        ([3, 4, 2, 9, 1], "3 of 5 series have fewer rows than the window of 4: their rows are judged "),
    ],
)
@pytest.mark.parametrize("by", ["machine", "pause"])
def test_series_shorter_than_the_window_are_told(
    tmp_path: Path, chunk_rows: int, lengths: list[int], told: str | None, by: str
) -> None:
    series = np.repeat(np.arange(len(lengths)), lengths)
    frame = timed(ROWS[: len(series)])
    if by == "pause":
        frame["datetime"] += pd.to_timedelta(3600 * series, unit="s")
    else:
        mixed = np.random.default_rng(0).permutation(series)
        frame = frame.assign(machine=[f"m{number}" for number in mixed])
    report = score_table(DETECTOR, table(tmp_path, frame), tmp_path / "s.csv", chunk_rows=chunk_rows)
    notes = [sentence for sentence in report.repairs if "fewer rows" in sentence]
    assert [note.startswith(told or "-") for note in notes] == [True] * (told is not None)
    assert all(f"note: {note}" in str(report) for note in notes)


def test_missing_cells_are_filled_marked_and_reported(tmp_path: Path) -> None:
    frame = timed(ROWS.copy())
    frame.loc[[5, 6], "a"] = np.nan
    report = score_table(DETECTOR, table(tmp_path, frame), tmp_path / "s.csv")
    filled = ROWS.copy()
    filled.loc[[5, 6], "a"] = filled.loc[4, "a"]
    scores = pd.read_csv(tmp_path / "s.csv")
    assert np.allclose(scores["anomaly_score"], DETECTOR.decision_function(filled))
    assert np.flatnonzero(scores["is_filled"]).tolist() == [5, 6]
    assert "2 missing cells filled" in str(report)


def test_columns_may_come_in_another_order_and_with_others(tmp_path: Path) -> None:
    frame = timed(ROWS)[["b", "datetime", "a"]].assign(c=1.5)
    report = score_table(DETECTOR, table(tmp_path, frame), tmp_path / "s.csv")
    assert np.allclose(pd.read_csv(tmp_path / "s.csv")["anomaly_score"], DETECTOR.decision_function(ROWS))
    assert "1 other column ignored" in str(report)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize("chunk_rows", [7, 10_000])
def test_truths_are_read_as_read_series_reads_them(tmp_path: Path, suffix: str, chunk_rows: int) -> None:
    frame = timed(ROWS).assign(b=np.arange(300) % 3 == 0).astype({"b": object})
    frame.loc[[5, 290], "b"] = None
    path = tmp_path / f"data{suffix}"
    frame.to_csv(path, index=False) if suffix == ".csv" else frame.to_parquet(path)
    recording = read_series(path, channels=DETECTOR.channels_)
    assert recording.series[0].values[:6, 1].tolist() == [1, 0, 0, 1, 0, 0]
    report = score_table(DETECTOR, path, tmp_path / "s.csv", chunk_rows=chunk_rows)
    scores = pd.read_csv(tmp_path / "s.csv")
    assert np.allclose(scores["anomaly_score"], DETECTOR.decision_function(recording.series[0].values))
    assert np.flatnonzero(scores["is_filled"]).tolist() == [5, 290]
    told = "true and false of channel 'b' read as 1 and 0."
    assert told in report.repairs
    assert told in recording.repairs


def test_rows_without_a_machine_are_those_of_one_without_a_name(tmp_path: Path) -> None:
    names = ["None", None, ""] * 100
    frame = timed(ROWS).assign(machine=names)
    frame.to_parquet(tmp_path / "data.parquet")
    report = score_table(DETECTOR, tmp_path / "data.parquet", tmp_path / "s.parquet", chunk_rows=31)
    scores, named = pd.read_parquet(tmp_path / "s.parquet"), np.array(names, object) == "None"
    assert scores["machine"].isna().tolist() == (~named).tolist()
    for rows in (named, ~named):
        assert np.allclose(scores.loc[rows, "anomaly_score"], DETECTOR.decision_function(ROWS[rows]))
    assert "200 rows without a machine scored as those of one machine (data)." in report.repairs


def test_a_table_without_times_has_empty_ones(tmp_path: Path) -> None:
    score_table(DETECTOR, table(tmp_path, ROWS), tmp_path / "s.csv")
    scores = pd.read_csv(tmp_path / "s.csv")
    assert np.allclose(scores["anomaly_score"], DETECTOR.decision_function(ROWS))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda frame: frame.drop(columns="b"), r"\bb\b"),
        (lambda frame: frame.assign(b="text"), r"\bb\b"),
        (lambda frame: frame.assign(b=np.nan), r"\bb\b"),
        (lambda frame: frame[:0], "at least one row"),
    ],
)
def test_a_bad_table_leaves_nothing_behind(tmp_path: Path, change: object, message: str) -> None:
    source = table(tmp_path, change(timed(ROWS)))
    (tmp_path / "s.csv").write_text("an earlier result\n")
    with pytest.raises(ValueError, match=message):
        score_table(DETECTOR, source, tmp_path / "s.csv")
    assert (tmp_path / "s.csv").read_text() == "an earlier result\n"
    assert sorted(file.name for file in tmp_path.iterdir()) == ["data.csv", "s.csv"]


def test_output_is_checked_first(tmp_path: Path) -> None:
    source = table(tmp_path, ROWS)
    with pytest.raises(ValueError, match=r"out must end in \.csv or \.parquet; got .*s\.txt"):
        score_table(DETECTOR, source, tmp_path / "s.txt")
    with pytest.raises(ValueError, match="out must lie outside of what is scored"):
        score_table(DETECTOR, source, source)
    with pytest.raises(ValueError, match="out must lie outside of what is scored"):
        score_table(DETECTOR, tmp_path, tmp_path / "s.csv")
    with pytest.raises(FileNotFoundError, match="nothing at"):
        score_table(DETECTOR, tmp_path / "absent.csv", tmp_path / "s.csv")


def test_a_detector_without_threshold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NotFittedError, match="no threshold"):
        score_table(make_detector("pca"), table(tmp_path, ROWS), tmp_path / "s.csv")


def test_a_stored_detector_scores_a_whole_recording(tmp_path: Path, rig_csv: Path, pca_model: Path) -> None:
    report = score_table(load_detector(pca_model), rig_csv, tmp_path / "s.parquet")
    truth, scores = pd.read_csv(rig_csv)["label"], pd.read_parquet(tmp_path / "s.parquet")
    assert report.n_rows == len(scores) == 8000
    assert (scores["is_anomaly"] == truth).mean() > 0.95
    assert set(scores["machine"]) == {"machine1", "machine2"}


def test_a_score_equal_to_the_threshold_is_not_flagged(tmp_path: Path) -> None:
    detector = make_detector("pca", n_components=1, threshold="percentile=100").fit(ROWS, validation=(ROWS, None))
    assert score_table(detector, table(tmp_path, ROWS), tmp_path / "s.csv").n_anomalies == 0


@pytest.mark.parametrize(("step_s", "is_told"), [(1.0, False), (1.5, False), (1.6, True), (0.6, True), (60.0, True)])
def test_rows_another_time_apart_than_those_that_taught_are_told(
    tmp_path: Path, rig_csv: Path, pca_model: Path, step_s: float, is_told: bool
) -> None:
    frame = pd.read_csv(rig_csv).iloc[:50]
    times = pd.date_range("2026-01-01", periods=50, freq=pd.Timedelta(seconds=step_s))
    report = score_table(load_detector(pca_model), table(tmp_path, frame.assign(datetime=times)), tmp_path / "s.csv")
    note = f"rows are {step_s:g} s apart where the detector learned from rows 1 s apart: its scores may mean nothing."
    assert (note in report.repairs) == (f"note: {note}" in str(report)) == is_told


def test_a_step_that_nothing_tells_is_not_compared(tmp_path: Path, rig_csv: Path) -> None:
    frame = pd.read_csv(rig_csv).query("machine == 'machine1'")
    slow = frame.assign(datetime=pd.date_range("2026-01-01", periods=len(frame), freq="60s"))
    untimed = frame.drop(columns="datetime")
    sources = table(tmp_path, slow, "slow.csv"), table(tmp_path, untimed, "untimed.csv")
    for learned, scored in (sources, sources[::-1]):
        train_detector(make_detector("pca"), read_parts(learned), tmp_path / "model")
        report = score_table(load_detector(tmp_path / "model"), scored, tmp_path / "s.csv")
        assert "apart" not in str(report)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_folder_without_machines_has_one_per_file(tmp_path: Path, suffix: str) -> None:
    (tmp_path / "data/valve").mkdir(parents=True)
    files = {"a": ROWS[:100], "valve/0": ROWS[100:250].reset_index(drop=True)}
    for name, rows in files.items():
        table(tmp_path / "data", timed(rows), f"{name}.csv")
    out = tmp_path / f"s{suffix}"
    score_table(DETECTOR, tmp_path / "data", out, chunk_rows=31)
    scores = pd.read_csv(out) if suffix == ".csv" else pd.read_parquet(out)
    assert list(scores.columns)[:2] == ["datetime", "machine"]
    assert scores["machine"].tolist() == ["a"] * 100 + ["valve/0"] * 150
    assert list(dict.fromkeys(scores["machine"])) == list(read_series(tmp_path / "data").machines)
    for name, rows in files.items():
        found = scores.loc[scores["machine"] == name, "anomaly_score"]
        assert np.allclose(found, DETECTOR.decision_function(rows))


def test_a_file_of_a_folder_may_lack_the_column_of_machines(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    table(tmp_path / "data", timed(ROWS[:50]).assign(machine="m"), "a.csv")
    table(tmp_path / "data", timed(ROWS[50:90].reset_index(drop=True)), "b.csv")
    score_table(DETECTOR, tmp_path / "data", tmp_path / "s.csv")
    scores = pd.read_csv(tmp_path / "s.csv")
    assert scores["machine"].tolist() == ["m"] * 50 + ["b"] * 40
    assert np.allclose(scores["anomaly_score"][50:], DETECTOR.decision_function(ROWS[50:90]))


@pytest.mark.parametrize("metadata", [True, False])
def test_parts_are_scored_in_the_order_of_time(
    tmp_path: Path, rig_csv: Path, prepared_rig: Path, pca_model: Path, metadata: bool
) -> None:
    detector, outs = load_detector(pca_model), (tmp_path / "parts.csv", tmp_path / "whole.csv")
    data = copytree(prepared_rig, tmp_path / "data", ignore=None if metadata else ignore_patterns("*.json"))
    report = score_table(detector, data, outs[0])
    assert not any("earlier than the row before" in sentence for sentence in report.repairs)
    score_table(detector, rig_csv, outs[1])
    parts, whole = (pd.read_csv(out).sort_values(["machine", "datetime"], ignore_index=True) for out in outs)
    pd.testing.assert_frame_equal(parts, whole)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory, rig_csv: Path) -> Path:
    """Return a folder prepared at random."""
    prepare(rig_csv, tmp_path_factory.mktemp("drawn"), shuffle=True, random_state=5)
    return tmp_path_factory.getbasetemp() / "drawn0"


def test_rows_drawn_at_random_are_scored_one_by_one(tmp_path: Path, drawn: Path) -> None:
    train_detector(make_detector("pca"), read_parts(drawn), tmp_path / "model")
    detector, test = load_detector(tmp_path / "model"), read_prepared(drawn).test
    report = score_table(detector, drawn / "test.csv", tmp_path / "s.csv", chunk_rows=500)
    assert report.repairs == ()
    assert score_table(detector, drawn, tmp_path / "all.csv").repairs == ()
    scores = pd.read_csv(tmp_path / "s.csv").sort_values(["machine", "datetime"], ignore_index=True)
    in_order = sorted(test.series, key=lambda series: series.name)
    frames = [pd.DataFrame(series.values, columns=list(series.channels)) for series in in_order]
    assert np.allclose(scores["anomaly_score"], detector.decision_function(frames))


@pytest.mark.parametrize(("settings", "n_rows"), [({"window_size": 5}, 5), ({"baseline_size": 4}, 4)])
def test_rows_drawn_at_random_are_no_series(tmp_path: Path, drawn: Path, settings: dict[str, int], n_rows: int) -> None:
    train_detector(make_detector("pca", **settings), read_parts(drawn), tmp_path / "model")
    detector = load_detector(tmp_path / "model")
    for path in (drawn, drawn / "test.csv"):
        message = f"{path} must hold rows in the order of time for a detector of {n_rows} rows; .* drawn at random"
        with pytest.raises(ValueError, match=message):
            score_table(detector, path, tmp_path / "s.csv")
    assert not (tmp_path / "s.csv").exists()
