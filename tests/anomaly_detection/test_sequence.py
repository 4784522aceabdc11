from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from anomaly_detection.networks import LSTM, TCN, Forecaster
from anomaly_detection.registry import make_detector
from anomaly_detection.rows import Stretch
from anomaly_detection.sequence import ForecastDetector, ForecastTask, TCNDetector
from anomaly_detection.stored import load_detector, save_detector
from anomaly_detection.windows import causal_windows

QUICK: dict[str, dict[str, Any]] = {
    "tcn": {"channels": 8, "kernel_size": 2, "n_layers": 2, "window_size": 8, "batch_size": 4},
    "lstm": {"hidden_dim": 8, "window_size": 6, "batch_size": 4},
}
STEPS = np.arange(400)
WAVE = np.stack([np.sin(STEPS / 3), np.cos(STEPS / 3) * 5 + 100], axis=1)
NOISE = np.random.default_rng(0).normal(size=(1200, 2)) * [1.0, 5.0] + [0.0, 100.0]


def make(name: str, **settings: Any) -> ForecastDetector:
    detector = make_detector(name, **{**QUICK[name], **settings})
    assert isinstance(detector, ForecastDetector)
    return detector


def network_of(detector: ForecastDetector) -> Forecaster:
    assert isinstance(detector.network_, Forecaster)
    return detector.network_


def network(name: str) -> TCN | LSTM:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        if name == "tcn":
            return TCN(2, channels=5, n_layers=3, kernel_size=2, dropout=0.0).eval()
        return LSTM(2, hidden_dim=5, n_layers=2, dropout=0.0).eval()


