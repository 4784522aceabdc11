"""`armscope explore`: run an integration over its data, and show what came out."""

import json
import math
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from latent_space.population import Population

_HOUSE = Path(__file__).resolve().parent.parent
_REASONS_SHOWN = 5
Task = Literal["segmentation", "anomaly"]


def explore(
    folder: Annotated[
        Path, typer.Argument(help="Folder with a leap.yaml, or an entry file.", show_default="this repository")
    ] = _HOUSE,
    out: Annotated[
        Path | None, typer.Option(help="The run folder to write.", show_default="runs/<name of the folder>")
    ] = None,
    task: Annotated[
        Task | None, typer.Option(help="Which of our own tasks.", show_default="as settings.yaml or ARMSCOPE_TASK says")
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Data folder, given to the integration as ARMSCOPE_DATA.")] = None,
    model: Annotated[
        Path | None, typer.Option(help="ONNX file, or folder with one, to use instead of the integration's own.")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Worker processes.", show_default="processors, at most 4")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many samples per split.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on where an interrupted run stopped.")] = False,
    latent: Annotated[
        str | None, typer.Option(help="Tensor of the model, or latent space of the integration, to map.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of the maps and of random projections.")] = 0,
    batch_size: Annotated[int, typer.Option(min=1, help="Samples that metrics and losses get at once.")] = 16,
    no_visualizers: Annotated[bool, typer.Option("--no-visualizers", help="Do not run the visualizers.")] = False,
    no_maps: Annotated[bool, typer.Option("--no-maps", help="Only numbers and latents: no maps, no report.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print what run.json holds instead of a table.")] = False,
) -> None:
    """Run an integration over every sample of every split: metrics, latent vectors, maps, and a page to look at."""
    from latent_space.engine.exploration import explore as run

    folder = folder.expanduser().resolve()
    if task is not None:
        if folder != _HOUSE:
            raise ValueError(f"task must be left out for an integration that is not ours; got {task} for {folder}.")
        os.environ["ARMSCOPE_TASK"] = task
    target = out if out is not None else Path("runs") / (folder.stem if folder.is_file() else folder.name)
    try:
        population = run(
            folder,
            out=target,
            model=model,
            data=data if data is not None or folder != _HOUSE else _configured_data(),
            limit=limit,
            jobs=jobs,
            resume=resume,
            latent=latent,
            seed=seed,
            batch_size=batch_size,
            visualizers=not no_visualizers,
            maps=not no_maps,
        )
    except KeyboardInterrupt:
        advice = " The same command with --resume continues." if (target / ".work").is_dir() else ""
        typer.echo(f"armscope: Interrupted.{advice}", err=True)
        raise typer.Exit(130) from None
    report = target.absolute() / "report.html"
    if as_json:
        typer.echo(json.dumps(_summary(population, target.absolute(), report), indent=2))
    else:
        print_run(population, target.absolute(), report)


def explore_ours(task: Task, *, out: Path, **options: Any) -> "Population":
    """Run one of our own tasks, whatever the settings say; for `options` see `latent_space.explore`."""
    from latent_space.engine.exploration import explore as run

    before = os.environ.get("ARMSCOPE_TASK")
    os.environ["ARMSCOPE_TASK"] = task
    try:
        return run(_HOUSE, out=out, **options)
    finally:
        os.environ.pop("ARMSCOPE_TASK")
        if before is not None:
            os.environ["ARMSCOPE_TASK"] = before


