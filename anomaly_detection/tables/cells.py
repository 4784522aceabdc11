"""From the cells of one column to numbers, truths, times or names.

**Conventions**: what is missing becomes NaN, NaT or None. Times are UTC without a zone, ``datetime64[ns]``. A time
format is "iso", a pattern of strptime, or the unit "s", "ms", "us", "ns" of a number since 1970.
"""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, cast

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

Kind = Literal["number", "boolean", "time", "text", "empty"]
_TRUE = frozenset({"1", "1.0", "true", "t", "yes", "y", "anomaly", "anomalous", "abnormal", "fault"})
_FALSE = frozenset({"0", "0.0", "false", "f", "no", "n", "normal", "ok"})
_DATE_FORMATS = ("%d.%m.%Y %H:%M:%S", "%d/%m/%Y %H:%M:%S", "%m/%d/%Y %H:%M:%S", "%Y/%m/%d %H:%M:%S")
_PATTERNS = tuple(p + end for p in _DATE_FORMATS for end in ("", ".%f")) + tuple(
    p.replace(":%S", "") for p in _DATE_FORMATS
)
_UNITS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
_UNIT_LIMITS = (("s", 1e11), ("ms", 1e14), ("us", 1e17), ("ns", 1e19))
_MAX_NS = 9.2e18
_OFFSET = re.compile(r":\d\d[\d.,:]*\s*[+-](\d\d:?(?:\d\d)?)$")
_SAMPLE_CELLS = 1000


@dataclass(frozen=True)
class Numbers:
    """A column read as numbers.

    Attributes
    ----------
    values : (n,) float64
        NaN where the cell is missing or text; infinities are kept.
    n_text : int
        Cells with text that is no number.
    first_text : tuple of int and str, optional
        Row, counted from 0, and content of the first of them.
    are_truths : bool
        Whether the cells are true and false, read as 1 and 0.
    """

    values: NDArray[np.float64]
    n_text: int
    first_text: tuple[int, str] | None
    are_truths: bool = False

    @property
    def is_mostly_text(self) -> bool:
        """Whether more cells hold text than numbers."""
        return self.n_text > int(np.count_nonzero(~np.isnan(self.values)))


def kind_of(column: "pd.Series", decimal: str) -> Kind:
    """Tell what most cells of a column hold."""
    from pandas.api import types

    if column.isna().all():
        return "empty"
    if types.is_datetime64_any_dtype(column.dtype):
        return "time"
    if _holds_truths(column):
        return "boolean"
    if types.is_numeric_dtype(column.dtype):
        return "text" if types.is_complex_dtype(column.dtype) else "number"
    return "text" if read_numbers(column, decimal).is_mostly_text else "number"


def read_numbers(column: "pd.Series", decimal: str) -> Numbers:
    """Read a column as numbers."""
    import pandas as pd
    from pandas.api import types

    if (truths := _holds_truths(column)) or types.is_numeric_dtype(column.dtype):
        return Numbers(column.to_numpy(np.float64, na_value=np.nan), 0, None, truths)
    cells = column.astype("str") if types.is_datetime64_any_dtype(column.dtype) else column
    text = cells.astype("object").map(str, na_action="ignore").str.strip() if len(cells) else cells
    written = text.str.replace(decimal, ".", regex=False) if decimal != "." and len(cells) else text
    values = pd.to_numeric(written, errors="coerce").to_numpy(np.float64, na_value=np.nan)
    wrong = np.flatnonzero(np.isnan(values) & column.notna().to_numpy(bool))
    first = (int(wrong[0]), str(text.iloc[wrong[0]])) if len(wrong) else None
    return Numbers(values, len(wrong), first)


