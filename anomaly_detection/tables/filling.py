"""Fill missing cells with the last value that the same machine sent on the same channel.

**Conventions**: rows are sorted by group (machine); `starts` (g,) are the first rows of the groups, ascending, the
first is 0. A missing value is NaN. Filling is causal, but for `lead`, which fills what precedes a group's first value.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def fill_forward(values: Floats, starts: Ints, lead: Floats) -> tuple[Floats, NDArray[np.bool_]]:
    """Fill every missing cell.

    Parameters
    ----------
    values : (n, c) float64
        NaN where missing; left untouched.
    starts : (g,) int64
        First rows of the groups.
    lead : (g, c) float64
        What fills the cells before a group's first value; NaN leaves them missing.

    Returns
    -------
    filled : (n, c) float64
    leading : (n, c) bool
        Cells before the first value of their group and channel, which took theirs from `lead`.

    Examples
    --------
    >>> values = np.array([[np.nan], [1.0], [np.nan], [np.nan], [2.0]])
    >>> filled, leading = fill_forward(values, np.array([0, 3]), np.array([[7.0], [8.0]]))
    >>> filled.ravel().tolist(), leading.ravel().tolist()
    ([7.0, 1.0, 1.0, 8.0, 2.0], [True, False, False, True, False])
    """
    filled, leading = values.copy(), np.zeros(values.shape, bool)
    group = np.repeat(np.arange(len(starts)), np.diff([*starts, len(values)]))
    for channel in np.flatnonzero(np.isnan(values).any(axis=0)).tolist():
        last = last_known(~np.isnan(values[:, channel]), starts[group])
        known = last >= 0
        filled[known, channel] = values[last[known], channel]
        filled[~known, channel] = lead[group[~known], channel]
        leading[~known, channel] = True
    return filled, leading


def first_values(values: Floats, starts: Ints) -> Floats:
    """Return the first value of every group and channel, (g, c); NaN where it has none."""
    first = np.full((len(starts), values.shape[1]), np.nan)
    borders = [*starts.tolist(), len(values)]
    for group in range(len(starts)):
        part = values[borders[group] : borders[group + 1]]
        known = ~np.isnan(part)
        row = known.argmax(axis=0)
        first[group] = np.where(known.any(axis=0), part[row, np.arange(part.shape[1])], np.nan)
    return first


def last_known(known: NDArray[np.bool_], first_rows: Ints) -> Ints:
    """Return the newest known row up to each row, within its group; -1 where there is none.

    Parameters
    ----------
    known : (n,) bool
        Rows with a value.
    first_rows : (n,) int64
        First row of the group of each row.
    """
    last = np.maximum.accumulate(np.where(known, np.arange(len(known)), -1))
    return np.where(last >= first_rows, last, -1)


def rows_by_group(names: NDArray[np.object_] | None, n: int) -> tuple[Ints, Ints]:
    """Bring the rows of each group together.

    Parameters
    ----------
    names : (n,) object, optional
        Of the groups (None is a name like any other); without names all rows are one group.
    n : int
        Number of rows.

    Returns
    -------
    order : (n,) int64
        Rows, group after group, each in the order given.
    starts : (g,) int64
        Where in `order` each group starts.
    """
    import pandas as pd

    if names is None:
        return np.arange(n), np.zeros(1, np.int64)
    codes = pd.factorize(names, use_na_sentinel=False)[0]
    order = np.argsort(codes, kind="stable")
    return order, np.flatnonzero(np.r_[True, np.diff(codes[order]) != 0])
