"""Labels spent and what they bring: a linear probe from nothing, failures found in replays, and the time it takes.

Digits are what the default strategy was chosen on; breast cancer was first looked at after it was frozen, and so were
sensor windows: simulated rigs, one per seed, each through a detector of its own and the local engine, with the windows
that the detector judges wrongly for failures. Run folders given as arguments are replayed too, by the measure that
`armscope label` takes. One thread, CPU seconds.
"""

import argparse
import os
import platform
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

# Before the libraries read it.
os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

import numpy as np

from armscope.explore import explore_ours
from armscope.label import accuracy_in_words
from latent_space.labelling import predict_error, select_for_labelling
from latent_space.labelling.choice import choose_target
from latent_space.labelling.replay import Replay, replay
from latent_space.labelling.request import comparable_errors, known_columns
from latent_space.labelling.strategies import NEED_PREDICTION, STRATEGIES
from latent_space.labelling.verdict import labelling_curves, saving_in_words
from latent_space.population import Population
from latent_space.pruning.probe import class_score

SEEDS = 5
BUDGETS = (10, 20, 50, 100)
RIG_SEEDS = (101, 102, 103, 104, 105)  # none of the demo's, nor of the rigs that the detectors were judged on
N_STEPS = 6_000  # as in the demo


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="*", help="run folders to replay")
    parser.add_argument("--no-sensors", action="store_true", help="leave out the simulated rigs, which take minutes")
    arguments = parser.parse_args()
    print(f"\nLabelling, one thread, {platform.machine()}, {os.cpu_count()} cores, {SEEDS} seeds")
    probe_from_nothing()
    show("digits, a small network's loss (chosen on)", *network_losses("digits", n_train=200))
    show("breast cancer, a small network's loss (first seen when frozen)", *network_losses("cancer", n_train=40))
    for run in arguments.runs:
        show_run(run, Population.load(run))
    if not arguments.no_sensors:
        show_rigs()
    speed()


def probe_from_nothing() -> None:
    """Print a linear probe's accuracy on digits when the first labels are chosen; no error is known."""
    from sklearn.datasets import load_digits

    pixels, digits = load_digits(return_X_y=True)
    pixels = (pixels / 16).astype(np.float32)
    scores: dict[str, list[list[float]]] = {name: [] for name in STRATEGIES if name not in NEED_PREDICTION}
    for seed in range(SEEDS):
        order = np.random.default_rng(seed).permutation(len(pixels))
        pool, held_out = order[:1350], order[1350:]
        for name, rows in scores.items():
            picked = pool[select_for_labelling(pixels[pool], max(BUDGETS), strategy=name, random_state=seed)]
            parts = [picked[:budget] for budget in BUDGETS]
            rows.append(
                [100 * class_score(pixels[part], digits[part], pixels[held_out], digits[held_out]) for part in parts]
            )
    print("\ndigits, linear probe on pixels, no label at the start: accuracy on held-out digits, %")
    print(f"{'labels':12}" + "".join(f"{budget:>8}" for budget in BUDGETS))
    means = {name: np.mean(rows, axis=0) for name, rows in scores.items()}
    for name, mean in means.items():
        print(f"{name:12}" + "".join(f"{one:8.1f}" for one in mean))
    auto, chance = means["auto"], means["random"]
    print(f"at 10 labels auto - random = {auto[0] - chance[0]:+.1f} points (target +20)")
    print(f"at 50 labels auto {auto[2]:.1f} against random's {chance[3]:.1f} at 100 (target: reached)")


