"""Split a recording into training, validation and test data, and write them as a folder that every command reads.

**Conventions**: a prepared folder holds ``train.csv``, ``val.csv``, ``test.csv`` (those that have rows) and
``metadata.json``. The CSVs have the columns of `Recording.to_frame`, numbers in full precision, times in ISO format.

*By time* (the default) each machine is cut on its own: its first ``train_ratio`` of rows, counted over all its series,
train, the next ``val_ratio`` validate, the last test. The parts are contiguous, share no row, and are read as separate
files, so no window reaches from one into another: each part's first windows are padded with its own first row.
A filled cell is written empty and filled again when read, with the same value; only what precedes a channel's first
value in a part is written, as nothing before it could fill it. A value filled there comes from the part before, or,
before the first value of the recording, from that value.

*At random* (``shuffle``) rows are drawn as scikit-learn's `train_test_split` draws them from all rows in the order of
the recording: test first, validation from the rest. Filled cells are written as they are. Neighbours in time
land in different parts: only for detectors of single rows, and to repeat what others published.

``tail`` keeps the last rows in time over all machines, of one time those of the later machines: for a table in the
order of time that is `DataFrame.tail`.
"""

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from anomaly_detection.series import Recording, read_series
from anomaly_detection.splits import PARTS, check_ratios, cut_in_time, draw_at_random, last_rows
from anomaly_detection.tables.files import METADATA_FILE
from anomaly_detection.tables.filling import last_known, rows_by_group
from anomaly_detection.tables.frame import LABEL, MACHINE, TIME, TYPE
from anomaly_detection.tables.options import ReadOptions
from anomaly_detection.tables.repairs import counted
from anomaly_detection.tables.writing import iso_times, write_csv
from latent_space.run_folder import read_json, replaced_files, write_json

if TYPE_CHECKING:
    import pandas as pd

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class PreparationSummary:
    """What `prepare` wrote; `str` tells it in a few lines.

    Attributes
    ----------
    output_dir : Path
        The prepared folder.
    metadata : mapping
        Content of its ``metadata.json``: `source`, `fingerprint` (sha256 over the CSVs, in the order train, val, test),
        `split` ("time" or "random"), `random_state`, `tail`, `ratios`, `lengths`, `channels`, `machines`, `step_s`,
        `max_gap_s`, `time_ranges`, `label_counts` and `type_counts` per part (None without labels or types), `repairs`.
    """

    output_dir: Path
    metadata: Mapping[str, Any]

    @property
    def lengths(self) -> Mapping[str, int]:
        """Rows of each part that was written."""
        lengths: Mapping[str, int] = self.metadata["lengths"]
        return lengths

    def __str__(self) -> str:
        """Parts, channels and repairs, a line each."""
        known = self.metadata
        counts = [counted(len(known["channels"]), "channel"), counted(len(known["machines"]), "machine")]
        lines = [f"{self.output_dir}: {', '.join(counts)}"]
        for part, n in self.lengths.items():
            first, last = known["time_ranges"][part]
            labels = known["label_counts"][part]
            told = "without labels" if labels is None else f"{labels['anomaly']} anomalous"
            lines.append(f"  {part}: {counted(n, 'row')}, {told}, {first} to {last}")
        return "\n".join([*lines, *(f"  repaired: {sentence}" for sentence in known["repairs"])])


@dataclass(frozen=True)
class PreparedData:
    """A prepared folder, read again.

    Attributes
    ----------
    train : Recording
    val, test : Recording or None
        None where the split left the part out.
    metadata : mapping
        See `PreparationSummary`.
    """

    train: Recording
    val: Recording | None
    test: Recording | None
    metadata: Mapping[str, Any]


