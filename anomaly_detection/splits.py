"""Which rows train, which validate, which test: cut in time per machine, or drawn at random.

**Conventions**: a part is a list of row numbers; the parts share none. Parts with a share of 0 are left out. In time,
part borders are the floors of the cumulated shares of a machine's rows. At random, scikit-learn draws test first and
validation from the rest, each of as many rows as its share of all says, rounded up: with two parts exactly
`train_test_split(rows, test_size=share, random_state=random_state)`.
"""

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from anomaly_detection.tables.filling import rows_by_group

PARTS = ("train", "val", "test")
_RATIO_TOLERANCE = 1e-6
Ints = NDArray[np.int64]


def check_ratios(ratios: Mapping[str, float], parts: Sequence[str] = PARTS, *, told: str = "{}_ratio") -> None:
    """Check that the shares of `parts` are shares of 1; `told` is what the user calls the share of a part.

    Raises
    ------
    ValueError
        If a part is unknown, or a share does not lie in [0, 1], or they do not sum to 1.
    """
    for part, ratio in ratios.items():
        if part not in parts:
            raise ValueError(f"{told.format(part)} must be the share of {', '.join(parts)}; got one of {part!r}.")
        if not 0 <= ratio <= 1:
            raise ValueError(f"{told.format(part)} must lie in [0, 1]; got {ratio:g}.")
    if abs(sum(ratios.values()) - 1) > _RATIO_TOLERANCE:
        names, values = ", ".join(map(told.format, ratios)), " + ".join(f"{ratio:g}" for ratio in ratios.values())
        raise ValueError(f"{names or told.format(parts[0])} must sum to 1; got {values or 'none'}.")


def cut(n: int, ratios: Mapping[str, float], parts: Sequence[str] = PARTS) -> dict[str, slice]:
    """Cut `n` rows into consecutive parts, in the order of `parts`: those that have a share.

    Examples
    --------
    >>> cut(10, {"train": 0.75, "test": 0.25})
    {'train': slice(0, 7, None), 'test': slice(7, 10, None)}
    """
    wanted = [part for part in parts if ratios.get(part)]
    ends = np.floor(n * np.cumsum([ratios[part] for part in wanted]) + _RATIO_TOLERANCE).astype(int).tolist()
    ends[-1] = n
    return {part: slice(*edges) for part, edges in zip(wanted, pairwise([0, *ends]), strict=True)}


def last_rows(times: NDArray[np.datetime64], tail: int | None) -> Ints:
    """Find the last `tail` rows in time (of one time those of the later row), in the order of the rows."""
    if tail is None or tail >= len(times):
        return np.arange(len(times))
    return np.sort(np.argsort(times, kind="stable")[-tail:])


def cut_in_time(
    machines: NDArray[np.object_], times: NDArray[np.datetime64], ratios: Mapping[str, float]
) -> dict[str, Ints]:
    """Cut each machine's rows by time; return the rows of each part with a share, machine after machine."""
    order, starts = rows_by_group(machines, len(times))
    chosen: dict[str, list[Ints]] = {}
    for rows in np.split(order, starts[1:]):
        rows = rows[np.argsort(times[rows], kind="stable")]
        for part, place in cut(len(rows), ratios).items():
            chosen.setdefault(part, []).append(rows[place])
    return {part: np.concatenate(rows) for part, rows in chosen.items()}


def draw_at_random(n: int, ratios: Mapping[str, float], random_state: int) -> dict[str, Ints]:
    """Draw the rows of each part with a share, in the order in which scikit-learn gives them."""
    from sklearn.model_selection import train_test_split

    parts = {"train": np.arange(n)}
    for part in ("test", "val"):
        if ratios.get(part):
            size = math.ceil(n * ratios[part])  # as scikit-learn rounds a share
            if size >= len(parts["train"]):
                raise ValueError(f"{part}_ratio must leave each part a row; got {n} rows in all.")
            parts["train"], parts[part] = train_test_split(parts["train"], test_size=size, random_state=random_state)
    return {part: parts[part] for part in PARTS if part in parts}
