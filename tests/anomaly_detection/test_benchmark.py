import json
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from anomaly_detection import benchmark, protocols
from anomaly_detection.benchmark import BenchmarkResult, _fit, run_benchmark
from anomaly_detection.benchmark_picture import _draw_bars, draw_benchmark
from anomaly_detection.evaluation import evaluate_scores
from anomaly_detection.parts import labels_of, read_parts, rows_of
from anomaly_detection.protocols import Setting
from anomaly_detection.registry import make_detector
from tests.anomaly_detection.test_protocols import write_skab_file


@pytest.fixture
def skab(tmp_path: Path) -> Path:
    for number in range(2):
        write_skab_file(tmp_path / f"skab/valve1/{number}.csv", seed=number)
    return tmp_path / "skab"


def test_one_trial_is_fit_and_evaluate(prepared_rig: Path) -> None:
    result = run_benchmark("csv", prepared_rig, detectors=["pca"])
    parts = read_parts(prepared_rig)
    assert parts.validation is not None
    assert parts.test is not None
    detector = make_detector("pca").fit(
        rows_of(parts.training),
        labels_of(parts.training),
        validation=(rows_of(parts.validation), labels_of(parts.validation)),
    )
    scores = detector.decision_function(rows_of(parts.test))
    assert detector.threshold_ is not None
    labels = np.concatenate(labels_of(parts.test) or [])
    oracle = evaluate_scores(labels, scores, threshold=detector.threshold_.value_)
    (found,) = result.detectors["pca"]
    assert {key: found[key] for key in ("tp", "fp", "fn", "tn", "roc_auc", "threshold")} == {
        key: oracle[key] for key in ("tp", "fp", "fn", "tn", "roc_auc", "threshold")
    }
    assert found["roc_auc_mean"] == found["roc_auc"]
    assert set(found["per_type"]) == {"SPIKE", "MULTI_SENSOR"}
    assert result.n_rows == len(labels)


def test_trials_are_pooled_at_their_own_thresholds(skab: Path) -> None:
    result = run_benchmark("skab", skab, detectors=["pca"])
    (found,) = result.detectors["pca"]
    assert (result.n_trials, result.n_rows, found["n_anomalous_rows"], found["threshold"]) == (2, 200, 80, 1.0)
    assert found["event_recall"] == 1.0
    assert found["missed_alarm_rate"] < 0.1
    assert set(found["roc_auc_per_trial"]) == {"valve1/0", "valve1/1"}
    assert found["roc_auc_mean"] == pytest.approx(np.mean(list(found["roc_auc_per_trial"].values())))
    assert result.settings["pca"]["threshold"] == "fixed=2.18"
    assert result.settings["pca"]["baseline_size"] == 600
    # The window reaches back into the rows that taught: the first judged rows are no padding, and no alarm.
    assert found["false_alarm_rate"] < 0.2


def test_the_trivial_rows_know_where_in_its_file_a_row_is(skab: Path) -> None:
    result = run_benchmark("skab", skab, detectors=["pca"])
    assert set(result.trivial) == {"random", "always 1", "position"}
    assert result.trivial["always 1"]["missed_alarm_rate"] == 0.0
    assert result.trivial["position"]["false_alarm_rate"] == 1.0  # later than anything that taught


