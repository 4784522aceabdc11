from typing import Any

import numpy as np
import pytest
import torch

from anomaly_detection.autoencoder import AutoencoderDetector, ReconstructionTask, VAEDetector
from anomaly_detection.networks import Autoencoder, VariationalAutoencoder
from anomaly_detection.rows import Stretch
from anomaly_detection.windows import causal_windows

QUICK: dict[str, Any] = {"window_size": 3, "hidden_dims": (16,), "latent_dim": 2, "max_epochs": 5, "batch_size": 16}
RNG = np.random.default_rng(0)
ROWS = RNG.normal(size=(300, 1)) * [1.0, -2.0, 0.5] + RNG.normal(size=(300, 3)) * 0.1


@pytest.fixture(scope="module")
def vae() -> VAEDetector:
    return VAEDetector(**QUICK).fit(ROWS)


class TestScore:
    def test_is_the_mean_squared_scaled_error_of_the_window(self) -> None:
        detector = AutoencoderDetector(**QUICK).fit(ROWS)
        outputs = detector.outputs(ROWS[:20])
        windows = causal_windows(ROWS[:20], 3)
        errors = (windows - outputs.prediction) / detector.scaling_.scale
        np.testing.assert_allclose(outputs.score, np.square(errors).mean(axis=(1, 2)), rtol=1e-4)
        np.testing.assert_allclose(np.abs(outputs.residual), np.sqrt(np.square(errors).mean(axis=1)), rtol=1e-4)
        np.testing.assert_array_equal(outputs.residual < 0, errors[:, -1] < 0)

    def test_of_single_rows_is_their_own_error(self) -> None:
        detector = AutoencoderDetector(**{**QUICK, "window_size": 1}).fit(ROWS)
        errors = (ROWS - detector.reconstruct(ROWS)) / detector.scaling_.scale
        np.testing.assert_allclose(detector.decision_function(ROWS), np.square(errors).mean(axis=1), rtol=1e-4)

    def test_of_the_vae_goes_through_the_mean(self, vae: VAEDetector) -> None:
        np.testing.assert_array_equal(vae.decision_function(ROWS), vae.decision_function(ROWS))


class TestTraining:
    def test_windows_with_an_anomalous_row_are_left_out(self) -> None:
        labels = np.zeros(10, dtype=bool)
        labels[4] = True
        detector = AutoencoderDetector(**QUICK)
        detector.network_ = Autoencoder(3, 3, (4,), 2, 0.0)
        rows = ROWS[:10].astype(np.float32)
        task = ReconstructionTask(detector, [Stretch(rows, labels), Stretch(rows[:4])], [Stretch(rows)])
        assert task.starts.tolist() == [0, 1, 5, 6, 7, 10, 11]
        np.testing.assert_array_equal(task.windows[10], rows[:3])

    def test_anomalous_rows_do_not_change_the_network(self) -> None:
        labels = np.zeros(300, dtype=int)
        labels[50:60] = 1
        spoilt = ROWS.copy()
        spoilt[50:60] += 1000
        scores = [AutoencoderDetector(**QUICK).fit(rows, labels).decision_function(ROWS) for rows in (ROWS, spoilt)]
        np.testing.assert_allclose(scores[0], scores[1], rtol=1e-5)

    def test_no_window_of_normal_rows(self) -> None:
        with pytest.raises(ValueError, match="window of 3 normal rows in a row"):
            AutoencoderDetector(**QUICK).fit(ROWS[:60], np.arange(60) % 2)

    def test_reduces_the_loss(self) -> None:
        history = AutoencoderDetector(**{**QUICK, "max_epochs": 20, "learning_rate": 1e-2}).fit(ROWS).history_
        assert history.train_loss[-1] < history.train_loss[0] / 2

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"latent_dim": 0}, "latent_dim must be an integer of at least 1"),
            ({"hidden_dims": 64}, "hidden_dims must be a tuple"),
            ({"hidden_dims": (64, 0)}, "hidden_dims must be an integer of at least 1"),
            ({"beta": -1.0}, "beta must be at least 0"),
        ],
    )
    def test_wrong_settings(self, settings: dict[str, Any], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            VAEDetector(**{**QUICK, **settings}).fit(ROWS)


class TestDoubt:
    def test_probability_is_the_share_of_lower_normal_scores(self, vae: VAEDetector) -> None:
        vae.normal_scores_ = np.sort(vae.decision_function(ROWS))[:99]
        far = ROWS[:5] + 100
        np.testing.assert_allclose(vae.probability(far), 0.99)
        found = vae.probability(ROWS)
        assert found.shape == (300,) and found.min() == 0 and (found <= 0.99).all()
        assert (np.diff(found[np.argsort(vae.decision_function(ROWS))]) >= 0).all()

    def test_probability_is_that_of_scores_compared_with_their_level(self) -> None:
        labels = np.zeros(300, dtype=int)
        labels[100:110] = 1
        settings = {"window_size": 2, "max_epochs": 1, "baseline_size": 20}
        detector = VAEDetector(**settings).fit(ROWS, validation=(ROWS, labels))
        expected = np.sort(detector.decision_function(ROWS)[labels == 0])
        np.testing.assert_allclose(detector.normal_scores_, expected, rtol=1e-5)

    def test_uncertainty_repeats_and_depends_on_its_seed(self, vae: VAEDetector) -> None:
        first = vae.uncertainty(ROWS, n_samples=4)
        assert first.shape == (300,) and (first > 0).all()
        np.testing.assert_array_equal(vae.uncertainty(ROWS, n_samples=4), first)
        assert not np.array_equal(vae.uncertainty(ROWS, n_samples=4, random_state=1), first)

    def test_uncertainty_needs_two_samples(self, vae: VAEDetector) -> None:
        with pytest.raises(ValueError, match="n_samples must be an integer of at least 2"):
            vae.uncertainty(ROWS, n_samples=1)


def test_divergence_by_hand() -> None:
    network = VariationalAutoencoder(1, 1, (), 1, 0.0).eval()
    with torch.no_grad():
        for layer, weight, bias in ((network.to_latent, 2.0, 1.0), (network.to_log_variance, 0.0, 1.0)):
            layer.weight.fill_(weight)
            layer.bias.fill_(bias)
        _, divergence = network.sample(torch.tensor([[[1.0]]]), torch.Generator().manual_seed(0))
    assert float(divergence) == pytest.approx(0.5 * (9 + np.e - 1 - 1))
