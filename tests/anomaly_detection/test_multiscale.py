import warnings

import numpy as np
import onnxruntime
import pytest

from anomaly_detection.multiscale import MultiscaleDetector, _geometric_mean
from anomaly_detection.pca import PCADetector
from anomaly_detection.windows import causal_windows

NAMES = ["score", "residual", "latent", "reconstruction"]


def correlated(n_steps: int = 600, n_channels: int = 4, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    mixed = rng.normal(size=(n_steps, n_channels)) @ np.random.default_rng(9).normal(size=(n_channels, n_channels))
    return mixed + [0, 5, -3, 100][:n_channels]


@pytest.mark.parametrize(("window_size", "sizes"), [(60, [5, 20, 60]), (24, [2, 8, 24]), (6, [2, 6]), (2, [2])])
def test_the_score_is_the_geometric_mean_of_three_windows(window_size: int, sizes: list[int]) -> None:
    rows = correlated()
    detector = MultiscaleDetector(window_size=window_size).fit(rows, validation=(rows, None))
    distances = [
        PCADetector(statistic="t2", spread=True, window_size=size)
        .fit(rows, validation=(rows, None))
        .decision_function(rows)
        for size in sizes
    ]
    assert [part.window_size for part in detector.parts_] == sizes
    np.testing.assert_allclose(detector.decision_function(rows), np.prod(distances, axis=0) ** (1 / len(sizes)))


def test_sees_what_is_sudden_and_what_is_small_and_lasts() -> None:
    rng = np.random.default_rng(0)
    train, test = rng.normal(size=(2000, 4)), rng.normal(size=(400, 4))
    jolt, lasting = test.copy(), test.copy()
    jolt[300:302, 0] += 12
    lasting[300:, 1] += 0.8
    detector = MultiscaleDetector().fit(train)
    limit = np.quantile(detector.decision_function(test)[60:], 0.99)
    assert detector.decision_function(jolt)[301] > 2 * limit
    assert np.median(detector.decision_function(lasting)[360:]) > 1.5 * limit
    short = PCADetector(statistic="t2", spread=True, window_size=5).fit(train)
    short_limit = np.quantile(short.decision_function(test)[60:], 0.99)
    assert np.median(short.decision_function(lasting)[360:]) < short_limit


def test_the_channel_at_fault_has_the_largest_share() -> None:
    rng = np.random.default_rng(0)
    test = rng.normal(size=(200, 4))
    test[100:, 2] += 3
    shares = MultiscaleDetector(window_size=24).fit(rng.normal(size=(1500, 4))).contributions(test)
    assert (shares[130:].argmax(axis=1) == 2).all()


def test_the_residual_has_the_sign_of_the_departure() -> None:
    rng = np.random.default_rng(0)
    detector = MultiscaleDetector(window_size=24).fit(rng.normal(size=(1500, 3)))
    for sign in (1, -1):
        residual = detector.outputs(rng.normal(size=(60, 3)) + np.array([0, 4 * sign, 0])).residual
        assert (np.sign(residual[40:, 1]) == sign).all()


@pytest.mark.parametrize("options", [{}, {"window_size": 12, "scaling": "robust"}, {"window_size": 2}])
def test_the_graph_equals_the_detector(options: dict) -> None:
    rows = correlated().astype(np.float32)
    detector = MultiscaleDetector(**options).fit(rows)
    session = onnxruntime.InferenceSession(detector.to_onnx(), providers=["CPUExecutionProvider"])
    windows = np.ascontiguousarray(causal_windows(rows, detector.window_size))
    answers = dict(zip(NAMES, session.run(NAMES, {"window": windows}), strict=True))
    outputs = detector.outputs(rows)
    for name, values in zip(NAMES, [outputs.score, outputs.residual, outputs.latent, outputs.prediction], strict=True):
        assert answers[name].shape == values.shape
        assert np.abs(answers[name] - values).max() < 1e-5 * np.abs(values).max()


def test_the_graph_of_a_machine_that_stands_still() -> None:
    detector = MultiscaleDetector(window_size=12).fit(correlated())
    session = onnxruntime.InferenceSession(detector.to_onnx(), providers=["CPUExecutionProvider"])
    window = np.repeat(detector.parts_[0].scaling_.center[None], 12, axis=0).astype(np.float32)
    score, residual = session.run(["score", "residual"], {"window": window[None]})
    assert np.isfinite(score).all() and np.isfinite(residual).all()


@pytest.mark.filterwarnings("ignore:The level of training series 1 steps at row 200")
def test_the_first_regime_is_that_of_all_windows() -> None:
    rows = correlated()
    rows[200:, 1] += 6 * rows[:, 1].std()
    detector = MultiscaleDetector(window_size=24, first_regime=True).fit(rows, validation=(rows, None))
    for part in detector.parts_:
        alone = PCADetector(statistic="t2", spread=True, window_size=part.window_size, first_regime=True)
        alone.fit(rows, validation=(rows, None))
        np.testing.assert_allclose(part.window_scores(rows), alone.decision_function(rows))
    before = np.median(detector.decision_function(correlated(200, seed=3)))
    assert np.median(detector.decision_function(rows[300:])) > 5 * before


def test_one_warning_for_three_windows() -> None:
    rows = correlated()
    rows[200:, 1] += 6 * rows[:, 1].std()
    with pytest.warns(UserWarning, match="steps at row 200") as caught:
        MultiscaleDetector(first_regime=True).fit(rows, validation=(rows, None))
    assert len(caught) == 1


def test_a_window_of_one_row_has_no_spread() -> None:
    with pytest.raises(ValueError, match="window_size must be an integer of at least 2; got 1"):
        MultiscaleDetector(window_size=1).fit(correlated())


def test_the_geometric_mean_of_almost_nothing() -> None:
    assert _geometric_mean([np.array([1e-6, 0.0]), np.array([1.0, 1.0])]) == pytest.approx([1e-3, 1e-6])


def test_defaults() -> None:
    rows = correlated()
    rows[300:, 1] += 50
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # no step is sought
        detector = MultiscaleDetector(scaling="robust").fit(rows, validation=(rows, None))
    assert [(p.window_size, p.scaling) for p in detector.parts_] == [(5, "robust"), (20, "robust"), (60, "robust")]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"baseline_size": -1}, "baseline_size must"),
        ({"threshold": "high"}, "threshold"),
        ({"first_regime": "no"}, "first_regime must be true or false; got 'no'"),
    ],
)
def test_settings_are_checked_first(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        MultiscaleDetector(**options).fit(correlated())


def test_series_are_no_regimes_of_each_other() -> None:
    rng = np.random.default_rng(0)
    train = [rng.normal(size=(400, 3)), rng.normal(size=(400, 3)) + 4]
    detector = MultiscaleDetector(window_size=6).fit(rng.normal(size=(400, 2)))  # nothing of this stays
    detector.fit(train, validation=(train, None))
    assert [part.window_size for part in detector.parts_] == [2, 6]
    for part in detector.parts_:
        alone = PCADetector(statistic="t2", spread=True, window_size=part.window_size)
        alone.fit(train, validation=(train, None))
        np.testing.assert_allclose(part.window_scores(train), alone.decision_function(train))


@pytest.mark.filterwarnings("ignore:No channel varies")
def test_the_graph_of_what_never_varied() -> None:
    detector = MultiscaleDetector(window_size=6).fit(np.ones((300, 2)))
    session = onnxruntime.InferenceSession(detector.to_onnx(), providers=["CPUExecutionProvider"])
    windows = np.ones((2, 6, 2), dtype=np.float32)
    windows[1, :, 0] += np.float32(1e-5)
    score, residual = session.run(["score", "residual"], {"window": windows})
    assert score[0] == pytest.approx(1e-12, rel=1e-4)
    np.testing.assert_allclose(np.square(residual).mean(axis=1), score, rtol=1e-4)
    assert abs(residual[1, 1]) < 1e-3 * abs(residual[1, 0])


@pytest.mark.filterwarnings("ignore:No channel varies")
def test_the_residual_makes_the_score_where_no_channel_departs() -> None:
    outputs = MultiscaleDetector(window_size=6).fit(np.ones((300, 2))).outputs(np.ones((30, 2)))
    np.testing.assert_allclose(np.square(outputs.residual).mean(axis=1), outputs.score)


def test_too_few_windows_are_refused_and_few_are_told() -> None:
    rows = correlated(60)
    with pytest.raises(ValueError, match="at least 2 normal windows of window_size = 60 rows to learn from; got 1"):
        MultiscaleDetector().fit(rows, validation=(rows, None))
    with pytest.warns(UserWarning, match="Of 11 normal windows of 50 rows few have no rows in common"):
        MultiscaleDetector(window_size=50).fit(rows, validation=(rows, None))