@pytest.mark.parametrize("name", list(QUICK))
class TestForecast:
    def test_networks_are_causal(self, name: str) -> None:
        rows = torch.randn(2, 30, 2, generator=torch.Generator().manual_seed(0))
        changed = rows.clone()
        changed[:, 20:] += 1
        with torch.no_grad():
            before, after = (network(name)(values)[0] for values in (rows, changed))
        torch.testing.assert_close(before[:, :20], after[:, :20])
        assert not torch.allclose(before[:, 20], after[:, 20])

    def test_of_a_learned_wave(self, name: str) -> None:
        detector = make(name, loss="mse", max_epochs=20, patience=20, learning_rate=1e-2, dropout=0.0).fit(WAVE)
        error = detector.forecast(WAVE)[50:-1] - WAVE[51:]
        assert (np.abs(error).mean(axis=0) < WAVE.std(axis=0) * 0.2).all()

    def test_residual_is_the_newest_row_less_its_forecast(self, name: str) -> None:
        detector = make(name, max_epochs=2, deviation=False).fit(WAVE)
        outputs, next_rows = detector.outputs(WAVE), detector.forecast(WAVE)
        expected = (WAVE - outputs.prediction[:, -2]) / detector.scaling_.scale
        np.testing.assert_allclose(outputs.residual, expected, atol=1e-4)
        np.testing.assert_allclose(outputs.score, np.square(expected).mean(axis=1), rtol=1e-3)
        np.testing.assert_array_equal(outputs.prediction[:, -1], next_rows)

    @pytest.mark.parametrize("scaling", ["standard", "minmax", "robust"])
    def test_residual_is_the_forecast_error_or_a_larger_deviation_beyond_its_limit(
        self, name: str, scaling: str
    ) -> None:
        detector = make(name, max_epochs=2, scaling=scaling).fit(NOISE[:1000])
        rows = np.concatenate([NOISE[1000:], NOISE[1000:] * 3])
        outputs, scale = detector.outputs(rows), detector.scaling_.scale
        limits = network_of(detector).limits.numpy()
        error = (rows - outputs.prediction[:, -2]) / scale / np.sqrt(limits[0])
        recent = np.median(causal_windows(rows, 3), axis=1)
        deviation = (recent - NOISE[:850].mean(axis=0)) / scale / np.sqrt(limits[1])  # the rest is the validation part
        size = np.square(deviation).mean(axis=1)
        decides = (size > 1) & (size > np.square(error).mean(axis=1))
        assert decides.any() and not decides.all()
        np.testing.assert_allclose(outputs.residual, np.where(decides[:, None], deviation, error), atol=1e-3)
        np.testing.assert_allclose(outputs.score, np.square(outputs.residual).mean(axis=1), rtol=1e-5)

    def test_stored_detector_chooses_alike(self, name: str, tmp_path: Path) -> None:
        detector = make(name, max_epochs=1).fit(NOISE[:1000])
        rows = ((NOISE[1000:] - [0, 100]) * 8).round() / 4 + [
            0,
            100,
        ]  # in float32, so that what differs is the detectors'
        save_detector(detector, tmp_path)
        expected, found = detector.outputs(rows), load_detector(tmp_path).outputs(rows)
        assert 0.1 < (expected.score > 1).mean() < 1
        np.testing.assert_allclose(found.residual, expected.residual, rtol=1e-4, atol=1e-5)
        np.testing.assert_allclose(found.score, expected.score, rtol=1e-5, atol=1e-5)

    @pytest.mark.parametrize("labelled", [False, True])
    def test_limits_are_what_rows_amid_normal_ones_hardly_exceed(self, name: str, labelled: bool) -> None:
        rows, labels = NOISE.copy(), np.zeros(len(NOISE), dtype=int)
        if labelled:
            labels[500:600] = 1
            rows[500:600] += 50
        detector = make(name, max_epochs=1, loss="masked", deviation=True)
        detector.fit(rows, labels if labelled else None, validation=(NOISE, None))
        recent = np.median(causal_windows(detector.scaling_.apply(rows), 3)[2:], axis=1)
        normal = causal_windows(labels[:, None], 3)[2:, :, 0].sum(axis=1) == 0
        limits = network_of(detector).limits.numpy()
        np.testing.assert_allclose(limits[1], np.quantile(np.square(recent[normal]).mean(axis=1), 0.9999), rtol=1e-4)
        clean = causal_windows(labels[:, None], detector.window_size)[:, :, 0].sum(axis=1) == 0
        errors = np.square((rows - detector.outputs(rows).prediction[:, -2]) / detector.scaling_.scale).mean(axis=1)
        assert 0.9 < limits[0] / np.quantile(errors[1:][clean[1:]], 0.9999) < 1.1
        if labelled and name == "tcn":  # what it expects just after an anomaly is coloured by that
            assert errors[600:603].max() > 2 * limits[0]

    def test_limits_without_a_normal_window_come_from_normal_rows(self, name: str) -> None:
        labels = np.zeros(len(NOISE), dtype=int)
        labels[::4] = 1
        detector = make(name, max_epochs=1, loss="masked").fit(NOISE, labels)
        assert detector.window_size > 4
        errors = np.square((NOISE - detector.outputs(NOISE).prediction[:, -2]) / detector.scaling_.scale).mean(axis=1)
        limit = float(network_of(detector).limits[0])
        assert 0.9 < limit / np.quantile(errors[1:][labels[1:] == 0], 0.9999) < 1.2

    def test_a_foreseen_offset_is_anomalous_by_its_deviation(self, name: str) -> None:
        rng = np.random.default_rng(0)
        labels = np.repeat([0, 1, 0, 1, 0], 160)
        train = rng.normal(size=(800, 2)) + 12 * labels[:, None]
        rows = rng.normal(size=(150, 2)) + np.repeat([0, 12], [50, 100])[:, None]
        detector = make(name, loss="mse", max_epochs=6, learning_rate=1e-2).fit(train, labels)
        scores = detector.decision_function(rows)
        detector.deviation = False
        errors = detector.decision_function(rows)
        assert errors[60:].min() < errors[10:50].max()  # the network has learned that offsets last
        assert scores[51:].min() > 1 and scores[51:].min() > 2 * scores[:50].max()

    @pytest.mark.filterwarnings("ignore:No channel varies")
    def test_rows_that_never_change(self, name: str) -> None:
        constant = np.full((60, 2), 5.0)
        detector = make(name, max_epochs=1).fit(constant)
        assert network_of(detector).limits[1] == pytest.approx(1e-6)
        scores = detector.decision_function(np.concatenate([constant, constant + 1]))
        assert np.isfinite(scores).all() and scores[60:].min() > scores[:60].max()

    def test_losses_are_one_without_anomalies(self, name: str) -> None:
        labels = np.zeros(400, dtype=int)
        fits = [
            make(name, max_epochs=2, loss=loss).fit(WAVE, y)
            for loss in ("mse", "masked", "minmax")
            for y in (None, labels)
        ]
        for detector in fits[1:]:
            np.testing.assert_allclose(detector.decision_function(WAVE), fits[0].decision_function(WAVE), rtol=1e-5)

    def test_minmax_learns_from_labels(self, name: str) -> None:
        """Anomalies that look like normal rows one by one, and follow one announcement each."""
        rng = np.random.default_rng(0)
        rows, labels = rng.normal(size=(1500, 1)), np.zeros(1500, dtype=int)
        for start in range(20, 1500, 20):
            rows[start] = 6  # normal by its label, but the next four rows are anomalous
            labels[start + 1 : start + 5] = 1
        cut = 1000
        settings: dict[str, Any] = {"max_epochs": 12, "patience": 12, "learning_rate": 1e-2, "dropout": 0.0}
        detector = make(name, loss="minmax", **settings)
        detector.fit(rows[:cut], labels[:cut], validation=(rows[cut:], labels[cut:]))
        scores = detector.decision_function(rows[cut:])
        anomalous = labels[cut:] == 1
        assert (scores[anomalous][:, None] > scores[~anomalous]).mean() > 0.9

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"loss": "hinge"}, "loss must be one of mse, minmax, masked"),
            ({"bound": 0.0}, "bound must be positive, or None"),
            ({"anomaly_weight": 0.0}, "anomaly_weight must be positive; got 0.0"),
            ({"anomaly_weight": float("inf")}, "anomaly_weight must be positive"),
            ({"anomaly_weight": None}, "anomaly_weight must be positive; got None"),
            ({"n_layers": 0}, "n_layers must be an integer of at least 1"),
            ({"window_size": 1}, "window_size must be an integer of at least 2"),
        ],
    )
    def test_wrong_settings(self, name: str, settings: dict[str, Any], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            make(name, **settings).fit(WAVE)


class TestTCN:
    @pytest.mark.parametrize(("kernel_size", "n_layers"), [(2, 1), (2, 3), (3, 2), (5, 3)])
    def test_receptive_field(self, kernel_size: int, n_layers: int) -> None:
        tcn = TCN(1, channels=4, n_layers=n_layers, kernel_size=kernel_size, dropout=0.0).double().eval()
        rows = torch.zeros(1, 100, 1, dtype=torch.float64, requires_grad=True)
        with torch.no_grad():
            for parameter in tcn.parameters():
                parameter.fill_(0.1)
        tcn(rows)[0][0, -1].sum().backward()
        assert rows.grad is not None
        assert int((rows.grad[0, :, 0] != 0).sum()) == tcn.receptive_field

    @pytest.mark.parametrize("deviation", [True, False])
    @pytest.mark.parametrize("window_size", [3, 6, 7, 8, 20])
    def test_scores_along_the_series_equal_those_of_windows(self, window_size: int, deviation: bool) -> None:
        detector = make("tcn", window_size=window_size, max_epochs=1, deviation=deviation).fit(WAVE)  # it sees 7 rows
        scores = detector.decision_function(WAVE)
        np.testing.assert_allclose(scores, detector.outputs(WAVE).score, rtol=1e-4, atol=1e-6)

    def test_long_series_are_cut_into_blocks_unseen(self, monkeypatch: pytest.MonkeyPatch) -> None:
        detector = make("tcn", max_epochs=1).fit(WAVE)
        expected = detector.decision_function(WAVE)
        monkeypatch.setattr("anomaly_detection.sequence._BLOCK_ROWS", 37)
        np.testing.assert_allclose(detector.decision_function(WAVE), expected, rtol=1e-5, atol=1e-6)

    def test_wrong_settings(self) -> None:
        with pytest.raises(ValueError, match="kernel_size must be an integer of at least 2"):
            TCNDetector(kernel_size=1).fit(WAVE)
        with pytest.raises(ValueError, match="channels must be an integer of at least 1"):
            TCNDetector(channels=0).fit(WAVE)


class TestSubSequences:
    @pytest.fixture
    def task(self) -> ForecastTask:
        detector = make("tcn", window_size=4)
        detector.network_ = TCN(1, channels=5, n_layers=1, kernel_size=2, dropout=0.0).eval()
        stretches = [Stretch(np.arange(10, dtype=np.float32)[:, None]), Stretch(np.full((3, 1), 99, np.float32))]
        return ForecastTask(detector, stretches, stretches)

    @pytest.mark.parametrize("shift", [0, 1, 2, 3])
    def test_every_row_but_the_first_is_a_target_once(self, task: ForecastTask, shift: int) -> None:
        firsts = task.rows.first_targets(4, shift)
        values, _, real = task.rows.take(firsts, 3, 4)
        targets = values[:, 3:, 0][real]
        assert sorted(targets.tolist()) == [1, 2, 3, 4, 5, 6, 7, 8, 9, 99, 99]

    def test_are_padded_with_the_first_row(self, task: ForecastTask) -> None:
        values, _, _ = task.rows.take(task.rows.first_targets(4, 0), 3, 4)
        assert values[0, :, 0].tolist() == [0, 0, 0, 1, 2, 3, 4]
        assert values[3, :, 0].tolist() == [99] * 7

    def test_begin_elsewhere_in_every_epoch(self, task: ForecastTask) -> None:
        generator = torch.Generator().manual_seed(0)
        starts = {min(int(batch[:, 0].min()) for batch in task.batches(generator)) for _ in range(30)}
        assert starts == {-2, -1, 0, 1}

    def test_errors_equal_those_of_windows(self, task: ForecastTask) -> None:
        with torch.no_grad():
            _, scores, labels = task.validate()
            series = torch.arange(10, dtype=torch.float32)
            padded = torch.cat([torch.zeros(3), series])
            windows = padded.unfold(0, 4, 1)[1:, :, None]
            expected = (windows[:, -1] - task.network(windows)[0][:, -2]).square().mean(dim=1)
        assert labels is None
        np.testing.assert_allclose(scores[:9], expected, rtol=1e-5)


def test_the_loss_takes_bound_and_weight_from_the_settings() -> None:
    errors, labels = torch.tensor([1.0, 8.0]), torch.tensor([0.0, 1.0])
    stretches = [Stretch(np.zeros((3, 1), np.float32))]
    for settings, gain in (({}, 4 * 6 * (1 - np.exp(-8 / 6))), ({"bound": None, "anomaly_weight": 2}, 2 * 8)):
        detector = make("tcn", **settings)
        detector.network_ = network("tcn")
        assert float(ForecastTask(detector, stretches, []).reduce(errors, labels)) == pytest.approx((1 - gain) / 2)


def test_stretches_do_not_colour_each_other() -> None:
    values = np.random.default_rng(0).normal(size=(20, 1)).astype(np.float32)
    last = np.arange(20) == 19
    detector = TCNDetector(window_size=4, kernel_size=2, n_layers=1)
    with torch.random.fork_rng():
        detector.network_ = TCN(1, channels=2, n_layers=1, kernel_size=2, dropout=0.0).eval()
    with torch.no_grad():
        task = ForecastTask(detector, [Stretch(values, last), Stretch(values)], [])
        # All but the first row of both, and the labelled row of one.
        assert len(task.normal_errors()) == 18 + 19


@pytest.mark.parametrize("name", ["tcn", "lstm"])
def test_one_odd_reading_does_not_speak_for_the_rows_after_it(name: str) -> None:
    rng = np.random.default_rng(0)
    detector = make(name, loss="mse", max_epochs=2).fit(rng.normal(size=(800, 2)))
    rows = rng.normal(size=(120, 2)) / 4
    rows[60] += 12
    scores = detector.decision_function(rows)
    assert scores[60] > 4
    assert scores[61:64].max() < 2  # the mean of three rows would be 4 standard deviations off
