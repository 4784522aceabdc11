"""What every detector promises, one class over all of them: a new detector is tested by its line in the registry."""

import json
import subprocess
import sys
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from anomaly_detection.base import LARGEST_SCORE, Detector, NotFittedError
from anomaly_detection.registry import DETECTORS, make_detector
from anomaly_detection.stored import load_detector, save_detector
from anomaly_detection.thresholds import BestF1

# Small and quick; a detector without an entry is tested with its defaults.
_NETWORK = {"max_epochs": 3, "learning_rate": 3e-3}
QUICK: dict[str, dict[str, Any]] = {
    "pca": {"window_size": 3},
    "multiscale": {"window_size": 6},
    "knn": {"window_size": 3},
    "autoencoder": {"window_size": 4, "hidden_dims": (16,), "latent_dim": 2, **_NETWORK},
    "vae": {"window_size": 4, "hidden_dims": (16,), "latent_dim": 2, **_NETWORK},
    "tcn": {"window_size": 8, "channels": 6, "kernel_size": 2, "batch_size": 4, **_NETWORK},
    "lstm": {"window_size": 6, "hidden_dim": 6, "batch_size": 4, **_NETWORK},
}
NAMES = ("flow", "speed", "pressure")
PLANTED = slice(150, 180)


def make(name: str, **settings: Any) -> Detector:
    return make_detector(name, **{**QUICK.get(name, {}), **settings})


def normal_rows(n_steps: int, seed: int) -> np.ndarray:
    """Three channels that follow one cause; the last is large and moves little beside its size."""
    rng = np.random.default_rng(seed)
    cause = rng.normal(size=(n_steps, 1))
    rows = np.hstack([cause, -2 * cause, 30 * cause + 101_325]) + rng.normal(size=(n_steps, 3)) * 0.2
    exact: np.ndarray = np.round(rows * 64) / 64  # in float32, so that what differs is the detectors'
    return exact


def planted(seed: int) -> tuple[np.ndarray, np.ndarray]:
    rows, labels = normal_rows(240, seed), np.zeros(240, dtype=int)
    rows[PLANTED, :2] += 12
    labels[PLANTED] = 1
    return rows, labels


@pytest.fixture(scope="module")
def fit() -> Callable[[str], Detector]:
    """Fit a detector on arrays with labels, when it is first asked for."""
    rows, labels = planted(0)
    return cache(lambda name: make(name).fit([normal_rows(400, 1), rows], [np.zeros(400, dtype=int), labels]))


