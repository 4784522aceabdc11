"""`armscope place`: new data on the maps of a run, without making the maps anew."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from armscope.explore import explore_again

if TYPE_CHECKING:
    from latent_space.population import Population

_SHOWN = 5


def place(
    run: Annotated[Path, typer.Argument(help="Run folder with maps.")],
    data: Annotated[Path, typer.Option(help="New data, of the kind that the run's integration reads.")],
    out: Annotated[
        Path | None, typer.Option(help="Folder for the new samples.", show_default="RUN/placed/<name of the data>")
    ] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Worker processes.", show_default="processors, at most 4")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many samples per split.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what came out as JSON.")] = False,
) -> None:
    """Run new data through the run's model and place the samples on the run's maps; nothing on them moves."""
    from latent_space.explorer import write_report
    from latent_space.newcomers import beside
    from latent_space.population import Population
    from latent_space.run_folder import PLACED_FOLDER, page_beside, to_json

    known = Population.load(run)
    target = (out if out is not None else run / PLACED_FOLDER / data.expanduser().absolute().name).expanduser()
    if target.resolve() == run.expanduser().resolve():
        raise ValueError(f"out must be another folder than the run, which it would replace; got {target}.")
    new = _placed(known, run, data=data, out=target, jobs=jobs, limit=limit)
    new.save(target)
    report = write_report(new, target)
    inside = target.absolute()
    if inside.is_relative_to(run.absolute()):  # the page of the run can show the pictures of both
        folder = inside.relative_to(run.absolute()).as_posix()
        report = write_report(beside(new, known, folder), run, file=page_beside(inside.name))
    facts = summary(new, target) | {"report": report.absolute()}
    typer.echo(json.dumps(to_json(facts), indent=2) if as_json else _words(facts, run))


def _placed(known: "Population", run: Path, *, data: Path, out: Path, **options: Any) -> "Population":
    """Run the new data through the model and place them; where they cannot be placed, leave no run of them."""
    from latent_space.engine.folder import remove_run
    from latent_space.newcomers import methods_with_map, place_newcomers
    from latent_space.space import sample_space

    methods_with_map(known)
    space, is_there = sample_space(known, run), out.exists()
    new = explore_again(known.run, data=data, out=out, **options)
    try:
        return place_newcomers(new, known, space)
    except ValueError:
        if not is_there:
            remove_run(out)
        raise


def summary(new: "Population", out: Path) -> dict[str, Any]:
    """Return how many samples were placed, and which of them are strange."""
    strange = new.samples[new.samples["is_strange"]].sort_values("nearest_distance", ascending=False)
    return {
        "out": out.absolute(),
        "n_samples": len(new),
        "n_placed": int(new.samples["nearest_distance"].notna().sum()),
        "strange": strange["sample_id"].tolist(),
    }


def _words(facts: dict[str, Any], run: Path) -> str:
    lines = [f"placed {facts['n_placed']:,} of {facts['n_samples']:,} new samples on the maps of {run}"]
    strange = facts["strange"]
    if strange:
        shown = ", ".join(strange[:_SHOWN]) + (", ..." if len(strange) > _SHOWN else "")
        lines.append(f"{len(strange):,} are farther from every known sample than 99 % of those are: {shown}")
    return "\n".join([*lines, f"samples: {facts['out']}", f"report: {facts['report']}"])
