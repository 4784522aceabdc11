"""Write a table of sensor values as a CSV that `read_series` gives back to the last bit.

**Conventions**: numbers with the shortest digits that read back as the same; times in ISO format, with as many digits
as they need, milliseconds at least; missing cells empty; lines end with a line feed.
"""

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd


def write_csv(path: Path, frame: "pd.DataFrame") -> None:
    """Write a table as `DataFrame.to_csv` would, several times as fast; quotes stand where text needs them."""
    import pyarrow as pa
    from pyarrow import csv as pyarrow_csv

    kinds = {name: frame[name].dtype.kind for name in frame.columns}
    words = {str(word) for name, kind in kinds.items() if kind == "O" for word in frame[name].unique()}
    quoted = any(mark in word for word in words for mark in ',"\r\n')
    times = {name: iso_times(frame[name].to_numpy()) for name, kind in kinds.items() if kind == "M"}
    table = pa.Table.from_pandas(frame.assign(**times), preserve_index=False)
    options = pyarrow_csv.WriteOptions(include_header=False, quoting_style="needed" if quoted else "none")
    with path.open("wb") as file:
        header = io.StringIO()
        csv.writer(header, lineterminator="\n").writerow(frame.columns)
        file.write(header.getvalue().encode())
        pyarrow_csv.write_csv(table, file, options)


def iso_times(times: NDArray[np.datetime64]) -> NDArray[np.str_]:
    """Write times, none of them missing, as text.

    Examples
    --------
    >>> iso_times(np.array(["2026-01-01T08:00", "2026-01-01T08:00:00.0005"], "datetime64[ns]")).tolist()
    ['2026-01-01T08:00:00.000000', '2026-01-01T08:00:00.000500']
    """
    unit = next(unit for unit in ("ms", "us", "ns") if (times == times.astype(f"datetime64[{unit}]")).all())
    return np.datetime_as_string(times, unit=unit)  # type: ignore[call-overload, no-any-return]
