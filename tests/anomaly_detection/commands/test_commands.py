"""The commands as a user calls them, one after the other on one small rig."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from typer.testing import CliRunner

from anomaly_detection import DETECTORS, load_detector
from anomaly_detection.cli import app
from anomaly_detection.series import read_series
from anomaly_detection.simulation.rig import DRIFT_PER_S


def run(*arguments: object) -> str:
    """Call a command that must succeed; return what it printed."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def refuse(*arguments: object) -> str:
    """Call a command that must fail with a message; return it."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code != 0
    return (
        result.output if result.exception is None or isinstance(result.exception, SystemExit) else str(result.exception)
    )


@pytest.mark.slow
def test_check_prints_a_line_per_check() -> None:
    lines = run("check").splitlines()
    assert [line.partition(" |")[0] for line in lines] == ["PASS", "PASS", "PASS", "All checks passed."]
    assert [found["passed"] for found in json.loads(run("check", "--json"))] == [True, True, True]


def test_check_fails_with_exit_2(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> str:
        raise OSError("disk full")

    monkeypatch.setattr("anomaly_detection.check.CHECKS", {"Disk": broken})
    result = CliRunner().invoke(app, ["check"])
    assert (result.exit_code, result.stdout) == (2, "FAIL | Disk: disk full\n")


@pytest.mark.parametrize(("machine", "n_channels"), [("rig", 4), ("arm", 12)])
def test_simulate_writes_a_labelled_table(tmp_path: Path, machine: str, n_channels: int) -> None:
    out = tmp_path / "new/data.parquet"
    said = run("simulate", "--machine", machine, "--steps", 3000, "--machines", 2, "--out", out, "--seed", 3)
    frame = pd.read_parquet(out)
    assert len(frame) == 6000
    assert {"datetime", "machine", "label", "anomaly_type"} <= set(frame.columns)
    assert len(frame.select_dtypes("float").columns) == n_channels
    assert "6,000 rows of 2 machines, 5.0% anomalous (" in said


def test_only_the_rig_scatters_its_anomalies(tmp_path: Path) -> None:
    out = tmp_path / "arm.csv"
    said = refuse("simulate", "--machine", "arm", "--mode", "samples", "--out", out)
    assert "mode must be episodes for the arm; got samples" in said
    assert not out.exists()


@pytest.mark.parametrize("where", [("--machine", "arm"), ("--mode", "samples")])
def test_an_option_that_would_be_ignored_is_refused(tmp_path: Path, where: tuple[str, str]) -> None:
    said = refuse("simulate", *where, "--drift-per-s", "1,2", "--out", tmp_path / "data.csv")
    assert "--drift-per-s must be left out but for episodes of the rig; got '1,2'" in said


def test_simulate_names_its_option_and_counts_in_good_english(tmp_path: Path) -> None:
    assert "--out must end in .csv or .parquet; got" in refuse("simulate", "--out", tmp_path / "x.txt")
    out = tmp_path / "x.csv"
    said = run("simulate", "--steps", 1, "--machines", 1, "--anomaly-rate", 0, "--out", out)
    assert said == f"1 row of 1 machine, 0.0% anomalous -> {out}\n"


def test_prepare_takes_its_path_from_the_environment(
    tmp_path: Path, rig_csv: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RUNWAY_DATA_PATH", str(rig_csv))
    said = run("prepare", "csv", "--output-dir", tmp_path / "out", "--tail", 1000, "--exclude", "power")
    metadata = json.loads((tmp_path / "out/metadata.json").read_text())
    assert metadata["channels"] == ["temperature", "vibration", "pressure"]
    assert sum(metadata["lengths"].values()) == 1000
    assert "3 channels, 2 machines" in said
    monkeypatch.delenv("RUNWAY_DATA_PATH")
    assert "Missing argument" in refuse("prepare", "csv", "--output-dir", tmp_path / "other")


def test_train_evaluate_score(tmp_path: Path, prepared_rig: Path, rig_csv: Path) -> None:
    model, out = tmp_path / "model", tmp_path / "scores.csv"
    said = run(
        "train",
        "pca",
        "--data",
        prepared_rig,
        "--out",
        model,
        "--window-size",
        5,
        "--set",
        "statistic=t2",
        "--threshold-method",
        "percentile=99",
        "--unit",
        "power=W",
        "--run-name",
        "first",
    )
    detector = load_detector(model)
    assert detector.settings["statistic"] == "t2"
    assert detector.threshold_.to_dict()["settings"] == {"percentile": 99.0}
    assert detector.facts_["units"] == {"power": "W"}
    assert detector.facts_["training"]["run_name"] == "first"
    assert f"detector: {model}" in said
    numbers = tmp_path / "numbers.json"
    table = run("evaluate", model, "--data", prepared_rig, "--out", numbers)
    assert "always 1" in table
    assert "SPIKE" in table or "MULTI_SENSOR" in table
    assert json.loads(numbers.read_text())["pca"]["roc_auc"] > 0.95
    assert json.loads(run("evaluate", model, "--data", rig_csv, "--part", "all", "--json"))["pca"]["n_rows"] == 8000
    said = run("score", model, "--data", rig_csv, "--out", out)
    scores = pd.read_csv(out)
    assert len(scores) == 8000
    assert f"scores: {out}" in said
    assert json.loads(run("score", model, "--data", rig_csv, "--out", out, "--json"))["n_rows"] == 8000


def test_a_baseline_goes_from_training_to_scores(tmp_path: Path, prepared_rig: Path, rig_csv: Path) -> None:
    options = ("--window-size", 3, "--baseline-size", 50, "--set", "baseline_weight=0.5", "--set", "baseline_size=50")
    run("train", "pca", "--data", prepared_rig, "--out", tmp_path / "m", *options)
    detector, rows = load_detector(tmp_path / "m"), read_series(rig_csv).series
    assert detector.baseline_ is not None
    assert (detector.baseline_.size, detector.baseline_.weight) == (50, 0.5)
    run("score", tmp_path / "m", "--data", rig_csv, "--out", tmp_path / "scores.csv")
    values = [pd.DataFrame(series.values, columns=list(series.channels)) for series in rows]
    scores = pd.read_csv(tmp_path / "scores.csv")["anomaly_score"].sort_values()
    assert scores.to_numpy() == pytest.approx(np.sort(detector.decision_function(values)), rel=1e-6)
    found = json.loads(run("evaluate", tmp_path / "m", "--data", prepared_rig, "--json"))
    stored = json.loads((tmp_path / "m/detector.json").read_text())["metrics"]["test"]
    assert found["pca"]["f1"] == pytest.approx(stored["f1"])


@pytest.mark.slow
def test_the_options_of_the_guide_train_a_vae(tmp_path: Path, prepared_rig: Path) -> None:
    model = tmp_path / "vae"
    said = run(
        "train",
        "--model-type",
        "vae",
        "--data-dir",
        prepared_rig,
        "--output-dir",
        model,
        "--latent-dim",
        8,
        "--hidden-dims",
        "32,16,8",
        "--dropout",
        0.3,
        "--batch-size",
        512,
        "--learning-rate",
        5e-4,
        "--max-epochs",
        2,
        "--threshold-method",
        "percentile",
        "--no-cuda",
        "--experiment-name",
        "vae",
        "--json",
    )
    report = json.loads(said)
    assert report["threshold_method"] == "percentile"
    detector = load_detector(model)
    assert detector.settings["hidden_dims"] == [32, 16, 8]
    assert detector.settings["device"] == "cpu"
    assert detector.facts_["training"]["experiment_name"] == "vae"
    state = torch.load(model / "best_model.pth", weights_only=True)
    assert all(isinstance(tensor, torch.Tensor) for tensor in state.values())
    assert detector.outputs(np.zeros((3, 4)) + 50).latent.shape == (3, 8)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "DETECTOR must be named"),
        (("svm",), "DETECTOR must be one of pca, multiscale, knn, autoencoder, vae, tcn, lstm; got 'svm'"),
        (
            ("--model-type", "svm"),
            "--model-type must be one of pca, multiscale, knn, autoencoder, vae, tcn, lstm; got 'svm'",
        ),
        (("pca", "--model-type", "vae"), "--model-type must agree with the detector 'pca'; got 'vae'"),
        (
            ("pca", "--latent-dim", "3"),
            "--latent-dim must be left out for pca, which has no such setting; it has window_size",
        ),
        (("multiscale", "--seed", "1"), "--seed must be left out for multiscale, which has no such setting"),
        (("pca", "--set", "statistic"), "--set must be NAME=VALUE"),
        (("pca", "--baseline-size", "6", "--set", "baseline_size=1"), "baseline_size must be given once; got 6 by its"),
        (("vae", "--latent-dim", "3", "--set", "latent-dim=5"), "latent_dim must be given once; got 3 by its option"),
        (("pca", "--threshold-method", "percentile", "--set", "threshold=auto"), "threshold must be given once"),
        (("vae", "--no-cuda", "--set", "device=cuda"), "device must be given once; got 'cpu' by its option and 'cuda'"),
        (("pca", "--set", "statistic=mean"), "statistic must be one of q, t2, combined"),
        (("pca", "--set", "n_components=2.5"), "--set n_components must be an integer; got '2.5'"),
        (("pca", "--n-components", "9"), "n_components must be less than the number of channels"),
        (("pca", "--threshold-method", "median"), "--threshold-method must be auto or one of best_f1, "),
        (("pca", "--threshold-method", "fixed"), "'fixed' must come with its number, as in fixed=3.73"),
        (("pca", "--unit", "speed=m/s"), "units must name channels"),
        (("vae", "--resume"), "No checkpoint.pth in"),
        (("autoencoder", "--hidden-dims", "64.5"), "--hidden-dims must be an integer; got '64.5'"),
        (("autoencoder", "--hidden-dims", "64,x"), "--hidden-dims must be a number; got 'x'"),
        (("autoencoder", "--dropout", "1"), "dropout must lie in"),
        (("tcn", "--loss", "huber"), "loss must be one of mse, minmax, masked"),
        (("tcn", "--set", "anomaly_weight=none"), "anomaly_weight must be positive; got None"),
        (("pca", "--set", "baseline_weight=none"), "baseline_weight must be a number above 0 and at most 1; got None"),
        (("pca", "--baseline-size", "5", "--set", "baseline_weight=0"), "baseline_weight must be a number above 0"),
    ],
)
def test_bad_training_requests_are_refused(
    tmp_path: Path, prepared_rig: Path, arguments: tuple[str, ...], message: str
) -> None:
    assert message in refuse("train", *arguments, "--data", prepared_rig, "--out", tmp_path / "model")
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("name", list(DETECTORS))
def test_what_settings_lists_set_takes(name: str) -> None:
    listed = run("train", name, "--settings", "--set", "window_size=7")
    assert "window_size=7\n" in listed
    given = [part for line in listed.splitlines() for part in ("--set", line.partition("  ")[0])]
    assert run("train", name, "--settings", *given) == listed


def test_needed_options_are_asked_for(tmp_path: Path, pca_model: Path) -> None:
    assert "--data" in refuse("train", "pca", "--out", tmp_path)
    assert "--out" in refuse("train", "pca", "--data", tmp_path)
    assert "nothing at" in refuse("train", "pca", "--data", tmp_path / "absent", "--out", tmp_path / "m")
    assert "No detector.json" in refuse("score", tmp_path, "--data", tmp_path, "--out", tmp_path / "s.csv")
    assert "out must end in" in refuse("score", pca_model, "--data", tmp_path, "--out", tmp_path / "s.txt")
    assert "part must be one of" in refuse("evaluate", pca_model, "--data", tmp_path, "--part", "val")


@pytest.mark.slow
def test_benchmark_prints_a_table_and_writes_results(tmp_path: Path, prepared_rig: Path) -> None:
    said = run("benchmark", "--data", prepared_rig, "--out", tmp_path / "out", "--detector", "pca", "--seeds", 1)
    assert "always 1" in said
    results = json.loads((tmp_path / "out/results.json").read_text())
    assert results
    assert (tmp_path / "out/benchmark.png").read_bytes().startswith(b"\x89PNG")
    assert json.loads(run("benchmark", "--data", prepared_rig, "--detector", "pca", "--json"))
    assert "detectors must be some of" in refuse("benchmark", "--data", prepared_rig, "--detector", "svm")
    assert "No data in" in refuse("benchmark", "--data", tmp_path / "absent", "--detector", "pca")


def test_a_window_over_rows_drawn_at_random_is_told(tmp_path: Path, rig_csv: Path) -> None:
    run("prepare", "csv", rig_csv, "--output-dir", tmp_path / "data", "--shuffle")
    train = ("train", "pca", "--data", tmp_path / "data", "--out")
    note = "note: the rows were drawn at random, so 5 in a row are no piece of time"
    assert note in run(*train, tmp_path / "a", "--window-size", 5)
    assert note in run(*train, tmp_path / "b", "--baseline-size", 5)
    assert "drawn at random" not in run(*train, tmp_path / "c")
    assert note in run("evaluate", tmp_path / "a", "--data", tmp_path / "data")
    assert "drawn at random" not in run("evaluate", tmp_path / "c", "--data", tmp_path / "data")
    score = ("--data", tmp_path / "data/test.csv", "--out", tmp_path / "scores.csv")
    assert "its rows were drawn at random" in refuse("score", tmp_path / "a", *score)
    assert "note:" not in run("score", tmp_path / "c", *score)


def test_an_interruption_without_a_checkpoint_promises_no_resuming(
    tmp_path: Path, prepared_rig: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("anomaly_detection.pca.PCADetector._fit", interrupt)
    said = refuse("train", "pca", "--data", prepared_rig, "--out", tmp_path)
    assert "Interrupted. Nothing was stored" in said
    assert "--resume" not in said


def test_the_growth_of_a_drift_can_be_chosen(tmp_path: Path) -> None:
    files = [tmp_path / "slow.parquet", tmp_path / "fast.parquet"]
    for file, growth in zip(files, ("0.1,0.2", "1,2"), strict=True):
        run("simulate", "--steps", 9000, "--anomaly-rate", 0.2, "--machines", 1, "--drift-per-s", growth, "--out", file)
    slow, fast = (frame[frame["anomaly_type"] == "DRIFT"]["vibration"].mean() for frame in map(pd.read_parquet, files))
    assert fast > slow + 1
    assert ",".join(map(str, DRIFT_PER_S)) in run("simulate", "--help")
    assert "must be two numbers" in refuse("simulate", "--drift-per-s", "1", "--out", files[0])
    assert "--drift-per-s must be a number" in refuse("simulate", "--drift-per-s", "a,b", "--out", files[0])


def test_evaluate_tells_of_rows_another_time_apart(tmp_path: Path, rig_csv: Path, pca_model: Path) -> None:
    frame = pd.read_csv(rig_csv).query("machine == 'machine1'")
    frame = frame.assign(datetime=pd.date_range("2026-01-01", periods=len(frame), freq="60s"))
    frame.to_csv(tmp_path / "slow.csv", index=False)
    evaluate = ("evaluate", pca_model, "--data", tmp_path / "slow.csv")
    assert run(*evaluate).startswith("note: rows are 60 s apart where the detector learned from rows 1 s apart")
    assert "pca" in json.loads(run(*evaluate, "--json"))


def test_train_tells_the_repairs_of_a_table_once(tmp_path: Path, rig_csv: Path) -> None:
    pd.read_csv(rig_csv).assign(power=np.nan).to_csv(tmp_path / "data.csv", index=False)
    said = run("train", "pca", "--data", tmp_path / "data.csv", "--out", tmp_path / "model")
    assert [line for line in said.splitlines() if "note:" in line] == [
        "note: 1 column without a value left out: power."
    ]


@pytest.mark.parametrize("was_there", [True, False])
def test_a_failed_training_leaves_no_empty_folder_of_its_own(
    tmp_path: Path, prepared_rig: Path, monkeypatch: pytest.MonkeyPatch, was_there: bool
) -> None:
    def fail(*_: object) -> None:
        raise ValueError("nothing to learn")

    monkeypatch.setattr("anomaly_detection.neural.NeuralDetector._fit", fail)
    if was_there:
        (tmp_path / "model").mkdir()
    assert "nothing to learn" in refuse("train", "vae", "--data", prepared_rig, "--out", tmp_path / "model")
    assert (tmp_path / "model").exists() == was_there
