"""The sensors' half of the demo: a simulated rig that sometimes fails, a detector, and the map of its windows."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from latent_space.population import Population

_MACHINES = 5
_ANOMALY_RATE = 0.1
_UNLABELED = 0.2  # of the time, the newest: nobody has looked at it yet
_WINDOW_SIZE, _EPOCHS = 16, 8


def show_rig(n_steps: int, out: Path, *, jobs: int | None, seed: int) -> Path:
    """Run the whole job and tell each step; returns the report.

    Parameters
    ----------
    n_steps : int
        Seconds that each machine runs.
    out : Path
        Gets `rig.csv` and the folders `data`, `model` and `run`.
    jobs : int or None
        Worker processes.
    seed : int
    """
    from anomaly_detection.parts import read_parts
    from anomaly_detection.preparation import prepare
    from anomaly_detection.registry import make_detector
    from anomaly_detection.simulation import simulate_rig, write_simulation
    from anomaly_detection.training import train_detector
    from armscope.demo_decisions import show_decisions
    from armscope.explore import explore_ours, print_run

    data, model_dir, run = out / "data", out / "model", out / "run"
    typer.echo(f"1/3 A rig of {_MACHINES} machines -> {data}")
    frame = simulate_rig(n_steps, n_machines=_MACHINES, anomaly_rate=_ANOMALY_RATE, seed=seed)
    is_new = frame.groupby("machine").cumcount() >= (1 - _UNLABELED) * n_steps
    unlabeled = data / "unlabeled.csv"
    unlabeled.unlink(missing_ok=True)  # of an earlier demo
    table = write_simulation(frame[~is_new], out / "rig.csv")
    typer.echo(str(prepare(table, data, train_ratio=0.5, val_ratio=0.25, test_ratio=0.25)))
    write_simulation(frame[is_new].drop(columns=["label", "anomaly_type"]), unlabeled)
    typer.echo(f"2/3 Training -> {model_dir}")
    detector = make_detector("autoencoder", window_size=_WINDOW_SIZE, max_epochs=_EPOCHS, random_state=seed)
    training = train_detector(detector, read_parts(data), model_dir)
    typer.echo(str(training))
    typer.echo(f"3/3 Windows through the detector -> {run}")
    population = explore_ours("anomaly", out=run, data=data, model=model_dir, jobs=jobs, seed=seed)
    report = (run / "report.html").absolute()
    print_run(population, run.absolute(), report)
    typer.echo(f"{_by_type(training.metrics['test'])}; {_weakest(population)}")
    show_decisions(run, seed=seed)
    return report


def _by_type(metrics: dict[str, Any]) -> str:
    """Say how the detector fares on the test rows, type by type."""
    recalls = ", ".join(f"{name} {found['recall']:.2f}" for name, found in metrics.get("per_type", {}).items())
    return f"F1 {metrics['f1']:.2f} on the test rows, recall {recalls or 'unknown'}"


def _weakest(population: "Population") -> str:
    """Name the type of which most windows are missed."""
    columns = [name for name in population.samples if str(name).startswith("metric_detected_")]
    means = population.samples[columns].mean().dropna()
    if means.empty:
        return "no anomaly among the windows"
    name = str(means.idxmin()).removeprefix("metric_detected_")
    return f"most missed among the windows is {name}, {means.min():.0%} found"
