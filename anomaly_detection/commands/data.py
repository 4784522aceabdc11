"""`armscope anomaly check | simulate | prepare`: is all well, and where do the data come from."""

import json
from pathlib import Path
from typing import Annotated, Literal

import typer


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
        Literal["episodes", "samples"], typer.Option(help="Rig: anomalies last, or are scattered single readings.")
    ] = "episodes",
    anomaly_rate: Annotated[float, typer.Option(help="Share of the rows that are anomalous.")] = 0.05,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same file.")] = 0,
) -> None:
    """Simulate machines that sometimes fail; the label and the type of every anomalous row stay with it."""
    from anomaly_detection.simulation import simulate_arm, simulate_rig, write_simulation

    if machine == "rig":
        frame = simulate_rig(steps, n_machines=machines, mode=mode, anomaly_rate=anomaly_rate, seed=seed)
    else:
        frame = simulate_arm(steps, n_arms=machines, anomaly_rate=anomaly_rate, seed=seed)
    file = write_simulation(frame, out.expanduser())
    counts = frame["anomaly_type"].value_counts()
    kinds = ", ".join(f"{name} {count:,}" for name, count in counts.items() if name != "normal")
    typer.echo(
        f"{len(frame):,} rows of {machines} machine(s), {frame['label'].mean():.1%} anomalous ({kinds}) -> {file}"
    )
