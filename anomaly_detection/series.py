"""Sensor values over time: `Series`, `Recording`, and `read_series`, which reads them from CSV or Parquet files.

**Conventions**: times are UTC without a zone, ``datetime64[ns]``, strictly increasing within a series; values
(n_steps, n_channels) float64 and finite. A label is true where something is wrong; elsewhere the type is "normal".

**What is repaired**, each kind told in one sentence of `Recording.repairs`:

- Rows without a readable timestamp or without a machine are left out. If more than half of the rows have no readable
  timestamp, the table is refused.
- Where nothing tells day from month (all rows of 03/04/2026), the day comes first, and the guess is told.
- Rows are sorted by time within their machine; of rows with one timestamp the first of the file is kept. If more than
  half of the rows would go, the table is refused: its times do not tell its rows apart.
- A pause longer than ``max_gap_s`` (10 steps) starts a new series of the same name, so no window crosses it.
- Infinities, and text in a column of numbers, count as missing. A missing cell takes the last value of its channel on
  that machine, also across a pause (causal); one before the machine's first value takes that first value, one of a
  channel that the machine never sends the first of the whole table. `Series.missing` tells which cells were filled.
- Channels without any value are dropped (asked for by name: refused). Constant channels are kept.
- A missing label counts as normal; a machine without a single label is unlabelled.
- Without a column of times, rows are steps of ``step_s`` (1 s) from 1970, file by file.

Which columns are channels, labels and so on: `tables.columns`. How a CSV is written: `tables.csv_format`. A machine's
rows are joined over all files of a folder; without a column of machines
each file is a machine of its own, named by its path in the folder without suffix ("valve1/0").
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anomaly_detection.tables.files import list_table_files
from anomaly_detection.tables.options import ReadOptions

if TYPE_CHECKING:
    import pandas as pd

NORMAL, ANOMALY = "normal", "anomaly"  # types: of what is not wrong, and of what is without being named


@dataclass(frozen=True, eq=False)
class Series:
    """One uninterrupted stretch of one machine.

    Attributes
    ----------
    name : str
        Of the machine; several stretches may share it.
    times : (n_steps,) datetime64[ns]
        Strictly increasing.
    values : (n_steps, n_channels) float64
        Finite, in the units of the file.
    channels : tuple of str
        Names of the columns of `values`.
    labels : (n_steps,) bool, optional
        True where anomalous.
    types : (n_steps,) object, optional
        Kind of anomaly, "normal" where there is none.
    modes : (n_steps,) object, optional
        Operating mode, None where it is not known.
    missing : (n_steps, n_channels) bool, optional
        Cells of `values` that were filled.
    """

    name: str
    times: NDArray[np.datetime64]
    values: NDArray[np.float64]
    channels: tuple[str, ...]
    labels: NDArray[np.bool_] | None = None
    types: NDArray[np.object_] | None = None
    modes: NDArray[np.object_] | None = None
    missing: NDArray[np.bool_] | None = None

    def __post_init__(self) -> None:
        """Check that the arrays belong together."""
        n, c = len(self.times), len(self.channels)
        if self.values.shape != (n, c):
            raise ValueError(f"values must be ({n}, {c}), a row per time; got {self.values.shape}.")
        if self.missing is not None and self.missing.shape != (n, c):
            raise ValueError(f"missing must be ({n}, {c}) like the values; got {self.missing.shape}.")
        for option in ("labels", "types", "modes"):
            array = getattr(self, option)
            if array is not None and array.shape != (n,):
                raise ValueError(f"{option} must be ({n},), one per time; got {array.shape}.")
        if not np.isfinite(self.values).all():
            raise ValueError(f"values must be finite; got NaN or infinity in the series {self.name!r}.")
        if np.isnat(self.times).any() or not (np.diff(self.times) > np.timedelta64(0)).all():
            raise ValueError(f"times must increase from row to row; got others in the series {self.name!r}.")

    def __len__(self) -> int:
        """Return the number of steps."""
        return len(self.times)

    def rows(self, start: int, stop: int) -> "Series":
        """Return the steps from `start` up to, not including, `stop`."""
        cut = slice(start, stop)
        optional = {
            name: None if (array := getattr(self, name)) is None else array[cut]
            for name in ("labels", "types", "modes", "missing")
        }
        return Series(self.name, self.times[cut], self.values[cut], self.channels, **optional)


@dataclass(frozen=True, eq=False)
class Recording:
    """All series of a table.

    Attributes
    ----------
    series : tuple of Series
        Machines in the order in which they occur, each in the order of time.
    channels : tuple of str
        Shared by all series.
    step_s : float
        Seconds from row to row.
    repairs : tuple of str
        What was set right, one sentence each.
    source : Path
        What was read.
    step_is_told : bool
        Whether times or an option tell the step; else it is taken to be 1 s.
    """

    series: tuple[Series, ...]
    channels: tuple[str, ...]
    step_s: float
    repairs: tuple[str, ...]
    source: Path
    step_is_told: bool = True

    @cached_property
    def n_rows(self) -> int:
        """Rows of all series."""
        return sum(len(series) for series in self.series)

    @property
    def machines(self) -> tuple[str, ...]:
        """Names of the machines, each once."""
        return tuple(dict.fromkeys(series.name for series in self.series))

    def to_frame(self, *, mark_missing: bool = False) -> "pd.DataFrame":
        """Return all rows as a table with the columns `read_series` knows by name.

        Parameters
        ----------
        mark_missing : bool
            Leave the cells empty that were filled, instead of giving what filled them.

        Returns
        -------
        pandas.DataFrame
            ``datetime, machine, <channels>`` and, where any series has them, ``operating_mode, label`` (0, 1 or
            missing) and ``anomaly_type``.
        """
        from anomaly_detection.tables.frame import frame_of

        return frame_of(self.series, self.channels, mark_missing=mark_missing)


def read_series(path: Path | str, *, options: ReadOptions | None = None, **changes: Any) -> Recording:
    """Read a CSV file, a Parquet file, or all of a folder.

    Parameters
    ----------
    path : path
        File or folder.
    options : ReadOptions, optional
        What the file does not tell.
    **changes
        Single options by name, instead of those in `options`: ``read_series(path, label_column="fault")``.

    Raises
    ------
    FileNotFoundError
        If there is nothing at `path`.
    TypeError
        If an option is unknown.
    ValueError
        If a file is no table, has no row or no channel, lacks a column that was named, or cannot be made sense of.
    """
    from anomaly_detection.tables.stretches import build_recording

    source = Path(path)
    settings = (options or ReadOptions()).changed(**changes)
    return build_recording(list_table_files(source, settings), settings, source)
