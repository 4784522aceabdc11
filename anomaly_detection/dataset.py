"""The samples of the anomaly task: windows of a recording that end at the row which is scored, split by split.

**Conventions**: a sample is a series and the position of its newest row; its window holds that row and those before it,
and no window crosses from one series to another. Which rows belong to which split: see `parts`. Sample ids read
``machine3:2026-01-01T00:10:00``, the time of the newest row, to as many digits as the times need; a split's name comes
first where two splits share an id.

Every `stride`-th row of a series is a sample, and so is the last row of every anomalous episode, so that none is lost
between two samples. Where a split has more than `max_samples`, a seeded choice is kept in which anomalous samples go
first, up to half the places (more where normal ones are fewer); a warning says so.
"""

import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from anomaly_detection.config import AnomalyConfig
from anomaly_detection.parts import read_parts
from anomaly_detection.series import ANOMALY, NORMAL, Recording, Series
from anomaly_detection.tables.options import ReadOptions

_UNITS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
_MOST_NAME = 200  # code-loader takes ids of up to 256 characters


@dataclass(frozen=True, eq=False)
class Sample:
    """A window, by its newest row.

    Attributes
    ----------
    sample_id : str
    series : Series
    row : int
        Position of the newest row in the series.
    """

    sample_id: str
    series: Series
    row: int

    @property
    def time(self) -> np.datetime64:
        """When the newest row was measured."""
        time: np.datetime64 = self.series.times[self.row]
        return time

    @property
    def label(self) -> bool | None:
        """Whether the newest row is anomalous; None where nobody said."""
        return None if self.series.labels is None else bool(self.series.labels[self.row])

    @property
    def anomaly_type(self) -> str | None:
        """Type of the newest row: "normal", "anomaly" where the data names no types; None without labels."""
        if self.label is None:
            return None
        return _types(self.series, np.array([self.row]))[0]

    def rows(self, n_rows: int) -> slice:
        """Positions of the newest `n_rows` rows, fewer at the start of a series."""
        return slice(max(0, self.row - n_rows + 1), self.row + 1)

    def window(self, window_size: int) -> NDArray[np.float32]:
        """Values (window_size, n_channels); the first row is repeated where the series has no earlier ones."""
        values = self.series.values[self.rows(window_size)]
        return _padded(values, window_size).astype(np.float32)

    def window_labels(self, window_size: int) -> NDArray[np.float32]:
        """Labels (window_size,) of the rows of the window, 0 or 1; empty where the series has none."""
        if self.series.labels is None:
            return np.array([], np.float32)
        return _padded(self.series.labels[self.rows(window_size)], window_size).astype(np.float32)


@dataclass(frozen=True, eq=False)
class AnomalyData:
    """The samples of every split, and what the training rows look like.

    Attributes
    ----------
    splits : dict
        Split -> its samples.
    channels : tuple of str
        In the model's order.
    types : tuple of str
        Of anomalies, sorted; "normal" is none.
    step_s : float
        Seconds from row to row.
    center, scale : ndarray of shape (n_channels,)
        Mean and standard deviation of the normal training rows, for pictures; 1 where a channel is constant.
    """

    splits: dict[str, tuple[Sample, ...]]
    channels: tuple[str, ...]
    types: tuple[str, ...]
    step_s: float
    center: NDArray[np.float64]
    scale: NDArray[np.float64]


def load_data(
    config: AnomalyConfig, *, window_size: int | None = None, channels: Sequence[str] | None = None
) -> AnomalyData:
    """Read the recording and choose the samples of every split.

    Parameters
    ----------
    config : AnomalyConfig
    window_size : int, optional
        By default the configured one.
    channels : sequence of str, optional
        The model's, in its order; by default all that the training data has.

    Raises
    ------
    FileNotFoundError
        If there is no data.
    ValueError
        If the data cannot be read, lacks a channel, or leaves training or validation without a row.
    """
    window_size = window_size or config.window_size
    recordings = _read(config, channels)
    parts = {split: recording.series for split, recording in recordings.items()}
    candidates = {split: _all_rows(series, window_size, config) for split, series in parts.items()}
    chosen = {split: _choose_rows(parts[split], found, config, split) for split, found in candidates.items()}
    _tell_draws({split: (len(found), sum(map(len, candidates[split]))) for split, found in chosen.items()})
    names = _sample_ids(parts, chosen)
    splits = {
        split: tuple(
            Sample(name, parts[split][number], row) for name, (number, row) in zip(names[split], pairs, strict=True)
        )
        for split, pairs in chosen.items()
    }
    center, scale = _statistics(parts["training"])
    training = recordings["training"]
    return AnomalyData(splits, training.channels, _all_types(parts), training.step_s, center, scale)


def _read(config: AnomalyConfig, channels: Sequence[str] | None) -> dict[str, Recording]:
    """Read every split that has rows, with the given channels in their order."""
    options = ReadOptions().changed(**config.read)
    if channels is not None and options.channels is None:
        options = options.changed(channels=tuple(channels))
    parts = dict(read_parts(config.data, options=options, ratios=config.fractions).items())
    for split in ("training", "validation"):
        if split not in parts:
            raise ValueError(f"{config.data} must have rows for {split}; got none.")
    wanted = tuple(channels or parts["training"].channels)
    return {split: _select(recording, wanted) for split, recording in parts.items()}


