"""Features of the recent past for each channel, and the time of day as a point on a circle.

**Conventions**: causal: a row depends on itself and on earlier rows of its machine alone. The window is shorter in the
first rows of a machine; there the standard deviation of a single row, and the difference from no row, are 0. The
standard deviation divides by n - 1, as pandas does. A missing cell counts as the last value of its channel on its
machine (before the first value: as that value); the columns given are returned as they are.
"""

from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from anomaly_detection.tables.filling import fill_forward, first_values, rows_by_group

if TYPE_CHECKING:
    import pandas as pd

_NOT_CHANNELS = ("id", "machine", "operating_mode", "label", "anomaly", "is_anomaly", "anomaly_type", "changepoint")
_BLOCK_ROWS = 100_000


def add_feature_engineering(df: "pd.DataFrame", window: int = 10) -> "pd.DataFrame":
    """Add rolling statistics, differences and the time of day.

    Parameters
    ----------
    df : pandas.DataFrame
        Rows in the order of time (of each machine, where there is a column `machine`; others are refused, not sorted),
        with a column `datetime` or an index of times. Its numeric columns are channels, but for identifiers, labels
        and types.
    window : int
        Rows of the rolling statistics.

    Returns
    -------
    pandas.DataFrame
        All columns of `df` and, for each channel, ``<channel>_rolling_mean_<window>``,
        ``<channel>_rolling_std_<window>`` and ``<channel>_diff``; then `hour_sin` and `hour_cos`, in [-1, 1].

    Raises
    ------
    TypeError
        If `df` is no DataFrame.
    ValueError
        If the window is shorter than 1 row, there are no times or no channels, the time of a machine goes back, a
        channel has no value at all on a machine, or a column would be overwritten.

    Examples
    --------
    >>> import pandas as pd
    >>> times = pd.date_range("2026-01-01 06:00", periods=3, freq="s")
    >>> features = add_feature_engineering(pd.DataFrame({"datetime": times, "x": [1.0, 3.0, 8.0]}), window=2)
    >>> features["x_rolling_mean_2"].tolist(), features["x_diff"].tolist(), features["hour_sin"].round(3).tolist()
    ([1.0, 2.0, 5.5], [0.0, 2.0, 5.0], [1.0, 1.0, 1.0])
    """
    channels = _channels_of(df, window)
    machines = df["machine"].to_numpy(object) if "machine" in df.columns else None
    order, starts = rows_by_group(machines, len(df))
    times = _times(df)
    _check_order(times.to_numpy("datetime64[ns]")[order], starts)
    values = _values(df, channels, order, starts)
    back = np.empty(len(order), np.int64)
    back[order] = np.arange(len(order))
    added: dict[str, NDArray[np.float64]] = {}
    for place, name in enumerate(channels):
        mean, deviation, change = _rolling(values[:, place], starts, window)
        added[f"{name}_rolling_mean_{window}"] = mean[back]
        added[f"{name}_rolling_std_{window}"] = deviation[back]
        added[f"{name}_diff"] = change[back]
    hour = _hours(times)
    added |= {"hour_sin": np.sin(2 * np.pi * hour / 24), "hour_cos": np.cos(2 * np.pi * hour / 24)}
    if clash := [name for name in added if name in df.columns]:
        raise ValueError(f"df must not have the column {clash[0]!r} yet; drop it to make the features again.")
    return df.assign(**cast(dict[str, Any], added))


def _channels_of(df: "pd.DataFrame", window: int) -> list[str]:
    """Check the arguments, and find the columns to make features of."""
    import pandas as pd

    if not isinstance(df, pd.DataFrame):
        raise TypeError(f"df must be a pandas DataFrame with times and channels; got {type(df).__name__}.")
    if window < 1:
        raise ValueError(f"window must be at least 1 row; got {window}.")
    numeric = df.select_dtypes("number", exclude=["timedelta"]).columns
    channels = [name for name in numeric if str(name).lower() not in _NOT_CHANNELS]
    if not channels or not len(df):
        raise ValueError(f"df must have rows and a numeric column that is a channel; got {len(df)} rows.")
    return channels


def _rolling(values: NDArray[np.float64], starts: NDArray[np.int64], window: int) -> tuple[NDArray[np.float64], ...]:
    """Mean, standard deviation and difference of each row's window (n,), group by group."""
    mean, deviation, change = np.empty_like(values), np.zeros_like(values), np.zeros_like(values)
    for start, stop in zip(starts.tolist(), [*starts[1:].tolist(), len(values)], strict=True):
        part = values[start:stop]
        change[start + 1 : stop] = np.diff(part)
        for row in range(min(window - 1, len(part))):
            seen = part[: row + 1]
            mean[start + row] = seen.mean()
            deviation[start + row] = seen.std(ddof=1) if row else 0.0
        for first in range(window - 1, len(part), _BLOCK_ROWS):
            block = part[first - window + 1 : first + _BLOCK_ROWS]
            windows = np.lib.stride_tricks.sliding_window_view(block, window)
            rows = slice(start + first, start + first + len(windows))
            mean[rows] = windows.mean(axis=1)
            deviation[rows] = windows.std(axis=1, ddof=1) if window > 1 else 0.0
    return mean, deviation, change


def _values(
    df: "pd.DataFrame", channels: list[str], order: NDArray[np.int64], starts: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Channels (n, c), machine after machine, without a missing cell."""
    values = df[channels].to_numpy(np.float64, na_value=np.nan)[order]
    values[np.isinf(values)] = np.nan
    values, _ = fill_forward(values, starts, first_values(values, starts))
    if np.isnan(values).any():
        empty = channels[int(np.flatnonzero(np.isnan(values).any(axis=0))[0])]
        raise ValueError(f"df must have a value of each channel for each machine; got none of {empty!r} for one.")
    return values


def _times(df: "pd.DataFrame") -> "pd.DatetimeIndex":
    import pandas as pd

    if "datetime" in df.columns:
        times = pd.DatetimeIndex(pd.to_datetime(df["datetime"]))
    elif isinstance(df.index, pd.DatetimeIndex):
        times = df.index
    else:
        raise ValueError("df must have a column 'datetime' or an index of times; got neither.")
    if times.hasnans:
        raise ValueError("df must have a time in every row; got rows without one.")
    return times


def _check_order(times: NDArray[np.datetime64], starts: NDArray[np.int64]) -> None:
    """Refuse times (n,), machine after machine, that go back: the rows before would be those that come after."""
    goes_back = np.diff(times) < np.timedelta64(0)
    goes_back[starts[1:] - 1] = False
    if goes_back.any():
        row = int(np.flatnonzero(goes_back)[0])
        raise ValueError(
            f"df must be in the order of time, on each machine; got {times[row + 1]} after {times[row]}."
            " Sort it by its times first."
        )


def _hours(times: "pd.DatetimeIndex") -> NDArray[np.float64]:
    """Hour of the day of each row, with its fraction."""
    hours = times.hour + times.minute / 60 + (times.second + times.microsecond / 1e6) / 3600
    return hours.to_numpy(np.float64)