def explore_again(facts: dict[str, Any], *, out: Path, data: Path, **options: Any) -> "Population":
    """Run other data through the integration, the model and the layer that a run was made with.

    Parameters
    ----------
    facts : dict
        Of the run, as `run.json` holds them.
    out, data : path
        See `latent_space.explore`; so `options`.

    Raises
    ------
    ValueError
        If the run does not say what it was made with, or its model has changed since.
    FileNotFoundError
        If there is no such data.
    """
    from latent_space.engine.exploration import explore as run

    if not data.expanduser().exists():
        raise FileNotFoundError(f"data must be a folder or file; got {data}, which does not exist.")
    settings = facts.get("settings")
    if not isinstance(settings, dict) or not isinstance(facts.get("integration"), str):
        raise ValueError("The run must say what it was made with; its run.json names no integration. Explore it again.")
    entry = Path(facts["integration"])
    _check_model(facts)
    # By its name: another version may choose another layer.
    latent = facts["latent"].get("name") if isinstance(facts.get("latent"), dict) else settings.get("latent")
    made_with = {"model": facts.get("model"), "latent": latent, "seed": facts.get("seed", 0)}
    same = {**made_with, "out": out, "data": data, "maps": False, **options}
    if entry.parent == _HOUSE:
        return explore_ours(facts["task"], **same)
    return run(entry, **same)


def _check_model(facts: dict[str, Any]) -> None:
    """Refuse a model that is not what it was when the run was made."""
    import hashlib

    model, known = facts.get("model"), facts.get("model_sha256")
    if not (isinstance(model, str) and known and Path(model).is_file()):
        return
    if hashlib.sha256(Path(model).read_bytes()).hexdigest() != known:
        raise ValueError(f"The model must be the run's; {model} has changed since. Explore the run again.")


def _configured_data() -> Path | None:
    """Our own data folder, so that a change of its files counts when a run is resumed."""
    from latent_space.settings import load_settings

    return load_settings().path("data")


def _summary(population: "Population", out: Path, report: Path) -> dict[str, Any]:
    from latent_space.run_folder import to_json

    facts = {"out": out, "report": report if report.is_file() else None, "mean_loss": mean_losses(population)}
    summary: dict[str, Any] = to_json(facts | population.run)
    return summary


def mean_losses(population: "Population") -> dict[str, float | None]:
    """Mean loss per split, over the samples that have one."""
    samples = population.samples
    if "loss" not in samples:
        return {}
    means = samples.groupby("split", sort=False)["loss"].mean()
    return {str(split): None if value != value else float(value) for split, value in means.items()}


def _means(population: "Population") -> dict[str, dict[str, float]]:
    """Mean of the loss and of every metric per split, NaN where no sample of the split has one."""
    samples = population.samples
    columns = [name for name in samples.columns if name == "loss" or str(name).startswith("metric_")]
    numeric = [name for name in columns if samples[name].dtype.kind in "fiub"]
    splits = list(population.run["splits"])
    means = samples.groupby("split")[numeric].mean().reindex(splits)
    return {
        str(name).removeprefix("metric_"): {split: float(means.loc[split, name]) for split in splits}
        for name in numeric
    }


def print_run(population: "Population", out: Path, report: Path) -> None:
    """Print a row per split, what was set aside and why, and where the results are."""
    from rich.console import Console
    from rich.table import Table

    console, latent = Console(highlight=False), population.run.get("latent", {})
    splits = population.run["splits"]
    table = Table(
        "", *splits, title=f"{population.run.get('task', 'run')}: {len(population):,} samples, means by split"
    )
    for column in table.columns[1:]:
        column.justify = "right"
    table.add_row("samples", *(f"{count['n']:,}" for count in splits.values()))
    table.add_row("failed", *(f"{count['n_failed']:,}" for count in splits.values()), end_section=True)
    for name, means in _means(population).items():
        if all(math.isnan(mean) for mean in means.values()):
            continue
        table.add_row(name, *("-" if math.isnan(means[split]) else f"{means[split]:.4g}" for split in splits))
    console.print(table)
    console.print(f"latent vectors: {population.latents.shape[1]} features of {latent.get('name')}", markup=False)
    for warning in population.run.get("warnings", []):
        console.print(f"note: {warning}", markup=False)
    for reason, n in list(population.run.get("reasons", {}).items())[:_REASONS_SHOWN]:
        console.print(f"set aside {n}: {reason}", markup=False)
    console.print(f"run: {out}", markup=False, soft_wrap=True)
    if report.is_file():
        console.print(f"report: {report}", markup=False, soft_wrap=True)
