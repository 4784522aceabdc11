"""`armscope anomaly train | evaluate | score | benchmark`: what a detector learns, how good it is, what it says."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from anomaly_detection.commands.reading import (
    Read,
    assignments,
    integer,
    names,
    number,
    read_options,
    setting_assignments,
)

if TYPE_CHECKING:
    from anomaly_detection.base import Detector


def train(
    detector: Annotated[
        str | None,
        typer.Argument(
            help="pca, multiscale, knn, autoencoder, vae, tcn or lstm; or --model-type.", show_default=False
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            "--data", "--data-dir", help="Folder that `prepare` wrote; or one table: its parts are cut by time."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "--output-dir", help="Folder for detector.onnx, detector.json, best_model.pth."),
    ] = None,
    model_type: Annotated[str | None, typer.Option(help="The detector, where it is not the argument.")] = None,
    window_size: Annotated[int | None, typer.Option(min=1, help="Rows a score depends on.")] = None,
    n_components: Annotated[int | None, typer.Option(min=1, help="pca: components of the normal plane.")] = None,
    latent_dim: Annotated[int | None, typer.Option(min=1, help="autoencoder, vae: width of the latent layer.")] = None,
    hidden_dims: Annotated[str | None, typer.Option(help="autoencoder, vae: widths of the layers, 128,64,32.")] = None,
    dropout: Annotated[float | None, typer.Option(help="Share of hidden values dropped while training.")] = None,
    batch_size: Annotated[int | None, typer.Option(min=1, help="Windows per step.")] = None,
    learning_rate: Annotated[float | None, typer.Option(help="Of AdamW.")] = None,
    max_epochs: Annotated[int | None, typer.Option(min=1, help="Passes over the training rows, at most.")] = None,
    patience: Annotated[int | None, typer.Option(min=1, help="Stop after so many epochs without a gain.")] = None,
    scaling: Annotated[str | None, typer.Option(help="standard, minmax or robust.")] = None,
    loss: Annotated[str | None, typer.Option(help="tcn, lstm: mse, minmax or masked.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Any setting that `train DETECTOR --settings` lists; repeat."),
    ] = None,
    list_settings: Annotated[
        bool, typer.Option("--settings", help="List the settings of the detector and what they take, and stop.")
    ] = False,
    threshold_method: Annotated[
        str | None,
        typer.Option(
            help="auto (best F1 where validation has labels, else a false-positive rate), percentile, best_f1, "
            "false_positive_rate, extreme_value, scaled_maximum or fixed; with a number: percentile=99, fixed=3.73.",
            show_default="auto",
        ),
    ] = None,
    baseline_size: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Compare every score with the level of so many newest ones: fewer false alarms after a fault or in a "
            "new state. For `score` and `evaluate`, not for `explore`.",
            show_default="none",
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="Of the weights and the order of the rows.")] = None,
    no_cuda: Annotated[
        bool, typer.Option("--no-cuda", help="Train on the processor even where there is a GPU.")
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the checkpoint of an interrupted training.")
    ] = False,
    unit: Annotated[list[str] | None, typer.Option(metavar="CHANNEL=UNIT", help="Unit of a channel; repeat.")] = None,
    read: Read = None,
    experiment_name: Annotated[str | None, typer.Option(help="Kept in detector.json.")] = None,
    run_name: Annotated[str | None, typer.Option(help="Kept in detector.json.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Train a detector, set its threshold on the validation part, judge it on the test part, and store it."""
    from anomaly_detection.parts import read_parts
    from anomaly_detection.registry import describe_settings
    from anomaly_detection.scoring import order_notes
    from anomaly_detection.training import CHECKPOINT, train_detector

    given = {
        "window_size": window_size,
        "n_components": n_components,
        "latent_dim": latent_dim,
        "hidden_dims": None
        if hidden_dims is None
        else tuple(integer(n, "--hidden-dims") for n in names(hidden_dims) or ()),
        "dropout": dropout,
        "batch_size": batch_size,
        "learning_rate": learning_rate,
        "max_epochs": max_epochs,
        "patience": patience,
        "scaling": scaling,
        "loss": loss,
        "threshold": threshold_method,
        "baseline_size": baseline_size,
        "random_state": seed,
    }
    _check_threshold_method(threshold_method)
    made = _make(_name(detector, model_type), given, setting_assignments(settings, "--set"), no_cuda=no_cuda)
    if list_settings:
        typer.echo("\n".join(describe_settings(made)))
        return
    data, out = _needed(data, "--data"), _needed(out, "--out")
    parts = read_parts(data, options=read_options(read))
    if not as_json:
        for sentence in (*parts.repairs(), *order_notes(made, data)):
            typer.echo(f"note: {sentence}")
    notes = {key: value for key, value in (("experiment_name", experiment_name), ("run_name", run_name)) if value}
    try:
        with _left_as_found(out):
            report = train_detector(
                made,
                parts,
                out,
                units=assignments(unit, "--unit"),
                notes=notes | {"source": data.name},
                resume=resume,
            )
    except KeyboardInterrupt:
        resumable = (out / CHECKPOINT).is_file()
        what = "The same command with --resume continues." if resumable else "Nothing was stored: start again."
        typer.echo(f"armscope: Interrupted. {what}", err=True)
        raise typer.Exit(130) from None
    typer.echo(report.to_json() if as_json else report)


