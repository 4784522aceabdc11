"""`armscope segmentation`: make, train on and evaluate totes."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from armbench_segmentation.resize import ResizeMode

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


@app.command()
def train(
    out: Annotated[Path, typer.Option(help="Folder for model.onnx, best.pth, last.pth, training.json.")],
    data: Annotated[
        Path,
        typer.Option(help="Folder with train.json, val.json, images/; or one COCO file: 30 % validate."),
    ],
    images: Annotated[Path | None, typer.Option(help="Folder of the images, if it is not images/ there.")] = None,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the training images.")] = 10,
    image_size: Annotated[int, typer.Option(help="Side of the input in pixels, a multiple of 32.")] = 128,
    width: Annotated[Literal["n", "s"], typer.Option(help="1.9 or 7.4 million parameters.")] = "n",
    batch_size: Annotated[
        int | None, typer.Option(min=1, help="Images per step.", show_default="2 to 16, as the images are many")
    ] = None,
    learning_rate: Annotated[float, typer.Option(help="At the peak of the schedule.")] = 4e-3,
    patience: Annotated[int, typer.Option(min=1, help="Stop after so many epochs without a better validation.")] = 50,
    anchors: Annotated[
        Literal["coco", "fitted"], typer.Option(help="COCO's anchors, or fitted to the training objects.")
    ] = "coco",
    resize: Annotated[ResizeMode, typer.Option(help="How images become square.")] = "stretch",
    exporter: Annotated[Literal["dynamo", "legacy"], typer.Option(help="Which of torch's ONNX exporters.")] = "dynamo",
    threads: Annotated[int, typer.Option(min=1, help="Of torch.")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Of weights, order, variations and the split.")] = 0,
    resume: Annotated[bool, typer.Option("--resume", help="Continue from OUT/last.pth.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Train a YOLOv5-seg network on annotated images and export it to ONNX."""
    from armbench_segmentation.training.trainer import train_segmentation

    try:
        report = train_segmentation(
            data,
            out,
            images=images,
            resume=resume,
            epochs=epochs,
            image_size=image_size,
            width=width,
            batch_size=batch_size,
            learning_rate=learning_rate,
            patience=patience,
            anchors=anchors,
            resize=resize,
            exporter=exporter,
            threads=threads,
            seed=seed,
        )
    except KeyboardInterrupt:
        advice = " The same command with --resume continues." if (out / "last.pth").is_file() else ""
        typer.echo(f"armscope: Interrupted.{advice}", err=True)
        raise typer.Exit(130) from None
    typer.echo(report.to_json() if as_json else report)


@app.command()
def evaluate(
    annotations: Annotated[Path, typer.Option(help="COCO annotation file: the ground truth.")],
    images: Annotated[Path, typer.Option(help="Folder of its images.")],
    out: Annotated[Path, typer.Option(help="Folder for metrics.json, and predictions.json when a model runs.")],
    predictions: Annotated[Path | None, typer.Option(help="COCO results file with masks; or give --model.")] = None,
    model: Annotated[Path | None, typer.Option(help="ONNX file of a YOLO-seg model; or give --predictions.")] = None,
    confidence: Annotated[float, typer.Option(help="From here on predictions count for all but AP and TIDE.")] = 0.35,
    tolerance: Annotated[
        float | None, typer.Option(help="T of both segmentation rules; default .75 (hoover), .8 (containment).")
    ] = None,
    resize: Annotated[
        ResizeMode | None,
        typer.Option(help="How images become the model's input.", show_default="as the model says, else stretch"),
    ] = None,
    nms_iou: Annotated[float, typer.Option(help="Detections of one class that overlap more are one object.")] = 0.5,
    max_detections: Annotated[int, typer.Option(help="The most confident of each image and class are seen.")] = 100,
    image_size: Annotated[int | None, typer.Option(help="Input side of a model whose file does not fix it.")] = None,
    category: Annotated[
        list[str] | None, typer.Option(help="Category to use; repeat in the order of the model's classes. Default all.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print metrics.json instead of tables.")] = False,
) -> None:
    """Measure a model, or a file of predictions: AP, over- and under-segmentation, TIDE, panoptic quality."""
    import json

    from rich.console import Console

    from armbench_segmentation.evaluation import EvaluationOptions, evaluate_files
    from armbench_segmentation.evaluation_tables import evaluation_tables
    from latent_space.run_folder import to_json

    options = EvaluationOptions(
        confidence=confidence,
        tolerance=tolerance,
        resize=resize,
        nms_iou=nms_iou,
        max_detections=max_detections,
        image_size=image_size,
        categories=tuple(category) if category else None,
    )
    results = evaluate_files(annotations, images, out, predictions=predictions, model=model, options=options)
    if as_json:
        typer.echo(json.dumps(to_json(results), indent=2))
        return
    console = Console()
    for table in evaluation_tables(results):
        console.print(table)
    if results["set_aside"]:
        console.print(f"{len(results['set_aside'])} images were set aside; metrics.json says why.")
    console.print(f"Results: {out / 'metrics.json'}", soft_wrap=True)
