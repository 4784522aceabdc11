"""From the files of a table to a `Recording`: read, joined by machine, sorted, filled, cut where time pauses.

**Conventions**: the policies are those of `anomaly_detection.series`. A group is a machine, or a file where no column
names machines (or times); once sorted, its rows stand together.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomaly_detection.series import Recording, Series
from anomaly_detection.tables import repairs
from anomaly_detection.tables.columns import Roles, find_roles, tell_guessed_dates
from anomaly_detection.tables.files import TableFile
from anomaly_detection.tables.filling import fill_forward, first_values
from anomaly_detection.tables.options import DEFAULT_MAX_GAP_STEPS, ReadOptions
from anomaly_detection.tables.repairs import RepairLog, repair_text
from anomaly_detection.tables.rows import TableRows, concatenate_rows, read_rows

DEFAULT_STEP_S = 1.0
NO_TIME_COLUMN = "no column of times: rows are steps of {step} s from 1970"
_UNORDERED = "{n} row{s} earlier than the row before sorted into place"
_DUPLICATES = "{n} row{s} with a duplicate timestamp left out, the first row of each kept"
_NO_STEP = "no two rows tell the step: it is taken to be 1 s"
_NO_VALUE = "channel {column!r} without a value dropped"
_CONSTANT = "channel {column!r} is constant; it is kept"

Ints = NDArray[np.int64]
Times = NDArray[np.datetime64]


@dataclass(frozen=True, eq=False)
class _Groups:
    """Rows (n) of all files with the group of each; `names` are those of the groups."""

    rows: TableRows
    times: Times
    group: Ints
    file: Ints
    names: tuple[str, ...]

    @property
    def starts(self) -> Ints:
        """First row of each group, once the groups stand together."""
        return np.flatnonzero(np.r_[True, np.diff(self.group) != 0])

    def take(self, kept: NDArray[Any]) -> "_Groups":
        """Keep the given rows, in the given order."""
        rows = self.rows.take(kept)
        return replace(self, rows=rows, times=self.times[kept], group=self.group[kept], file=self.file[kept])


class _Reader:
    """Builds one recording; keeps what every step needs."""

    def __init__(self, files: Sequence[TableFile], options: ReadOptions, source: Path) -> None:
        self.files, self.options, self.source = files, options, source
        self.log = RepairLog()

    def count(self, sentence: str, file_of_rows: Ints) -> None:
        """Count one repair for each of the given rows, told by the files they are in."""
        for place, n in enumerate(np.bincount(file_of_rows, minlength=len(self.files)).tolist()):
            self.log.add(sentence, n, self.files[place].name)

    def joined(self) -> tuple[_Groups, Roles]:
        """All rows of all files in file order, those of no machine left out."""
        tables = [(file, next(file.frames(None))) for file in self.files]
        for file, frame in tables:
            if not len(frame):
                raise ValueError(f"{file.path} must hold at least one row below the column names; got none.")
        roles = find_roles(tables, self.options, self.log)
        tell_guessed_dates(tables, roles, self.log)
        parts = [read_rows(file, frame, roles, self.log) for file, frame in tables]
        file_of = np.repeat(np.arange(len(parts)), [len(part.values) for part in parts])
        rows = concatenate_rows(parts)
        del tables, parts
        group, names = self._group(rows, file_of, roles)
        self.count(repairs.NO_MACHINE + " left out", file_of[group < 0])
        times = rows.times if rows.times is not None else self._steps(group)
        groups = _Groups(replace(rows, times=None, machines=None), times, group, file_of, names)
        return (groups.take(group >= 0) if (group < 0).any() else groups), roles

    def _group(self, rows: TableRows, file_of: Ints, roles: Roles) -> tuple[Ints, tuple[str, ...]]:
        """Group of each row, -1 for a row of no machine, and the groups' names."""
        import pandas as pd

        if rows.machines is None:
            return file_of, tuple(file.name for file in self.files)
        machine, names = pd.factorize(rows.machines)
        if roles.time is not None or len(self.files) == 1:
            return machine, tuple(str(name) for name in names)
        key = np.where(machine < 0, -1, file_of * len(names) + machine)  # without times, files do not continue
        keys, group = np.unique(key, return_inverse=True)
        if keys[0] < 0:
            keys, group = keys[1:], group - 1
        return group, tuple(str(names[int(k) % len(names)]) for k in keys)

    def _steps(self, group: Ints) -> Times:
        """Time of each row by its place in its group."""
        import pandas as pd

        step = self.options.step_s or DEFAULT_STEP_S
        self.log.add(repair_text(NO_TIME_COLUMN, step=f"{step:g}"))
        place = pd.Series(group).groupby(group).cumcount().to_numpy()
        return np.round(place * (step * 1e9)).astype(np.int64).astype("datetime64[ns]")

    def sorted(self, groups: _Groups) -> _Groups:
        """Group by group in the order of time, each time once."""
        unreadable = np.isnat(groups.times)
        used = ~unreadable | ~np.isnan(groups.rows.values).all(axis=1)  # an empty row is no row that lacks its time
        if 2 * np.count_nonzero(unreadable & used) > np.count_nonzero(used):
            raise ValueError(
                f"most times in {self.source} must be readable; got {np.count_nonzero(unreadable & used)} rows without "
                f"one of {np.count_nonzero(used)}. Mend them, or exclude the column of times to take rows as steps."
            )
        self.count(repairs.NO_TIME + " left out", groups.file[unreadable])
        if unreadable.any():
            groups = groups.take(~unreadable)
        if not len(groups.times):
            raise ValueError(f"{self.source} must hold at least one row with a time and a machine; got none.")
        if (np.diff(groups.group) < 0).any():
            groups = groups.take(np.argsort(groups.group, kind="stable"))
        same = np.diff(groups.group) == 0
        backward = same & (np.diff(groups.times) < np.timedelta64(0))
        self.count(_UNORDERED, groups.file[1:][backward])
        if backward.any():
            groups = groups.take(np.lexsort((groups.times, groups.group)))
        repeated = (np.diff(groups.group) == 0) & (np.diff(groups.times) == np.timedelta64(0))
        if 2 * np.count_nonzero(repeated) > len(groups.times):
            raise ValueError(
                f"the times in {self.source} must tell rows apart; got {np.count_nonzero(repeated)} repeated ones of "
                f"{len(groups.times)}. Name the column of machines or a finer column of times."
            )
        self.count(_DUPLICATES, groups.file[1:][repeated])
        return groups.take(np.r_[True, ~repeated]) if repeated.any() else groups

    def channels(self, groups: _Groups, roles: Roles) -> tuple[_Groups, tuple[str, ...]]:
        """Drop the channels without any value."""
        known: NDArray[np.bool_] = ~np.all(np.isnan(groups.rows.values), axis=0)
        if known.all():
            return groups, roles.channels
        empty = [name for name, has in zip(roles.channels, list(known), strict=True) if not has]
        if self.options.channels is not None or not known.any():
            raise ValueError(f"channels must have a value in {self.source}; got none in {', '.join(empty)}.")
        for name in empty:
            self.log.add(repair_text(_NO_VALUE, column=name))
        kept = tuple(name for name in roles.channels if name not in empty)
        return replace(groups, rows=replace(groups.rows, values=groups.rows.values[:, known])), kept

    def filled(self, groups: _Groups) -> tuple[NDArray[np.float64], NDArray[np.bool_] | None]:
        """Values without a missing cell, and which ones were (None where none was)."""
        values = groups.rows.values
        missing = np.isnan(values)
        if not missing.any():
            return values, None
        lead = first_values(values, groups.starts)
        lead = np.where(np.isnan(lead), first_values(values, np.zeros(1, np.int64)), lead)
        filled, leading = fill_forward(values, groups.starts, lead)
        self.count(repairs.MISSING, groups.file[np.nonzero(missing & ~leading)[0]])
        self.count(repairs.LEADING, groups.file[np.nonzero(leading)[0]])
        return filled, missing

    def step(self, groups: _Groups, roles: Roles) -> tuple[float, bool]:
        """Seconds from row to row, and whether anything tells them."""
        if self.options.step_s is not None:
            return self.options.step_s, True
        steps = step_sizes_s(groups.times, groups.group)
        if not len(steps):
            self.log.add(_NO_STEP)
            return DEFAULT_STEP_S, False
        return float(np.median(steps)), roles.time is not None

    def borders(self, groups: _Groups, step_s: float) -> list[int]:
        """Where each series starts, and the end."""
        limit_s = self.options.max_gap_s or DEFAULT_MAX_GAP_STEPS * step_s
        pause = (np.diff(groups.group) == 0) & (np.diff(groups.times).astype(np.float64) > limit_s * 1e9)
        self.count(repair_text(repairs.PAUSES, limit=f"{limit_s:g}"), groups.file[1:][pause])
        starts = np.union1d(groups.starts, np.flatnonzero(pause) + 1)
        return [*starts.tolist(), len(groups.times)]


