from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from anomaly_detection.parts import (
    cut_by_time,
    known_labels_of,
    labels_of,
    lengths_of,
    read_parts,
    rows_of,
    truth_of,
    types_of,
)
from anomaly_detection.preparation import prepare
from anomaly_detection.series import Recording, Series


def recording(*lengths: int, names: tuple[str, ...] = ()) -> Recording:
    start, series = np.datetime64("2026-01-01", "ns"), []
    for number, n in enumerate(lengths):
        name = names[number] if names else f"m{number}"
        times = start + number * np.timedelta64(1, "D") + np.arange(n) * np.timedelta64(1, "s")
        values = np.arange(n, dtype=float)[:, None] + 100 * number
        series.append(Series(name, times, values, ("x",), labels=np.arange(n) % 2 == 1))
    return Recording(tuple(series), ("x",), 1.0, (), Path("made"))


def test_every_machine_is_cut_in_time() -> None:
    parts = cut_by_time(recording(10, 20), {"training": 0.5, "validation": 0.2, "test": 0.3})
    assert lengths_of(parts.training) == [5, 10]
    assert parts.validation.series[0].values[:, 0].tolist() == [5, 6]
    assert parts.test.series[1].values[:, 0].tolist() == [114, 115, 116, 117, 118, 119]
    assert parts.unlabeled is None
    assert [name for name, _ in parts.items()] == ["training", "validation", "test"]


def test_stretches_of_one_machine_are_counted_together() -> None:
    parts = cut_by_time(recording(6, 4, names=("m", "m")), {"training": 0.8, "test": 0.2})
    assert lengths_of(parts.training) == [6, 2]
    assert lengths_of(parts.test) == [2]


def test_no_row_is_lost_or_doubled() -> None:
    parts = cut_by_time(recording(7, 13, 1))
    values = np.concatenate([series.values for _, part in parts.items() for series in part.series])
    assert sorted(values[:, 0].tolist()) == sorted([*range(7), *range(100, 113), 200])


def test_unlabelled_rows_have_no_labels() -> None:
    parts = cut_by_time(recording(10), {"training": 0.5, "unlabeled": 0.5})
    assert labels_of(parts.unlabeled) is None
    assert labels_of(parts.training)[0].tolist() == [False, True, False, True, False]


@pytest.mark.parametrize(
    ("ratios", "message"),
    [
        (
            {"train": 1.0},
            r"ratios\[train\] must be the share of training, validation, test, unlabeled; got one of 'train'",
        ),
        ({"training": 0.7}, r"ratios\[training\] must sum to 1; got 0\.7"),
        ({"training": 1.5, "test": -0.5}, r"ratios\[training\] must lie in \[0, 1\]; got 1\.5"),
    ],
)
def test_bad_ratios_are_refused(ratios: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        cut_by_time(recording(10), ratios)


def test_a_cut_without_training_rows_is_refused() -> None:
    with pytest.raises(ValueError, match=r"ratios must leave rows to learn from; .* for 1 rows"):
        cut_by_time(recording(1))


def test_a_table_and_its_prepared_folder_give_the_same_parts(rig_csv: Path, tmp_path: Path) -> None:
    prepare(rig_csv, tmp_path / "prepared")
    table, folder = read_parts(rig_csv), read_parts(tmp_path / "prepared")
    for (name, one), (other_name, other) in zip(table.items(), folder.items(), strict=True):
        assert name == other_name
        assert one.channels == other.channels
        for a, b in zip(one.series, other.series, strict=True):
            assert np.array_equal(a.times, b.times)
            assert np.array_equal(a.values, b.values)
            assert np.array_equal(a.labels, b.labels)


def test_a_folder_by_hand_needs_no_metadata(tmp_path: Path) -> None:
    times = pd.date_range("2026-01-01", periods=6, freq="s")
    pd.DataFrame({"datetime": times, "b": 1.5, "a": range(6)}).to_csv(tmp_path / "train.csv", index=False)
    pd.DataFrame({"datetime": times, "a": range(6), "b": 2.5}).to_csv(tmp_path / "val.csv", index=False)
    pd.DataFrame({"datetime": times, "a": 0.5, "b": 0.5, "label": 1}).to_csv(tmp_path / "unlabeled.csv", index=False)
    parts = read_parts(tmp_path)
    assert parts.training.channels == parts.validation.channels == parts.unlabeled.channels
    assert parts.test is None
    assert labels_of(parts.unlabeled) is None


def test_a_folder_without_training_rows_is_refused(tmp_path: Path) -> None:
    (tmp_path / "val.csv").write_text("a\n1\n")
    with pytest.raises(FileNotFoundError, match=r"No train\.csv beside .*val\.csv"):
        read_parts(tmp_path)


def test_a_part_without_a_channel_is_refused(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("a,b\n1,2.5\n2,3.5\n4,1\n")
    (tmp_path / "test.csv").write_text("a\n1\n2\n")
    with pytest.raises(ValueError, match="b"):
        read_parts(tmp_path)


def test_rows_labels_and_types_follow_the_series() -> None:
    made = recording(3, 2)
    assert [frame.shape for frame in rows_of(made)] == [(3, 1), (2, 1)]
    assert rows_of(made)[0].index[0] == pd.Timestamp("2026-01-01")
    assert types_of(made) is None
    assert truth_of(made) == {"types": None, "step_s": 1.0, "series": [3, 2]}
    half = replace(made, series=(made.series[0], replace(made.series[1], labels=None)))
    assert labels_of(half) is None
    known = known_labels_of(half)
    assert known[0] is half.series[0].labels and known[1] is None
    assert known_labels_of(replace(half, series=half.series[1:])) is None


def test_repairs_are_told_once_of_one_table_and_by_part_of_a_folder(tmp_path: Path) -> None:
    times = pd.date_range("2026-01-01", periods=40, freq="s")
    frame = pd.DataFrame({"datetime": times, "a": np.arange(40) % 7, "b": 1.5})
    frame.loc[[5, 38], "a"] = np.nan
    frame.to_csv(tmp_path / "table.csv", index=False)
    filled = "missing cells filled with the last value of the channel"
    assert read_parts(tmp_path / "table.csv").repairs() == [
        f"2 {filled} (table).",
        "channel 'b' is constant; it is kept.",
    ]
    prepare(tmp_path / "table.csv", tmp_path / "prepared")
    assert read_parts(tmp_path / "prepared").repairs() == [
        f"training: 1 {filled.replace('cells', 'cell')} (train).",
        "training: channel 'b' is constant; it is kept.",
        "validation: channel 'b' is constant; it is kept.",
        f"test: 1 {filled.replace('cells', 'cell')} (test).",
        "test: channel 'b' is constant; it is kept.",
    ]
