"""The table of a simulation, and its files.

**Conventions**: one row per machine and step, machine after machine, each in order of time. Columns: `datetime`
(datetime64[ms], no zone), `machine`, the channels (float64, rounded to 4 decimals so that a CSV loses nothing),
`operating_mode` where the machine has one, `label` (0 or 1) and `anomaly_type` ("normal" where the label is 0).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from anomaly_detection.series import NORMAL
from anomaly_detection.tables.writing import write_csv
from latent_space.run_folder import replaced_files

if TYPE_CHECKING:
    import pandas as pd

_DECIMALS = 4


@dataclass(frozen=True, eq=False)
class Telemetry:
    """What one machine measured.

    Attributes
    ----------
    machine : str
        Its name.
    values : (n_steps, n_channels) float64 array
        Readings.
    codes : (n_steps,) int8 array
        0 where normal, else 1 + position of the anomaly's type.
    modes : (n_steps,) int8 array or None
        Position of the operating mode.
    """

    machine: str
    values: npt.NDArray[np.float64]
    codes: npt.NDArray[np.int8]
    modes: npt.NDArray[np.int8] | None = None


def build_table(
    telemetry: Sequence[Telemetry],
    times: npt.NDArray[np.datetime64],
    *,
    channels: Sequence[str],
    types: Sequence[str],
    modes: Sequence[str] = (),
) -> "pd.DataFrame":
    """Put the machines below each other.

    Parameters
    ----------
    telemetry : sequence of Telemetry
        At least one machine.
    times : (n_steps,) datetime64[ms] array
        The same for all machines.
    channels, types, modes : sequences of str
        Names that columns, codes and modes refer to.

    Returns
    -------
    DataFrame
        With the columns that the module describes.
    """
    import pandas as pd

    codes = np.concatenate([each.codes for each in telemetry])
    numbers = np.repeat(np.arange(len(telemetry)), len(times))
    values = np.round(np.concatenate([each.values for each in telemetry]), _DECIMALS)
    columns: dict[str, object] = {
        "datetime": np.tile(times, len(telemetry)),
        "machine": _words([each.machine for each in telemetry], numbers),
        **dict(zip(channels, values.T, strict=True)),
    }
    if modes:
        found = [each.modes for each in telemetry if each.modes is not None]
        columns["operating_mode"] = _words(modes, np.concatenate(found))
    columns["label"] = (codes > 0).astype(np.int64)
    columns["anomaly_type"] = _words([NORMAL, *types], codes)
    return pd.DataFrame(columns)


def step_times(start: str | np.datetime64, n_steps: int, *, step_s: float) -> npt.NDArray[np.datetime64]:
    """Return `n_steps` times from `start` on, in milliseconds.

    Raises
    ------
    ValueError
        If `start` is not a date.
    """
    try:
        first = np.datetime64(str(start), "ms")
    except ValueError as error:
        raise ValueError(f'start must be a date such as "2026-01-01" or "2026-01-01T08:00"; got {start!r}.') from error
    if np.isnat(first):
        raise ValueError(f'start must be a date such as "2026-01-01"; got {start!r}.')
    times: npt.NDArray[np.datetime64] = first + np.arange(n_steps) * np.timedelta64(round(1000 * step_s), "ms")
    return times


def write_simulation(frame: "pd.DataFrame", path: str | Path) -> Path:
    """Write a simulated table to a CSV or Parquet file, by the suffix; missing folders are made.

    Parameters
    ----------
    frame : DataFrame
        From `simulate_rig` or `simulate_arm`.
    path : str or Path
        Ends in .csv or .parquet. An existing file is replaced once the new one is complete.

    Returns
    -------
    Path
        Of the file.

    Raises
    ------
    ValueError
        If the suffix is another one.
    """
    path = Path(path)
    if path.suffix.lower() not in {".csv", ".parquet"}:
        raise ValueError(f"path must end in .csv or .parquet; got {path}.")
    path.parent.mkdir(parents=True, exist_ok=True)
    with replaced_files() as temporary:
        if path.suffix.lower() == ".parquet":
            frame.to_parquet(temporary(path), index=False)
        else:
            write_csv(temporary(path), frame)
    return path


def _words(names: Sequence[str], codes: npt.NDArray[np.integer]) -> "pd.Series[str]":
    """Return a column of names."""
    import pandas as pd

    return pd.Series(pd.Categorical.from_codes(codes, categories=pd.Index(list(names)))).astype("str")
