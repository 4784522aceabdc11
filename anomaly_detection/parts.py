"""The parts of a data set: what teaches, what sets the threshold, what judges, and what nobody labelled.

**Conventions**: a prepared folder holds `train.csv` and, as far as there are such rows, `val.csv`, `test.csv` and
`unlabeled.csv` (or `.parquet`). Any other folder or file is one recording: the rows of each of its machines are cut in
time, as `preparation` cuts them, so that no window crosses from one part into the next. Labels of the unlabelled part
are dropped where there are any.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from anomaly_detection.preparation import read_prepared
from anomaly_detection.series import Recording, Series, read_series
from anomaly_detection.splits import check_ratios, cut
from anomaly_detection.tables.files import METADATA_FILE
from anomaly_detection.tables.options import ReadOptions

if TYPE_CHECKING:
    import pandas as pd

# Part -> name of its file in a prepared folder, in the order of time.
FILES = {"training": "train", "validation": "val", "test": "test", "unlabeled": "unlabeled"}
DEFAULT_RATIOS: Mapping[str, float] = {"training": 0.70, "validation": 0.15, "test": 0.15}
_SUFFIXES = (".csv", ".parquet", ".csv.gz")


@dataclass(frozen=True, eq=False)
class Parts:
    """Recordings of one data set; all have the same channels in the same order, None where there is no row."""

    training: Recording
    validation: Recording | None = None
    test: Recording | None = None
    unlabeled: Recording | None = None

    def items(self) -> Iterator[tuple[str, Recording]]:
        """Yield the name and the recording of every part that has rows."""
        for name in FILES:
            recording = getattr(self, name)
            if recording is not None:
                yield name, recording

    def repairs(self) -> list[str]:
        """Say what was repaired while reading: once of one recording, by part where each was read by itself."""
        if len({recording.source for _, recording in self.items()}) == 1:
            return list(self.training.repairs)
        return [f"{name}: {sentence}" for name, recording in self.items() for sentence in recording.repairs]


def read_parts(
    path: Path | str, *, options: ReadOptions | None = None, ratios: Mapping[str, float] = DEFAULT_RATIOS
) -> Parts:
    """Read a prepared folder, or cut one recording by time.

    Parameters
    ----------
    path : path
        Prepared folder, or whatever `read_series` takes.
    options : ReadOptions, optional
        How to read files that do not tell it themselves; a folder that `prepare` wrote tells it.
    ratios : mapping of part to share
        For one recording; they sum to 1.

    Raises
    ------
    FileNotFoundError
        If there is nothing at `path`, or a prepared folder lacks `train.csv`.
    ValueError
        If a file cannot be read, a part lacks a channel, or `ratios` are no shares.
    """
    path = Path(path)
    files = {part: file for part, name in FILES.items() if (file := _part_file(path, name)) is not None}
    if not files:
        return cut_by_time(read_series(path, options=options), ratios)
    if "training" not in files:
        raise FileNotFoundError(f"No train.csv beside {files.popitem()[1]}; a prepared folder must have one.")
    if (path / METADATA_FILE).is_file():
        prepared = read_prepared(path)
        training = prepared.train
        found: dict[str, Recording | None] = {"validation": prepared.val, "test": prepared.test}
    else:
        training, found = read_series(files["training"], options=options), {}
    same = (options or ReadOptions()).changed(channels=training.channels, step_s=training.step_s)
    for part, file in files.items():
        if part != "training" and part not in found:
            found[part] = read_series(file, options=same)
    return Parts(training, **_without_labels({part: read for part, read in found.items() if read is not None}))


def cut_by_time(recording: Recording, ratios: Mapping[str, float] = DEFAULT_RATIOS) -> Parts:
    """Cut the rows of every machine into consecutive parts.

    Raises
    ------
    ValueError
        If `ratios` name another part, are negative, do not sum to 1, or leave no row to learn from.
    """
    check_ratios(ratios, tuple(FILES), told="ratios[{}]")
    found: dict[str, list[Series]] = {}
    for machine in recording.machines:
        stretches = [series for series in recording.series if series.name == machine]
        for part, rows in cut(sum(map(len, stretches)), ratios, tuple(FILES)).items():
            found.setdefault(part, []).extend(_between(stretches, rows.start, rows.stop))
    parts = {part: replace(recording, series=tuple(series)) for part, series in found.items() if series}
    if "training" not in parts:
        raise ValueError(f"ratios must leave rows to learn from; got {dict(ratios)} for {recording.n_rows} rows.")
    return Parts(**_without_labels(parts))


def _between(stretches: Sequence[Series], start: int, stop: int) -> list[Series]:
    """Rows start .. stop of one machine, counted over its stretches."""
    found, before = [], 0
    for series in stretches:
        first, last = max(start - before, 0), min(stop - before, len(series))
        if first < last:
            found.append(series.rows(first, last))
        before += len(series)
    return found


def rows_of(recording: Recording) -> list["pd.DataFrame"]:
    """Return the channels of each series as a DataFrame, as detectors take them."""
    import pandas as pd

    names = list(recording.channels)
    return [pd.DataFrame(part.values, index=pd.DatetimeIndex(part.times), columns=names) for part in recording.series]


def labels_of(recording: Recording) -> list[np.ndarray] | None:
    """Return the labels of each series, bool (n_steps,), or None unless every series has them."""
    labels = [series.labels for series in recording.series if series.labels is not None]
    return labels if len(labels) == len(recording.series) else None


def known_labels_of(recording: Recording) -> list[np.ndarray | None] | None:
    """Return the labels of each series, None for one without; None where no series has any."""
    labels = [series.labels for series in recording.series]
    return labels if any(part is not None for part in labels) else None


def types_of(recording: Recording) -> np.ndarray | None:
    """Return the anomaly type of every row, one series after the other, or None unless every series has them."""
    types = [series.types for series in recording.series if series.types is not None]
    return np.concatenate(types) if len(types) == len(recording.series) else None


def truth_of(recording: Recording) -> dict[str, Any]:
    """Return what `evaluate_scores` wants to know of the rows beside their labels and scores, by its argument names."""
    return {"types": types_of(recording), "step_s": recording.step_s, "series": lengths_of(recording)}


def lengths_of(recording: Recording) -> list[int]:
    """Return the number of rows of each series."""
    return [len(series) for series in recording.series]


def _part_file(folder: Path, name: str) -> Path | None:
    return next((file for suffix in _SUFFIXES if (file := folder / f"{name}{suffix}").is_file()), None)


def _without_labels(parts: Mapping[str, Recording]) -> dict[str, Recording]:
    cut = dict(parts)
    if "unlabeled" in cut:
        bare = [replace(series, labels=None, types=None) for series in cut["unlabeled"].series]
        cut["unlabeled"] = replace(cut["unlabeled"], series=tuple(bare))
    return cut