@contextmanager
def _left_as_found(folder: Path) -> Iterator[None]:
    """Remove a folder that was made inside and is empty when that fails."""
    was_there = folder.exists()
    try:
        yield
    except BaseException:
        if not was_there and folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()
        raise


def evaluate(
    model_dir: Annotated[Path, typer.Argument(help="Folder that `train` wrote.")],
    data: Annotated[Path, typer.Option("--data", "--data-dir", help="Prepared folder, or a labelled table.")],
    part: Annotated[
        str, typer.Option(help="Part of a prepared folder: training, validation or test; `all` takes a table whole.")
    ] = "test",
    out: Annotated[Path | None, typer.Option(help="Also write the numbers to this JSON file.")] = None,
    read: Read = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the numbers as JSON instead of tables.")] = False,
) -> None:
    """Evaluate a stored detector on labelled rows, by row, event and anomaly type, beside what needs no detector."""
    from rich.console import Console

    from anomaly_detection.assessment import assess
    from anomaly_detection.evaluation_tables import evaluation_tables
    from latent_space.run_folder import to_json

    rows, trivial, notes = assess(model_dir.expanduser(), data.expanduser(), part=part, options=read_options(read))
    for sentence in notes:
        typer.echo(f"note: {sentence}", err=as_json)
    content = json.dumps(to_json(rows | trivial), indent=2)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(content + "\n", encoding="utf-8")
    if as_json:
        typer.echo(content)
        return
    console = Console(highlight=False)
    for table in evaluation_tables(rows, trivial=trivial, title=f"{model_dir.name} on {data.name}, {part}"):
        console.print(table)
    if out is not None:
        typer.echo(f"numbers: {out}")


def score(
    model_dir: Annotated[Path, typer.Argument(help="Folder that `train` wrote.")],
    data: Annotated[Path, typer.Option("--data", help="CSV or Parquet file, or a folder of them, of any size.")],
    out: Annotated[Path, typer.Option(help="File to write, .csv or .parquet: one row for every row of the data.")],
    read: Read = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the report as JSON.")] = False,
) -> None:
    """Score every row of a table, however large: anomaly_score, is_anomaly and whether a cell had to be filled."""
    from anomaly_detection.scoring import score_table
    from anomaly_detection.stored import load_detector

    report = score_table(
        load_detector(model_dir.expanduser()), data.expanduser(), out.expanduser(), options=read_options(read)
    )
    typer.echo(json.dumps(asdict(report), indent=2) if as_json else report)


