"""What a detector accepts as X and y, checked once and brought to arrays; what of it is normal, and what is held out.

**Conventions**: one series is (n_steps, n_channels), an array or a DataFrame; several are a list of those, and no
window crosses from one to the next. The columns of a DataFrame are matched by name, whatever their order; an array's
by position.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

Rows: TypeAlias = "np.ndarray | pd.DataFrame"
SeriesLike: TypeAlias = "Rows | Sequence[Rows]"
_LARGEST = 1e18
_HELD_OUT = 0.15  # of each series


@dataclass(frozen=True)
class Stretch:
    """One checked series: `values` (n_steps, n_channels) float, `labels` (n_steps,) bool or None where unknown."""

    values: np.ndarray
    labels: np.ndarray | None = None


def as_list(X: Any) -> list[Any]:
    """Return a list of series, whether one or several came."""
    return list(X) if isinstance(X, list | tuple) else [X]


def channel_names(X: Any) -> tuple[str, ...]:
    """Names of the columns of one series: a DataFrame's own, otherwise `channel_0` ..."""
    if hasattr(X, "columns"):
        return tuple(str(name) for name in X.columns)
    shape = np.shape(X)
    return tuple(f"channel_{i}" for i in range(shape[1] if len(shape) == 2 else 0))


def as_rows(X: Any, channels: tuple[str, ...], *, named: bool = True, finite: bool = True) -> np.ndarray:
    """Check one series and return its channels in order.

    Parameters
    ----------
    X : array or DataFrame of shape (n_steps, n_channels)
    channels : tuple of str
        The channels to return. A DataFrame may hold more, which is said in a warning, but not fewer.
    named : bool
        False where the detector was fitted on an array, without names: columns then count by position.
    finite : bool
        False leaves it to the caller to see that the values are finite.

    Returns
    -------
    ndarray of shape (n_steps, n_channels)
        float32 where X is float32, otherwise float64; finite.

    Raises
    ------
    ValueError
        If a channel is missing, the shape is wrong, there is no row, or a value is text or not finite.
    """
    if named and hasattr(X, "columns"):
        X = _columns(X, channels)
    values = _numbers(X, channels)
    if values.ndim != 2 or values.shape[1] != len(channels):
        shape = values.shape
        raise ValueError(
            f"X must have shape (n_steps, {len(channels)}), a column per channel ({', '.join(channels)}); got {shape}."
        )
    if len(values) == 0:
        raise ValueError("X must have at least one row; got none.")
    if finite and not np.isfinite(values).all():
        row, column = np.argwhere(~np.isfinite(values))[0]
        raise ValueError(
            f"X must be finite; got {values[row, column]} in channel {channels[column]!r}, row {row} "
            f"({int((~np.isfinite(values)).sum())} such cells). Fill or drop them; read_series fills them causally."
        )
    return values


def _columns(X: Any, channels: tuple[str, ...]) -> Any:
    present = [str(name) for name in X.columns]
    repeated = sorted({name for name in present if present.count(name) > 1})
    if repeated:
        raise ValueError(f"X must have one column per name; got {', '.join(repeated)} more than once.")
    missing = [name for name in channels if name not in present]
    if missing:
        raise ValueError(f"X must have the channels {', '.join(channels)}; {', '.join(missing)} missing.")
    extra = [name for name in present if name not in channels]
    if extra:
        warnings.warn(f"Columns the detector does not know are ignored: {', '.join(extra)}.", stacklevel=3)
    return X.iloc[:, [present.index(name) for name in channels]]


def _numbers(X: Any, channels: tuple[str, ...]) -> np.ndarray:
    kinds = getattr(X, "dtypes", None)
    array = X.to_numpy() if hasattr(X, "to_numpy") else np.asarray(X)
    if kinds is not None and array.dtype == object:
        for position, name in enumerate(channels):
            _as_float(X.iloc[:, position].to_numpy(), f"channel {name!r}")
    return _as_float(array, "a cell")


def _as_float(array: np.ndarray, where: str) -> np.ndarray:
    if array.dtype == np.float32:
        return array
    if array.dtype.kind in "mM":
        raise ValueError(f"X must hold numbers; got times in {where}. Make them the index.")
    try:
        return np.asarray(array, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"X must hold numbers; got in {where}: {error}.") from error


