import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.covariance import LedoitWolf
from sklearn.decomposition import PCA
from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler

from anomaly_detection.pca import PCADetector


def correlated(n_steps: int = 600, n_channels: int = 5, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n_steps, n_channels)) @ rng.normal(size=(n_channels, n_channels)) + 10


def rolling(rows: np.ndarray, size: int) -> np.ndarray:
    padded = np.concatenate([np.repeat(rows[:1], size - 1, axis=0), rows])
    return np.stack([padded[i : i + size] for i in range(len(rows))])


@pytest.mark.filterwarnings("ignore:n_components = 1 spans")
def test_one_component_by_hand() -> None:
    # Normal rows lie on the line x = y; standardised, (3, -1) is as far from the mean as it is from the line.
    detector = PCADetector(n_components=1).fit(np.array([[-1.0, -1.0], [1.0, 1.0]] * 20))
    assert detector.decision_function(np.array([[5.0, 5.0], [3.0, -1.0]])) == pytest.approx([0.0, 4.0])
    assert detector.reconstruct(np.array([[3.0, -1.0]])) == pytest.approx(np.array([[1.0, 1.0]]))
    assert detector.contributions(np.array([[3.0, -1.0]])) == pytest.approx(np.array([[0.5, 0.5]]))


def test_the_default_is_scikit_learns_reconstruction_error() -> None:
    rows = correlated()
    detector = PCADetector().fit(rows, validation=(rows, None))
    scaler, pca = StandardScaler().fit(rows), PCA(2).fit(StandardScaler().fit_transform(rows))
    scaled = scaler.transform(rows)
    oracle = np.square(scaled - pca.inverse_transform(pca.transform(scaled))).mean(axis=1)
    assert detector.decision_function(rows) == pytest.approx(oracle, abs=1e-6)


@pytest.mark.parametrize("scaling", ["standard", "minmax", "robust"])
def test_t2_is_the_mahalanobis_distance_of_the_window_means(scaling: str) -> None:
    rows = correlated()
    detector = PCADetector(statistic="t2", window_size=4, scaling=scaling).fit(rows, validation=(rows, None))
    means = rolling(rows, 4).mean(axis=1)
    scaled = detector.scaling_.apply(means)
    oracle = LedoitWolf(assume_centered=True).fit(scaled[3:]).mahalanobis(scaled) / rows.shape[1]
    assert detector.decision_function(rows) == pytest.approx(oracle, rel=1e-6)


def test_spread_watches_means_and_standard_deviations() -> None:
    rows = correlated()
    detector = PCADetector(statistic="t2", window_size=6, spread=True).fit(rows, validation=(rows, None))
    windows = rolling(rows, 6)
    watched = np.hstack([windows.mean(axis=1), windows.std(axis=1)])
    scaled = StandardScaler().fit(watched[5:]).transform(watched)
    oracle = LedoitWolf(assume_centered=True).fit(scaled[5:]).mahalanobis(scaled) / watched.shape[1]
    assert detector.decision_function(rows) == pytest.approx(oracle, rel=1e-6)


def test_spread_sees_a_machine_that_shakes_and_one_that_stands_still() -> None:
    rng = np.random.default_rng(1)
    rows = rng.normal(size=(800, 3))
    test = rng.normal(size=(300, 3))
    test[100:200, 0] *= 3
    test[200:, 1] = 0.0
    limit = {}
    for spread in (False, True):
        detector = PCADetector(statistic="t2", window_size=20, spread=spread).fit(rows)
        scores = detector.decision_function(test)
        limit[spread] = [np.median(scores[part]) for part in (slice(20, 100), slice(120, 200), slice(220, 300))]
    assert limit[True][1] > 10 * limit[True][0]
    assert limit[True][2] > 3 * limit[True][0]
    assert limit[False][2] < 2 * limit[False][0]


def test_t2_has_a_mean_of_about_one_on_the_rows_it_learned_from() -> None:
    rows = correlated(4000)
    for spread in (False, True):
        detector = PCADetector(statistic="t2", window_size=5, spread=spread).fit(rows, validation=(rows, None))
        assert detector.decision_function(rows)[4:].mean() == pytest.approx(1.0, abs=0.05)