def prepare(
    source: Path | str | Recording,
    output_dir: Path | str,
    *,
    train_ratio: float = 0.7,
    val_ratio: float = 0.15,
    test_ratio: float = 0.15,
    shuffle: bool = False,
    random_state: int = 0,
    tail: int | None = None,
    options: ReadOptions | None = None,
    **changes: Any,
) -> PreparationSummary:
    """Split a recording and write the parts, all files or none.

    Parameters
    ----------
    source : path or Recording
        CSV, Parquet file or folder; or what was read already.
    output_dir : path
        New, empty, or a folder prepared before, which is replaced.
    train_ratio, val_ratio, test_ratio : float
        Shares of the rows, summing to 1; 0 leaves out validation or test.
    shuffle : bool
        Draw the parts at random instead of cutting in time.
    random_state : int
        Seed of the draw.
    tail : int, optional
        Keep only the last rows.
    options : ReadOptions, optional
        How to read a path.
    **changes
        Single options of reading by name.

    Raises
    ------
    ValueError
        If the ratios are not shares of 1, a part would have no rows, or the folder holds anything else.
    """
    ratios = {"train": float(train_ratio), "val": float(val_ratio), "test": float(test_ratio)}
    check_ratios(ratios)
    if ratios["train"] == 0:
        raise ValueError("train_ratio must be positive; got 0.")
    if tail is not None and tail < 1:
        raise ValueError(f"tail must be at least 1 row; got {tail}.")
    out = Path(output_dir)
    _check_output(out, source.source if isinstance(source, Recording) else Path(source))
    settings = (options or ReadOptions()).changed(**changes)
    recording = source if isinstance(source, Recording) else read_series(source, options=settings)
    frame = recording.to_frame()
    times, machines = frame[TIME].to_numpy(), frame[MACHINE].to_numpy(object)
    kept = last_rows(times, tail)
    parts = (
        draw_at_random(len(kept), ratios, random_state) if shuffle else cut_in_time(machines[kept], times[kept], ratios)
    )
    for part, rows in parts.items():
        if not len(rows):
            raise ValueError(f"{part}_ratio must leave the part a row; got {ratios[part]:g} of {len(kept)} rows.")
    frames = {part: _to_write(recording, frame, kept[rows], mark_missing=not shuffle) for part, rows in parts.items()}
    metadata = {
        "source": str(recording.source),
        "split": "random" if shuffle else "time",
        "random_state": random_state if shuffle else None,
        "tail": tail,
        "ratios": ratios,
        "channels": list(recording.channels),
        "machines": list(dict.fromkeys(machines[kept])),
        "step_s": recording.step_s,
        "max_gap_s": settings.max_gap_s,
        **_counts({part: frame.iloc[kept[rows]] for part, rows in parts.items()}),
        "repairs": list(recording.repairs),
    }
    return PreparationSummary(out, _write(out, frames, metadata))


def read_prepared(folder: Path | str) -> PreparedData:
    """Read a prepared folder, with the channels, the step and the pauses of its metadata.

    Raises
    ------
    FileNotFoundError
        If it is not a prepared folder.
    ValueError
        If its files do not agree with its metadata.
    """
    path = Path(folder)
    if not (path / METADATA_FILE).is_file():
        raise FileNotFoundError(f"{path} must be a prepared folder; it has no {METADATA_FILE}. Run 'prepare' first.")
    try:
        metadata = read_json(path / METADATA_FILE)
        lengths, channels, step_s = metadata["lengths"], metadata["channels"], float(metadata["step_s"])
        options = ReadOptions(channels=channels, step_s=step_s, max_gap_s=metadata["max_gap_s"])
        expected = {part: int(lengths[part]) for part in PARTS if part in lengths}
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path / METADATA_FILE} must be as 'prepare' wrote it; got: {error!r}.") from error
    read = {part: read_series(path / f"{part}.csv", options=options) for part in expected}
    for part, recording in read.items():
        if recording.n_rows != expected[part]:
            raise ValueError(
                f"{path / part}.csv must have {expected[part]} rows as its {METADATA_FILE} says; "
                f"got {recording.n_rows}. Prepare it again."
            )
    if "train" not in read:
        raise ValueError(f"{path / METADATA_FILE} must have a part 'train'; got {', '.join(read) or 'none'}.")
    return PreparedData(read["train"], read.get("val"), read.get("test"), metadata)