def check_learnable(values: np.ndarray, channels: tuple[str, ...]) -> None:
    """Raise ValueError where a value is so large that its square overflows single precision."""
    worst = np.abs(values).max(axis=0)
    if (worst > _LARGEST).any():
        channel = int(worst.argmax())
        row = int(np.abs(values[:, channel]).argmax())
        raise ValueError(
            f"X must lie within {_LARGEST:.0e} to learn from; got {values[row, channel]:.3g} in channel "
            f"{channels[channel]!r}, row {row}. If it stands for a missing value, leave the cell empty."
        )


def as_labels(y: Any, lengths: Sequence[int]) -> list[np.ndarray | None]:
    """Check labels against series of these lengths and return one bool array per series, None where y has None.

    Raises
    ------
    ValueError
        If a count or a length differs, or a label is neither 0 nor 1.
    """
    is_list = isinstance(y, list | tuple) and len(y) == len(lengths) and all(p is None or np.ndim(p) for p in y)
    parts = list(y) if is_list else [y]
    labels = [None if part is None else np.asarray(part) for part in parts]
    shapes = [(n,) if part is None else part.shape for part, n in zip(labels, lengths, strict=False)]
    if len(labels) != len(lengths) or shapes != [(n,) for n in lengths]:
        raise ValueError(f"y must have one label per row of X, shapes {[(n,) for n in lengths]}; got {shapes}.")
    for part in labels:
        if part is not None and part.dtype != bool and not np.isin(part, (0, 1)).all():
            raise ValueError("y must hold 0 (normal) and 1 (anomalous) only; got other values.")
    return [None if part is None else part.astype(bool) for part in labels]


def normal_windows(stretch: Stretch, window_size: int, *, padded: bool = False) -> np.ndarray:
    """Which windows of a stretch hold no row labelled anomalous.

    Bool (n_steps - window_size + 1,) of the full ones; if `padded`, (n_steps,): the first ones hold fewer rows.
    """
    n_before = window_size - 1 if padded else 0
    n_windows = max(0, n_before + len(stretch.values) - window_size + 1)
    if stretch.labels is None:
        return np.ones(n_windows, dtype=bool)
    flagged = np.concatenate([np.zeros(n_before + 1, dtype=int), np.cumsum(stretch.labels)])
    clean: np.ndarray = flagged[window_size:] == flagged[: max(0, len(flagged) - window_size)]
    return clean[:n_windows]


def split_newest(stretches: list[Stretch], window_size: int) -> tuple[list[Stretch], list[Stretch]]:
    """Hold out the newest 15 % of each series that stays longer than a window."""
    train, held_out = [], []
    for stretch in stretches:
        n = len(stretch.values)
        cut = n - round(_HELD_OUT * n)
        if cut < window_size or cut == n:
            train.append(stretch)
            continue
        labels = stretch.labels
        train.append(Stretch(stretch.values[:cut], None if labels is None else labels[:cut]))
        held_out.append(Stretch(stretch.values[cut:], None if labels is None else labels[cut:]))
    return train, held_out


def labelled(stretches: list[Stretch]) -> tuple[list[Stretch], np.ndarray | None]:
    """Return the stretches with labels, and these joined; all stretches and None where none has."""
    labels = [stretch.labels for stretch in stretches if stretch.labels is not None]
    if not labels:
        return stretches, None
    return [stretch for stretch in stretches if stretch.labels is not None], np.concatenate(labels)


def past_the_start(stretches: list[Stretch], window_size: int) -> np.ndarray:
    """Which rows, of all series joined, fill a window with the rows before them; every row where that is none."""
    lengths = [len(stretch.values) for stretch in stretches]
    filled: np.ndarray = np.concatenate([np.arange(length) >= window_size - 1 for length in lengths])
    return filled if filled.any() else np.ones_like(filled)


def n_rows_of(stretches: list[Stretch]) -> int:
    """Rows of all stretches together."""
    return sum(len(stretch.values) for stretch in stretches)