def network_losses(name: str, *, n_train: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return hidden activations, losses and classes of samples that a small network, trained on few, has not seen.

    Of the digits it saw almost no 3 and 8, so that it has regions where it fails.
    """
    from sklearn.datasets import load_breast_cancer, load_digits
    from sklearn.neural_network import MLPClassifier
    from sklearn.preprocessing import StandardScaler

    inputs, classes = (load_digits if name == "digits" else load_breast_cancer)(return_X_y=True)
    inputs = inputs / 16 if name == "digits" else StandardScaler().fit_transform(inputs)
    train = np.random.default_rng(0).permutation(len(inputs))[:n_train]
    if name == "digits":
        rare = np.isin(classes[train], [3, 8])
        train = np.concatenate([train[~rare], train[rare][:4]])
    rest = np.setdiff1d(np.arange(len(inputs)), train)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # not converged is what a small network is like
        network = MLPClassifier((32,), max_iter=400, alpha=1e-3, random_state=0).fit(inputs[train], classes[train])
    likely = network.predict_proba(inputs[rest]).clip(1e-6)
    losses = -np.log(likely[np.arange(len(rest)), np.searchsorted(network.classes_, classes[rest])])
    latents = np.maximum(inputs[rest] @ network.coefs_[0] + network.intercepts_[0], 0)
    return latents.astype(np.float32), losses, classes[rest]


def sensor_windows(folder: Path, seed: int) -> Population:
    """Run the windows of a simulated rig through a trained detector and the local engine; the newest have no labels."""
    from anomaly_detection.parts import read_parts
    from anomaly_detection.preparation import prepare
    from anomaly_detection.registry import make_detector
    from anomaly_detection.simulation import simulate_rig, write_simulation
    from anomaly_detection.training import train_detector

    frame = simulate_rig(N_STEPS, n_machines=5, anomaly_rate=0.1, seed=seed)
    is_new = frame.groupby("machine").cumcount() >= 0.8 * N_STEPS
    table = write_simulation(frame[~is_new], folder / "rig.csv")
    prepare(table, folder / "data", train_ratio=0.5, val_ratio=0.25, test_ratio=0.25)
    write_simulation(frame[is_new].drop(columns=["label", "anomaly_type"]), folder / "data" / "unlabeled.csv")
    detector = make_detector("autoencoder", window_size=16, max_epochs=8, random_state=seed)
    train_detector(detector, read_parts(folder / "data"), folder / "model")
    return explore_ours(
        "anomaly",
        out=folder / "run",
        data=folder / "data",
        model=folder / "model",
        jobs=1,
        seed=seed,
        visualizers=False,
        maps=False,
    )


def show_rigs() -> None:
    """Print the replays of all rigs, and their mean: rigs, unlike seeds of one replay, are samples of their own."""
    done = []
    for seed in RIG_SEEDS:
        with tempfile.TemporaryDirectory() as folder:
            done.append(show_run(f"sensor windows, rig {seed}", sensor_windows(Path(folder), seed)))
    found = {name: np.array([one.found[name].mean(axis=0) for one in done]) for name in STRATEGIES}
    mean = Replay(done[0].budgets, found, {}, done[0].n_samples, done[0].n_known)
    print(f"\nsensor windows, mean of {len(done)} rigs")
    print_replay(mean)
    print(saving_in_words(mean.budgets, found, "wrong windows"))


def show_run(title: str, population: Population) -> Replay:
    """Print the same as `show` for a run folder, by the measure that labels are spent on there."""
    target = choose_target(population, None).target
    if target is None:
        raise ValueError(f"{title} must have labelled samples to replay; got none.")
    errors, columns = comparable_errors(population, target), known_columns(population, target)
    return show(f"{title}, {target.failures}", population.latents, errors, columns=columns, failures=target.failures)


def show(
    title: str,
    latents: np.ndarray,
    errors: np.ndarray,
    classes: Any = None,
    *,
    columns: np.ndarray | None = None,
    failures: str = "worst 15 % by loss",
) -> Replay:
    """Print how well errors are predicted, and the replay of every strategy."""
    start = time.process_time()
    predicted = predict_error(latents, errors, columns=columns).accuracy
    done = replay(latents, errors, columns=columns, classes=classes, n_seeds=SEEDS)
    print(f"\n{title}: {done.n_known:,} labelled samples, {time.process_time() - start:.1f} CPU-s")
    print(accuracy_in_words(predicted))
    print_replay(done)
    for curve in labelling_curves(done, failures):
        print(curve.sentence)
    return done


def print_replay(done: Replay) -> None:
    """Print failures found and, where there are classes, the probe's accuracy, per strategy and budget."""
    header = "".join(f"{budget:>6}" for budget in done.budgets)
    print(f"{'labels':12}{header}" + (f"   |{header}" if done.accuracy else "") + "   failures found, % | probe, %")
    for name, scores in done.found.items():
        row = "".join(f"{one:6.1f}" for one in scores.mean(axis=0))
        if done.accuracy:
            row += "   |" + "".join(f"{one:6.1f}" for one in done.accuracy[name].mean(axis=0))
        print(f"{name:12}{row}")


def speed() -> None:
    """Print the time for 10,000 labelled and 40,000 unlabelled samples."""
    generator = np.random.default_rng(0)
    centres = generator.normal(size=(40, 256)) * np.geomspace(2, 0.05, 256)
    groups = generator.integers(0, 40, 50_000)
    latents = (centres[groups] + generator.normal(size=(50_000, 256)) * np.geomspace(1, 0.02, 256)).astype(np.float32)
    errors = generator.gamma(2, 1, 50_000) + (groups % 7 == 0)
    errors[10_000:] = np.nan
    start = time.process_time()
    predict_error(latents, errors)
    predicted = time.process_time()
    replay(latents[:10_000], errors[:10_000])
    print(
        f"\n10,000 labelled of 50,000 x 256: predicted error of all in {predicted - start:.1f} CPU-s, "
        f"the replay in {time.process_time() - predicted:.1f} CPU-s (target: < 120 together)"
    )


if __name__ == "__main__":
    main()
