"""Write a selection of samples in the format of another tool.

**Conventions**: an export is a folder. It is built beside its place and then renamed, so a crash leaves nothing half
written. `export.json` in it lists its files with their sums: a folder whose files are all as an export left them is
replaced by the next one, any other that is not empty is refused, for someone may have labelled in it.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args
from warnings import warn

from latent_space.exports.export_folder import check_place, export_folder
from latent_space.exports.pictures import Pictures

if TYPE_CHECKING:
    from latent_space.exports.entries import Entry
    from latent_space.exports.time_ranges import TimeRange
    from latent_space.population import Population

Format = Literal["coco", "yolo", "label-studio", "cvat", "fiftyone", "csv"]
FORMATS: tuple[str, ...] = get_args(Format)


def check_target(
    population: "Population",
    *,
    format: str,
    out: str | os.PathLike[str],
    data: str | os.PathLike[str] | None = None,
) -> None:
    """Refuse what `export_selection` would refuse whatever the samples, so that no work is done in vain.

    Raises
    ------
    ValueError, FileNotFoundError, FileExistsError, PermissionError
        As `export_selection` does.
    """
    if format not in FORMATS:
        raise ValueError(f"format must be one of {', '.join(FORMATS)}; got {format!r}.")
    from latent_space.exports.time_ranges import read_ranges

    _data(population, data)
    check_place(Path(out))
    if len(population) and read_ranges(population, [0]) is not None:
        _check_ranges_fit(format)


def export_selection(
    population: "Population",
    sample_ids: Sequence[str],
    *,
    format: str,
    out: str | os.PathLike[str],
    run_dir: str | os.PathLike[str] | None = None,
    reasons: Mapping[str, str] | Sequence[str] | None = None,
    data: str | os.PathLike[str] | None = None,
    pictures: Pictures = "copy",
    columns: Mapping[str, str] | None = None,
) -> Path:
    """Write samples, in their order, with what the model found in them.

    Parameters
    ----------
    population : Population
        That the samples are of.
    sample_ids : sequence of str
        At least one; a repetition is left out.
    format : {"coco", "yolo", "label-studio", "cvat", "fiftyone", "csv"}
        Samples that are stretches of a recording go into csv and label-studio only.
    out : path
        A folder: new, empty, or an export that nobody changed since.
    run_dir : path, optional
        The run folder, for the thumbnails of samples whose pictures are not there.
    reasons : mapping or sequence of str, optional
        Why each was chosen, by sample id or in the order of `sample_ids`.
    data : path, optional
        Where pictures and recordings are; by default where the run read its data.
    pictures : {"copy", "link", "none"}
        Whether pictures come along, as files or as symbolic links; CSV never takes any.
    columns : mapping, optional
        From roles (see `exports.columns.WORDS`) to columns of the table, where they are not found by their names.

    Returns
    -------
    Path
        `out`.

    Raises
    ------
    ValueError
        If there are no samples, one is unknown, or the format cannot hold them.
    FileExistsError
        If `out` holds something else.
    PermissionError
        If nothing can be made where it shall lie.
    """
    if format not in FORMATS:
        raise ValueError(f"format must be one of {', '.join(FORMATS)}; got {format!r}.")
    if pictures not in get_args(Pictures):
        raise ValueError(f"pictures must be copy, link or none; got {pictures!r}.")
    from latent_space.exports.time_ranges import read_ranges
    from latent_space.similar import row_of

    ids = list(dict.fromkeys(sample_ids))
    if not ids:
        raise ValueError("sample_ids must hold at least one sample; got none.")
    told = _reasons(sample_ids, reasons)
    rows = _rows(population, ids, row_of)
    source = _data(population, data)
    ranges = read_ranges(population, rows, columns=columns, reasons=told)
    if ranges is not None:
        _check_ranges_fit(format)
    with export_folder(Path(out), facts={"format": format, "n_samples": len(ids)}) as folder:
        if ranges is not None:
            _write_ranges(folder, population, ranges, format=format, data=source, columns=columns)
        else:
            from latent_space.exports.entries import read_entries

            home = None if run_dir is None else Path(run_dir)
            entries = read_entries(population, rows, data=source, run_dir=home, columns=columns, reasons=told)
            _write_pictures(folder, population, entries, format=format, pictures=pictures)
    return Path(out)


def _check_ranges_fit(format: str) -> None:
    if format not in ("csv", "label-studio"):
        raise ValueError(f"format must be csv or label-studio for stretches of a recording; got {format!r}.")


def _write_pictures(
    folder: Path,
    population: "Population",
    entries: "list[Entry]",
    *,
    format: str,
    pictures: Pictures,
) -> None:
    from latent_space.exports.entries import labels_of, unique_names
    from latent_space.exports.selected import Selected

    if format != "csv" and pictures != "none":
        names = unique_names([entry.name for entry in entries])
        entries = [replace(entry, name=name) for entry, name in zip(entries, names, strict=True)]
        _tell_missing(entries)
    _writer(format)(folder, Selected(tuple(entries), tuple(labels_of(population))), pictures)


def _write_ranges(
    folder: Path,
    population: "Population",
    ranges: "list[TimeRange]",
    *,
    format: str,
    data: Path | None,
    columns: Mapping[str, str] | None,
) -> None:
    from latent_space.exports import csv_table, label_studio_series
    from latent_space.exports.columns import find_column, texts
    from latent_space.exports.time_ranges import series_name

    if format == "csv":
        csv_table.write_ranges(folder, ranges, series_name(population, columns))
        return
    types = texts(population.samples, find_column(population.samples, "anomaly_type", columns))
    labels = sorted({one for one in types if one is not None and one != "normal"})
    label_studio_series.write(folder, ranges, data=data, labels=labels)


def _writer(name: str) -> Any:
    from latent_space.exports import coco, csv_table, cvat, fiftyone, label_studio, yolo

    modules = {
        "coco": coco,
        "yolo": yolo,
        "label-studio": label_studio,
        "cvat": cvat,
        "fiftyone": fiftyone,
        "csv": csv_table,
    }
    return modules[name].write


def _tell_missing(entries: "list[Entry]") -> None:
    missing = [entry.name for entry in entries if entry.picture is None]
    small = [entry.name for entry in entries if entry.is_thumbnail]
    where = "Say where they are, or put them there yourself."
    if missing:
        warn(
            f"{len(missing):,} of {len(entries):,} pictures are not there, such as {missing[0]!r}. {where}",
            stacklevel=4,
        )
    if small:
        warn(
            f"{len(small):,} of {len(entries):,} pictures are the run's thumbnails, such as {small[0]!r}.", stacklevel=4
        )


def _rows(population: "Population", ids: list[str], row_of: Any) -> list[int]:
    known = {sample_id: row for row, sample_id in enumerate(population.samples["sample_id"])}
    return [known[one] if one in known else row_of(population, one) for one in ids]


def _reasons(sample_ids: Sequence[str], reasons: Mapping[str, str] | Sequence[str] | None) -> dict[str, str]:
    if reasons is None:
        return {}
    if isinstance(reasons, Mapping):
        return dict(reasons)
    if len(reasons) != len(sample_ids):
        raise ValueError(f"reasons must be one per sample, {len(sample_ids)}; got {len(reasons)}.")
    return dict(zip(sample_ids, reasons, strict=True))


def _data(population: "Population", data: str | os.PathLike[str] | None) -> Path | None:
    if data is not None:
        if not Path(data).exists():
            raise FileNotFoundError(f"data must be a folder or file; got {data}, which does not exist.")
        return Path(data)
    told = population.run.get("data")
    return Path(told) if isinstance(told, str) and told else None
