"""Which column of a run says what an export needs, by how such columns are called anywhere.

**Conventions**: a column fits a word that is its whole name or its end after ``_``: ``meta_image_file_name`` fits
``file_name``. Words are tried in order, columns in the table's order. A value that is missing or blank is None.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

WORDS: dict[str, tuple[str, ...]] = {
    "file_name": ("file_name", "filename", "image_path", "file_path"),
    "image_id": ("image_id",),
    "width": ("width_px", "image_width", "width"),
    "height": ("height_px", "image_height", "height"),
    "series": ("machine", "series", "device", "unit", "station"),
    "start": ("start_time", "window_start", "start"),
    "end": ("end_time", "window_end", "end"),
    "is_anomaly": ("is_anomaly",),
    "anomaly_type": ("anomaly_type",),
}


def find_column(names: Iterable[Any], role: str, given: Mapping[str, str] | None = None) -> str | None:
    """Find the column for a role of `WORDS`.

    Parameters
    ----------
    names : iterable of str
        Columns of the table.
    role : str
        A key of `WORDS`.
    given : mapping, optional
        From roles to columns that the user named; they are not guessed.

    Raises
    ------
    ValueError
        If a column that was named does not exist.

    Examples
    --------
    >>> find_column(["sample_id", "meta_image_width_px"], "width")
    'meta_image_width_px'
    """
    known = [str(name) for name in names]
    named = (given or {}).get(role)
    if named is not None:
        if named not in known:
            raise ValueError(f"column for {role} must exist; got {named!r}.")
        return named
    fits = (name for word in WORDS[role] for name in known if name == word or name.endswith(f"_{word}"))
    return next(fits, None)


def texts(table: "pd.DataFrame", column: str | None) -> list[str | None]:
    """Return a column's values as text, None where one is missing, or there is no column."""
    if column is None or column not in table:
        return [None] * len(table)
    missing = table[column].isna()
    return [
        None if none or not str(one).strip() else str(one) for one, none in zip(table[column], missing, strict=True)
    ]


def numbers(table: "pd.DataFrame", column: str | None) -> list[float | None]:
    """Return a column's values as numbers, None where one is missing or infinite, or there is no column."""
    import pandas as pd

    if column is None or column not in table:
        return [None] * len(table)
    values = pd.to_numeric(table[column], errors="coerce").to_numpy(np.float64, na_value=np.nan)
    return [float(value) if np.isfinite(value) else None for value in values]
