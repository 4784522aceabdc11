"""What is known of a window besides the detector's answer: named scalars by which failures can be told apart.

**Conventions**: every sample has the same keys; a value that does not exist is None: the spread of a single row, a mode
nobody recorded, a label of unlabelled data. Statistics of a channel are in raw units, over the rows of the sample's
context: its window and, where that is short, what came before. Slopes are per second, frequencies in Hz, standard
deviations those of the population. The hour is a fraction, 13.5 for half past one, and lies on a circle as sine and
cosine. Weekdays are names, for they are no quantities. Start and end are ISO 8601, to as many digits as each needs.
"""

import re
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from anomaly_detection.series import Series

Metadata = dict[str, str | float | None]
Types = dict[str, type[str] | type[float]]
MOST_CHANNELS = 150  # code-loader takes fewer than 800 keys

WINDOW_TYPES: Types = {
    "machine": str,
    "start": str,
    "end": str,
    "operating_mode": str,
    "hour": float,
    "hour_sin": float,
    "hour_cos": float,
    "weekday": str,
    "missing_share": float,
}
LABEL_TYPES: Types = {"anomaly_type": str, "anomalous_share": float}
_STATISTICS = ("mean", "std", "slope", "peak_hz")
_WEEKDAYS = ("Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday")  # 1970-01-01 was a Thursday
_LEAST_ROWS = 8
_UNITS = ("s", "ms", "us")


def channel_types(keys: Sequence[str]) -> Types:
    """Type of every key of `channel_metadata`."""
    return {f"{statistic}_{key}": float for key in keys[:MOST_CHANNELS] for statistic in _STATISTICS}


def window_metadata(series: Series, rows: slice) -> Metadata:
    """Say whose rows these are, when they were measured, and how many cells were filled.

    Parameters
    ----------
    series : Series
    rows : slice
        The context; its last row is the newest.

    Returns
    -------
    dict
        Keys of `WINDOW_TYPES`. ``missing_share`` is a share of the cells: 0 where none was missing, None where nobody
        counted them.
    """
    newest = rows.stop - 1
    time = series.times[newest].astype("datetime64[ns]").astype(np.int64)
    day, rest = divmod(int(time), 86_400 * 10**9)
    hour = rest / (3600 * 10**9)
    angle = 2 * np.pi * hour / 24
    return {
        "machine": series.name,
        "start": _iso(series.times[rows.start or 0]),
        "end": _iso(series.times[newest]),
        "operating_mode": None if series.modes is None else _text(series.modes[newest]),
        "hour": hour,
        "hour_sin": float(np.sin(angle)),
        "hour_cos": float(np.cos(angle)),
        "weekday": _WEEKDAYS[day % 7],
        "missing_share": None if series.missing is None else float(series.missing[rows].mean()),
    }


def channel_metadata(values: NDArray[np.float64], keys: Sequence[str], *, step_s: float) -> Metadata:
    """Describe the course of every channel.

    Parameters
    ----------
    values : (n_rows, n_channels)
        Raw units.
    keys : sequence of str
        Name of each channel; those beyond `MOST_CHANNELS` are left out.
    step_s : float
        Seconds from row to row.

    Returns
    -------
    dict
        Per channel ``mean``, ``std``, ``slope`` (of the least-squares line, per second) and ``peak_hz`` (the
        frequency at which the course without that line is strongest). The last three need several rows, the last
        eight and a course that is not straight.

    Examples
    --------
    >>> found = channel_metadata(np.array([[0.0], [2.0], [4.0]]), ["x"], step_s=0.5)
    >>> found["mean_x"], round(found["slope_x"], 9), found["peak_hz_x"]
    (2.0, 4.0, None)
    """
    values = values[:, :MOST_CHANNELS]
    n = len(values)
    mean, std = values.mean(axis=0), values.std(axis=0)
    if n < 2:
        nothing = [None] * values.shape[1]
        return _per_channel(keys, mean.tolist(), nothing, nothing, nothing)
    time = (np.arange(n) - (n - 1) / 2) * step_s
    slope = time @ (values - mean) / (time @ time)
    rest = values - mean - time[:, None] * slope
    return _per_channel(keys, mean.tolist(), std.tolist(), slope.tolist(), _peaks(rest, std, step_s))


def label_metadata(anomaly_type: str | None, labels: NDArray[np.bool_] | None) -> Metadata:
    """Say what the newest row is, and which share of the context is anomalous; None without labels."""
    return {"anomaly_type": anomaly_type, "anomalous_share": None if labels is None else float(labels.mean())}


def unique_keys(names: Iterable[str]) -> tuple[str, ...]:
    """Make a key of every name: letters, digits and ``_`` only, no two alike.

    Examples
    --------
    >>> unique_keys(["Temp (°C)", "Temp [°C]", "axis_1"])
    ('Temp_C', 'Temp_C_2', 'axis_1')
    """
    keys: list[str] = []
    for name in names:
        stem = re.sub(r"\W+", "_", name).strip("_") or "channel"
        key, number = stem, 1
        while key in keys:
            number += 1
            key = f"{stem}_{number}"
        keys.append(key)
    return tuple(keys)


def _peaks(rest: NDArray[np.float64], std: NDArray[np.float64], step_s: float) -> list[float | None]:
    if len(rest) < _LEAST_ROWS:
        return [None] * rest.shape[1]
    power = np.abs(np.fft.rfft(rest, axis=0))[1:]
    frequencies = np.fft.rfftfreq(len(rest), step_s)[1:]
    is_curved = rest.std(axis=0) > 1e-9 * np.maximum(std, np.finfo(float).tiny)
    return [float(frequencies[k]) if ok else None for k, ok in zip(power.argmax(axis=0), is_curved, strict=True)]


def _per_channel(keys: Sequence[str], *columns: Sequence[float | None]) -> Metadata:
    return {
        f"{statistic}_{key}": value
        for key, *values in zip(keys, *columns, strict=False)
        for statistic, value in zip(_STATISTICS, values, strict=True)
    }


def _iso(time: np.datetime64) -> str:
    unit = next((unit for unit in _UNITS if time == time.astype(f"datetime64[{unit}]")), "ns")
    return str(time.astype(f"datetime64[{unit}]"))


def _text(value: object) -> str | None:
    return None if value is None or value != value else str(value)
