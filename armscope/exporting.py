"""Options and work that all commands share which export a selection of samples."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

if TYPE_CHECKING:
    from latent_space.population import Population

# The same words as in `latent_space.exports`, which is not imported until it is needed.
Format = Literal["coco", "yolo", "label-studio", "cvat", "fiftyone", "csv"]
Pictures = Literal["copy", "link", "none"]

FormatOption = Annotated[Format | None, typer.Option("--format", help="Also export them, in this format.")]
OutOption = Annotated[
    Path | None,
    typer.Option("--out", help="Folder of the export: new, empty, or an unchanged export.", show_default="in RUN"),
]
PicturesOption = Annotated[Pictures, typer.Option(help="Whether the pictures come along, as files or as links.")]
DataOption = Annotated[
    Path | None, typer.Option(help="Where pictures or recordings are.", show_default="where the run read them")
]


def check_export(
    population: "Population", *, run: Path, export_format: str | None, out: Path | None, name: str, data: Path | None
) -> None:
    """Refuse an export that cannot be written, before anything else is done; see `export_to`."""
    if export_format is None:
        if out is not None:
            raise ValueError(f"format must be given with out; got {out} alone.")
        return
    from latent_space.exports import check_target

    check_target(population, format=export_format, out=_target(run, export_format, out, name), data=data)


def _target(run: Path, export_format: str, out: Path | None, name: str) -> Path:
    return out if out is not None else run / f"{name}_{export_format}"


def export_to(
    population: "Population",
    sample_ids: Sequence[str],
    *,
    run: Path,
    export_format: str | None,
    out: Path | None,
    name: str,
    reasons: Mapping[str, str] | Sequence[str] | None = None,
    pictures: Pictures = "copy",
    data: Path | None = None,
) -> Path | None:
    """Export samples of a run if a format is asked for.

    Parameters
    ----------
    population : Population
    sample_ids : sequence of str
        In the order wanted.
    run : Path
        The run folder.
    export_format : str, optional
        None exports nothing.
    out : Path, optional
        By default ``RUN/<name>_<format>``.
    name : str
        What the samples are.
    reasons, pictures, data
        See `latent_space.exports.export_selection`.

    Returns
    -------
    Path or None
        The export, absolute.
    """
    check_export(population, run=run, export_format=export_format, out=out, name=name, data=data)
    if export_format is None:
        return None
    from latent_space.exports import export_selection

    return export_selection(
        population,
        sample_ids,
        format=export_format,
        out=_target(run, export_format, out, name),
        run_dir=run,
        reasons=reasons,
        data=data,
        pictures=pictures,
    ).absolute()
