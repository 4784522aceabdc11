"""A recording as one table, with the columns that `read_series` knows by name."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from anomaly_detection.series import Series

if TYPE_CHECKING:
    import pandas as pd

TIME, MACHINE, MODE, LABEL, TYPE = "datetime", "machine", "operating_mode", "label", "anomaly_type"


def frame_of(series: Sequence[Series], channels: tuple[str, ...], *, mark_missing: bool) -> "pd.DataFrame":
    """Join the series; see `Recording.to_frame`.

    Raises
    ------
    ValueError
        If a channel bears the name of another column of the table.
    """
    import pandas as pd

    clash = [name for name in channels if name.lower() in (TIME, MACHINE, MODE, LABEL, TYPE)]
    if clash:
        raise ValueError(f"channels must not be called like a column of another use; got {clash[0]!r}.")
    columns: dict[str, Any] = {
        TIME: np.concatenate([part.times for part in series]),
        MACHINE: np.concatenate([np.full(len(part), part.name, object) for part in series]),
    }
    for place, name in enumerate(channels):
        columns[name] = np.concatenate([_cells(part, place, mark_missing) for part in series])
    if any(part.modes is not None for part in series):
        columns[MODE] = _optional(series, "modes")
    if any(part.labels is not None for part in series):
        columns[LABEL] = pd.array(_optional(series, "labels"), dtype="Int8")
    if any(part.types is not None for part in series):
        columns[TYPE] = _optional(series, "types")
    return pd.DataFrame(columns)


def _cells(part: Series, place: int, mark_missing: bool) -> Any:
    cells = part.values[:, place]
    return np.where(part.missing[:, place], np.nan, cells) if mark_missing and part.missing is not None else cells


def _optional(series: Sequence[Series], name: str) -> Any:
    arrays = [(getattr(part, name), len(part)) for part in series]
    return np.concatenate([np.full(n, None, object) if a is None else a.astype(object) for a, n in arrays])
