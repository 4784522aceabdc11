import pandas as pd
import pytest

from latent_space.exports.recordings import Recordings
from latent_space.exports.time_ranges import TimeRange


def stretch(start="2026-01-01T00:00:02", end="2026-01-01T00:00:03", series="m"):
    return TimeRange("s", series, None if start is None else pd.Timestamp(start), pd.Timestamp(end))


def write(path, **columns):
    times = [f"2026-01-01T00:00:0{second}" for second in range(6)]
    pd.DataFrame({"Timestamp": times, "x": range(6), **columns}).to_csv(path, index=False)
    return path


def test_rows_before_and_after_come_along_in_the_order_of_time(tmp_path):
    file = write(tmp_path / "a.csv", machine="m", label=1, is_anomaly=0, words="w")
    table = pd.read_csv(file).iloc[::-1]
    table.to_csv(file, index=False)
    found = Recordings(tmp_path).around(stretch())
    assert list(found) == ["time", "x"]
    assert found["x"].tolist() == [1, 2, 3, 4]


def test_rows_of_nobody_are_everybodys(tmp_path):
    assert Recordings(write(tmp_path / "a.csv")).around(stretch())["x"].tolist() == [1, 2, 3, 4]


@pytest.mark.parametrize("other", [{"series": "n"}, {"start": "2027-01-01", "end": "2027-01-02"}])
def test_stretches_that_no_file_has(tmp_path, other):
    write(tmp_path / "a.csv", machine="m")
    assert Recordings(tmp_path).around(stretch(**other)) is None


def test_without_a_start_the_end_must_be_a_row(tmp_path):
    write(tmp_path / "a.csv", machine="m")
    assert Recordings(tmp_path).around(stretch(start=None))["x"].tolist() == [0, 1, 2, 3]
    assert Recordings(tmp_path).around(stretch(start=None, end="2026-01-01T00:00:03.5")) is None


def test_files_that_are_no_recordings_are_passed_over(tmp_path):
    (tmp_path / "0.csv").write_bytes(b"\xff\xfe\x00broken")
    (tmp_path / "1.csv").write_text("")
    (tmp_path / "2.csv").write_text("time,words\n2026-01-01T00:00:02,a\n")
    (tmp_path / "3.csv").write_text("time,x\nyesterday,1\n")
    assert Recordings(tmp_path).around(stretch()) is None
    assert Recordings(None).around(stretch()) is None
    write(tmp_path / "4.csv")
    assert Recordings(tmp_path).around(stretch()) is not None
