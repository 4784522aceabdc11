from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from anomaly_detection.base import Detector
from anomaly_detection.baseline import Baseline, check_baseline
from anomaly_detection.registry import DETECTORS
from anomaly_detection.stored import load_detector, save_detector
from anomaly_detection.streaming import StreamScorer
from anomaly_detection.thresholds import BestF1
from tests.anomaly_detection.test_detectors import PLANTED, make, normal_rows, planted

SCORES = arrays(np.float64, st.integers(1, 40), elements=st.floats(0, 1e6))


def plain_relative(scores: np.ndarray, baseline: Baseline) -> np.ndarray:
    """The definition, row by row."""
    out = []
    before = [baseline.level] * (baseline.size - 1)
    for row, score in enumerate(scores):
        newest = np.maximum([*before, *scores][row : row + baseline.size], 1e-12)
        level = max(baseline.level, float(np.exp(np.log(newest).mean())))
        out.append(score * (baseline.level / level) ** baseline.weight)
    return np.array(out)


def test_by_hand() -> None:
    # Levels 2, 4 = sqrt(2 * 8), 8; half of their logarithm above that of 2 is taken off.
    found = Baseline(size=2, weight=0.5, level=2.0).relative(np.array([2.0, 8.0, 8.0]))
    assert found == pytest.approx([2.0, 8 / 2**0.5, 4.0])


@given(scores=SCORES, size=st.integers(1, 50), weight=st.floats(0.01, 1), level=st.floats(1e-6, 1e3))
@settings(max_examples=100, deadline=None)
def test_is_the_definition(scores: np.ndarray, size: int, weight: float, level: float) -> None:
    baseline = Baseline(size=size, weight=weight, level=level)
    assert np.allclose(baseline.relative(scores), plain_relative(scores, baseline), rtol=1e-6)
    assert (baseline.relative(scores) <= scores).all()


def test_changes_nothing_at_the_level_of_training_and_below() -> None:
    scores = np.array([1.0, 0.5, 1.0, 0.0, 1.0])
    assert np.array_equal(Baseline(size=3, weight=0.6, level=1.0).relative(scores), scores)


def test_rows_without_any_error_leave_no_low_level_behind() -> None:
    scores = np.array([0.0] * 50 + [1.0])  # a stuck sensor that comes back
    assert Baseline(size=50, weight=1.0, level=1.0).relative(scores)[-1] == 1.0


def test_a_lasting_score_sinks_to_what_the_weight_leaves() -> None:
    found = Baseline(size=10, weight=0.75, level=1.0).relative(np.concatenate([np.ones(20), np.full(20, 16.0)]))
    assert found[20] > 8  # at once it stands out
    assert (np.diff(found[20:30]) < 0).all()
    assert found[30:] == pytest.approx(2.0)  # 16 ^ .25


def test_what_a_series_has_not_had_yet_counts_as_normal() -> None:
    found = Baseline(size=10, weight=0.75, level=2.0).relative(np.full(12, 16.0))  # it begins amid a fault
    sunk = np.minimum(np.arange(1, 13) / 10, 1)  # the share of the level that is known
    assert found == pytest.approx(16 / 8 ** (0.75 * sunk))


def test_the_level_is_that_of_the_training_rows() -> None:
    baseline = Baseline.fit([np.array([1.0, 4.0]), np.array([2.0])], size=5, weight=0.6)
    assert baseline.level == pytest.approx(2.0) and (baseline.size, baseline.weight) == (5, 0.6)


@pytest.mark.parametrize("value", [np.nan, np.inf, 3.4e38])
def test_scores_beyond_the_arithmetic_count_as_the_largest(value: float) -> None:
    with np.errstate(over="ignore"):
        found = Baseline(size=4, weight=0.5, level=1.0).relative(np.array([1.0, value, 1.0, 1.0, 1.0, 1.0]))
    assert np.isfinite(found[[0, 2, 3, 4, 5]]).all()
    assert found[2] < 1e-4 and found[5] == pytest.approx(1.0, rel=1e-6)


def test_a_description_restores_it() -> None:
    baseline = Baseline(size=600, weight=0.6, level=0.87)
    assert Baseline(**baseline.to_dict()) == baseline