def test_a_rule_sets_the_threshold_from_training_scores(skab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = {"statistic": "t2", "window_size": 5}
    monkeypatch.setitem(protocols.SKAB_SETTINGS, "pca", Setting(options, "scaled_maximum=2"))
    twice = run_benchmark("skab", skab, detectors=["pca"]).detectors["pca"][0]
    monkeypatch.setitem(protocols.SKAB_SETTINGS, "pca", Setting(options, "scaled_maximum=1"))
    once = run_benchmark("skab", skab, detectors=["pca"]).detectors["pca"][0]
    assert once["roc_auc"] == pytest.approx(twice["roc_auc"])
    assert once["fp"] >= twice["fp"]
    assert once["tp"] >= twice["tp"]


def test_seeds_count_where_numbers_are_drawn(skab: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    small = {"window_size": 4, "max_epochs": 2, "hidden_dims": (8,), "latent_dim": 2}
    monkeypatch.setitem(protocols.SKAB_SETTINGS, "autoencoder", Setting(small, "percentile"))
    calls: list[tuple[str, int, int]] = []
    result = run_benchmark(
        "skab",
        skab,
        detectors=["pca", "autoencoder"],
        seeds=(3, 4),
        out=tmp_path / "out",
        progress=lambda *state: calls.append(state),
    )
    assert calls == [("pca", 0, 6), ("autoencoder", 2, 6), ("autoencoder", 4, 6)]
    assert [run["seed"] for run in result.detectors["pca"]] == [None]
    assert [run["seed"] for run in result.detectors["autoencoder"]] == [3, 4]
    assert len({run["roc_auc"] for run in result.detectors["autoencoder"]}) == 2
    text = str(result)
    assert "±" in text
    assert "Mean AUC of the 2 trials: pca" in text
    stored = json.loads((tmp_path / "out" / benchmark.RESULTS).read_text())
    assert stored["detectors"]["pca"][0]["f1"] == result.detectors["pca"][0]["f1"]
    assert stored["settings"]["autoencoder"]["threshold"] == "percentile"
    with Image.open(tmp_path / "out" / benchmark.PICTURE) as picture:
        assert picture.format == "PNG"
        assert picture.width > 1000


def test_the_number_of_a_bar_stands_beside_it() -> None:
    axes = Figure().subplots()
    _draw_bars(
        axes,
        {"good": [{"roc_auc": 0.99}, {"roc_auc": 0.93}], "always 1": [{"roc_auc": 1.0}], "none": [{"roc_auc": 0.0}]},
        "roc_auc",
        set(),
    )
    ends = [96 + 100 * np.std([0.99, 0.93], ddof=1), 100, 0]
    for text, end in zip(axes.texts, ends, strict=True):
        assert end < text.get_position()[0] < axes.get_xlim()[1] - 10
    assert max(axes.get_xticks()) == 100


def test_the_picture_shows_the_numbers_of_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[str] = []
    monkeypatch.setattr(Axes, "text", lambda _self, _x, _y, text, **_: shown.append(text))
    numbers = {"f1": 0.1, "roc_auc": 0.2, "false_alarm_rate": 0.3, "missed_alarm_rate": 0.4}
    run = {**numbers, "roc_auc_mean": 0.9}
    draw_benchmark(BenchmarkResult("skab", 2, 10, {"pca": [run]}, {"random": numbers}, {}), tmp_path / "picture.png")
    assert shown == ["10.0", "10.0", "20.0", "20.0", "30.0", "30.0", "40.0", "40.0"]


def test_arguments_are_checked_before_anything_is_fitted(skab: Path) -> None:
    with pytest.raises(ValueError, match=r"detectors must be some of pca, .*; got forest"):
        run_benchmark("skab", skab, detectors=["pca", "forest"])
    with pytest.raises(ValueError, match=r"detectors must be some of .*; got none"):
        run_benchmark("skab", skab, detectors=[])
    with pytest.raises(ValueError, match="seeds must hold at least one number"):
        run_benchmark("skab", skab, seeds=())


def test_a_threshold_that_cannot_be_pooled_is_told(skab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(protocols.SKAB_SETTINGS, "pca", Setting({}, "fixed=0"))
    with pytest.raises(ValueError, match=r"threshold of pca must be positive to pool trials; got 0\.0 on valve1/0"):
        run_benchmark("skab", skab, detectors=["pca"])


@pytest.mark.parametrize("label", [0, 1])
def test_test_labels_of_one_class_are_refused_before_anything_is_fitted(
    rig_csv: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, label: int
) -> None:
    monkeypatch.setattr(benchmark, "_judge", lambda *_: pytest.fail("a detector was fitted"))
    frame = pd.read_csv(rig_csv).drop(columns="anomaly_type").assign(label=label)
    frame.to_csv(tmp_path / "all.csv", index=False)
    with pytest.raises(ValueError, match=f"all.csv must have normal and anomalous test rows; .* all {label}\\."):
        run_benchmark("csv", tmp_path / "all.csv", detectors=["pca"])


def test_a_warning_tells_the_trial_that_it_is_of(skab: Path) -> None:
    file = skab / "valve1/1.csv"
    frame = pd.read_csv(file, sep=";")
    frame.loc[150:, "Pressure"] += 5
    frame.to_csv(file, sep=";", index=False)
    with pytest.warns(UserWarning, match="^valve1/1: The level of training series 1 steps at row 150"):
        run_benchmark("skab", skab, detectors=["multiscale"])


def test_a_warning_keeps_its_category_and_stops_with_its_trial() -> None:
    def fit(*_: object, **__: object) -> None:
        warnings.warn("odd", FutureWarning, stacklevel=1)

    trial = SimpleNamespace(name="valve1/1", train=[], train_labels=None, validation=None)
    odd = "^valve1/1: odd"
    for told in (pytest.warns(FutureWarning, match=odd), pytest.raises(FutureWarning, match=odd)):
        with told:
            _fit(SimpleNamespace(fit=fit), trial)


def test_a_warning_is_told_where_the_fit_fails() -> None:
    def fit(*_: object, **__: object) -> None:
        warnings.warn("odd", UserWarning, stacklevel=1)
        raise ValueError("nothing to learn")

    trial = SimpleNamespace(name="valve1/1", train=[], train_labels=None, validation=None)
    with pytest.warns(UserWarning, match="^valve1/1: odd"), pytest.raises(ValueError, match="nothing to learn"):
        _fit(SimpleNamespace(fit=fit), trial)
