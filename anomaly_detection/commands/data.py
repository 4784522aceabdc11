"""`armscope anomaly check | simulate | prepare`: is all well, and where do the data come from."""

import json
from pathlib import Path
from typing import Annotated, Literal

import typer

_DRIFT_PER_S = "0.31,0.44"


def check(
    as_json: Annotated[bool, typer.Option("--json", help="Print a list of results instead of lines.")] = False,
) -> None:
    """Verify the installation in seconds: every model, the data, one training step."""
    from anomaly_detection.check import check_installation

    results = []
    for result in check_installation():
        results.append(result)
        if not as_json:
            typer.echo(str(result))
    if as_json:
        typer.echo(json.dumps([vars(result) for result in results], indent=2))
    if not all(result.passed for result in results):
        raise typer.Exit(2)
    if not as_json:
        typer.echo("All checks passed.")


def simulate(
    out: Annotated[Path, typer.Option(help="File to write, .csv or .parquet.")],
    machine: Annotated[
        Literal["rig", "arm"], typer.Option(help="An industrial rig of four sensors, or a robot arm of four axes.")
    ] = "rig",
    steps: Annotated[int, typer.Option(min=1, help="Rows per machine.")] = 20_000,
    machines: Annotated[int, typer.Option(min=1, help="Machines of one kind.")] = 5,
    mode: Annotated[
        Literal["episodes", "samples"],
        typer.Option(help="Anomalies last, or, for the rig alone, are scattered single readings."),
    ] = "episodes",
    anomaly_rate: Annotated[float, typer.Option(help="Share of the rows that are anomalous.")] = 0.05,
    drift_per_s: Annotated[
        str | None,
        typer.Option(
            metavar="LOW,HIGH", help="Rig, episodes: how fast the offset of a drift grows.", show_default=_DRIFT_PER_S
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same file.")] = 0,
) -> None:
    """Simulate machines that sometimes fail; the label and the type of every anomalous row stay with it."""
    from anomaly_detection.commands.reading import names, number
    from anomaly_detection.series import NORMAL
    from anomaly_detection.simulation import simulate_arm, simulate_rig, write_simulation
    from anomaly_detection.tables.repairs import counted

    if out.suffix.lower() not in (".csv", ".parquet"):
        raise ValueError(f"--out must end in .csv or .parquet; got {out}.")
    if machine == "arm" and mode != "episodes":
        raise ValueError(f"mode must be episodes for the arm; got {mode}. Take the rig for scattered readings.")
    if drift_per_s is not None and (machine, mode) != ("rig", "episodes"):
        raise ValueError(f"--drift-per-s must be left out but for episodes of the rig; got {drift_per_s!r}.")
    if machine == "rig":
        growth = [number(part, "--drift-per-s") for part in names(drift_per_s or _DRIFT_PER_S) or ()]
        if len(growth) != 2:
            raise ValueError(f"--drift-per-s must be two numbers, LOW,HIGH; got {drift_per_s!r}.")
        frame = simulate_rig(
            steps,
            n_machines=machines,
            mode=mode,
            anomaly_rate=anomaly_rate,
            drift_per_s=(growth[0], growth[1]),
            seed=seed,
        )
    else:
        frame = simulate_arm(steps, n_arms=machines, anomaly_rate=anomaly_rate, seed=seed)
    file = write_simulation(frame, out.expanduser())
    counts = frame["anomaly_type"].value_counts()
    kinds = ", ".join(f"{name} {count:,}" for name, count in counts.items() if name != NORMAL)
    share = f"{frame['label'].mean():.1%} anomalous" + (f" ({kinds})" if kinds else "")
    typer.echo(f"{counted(len(frame), 'row')} of {counted(machines, 'machine')}, {share} -> {file}")


def prepare_csv(
    path: Annotated[
        Path, typer.Argument(envvar="RUNWAY_DATA_PATH", help="CSV or Parquet file, or a folder of nothing else.")
    ],
    output_dir: Annotated[Path, typer.Option(help="Folder for train.csv, val.csv, test.csv and metadata.json.")],
    train_ratio: Annotated[float, typer.Option(help="Share of the rows that train.")] = 0.70,
    val_ratio: Annotated[
        float, typer.Option(help="Share that stops training and sets the threshold; may be 0.")
    ] = 0.15,
    test_ratio: Annotated[float, typer.Option(help="Share that judges; may be 0.")] = 0.15,
    shuffle: Annotated[
        bool, typer.Option("--shuffle", help="Draw the parts at random instead of cutting in time.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of the draw.")] = 0,
    tail: Annotated[int | None, typer.Option(min=1, help="Keep only the last rows.")] = None,
    delimiter: Annotated[str | None, typer.Option(help="Between fields.", show_default="detected")] = None,
    decimal: Annotated[str | None, typer.Option(help="Decimal mark, . or ,", show_default="detected")] = None,
    encoding: Annotated[str | None, typer.Option(help="Of the text.", show_default="detected")] = None,
    datetime_column: Annotated[str | None, typer.Option(help="Column of times.", show_default="detected")] = None,
    step_s: Annotated[
        float | None, typer.Option(help="Seconds from row to row.", show_default="as the times say")
    ] = None,
    channels: Annotated[
        str | None, typer.Option(help="Columns to use, A,B,C.", show_default="every numeric one that is nothing else")
    ] = None,
    exclude: Annotated[str | None, typer.Option(help="Columns that are no channels, A,B,C.")] = None,
    label_column: Annotated[
        str | None, typer.Option(help="True where anomalous; of several, A,B, any.", show_default="label, anomaly")
    ] = None,
    type_column: Annotated[str | None, typer.Option(help="Type of the anomaly.", show_default="anomaly_type")] = None,
    machine_column: Annotated[str | None, typer.Option(help="Name of the machine.", show_default="machine")] = None,
    mode_column: Annotated[str | None, typer.Option(help="Operating mode.", show_default="operating_mode")] = None,
    max_gap_s: Annotated[
        float | None, typer.Option(help="No window crosses a longer pause, seconds.", show_default="10 steps")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print metadata.json instead of a summary.")] = False,
) -> None:
    """Read sensor files, repair what can be repaired and say so, and split them into a folder that the others take."""
    from anomaly_detection.commands.reading import names
    from anomaly_detection.preparation import prepare
    from anomaly_detection.tables.options import ReadOptions
    from latent_space.run_folder import to_json

    options = ReadOptions(
        delimiter=delimiter,
        decimal=decimal,
        encoding=encoding,
        datetime_column=datetime_column,
        step_s=step_s,
        channels=names(channels),
        exclude=names(exclude) or (),
        label_column=names(label_column),
        type_column=type_column,
        machine_column=machine_column,
        mode_column=mode_column,
        max_gap_s=max_gap_s,
    )
    summary = prepare(
        path.expanduser(),
        output_dir.expanduser(),
        train_ratio=train_ratio,
        val_ratio=val_ratio,
        test_ratio=test_ratio,
        shuffle=shuffle,
        random_state=seed,
        tail=tail,
        options=options,
    )
    typer.echo(json.dumps(to_json(summary.metadata), indent=2) if as_json else summary)
