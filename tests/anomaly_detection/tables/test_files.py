import gzip

import pandas as pd
import pytest

from anomaly_detection.tables.files import list_table_files
from anomaly_detection.tables.options import ReadOptions


def write(folder, name, text, encoding="utf-8"):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode(encoding))
    return path


def only_file(path, **options):
    (file,) = list_table_files(path, ReadOptions(**options))
    return file


def frame_of(path, **options):
    return next(only_file(path, **options).frames(None))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
def test_encodings_are_detected(tmp_path, encoding):
    path = write(tmp_path, "a.csv", "Temp °C,b\n1,2\n", encoding)
    assert frame_of(path).columns.tolist() == ["Temp °C", "b"]


def test_a_late_byte_tells_the_encoding(tmp_path):
    path = write(tmp_path, "a.csv", "a,note\n" + "1,x\n" * 100_000 + "2,é\n", "cp1252")
    assert frame_of(path)["note"].iloc[-1] == "é"


def test_a_given_encoding_that_does_not_fit(tmp_path):
    path = write(tmp_path, "a.csv", "°,b\n1,2\n", "cp1252")
    with pytest.raises(ValueError, match=r"a\.csv must be utf-8 text; got other bytes"):
        frame_of(path, encoding="utf-8")
    with pytest.raises(ValueError, match="encoding must be one that Python knows; got 'klingon'"):
        frame_of(path, encoding="klingon")


def test_names_are_stripped_and_nameless_columns_numbered(tmp_path):
    file = only_file(write(tmp_path, "a.csv", ",cycle ,x\n0,1,2\n"))
    assert file.columns == ("Unnamed: 0", "cycle", "x")


def test_compressed(tmp_path):
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(b"a;b\n1,5;2\n"))
    file = only_file(path)
    assert file.name == "a"
    assert next(file.frames(None)).to_dict("list") == {"a": [1.5], "b": [2]}


def test_trailing_delimiters_below_a_header_without_them(tmp_path):
    assert frame_of(write(tmp_path, "a.csv", "a,b\n1,2,\n3,4,\n")).to_dict("list") == {"a": [1, 3], "b": [2, 4]}


def test_short_rows_have_missing_cells(tmp_path):
    assert frame_of(write(tmp_path, "a.csv", "a,b\n1,2\n3\n"))["b"].isna().tolist() == [False, True]


def test_an_empty_line_is_a_missing_cell_of_a_single_column(tmp_path):
    assert frame_of(write(tmp_path, "a.csv", "a\n1\n\n3\n"))["a"].isna().tolist() == [False, True, False]


@pytest.mark.parametrize("text", ["a,b\n1,2,5\n3,4,6\n", "a,b\n1,2\n3,4,6\n"])
def test_more_fields_than_names(tmp_path, text):
    with pytest.raises(ValueError, match=r"a\.csv must be a readable table; got: .*(more fields|saw 3)"):
        frame_of(write(tmp_path, "a.csv", text))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "must hold a row of column names and rows of values; got an empty file"),
        ("\n \n", "got an empty file"),
        ("1.5,2.5\n3,4\n", r"must start with a row of column names; got the values 1\.5, 2\.5"),
        ("2026-01-01 00:00:00,4\n2026-01-01 00:00:01,5\n", "must start with a row of column names"),
        ("a,a \n1,2\n", "must name each column once; got 'a' more than once"),
    ],
)
def test_what_is_no_table(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        frame_of(write(tmp_path, "a.csv", text))


def test_numbered_columns_are_names(tmp_path):
    assert only_file(write(tmp_path, "a.csv", ",0,1\n0,5.5,6.5\n")).columns == ("Unnamed: 0", "0", "1")


def test_a_folder_is_walked_in_order(tmp_path):
    for name in ("b/0.csv", "a/1.csv", "z.csv", ".hidden/x.txt", "a/.git", "metadata.json"):
        write(tmp_path, name, "a,b\n1,2\n")
    pd.DataFrame({"a": [1.0]}).to_parquet(tmp_path / "m.PARQUET")
    assert [file.name for file in list_table_files(tmp_path, ReadOptions())] == ["a/1", "b/0", "m", "z"]


def test_another_file_in_the_folder(tmp_path):
    write(tmp_path, "a.csv", "a\n1\n")
    write(tmp_path, "sub/LICENCE.txt", "free")
    with pytest.raises(ValueError, match=r"Not valid file type: .*LICENCE\.txt"):
        list_table_files(tmp_path, ReadOptions())
    with pytest.raises(ValueError, match=r"Not valid file type: .*LICENCE\.txt"):
        list_table_files(tmp_path / "sub" / "LICENCE.txt", ReadOptions())


def test_nothing_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is nothing at .*nowhere"):
        list_table_files(tmp_path / "nowhere", ReadOptions())
    with pytest.raises(ValueError, match="must hold at least one CSV or Parquet file"):
        list_table_files(tmp_path, ReadOptions())


def test_broken_files(tmp_path):
    parquet = write(tmp_path, "a.parquet", "no parquet")
    with pytest.raises(ValueError, match=r"a\.parquet must be a readable"):
        frame_of(parquet)
    packed = write(tmp_path, "a.csv.gz", "no gzip")
    with pytest.raises(ValueError, match=r"a\.csv\.gz must be a readable file"):
        frame_of(packed)


def test_chunks_join_to_the_whole(tmp_path):
    frame = pd.DataFrame({"a": range(10), "b": [f"t{i}" for i in range(10)], "c": 0.5})
    frame.to_csv(tmp_path / "a.csv", index=False)
    frame.to_parquet(tmp_path / "a.parquet", row_group_size=4)
    for name in ("a.csv", "a.parquet"):
        file = only_file(tmp_path / name)
        chunks = list(file.frames(3, ["c", "a"]))
        assert max(map(len, chunks)) <= 3
        joined = pd.concat(chunks, ignore_index=True)
        assert joined.columns.tolist() == ["a", "c"]
        pd.testing.assert_frame_equal(joined, frame[["a", "c"]])


def test_a_parquet_index_is_a_column(tmp_path):
    times = pd.date_range("2026-01-01", periods=2, freq="s", name="datetime")
    pd.DataFrame({"a": [1.0, 2.0]}, index=times).to_parquet(tmp_path / "a.parquet")
    assert sorted(only_file(tmp_path / "a.parquet").columns) == ["a", "datetime"]


def test_files_come_sorted_but_the_parts_of_a_data_set_in_the_order_of_time(tmp_path):
    def names():
        return [file.name for file in list_table_files(tmp_path, ReadOptions())]

    for name in ("val", "test", "more/train"):
        write(tmp_path, f"{name}.csv", "a\n1\n")
    assert names() == ["more/train", "test", "val"]
    for name in ("train", "unlabeled"):
        write(tmp_path, f"{name}.csv", "a\n1\n")
    assert names() == ["train", "val", "test", "more/train", "unlabeled"]
    write(tmp_path, "metadata.json", "{}")
    assert names() == ["train", "val", "test", "more/train", "unlabeled"]
