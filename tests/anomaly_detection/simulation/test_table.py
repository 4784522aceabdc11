"""The table of a simulation by hand, and files that give back every value."""

import numpy as np
import pandas as pd
import pytest

from anomaly_detection.simulation.rig import simulate_rig
from anomaly_detection.simulation.table import Telemetry, build_table, step_times, write_simulation


@pytest.fixture(scope="module")
def frame():
    return simulate_rig(500, n_machines=2)


def test_machines_lie_below_each_other_with_names_for_codes():
    telemetry = [
        Telemetry("a", np.array([[1.23456], [2.0]]), np.array([0, 2], np.int8), np.array([1, 0], np.int8)),
        Telemetry("b", np.array([[3.0], [4.0]]), np.array([1, 0], np.int8), np.array([1, 1], np.int8)),
    ]
    times = step_times("2026-01-01", 2, step_s=0.1)
    table = build_table(telemetry, times, channels=["x"], types=["BUMP", "SLIP"], modes=["day", "night"])
    assert table.to_dict("list") == {
        "datetime": [pd.Timestamp("2026-01-01"), pd.Timestamp("2026-01-01 00:00:00.1")] * 2,
        "machine": ["a", "a", "b", "b"],
        "x": [1.2346, 2, 3, 4],
        "operating_mode": ["night", "day", "night", "night"],
        "label": [0, 1, 1, 0],
        "anomaly_type": ["normal", "SLIP", "BUMP", "normal"],
    }


@pytest.mark.parametrize("start", ["soon", "NaT"])
def test_a_start_that_is_no_date_is_refused(start):
    with pytest.raises(ValueError, match=f"start must be a date .*; got '{start}'"):
        step_times(start, 1, step_s=1)


def test_a_csv_gives_back_every_value(frame, tmp_path):
    path = write_simulation(frame, tmp_path / "new" / "rig.csv")
    lines = path.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "datetime,machine,temperature,vibration,pressure,power,label,anomaly_type"
    assert lines[1].startswith("2026-01-01T00:00:00.000,machine1,")
    read = pd.read_csv(path, parse_dates=["datetime"])
    pd.testing.assert_frame_equal(read, frame, check_dtype=False)
    assert [file.name for file in path.parent.iterdir()] == ["rig.csv"]


def test_a_parquet_file_gives_back_every_value(frame, tmp_path):
    path = write_simulation(frame, str(tmp_path / "rig.PARQUET"))
    pd.testing.assert_frame_equal(pd.read_parquet(path), frame)


def test_an_existing_file_is_replaced(frame, tmp_path):
    write_simulation(frame, tmp_path / "rig.csv")
    write_simulation(frame.head(3), tmp_path / "rig.csv")
    assert len(pd.read_csv(tmp_path / "rig.csv")) == 3


def test_another_suffix_is_refused(frame, tmp_path):
    with pytest.raises(ValueError, match=r"path must end in .csv or .parquet; got .*rig.xlsx"):
        write_simulation(frame, tmp_path / "rig.xlsx")
