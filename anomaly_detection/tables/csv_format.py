"""How a CSV is written: its delimiter, decimal mark, encoding and column names, read off the file unless given.

**Conventions**: the first quarter of a megabyte is looked at (for the encoding: all of the file). A CSV starts with a
row of column names; they are stripped, columns without a name are called "Unnamed: 3" after their place, from 0.
"""

import codecs
import csv
import gzip
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from anomaly_detection.tables.options import ReadOptions

BLOCK_BYTES = 2**22
_DELIMITERS = (",", ";", "\t", "|")
_SAMPLE_BYTES = 2**18
_SAMPLE_LINES = 200
_NUMBER = {mark: re.compile(rf"\s*[+-]?(\d+({mark}\d*)?|{mark}\d+)([eE][+-]?\d+)?\s*") for mark in (r"\.", ",")}
_FRACTION = {mark: re.compile(rf"\s*[+-]?\d*{mark}\d+([eE][+-]?\d+)?\s*") for mark in (r"\.", ",")}
_VALUE = re.compile(r"[+-]?[\d.,]+([eE][+-]?\d+)?|\d{4}-\d\d-\d\d.*")


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
                block = file.read(BLOCK_BYTES)
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
