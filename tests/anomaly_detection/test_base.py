"""What `fit` checks before a family learns; `test_detectors` has the contract."""

import numpy as np
import pytest

from anomaly_detection.base import LARGEST_SCORE
from anomaly_detection.registry import DETECTORS
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
        assert detector.threshold_.value_ == detector.decision_function(series).max()
        assert detector.predict(series).sum() == 0


@pytest.mark.parametrize("name", ["pca", "multiscale", "knn"])  # networks refuse it: their loss is infinite
def test_a_threshold_can_be_reached_whatever_it_was_set_on(name: str) -> None:
    rows = normal_rows(200, 1) / 1e4
    far = rows[:50].copy()
    far[40] = 1e18
    detector = make(name, threshold="percentile=100").fit(rows, validation=(far, None))
    assert detector.threshold_.value_ == detector.decision_function(far).max() <= LARGEST_SCORE
