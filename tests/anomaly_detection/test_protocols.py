from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from anomaly_detection.protocols import SKAB_SETTINGS, Setting, read_protocol
from anomaly_detection.registry import DETECTORS, make_detector
from anomaly_detection.thresholds import parse_threshold

CHANNELS = ["Accelerometer1RMS", "Current", "Pressure", "Temperature", "Thermocouple", "Volume Flow RateRMS"]


def write_skab_file(file: Path, n: int = 500, *, seed: int = 0) -> None:
    """A file as SKAB's: a fault in rows 430 to 469, a pause in the training rows, a label in them."""
    rows = np.random.default_rng(seed).normal(size=(n, len(CHANNELS)))
    rows[430:470, 1] += 20
    frame = pd.DataFrame(rows, columns=CHANNELS)
    seconds = np.arange(n) + 300 * (np.arange(n) > 100)
    frame.insert(0, "datetime", pd.Timestamp("2020-03-09 10:00:00") + pd.to_timedelta(seconds, unit="s"))
    frame["anomaly"] = ((np.arange(n) >= 430) & (np.arange(n) < 470)).astype(float)
    frame.loc[5, "anomaly"] = 1.0
    frame["changepoint"] = 0.0
    file.parent.mkdir(parents=True, exist_ok=True)
    frame.to_csv(file, sep=";", index=False)


def test_skab_teaches_400_rows_of_every_file_without_their_labels(tmp_path: Path) -> None:
    for name in ("valve1/0.csv", "other/2.csv", "anomaly-free/anomaly-free.csv"):
        write_skab_file(tmp_path / name)
    protocol = read_protocol("skab", tmp_path)
    assert [trial.name for trial in protocol.trials] == ["other/2", "valve1/0"]
    trial = protocol.trials[0]
    assert [len(rows) for rows in trial.train] == [400]
    assert [len(rows) for rows in trial.test] == [500]  # one series, whatever the pause
    assert (trial.n_past, trial.train_labels, protocol.step_s) == (400, None, 1.0)
    assert np.flatnonzero(trial.labels[0]).tolist() == list(range(30, 70))
    assert list(trial.train[0].columns) == ["Accelerometer1RMS", "Current", "Pressure", "Volume Flow RateRMS"]


def test_every_detector_has_a_setting_for_skab_that_it_understands() -> None:
    assert set(SKAB_SETTINGS) == set(DETECTORS)
    for name, setting in SKAB_SETTINGS.items():
        make_detector(name, **setting.options)
        parse_threshold(setting.threshold)


def test_csv_takes_a_prepared_folder(prepared_rig: Path) -> None:
    protocol = read_protocol("csv", prepared_rig)
    (trial,) = protocol.trials
    assert trial.train_labels is not None
    assert trial.validation is not None
    assert trial.types is not None
    assert [len(rows) for rows in trial.test] == [len(part) for part in trial.labels]
    assert len(trial.types) == sum(map(len, trial.labels))
    assert trial.n_past == 0
    assert protocol.setting("pca") == Setting()


def test_csv_cuts_a_table_by_time(rig_csv: Path) -> None:
    (trial,) = read_protocol("csv", rig_csv).trials
    assert [len(rows) for rows in trial.train] == [2800, 2800]
    assert [len(part) for part in trial.labels] == [600, 600]


def test_what_does_not_suit_a_protocol_is_told(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="dataset must be one of skab, csv; got 'nab'"):
        read_protocol("nab", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"No data in .*nowhere"):
        read_protocol("skab", tmp_path / "nowhere")
    with pytest.raises(ValueError, match="must hold the folders of SKAB"):
        read_protocol("skab", tmp_path)
    write_skab_file(tmp_path / "valve1/0.csv", n=400)
    with pytest.raises(ValueError, match=r"0\.csv must have labels and more than 400 rows; got 400 rows"):
        read_protocol("skab", tmp_path)
    bare = tmp_path / "bare.csv"
    pd.DataFrame({"a": np.arange(100.0) % 7, "b": np.arange(100.0) % 5}).to_csv(bare, index=False)
    with pytest.raises(ValueError, match=r"bare\.csv must have labelled test rows"):
        read_protocol("csv", bare)
