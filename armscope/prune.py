"""`armscope prune`: which training samples can be dropped, and the check that shows what it costs."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from armscope.exporting import DataOption, FormatOption, OutOption, PicturesOption, check_export, export_to
from armscope.renewal import renew_report

if TYPE_CHECKING:
    from latent_space.population import Population
    from latent_space.pruning.decisions import Pruning


def prune(
    run: Annotated[Path, typer.Argument(help="Run folder that `armscope explore` wrote.")],
    keep: Annotated[
        float | None, typer.Option(help="Share of the labelled training samples to keep, between 0 and 1.")
    ] = None,
    auto: Annotated[
        bool, typer.Option("--auto", help="Keep the smallest share whose score stays within the tolerance.")
    ] = False,
    tolerance: Annotated[float, typer.Option(help="How far the score may fall below that of everything.")] = 0.01,
    strategy: Annotated[str, typer.Option(help="auto, steps, facility_location, kcenter, loss or random.")] = "auto",
    classes: Annotated[
        str | None, typer.Option(help="Metadata column that holds the samples' classes.", show_default="none")
    ] = None,
    seeds: Annotated[int, typer.Option(min=3, help="Repetitions of the check.")] = 5,
    seed: Annotated[int, typer.Option(help="Of everything drawn at random.")] = 0,
    export_format: FormatOption = None,
    out: OutOption = None,
    pictures: PicturesOption = "copy",
    data: DataOption = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Choose the training samples worth keeping, with a reason for each and a measured check."""
    from latent_space.population import Population

    if (keep is None) != auto:
        raise ValueError("keep must be given, or --auto, but not both; see `armscope prune --help`.")
    population = Population.load(run)
    check_export(population, run=run, export_format=export_format, out=out, name="pruning", data=data)
    done, files = prune_run(
        run,
        population=population,
        keep=keep,
        strategy=strategy,
        classes=classes,
        tolerance=tolerance,
        n_seeds=seeds,
        random_state=seed,
    )
    exported = export_to(
        population,
        done.kept_ids,
        run=run,
        export_format=export_format,
        out=out,
        name="pruning",
        reasons=done.decisions["reason"].tolist()[: len(done.kept_ids)],
        pictures=pictures,
        data=data,
    )
    _print(done, files if exported is None else files | {"export": exported.absolute()}, as_json)


def prune_run(
    run: Path, *, population: "Population | None" = None, **options: Any
) -> tuple["Pruning", dict[str, Path]]:
    """Choose what to keep of a run, write it there, and write the report anew if the run has a map.

    Parameters
    ----------
    run : path
        The run folder.
    population : Population, optional
        The run's, where it is read already.
    **options
        Of `latent_space.pruning.decisions.prune`.

    Returns
    -------
    Pruning, dict
        What was chosen, and the files written, by name.
    """
    from latent_space.population import Population
    from latent_space.pruning import decisions
    from latent_space.run_folder import PRUNING_PICTURE
    from latent_space.space import sample_space

    population = Population.load(run) if population is None else population
    done = decisions.prune(population, space=sample_space(population, run), **options)
    files = {"decisions": done.write(run).absolute()}
    if done.curve is not None:
        files["curve"] = (run / PRUNING_PICTURE).absolute()
    report = renew_report(population, run)
    return done, files if report is None else files | {"report": report}


def _print(done: "Pruning", files: dict[str, Path], as_json: bool) -> None:
    n_kept, n_dropped = len(done.kept_ids), len(done.dropped_ids)
    if as_json:
        facts = {"kept": n_kept, "dropped": n_dropped, "fraction": done.fraction, "sentence": done.sentence}
        typer.echo(json.dumps(facts | {name: str(path) for name, path in files.items()}, indent=2))
        return
    typer.echo(done.sentence)
    typer.echo(f"keep {n_kept:,} and drop {n_dropped:,} of {n_kept + n_dropped:,} labelled training samples")
    for name, path in files.items():
        typer.echo(f"{name}: {path}")