@pytest.fixture(scope="module")
def store(fit: Callable[[str], Detector], tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Store a fitted detector in a folder of its name, when it is first asked for; storing it warns of nothing."""
    folder = tmp_path_factory.mktemp("stored")

    def stored(name: str) -> Path:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            save_detector(fit(name), folder / name)
        return folder / name

    return cache(stored)


@pytest.fixture(params=list(DETECTORS))
def fitted(request: pytest.FixtureRequest, fit: Callable[[str], Detector]) -> Detector:
    return fit(request.param)


@pytest.fixture(scope="module", params=list(DETECTORS))
def named(request: pytest.FixtureRequest) -> Detector:
    """Fitted on a DataFrame, without labels."""
    return make(request.param).fit(pd.DataFrame(normal_rows(300, 1), columns=list(NAMES)))


@pytest.fixture
def rows() -> np.ndarray:
    values = normal_rows(60, 2)
    values.flags.writeable = False
    return values


def area_under_curve(labels: np.ndarray, scores: np.ndarray) -> float:
    above = scores[labels == 1][:, None] > scores[labels == 0][None]
    return float(above.mean())


class TestScores:
    def test_one_finite_float64_per_row(self, fitted: Detector, rows: np.ndarray) -> None:
        scores = fitted.decision_function(rows)
        assert scores.shape == (60,) and scores.dtype == np.float64 and np.isfinite(scores).all()

    def test_depend_on_the_past_only(self, fitted: Detector, rows: np.ndarray) -> None:
        changed = rows.copy()
        changed[31:] += 50
        before, after = fitted.decision_function(rows), fitted.decision_function(changed)
        np.testing.assert_allclose(after[:31], before[:31], rtol=1e-5, atol=1e-6)
        assert not np.allclose(after[31:], before[31:])

    def test_depend_on_the_window_only(self, fitted: Detector, rows: np.ndarray) -> None:
        size = fitted.window_size
        alone = fitted.decision_function(rows[20 : 20 + size])[-1]
        assert alone == pytest.approx(fitted.decision_function(rows)[20 + size - 1], rel=1e-4)

    def test_of_the_first_rows_are_padded_with_the_first(self, fitted: Detector, rows: np.ndarray) -> None:
        padded = np.concatenate([np.repeat(rows[:1], 20, axis=0), rows])
        np.testing.assert_allclose(
            fitted.decision_function(padded)[20:], fitted.decision_function(rows), rtol=1e-4, atol=1e-6
        )

    def test_of_one_row(self, fitted: Detector, rows: np.ndarray) -> None:
        alone = fitted.decision_function(rows[:1])
        assert alone == pytest.approx(fitted.decision_function(rows)[:1], rel=1e-4, abs=1e-6)

    def test_of_a_list_are_those_of_its_series(self, fitted: Detector, rows: np.ndarray) -> None:
        together = fitted.decision_function([rows[:25], rows[25:]])
        apart = [fitted.decision_function(part) for part in (rows[:25], rows[25:])]
        np.testing.assert_array_equal(together, np.concatenate(apart))

    def test_repeat(self, fitted: Detector, rows: np.ndarray) -> None:
        np.testing.assert_array_equal(fitted.decision_function(rows), fitted.decision_function(rows))

    def test_are_higher_on_planted_anomalies(self, fitted: Detector) -> None:
        rows, labels = planted(3)
        assert area_under_curve(labels, fitted.decision_function(rows)) > 0.9

    def test_equal_those_of_the_outputs(self, fitted: Detector, rows: np.ndarray) -> None:
        outputs = fitted.outputs(rows)
        scores = fitted.decision_function(rows)
        np.testing.assert_allclose(outputs.score, scores, rtol=1e-5, atol=1e-5 * scores.std())
        np.testing.assert_allclose(np.square(outputs.residual).mean(axis=1), outputs.score, rtol=1e-4)

    @pytest.mark.parametrize("value", [3.4e38, -1e300])
    def test_of_a_value_beyond_the_arithmetic_are_the_largest(
        self, fitted: Detector, store: Callable[[str], Path], rows: np.ndarray, value: float
    ) -> None:
        stored = load_detector(store(fitted.name))
        rows = rows.copy()
        rows[20, :2] = value  # as a sensor that says "no reading" does
        for detector in (fitted, stored):
            scores = detector.decision_function(rows)
            assert np.isfinite(scores).all() and (scores <= LARGEST_SCORE).all()
            assert detector.predict(rows)[20] == 1
        window = rows[21 - fitted.window_size : 21]
        with np.errstate(over="ignore"):
            assert stored.score_window(window) == stored.decision_function(rows)[20]

    def test_leave_the_input_alone(self, fitted: Detector, rows: np.ndarray) -> None:
        before = rows.copy()
        fitted.decision_function(rows)
        np.testing.assert_array_equal(rows, before)


class TestAnswers:
    def test_predictions_compare_with_the_threshold(self, fitted: Detector) -> None:
        rows, _ = planted(3)
        assert fitted.threshold_ is not None
        flags = fitted.predict(rows)
        np.testing.assert_array_equal(flags, fitted.decision_function(rows) > fitted.threshold_.value_)
        assert set(np.unique(flags)) <= {0, 1}

    def test_contributions_sum_to_one(self, fitted: Detector, rows: np.ndarray) -> None:
        shares = fitted.contributions(rows)
        assert shares.shape == rows.shape and (shares >= 0).all()
        np.testing.assert_allclose(shares.sum(axis=1), 1, rtol=1e-5)

    def test_reconstruction_or_forecast_is_in_raw_units(self, fitted: Detector, rows: np.ndarray) -> None:
        answer = fitted.reconstruct if fitted.kind == "reconstruction" else fitted.forecast
        values = answer(rows)
        assert values.shape == rows.shape
        assert abs(values[:, 2].mean() - 101_325) < 100

    def test_the_other_question_is_refused(self, fitted: Detector, rows: np.ndarray) -> None:
        other = fitted.forecast if fitted.kind == "reconstruction" else fitted.reconstruct
        with pytest.raises(TypeError, match=f"{fitted.name} does not"):
            other(rows)

    def test_shapes_of_the_outputs(self, fitted: Detector, rows: np.ndarray) -> None:
        outputs = fitted.outputs(rows)
        assert outputs.score.shape == (60,) and outputs.residual.shape == (60, 3)
        assert outputs.latent.ndim == 2 and len(outputs.latent) == 60
        assert outputs.prediction.shape == (60, fitted.window_size, 3)


class TestFrames:
    def test_columns_are_matched_by_name(self, named: Detector, rows: np.ndarray) -> None:
        frame = pd.DataFrame(rows, columns=list(NAMES))
        shuffled = frame[["pressure", "flow", "speed"]]
        np.testing.assert_array_equal(named.decision_function(shuffled), named.decision_function(frame))

    def test_extra_columns_are_ignored_with_a_warning(self, named: Detector, rows: np.ndarray) -> None:
        frame = pd.DataFrame(rows, columns=list(NAMES))
        with pytest.warns(UserWarning, match="ignored: humidity"):
            scores = named.decision_function(frame.assign(humidity=1.0))
        np.testing.assert_array_equal(scores, named.decision_function(frame))

    def test_a_missing_channel_is_an_error(self, named: Detector, rows: np.ndarray) -> None:
        with pytest.raises(ValueError, match="speed missing"):
            named.decision_function(pd.DataFrame(rows, columns=list(NAMES)).drop(columns="speed"))

    def test_score_frame_keeps_the_index(self, named: Detector, rows: np.ndarray) -> None:
        index = pd.date_range("2026-01-01", periods=60, freq="s")
        frame = named.score_frame(pd.DataFrame(rows, columns=list(NAMES), index=index))
        assert list(frame.columns) == ["anomaly_score"] and frame.index.equals(index)

    def test_prediction_is_a_frame(self, named: Detector, rows: np.ndarray) -> None:
        answer = named.reconstruct if named.kind == "reconstruction" else named.forecast
        frame = answer(pd.DataFrame(rows, columns=list(NAMES), index=np.arange(60) * 2))
        assert tuple(frame.columns) == NAMES and list(frame.index[:2]) == [0, 2]


class TestBadInput:
    @pytest.mark.parametrize(
        ("spoil", "message"),
        [
            (lambda rows: rows[:, :2], r"shape \(n_steps, 3\)"),
            (lambda rows: rows[:, 0], r"shape \(n_steps, 3\)"),
            (lambda rows: rows[:0], "at least one row"),
            (lambda rows: np.where(np.arange(60)[:, None] == 7, np.nan, rows), "finite; got nan .* row 7"),
            (lambda rows: np.where(np.arange(60)[:, None] == 7, np.inf, rows), "finite; got inf"),
            (lambda rows: rows.astype(str).astype(object) + "x", "numbers"),
            (lambda _: [], "X must hold at least one series; got an empty list"),
        ],
    )
    def test_is_refused_when_scoring(self, fitted: Detector, rows: np.ndarray, spoil: Any, message: str) -> None:
        with pytest.raises(ValueError, match=message):
            fitted.decision_function(spoil(rows))

    def test_scoring_before_fitting(self, fitted: Detector, rows: np.ndarray) -> None:
        with pytest.raises(NotFittedError, match="not fitted"):
            make(fitted.name).decision_function(rows)


@pytest.mark.parametrize("name", list(DETECTORS))
class TestFit:
    def test_repeats(self, name: str, rows: np.ndarray) -> None:
        train = normal_rows(120, 1)
        first, second = (make(name).fit(train).decision_function(rows) for _ in range(2))
        np.testing.assert_array_equal(first, second)

    def test_returns_the_detector(self, name: str) -> None:
        detector = make(name)
        assert detector.fit(normal_rows(100, 1)) is detector

    def test_units_do_not_matter(self, name: str, rows: np.ndarray) -> None:
        factors = np.array([8.0, 0.25, 1.0])  # powers of two: exact
        train = normal_rows(200, 1)
        before = make(name, scaling="standard").fit(train).decision_function(rows)
        after = make(name, scaling="standard").fit(train * factors).decision_function(rows * factors)
        np.testing.assert_allclose(after, before, rtol=1e-3, atol=1e-5)

    @pytest.mark.parametrize("scaling", ["standard", "minmax", "robust"])
    def test_every_scaling(self, name: str, scaling: str, rows: np.ndarray) -> None:
        assert np.isfinite(make(name, scaling=scaling).fit(normal_rows(100, 1)).decision_function(rows)).all()

    def test_one_channel(self, name: str, rows: np.ndarray) -> None:
        settings = {"n_components": 1, "statistic": "t2"} if name == "pca" else {}
        detector = make(name, **settings).fit(normal_rows(100, 1)[:, :1])
        assert np.isfinite(detector.decision_function(rows[:, :1])).all()

    @pytest.mark.filterwarnings("ignore:n_components = 2 spans")  # PCA takes one
    def test_a_constant_channel(self, name: str, rows: np.ndarray) -> None:
        train, constant = normal_rows(400, 1), np.array([1.0, 1.0, 0.0])
        detector = make(name).fit(train * constant + [0, 0, 5])
        normal = rows * constant + [0, 0, 5]
        assert detector.predict(normal).mean() < 0.2
        assert detector.predict(np.concatenate([normal, normal[-1:] + np.array([30, 0, 0])]))[-1] == 1

    def test_validation_may_be_given(self, name: str) -> None:
        rows, labels = planted(0)
        detector = make(name).fit(normal_rows(200, 1), validation=(rows, labels))
        oracle = BestF1().fit(detector.decision_function(rows), labels)
        assert detector.threshold_.value_ == pytest.approx(oracle.value_)

    def test_series_of_one_row_beside_others(self, name: str) -> None:
        train = normal_rows(100, 1)
        detector = make(name, batch_size=1) if "batch_size" in make(name).settings else make(name)
        detector.fit([train, train[:1]], validation=(train[:1], None))
        assert np.isfinite(detector.decision_function(train)).all()

    def test_the_newest_rows_set_the_threshold_and_teach_nothing(self, name: str) -> None:
        rows, labels = planted(0)
        rows[210:220, :2] += 12
        labels[210:220] = 1
        alone = make(name).fit(rows, labels)
        split = make(name).fit(rows[:204], labels[:204], validation=(rows[204:], labels[204:]))
        assert alone.threshold_.name == split.threshold_.name == "best_f1"
        assert alone.threshold_.value_ == split.threshold_.value_

    @pytest.mark.filterwarnings("ignore:n_components = 2 spans", "ignore:Of 2 normal windows")
    def test_a_series_that_hardly_fills_a_window_teaches_whole(self, name: str) -> None:
        size = make(name, window_size=9).window_size
        detector = make(name, window_size=9).fit(normal_rows(size + 1, 1))
        assert np.isfinite(detector.threshold_.value_)

    def test_a_series_without_labels_beside_one_with(self, name: str) -> None:
        (rows, labels), other = planted(0), normal_rows(100, 1)
        mixed = make(name).fit([rows, other], [labels, None], validation=([rows, other], [labels, None]))
        assert mixed.threshold_ == make(name).fit(rows, labels, validation=(rows, labels)).threshold_
        assert mixed.threshold_.name == "best_f1"
        assert area_under_curve(labels, mixed.decision_function(rows)) > 0.9

    def test_a_fit_that_fails_leaves_nothing_to_score_by(self, name: str, rows: np.ndarray) -> None:
        detector = make(name).fit(normal_rows(100, 1))
        with pytest.raises(ValueError, match="every row is labelled"):
            detector.fit(normal_rows(100, 1), np.ones(100))
        with pytest.raises(NotFittedError, match="not fitted"):
            detector.decision_function(rows)

    def test_fewer_rows_than_a_window(self, name: str) -> None:
        with pytest.raises(ValueError, match=f"window_size = {make(name, window_size=9).window_size} rows"):
            make(name, window_size=9).fit(normal_rows(8, 1))

    @pytest.mark.parametrize(
        ("labels", "message"),
        [
            (np.zeros(99, dtype=int), "one label per row"),
            (np.full(100, 2), "0 .normal. and 1"),
            (np.ones(100, dtype=int), "every row is labelled anomalous"),
        ],
    )
    def test_wrong_labels(self, name: str, labels: np.ndarray, message: str) -> None:
        with pytest.raises(ValueError, match=message):
            make(name).fit(normal_rows(100, 1), labels)

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"window_size": 0}, "window_size must be an integer of at least"),
            ({"scaling": "log"}, "scaling must be one of standard, minmax, robust"),
        ],
    )
    def test_wrong_settings(self, name: str, settings: dict[str, Any], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            make(name, **settings).fit(normal_rows(100, 1))

    def test_unknown_settings(self, name: str) -> None:
        with pytest.raises(ValueError, match=f"{name} has no setting colour"):
            make(name, colour=1)

    def test_text_and_missing_values(self, name: str) -> None:
        rows = normal_rows(100, 1)
        rows[3, 1] = np.nan
        with pytest.raises(ValueError, match="finite"):
            make(name).fit(rows)
        with pytest.raises(ValueError, match="numbers"):
            make(name).fit(pd.DataFrame({"a": ["x"] * 50, "b": 1.0}))


class TestStored:
    def test_answers_are_equal(self, fitted: Detector, store: Callable[[str], Path], rows: np.ndarray) -> None:
        loaded = load_detector(store(fitted.name))
        for batch in (1, 2, 7, 60):
            expected, found = fitted.outputs(rows[:batch]), loaded.outputs(rows[:batch])
            np.testing.assert_allclose(found.score, expected.score, rtol=1e-5, atol=1e-5)
            np.testing.assert_allclose(found.residual, expected.residual, rtol=1e-4, atol=1e-5)
            np.testing.assert_allclose(found.prediction, expected.prediction, rtol=1e-6, atol=1e-4)
            np.testing.assert_allclose(found.latent, expected.latent, rtol=1e-4, atol=1e-5)
        np.testing.assert_array_equal(loaded.predict(rows), fitted.predict(rows))
        assert (loaded.kind, loaded.name, loaded.window_size) == (fitted.kind, fitted.name, fitted.window_size)


_WITHOUT = """
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("torch", "sklearn"):
            raise ImportError(name)
sys.meta_path.insert(0, Refuse())
import json, numpy as np
from pathlib import Path
from anomaly_detection.stored import load_detector
rows = np.load(sys.argv[2])
print(json.dumps({d.name: load_detector(d).decision_function(rows).tolist() for d in Path(sys.argv[1]).iterdir()}))
"""


def test_stored_detectors_need_neither_torch_nor_sklearn(
    fit: Callable[[str], Detector], store: Callable[[str], Path], rows: np.ndarray, tmp_path: Path
) -> None:
    np.save(tmp_path / "rows.npy", rows)
    [folder] = {store(name).parent for name in DETECTORS}
    command = [sys.executable, "-c", _WITHOUT, str(folder), str(tmp_path / "rows.npy")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)  # here both are loaded already
    found = json.loads(done.stdout)
    assert set(found) == set(DETECTORS)
    for name, scores in found.items():
        np.testing.assert_allclose(scores, fit(name).decision_function(rows), rtol=1e-5, atol=1e-5)
