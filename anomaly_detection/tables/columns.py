"""What each column of a table is: time, machine, label, kind of anomaly, mode, channel, or none of these.

**Conventions**: names given in the options are compared exactly (without spaces around them), default names without
regard to case. A column is no channel when it

- has a role, is excluded, or is called `changepoint` or `anomaly_score`;
- has no value in any file, or no name;
- is an identifier (`id`, `num`, `no`, `nr`, `index`, `idx`, `row` with whole numbers) or a counter, which would tell a
  detector the position instead of the state: over at least 100 rows of the first machine it grows by equal steps, or
  takes at least 20 whole numbers and falls at most once in a hundred changes;
- holds mostly text, times, or true and false.

Each column left out is reported. Columns given as channels may be identifiers, counters or truths, but not text.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

import numpy as np

from anomaly_detection.tables.cells import (
    guessed_date,
    is_partly_times,
    kind_of,
    read_names,
    read_numbers,
    time_format_of,
)
from anomaly_detection.tables.files import TableFile
from anomaly_detection.tables.options import MACHINE_NAMES, ReadOptions
from anomaly_detection.tables.repairs import RepairLog, listed, repair_text

if TYPE_CHECKING:
    import pandas as pd

LABEL_NAMES = ("label", "anomaly", "is_anomaly")
TYPE_NAMES = ("anomaly_type",)
MODE_NAMES = ("operating_mode",)
TIME_NAMES = ("datetime", "timestamp", "date_time", "time", "_time", "ts", "created_at", "date")
_NEVER_CHANNELS = ("changepoint", "anomaly_score")
_ID_NAMES = ("id", "num", "no", "nr", "index", "idx", "row")
_COUNTER_ROWS = 100
_COUNTER_VALUES = 20
_COUNTER_FALLS = 0.01

_EMPTY = "{n} column{s} without a value left out: {names}"
_BLANK = "{n} column{s} without a name or a value left out"
_UNNAMED = "{n} column{s} without a name left out"
_GUESSED = "day and month are a guess: {cell!r} is read as {date}; write the times as 2026-12-31 if it is wrong"
_LEFT_OUT = "column {column!r} left out: {reason}"


@dataclass(frozen=True)
class Roles:
    """The columns of a table by what they are for; None where there is none.

    Attributes
    ----------
    time : str or None
        Column of the times.
    time_format : str or None
        How it writes them, see `cells`.
    machine, kind, mode : str or None
        Columns of the machine, the anomaly's type, the operating mode.
    labels : tuple of str
        Columns that are true where the row is anomalous.
    channels : tuple of str
        In the order asked for, else in that of the first file.
    """

    time: str | None
    time_format: str | None
    machine: str | None
    kind: str | None
    mode: str | None
    labels: tuple[str, ...]
    channels: tuple[str, ...]


Table = tuple[TableFile, "pd.DataFrame"]


def find_roles(tables: Sequence[Table], options: ReadOptions, log: RepairLog) -> Roles:
    """Find the role of every column.

    Raises
    ------
    ValueError
        If a named column is absent, a channel is text, no column is a channel, or the files differ in their channels.
    """
    columns = list(dict.fromkeys(name for _, frame in tables for name in frame.columns))
    _check_named(tables, columns, options)
    machine = options.machine_column or _by_name(columns, MACHINE_NAMES, options)
    kind = options.type_column or _by_name(columns, TYPE_NAMES, options)
    mode = options.mode_column or _by_name(columns, MODE_NAMES, options)
    labels = options.label_columns
    if labels is None:
        found = _by_name([name for name in columns if name != kind], LABEL_NAMES, options)
        labels = () if found is None else (found,)
    known = [name for name in (machine, kind, mode, *labels) if name is not None]
    time, time_format = _time_column(tables, [name for name in columns if name not in known], options)
    roles = Roles(time, time_format, machine, kind, mode, labels, ())
    taken = {*known, time, *options.exclude}
    if options.channels is None:
        channels = _channels(tables, [name for name in columns if name not in taken], roles, log)
    else:
        channels = _given_channels(tables, tuple(options.channels), taken)
    return Roles(time, time_format, machine, kind, mode, labels, channels)


def _by_name(columns: Iterable[str], names: Sequence[str], options: ReadOptions) -> str | None:
    """First column that bears one of the default names, the earlier name first."""
    free = [name for name in columns if name not in (*options.exclude, *(options.channels or ()))]
    by_lower = {name.lower(): name for name in reversed(free)}
    return next((by_lower[name] for name in names if name in by_lower), None)


def _check_named(tables: Sequence[Table], columns: Sequence[str], options: ReadOptions) -> None:
    """Every column named in the options is in all files, or, where a file may lack it, in one."""
    everywhere = {
        "datetime_column": (options.datetime_column,),
        "machine_column": (options.machine_column,),
        "channels": options.channels or (),
    }
    for option, names in everywhere.items():
        for file, frame in tables:
            if absent := [name for name in names if name is not None and name not in frame.columns]:
                raise ValueError(_absent(option, absent, file, list(frame.columns)))
    somewhere = {
        "label_column": options.label_columns or (),
        "type_column": (options.type_column,),
        "mode_column": (options.mode_column,),
        "exclude": options.exclude,
    }
    for option, names in somewhere.items():
        if absent := [name for name in names if name is not None and name not in columns]:
            raise ValueError(_absent(option, absent, tables[0][0], columns))


def _absent(option: str, absent: Sequence[str], file: TableFile, columns: Sequence[str]) -> str:
    named = ", ".join(name for name in columns if not name.startswith("Unnamed: "))
    return f"{option} must name columns of {file.path}; got {', '.join(absent)}, which it lacks. It has {named}."


def _time_column(
    tables: Sequence[Table], columns: Sequence[str], options: ReadOptions
) -> tuple[str | None, str | None]:
    file, frame = tables[0]
    if (given := options.datetime_column) is not None:
        if (time_format := time_format_of(_of_all(tables, given))) is None:
            raise ValueError(f"datetime_column must hold times; got {given!r} of {file.path}, whose cells are none.")
        return given, time_format
    named = [name for default in TIME_NAMES if (name := _by_name(columns, (default,), options)) in frame]
    written = [name for name in columns if name in frame and not _is_number(frame[name])]
    taken = (*options.exclude, *(options.channels or ()))
    for name in dict.fromkeys([*named, *written]):
        if name is None or name in taken or (name.lower() == "date" and _is_number(frame[name])):
            continue
        if (time_format := time_format_of(_of_all(tables, name))) is not None:
            for other, table in tables:
                if name not in table.columns:
                    raise ValueError(_absent("datetime_column", [name], other, list(table.columns)))
            return name, time_format
    if partly := [name for name in named if name is not None and is_partly_times(_of_all(tables, name))]:
        raise ValueError(
            f"most times in {file.path} must be readable; got others in half of the column {partly[0]!r} or more. "
            f"Mend them, or exclude the column to take rows as steps."
        )
    return None, None


def tell_guessed_dates(tables: Sequence[Table], roles: Roles, log: RepairLog) -> None:
    """Log it where nothing in a table tells day from month."""
    if roles.time is None or roles.time_format is None:
        return
    if (guess := guessed_date(_of_all(tables, roles.time), roles.time_format)) is not None:
        log.add(repair_text(_GUESSED, cell=guess[0], date=guess[1]))


def _of_all(tables: Sequence[Table], name: str) -> "pd.Series":
    """Join a column of all files that have it."""
    import pandas as pd

    parts = [frame[name] for _, frame in tables if name in frame.columns]
    return parts[0] if len(parts) == 1 else pd.concat(parts, ignore_index=True)


def _is_number(column: "pd.Series") -> bool:
    from pandas.api import types

    return bool(types.is_numeric_dtype(column.dtype))


def _given_channels(tables: Sequence[Table], channels: tuple[str, ...], taken: set[str | None]) -> tuple[str, ...]:
    for name in channels:
        if name in taken or name.lower() in _NEVER_CHANNELS:
            raise ValueError(f"channels must not name a column that has another use; got {name!r}.")
    for file, frame in tables:
        for name in channels:
            numbers = read_numbers(frame[name], file.decimal)
            if numbers.first_text is not None and numbers.is_mostly_text:
                row, value = numbers.first_text
                raise ValueError(
                    f"channels must name columns of numbers; got {name!r}, with {value!r} in row {row + 1} of "
                    f"{file.path}."
                )
    return channels


def _channels(tables: Sequence[Table], columns: Sequence[str], roles: Roles, log: RepairLog) -> tuple[str, ...]:
    kinds = {name: [kind_of(frame[name], file.decimal) for file, frame in tables if name in frame] for name in columns}
    reasons = {name: _reason_to_leave_out(name, kinds[name], tables, roles) for name in columns}
    chosen = [name for name, reason in reasons.items() if reason is None]
    empty = [name for name, reason in reasons.items() if reason == _EMPTY]
    for name, reason in reasons.items():
        if reason == _EMPTY:
            log.add(repair_text(_EMPTY, names=listed(empty)))
        elif reason in (_BLANK, _UNNAMED):
            log.add(reason)
        elif reason is not None:
            log.add(repair_text(_LEFT_OUT, column=name, reason=reason))
    _check_same_channels(tables, chosen)
    if not chosen:
        names = ", ".join(tables[0][1].columns)
        raise ValueError(f"{tables[0][0].path} must have a column of numbers to be a channel; got the columns {names}.")
    return tuple(chosen)


def _reason_to_leave_out(name: str, kinds: Sequence[str], tables: Sequence[Table], roles: Roles) -> str | None:
    numbers = [frame[name] for _, frame in tables if name in frame.columns]
    is_empty = set(kinds) == {"empty"}
    if name.startswith("Unnamed: "):
        return _BLANK if is_empty else _UNNAMED
    if is_empty:
        return _EMPTY
    if name.lower() in (*_NEVER_CHANNELS, *LABEL_NAMES):
        return "never a channel"
    if "text" in kinds:
        return "text"
    if "time" in kinds:
        return "times"
    if "boolean" in kinds:
        return "true or false; name it as a label column if it says what is wrong"
    whole = all(_is_whole(column) for column in numbers)
    if whole and (name.lower() in _ID_NAMES):
        return "an identifier"
    long = [
        frame for _, frame in tables if name in frame.columns and len(_of_one_machine(frame, roles)) >= _COUNTER_ROWS
    ]
    if long and all(_is_counter(_of_one_machine(frame, roles)[name]) for frame in long):
        return "a counter"
    return None


def _of_one_machine(frame: "pd.DataFrame", roles: Roles) -> "pd.DataFrame":
    if roles.machine is None or roles.machine not in frame.columns or not len(frame):
        return frame
    names = read_names(frame[roles.machine])
    return cast("pd.DataFrame", frame[names == names[0]])


def _is_whole(column: "pd.Series") -> bool:
    if not _is_number(column):
        return False
    values = column.dropna().to_numpy(np.float64)
    return bool(np.all(np.isfinite(values)) and np.all(values == np.round(values)))


def _is_counter(column: "pd.Series") -> bool:
    if not _is_number(column):
        return False
    values = column.dropna().to_numpy(np.float64)
    steps = np.diff(values)
    if not len(steps) or not np.all(np.isfinite(values)) or steps.max() <= 0:
        return False
    if np.all(values == np.round(values)) and len(np.unique(values)) >= _COUNTER_VALUES:
        return bool(np.count_nonzero(steps < 0) <= _COUNTER_FALLS * np.count_nonzero(steps))
    return bool(steps.min() > 0 and np.ptp(steps) <= 1e-6 * steps.max())


def _check_same_channels(tables: Sequence[Table], channels: Sequence[str]) -> None:
    for file, frame in tables:
        if absent := [name for name in channels if name not in frame.columns]:
            raise ValueError(
                f"all files must have the same channels; {file.path} lacks {', '.join(absent)}. "
                f"Name the channels that all have, or exclude these."
            )