def test_combined_weighs_inside_and_outside_of_the_plane_alike() -> None:
    rows = correlated()
    detector = PCADetector(statistic="combined").fit(rows, validation=(rows, None))
    # Each of the two parts has mean 1 on normal rows; the score is their sum over the number of channels.
    assert detector.decision_function(rows).mean() == pytest.approx(2 / rows.shape[1])


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"statistic": "combined", "window_size": 3},
        {"statistic": "t2", "window_size": 7},
        {"statistic": "t2", "window_size": 7, "spread": True},
    ],
)
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_the_fast_way_equals_the_windows(options: dict, dtype: type) -> None:
    rows = correlated(20_000).astype(dtype)  # more than a block
    detector = PCADetector(**options).fit(rows)
    outputs = detector.outputs(rows)
    assert detector.decision_function(rows) == pytest.approx(outputs.score, rel=2e-3, abs=2e-5)
    assert np.square(outputs.residual).mean(axis=1) == pytest.approx(outputs.score, rel=1e-9)


@given(shift=st.floats(-100, 100), factor=st.floats(0.01, 100), spread=st.booleans())
@settings(max_examples=20, deadline=None)
def test_units_do_not_matter(shift: float, factor: float, spread: bool) -> None:
    rows = correlated(200)
    options = {"statistic": "t2", "window_size": 3, "spread": spread}
    scores = PCADetector(**options).fit(rows).decision_function(rows)
    assert PCADetector(**options).fit(rows * factor + shift).decision_function(rows * factor + shift) == pytest.approx(
        scores, rel=1e-5, abs=1e-8
    )


def test_labelled_rows_are_left_out() -> None:
    rows = correlated()
    labels = np.zeros(600, dtype=int)
    labels[:50] = 1
    spoilt = rows.copy()
    spoilt[:50] = 1e4
    for options in ({}, {"statistic": "t2", "window_size": 4, "spread": True}):
        detector = PCADetector(**options).fit(spoilt, labels, validation=(rows[500:], None))
        oracle = PCADetector(**options).fit(rows[50:], validation=(rows[500:], None))
        assert detector.decision_function(rows) == pytest.approx(oracle.decision_function(rows))


@pytest.mark.filterwarnings("ignore:n_components = 2 spans")
def test_a_channel_without_spread_breaks_nothing() -> None:
    rows = np.hstack([correlated(300, 2), np.full((300, 1), 7.0)])
    for options in ({}, {"statistic": "t2"}, {"statistic": "t2", "window_size": 3, "spread": True}):
        scores = PCADetector(**options).fit(rows).decision_function(rows)
        assert np.isfinite(scores).all()


