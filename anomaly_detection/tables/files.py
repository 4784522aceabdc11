"""Find and open the files of a table: CSV (also .csv.gz) or Parquet, one file or a folder of them.

**Conventions**: a folder is walked in sorted order, hidden files left out; any other file in it is an error, but for
the ``metadata.json`` that `prepare` writes. Where there is a file ``train``, the files are parts of a data set: train,
val and test come first, in the order of time.
How a CSV is written: `csv_format`. Names of columns are stripped; columns without a name are called "Unnamed: 3" after
their place, counted from 0.
"""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from anomaly_detection.splits import PARTS
from anomaly_detection.tables.csv_format import BLOCK_BYTES, CsvFormat, check_unique, sniff
from anomaly_detection.tables.options import MACHINE_NAMES, ReadOptions

if TYPE_CHECKING:
    import pandas as pd

METADATA_FILE = "metadata.json"
_SUFFIXES = (".csv", ".csv.gz", ".parquet")


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
    def format(self) -> CsvFormat:
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
        _ = self.columns  # says by itself what is wrong with the format
        try:
            if self.is_parquet:
                yield from _parquet_frames(self, chunk_rows, columns)
            else:
                yield from _csv_frames(self, chunk_rows, columns)
        except (ValueError, OSError) as error:  # pandas' and pyarrow's errors are ValueErrors, zlib's OSErrors
            reason = " ".join(str(error).split())
            raise ValueError(f"{self.path} must be a readable table; got: {reason}") from error


def list_table_files(path: Path, options: ReadOptions) -> tuple[TableFile, ...]:
    """Return the files of a table, sorted; the parts of a data set first, in the order of time.

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
    if any(file.name == PARTS[0] for file in found):
        found.sort(key=lambda file: PARTS.index(file.name) if file.name in PARTS else len(PARTS))
    return tuple(found)


def _check_suffix(file: Path) -> None:
    if not file.name.lower().endswith(_SUFFIXES):
        raise ValueError(f"Not valid file type: {file}; give a CSV or Parquet file, or a folder of nothing else.")


def _without_suffix(name: str) -> str:
    return next(name[: -len(suffix)] for suffix in _SUFFIXES if name.lower().endswith(suffix))


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
    how = {} if chunk_rows is None else {"pre_buffer": False, "buffer_size": BLOCK_BYTES}
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
