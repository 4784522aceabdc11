"""Find and open the files of a table: CSV (also .csv.gz) or Parquet, one file or a folder of them.

**Conventions**: a folder is walked in sorted order, hidden files left out; any other file in it is an error, but for
the ``metadata.json`` that `prepare` writes. A CSV starts with a row of column names; its delimiter, decimal mark and
encoding are read off its first quarter megabyte (the encoding: off all of it), unless given. Names of columns are
stripped; columns without a name are called "Unnamed: 3" after their place, counted from 0.
"""

import codecs
import csv
import gzip
import re
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

from anomaly_detection.read_options import MACHINE_NAMES, ReadOptions

if TYPE_CHECKING:
    import pandas as pd

METADATA_FILE = "metadata.json"
_SUFFIXES = (".csv", ".csv.gz", ".parquet")
_DELIMITERS = (",", ";", "\t", "|")
_SAMPLE_BYTES = 2**18
_SAMPLE_LINES = 200
_BLOCK_BYTES = 2**22
_NUMBER = {mark: re.compile(rf"\s*[+-]?(\d+({mark}\d*)?|{mark}\d+)([eE][+-]?\d+)?\s*") for mark in (r"\.", ",")}
_FRACTION = {mark: re.compile(rf"\s*[+-]?\d*{mark}\d+([eE][+-]?\d+)?\s*") for mark in (r"\.", ",")}
_VALUE = re.compile(r"[+-]?[\d.,]+([eE][+-]?\d+)?|\d{4}-\d\d-\d\d.*")


