"""Rows of the recordings that stretches come from, read from the CSV files of the data.

**Conventions**: a file is a recording if it has a column of times (`TIMES`) and one with numbers. The column that says
whose row it is (`SERIES`) may be missing: then every row is everybody's. Columns that give the answer away (`ANSWERS`)
are left out. Rows are in the order of time.
"""

import re
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from latent_space.exports.columns import WORDS

if TYPE_CHECKING:
    import pandas as pd

    from latent_space.exports.time_ranges import TimeRange

TIMES = ("datetime", "timestamp", "time", "date")
SERIES = WORDS["series"]
ANSWERS = re.compile(r"label|anomal|changepoint|target|ground_truth", re.IGNORECASE)
_ROWS_BEFORE = 100


class Recordings:
    """The recordings below a data folder, or in a file.

    Parameters
    ----------
    root : Path, optional
        Nothing is found without one.
    """

    def __init__(self, root: Path | None) -> None:
        inside = sorted(root.rglob("*.csv")) if root is not None and root.is_dir() else [root]
        self._files = [file for file in inside if file is not None and file.is_file() and file.suffix.lower() == ".csv"]
        self._read = lru_cache(maxsize=4)(_read)

    def around(self, stretch: "TimeRange") -> "pd.DataFrame | None":
        """Return the rows of a stretch, and as much before and after: `time` and a column per channel.

        None where no recording has rows of the stretch. Without a start, the 100 rows up to its end.
        """
        for file in self._files:
            table = self._read(file)
            if table is None:
                continue
            rows = (
                table if stretch.series is None or "series" not in table else table[table["series"] == stretch.series]
            )
            if stretch.start is None:
                found = rows[rows["time"] <= stretch.end].tail(_ROWS_BEFORE)
                inside = found["time"] == stretch.end
            else:
                margin = stretch.end - stretch.start
                found = rows[rows["time"].between(stretch.start - margin, stretch.end + margin)]
                inside = found["time"].between(stretch.start, stretch.end)
            if inside.any():
                return found.drop(columns="series", errors="ignore").reset_index(drop=True)
        return None


def _read(file: Path) -> "pd.DataFrame | None":
    import pandas as pd

    try:
        table = pd.read_csv(file)
    except (ValueError, OSError):
        return None
    by_name = {str(name).lower(): name for name in table.columns}
    time = next((by_name[name] for name in TIMES if name in by_name), None)
    owner = next((by_name[name] for name in SERIES if name in by_name), None)
    if time is None:
        return None
    times = pd.to_datetime(table[time], errors="coerce", format="ISO8601")
    channels = table.drop(columns=[name for name in (time, owner) if name is not None]).select_dtypes("number")
    channels = channels[[name for name in channels.columns if not ANSWERS.search(str(name))]]
    if times.isna().all() or times.dt.tz is not None or channels.columns.empty:
        return None
    found = pd.concat([times.rename("time"), channels.drop(columns="time", errors="ignore")], axis=1)
    if owner is not None:
        found["series"] = table[owner].astype(str)
    return found.dropna(subset="time").sort_values("time", kind="stable").reset_index(drop=True)
