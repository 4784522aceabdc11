"""The cells of a table with their roles, as arrays: one row in, one row out, nothing filled or sorted yet.

**Conventions**: missing values are NaN, also what was infinite or text; missing times NaT, missing names None.
Truths: of several label columns any true one makes the row anomalous, and the name of the first such column is its
type. A missing label counts as normal; a row without any label is not `labelled`.
"""

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from anomaly_detection.series import ANOMALY, NORMAL
from anomaly_detection.tables import repairs
from anomaly_detection.tables.cells import has_offset, read_names, read_numbers, read_times, read_truths
from anomaly_detection.tables.columns import Roles
from anomaly_detection.tables.files import TableFile
from anomaly_detection.tables.repairs import RepairLog, repair_text

if TYPE_CHECKING:
    import pandas as pd

_LARGEST = float(np.finfo(np.float32).max)  # beyond it a value is infinite to a model in single precision
_NO_LABEL = "{n} missing label{s} of column {column!r} counted as normal"
_NO_TYPE = "{n} anomalous row{s} without a type called 'anomaly'"
_TYPE_OF_NORMAL = "{n} row{s} labelled normal with an anomaly type called 'normal'"


@dataclass(frozen=True, eq=False)
class TableRows:
    """Rows of a table by their roles; None where no column has the role.

    Attributes
    ----------
    values : (n, c) float64
    times : (n,) datetime64[ns] or None
    machines : (n,) object or None
    labels : (n,) bool or None
    labelled : (n,) bool or None
        Whether the row has a label at all.
    types, modes : (n,) object or None
    """

    values: NDArray[np.float64]
    times: NDArray[np.datetime64] | None
    machines: NDArray[np.object_] | None
    labels: NDArray[np.bool_] | None
    labelled: NDArray[np.bool_] | None
    types: NDArray[np.object_] | None
    modes: NDArray[np.object_] | None

    def take(self, rows: NDArray[Any]) -> "TableRows":
        """Keep the given rows, in the given order."""
        arrays: list[Any] = [getattr(self, field.name) for field in fields(self)]
        taken: list[Any] = [None if array is None else array[rows] for array in arrays]
        return TableRows(*taken)


def read_rows(file: TableFile, frame: "pd.DataFrame", roles: Roles, log: RepairLog) -> TableRows:
    """Read the cells of one file's frame."""
    labels, labelled, types = _labels(file, frame, roles, log)
    return TableRows(
        values=read_values(file, frame, roles.channels, log),
        times=times_of(frame, roles, log),
        machines=names_of(frame, roles.machine),
        labels=labels,
        labelled=labelled,
        types=types,
        modes=names_of(frame, roles.mode),
    )


def read_values(
    file: TableFile, frame: "pd.DataFrame", channels: tuple[str, ...], log: RepairLog, *, first_row: int = 0
) -> NDArray[np.float64]:
    """Read the channels, (n, c) float64; `first_row` is where the frame starts in its file."""
    values = np.empty((len(frame), len(channels)), order="F")
    for place, name in enumerate(channels):
        numbers = read_numbers(frame[name], file.decimal)
        values[:, place] = numbers.values
        infinite = np.abs(values[:, place]) > _LARGEST
        values[infinite, place] = np.nan
        if numbers.first_text is not None:
            row, example = numbers.first_text
            text = repair_text(repairs.TEXT, column=name)
            log.add(text, numbers.n_text, file.name, example=f"{example!r} in row {first_row + row + 1}")
        log.add(repair_text(repairs.TRUTHS, column=name), int(numbers.are_truths))
        log.add(repair_text(repairs.INFINITE, column=name), int(infinite.sum()), file.name)
    return values


def times_of(frame: "pd.DataFrame", roles: Roles, log: RepairLog | None = None) -> NDArray[np.datetime64] | None:
    """Read the times of the rows, as UTC."""
    if roles.time is None:
        return None
    if log is not None and has_offset(frame[roles.time]):
        log.add(repairs.OFFSET)
    return read_times(frame[roles.time], cast(str, roles.time_format))


def names_of(frame: "pd.DataFrame", column: str | None) -> NDArray[np.object_] | None:
    """Read a column of names, if the frame has it."""
    return None if column is None or column not in frame.columns else read_names(frame[column])


def _labels(
    file: TableFile, frame: "pd.DataFrame", roles: Roles, log: RepairLog
) -> tuple[NDArray[np.bool_] | None, NDArray[np.bool_] | None, NDArray[np.object_] | None]:
    """Labels, whether there is one, and types."""
    n = len(frame)
    labels, labelled = np.zeros(n, bool), np.zeros(n, bool)
    by_column = np.full(n, NORMAL, object)
    present = [name for name in roles.labels if name in frame.columns]
    missing_of = {}
    for name in present:
        truth, missing = read_truths(frame[name], name, file.name)
        by_column[truth & ~labels] = name
        labels |= truth
        labelled |= ~missing
        missing_of[name] = int(missing.sum())
    if labelled.any():  # else nothing is counted as normal: the file has no labels
        for name, count in missing_of.items():
            log.add(repair_text(_NO_LABEL, column=name), count, file.name)
    types = by_column if len(roles.labels) > 1 and present else None
    if (kinds := names_of(frame, roles.kind)) is not None:
        named = np.array([kind is not None and kind.lower() != NORMAL for kind in kinds.tolist()], bool)
        if not present:
            labels, labelled = named, np.ones(n, bool)
        types = _types(kinds, named, labels, file, log)
    return (None, None, None) if not labelled.any() else (labels, labelled, types)


def _types(
    kinds: NDArray[np.object_], named: NDArray[np.bool_], labels: NDArray[np.bool_], file: TableFile, log: RepairLog
) -> NDArray[np.object_]:
    """Types that agree with the labels, which win."""
    types = np.full(len(kinds), NORMAL, object)
    types[labels] = np.where(named, kinds, ANOMALY)[labels]
    log.add(_NO_TYPE, int(np.count_nonzero(labels & ~named)), file.name)
    log.add(_TYPE_OF_NORMAL, int(np.count_nonzero(named & ~labels)), file.name)
    return types


def concatenate_rows(parts: list[TableRows]) -> TableRows:
    """Join the rows of several files; what one has and another lacks is missing there."""
    first = parts[0]
    if len(parts) == 1:
        return first
    sizes = [len(part.values) for part in parts]

    def joined(name: str, absent: Any, dtype: Any) -> Any:
        arrays = [getattr(part, name) for part in parts]
        if all(array is None for array in arrays):
            return None
        filled = [np.full(n, absent, dtype) if a is None else a for a, n in zip(arrays, sizes, strict=True)]
        return np.concatenate(filled)

    return TableRows(
        values=np.concatenate([part.values for part in parts]),
        times=joined("times", np.datetime64("NaT"), "datetime64[ns]"),
        machines=joined("machines", None, object),
        labels=joined("labels", False, bool),
        labelled=joined("labelled", False, bool),
        types=joined("types", NORMAL, object),
        modes=joined("modes", None, object),
    )
