"""What `fit` checks before a family learns; `test_detectors` has the contract."""

import numpy as np
import pytest

from anomaly_detection.base import LARGEST_SCORE
from anomaly_detection.registry import DETECTORS
from anomaly_detection.thresholds import parse_threshold
from tests.anomaly_detection.test_detectors import make, normal_rows


@pytest.mark.parametrize("name", list(DETECTORS))
class TestFit:
    def test_of_no_series_is_refused(self, name: str) -> None:
        with pytest.raises(ValueError, match="X must hold at least one series; got an empty list"):
            make(name).fit([])

    @pytest.mark.filterwarnings("ignore:n_components = 2 spans")
    def test_constant_channels_alone_are_told(self, name: str) -> None:
        constant = np.full((100, 3), 5.0)
        with pytest.warns(UserWarning, match="No channel varies in the normal training rows"):
            detector = make(name).fit(constant)
        assert detector.predict(constant).sum() == 0
        assert detector.predict(np.concatenate([constant, constant[:1] + np.array([100, -70, 0])]))[-1] == 1

    def test_a_rule_that_the_labels_do_not_suit_is_refused_before_the_training(
        self, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        detector = make(name, threshold="best_f1")
        monkeypatch.setattr(detector, "_fit", lambda train, validation: pytest.fail("it was trained"))
        with pytest.raises(ValueError, match=r"normal \(0\) and anomalous \(1\) rows for 'best_f1'; got none"):
            detector.fit(normal_rows(100, 1))

    @pytest.mark.parametrize("baseline_size", [0, 5])
    def test_the_threshold_is_set_on_scores_as_users_get_them(self, name: str, baseline_size: int) -> None:
        detector = make(name, threshold="percentile=100", baseline_size=baseline_size)
        series = [normal_rows(60, 1), normal_rows(30, 2)]
        detector.fit(series, validation=(series, None))
        scores = [detector.decision_function(rows)[detector.window_size - 1 :] for rows in series]
        assert detector.threshold_.value_ == np.concatenate(scores).max()
        assert not any(detector.predict(rows)[detector.window_size - 1 :].any() for rows in series)


@pytest.mark.parametrize("name", ["pca", "multiscale", "knn"])  # networks refuse it: their loss is infinite
def test_a_threshold_can_be_reached_whatever_it_was_set_on(name: str) -> None:
    rows = normal_rows(200, 1) / 1e4
    far = rows[:50].copy()
    far[40] = 1e18
    detector = make(name, threshold="percentile=100").fit(rows, validation=(far, None))
    assert detector.threshold_.value_ == detector.decision_function(far).max() <= LARGEST_SCORE


@pytest.mark.parametrize("name", ["pca", "knn", "multiscale"])
def test_rows_that_fill_no_window_set_no_threshold(name: str) -> None:
    rng = np.random.default_rng(0)
    options = {"statistic": "t2"} if name == "pca" else {}
    detector = make(name, window_size=60, **options).fit(rng.normal(size=(5000, 3)))
    first = [detector.decision_function(rng.normal(size=(1, 3)))[0] for _ in range(20)]
    assert detector.threshold_.value_ < 0.3 * np.median(first)


def test_rows_at_the_start_count_where_nothing_else_is_anomalous() -> None:
    rows, labels = normal_rows(60, 1), np.zeros(60, dtype=int)
    labels[:3] = 1
    rows[:3] += 9
    detector = make("pca", window_size=9).fit(normal_rows(200, 2), validation=(rows, labels))
    assert detector.threshold_.name == "best_f1"


def test_the_first_full_window_sets_the_threshold_with_the_others() -> None:
    rows = normal_rows(60, 1)
    rows[8] += 50
    detector = make("pca", window_size=9, threshold="percentile=100").fit(normal_rows(300, 2), validation=(rows, None))
    assert detector.threshold_.value_ == detector.decision_function(rows)[8:].max()
    rows[8:] = normal_rows(52, 3)
    rows[7] += 50
    held = make("pca", window_size=9, threshold="percentile=100").fit(normal_rows(300, 2), validation=(rows, None))
    assert held.threshold_.value_ == held.decision_function(rows)[8:].max()


@pytest.mark.parametrize(
    ("rule", "counts"), [("percentile=99", False), ("best_f1", True), ("false_positive_rate", False)]
)
def test_rules_on_normal_scores_leave_the_start_out_whatever_is_anomalous_there(rule: str, counts: bool) -> None:
    rows, labels = normal_rows(300, 1), np.zeros(300, dtype=int)
    labels[:3] = 1
    found = make("pca", window_size=20, threshold=rule).fit(normal_rows(900, 2), validation=(rows, labels))
    scores = found.decision_function(rows)
    used = slice(0, None) if counts else slice(19, None)
    oracle = parse_threshold(rule).fit(np.maximum(scores[used], 1e-12), labels[used])
    assert found.threshold_.value_ == oracle.value_


def test_the_only_normal_rows_may_lie_at_the_start() -> None:
    rows, labels = normal_rows(60, 1), np.ones(60, dtype=int)
    labels[:3] = 0
    detector = make("pca", window_size=9).fit(normal_rows(200, 2), validation=(rows, labels))
    assert detector.threshold_.name == "best_f1"


def test_a_validation_part_is_a_pair() -> None:
    with pytest.raises(TypeError, match=r"validation must be a pair \(X, y\), .*; got ndarray. Write \(X, None\)"):
        make("pca").fit(normal_rows(60, 1), validation=normal_rows(60, 1))