def _select(recording: Recording, channels: tuple[str, ...]) -> Recording:
    """Bring the channels into the model's order."""
    missing = [name for name in channels if name not in recording.channels]
    if missing:
        raise ValueError(
            f"{recording.source} must have the model's channels {', '.join(channels)}; {', '.join(missing)} missing."
        )
    order = [recording.channels.index(name) for name in channels]
    series = tuple(
        replace(
            one,
            channels=channels,
            values=one.values[:, order],
            # The reader gives no mask where no cell was missing.
            missing=np.broadcast_to(False, (len(one), len(order))) if one.missing is None else one.missing[:, order],
        )
        for one in recording.series
    )
    return replace(recording, channels=channels, series=series)


def _tell_draws(counts: Mapping[str, tuple[int, int]]) -> None:
    """Warn of the splits that are a choice of a larger number of windows."""
    drawn = [f"{kept:,} of {n:,} windows of {split}" for split, (kept, n) in counts.items() if kept < n]
    if drawn:
        warnings.warn(f"max_samples: {', '.join(drawn)} are used, anomalous ones first.", stacklevel=3)


def _all_rows(series: Sequence[Series], window_size: int, config: AnomalyConfig) -> list[NDArray[np.int64]]:
    """Find the rows of each series that may be samples."""
    return [_candidates(one, window_size, config.stride or window_size) for one in series]


def _choose_rows(
    series: Sequence[Series], rows: Sequence[NDArray[np.int64]], config: AnomalyConfig, split: str
) -> list[tuple[int, int]]:
    """Choose the samples of a split: pairs of number of the series and row, in order."""
    numbers = np.repeat(np.arange(len(rows)), [len(found) for found in rows])
    positions = np.concatenate([np.empty(0, np.int64), *rows])
    limit = config.max_samples.get(split)
    if limit is not None and len(positions) > limit:
        flags = [_flags(one)[found] for one, found in zip(series, rows, strict=True)]
        kept = _choose(np.concatenate(flags), limit, config.seed)
        numbers, positions = numbers[kept], positions[kept]
    return list(zip(numbers.tolist(), positions.tolist(), strict=True))


def _candidates(series: Series, window_size: int, stride: int) -> NDArray[np.int64]:
    n_steps = len(series)
    first = min(window_size, n_steps) - 1
    flags = _flags(series)
    ends = np.flatnonzero(flags & ~np.append(flags[1:], False))
    return np.union1d(np.arange(max(first, 0), n_steps, stride), ends).astype(np.int64)


def _choose(is_anomalous: NDArray[np.bool_], limit: int, seed: int) -> NDArray[np.int64]:
    """Keep `limit` positions, in order: anomalous ones first, up to half the places or what normal ones leave."""
    order = np.random.default_rng(seed).permutation(len(is_anomalous))
    anomalous, normal = order[is_anomalous[order]], order[~is_anomalous[order]]
    n_anomalous = min(len(anomalous), max(limit // 2, limit - len(normal)))
    return np.sort(np.concatenate([anomalous[:n_anomalous], normal[: limit - n_anomalous]]))


def _sample_ids(
    parts: Mapping[str, Sequence[Series]], chosen: Mapping[str, Sequence[tuple[int, int]]]
) -> dict[str, list[str]]:
    """Name every sample; a number tells samples of one name and time apart, the split's name those of two splits."""
    unit = _time_unit(series for all_series in parts.values() for series in all_series)
    names: dict[str, list[str]] = {}
    for split, pairs in chosen.items():
        rows: dict[int, list[int]] = {}
        for number, row in pairs:
            rows.setdefault(number, []).append(row)
        seen: Counter[str] = Counter()
        names[split] = []
        for number, positions in rows.items():
            series = parts[split][number]
            for time in np.datetime_as_string(series.times[positions], unit=unit):
                name = f"{series.name[:_MOST_NAME]}:{time}"
                seen[name] += 1
                names[split].append(name if seen[name] == 1 else f"{name}#{seen[name]}")
    count = Counter(name for found in names.values() for name in found)
    return {split: [n if count[n] == 1 else f"{split}:{n}" for n in found] for split, found in names.items()}


def _time_unit(series: Iterable[Series]) -> Any:
    """Find the coarsest unit, at most seconds, in which all times are whole."""
    units = list(_UNITS)
    for one in series:
        nanoseconds = one.times.astype("datetime64[ns]").astype(np.int64)
        while (nanoseconds % _UNITS[units[0]]).any():
            units.pop(0)
    return units[0]


def _flags(series: Series) -> NDArray[np.bool_]:
    return np.zeros(len(series), bool) if series.labels is None else series.labels.astype(bool)


def _types(series: Series, rows: NDArray[np.integer]) -> list[str]:
    """Type of each row of a labelled series."""
    assert series.labels is not None
    named = np.full(len(rows), ANOMALY, object) if series.types is None else series.types[rows]
    return [
        NORMAL if not flag else ANOMALY if name is None or name == NORMAL else str(name)
        for name, flag in zip(named, series.labels[rows], strict=True)
    ]


def _all_types(parts: Mapping[str, Sequence[Series]]) -> tuple[str, ...]:
    found: set[str] = set()
    for one in (series for all_series in parts.values() for series in all_series):
        if one.labels is not None and one.labels.any():
            rows = np.flatnonzero(one.labels)
            found |= {ANOMALY} if one.types is None else set(_types(one, rows))
    return tuple(sorted(found))


def _statistics(series: Sequence[Series]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    normal = np.concatenate([one.values[~_flags(one)] for one in series])
    rows = normal if len(normal) else np.concatenate([one.values for one in series])
    scale = rows.std(axis=0)
    return rows.mean(axis=0), np.where(scale > 0, scale, 1.0)


def _padded(rows: NDArray[Any], n_rows: int) -> NDArray[Any]:
    missing = n_rows - len(rows)
    return np.concatenate([np.repeat(rows[:1], missing, axis=0), rows]) if missing else rows
