import pytest

from anomaly_detection import check
from anomaly_detection.check import Checked, check_installation
from anomaly_detection.registry import DETECTORS


@pytest.mark.slow
def test_a_good_installation_passes() -> None:
    results = list(check_installation())
    assert [result.name for result in results] == ["Model initialization", "Dataset creation", "Training step"]
    assert all(result.passed for result in results)
    assert str(results[0]).startswith(f"PASS | Model initialization: {len(DETECTORS)} detectors can be made (pca, ")


def test_a_failed_check_says_why_and_the_next_still_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> str:
        raise ImportError("no\ntorch")

    monkeypatch.setattr(check, "CHECKS", {"one": fail, "two": lambda: "fine"})
    assert [str(result) for result in check_installation()] == ["FAIL | one: no torch", "PASS | two: fine"]
    assert list(check_installation())[1] == Checked("two", True, "fine")
