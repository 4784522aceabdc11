"""Files as pandas would write them."""

import numpy as np
import pandas as pd
import pytest

from anomaly_detection.tables.writing import iso_times, write_csv


@pytest.mark.parametrize("word", ["arm", 'the "left", arm', "two\nlines"])
def test_a_file_is_the_one_that_pandas_writes(tmp_path, word):
    times = pd.date_range("2026-01-01", periods=3, freq="100ms")
    values = [0.1 + 0.2, np.nan, -1e-300]
    frame = pd.DataFrame({"datetime": times, "machine": [word, None, "m"], "a,b": values, "label": [0, 1, 0]})
    write_csv(tmp_path / "ours.csv", frame)
    written = frame.assign(datetime=times.strftime("%Y-%m-%dT%H:%M:%S.%f").str[:-3])
    written.to_csv(tmp_path / "theirs.csv", index=False)
    assert pd.read_csv(tmp_path / "ours.csv").equals(pd.read_csv(tmp_path / "theirs.csv"))
    assert (tmp_path / "ours.csv").read_text().splitlines()[0] == 'datetime,machine,"a,b",label'
    if word == "arm":
        assert (tmp_path / "ours.csv").read_text() == (tmp_path / "theirs.csv").read_text()


@pytest.mark.parametrize(("digit", "n"), [("ms", 3), ("us", 6), ("ns", 9)])
def test_times_have_the_digits_they_need(digit, n):
    times = np.array(["2026-01-01", "2026-01-02"], "datetime64[ns]") + np.timedelta64(1, digit)
    assert iso_times(times).tolist()[0] == "2026-01-01T00:00:00." + "0" * (n - 1) + "1"
