"""Loaded back by pandas."""

import pandas as pd

from latent_space.exports import export_selection
from tests.latent_space.exports.conftest import NAMES


def test_a_row_per_sample_in_the_order_of_the_selection(export):
    ids = NAMES[::-1]
    table = pd.read_csv(export("csv", ids, reasons=[f'so, "{name}"' for name in ids]) / "selection.csv")
    assert table["sample_id"].tolist() == ids
    assert table["file_name"].tolist() == ids, "quotes, commas and letters survive"
    assert table["rank"].tolist() == list(range(1, 8))
    assert table["reason"].tolist() == [f'so, "{name}"' for name in ids]
    assert table["loss"].isna().tolist() == [False, True, False, False, True, False, False]
    assert table["n_found"].tolist() == [0, 1, 1, 1, 1, 1, 2]
    assert table[["width_px", "height_px"]].iloc[-1].tolist() == [40, 20]


def test_no_pictures_come_along(export):
    out = export("csv")
    assert sorted(path.name for path in out.iterdir()) == ["export.json", "selection.csv"]


def test_windows_are_ranges_of_time(windows, tmp_path):
    ids = windows.samples["sample_id"].tolist()
    out = export_selection(windows, ids, format="csv", out=tmp_path / "out", reasons=dict.fromkeys(ids, "why"))
    table = pd.read_csv(out / "selection.csv", parse_dates=["start", "end"])
    assert table["machine"].tolist() == ["m 1", "m2", "m 1", "m2"]
    assert ((table["end"] - table["start"]) == pd.Timedelta("9s")).all()
    assert table["end"].iloc[0] == pd.Timestamp("2026-01-01T00:00:19")
    assert table["reason"].tolist() == ["why"] * 4