def test_fitting_again_forgets_the_spread() -> None:
    rows = correlated()
    detector = PCADetector(statistic="t2", window_size=3, spread=True).fit(rows)
    detector.spread = False
    oracle = PCADetector(statistic="t2", window_size=3).fit(rows)
    assert detector.fit(rows).decision_function(rows) == pytest.approx(oracle.decision_function(rows))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"statistic": "t3"}, "statistic must be one of q, t2, combined; got 't3'"),
        ({"scaling": "none"}, "scaling must be one of standard, minmax, robust; got 'none'"),
        ({"n_components": 0}, "n_components must be an integer of at least 1; got 0"),
        (
            {"n_components": 5},
            "n_components must be less than the number of channels, 5, for the statistic q: .*; got 5",
        ),
        ({"spread": True}, "spread must go with statistic t2 and a window_size of at least 2; got q and 1"),
        ({"spread": True, "statistic": "t2"}, "window_size of at least 2; got t2 and 1"),
    ],
)
def test_settings_are_checked(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PCADetector(**options).fit(correlated())


def test_t2_takes_as_many_components_as_there_are():
    rows = np.random.default_rng(0).normal(size=(100, 1))
    detector = PCADetector(statistic="t2", n_components=2).fit(rows)
    assert detector.components_.shape == (1, 1)
    assert detector.decision_function(np.array([[0.0], [9.0]])).tolist()[1] > 10


def test_more_components_than_normal_rows_are_refused():
    rows = np.random.default_rng(0).normal(size=(3, 8))
    with pytest.raises(ValueError, match="n_components must be at most the number of normal rows, 3; got 5"):
        PCADetector(statistic="t2", n_components=5).fit(rows)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(
    "settings", [{}, {"statistic": "t2"}, {"window_size": 4}, {"statistic": "t2", "window_size": 3, "spread": True}]
)
def test_a_value_that_is_not_finite_shows_in_the_scores_and_is_refused(value, settings):
    rows = np.random.default_rng(0).normal(size=(200, 4))
    detector = PCADetector(**settings).fit(rows)
    rows[77, 2] = value
    with pytest.raises(ValueError, match=r"X must be finite; got -?(nan|inf) in channel 'channel_2', row 77"):
        detector.decision_function(rows)


def test_a_wide_table_is_fitted_alike_every_time():
    rows = np.random.default_rng(0).normal(size=(640, 60))  # where scikit-learn draws random numbers
    state = np.random.get_state()[1].copy()  # noqa: NPY002 - the global generator is what must not be touched
    first, second = (PCADetector().fit(rows).decision_function(rows) for _ in range(2))
    assert np.array_equal(first, second)
    assert np.array_equal(np.random.get_state()[1], state)  # noqa: NPY002


@pytest.mark.parametrize("extra", ["constant", "copied"])
def test_a_channel_that_adds_no_direction_takes_no_component(extra):
    rows = correlated(300, 2)
    other = np.full((300, 1), 7.0) if extra == "constant" else 1.8 * rows[:, :1] + 32
    rows = np.hstack([rows, other])
    with pytest.warns(UserWarning, match="the normal rows vary, 2, so the statistic q would see rounding: 1 is taken"):
        detector = PCADetector(threshold="false_positive_rate=0.01").fit(rows)
    assert len(detector.components_) == 1 and detector.threshold_.value_ > 1e-6
    assert detector.predict(rows).mean() < 0.05
    far = rows[-1:] + np.array([50, 0, 90 if extra == "copied" else 0])
    assert detector.predict(np.concatenate([rows, far]))[-1] == 1


def test_few_rows_are_told_to_span_no_plane():
    with pytest.warns(UserWarning, match="Constant and copied channels, and few rows, add no direction"):
        PCADetector().fit(correlated()[:3], validation=(correlated(), None))


def test_one_direction_leaves_nothing_along_it():
    line = np.arange(40.0)[:, None] * [1.0, -2.0]
    with pytest.warns(UserWarning, match="what lies along them is not told"):
        detector = PCADetector(n_components=1).fit(line)
    assert detector.predict(line).sum() == 0  # rounding is no anomaly
    assert detector.predict(np.array([[3.0, 6.0]])).tolist() == [1]


def test_t2_needs_no_direction_left_over():
    rows = np.hstack([correlated(300, 2), np.full((300, 1), 7.0)])
    PCADetector(statistic="t2").fit(rows)  # without a warning


@pytest.mark.filterwarnings("ignore:No channel varies")
@pytest.mark.parametrize("options", [{"statistic": "t2"}, {"statistic": "combined"}])
def test_a_machine_that_stands_still_while_it_teaches(options):
    still = np.full((100, 3), 5.0)
    detector = PCADetector(**options).fit(still)
    assert detector.predict(np.array([[5.0, 5.0, 5.0], [5.0, 6.0, 5.0]])).tolist() == [0, 1]


def test_large_values_keep_their_residuals():
    rows = np.random.default_rng(0).normal(size=(500, 3))
    rows[:, 0] += 1e9  # there single precision knows every 64th number
    detector = PCADetector(n_components=1).fit(rows)
    assert detector.outputs(rows).score == pytest.approx(detector.decision_function(rows), rel=1e-4)
    assert detector.reconstruct(rows)[:, 0].std() < 2


@pytest.mark.parametrize("scaling", ["standard", "minmax", "robust"])
def test_labels_in_every_window_are_refused(scaling):
    labels = np.arange(600) % 5 == 0
    with pytest.raises(ValueError, match="y must leave 10 normal rows in a row, a window, to learn from"):
        PCADetector(window_size=10, scaling=scaling).fit(correlated(), labels)


@pytest.mark.parametrize("scaling", [MinMaxScaler(), RobustScaler()])
def test_other_scalings_are_scikit_learns_too(scaling):
    rows = np.exp(correlated() / 5)  # mean, median and middle of the range lie apart
    name = {"MinMaxScaler": "minmax", "RobustScaler": "robust"}[type(scaling).__name__]
    detector = PCADetector(scaling=name).fit(rows, validation=(rows, None))
    scaled = scaling.fit_transform(rows)
    pca = PCA(2).fit(scaled)
    oracle = np.square(scaled - pca.inverse_transform(pca.transform(scaled))).mean(axis=1)
    assert detector.decision_function(rows) == pytest.approx(oracle, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize(("settings", "n_directions"), [({}, 4), ({"n_components": 5}, 1), ({"statistic": "t2"}, 6)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_blocks_and_fewer_directions_score_as_the_residuals_do(monkeypatch, settings, n_directions, dtype):
    rng = np.random.default_rng(1)
    rows = (rng.normal(size=(500, 6)) @ rng.normal(size=(6, 6)) + 3).astype(dtype)
    detector = PCADetector(window_size=3, **settings).fit(rows)
    assert detector.directions_.shape == (6, n_directions)
    monkeypatch.setattr("anomaly_detection.pca._BLOCK_BYTES", 1)
    monkeypatch.setattr("anomaly_detection.pca._LEAST_BLOCK_ROWS", 37)
    monkeypatch.setattr("anomaly_detection.pca._ROWS_AT_ONCE", 5)
    tolerance = 1e-3 if dtype is np.float32 else 1e-9
    assert detector.decision_function(rows) == pytest.approx(detector.outputs(rows).score, rel=tolerance, abs=1e-6)


@pytest.mark.parametrize("options", [{}, {"window_size": 3}, {"window_size": 3, "statistic": "t2", "spread": True}])
def test_rows_score_alike_however_they_lie_in_memory(options):
    rows = correlated()
    detector = PCADetector(**options).fit(rows)
    expected = detector.decision_function(rows)
    for same in (np.asfortranarray(rows), np.repeat(rows, 2, axis=1)[:, ::2]):
        assert np.array_equal(detector.decision_function(same), expected)


@pytest.mark.parametrize("window_size", [1, 3])
def test_single_precision_rows_lose_nothing_to_a_large_mean(window_size):
    rows = np.round(np.random.default_rng(0).normal(size=(500, 3)) * 4)
    rows[:, 2] += 1e6 + 1 / 3
    single = rows.astype(np.float32)
    detector = PCADetector(n_components=1, window_size=window_size).fit(single)
    assert detector.decision_function(single) == pytest.approx(
        detector.decision_function(single.astype(np.float64)), rel=1e-4, abs=1e-5
    )


def test_a_reconstruction_is_that_of_the_newest_row():
    rows = correlated()
    detector = PCADetector(window_size=4).fit(rows)
    plane = detector.components_.T @ detector.components_
    expected = detector.scaling_.undo(detector.scaling_.apply(rows) @ plane)
    assert detector.reconstruct(rows) == pytest.approx(expected)


@pytest.mark.filterwarnings("ignore:n_components = 1 spans")
def test_without_an_error_every_channel_has_the_same_share():
    detector = PCADetector(n_components=1).fit(np.array([[-1.0, -1.0], [1.0, 1.0]] * 20))
    assert detector.contributions(np.array([[0.0, 0.0]])).tolist() == [[0.5, 0.5]]


def test_a_score_equal_to_the_threshold_is_not_flagged():
    rows = correlated()
    detector = PCADetector(threshold="percentile=100").fit(rows, validation=(rows, None))
    assert detector.predict(rows).sum() == 0
    assert (detector.decision_function(rows) == detector.threshold_.value_).any()


def test_learning_the_spread_of_long_windows_takes_little_memory():
    rows = np.random.default_rng(0).normal(size=(60_000, 4))
    tracemalloc.start()
    detector = PCADetector(statistic="t2", spread=True, window_size=100).fit(rows, validation=(rows[:200], None))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 120e6  # all windows at once are 192 MB
    means = np.lib.stride_tricks.sliding_window_view(rows, 100, axis=0).mean(axis=2)
    assert detector.scaling_.center == pytest.approx(means.mean(axis=0))


def test_one_channel_has_nothing_left_over_for_q():
    with pytest.raises(ValueError, match="which the statistic q of a single channel does not; take the statistic t2"):
        PCADetector(n_components=1).fit(np.random.default_rng(0).normal(size=(100, 1)))