@pytest.mark.parametrize(
    ("size", "weight", "message"),
    [
        (-1, 0.5, "baseline_size must be an integer of at least 0; got -1"),
        (2.5, 0.5, "baseline_size must be an integer"),
        (True, 0.5, "baseline_size must be an integer"),
        (5, 0.0, "baseline_weight must be a number above 0 and at most 1; got 0.0"),
        (5, 1.5, "baseline_weight must be"),
        (5, float("nan"), "baseline_weight must be"),
        (5, "half", "baseline_weight must be"),
    ],
)
def test_settings_out_of_range_are_refused(size: int, weight: float, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        check_baseline(size, weight)


def test_settings_are_refused_before_anything_is_learned() -> None:
    detector = make("knn", baseline_size=5, baseline_weight=2)
    with pytest.raises(ValueError, match="baseline_weight must be"):
        detector.fit(normal_rows(50, 1))
    assert not hasattr(detector, "references_")


@pytest.mark.parametrize("level", [0.0, -1.0, float("nan"), float("inf"), None, True])
def test_a_level_must_be_positive(level: float) -> None:
    with pytest.raises(ValueError, match="level must be a positive number"):
        Baseline(size=5, weight=0.5, level=level)


def test_none_is_no_baseline() -> None:
    with pytest.raises(ValueError, match="at least 1 for a baseline"):
        Baseline(size=0, weight=0.5, level=1.0)


def test_a_weight_without_a_size_is_refused() -> None:
    with pytest.raises(ValueError, match="baseline_weight must go with a baseline_size of at least 1"):
        make("pca", baseline_weight=0.9).fit(normal_rows(100, 1))


@pytest.mark.parametrize("name", list(DETECTORS))
class TestDetectors:
    @pytest.fixture
    def compared(self, name: str) -> Detector:
        return make(name, baseline_size=30).fit(normal_rows(300, 1))

    def test_is_taken_off_the_scores_of_the_windows(self, compared: Detector) -> None:
        rows, _ = planted(3)
        baseline, raw = compared.baseline_, compared.outputs(rows).score
        assert baseline is not None and (baseline.size, baseline.weight) == (30, 0.6)
        np.testing.assert_allclose(compared.decision_function(rows), baseline.relative(raw), rtol=1e-4, atol=1e-6)
        assert (compared.decision_function(rows)[PLANTED] < raw[PLANTED]).any()

    def test_level_is_that_of_full_normal_windows(self, name: str) -> None:
        rows, labels = planted(0)
        # Training rows are their own neighbours: the level of knn comes from the validation part.
        parts = [[normal_rows(400, 1), rows], [None, labels]], [normal_rows(400, 2), None]
        (X, y), validation = parts if name != "knn" else (parts[1], parts[0])
        detector = make(name, baseline_size=30).fit(X, y, validation=tuple(validation))
        scores = [detector.outputs(part).score for part in (normal_rows(400, 1), rows)]
        first, size = detector.window_size - 1, detector.window_size
        clean = np.array([not labels[i - first : i + 1].any() for i in range(first, 240)])
        kept = np.concatenate([scores[0][first:], scores[1][first:][clean]])
        assert detector.baseline_ is not None and size >= 1
        assert detector.baseline_.level == pytest.approx(float(np.exp(np.log(kept).mean())), rel=1e-4)

    def test_scores_depend_on_the_rows_within_reach(self, compared: Detector) -> None:
        rows, _ = planted(3)
        reach = compared.reach
        assert reach == compared.window_size + 29
        changed = rows.copy()
        changed[:150] += 1
        before, after = compared.decision_function(rows), compared.decision_function(changed)
        np.testing.assert_allclose(after[150 + reach - 1 :], before[150 + reach - 1 :], rtol=1e-5)
        assert not np.allclose(after[150 : 150 + reach - 1], before[150 : 150 + reach - 1], rtol=1e-5)

    def test_threshold_is_set_on_the_compared_scores(self, name: str) -> None:
        rows, labels = planted(3)
        detector = make(name, baseline_size=30).fit(normal_rows(300, 1), validation=(rows, labels))
        best = BestF1().fit(detector.decision_function(rows), labels).value_
        assert detector.threshold_ is not None and detector.threshold_.value_ == pytest.approx(best)

    def test_a_stream_in_pieces_scores_as_the_whole(self, compared: Detector) -> None:
        rows, _ = planted(3)
        stream = StreamScorer(compared)
        pieces = [stream.score(piece) for piece in np.split(rows, [1, 7, 90, 155, 156, 200])]
        np.testing.assert_allclose(np.concatenate(pieces), compared.decision_function(rows), rtol=1e-5)

    def test_stays_with_the_stored_detector(self, compared: Detector, tmp_path: Path) -> None:
        rows, _ = planted(3)
        save_detector(compared, tmp_path)
        stored = load_detector(tmp_path)
        assert stored.baseline_ == compared.baseline_ and stored.reach == compared.reach
        np.testing.assert_allclose(stored.decision_function(rows), compared.decision_function(rows), rtol=1e-4)
        with pytest.raises(TypeError, match="score_window must be called on a detector without a baseline"):
            stored.score_window(rows[: compared.window_size])

    def test_every_series_of_a_list_has_a_level_of_its_own(self, compared: Detector) -> None:
        series = [planted(3)[0], normal_rows(50, 5), normal_rows(1, 6)]
        apart = np.concatenate([compared.decision_function(one) for one in series])
        np.testing.assert_allclose(compared.decision_function(series), apart, rtol=1e-5)

    def test_leaves_most_of_the_score_of_unseen_normal_rows(self, name: str) -> None:
        detector = make(name, baseline_size=30).fit(normal_rows(300, 1), validation=(normal_rows(300, 2), None))
        rows = normal_rows(300, 5)
        assert np.median(detector.decision_function(rows) / detector.outputs(rows).score) > 0.8

    def test_labels_must_leave_a_window_for_the_level(self, name: str) -> None:
        labels = np.tile([1, 0], 150)
        with pytest.raises(
            ValueError, match="y must leave a window of 4 normal rows in a row for the level of a baseline"
        ):
            make(name, window_size=4, baseline_size=30).fit(normal_rows(300, 1), labels)

    def test_is_forgotten_by_a_fit_without(self, compared: Detector) -> None:
        compared.baseline_size = 0
        assert compared.fit(normal_rows(300, 1)).baseline_ is None and compared.reach == compared.window_size


def test_neighbours_without_normal_held_out_windows_take_the_level_of_training_ones() -> None:
    rows, labels = normal_rows(300, 1), np.zeros(300, dtype=int)
    labels[-45::2] = 1
    detector = make("knn", baseline_size=30).fit(rows, labels)
    scores = detector.outputs(rows).score[detector.window_size - 1 : -45]
    assert detector.baseline_ is not None
    assert detector.baseline_.level == pytest.approx(float(np.exp(np.log(scores).mean())))
