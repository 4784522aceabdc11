"""`armscope segmentation`: make, train on and evaluate totes."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(no_args_is_help=True, help="The segmentation model: synthetic totes, training, evaluation.")


@app.command()
def synth(
    out: Annotated[Path, typer.Option(help="Folder to write: {train,val,test}.json, images/, truth.json.")],
    train: Annotated[int, typer.Option(min=0, help="Labelled training images.")] = 300,
    val: Annotated[int, typer.Option(min=0, help="Labelled validation images.")] = 100,
    unlabeled: Annotated[int, typer.Option(min=0, help="Images without annotations (test.json).")] = 200,
    image_size: Annotated[int, typer.Option(min=64, help="Side of the square images, pixels.")] = 256,
    seed: Annotated[int, typer.Option(help="Same seed, same files.")] = 0,
) -> None:
    """Draw synthetic totes with known conditions, a planted failure slice and planted near-duplicates."""
    from armbench_segmentation.synthetic import write_totes

    report = write_totes(out, train=train, val=val, unlabeled=unlabeled, image_size=image_size, seed=seed)
    typer.echo(report)
