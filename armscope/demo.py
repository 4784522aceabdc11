"""`armscope demo`: both tasks from nothing to a report, on synthetic totes and a simulated rig."""

import time
from pathlib import Path
from typing import Annotated

import typer

from armscope.explore import Task


def demo(
    out: Annotated[Path, typer.Option(help="Folder for the data, the models and the runs.")] = Path("runs/demo"),
    only: Annotated[Task | None, typer.Option(help="One of the tasks.", show_default="both")] = None,
    train: Annotated[int, typer.Option(min=2, help="Labelled training images.")] = 300,
    val: Annotated[int, typer.Option(min=2, help="Labelled validation images.")] = 100,
    unlabeled: Annotated[int, typer.Option(min=1, help="Images without annotations.")] = 200,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the training images.")] = 10,
    image_size: Annotated[int, typer.Option(min=64, help="Side of the network's input, pixels.")] = 128,
    rig_steps: Annotated[int, typer.Option(min=1000, help="Seconds that each machine of the rig runs.")] = 6000,
    jobs: Annotated[int | None, typer.Option(min=1, help="Worker processes.", show_default="as explore")] = None,
    seed: Annotated[int, typer.Option(help="Of the data, the models and the maps.")] = 0,
) -> None:
    """Make totes and a failing rig, train a small model on each, and explore where it fails: the whole job."""
    from armscope.demo_anomaly import show_rig
    from armscope.demo_segmentation import Totes, show_totes

    started = time.monotonic()
    reports: list[Path] = []
    if only != "anomaly":
        typer.echo("A robot arm's camera: which objects lie in the tote?")
        totes = Totes(train, val, unlabeled, epochs, image_size)
        reports.append(show_totes(totes, out, jobs=jobs, seed=seed))
    if only != "segmentation":
        typer.echo("A rig's sensors: is something wrong?")
        reports.append(show_rig(rig_steps, out / "anomaly", jobs=jobs, seed=seed))
    for report in reports:
        typer.echo(f"report: {report}")
    typer.echo(f"Done in {time.monotonic() - started:.0f} s. Open the reports in a browser; they need no network.")
