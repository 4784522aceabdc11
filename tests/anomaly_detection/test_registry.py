import subprocess
import sys

import pytest

from anomaly_detection import DETECTORS, make_detector
from anomaly_detection.base import Detector
from anomaly_detection.registry import describe_settings


def test_the_families() -> None:
    assert list(DETECTORS) == ["pca", "multiscale", "knn", "autoencoder", "vae", "tcn", "lstm"]
    assert len(DETECTORS) == 7
    assert all(issubclass(kind, Detector) and kind.name == name for name, kind in DETECTORS.items())


def test_unknown_names_and_settings_are_refused() -> None:
    with pytest.raises(
        ValueError, match=r"name must be one of pca, multiscale, knn, autoencoder, vae, tcn, lstm; got 'svm'\."
    ):
        make_detector("svm")
    with pytest.raises(
        ValueError, match=r"pca has no setting latent_dim; it has window_size, threshold, baseline_size"
    ):
        make_detector("pca", latent_dim=4)
    with pytest.raises(KeyError):
        DETECTORS["svm"]


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


def test_pca_needs_no_torch() -> None:
    done = run(
        "import sys; from anomaly_detection import make_detector; make_detector('pca'); print('torch' in sys.modules)"
    )
    assert done.stdout == "False\n"


def test_a_missing_library_is_named_with_what_installs_it() -> None:
    done = run(
        "import sys; sys.modules['torch'] = None\nfrom anomaly_detection import make_detector; make_detector('vae')"
    )
    assert "ImportError: vae needs torch; install it with: pip install 'armscope[train]'" in done.stderr


def test_settings_are_described_with_what_they_take() -> None:
    lines = describe_settings(make_detector("tcn", loss="mse", channels=7))
    assert {"window_size=64", "channels=7", "loss=mse  (mse, minmax, masked)", "bound=6.0  (or none)"} <= set(lines)
    assert "deviation=true  (true, false)" in lines
    assert "bound=none  (or none)" in describe_settings(make_detector("lstm", bound=None))
    assert "hidden_dims=64,32" in describe_settings(make_detector("vae"))


def test_every_setting_is_described() -> None:
    for name in DETECTORS:
        detector = make_detector(name)
        assert [line.partition("=")[0] for line in describe_settings(detector)] == list(detector.settings)