def metadata_of(path: Path) -> Mapping[str, Any] | None:
    """Return the metadata of a prepared folder, or of the one that a part lies in; None where `prepare` wrote none."""
    is_part = path.is_file() and path.name in [f"{part}.csv" for part in PARTS]
    file = (path.parent if is_part else path) / METADATA_FILE
    try:
        metadata = read_json(file) if file.is_file() else {}
    except ValueError:  # not ours
        return None
    is_ours = {"split", "max_gap_s"} <= metadata.keys() and isinstance(metadata.get("step_s"), int | float)
    return metadata if is_ours else None


def as_prepared(path: Path, options: ReadOptions) -> ReadOptions:
    """Complete options of reading by the step and the pauses of the metadata: a part by itself may tell others."""
    metadata = metadata_of(path) or {}
    return options.changed(
        step_s=options.step_s or metadata.get("step_s"), max_gap_s=options.max_gap_s or metadata.get("max_gap_s")
    )


def is_drawn_at_random(path: Path) -> bool:
    """Whether `path` is a prepared folder, or a part of one, whose rows were drawn at random."""
    return (metadata_of(path) or {}).get("split") == "random"


def _check_output(out: Path, source: Path) -> None:
    place, origin = out.resolve(), source.resolve()
    if place == origin or origin in place.parents or place == origin.parent:
        raise ValueError(f"output_dir must lie outside the data, so that it is not read as data; got {out}.")
    if out.exists() and not out.is_dir():
        raise ValueError(f"output_dir must be a folder; got the file {out}.")
    found = sorted(file.name for file in out.iterdir()) if out.is_dir() else []
    ours = {METADATA_FILE, *(f"{part}.csv" for part in PARTS)}
    others = [name for name in found if name not in ours or METADATA_FILE not in found]
    if others:
        raise ValueError(f"output_dir must be new, empty or a folder prepared before; {out} holds {others[0]}.")


def _to_write(recording: Recording, frame: "pd.DataFrame", rows: Ints, *, mark_missing: bool) -> "pd.DataFrame":
    """Rows of a part as they are written: filled cells empty where reading fills them with the same value."""
    part = frame.iloc[rows].reset_index(drop=True)
    if not mark_missing or all(series.missing is None for series in recording.series):
        return part
    order, starts = rows_by_group(part[MACHINE].to_numpy(object), len(part))
    first_rows = np.repeat(starts, np.diff([*starts, len(part)]))
    marked = recording.to_frame(mark_missing=True).iloc[rows]
    for name in recording.channels:
        cells, known = part[name].to_numpy(copy=True), marked[name].notna().to_numpy()[order]
        cells[order[~known & (last_known(known, first_rows) >= 0)]] = np.nan
        part[name] = cells
    return part


def _counts(frames: "Mapping[str, pd.DataFrame]") -> dict[str, Any]:
    """Lengths, time ranges and counts of labels and types per part."""
    told: dict[str, Any] = {"lengths": {}, "time_ranges": {}, "label_counts": {}, "type_counts": {}}
    for part, frame in frames.items():
        times = frame[TIME].to_numpy()
        told["lengths"][part] = len(frame)
        told["time_ranges"][part] = iso_times(np.array([times.min(), times.max()])).tolist()
        labels = Counter(frame[LABEL].dropna().tolist()) if LABEL in frame else None
        told["label_counts"][part] = {"normal": labels[0], "anomaly": labels[1]} if labels else None
        types = Counter(frame[TYPE].dropna()) if TYPE in frame else None
        told["type_counts"][part] = dict(sorted(types.items())) if types else None
    return told


def _write(out: Path, frames: "Mapping[str, pd.DataFrame]", metadata: dict[str, Any]) -> dict[str, Any]:
    """Write parts and metadata, and remove what an earlier preparation left."""
    out.mkdir(parents=True, exist_ok=True)
    digest = hashlib.sha256()
    with replaced_files() as temporary:
        for part, frame in frames.items():
            written = temporary(out / f"{part}.csv")
            write_csv(written, frame)
            with written.open("rb") as file:
                while block := file.read(2**20):
                    digest.update(block)
        metadata = {"fingerprint": digest.hexdigest(), **metadata}
        write_json(temporary(out / METADATA_FILE), metadata)
    for part in PARTS:
        if part not in frames:
            (out / f"{part}.csv").unlink(missing_ok=True)
    return metadata
