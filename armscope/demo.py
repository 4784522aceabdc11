"""`armscope demo`: synthetic totes, a small network trained on them, and the map of what it learned."""

import json
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from latent_space.population import Population

_HOUSE = Path(__file__).resolve().parent.parent


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the data, the model and the run.")] = Path("runs/demo"),
    train: Annotated[int, typer.Option(min=2, help="Labelled training images.")] = 300,
    val: Annotated[int, typer.Option(min=2, help="Labelled validation images.")] = 100,
    unlabeled: Annotated[int, typer.Option(min=1, help="Images without annotations.")] = 200,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the training images.")] = 10,
    image_size: Annotated[int, typer.Option(min=64, help="Side of the network's input, pixels.")] = 128,
    jobs: Annotated[int | None, typer.Option(min=1, help="Worker processes.", show_default="as explore")] = None,
    seed: Annotated[int, typer.Option(help="Of the data, the network and the maps.")] = 0,
) -> None:
    """Make totes, train a small network on them, and explore where it fails: the whole job, from nothing."""
    from armbench_segmentation.synthetic import write_totes
    from armbench_segmentation.training.trainer import train_segmentation
    from armscope.explore import print_run
    from latent_space.engine.exploration import explore

    data, model_dir, run = out / "data", out / "model", out / "run"
    started = time.monotonic()
    typer.echo(f"1/3 Synthetic totes -> {data}")
    typer.echo(write_totes(data, train=train, val=val, unlabeled=unlabeled, seed=seed))
    typer.echo(f"2/3 Training -> {model_dir}")
    shutil.rmtree(model_dir, ignore_errors=True)
    training = train_segmentation(data, model_dir, epochs=epochs, image_size=image_size, seed=seed)
    typer.echo(training)
    typer.echo(f"3/3 Every sample through the model -> {run}")
    population = explore(_HOUSE, out=run, data=data, model=training.model, jobs=jobs, seed=seed)
    print_run(population, run.absolute(), (run / "report.html").absolute())
    if training.map50 is not None:
        typer.echo(f"mask mAP50 on the validation images: {training.map50:.3f}")
    typer.echo(_planted(data / "truth.json", population))
    typer.echo(f"Done in {time.monotonic() - started:.0f} s. Open the report in a browser; it needs no network.")


def _planted(truth: Path, population: "Population") -> str:
    """Say how the model fares inside and outside the slice that the generator made hard on purpose."""
    planted = json.loads(truth.read_text(encoding="utf-8"))["failure_slice"]
    labelled = population.samples[population.samples["split"] != "unlabeled"]
    inside = labelled["sample_id"].isin(planted["file_names"])
    conditions = " and ".join(f"{name} = {value}" for name, value in planted["conditions"].items())
    inner, outer = (labelled.loc[mask, "metric_f1"].mean() for mask in (inside, ~inside))
    return f"planted failure, {conditions}: F1 {inner:.2f} on its {inside.sum()} labelled images, {outer:.2f} elsewhere"
