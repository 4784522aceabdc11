"""`armscope similar`: the samples that the model takes for nearly the same."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from armscope.exporting import (
    DataOption,
    FormatOption,
    OutOption,
    PicturesOption,
    check_export,
    export_to,
)

if TYPE_CHECKING:
    import pandas as pd


def similar(
    run: Annotated[Path, typer.Argument(help="Run folder.")],
    sample_id: Annotated[str, typer.Argument(help="The sample to compare with.")],
    n: Annotated[int, typer.Option("--n", min=1, help="How many to list.")] = 20,
    export_format: FormatOption = None,
    out: OutOption = None,
    pictures: PicturesOption = "copy",
    data: DataOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print them as JSON.")] = False,
) -> None:
    """List the samples nearest to one in latent space, and export them together with it."""
    from latent_space.population import Population
    from latent_space.run_folder import to_json
    from latent_space.similar import find_similar

    population = Population.load(run)
    check_export(population, run=run, export_format=export_format, out=out, name="similar", data=data)
    found = find_similar(population, sample_id, n=n)
    reasons = ["compared with", *(f"{distance:.4g} from {sample_id}" for distance in found["distance"])]
    export = export_to(
        population,
        [sample_id, *found["sample_id"]],
        run=run,
        export_format=export_format,
        out=out,
        name="similar",
        reasons=reasons,
        pictures=pictures,
        data=data,
    )
    if as_json:
        facts: dict[str, Any] = {"sample_id": sample_id, "similar": found.to_dict("records"), "export": export}
        typer.echo(json.dumps(to_json(facts), indent=2))
        return
    print_similar(sample_id, found)
    if export is not None:
        typer.echo(f"export: {export}")


def print_similar(sample_id: str, found: "pd.DataFrame") -> None:
    """Print a row per sample, the nearest first."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"nearest to {sample_id}")
    for name in found.columns:
        table.add_column(str(name).replace("_", " "), justify="left" if name in ("sample_id", "split") else "right")
    for row in found.itertuples(index=False):
        table.add_row(*(_shown(value) for value in row))
    Console(highlight=False, markup=False).print(table)


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "-" if value is None or value != value else f"{value:.4g}"
