"""Read a table of any size in chunks, in file order, every row once: for scoring what does not fit into memory.

**Conventions**: one row out for every row in; nothing is dropped or sorted. Cells are repaired as `read_series` does it
(`anomaly_detection.series`), whatever the size of the chunks. What `read_series` would leave out, sort or cut shows in
`TableChunk.starts`: True in the first row of a machine (of a file, where no column names machines or times), after a
pause longer than ``max_gap_s``, and where time runs backward. No window may cross such a row.

Roles and the format of times are read off the first 1,000 rows of each file. A time written otherwise is refused:
it tells that those before it may have been misread. Only a table with a missing cell before the first value of its
channel is read twice: ahead, to find that value.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomaly_detection.tables import repairs
from anomaly_detection.tables.cells import written_otherwise
from anomaly_detection.tables.columns import Roles, find_roles, tell_guessed_dates
from anomaly_detection.tables.files import TableFile, list_table_files
from anomaly_detection.tables.filling import fill_forward, first_values, last_known, rows_by_group
from anomaly_detection.tables.options import DEFAULT_MAX_GAP_STEPS, ReadOptions
from anomaly_detection.tables.repairs import RepairLog, listed, repair_text
from anomaly_detection.tables.rows import names_of, read_values, times_of
from anomaly_detection.tables.stretches import DEFAULT_STEP_S, NO_TIME_COLUMN, step_sizes_s

DEFAULT_CHUNK_ROWS = 100_000
_HEAD_ROWS = 1000
_IGNORED = "{n} other column{s} ignored: {names}"
_BACKWARD = "{n} row{s} earlier than the row before scored as the start of a new series: sort the rows first"
_UNNAMED = repairs.NO_MACHINE + " scored as those of one machine"
_REPEATED = "{n} row{s} with the timestamp of the row before scored like any other"


@dataclass(frozen=True, eq=False)
class TableChunk:
    """Neighbouring rows of one file.

    Attributes
    ----------
    rows : (n,) int64
        Place of each row in the whole table, from 0, counted through all files.
    file : str
        Name of the file inside its folder, without suffix.
    times : (n,) datetime64[ns]
        NaT where the file has none that is readable.
    values : (n, n_channels) float64
        Finite, in the order of the channels.
    channels : tuple of str
        Names of the columns of `values`.
    missing : (n, n_channels) bool
        Cells that were filled.
    machines : (n,) object, optional
        Names, None where a cell is empty; None where no column names machines.
    starts : (n,) bool
        Rows that no window may reach behind.
    repairs : tuple of str
        What was repaired from the start of the table up to here, one sentence each.
    step_s : float, optional
        Seconds from row to row as the option or the first rows of the files tell; None where nothing does.
    """

    rows: NDArray[np.int64]
    file: str
    times: NDArray[np.datetime64]
    values: NDArray[np.float64]
    channels: tuple[str, ...]
    missing: NDArray[np.bool_]
    machines: NDArray[np.object_] | None
    starts: NDArray[np.bool_]
    repairs: tuple[str, ...]
    step_s: float | None

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.rows)


def iterate_table(
    path: Path | str,
    *,
    chunk_rows: int = DEFAULT_CHUNK_ROWS,
    options: ReadOptions | None = None,
    tell_order: bool = True,
    **changes: Any,
) -> Iterator[TableChunk]:
    """Yield a CSV file, a Parquet file, or all of a folder, in chunks.

    Parameters
    ----------
    path : path
        File or folder.
    chunk_rows : int
        Rows per chunk at most.
    options : ReadOptions, optional
        What the file does not tell; name the detector's channels here.
    tell_order : bool
        Whether `repairs` tell of pauses and of rows out of time: to who takes each row by itself it is all one.
    **changes
        Single options by name, instead of those in `options`.

    Raises
    ------
    FileNotFoundError
        If there is nothing at `path`.
    ValueError
        If a channel is missing, is text or has no value, or a file is no table.
    """
    if chunk_rows < 1:
        raise ValueError(f"chunk_rows must be at least 1; got {chunk_rows}.")
    settings = (options or ReadOptions()).changed(**changes)
    source = Path(path)
    files = list_table_files(source, settings)
    return _Stream(files, settings, source, chunk_rows, tell_order=tell_order).chunks()


class _Stream:
    """One pass over a table, with what it must remember of each machine."""

    def __init__(
        self, files: Sequence[TableFile], options: ReadOptions, source: Path, chunk_rows: int, *, tell_order: bool
    ) -> None:
        self.tell_order = tell_order
        self.files, self.options, self.source, self.chunk_rows = files, options, source, chunk_rows
        self.log = RepairLog()
        heads = [(file, next(file.frames(_HEAD_ROWS), None)) for file in files]
        tables = [(file, head) for file, head in heads if head is not None and len(head)]
        if len(tables) < len(files):
            empty = next(file for file, head in heads if head is None or not len(head))
            raise ValueError(f"{empty.path} must hold at least one row below the column names; got none.")
        self.roles: Roles = find_roles(tables, options, RepairLog())
        tell_guessed_dates(tables, self.roles, self.log)
        self.told_step_s = options.step_s or self._step(tables)
        self.step_s = self.told_step_s or DEFAULT_STEP_S
        if self.roles.time is None:
            self.log.add(repair_text(NO_TIME_COLUMN, step=f"{self.step_s:g}"))
        roles = self.roles
        used = {roles.time, roles.machine, roles.kind, roles.mode, *roles.labels, *roles.channels}
        columns = dict.fromkeys(name for file in files for name in file.columns)
        others = [name for name in columns if name not in used and not name.startswith("Unnamed: ")]
        self.log.add(repair_text(_IGNORED, names=listed(others)), len(others))
        self.last_values: dict[object, NDArray[np.float64]] = {}
        self.last_times: dict[object, np.datetime64] = {}
        self.rows_of: dict[object, int] = {}
        self.ahead: dict[object, NDArray[np.float64]] | None = None

    def _step(self, tables: Sequence[tuple[TableFile, Any]]) -> float | None:
        """Median step of the heads, if times tell it."""
        steps = []
        for _, head in tables:
            times = times_of(head, self.roles)
            if times is not None:
                order, starts = rows_by_group(names_of(head, self.roles.machine), len(times))
                group = np.repeat(np.arange(len(starts)), np.diff([*starts, len(times)]))
                steps.append(step_sizes_s(times[order], group))
        known = np.concatenate(steps) if steps else np.zeros(0)
        return float(np.median(known)) if len(known) else None

    def frames(self) -> Iterator[tuple[TableFile, int, Any]]:
        """Pieces of the files with the row at which each starts in its file, of the columns in use alone."""
        for file in self.files:
            wanted = {*self.roles.channels, self.roles.time, self.roles.machine}
            columns = [name for name in file.columns if name in wanted]
            first_row = 0
            for frame in file.frames(self.chunk_rows, columns):
                yield file, first_row, frame
                first_row += len(frame)

    def chunks(self) -> Iterator[TableChunk]:
        """Every row of every file."""
        n_before = 0
        for file, first_row, frame in self.frames():
            if not len(frame):
                continue
            raw = read_values(file, frame, self.roles.channels, self.log, first_row=first_row)
            machines = names_of(frame, self.roles.machine)
            if machines is not None:
                self.log.add(_UNNAMED, sum(name is None for name in machines.tolist()), file.name)
            order, starts = rows_by_group(machines, len(frame))
            keys = [self._key(file, machines, int(order[start])) for start in starts]
            values = np.empty_like(raw)
            values[order] = self._filled(raw[order], starts, keys, file)
            times = self._times(file, frame, first_row)
            is_start = np.zeros(len(frame), bool)
            if times is None:
                times = np.empty(len(frame), "datetime64[ns]")
                times[order], is_start[order] = self._steps(len(frame), starts, keys)
            else:
                is_start[order] = self._stretch_starts(times[order], starts, keys, file)
            rows = np.arange(n_before, n_before + len(frame))
            n_before += len(frame)
            yield TableChunk(
                rows=rows,
                file=file.name,
                times=times,
                values=values,
                channels=self.roles.channels,
                missing=np.isnan(raw),
                machines=machines,
                starts=is_start,
                repairs=self.log.sentences(),
                step_s=self.told_step_s,
            )

    def _times(self, file: TableFile, frame: Any, first_row: int) -> NDArray[np.datetime64] | None:
        """Read the times of a piece; what the first rows told of their format must hold for all."""
        times = times_of(frame, self.roles, self.log)
        if times is None or self.roles.time is None or self.roles.time_format is None:
            return None
        cells = frame[self.roles.time]
        if (row := written_otherwise(cells, times, self.roles.time_format)) is not None:
            raise ValueError(
                f"times must be written alike in all rows; got {str(cells.iloc[row])!r} in row {first_row + row + 1} "
                f"of {file.path}, where the first rows tell the format {self.roles.time_format!r}."
            )
        wrong = np.flatnonzero(np.isnat(times) & cells.notna().to_numpy(bool))
        example = f"{str(cells.iloc[wrong[0]])!r} in row {first_row + wrong[0] + 1}" if len(wrong) else None
        self.log.add(repairs.NO_TIME, int(np.isnat(times).sum()), file.name, example=example)
        return times

    def _key(self, file: TableFile, machines: NDArray[np.object_] | None, row: int) -> object:
        """Tell one machine from another: by its name; by its file, where there is no name or no time."""
        name = None if machines is None else machines[row]
        return (file.name if machines is None or self.roles.time is None else None, name)

    def _filled(
        self, values: NDArray[np.float64], starts: NDArray[np.int64], keys: list[object], file: TableFile
    ) -> NDArray[np.float64]:
        """Fill cells with what the machine sent last, in this chunk or before."""
        unknown = np.full(values.shape[1], np.nan)
        last = np.array([self.last_values.get(key, unknown) for key in keys])
        filled, _ = fill_forward(values, starts, last)
        n_leading = int(np.isnan(filled).sum())
        if n_leading:
            ahead = self._values_ahead()
            lead = np.array([ahead[key] for key in keys])
            filled, _ = fill_forward(values, starts, np.where(np.isnan(last), lead, last))
        self.log.add(repairs.MISSING, int(np.isnan(values).sum()) - n_leading, file.name)
        self.log.add(repairs.LEADING, n_leading, file.name)
        ends = [*(starts[1:] - 1).tolist(), len(values) - 1]
        self.last_values.update({key: filled[end].copy() for key, end in zip(keys, ends, strict=True)})
        return filled

    def _values_ahead(self) -> dict[object, NDArray[np.float64]]:
        """First value of each channel of each machine, else of the table, from a pass of its own."""
        if self.ahead is not None:
            return self.ahead
        found: dict[object, NDArray[np.float64]] = {}
        overall = np.full(len(self.roles.channels), np.nan)
        for file, _, frame in self.frames():
            if not len(frame):
                continue
            machines = names_of(frame, self.roles.machine)
            order, starts = rows_by_group(machines, len(frame))
            raw = read_values(file, frame, self.roles.channels, RepairLog())
            first = first_values(raw[order], starts)
            for start, values in zip(starts.tolist(), first, strict=True):
                key = self._key(file, machines, int(order[start]))
                found[key] = np.where(np.isnan(found[key]), values, found[key]) if key in found else values
                overall = np.where(np.isnan(overall), values, overall)
        if np.isnan(overall).any():
            empty = [name for name, value in zip(self.roles.channels, overall, strict=True) if np.isnan(value)]
            raise ValueError(f"channels must have a value in {self.source}; got none in {', '.join(empty)}.")
        self.ahead = {key: np.where(np.isnan(values), overall, values) for key, values in found.items()}
        return self.ahead

    def _steps(
        self, n: int, starts: NDArray[np.int64], keys: list[object]
    ) -> tuple[NDArray[np.datetime64], NDArray[np.bool_]]:
        """Return times by the place of each row on its machine, and where a machine starts."""
        place = np.empty(n, np.int64)
        for start, stop, key in zip(starts, [*starts[1:], n], keys, strict=True):
            before = self.rows_of.get(key, 0)
            place[start:stop] = before + np.arange(stop - start)
            self.rows_of[key] = before + int(stop - start)
        times = np.round(place * (self.step_s * 1e9)).astype(np.int64).astype("datetime64[ns]")
        return times, place == 0

    def _stretch_starts(
        self, times: NDArray[np.datetime64], starts: NDArray[np.int64], keys: list[object], file: TableFile
    ) -> NDArray[np.bool_]:
        """Where a machine starts, pauses, or goes back in time."""
        limit_s = self.options.max_gap_s or DEFAULT_MAX_GAP_STEPS * self.step_s
        limit = np.timedelta64(round(limit_s * 1e9), "ns")
        is_start = np.zeros(len(times), bool)
        for start, stop, key in zip(starts, [*starts[1:], len(times)], keys, strict=True):
            part = times[start:stop]
            begins = key not in self.last_times
            before = np.r_[self.last_times.get(key, np.datetime64("NaT", "ns")), part]
            known = last_known(~np.isnat(before), np.zeros(len(before), np.int64))
            before = before[np.maximum(known, 0)]
            steps = np.diff(before)
            backward, pause = steps < np.timedelta64(0), steps > limit
            is_start[start:stop] = backward | pause
            is_start[start] |= begins
            if self.tell_order:
                repeated = (steps == np.timedelta64(0)) & ~np.isnat(part)
                self.log.add(_BACKWARD, int(backward.sum()), file.name)
                self.log.add(_REPEATED, int(repeated.sum()), file.name)
                self.log.add(repair_text(repairs.PAUSES, limit=f"{limit_s:g}"), int(pause.sum()), file.name)
            self.last_times[key] = before[-1]
        return is_start
