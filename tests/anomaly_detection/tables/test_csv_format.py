import pytest

from anomaly_detection.tables.csv_format import sniff
from anomaly_detection.tables.options import ReadOptions


def written(folder, text):
    path = folder / "a.csv"
    path.write_bytes(text.encode())
    return path


@pytest.mark.parametrize(
    ("text", "delimiter", "decimal"),
    [
        ("a,b\n1.5,2\n", ",", "."),
        ("a;b\n1.5;2\n", ";", "."),
        ("a;b\n1,5;2\n", ";", ","),
        ("a\tb\n1,5\t2\n", "\t", ","),
        ("a|b\n1.5|2\n", "|", "."),
        ("Pressure, bar;Temp, C\n1,5;2,25\n", ";", ","),
        ('"a;1",b\n1.5,2\n', ",", "."),
        ("a\n1,5\n", ";", ","),
        ("a\n1.5\n", ",", "."),
        ("a;b;c\n", ";", "."),
        ("time;a\n2026-01-01 00:00:00,5;1\n2026-01-01 00:00:01,5;2\n", ";", "."),
    ],
)
def test_delimiter_and_decimal_mark_are_detected(tmp_path, text, delimiter, decimal):
    found = sniff(written(tmp_path, text), ReadOptions())
    assert (found.delimiter, found.decimal) == (delimiter, decimal)


def test_given_delimiter_and_decimal_mark_win(tmp_path):
    found = sniff(written(tmp_path, "a:b\n1,5:2\n"), ReadOptions(delimiter=":", decimal=","))
    assert (found.delimiter, found.decimal, found.columns) == (":", ",", ("a", "b"))