def benchmark(
    data: Annotated[Path, typer.Option(help="skab: the folder of its files. csv: a prepared folder, or one table.")],
    dataset: Annotated[Literal["skab", "csv"], typer.Option(help="By whose protocol.")] = "csv",
    out: Annotated[Path | None, typer.Option(help="Folder for results.json and benchmark.png.")] = None,
    detector: Annotated[list[str] | None, typer.Option(help="Only this one; repeat.", show_default="all")] = None,
    seeds: Annotated[int, typer.Option(min=1, help="Trainings per detector that draws random numbers.")] = 3,
    as_json: Annotated[bool, typer.Option("--json", help="Print what results.json holds instead of a table.")] = False,
) -> None:
    """Compare detectors on one data set, several seeds each, beside scores that know nothing of the sensors."""
    from anomaly_detection.benchmark import run_benchmark
    from anomaly_detection.registry import DETECTORS

    def tell(name: str, done: int, total: int) -> None:
        typer.echo(f"{name}: {done} of {total} trainings", err=True)

    chosen = tuple(detector) if detector else tuple(DETECTORS)
    result = run_benchmark(
        dataset,
        data.expanduser(),
        detectors=chosen,
        seeds=tuple(range(seeds)),
        out=out,
        progress=None if as_json else tell,
    )
    typer.echo(result.to_json() if as_json else str(result))
    if out is not None and not as_json:
        typer.echo(f"results: {out}")


def _needed(path: Path | None, option: str) -> Path:
    if path is None:
        raise typer.BadParameter("must be given.", param_hint=option)
    return path.expanduser()


def _name(argument: str | None, option: str | None) -> str:
    if argument and option and argument != option:
        raise ValueError(f"--model-type must agree with the detector {argument!r}; got {option!r}.")
    if not (argument or option):
        raise ValueError("DETECTOR must be named: pca, multiscale, knn, autoencoder, vae, tcn or lstm.")
    from anomaly_detection.registry import DETECTORS

    name, known = str(argument or option), list(DETECTORS)
    if name not in known:
        told = "DETECTOR" if argument else "--model-type"
        raise ValueError(f"{told} must be one of {', '.join(known)}; got {name!r}.")
    return name


def _check_threshold_method(text: str | None) -> None:
    from anomaly_detection.thresholds import THRESHOLDS

    if text not in (None, "auto") and str(text).partition("=")[0] not in THRESHOLDS:
        raise ValueError(f"--threshold-method must be auto or one of {', '.join(THRESHOLDS)}; got {text!r}.")


def _make(name: str, given: dict[str, Any], texts: dict[str, str], *, no_cuda: bool) -> "Detector":
    """Make a detector from options by name and from `--set` pairs, read as the kind the setting has by default."""
    from anomaly_detection.registry import DETECTORS, make_detector

    chosen = {key: value for key, value in given.items() if value is not None}
    known = {f.name: f.default for f in fields(DETECTORS[name]) if f.init}
    if unknown := [key for key in chosen if key not in known]:
        option = {"random_state": "--seed"}.get(unknown[0], "--" + unknown[0].replace("_", "-"))
        raise ValueError(f"{option} must be left out for {name}, which has no such setting; it has {', '.join(known)}.")
    if no_cuda and "device" in known:
        chosen["device"] = "cpu"
    for key, text in texts.items():
        value = _as_default(key, text, known.get(key))
        if chosen.setdefault(key, value) != value:
            raise ValueError(f"{key} must be given once; got {chosen[key]!r} by its option and {value!r} by --set.")
    if "device" in known and "device" not in chosen:
        from anomaly_detection.device import best_device

        chosen["device"] = best_device()
    return make_detector(name, **chosen)


def _as_default(name: str, text: str, default: Any) -> Any:
    """Read a text as the kind of value that a setting has by default."""
    if isinstance(default, tuple):
        return tuple(integer(part, f"--set {name}") for part in names(text) or ())
    if isinstance(default, bool):
        if text.lower() not in ("true", "false"):
            raise ValueError(f"--set {name} must be true or false; got {text!r}.")
        return text.lower() == "true"
    if isinstance(default, int):
        return integer(text, f"--set {name}")
    if text.lower() == "none":
        return None
    return number(text, f"--set {name}") if isinstance(default, float) else text
