from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from anomaly_detection.autoencoder import AutoencoderDetector
from anomaly_detection.neural import NeuralDetector
from anomaly_detection.registry import make_detector
from anomaly_detection.stored import WEIGHTS, save_detector

QUICK: dict[str, dict[str, Any]] = {
    "autoencoder": {"hidden_dims": (8,), "latent_dim": 2, "window_size": 3},
    "vae": {"hidden_dims": (8,), "latent_dim": 2, "window_size": 3},
    "tcn": {"channels": 4, "kernel_size": 2, "window_size": 8, "batch_size": 4},
    "lstm": {"hidden_dim": 4, "window_size": 6, "batch_size": 4},
}
RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(200, 2)) @ np.array([[1.0, 0.5], [0.0, 0.3]])


def make(name: str, **settings: Any) -> NeuralDetector:
    detector = make_detector(name, **{"max_epochs": 4, **QUICK[name], **settings})
    assert isinstance(detector, NeuralDetector)
    return detector


@pytest.mark.parametrize("name", list(QUICK))
class TestTraining:
    def test_continued_equals_uninterrupted(self, name: str, tmp_path: Path) -> None:
        whole = make(name).fit(ROWS)
        part = make(name, max_epochs=2)
        part.checkpoint_path = tmp_path / "checkpoint.pth"
        part.fit(ROWS)
        rest = make(name)
        rest.checkpoint_path = part.checkpoint_path
        rest.fit(ROWS)
        assert len(part.history_.loss) == 2 and len(rest.history_.loss) == 4
        assert (rest.history_.train_loss, rest.history_.loss) == (whole.history_.train_loss, whole.history_.loss)
        np.testing.assert_array_equal(rest.decision_function(ROWS), whole.decision_function(ROWS))
        assert [file.name for file in tmp_path.iterdir()] == ["checkpoint.pth"]

    def test_leaves_torch_as_it_was(self, name: str) -> None:
        threads, state = torch.get_num_threads(), torch.get_rng_state()
        torch.set_num_threads(2)
        try:
            make(name).fit(ROWS).decision_function(ROWS)
            assert torch.get_num_threads() == 2 and torch.equal(torch.get_rng_state(), state)
        finally:
            torch.set_num_threads(threads)

    def test_does_not_depend_on_torchs_global_seed(self, name: str) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(1)
            first = make(name).fit(ROWS).decision_function(ROWS)
            torch.manual_seed(2)
            np.testing.assert_array_equal(make(name).fit(ROWS).decision_function(ROWS), first)

    def test_depends_on_its_own_seed(self, name: str) -> None:
        first, second = (make(name, random_state=seed).fit(ROWS).decision_function(ROWS) for seed in (0, 1))
        assert not np.allclose(first, second)

    def test_weights_are_stored_beside_the_model(self, name: str, tmp_path: Path) -> None:
        detector = make(name, max_epochs=1).fit(ROWS)
        save_detector(detector, tmp_path)
        weights = torch.load(tmp_path / WEIGHTS, weights_only=True)
        other = make(name, max_epochs=1, random_state=7).fit(ROWS)
        other.network_.load_state_dict(weights)
        np.testing.assert_array_equal(other.decision_function(ROWS), detector.decision_function(ROWS))

    def test_export_leaves_the_detector_as_it_was(self, name: str) -> None:
        detector = make(name, max_epochs=1).fit(ROWS)
        before = detector.decision_function(ROWS)
        first = detector.to_onnx()
        np.testing.assert_array_equal(detector.decision_function(ROWS), before)
        assert detector.to_onnx() == first


def test_a_checkpoint_of_other_settings_is_refused(tmp_path: Path) -> None:
    detector = make("autoencoder")
    detector.checkpoint_path = tmp_path / "c.pth"
    detector.fit(ROWS)
    other = make("autoencoder", learning_rate=0.5)
    other.checkpoint_path = detector.checkpoint_path
    with pytest.raises(ValueError, match=r"with learning_rate 0\.5; it has 0\.001\. Delete it to start anew"):
        other.fit(ROWS)
    with pytest.raises(ValueError, match="checksum of the training data"):
        detector.fit(ROWS + 1)
    with pytest.raises(ValueError, match="detector 'vae'; it has 'autoencoder'"):
        train_elsewhere(detector.checkpoint_path)


def test_a_checkpoint_serves_whatever_is_done_with_the_scores(tmp_path: Path) -> None:
    detector = make("autoencoder")
    detector.checkpoint_path = tmp_path / "c.pth"
    detector.fit(ROWS)
    other = make("autoencoder", threshold="percentile=90", baseline_size=20, baseline_weight=0.5)
    other.checkpoint_path = detector.checkpoint_path
    other.fit(ROWS)
    assert other.baseline_ is not None
    np.testing.assert_array_equal(other.window_scores(ROWS), detector.decision_function(ROWS))


def train_elsewhere(checkpoint: Path | None) -> None:
    vae = make("vae")
    vae.checkpoint_path = checkpoint
    vae.fit(ROWS)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dropout": 1.0}, r"dropout must lie in \[0, 1\)"),
        ({"learning_rate": 0.0}, "learning_rate must be positive"),
        ({"weight_decay": -1.0}, "weight_decay must be at least 0"),
        ({"batch_size": 0}, "batch_size must be an integer of at least 1"),
        ({"max_epochs": 1.5}, "max_epochs must be an integer"),
        ({"patience": True}, "patience must be an integer"),
        ({"monitor": "f1"}, "monitor must be one of auto, loss, auc"),
        ({"device": "abacus"}, "device must be"),
    ],
)
def test_wrong_settings(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make("autoencoder", **settings).fit(ROWS)


def test_many_windows_go_through_in_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = ROWS.astype(np.float32)
    rows.flags.writeable = False
    detector = make("autoencoder", window_size=1, max_epochs=1).fit(rows)
    expected = detector.outputs(rows)
    monkeypatch.setattr("anomaly_detection.neural._BLOCK_ROWS", 7)
    found = detector.outputs(rows)
    for name in ("score", "residual", "latent", "prediction"):
        np.testing.assert_allclose(getattr(found, name), getattr(expected, name), rtol=1e-5, atol=1e-6)


def test_scores_of_a_huge_offset_do_not_move_with_it() -> None:
    rows = np.round(ROWS * 1024) / 1024
    scores = [
        AutoencoderDetector(max_epochs=2).fit(rows + offset).decision_function(rows + offset) for offset in (0, 8192)
    ]
    np.testing.assert_allclose(scores[1], scores[0], rtol=1e-3, atol=1e-4)
