"""`armscope export`: a selection made in the page, or the samples of an insight, in the format of another tool."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from armscope.exporting import DataOption, Format, PicturesOption, export_to

if TYPE_CHECKING:
    from latent_space.population import Population


def export(
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    export_format: Annotated[Format, typer.Option("--format", help="Of the export.")],
    from_file: Annotated[
        Path | None,
        typer.Option("--from", help="The page's JSON or COCO ids, or a CSV with sample_id: labelling.csv, say."),
    ] = None,
    insight: Annotated[str | None, typer.Option(help="Id of an insight of the run.")] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder of the export: new, empty, or an unchanged export.", show_default="RUN/<selection>_<format>"
        ),
    ] = None,
    pictures: PicturesOption = "copy",
    data: DataOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was written as JSON.")] = False,
) -> None:
    """Export a selection of samples for labelling or training elsewhere, with what the model found in them."""
    from latent_space.population import Population

    population = Population.load(run)
    ids, reasons, name = _chosen(run, population, from_file, insight)
    target = export_to(
        population,
        ids,
        run=run,
        export_format=export_format,
        out=out,
        name=name,
        reasons=reasons,
        pictures=pictures,
        data=data,
    )
    if as_json:
        typer.echo(json.dumps({"format": export_format, "n_samples": len(ids), "export": str(target)}, indent=2))
    else:
        typer.echo(f"exported {len(ids):,} samples\nexport: {target}")


def _chosen(
    run: Path, population: "Population", from_file: Path | None, insight: str | None
) -> tuple[list[str], dict[str, str] | None, str]:
    """Return the ids, why they were chosen, and what to call them."""
    from latent_space.selections import read_choice, read_insight

    if (from_file is None) == (insight is None):
        raise ValueError("from or insight must be given, and not both; say what to export.")
    if from_file is not None:
        return *read_choice(from_file, population), from_file.stem
    ids, title = read_insight(run, str(insight))
    return ids, dict.fromkeys(ids, title), f"insight_{insight}"
