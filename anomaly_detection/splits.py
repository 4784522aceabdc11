"""Which rows train, which validate, which test: cut in time per machine, or drawn at random.

**Conventions**: a part is a list of row numbers; the parts share none. Parts with a share of 0 are left out. In time,
part borders are the floors of the cumulated shares of a machine's rows. At random, scikit-learn draws test first and
validation from the rest, each of as many rows as its share of all says, rounded up: with two parts exactly
`train_test_split(rows, test_size=share, random_state=random_state)`.
"""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from anomaly_detection.tables.filling import rows_by_group

PARTS = ("train", "val", "test")
_RATIO_TOLERANCE = 1e-6
Ints = NDArray[np.int64]


def checked_ratios(*ratios: float) -> dict[str, float]:
    """Return the shares of train, val and test by name.

    Raises
    ------
    ValueError
        If they are not shares of 1, or none is left to train on.
    """
    named = dict(zip(PARTS, (float(ratio) for ratio in ratios), strict=True))
    for part, ratio in named.items():
        if not 0 <= ratio <= 1:
            raise ValueError(f"{part}_ratio must lie in [0, 1]; got {ratio:g}.")
    if abs(sum(named.values()) - 1) > _RATIO_TOLERANCE:
        told = " + ".join(f"{ratio:g}" for ratio in named.values())
        raise ValueError(f"train_ratio, val_ratio and test_ratio must sum to 1; got {told}.")
    if named["train"] == 0:
        raise ValueError("train_ratio must be positive; got 0.")
    return named


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
    wanted = [part for part in PARTS if ratios[part] > 0]
    borders = np.cumsum([ratios[part] for part in wanted])
    chosen: dict[str, list[Ints]] = {part: [] for part in wanted}
    for start, stop in zip(starts.tolist(), [*starts[1:].tolist(), len(times)], strict=True):
        rows = order[start:stop]
        rows = rows[np.argsort(times[rows], kind="stable")]
        ends = np.floor(len(rows) * borders + _RATIO_TOLERANCE).astype(np.int64)
        ends[-1] = len(rows)
        for part, first, last in zip(wanted, [0, *ends[:-1].tolist()], ends.tolist(), strict=True):
            chosen[part].append(rows[first:last])
    return {part: np.concatenate(rows) for part, rows in chosen.items()}


def draw_at_random(n: int, ratios: Mapping[str, float], random_state: int) -> dict[str, Ints]:
    """Draw the rows of each part with a share, in the order in which scikit-learn gives them."""
    from sklearn.model_selection import train_test_split

    parts = {"train": np.arange(n)}
    for part in ("test", "val"):
        if ratios[part] > 0:
            size = math.ceil(n * ratios[part])  # as scikit-learn rounds a share
            if size >= len(parts["train"]):
                raise ValueError(f"{part}_ratio must leave each part a row; got {n} rows in all.")
            parts["train"], parts[part] = train_test_split(parts["train"], test_size=size, random_state=random_state)
    return {part: parts[part] for part in PARTS if part in parts}
