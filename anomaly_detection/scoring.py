"""Score a table of any size: read in chunks, scored as a stream, written as it goes.

**Conventions**: one row out for every row in, in file order. Columns: `datetime` (empty where there is none), `machine`
(where a column names it; rows without a name are those of one machine; of a folder without such a column, the file),
`anomaly_score`, `is_anomaly` (0 or 1: the score is greater than the detector's threshold), `is_filled` (a cell of the
row was missing and took the last known value). The output appears when it is complete.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from anomaly_detection.base import Detector, NotFittedError
from anomaly_detection.preparation import as_prepared, is_drawn_at_random
from anomaly_detection.streaming import StreamScorer
from anomaly_detection.tables.chunks import TableChunk, iterate_table
from anomaly_detection.tables.options import ReadOptions
from anomaly_detection.tables.repairs import counted
from latent_space.run_folder import replaced_files

if TYPE_CHECKING:
    import pandas as pd

SUFFIXES = (".csv", ".parquet")
_CHUNK_ROWS = 50_000
_OTHER_STEP = 1.5  # rows so many times as far apart as those that taught, or as close, are told


@dataclass(frozen=True)
class ScoringReport:
    """What was scored.

    Attributes
    ----------
    out : str
        The file written.
    n_rows, n_anomalies : int
        Rows, and rows whose score exceeds the threshold.
    threshold : float
    repairs : tuple of str
        What was repaired while reading, one sentence each; first, where it is so, that the rows have another time step
        than those that taught, and that series are shorter than the window.
    """

    out: str
    n_rows: int
    n_anomalies: int
    threshold: float
    repairs: tuple[str, ...]

    def __str__(self) -> str:
        share = self.n_anomalies / self.n_rows
        lines = [f"note: {sentence}" for sentence in self.repairs]
        lines.append(
            f"{self.n_anomalies:,} of {counted(self.n_rows, 'row')} ({share:.2%}) score above {self.threshold:.4g}"
        )
        return "\n".join([*lines, f"scores: {self.out}"])


def score_table(
    detector: Detector,
    path: Path | str,
    out: Path,
    *,
    options: ReadOptions | None = None,
    chunk_rows: int = _CHUNK_ROWS,
) -> ScoringReport:
    """Score every row of a CSV file, a Parquet file, or a folder of them, in bounded memory.

    Parameters
    ----------
    detector : Detector
        Fitted on named channels, or loaded; it has a threshold.
    path : path
        The table. Channels are found by name; other columns are ignored and reported.
    out : Path
        .csv or .parquet; replaced once the new one is complete.
    options : ReadOptions, optional
        How to read the table, where it does not tell.
    chunk_rows : int
        Rows read at once.

    Raises
    ------
    FileNotFoundError
        If there is no table.
    ValueError
        If `out` has another suffix, lies among the files to score, the table lacks a channel, or its rows were drawn
        at random where the detector looks at several.
    """
    if detector.threshold_ is None:
        raise NotFittedError(f"This {detector.name} has no threshold; train it again.")
    if out.suffix.lower() not in SUFFIXES:
        raise ValueError(f"out must end in .csv or .parquet; got {out}.")
    source = Path(path)
    if out.resolve() == source.resolve() or (source.is_dir() and out.resolve().is_relative_to(source.resolve())):
        raise ValueError(f"out must lie outside of what is scored, {source}; got {out}.")
    _check_order(detector, source)
    options = as_prepared(source, options or ReadOptions()).changed(channels=detector.channels_)
    stream, threshold = StreamScorer(detector), detector.threshold_.value_
    series = _SeriesCount(detector.window_size)
    n_rows = n_anomalies = 0
    repairs: tuple[str, ...] = ()
    step_s = None
    with _writer(out) as write:
        for chunk in iterate_table(source, chunk_rows=chunk_rows, options=options, tell_order=detector.reach > 1):
            if chunk.machines is None and source.is_dir():
                chunk = replace(chunk, machines=np.full(len(chunk), chunk.file, object))
            scores = _score_chunk(stream, chunk, series)
            flags = scores > threshold
            write(_frame(chunk, scores, flags))
            n_rows, n_anomalies, repairs = n_rows + len(chunk), n_anomalies + int(flags.sum()), chunk.repairs
            step_s = chunk.step_s
    notes = (*step_notes(detector, step_s), *short_notes(detector, series.n_short, series.n))
    return ScoringReport(str(out), n_rows, n_anomalies, threshold, (*notes, *repairs))


def step_notes(detector: Detector, step_s: float | None) -> tuple[str, ...]:
    """Say in one sentence, else in none, that rows `step_s` apart are not what a stored detector learned from."""
    learned = getattr(detector, "facts_", {}).get("training", {}).get("step_s")
    if not isinstance(learned, int | float) or not step_s or not 0 < learned < float("inf"):
        return ()
    if 1 / _OTHER_STEP <= step_s / learned <= _OTHER_STEP:
        return ()
    return (
        f"rows are {step_s:g} s apart where the detector learned from rows {learned:g} s apart: "
        "its scores may mean nothing.",
    )


def short_notes(detector: Detector, n_short: int, n_series: int) -> tuple[str, ...]:
    """Say in one sentence, else in none, that some of the series have fewer rows than the detector's window."""
    if not n_short:
        return ()
    have, their = ("has", "its") if n_short == 1 else ("have", "their")
    return (
        f"{n_short:,} of {n_series:,} series {have} fewer rows than the window of {detector.window_size}: {their} rows "
        f"are judged against {their} first row, repeated, and may score high for it.",
    )


