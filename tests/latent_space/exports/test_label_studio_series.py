"""Loaded back by label-studio-sdk."""

import json

import pandas as pd
import pytest

from latent_space.exports import export_selection
from tests.latent_space.exports.test_label_studio import load


def tasks_of(windows, out, ids=None, **options):
    chosen = windows.samples["sample_id"].tolist() if ids is None else ids
    return load(export_selection(windows, chosen, format="label-studio", out=out, **options))


def test_a_task_shows_the_rows_around_a_stretch(windows, tmp_path):
    interface, tasks = tasks_of(windows, tmp_path / "out")
    assert interface.get_control("label").labels == ["anomaly", "SPIKE"]
    rows = pd.DataFrame(tasks[0]["data"]["rows"])
    assert list(rows) == ["time", "temp °C"], "no label, no mode"
    times = pd.to_datetime(rows["time"])
    assert (times.iloc[0], times.iloc[-1]) == (pd.Timestamp("2026-01-01T00:00:01"), pd.Timestamp("2026-01-01T00:00:28"))
    assert rows["temp °C"].tolist() == list(range(1, 29))
    assert tasks[1]["data"]["rows"]["temp °C"][0] == 101, "the other machine's"
    assert tasks[0]["data"]["title"] == "m 1: 2026-01-01T00:00:10.000000 to 2026-01-01T00:00:19.000000"


def test_what_the_model_found_anomalous_is_a_prediction(windows, tmp_path):
    _, tasks = tasks_of(windows, tmp_path / "out")
    assert ["predictions" in task for task in tasks] == [False, False, True, False]
    value = tasks[2]["predictions"][0]["result"][0]["value"]
    assert value["timeserieslabels"] == ["anomaly"]
    assert not value["instant"]
    times = tasks[2]["data"]["rows"]["time"]
    assert {value["start"], value["end"]} <= set(times), "both ends are times of rows"


def test_without_a_start_the_rows_up_to_the_end(windows, tmp_path):
    bare = type(windows)(windows.samples.drop(columns=["meta_window_start"]), windows.latents, run=windows.run)
    _, tasks = tasks_of(bare, tmp_path / "out")
    assert len(tasks[2]["data"]["rows"]["time"]) == 40
    value = tasks[2]["predictions"][0]["result"][0]["value"]
    assert value["instant"]
    assert value["start"] == value["end"] == "2026-01-01T00:00:39.000000"


def test_a_recording_that_is_gone_is_told(windows, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"empty has none for 4, such as 'm 1:2026-01-01T00:00:19'"):
        tasks_of(windows, tmp_path / "out", data=tmp_path / "empty")
    assert not (tmp_path / "out").exists()
    with pytest.raises(FileNotFoundError, match="which does not exist"):
        tasks_of(windows, tmp_path / "out", data=tmp_path / "nowhere")


def test_gaps_are_nulls(windows, tmp_path):
    file = tmp_path / "recordings" / "rig.csv"
    table = pd.read_csv(file)
    table.loc[12, "temp °C"] = None
    table.to_csv(file, index=False)
    out = export_selection(windows, ["m 1:2026-01-01T00:00:19"], format="label-studio", out=tmp_path / "out")
    values = json.loads((out / "tasks.json").read_text())[0]["data"]["rows"]["temp °C"]
    assert values[11] is None
    assert values[12] == 13