@dataclass(frozen=True)
class TableFile:
    """One file of a table.

    Attributes
    ----------
    path : Path
        Of the file.
    name : str
        Relative to the folder that was asked for, without suffix; the stem where a file was.
    options : ReadOptions
        What is known of its format.
    """

    path: Path
    name: str
    options: ReadOptions

    @property
    def is_parquet(self) -> bool:
        """Whether the file is Parquet, by its suffix."""
        return self.path.suffix.lower() == ".parquet"

    @cached_property
    def format(self) -> "CsvFormat":
        """Delimiter, decimal mark, encoding and column names of a CSV."""
        return sniff(self.path, self.options)

    @cached_property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns."""
        return _parquet_columns(self.path) if self.is_parquet else self.format.columns

    @property
    def decimal(self) -> str:
        """Decimal mark of numbers in text."""
        return "." if self.is_parquet else self.format.decimal

    def frames(self, chunk_rows: int | None, columns: Sequence[str] | None = None) -> "Iterator[pd.DataFrame]":
        """Yield the table in pieces of at most `chunk_rows` rows (None: in one), of `columns` alone if given."""
        try:
            if self.is_parquet:
                yield from _parquet_frames(self, chunk_rows, columns)
            else:
                yield from _csv_frames(self, chunk_rows, columns)
        except (ValueError, OSError) as error:  # pandas' and pyarrow's errors are ValueErrors, zlib's OSErrors
            reason = " ".join(str(error).split())
            raise ValueError(f"{self.path} must be a readable table; got: {reason}") from error


def list_table_files(path: Path, options: ReadOptions) -> tuple[TableFile, ...]:
    """Return the files of a table, sorted.

    Raises
    ------
    FileNotFoundError
        If there is nothing at `path`.
    ValueError
        If a file is neither CSV nor Parquet, or a folder holds no table.
    """
    if not path.exists():
        raise FileNotFoundError(f"path must be a CSV or Parquet file or a folder of them; there is nothing at {path}.")
    if path.is_file():
        _check_suffix(path)
        return (TableFile(path, _without_suffix(path.name), options),)
    found = []
    for file in sorted(path.rglob("*")):
        inside = file.relative_to(path)
        if file.is_dir() or any(part.startswith(".") for part in inside.parts) or file.name == METADATA_FILE:
            continue
        _check_suffix(file)
        found.append(TableFile(file, _without_suffix(inside.as_posix()), options))
    if not found:
        raise ValueError(f"path must hold at least one CSV or Parquet file; got the folder {path} without any.")
    return tuple(found)


def _check_suffix(file: Path) -> None:
    if not file.name.lower().endswith(_SUFFIXES):
        raise ValueError(f"Not valid file type: {file}; give a CSV or Parquet file, or a folder of nothing else.")


def _without_suffix(name: str) -> str:
    return next(name[: -len(suffix)] for suffix in _SUFFIXES if name.lower().endswith(suffix))


@dataclass(frozen=True)
class CsvFormat:
    """How a CSV is written.

    Attributes
    ----------
    delimiter, decimal, encoding : str
        As pandas takes them.
    columns : tuple of str
        Stripped names, in file order.
    """

    delimiter: str
    decimal: str
    encoding: str
    columns: tuple[str, ...]


def sniff(path: Path, options: ReadOptions) -> CsvFormat:
    """Find out how a CSV is written.

    Raises
    ------
    ValueError
        If the file is empty, is not text, starts with numbers instead of names, or names a column twice.
    """
    encoding = options.encoding or _encoding(path)
    try:
        with _opened(path) as file:
            text = codecs.getincrementaldecoder(encoding)().decode(file.read(_SAMPLE_BYTES))
    except LookupError as error:
        raise ValueError(f"encoding must be one that Python knows; got {encoding!r}.") from error
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} must be {encoding} text; got other bytes. Name its encoding.") from error
    except (OSError, EOFError) as error:
        raise ValueError(f"{path} must be a readable file; got: {error}") from error
    lines = [line for line in text.splitlines()[: _SAMPLE_LINES + 1] if line.strip()]
    if not lines:
        raise ValueError(f"{path} must hold a row of column names and rows of values; got an empty file.")
    delimiter = options.delimiter or _delimiter(lines, options.decimal)
    rows = list(csv.reader(lines, delimiter=delimiter))
    decimal = options.decimal or _decimal([cell for row in rows[1:] for cell in row], delimiter)
    return CsvFormat(delimiter, decimal, encoding, _column_names(rows[0], path))


def _opened(path: Path) -> IO[bytes]:
    return cast(IO[bytes], gzip.open(path)) if path.suffix.lower() == ".gz" else path.open("rb")


def _encoding(path: Path) -> str:
    """utf-16 or utf-8-sig by their mark, utf-8 if all of the file is that, else cp1252."""
    try:
        with _opened(path) as file:
            start = file.read(4)
            if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                return "utf-16"
            decoder = codecs.getincrementaldecoder("utf-8")()
            block = start
            while block:
                decoder.decode(block)
                block = file.read(_BLOCK_BYTES)
            decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return "cp1252"
    except (OSError, EOFError) as error:
        raise ValueError(f"{path} must be a readable file; got: {error}") from error
    return "utf-8-sig" if start.startswith(codecs.BOM_UTF8) else "utf-8"


def _delimiter(lines: list[str], decimal: str | None) -> str:
    """Of those that part the names, take the one by which most rows agree and most cells are numbers."""

    def fit(delimiter: str) -> tuple[float, int]:
        rows = list(csv.reader(lines, delimiter=delimiter))
        width, body = len(rows[0]), rows[1:]
        if not body:
            return (1.0, width)
        agreeing = sum(len(row) == width for row in body) / len(body)
        marks = [r"\.", ","] if delimiter != "," else [r"\."]
        cells = [cell for row in body for cell in row if cell.strip()]
        numbers = sum(any(_NUMBER[mark].fullmatch(cell) for mark in marks) for cell in cells)
        return (agreeing + numbers / max(len(cells), 1), width)

    candidates = [mark for mark in _DELIMITERS if mark != decimal]
    parting = [mark for mark in candidates if mark in lines[0]]
    if parting:
        return max(parting, key=fit)
    unused = [mark for mark in candidates if not any(mark in line for line in lines)]
    return (unused or candidates)[0]


def _decimal(cells: list[str], delimiter: str) -> str:
    if delimiter == ",":
        return "."
    commas, dots = (sum(bool(_FRACTION[mark].fullmatch(cell)) for cell in cells) for mark in (",", r"\."))
    return "," if commas > dots else "."


def _column_names(row: list[str], path: Path) -> tuple[str, ...]:
    given = [name.strip() for name in row if name.strip()]
    numbered = given in ([str(i) for i in range(len(given))], [str(i + 1) for i in range(len(given))])
    if not numbered and all(_VALUE.fullmatch(name) for name in given):
        raise ValueError(f"{path} must start with a row of column names; got the values {', '.join(given[:4])}.")
    names = [name.strip() or f"Unnamed: {place}" for place, name in enumerate(row)]
    check_unique(names, path)
    return tuple(names)


def check_unique(names: Sequence[str], path: Path) -> None:
    """Raise ValueError if two columns have one name."""
    twice = [name for name, n in Counter(names).items() if n > 1]
    if twice:
        raise ValueError(f"{path} must name each column once; got {twice[0]!r} more than once.")


def _csv_frames(file: TableFile, chunk_rows: int | None, columns: Sequence[str] | None) -> "Iterator[pd.DataFrame]":
    import pandas as pd

    written = file.format
    options: dict[str, Any] = {
        "sep": written.delimiter,
        "decimal": written.decimal,
        "encoding": written.encoding,
        "names": list(written.columns),
        "dtype": {name: "str" for name in written.columns if _names_machines(name, file.options)},
        "usecols": None if columns is None else list(columns),
        "header": 0,
        "index_col": False,
        "low_memory": False,
        "skip_blank_lines": len(written.columns) > 1,  # of a single column, a blank line is a missing cell
    }
    if tuple(int(part) for part in pd.__version__.split(".")[:2]) < (3, 1):
        options["float_precision"] = "round_trip"  # the default since 3.1
    with warnings.catch_warnings():
        # A row with more fields than there are names would lose the last ones.
        warnings.filterwarnings("error", message="Length of header", category=pd.errors.ParserWarning)
        try:
            if chunk_rows is None:
                yield pd.read_csv(file.path, **options)
                return
            with pd.read_csv(file.path, chunksize=chunk_rows, **options) as reader:
                yield from reader
        except pd.errors.ParserWarning as error:
            raise ValueError("rows with more fields than there are column names") from error


def _names_machines(column: str, options: ReadOptions) -> bool:
    """Whether the cells are names even where they look like numbers: 01 is not 1."""
    if options.machine_column is not None:
        return column == options.machine_column
    return column.lower() in MACHINE_NAMES and column not in (options.channels or ())


def _parquet_columns(path: Path) -> tuple[str, ...]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        names = [str(name) for name in pq.read_schema(path).names]
    except (pa.ArrowInvalid, OSError) as error:
        raise ValueError(f"{path} must be a readable Parquet file; got: {error}") from error
    names = [name.strip() or f"Unnamed: {place}" for place, name in enumerate(names)]
    check_unique(names, path)
    return tuple(names)


def _parquet_frames(file: TableFile, chunk_rows: int | None, columns: Sequence[str] | None) -> "Iterator[pd.DataFrame]":
    import pyarrow as pa
    import pyarrow.parquet as pq

    # In chunks, pages are read as they are needed: a row group may be the whole file.
    how = {} if chunk_rows is None else {"pre_buffer": False, "buffer_size": _BLOCK_BYTES}
    with pq.ParquetFile(file.path, **how) as table:
        raw = table.schema_arrow.names
        wanted = [name for name, ours in zip(raw, file.columns, strict=True) if columns is None or ours in columns]
        names = [ours for ours in file.columns if columns is None or ours in columns]
        if chunk_rows is None:
            yield table.read(columns=wanted).to_pandas(ignore_metadata=True).set_axis(names, axis=1)
            return
        for group in range(table.num_row_groups):
            batches = table.iter_batches(batch_size=chunk_rows, row_groups=[group], columns=wanted, use_threads=False)
            for batch in batches:
                yield pa.Table.from_batches([batch]).to_pandas(ignore_metadata=True).set_axis(names, axis=1)