def order_notes(detector: Detector, data: Path) -> tuple[str, ...]:
    """Say in one sentence, else in none, that rows drawn at random are no series to a detector of several."""
    n_rows = max(detector.window_size, detector.settings.get("baseline_size", 0))
    if n_rows == 1 or not is_drawn_at_random(data):
        return ()
    return (
        f"the rows were drawn at random, so {n_rows} in a row are no piece of time; prepare without --shuffle, or take "
        "--window-size 1 and no baseline.",
    )


def _check_order(detector: Detector, source: Path) -> None:
    if order_notes(detector, source):
        raise ValueError(
            f"{source} must hold rows in the order of time for a detector of {detector.reach} rows; its rows were "
            "drawn at random. Score the table that they were drawn from, or train with --window-size 1 and no baseline."
        )


class _SeriesCount:
    """How many series there were, and how many of them have fewer rows than the window so far."""

    def __init__(self, window_size: int) -> None:
        self.window_size = window_size
        self.n = self.n_short = 0
        self._rows: dict[str, int] = {}  # of each machine's newest series

    def add(self, machine: str, n_rows: int, *, starts: bool) -> None:
        """Count the next rows of a machine; `starts` where a series starts with them."""
        if starts:
            self.n, self.n_short = self.n + 1, self.n_short + 1
        before = 0 if starts else self._rows[machine]
        self._rows[machine] = before + n_rows
        if before < self.window_size <= before + n_rows:
            self.n_short -= 1


def _score_chunk(stream: StreamScorer, chunk: TableChunk, series: _SeriesCount) -> np.ndarray:
    """Score the rows of each machine apart, starting anew where no window may reach behind."""
    machines = np.full(len(chunk), None) if chunk.machines is None else chunk.machines
    names = np.array(["" if name is None else str(name) for name in machines])
    scores = np.empty(len(chunk))
    for machine in np.unique(names):
        mine = np.flatnonzero(names == machine)
        cuts = np.flatnonzero(chunk.starts[mine])
        for run in np.split(mine, cuts):
            if not len(run):
                continue
            starts = bool(chunk.starts[run[0]])
            if starts:
                stream.forget(machine)
            series.add(machine, len(run), starts=starts)
            scores[run] = stream.score(_named(chunk, run), machine)
    return scores


def _named(chunk: TableChunk, rows: np.ndarray) -> "pd.DataFrame":
    import pandas as pd

    return pd.DataFrame(chunk.values[rows], columns=list(chunk.channels))


def _frame(chunk: TableChunk, scores: np.ndarray, flags: np.ndarray) -> "pd.DataFrame":
    import pandas as pd

    columns: dict[str, Any] = {"datetime": chunk.times.astype("datetime64[us]")}
    if chunk.machines is not None:
        columns["machine"] = pd.array(chunk.machines, dtype="str")
    filled = chunk.missing.any(axis=1)
    return pd.DataFrame(
        {**columns, "anomaly_score": scores, "is_anomaly": flags.astype(np.int8), "is_filled": filled.astype(np.int8)}
    )


@contextmanager
def _writer(out: Path) -> Iterator[Callable[["pd.DataFrame"], None]]:
    """Give a function that appends a frame; the file takes its name when all went well."""
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet

    out.parent.mkdir(parents=True, exist_ok=True)
    kind = pyarrow.parquet.ParquetWriter if out.suffix.lower() == ".parquet" else pyarrow.csv.CSVWriter
    with replaced_files() as temporary, ExitStack() as opened:
        writer: Any = None

        def write(frame: "pd.DataFrame") -> None:
            nonlocal writer
            table = pa.Table.from_pandas(frame, preserve_index=False)
            writer = writer or opened.enter_context(kind(temporary(out), table.schema))
            writer.write_table(table)

        yield write
