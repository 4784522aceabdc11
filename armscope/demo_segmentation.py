"""The totes' half of the demo: synthetic totes, a small network trained on them, and the map of what it learned."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from latent_space.population import Population


@dataclass(frozen=True)
class Totes:
    """How many images of which size, and how long to train on them."""

    train: int
    val: int
    unlabeled: int
    epochs: int
    image_size: int


def show_totes(totes: Totes, out: Path, *, jobs: int | None, seed: int) -> Path:
    """Run the whole job and tell each step; returns the report.

    Parameters
    ----------
    totes : Totes
    out : Path
        Gets the folders `data`, `model` and `run`.
    jobs : int or None
        Worker processes.
    seed : int
    """
    from armbench_segmentation.synthetic import write_totes
    from armbench_segmentation.training.trainer import train_segmentation
    from armscope.demo_decisions import show_decisions
    from armscope.explore import explore_ours, print_run

    data, model_dir, run = out / "data", out / "model", out / "run"
    typer.echo(f"1/3 Synthetic totes -> {data}")
    typer.echo(write_totes(data, train=totes.train, val=totes.val, unlabeled=totes.unlabeled, seed=seed))
    typer.echo(f"2/3 Training -> {model_dir}")
    shutil.rmtree(model_dir, ignore_errors=True)
    training = train_segmentation(data, model_dir, epochs=totes.epochs, image_size=totes.image_size, seed=seed)
    typer.echo(training)
    typer.echo(f"3/3 Every sample through the model -> {run}")
    population = explore_ours("segmentation", out=run, data=data, model=training.model, jobs=jobs, seed=seed)
    report = (run / "report.html").absolute()
    print_run(population, run.absolute(), report)
    if training.map50 is not None:
        typer.echo(f"mask mAP50 on the validation images: {training.map50:.3f}")
    typer.echo(_planted(data / "truth.json", population))
    show_decisions(run, seed=seed)
    return report


def _planted(truth: Path, population: "Population") -> str:
    """Say how the model fares inside and outside the slice that the generator made hard on purpose."""
    planted = json.loads(truth.read_text(encoding="utf-8"))["failure_slice"]
    labelled = population.samples[population.samples["split"] != "unlabeled"]
    inside = labelled["sample_id"].isin(planted["file_names"])
    conditions = " and ".join(f"{name} = {value}" for name, value in planted["conditions"].items())
    inner, outer = (labelled.loc[mask, "metric_f1"].mean() for mask in (inside, ~inside))
    return f"planted failure, {conditions}: F1 {inner:.2f} on its {inside.sum()} labelled images, {outer:.2f} elsewhere"