def read_truths(column: "pd.Series", name: str, file: str) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Read a column of truths; return what is true and what is missing (both (n,) bool).

    Raises
    ------
    ValueError
        If a cell is neither true nor false nor missing.
    """
    missing = column.isna().to_numpy(bool)
    truth = np.zeros(len(column), bool)
    codes, words = _factorized(column)
    for code, word in enumerate(words):
        if word.lower() in _TRUE:
            truth[codes == code] = True
        elif word.lower() not in _FALSE:
            row = int(np.flatnonzero(codes == code)[0]) + 1
            raise ValueError(
                f"label column {name!r} must hold 0 or 1, false or true; got {word!r} in row {row} of {file}. "
                f"Exclude it, name another label column, or name it as the type column."
            )
    return truth, missing


def read_names(column: "pd.Series") -> NDArray[np.object_]:
    """Read a column as text, whole numbers without a point; None where a cell is missing or blank."""
    codes, words = _factorized(column)
    names = np.array([*words, None], object)
    names[[place for place, word in enumerate(words) if not word]] = None
    return cast(NDArray[np.object_], names[codes])


def _factorized(column: "pd.Series") -> tuple[NDArray[np.int64], list[str]]:
    """Codes (n,), -1 where missing, and the stripped text of each code."""
    import pandas as pd

    codes, unique = pd.factorize(column)
    return codes, [_word(value) for value in unique]


def _word(value: object) -> str:
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value).strip()


def _holds_truths(column: "pd.Series") -> bool:
    """Whether all cells that are not missing, and there are some, are true or false."""
    from pandas.api import types

    if column.dtype != object:
        return bool(types.is_bool_dtype(column.dtype))
    known = column.dropna()
    return len(known) > 0 and all(isinstance(value, bool | np.bool_) for value in known)


def time_format_of(column: "pd.Series") -> str | None:
    """Tell how a column writes times; None where most of its cells are none."""
    from pandas.api import types

    cells = column.dropna()
    if types.is_datetime64_any_dtype(column.dtype):
        return "iso"
    if not len(cells) or types.is_bool_dtype(column.dtype):
        return None
    if types.is_numeric_dtype(column.dtype):
        size = float(cells.abs().median())
        return next((unit for unit, limit in _UNIT_LIMITS if size < limit), None)
    best, share = _best_pattern(cells)
    return best if share > 0.5 else None


def is_partly_times(column: "pd.Series") -> bool:
    """Tell whether some cells of a column of text are times, but not most."""
    from pandas.api import types

    cells = column.dropna()
    if not len(cells) or types.is_numeric_dtype(column.dtype) or types.is_datetime64_any_dtype(column.dtype):
        return False
    return 0 < _best_pattern(cells)[1] <= 0.5


def _best_pattern(cells: "pd.Series") -> tuple[str, float]:
    """Find the pattern in which most cells are times, and the share of these."""
    sample = _sample(cells)
    read = {pattern: read_times(sample, pattern) for pattern in ("iso", *_PATTERNS)}
    # Of the patterns that fit equally (day first or month first) the one in which time runs most steadily forward.
    best = max(read, key=lambda pattern: (np.count_nonzero(~np.isnat(read[pattern])), -_spread(read[pattern])))
    return best, float(np.count_nonzero(~np.isnat(read[best])) / len(sample))


def guessed_date(column: "pd.Series", time_format: str) -> tuple[str, str] | None:
    """Return a cell, and its date as `time_format` reads it, where day and month might as well change places.

    None where the cells tell: the other order does not fit all of them, or time runs less steadily in it.
    """
    other = time_format.replace("%d/%m", "%m/%d") if "%d/%m" in time_format else time_format.replace("%m/%d", "%d/%m")
    if other == time_format:
        return None
    sample = _sample(column.dropna())
    ours, theirs = read_times(sample, time_format), read_times(sample, other)
    if (np.isnat(ours) != np.isnat(theirs)).any() or _spread(ours) != _spread(theirs):
        return None
    guessed = np.flatnonzero(~np.isnat(ours) & (ours != theirs))
    return (str(sample.iloc[guessed[0]]), str(ours[guessed[0]].astype("datetime64[D]"))) if len(guessed) else None


def _sample(cells: "pd.Series") -> "pd.Series":
    """About 1,000 cells from first to last: the first alone may all be of one day."""
    return cells.iloc[:: max(1, len(cells) // _SAMPLE_CELLS)]


def _spread(times: NDArray[np.datetime64]) -> float:
    known = times[~np.isnat(times)].astype(np.int64)
    return float(np.abs(np.diff(known.astype(np.float64))).sum())


def read_times(column: "pd.Series", time_format: str) -> NDArray[np.datetime64]:
    """Read a column as times, (n,) datetime64[ns]; NaT where a cell is missing or unreadable.

    Parameters
    ----------
    column : pandas.Series
        Of times, text or numbers.
    time_format : str
        What `time_format_of` told of the column.
    """
    import pandas as pd
    from pandas.api import types

    if time_format in _UNITS:
        return _times_of_numbers(read_numbers(column, "."), column, _UNITS[time_format])
    if types.is_datetime64_any_dtype(column.dtype):
        read = pd.to_datetime(column, utc=True)
    else:
        pattern = "ISO8601" if time_format == "iso" else time_format
        text = column.astype("object").map(str, na_action="ignore")
        read = pd.to_datetime(text, format=pattern, utc=True, errors="coerce")
        if read.isna().any() and len(text):
            read = pd.to_datetime(text.str.strip(" \t\"'"), format=pattern, utc=True, errors="coerce")
    return _in_ns(read.dt.tz_localize(None).to_numpy())


def written_otherwise(column: "pd.Series", times: NDArray[np.datetime64], time_format: str) -> int | None:
    """Find the first cell that tells a time, but not in the format in which `times` were read; None if there is none.

    Parameters
    ----------
    column : pandas.Series
        Of n cells.
    times : (n,) datetime64
        What `read_times` made of them in `time_format`.
    """
    unread = np.flatnonzero(np.isnat(times) & column.notna().to_numpy(bool))
    if not len(unread):
        return None
    cells = column.iloc[unread]
    told = ~np.isnat([read_times(cells, other) for other in ("iso", *_PATTERNS)]).all(axis=0)
    if time_format in _UNITS:  # a number out of reach is one of another unit
        told |= np.isfinite(read_numbers(cells, ".").values)
    found = unread[told]
    return int(found[0]) if len(found) else None


def has_offset(column: "pd.Series") -> bool:
    """Tell whether a column of times is told by clocks other than UTC's: of text, the first and the last cell say."""
    from pandas.api import types

    known = column.dropna()
    if not len(known) or types.is_numeric_dtype(column.dtype):
        return False
    if types.is_datetime64_any_dtype(column.dtype):
        ends = [known.iloc[place] for place in (0, -1)]
        return any(end.utcoffset() for end in ends)
    written = [_OFFSET.search(str(known.iloc[place]).strip(" \t\"'")) for place in (0, -1)]
    return any(found is not None and found[1].strip("0:") for found in written)


def _in_ns(times: NDArray[np.datetime64]) -> NDArray[np.datetime64]:
    """In nanoseconds; NaT where those cannot say it (before 1678 or after 2261)."""
    seconds = times.astype("datetime64[s]").astype(np.int64)
    with np.errstate(over="ignore"):
        result = times.astype("datetime64[ns]")
    result[np.isnat(times) | (np.abs(seconds.astype(np.float64)) * 1e9 > _MAX_NS)] = np.datetime64("NaT")
    return result


def _times_of_numbers(numbers: Numbers, column: "pd.Series", ns: int) -> NDArray[np.datetime64]:
    from pandas.api import types

    known = np.isfinite(numbers.values) & (np.abs(numbers.values) * ns < _MAX_NS)
    if types.is_integer_dtype(column.dtype):
        count = np.where(known, column.fillna(0).to_numpy(np.int64), 0) * ns
    else:  # a double holds about a quarter of a microsecond today: whole microseconds are what it can say
        count = np.round(np.where(known, numbers.values, 0.0) * (ns / 1e3)).astype(np.int64) * 1000
    times = count.astype("datetime64[ns]")
    times[~known] = np.datetime64("NaT")
    return times
