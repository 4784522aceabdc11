"""`armscope label`: which samples to label next, why, and whether choosing them pays."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from armscope.exporting import DataOption, FormatOption, OutOption, PicturesOption, check_export, export_to
from armscope.renewal import renew_report

if TYPE_CHECKING:
    from latent_space.labelling.accuracy import Accuracy
    from latent_space.labelling.chances import Calibration
    from latent_space.labelling.recommendation import Labelling
    from latent_space.labelling.request import Request
    from latent_space.population import Population

_SHOWN = 20


def label(
    run: Annotated[Path, typer.Argument(help="Run folder that has samples without labels.")],
    budget: Annotated[int, typer.Option(help="Samples to label.")],
    strategy: Annotated[
        str, typer.Option(help="auto, failure, coverage, kcenter, typical, uncertain or random.")
    ] = "auto",
    measure: Annotated[
        str | None,
        typer.Option(
            help="What is predicted: loss, or a metric that has a direction.",
            show_default="the loss; where that needs no label, the first metric that does",
        ),
    ] = None,
    from_file: Annotated[
        Path | None, typer.Option("--from", help="Pick only among these: the page's JSON, or a CSV with sample_id.")
    ] = None,
    groups: Annotated[str | None, typer.Option(help="Column; samples of equal value are picked together.")] = None,
    floor: Annotated[
        list[str] | None, typer.Option(help="COLUMN=N: at least N picks of each value of a column. May be repeated.")
    ] = None,
    classes: Annotated[
        str | None, typer.Option(help="Column with the classes of labelled samples, for the curve of a probe.")
    ] = None,
    export_format: FormatOption = None,
    out: OutOption = None,
    pictures: PicturesOption = "copy",
    data: DataOption = None,
    seed: Annotated[int, typer.Option(help="Of everything drawn at random.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print everything as JSON.")] = False,
) -> None:
    """Rank the samples to label next, and replay on the labelled ones how many labels that saves."""
    from latent_space.labelling.request import Request
    from latent_space.population import Population
    from latent_space.selections import read_selection

    floors = _floors(floor or [])
    population = Population.load(run)
    check_export(population, run=run, export_format=export_format, out=out, name="labelling", data=data)
    request = Request(
        budget,
        strategy=strategy,
        measure=measure,
        sample_ids=None if from_file is None else read_selection(from_file, population),
        groups=groups,
        floors=floors,
        classes=classes,
        random_state=seed,
    )
    labelling, files = label_run(run, request, population=population)
    exported = export_to(
        labelling.population,
        labelling.table["sample_id"].tolist(),
        run=run,
        export_format=export_format,
        out=out,
        name="labelling",
        reasons=labelling.table["reason"].tolist(),
        pictures=pictures,
        data=data,
    )
    files = files if exported is None else files | {"export": exported}
    if as_json:
        from latent_space.labelling.recommendation import as_facts
        from latent_space.run_folder import to_json

        typer.echo(json.dumps(to_json(as_facts(labelling) | files), indent=2))
    else:
        print_labelling(labelling, files)


def label_run(
    run: Path, request: "Request", *, population: "Population | None" = None
) -> tuple["Labelling", dict[str, Path]]:
    """Choose what to label next in a run, write it there, and write the report anew if the run has a map.

    Parameters
    ----------
    run : path
        The run folder.
    request : Request
        What to pick.
    population : Population, optional
        The run's, where it is read already.

    Returns
    -------
    Labelling, dict
        What was chosen, and the files written, by name.
    """
    from latent_space.labelling.recommendation import recommend_labelling
    from latent_space.population import Population
    from latent_space.run_folder import LABELLING_PICTURE
    from latent_space.space import sample_space

    population = Population.load(run) if population is None else population
    labelling = recommend_labelling(population, request, space=sample_space(population, run))
    files = {"labelling": labelling.write(run).absolute()}
    if labelling.curves:
        files["curve"] = (run / LABELLING_PICTURE).absolute()
    report = renew_report(labelling.population, run)
    return labelling, files if report is None else files | {"report": report}


def print_labelling(labelling: "Labelling", files: dict[str, Path], *, shown: int = _SHOWN) -> None:
    """Print the first picks with their reasons, what the curve says, and where the results are."""
    rows = labelling.table.head(shown)
    width = max(map(len, rows["sample_id"]), default=0)
    if labelling.choice:
        typer.echo(labelling.choice)
    typer.echo(f"Label next, {len(labelling.table):,} samples:")
    for rank, name, reason in zip(rows["rank"], rows["sample_id"], rows["reason"], strict=True):
        typer.echo(f"{rank:>4}  {name:<{width}}  {reason}")
    if len(labelling.table) > shown:
        typer.echo(f"... and {len(labelling.table) - shown:,} more")
    if labelling.accuracy is not None:
        typer.echo(accuracy_in_words(labelling.accuracy))
    for line in [*(curve.sentence for curve in labelling.curves), *labelling.notes]:
        typer.echo(line)
    for name, path in files.items():
        typer.echo(f"{name}: {path}")


def accuracy_in_words(accuracy: "Accuracy") -> str:
    """Return how well errors are predicted, in one line."""
    if accuracy.calibration is not None:
        return _chances_in_words(accuracy, accuracy.calibration)
    figures = {"Spearman": accuracy.spearman, "AUC for failures": accuracy.auc, "R2": accuracy.r2}
    known = ", ".join(f"{name} {value:.2f}" for name, value in figures.items() if value == value)
    line = f"error predicted by {accuracy.learner}, cross-validated on {accuracy.n_known:,} labelled samples"
    if not known:
        return f"{line}: nothing to judge it by"
    return f"{line}: {known}; the 90 % interval holds {100 * accuracy.coverage:.0f} %"


def _chances_in_words(accuracy: "Accuracy", found: "Calibration") -> str:
    """Return how well chances of failure are predicted; R2 is here the skill by Brier's score."""
    auc = "" if accuracy.auc != accuracy.auc else f"AUC {accuracy.auc:.2f}, "
    return (
        f"chance of failure predicted by {accuracy.learner}, cross-validated on {accuracy.n_known:,} labelled samples, "
        f"{found.n_failed:,} of them failures: {auc}Brier skill {accuracy.r2:.2f}; of the tenth predicted worst "
        f"{100 * found.top_found:.0f} % fail, {100 * found.top_predicted:.0f} % predicted"
    )


def _floors(texts: list[str]) -> dict[str, int]:
    floors = {}
    for text in texts:
        name, _, least = text.rpartition("=")
        if not name or not least.isdecimal() or int(least) < 1:
            raise ValueError(f"floor must be COLUMN=N with N at least 1; got {text!r}.")
        floors[name] = int(least)
    return floors