def build_recording(files: Sequence[TableFile], options: ReadOptions, source: Path) -> Recording:
    """Read files into one recording; see `anomaly_detection.series` for what is repaired and what is refused."""
    reader = _Reader(files, options, source)
    groups, roles = reader.joined()
    groups, channels = reader.channels(reader.sorted(groups), roles)
    values, missing = reader.filled(groups)
    for place, name in enumerate(channels):
        if len(values) > 1 and values[:, place].min() == values[:, place].max():
            reader.log.add(repair_text(_CONSTANT, column=name))
    step_s, step_is_told = reader.step(groups, roles)
    borders = reader.borders(groups, step_s)
    unlabelled = _groups_without(groups.rows.labelled, groups)
    series = []
    for start, stop in pairwise(borders):
        cut, group = slice(start, stop), int(groups.group[start])
        optional = {name: getattr(groups.rows, name) for name in ("labels", "types", "modes")}
        if group in unlabelled:
            optional |= {"labels": None, "types": None}
        optional = {name: None if array is None else array[cut] for name, array in optional.items()}
        part = np.ascontiguousarray(values[cut])
        gone = None if missing is None else missing[cut]
        series.append(Series(groups.names[group], groups.times[cut], part, channels, missing=gone, **optional))
    return Recording(tuple(series), channels, step_s, reader.log.sentences(), source, step_is_told)


def _groups_without(known: NDArray[np.bool_] | None, groups: _Groups) -> set[int]:
    """Find the groups without a single known row."""
    everyone = set(groups.group[groups.starts].tolist())
    return everyone if known is None else everyone - set(groups.group[known].tolist())


def step_sizes_s(times: Times, group: Ints) -> NDArray[np.float64]:
    """Seconds between neighbouring rows of one group, where time runs forward."""
    inside = np.diff(group) == 0
    known = ~np.isnat(times[1:]) & ~np.isnat(times[:-1])
    steps: NDArray[np.float64] = np.diff(times)[inside & known].astype(np.int64) / 1e9
    return steps[steps > 0]
