import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.covariance import ledoit_wolf

from anomaly_detection.base import Detector
from anomaly_detection.multiscale import MultiscaleDetector
from anomaly_detection.pca import PCADetector
from anomaly_detection.regimes import STEP_LIMIT, split_regimes, warn_of_steps
from anomaly_detection.registry import make_detector
from anomaly_detection.rows import Stretch
from anomaly_detection.windows import full_windows


def noise(n_steps: int = 400, n_channels: int = 3, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n_steps, n_channels))


def stepped(*steps: tuple[int, float], n_steps: int = 400) -> np.ndarray:
    rows = noise(n_steps)
    for start, height in steps:
        rows[start:, 1] += height
    return rows


def lengths(rows: np.ndarray, window_size: int = 1, labels: np.ndarray | None = None) -> list[int]:
    return [len(regime.values) for regime in split_regimes(Stretch(rows, labels), window_size)]


def oracle(rows: np.ndarray, first: int) -> tuple[float, int]:
    """The largest step of blocks of ten rows, place by place."""
    blocks = rows[: len(rows) // 10 * 10].reshape(-1, 10, rows.shape[1]).mean(axis=1)
    found = []
    for place in range(first, len(blocks) - 2):
        before, after = blocks[:place], blocks[place:]
        within = (((before - before.mean(0)) ** 2).sum(0) + ((after - after.mean(0)) ** 2).sum(0)) / len(blocks)
        chance = rows.shape[1] * len(blocks) / (len(before) * len(after))
        found.append((float((((after.mean(0) - before.mean(0)) ** 2) / within).sum() - chance), place))
    size, place = max(found)
    return max(size, 0.0) ** 0.5, place


@pytest.mark.parametrize("start", [100, 110, 250, 370])
def test_a_step_is_found_where_it_is(start: int) -> None:
    assert lengths(stepped((start, 5.0))) == [start, 400 - start]


@pytest.mark.parametrize("start", [90, 380])
def test_a_step_too_near_an_end_is_not_taken_there(start: int) -> None:
    assert start not in lengths(stepped((start, 5.0)))


def test_the_regimes_are_the_series() -> None:
    rows = stepped((110, 4.0), (250, 12.0))
    regimes = split_regimes(Stretch(rows), 1)
    assert [len(regime.values) for regime in regimes] == [110, 140, 150]
    np.testing.assert_array_equal(np.concatenate([regime.values for regime in regimes]), rows)


def test_the_size_is_that_of_the_definition() -> None:
    for height in np.linspace(0.5, 4, 15):
        rows = stepped((200, height))
        size, place = oracle(rows, 10)
        assert (lengths(rows) == [place * 10, 400 - place * 10]) == (size >= STEP_LIMIT)


@given(seed=st.integers(0, 2**31), n_channels=st.integers(1, 200), smooth=st.sampled_from([1, 3]))
@settings(max_examples=60, deadline=None)
def test_noise_has_no_step(seed: int, n_channels: int, smooth: int) -> None:
    rows = noise(400 + smooth, n_channels, seed)
    rows = np.mean([rows[lag : lag + 400] for lag in range(smooth)], axis=0)
    assert lengths(rows) == [400]


def test_a_fault_that_goes_back_is_no_step() -> None:
    rows = noise()
    rows[150:200, 1] += 5
    assert lengths(rows) == [400]


@pytest.mark.parametrize("n_steps", [0, 1, 9, 40, 199])
def test_short_series_stay_whole(n_steps: int) -> None:
    assert lengths(stepped((n_steps // 2, 9.0), n_steps=n_steps)) == [n_steps]


def test_the_first_regime_fills_a_window() -> None:
    assert lengths(stepped((150, 5.0)), window_size=150) == [150, 250]
    assert 150 not in lengths(stepped((150, 5.0)), window_size=151)


def test_labels_decide_where_a_row_is_labelled() -> None:
    rows, labels = stepped((250, 5.0)), np.zeros(400, dtype=bool)
    assert lengths(rows, labels=labels) == [250, 150]
    labels[300:] = True
    assert lengths(rows, labels=labels) == [400]


def test_constant_channels_do_not_step_but_may() -> None:
    rows = noise()
    rows[:, 0] = 101_325.3
    rows[:, 2] = 0.1 + 1e-15 * noise()[:, 0]  # rounding
    assert lengths(rows) == [400]
    rows[300:, 0] += 1
    assert lengths(rows) == [300, 100]


def test_units_do_not_matter() -> None:
    rows = stepped((250, 5.0))
    assert lengths(rows * 1e-6 + 3) == lengths(rows.astype(np.float32) * 1024) == [250, 150]


def test_a_step_is_told() -> None:
    series = [split_regimes(Stretch(rows), 1) for rows in (noise(seed=1), stepped((250, 5.0)))]
    with pytest.warns(UserWarning, match=r"level of training series 2 steps at row 250 .* the 150 from there on"):
        warn_of_steps(series)
    assert [len(regimes) for regimes in series] == [1, 2]


@pytest.mark.parametrize(("height", "expected"), [(5.9, [400]), (6.1, [200, 200])])
def test_a_step_has_six_standard_deviations_of_blocks(height: float, expected: list[int]) -> None:
    rows = np.repeat(np.tile([1.0, -1.0], 20), 10)[:, None]
    rows[200:] += height
    assert lengths(rows) == expected


def test_steps_of_several_channels_add_up() -> None:
    rows = np.repeat(np.tile([[1.0], [-1.0]], (20, 9)), 10, axis=0)
    rows[200:] += 2.5
    assert lengths(rows[:, :4]) == [400]
    assert lengths(rows) == [200, 200]


@pytest.mark.parametrize("n_channels", [1, 8, 50])
def test_a_trend_and_a_slow_swing_are_no_steps(n_channels: int) -> None:
    trend = np.linspace(0, 10, 400)[:, None] + noise(400, n_channels)
    swing = 10 * np.sin(np.linspace(0, 2 * np.pi, 4000))[:, None] + noise(4000, n_channels)
    assert lengths(trend) == [400]
    assert lengths(swing) == [4000]


def test_a_step_that_takes_a_minute_is_one() -> None:
    rows = noise()
    rows[250:310, 1] += np.linspace(0, 8, 60)
    rows[310:, 1] += 8
    first, *_ = lengths(rows)
    assert 250 <= first <= 310


@pytest.mark.parametrize(("n_blocks", "expected"), [(4, True), (24, False)])
def test_how_sudden_a_step_must_be(n_blocks: int, expected: bool) -> None:
    rows = np.repeat(np.tile([0.1, -0.1], 30), 10)[:, None]
    rows[300 - 5 * n_blocks : 300 + 5 * n_blocks, 0] += np.linspace(0, 9, 10 * n_blocks)
    rows[300 + 5 * n_blocks :, 0] += 9
    assert (lengths(rows) != [600]) == expected


def test_chance_in_few_blocks_of_many_channels_is_no_step() -> None:
    cut = [lengths(noise(200, 200, seed)) != [200] for seed in range(40)]
    assert sum(cut) == 0


def test_two_hundred_rows_suffice() -> None:
    assert lengths(stepped((100, 9.0), n_steps=200)) == [100, 100]


@pytest.mark.parametrize("level", [101_325.3, -101_325.3])
def test_what_is_rounding(level: float) -> None:
    rows = noise()
    rows[:, 0] = level
    rows[200:, 0] *= 1 + 1e-12
    assert lengths(rows) == [400]
    rows[200:, 0] += 0.01
    assert lengths(rows) == [200, 200]


def test_an_earlier_step_may_lie_thirty_rows_before_the_later() -> None:
    assert lengths(stepped((110, 5.0), (140, 25.0))) == [110, 30, 260]


def test_channels_that_do_nothing_have_no_step() -> None:
    assert lengths(np.ones((200, 500))) == [200]


def test_all_later_rows_are_told_and_where_it_was_asked_for() -> None:
    with pytest.warns(UserWarning, match="the 290 from there on"):
        warn_of_steps([split_regimes(Stretch(stepped((110, 4.0), (250, 12.0))), 1)])
    rows = stepped((250, 9.0))
    with pytest.warns(UserWarning, match="steps at row 250") as caught:
        PCADetector(statistic="t2", first_regime=True).fit(rows, validation=(rows, None))
    assert caught[0].filename == __file__


def test_float32_steps_where_float64_does() -> None:
    rows = (1_000_000 + 0.125 * noise()).astype(np.float32)
    rows[200:, 1] += np.float32(0.375)
    assert lengths(rows) == lengths(rows.astype(np.float64)) == [200, 200]


class TestOfADetector:
    SETTINGS = {"statistic": "t2", "window_size": 10, "spread": True}

    @pytest.mark.filterwarnings("ignore:The level of training series")
    def test_the_state_that_lasted_longer_is_not_taken_for_normal(self) -> None:
        rows = stepped((120, 3.0))
        before, after = noise(200, seed=2), noise(200, seed=3) + np.array([0, 3, 0])
        scores = {}
        for first_regime in (False, True):
            detector = PCADetector(**self.SETTINGS, first_regime=first_regime).fit(rows, validation=(rows, None))
            scores[first_regime] = [np.median(detector.decision_function(part)[10:]) for part in (before, after)]
        assert scores[False][0] > scores[False][1]  # upside down
        assert scores[True][1] > 3 * scores[True][0]
        assert scores[True][0] == pytest.approx(1.0, abs=0.35)

    @pytest.mark.filterwarnings("ignore:The level of training series")
    def test_mean_and_covariance_by_hand(self) -> None:
        rows = stepped((250, 5.0))
        detector = PCADetector(statistic="t2", first_regime=True).fit(rows, validation=(rows, None))
        step = rows[250:].mean(axis=0) - rows[:250].mean(axis=0)
        moved = np.concatenate([rows[:250], rows[250:] - step])
        scale = moved.std(axis=0)
        scaled = (moved - rows[:250].mean(axis=0)) / scale
        covariance = ledoit_wolf(scaled, assume_centered=True)[0] + 0.24 / 3 * np.outer(step / scale, step / scale)
        away = (rows - rows[:250].mean(axis=0)) / scale
        expected = np.einsum("ij,jk,ik->i", away, np.linalg.inv(covariance), away) / 3
        np.testing.assert_allclose(detector.decision_function(rows), expected, rtol=1e-6)

    def test_without_a_step_nothing_changes(self) -> None:
        rows = noise()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            with_it, without = (
                PCADetector(**self.SETTINGS, first_regime=first).fit(rows).decision_function(rows)
                for first in (True, False)
            )
        np.testing.assert_array_equal(with_it, without)

    @pytest.mark.filterwarnings("ignore:The level of training series")
    def test_a_later_regime_shorter_than_a_window_teaches_nothing(self) -> None:
        rows = stepped((360, 5.0))
        options = {"statistic": "t2", "window_size": 50}
        cut = PCADetector(**options, first_regime=True).fit(rows, validation=(rows, None))
        alone = PCADetector(**options).fit(rows[:360], validation=(rows, None))
        np.testing.assert_allclose(cut.decision_function(rows), alone.decision_function(rows))

    @pytest.mark.parametrize("statistic", ["q", "combined"])
    def test_other_statistics_refuse_it(self, statistic: str) -> None:
        with pytest.raises(ValueError, match=f"first_regime must go with statistic t2; got {statistic}"):
            PCADetector(statistic=statistic, first_regime=True).fit(noise())

    @pytest.mark.parametrize("detector", [MultiscaleDetector(window_size=250), PCADetector(statistic="t2")])
    @pytest.mark.filterwarnings("ignore:Of 151 normal windows")
    def test_no_regime_is_shorter_than_the_longest_window(self, detector: Detector) -> None:
        rows = stepped((160, 9.0))
        detector.window_size, detector.first_regime = 250, True
        with warnings.catch_warnings():
            warnings.filterwarnings("error", message="The level")
            detector.fit(rows, validation=(rows, None))

    @pytest.mark.filterwarnings("ignore:The level of training series")
    def test_means_and_spreads_of_two_series_that_step_by_hand(self) -> None:
        train = [noise(seed=1), noise(seed=2) + np.array([0, 0, 6])]
        train[0][250:] = 3 * train[0][250:] + [0, 9, 0]
        train[1][150:] = 0.5 * train[1][150:] - [9, 0, 0]
        detector = PCADetector(statistic="t2", window_size=5, spread=True, first_regime=True)
        detector.fit(train, validation=(train, None))
        cuts = [len(split_regimes(Stretch(rows), 5)[0].values) for rows in train]
        found, steps = {}, {}
        for name in ("mean", "std"):
            parts, steps[name] = [], []
            for rows, cut in zip(train, cuts, strict=True):
                first, later = (getattr(full_windows(part, 5), name)(axis=1) for part in (rows[:cut], rows[cut:]))
                steps[name].append(later.mean(0) - first.mean(0))
                parts += [first, later - steps[name][-1]]
            found[name] = np.concatenate(parts)
        center, scale = found["mean"].mean(0), found["mean"].std(0)
        middle, spread = (found["std"] / scale).mean(0), (found["std"] / scale).std(0)
        watched = np.hstack([(found["mean"] - center) / scale, (found["std"] / scale - middle) / spread])
        both = np.hstack([np.array(steps["mean"]) / scale, np.array(steps["std"]) / scale / spread])
        covariance = ledoit_wolf(watched, assume_centered=True)[0] + 0.24 / 6 * both.T @ both
        windows = full_windows(train[0], 5)
        away = np.hstack([(windows.mean(1) - center) / scale, (windows.std(1) / scale - middle) / spread])
        expected = np.einsum("ij,jk,ik->i", away, np.linalg.inv(covariance), away) / 6
        np.testing.assert_allclose(detector.decision_function(train[0])[4:], expected, rtol=1e-6)

    @pytest.mark.filterwarnings("ignore:The level of training series")
    @pytest.mark.parametrize("n_channels", [4, 40])
    def test_the_other_state_scores_as_far_from_normal_whatever_the_number_of_channels(self, n_channels: int) -> None:
        rows = noise(1000, n_channels)
        rows[400:] += 3
        detector = PCADetector(statistic="t2", first_regime=True).fit(rows, validation=(rows, None))
        before, after = (np.median(detector.decision_function(rows)[part]) for part in (slice(400), slice(400, None)))
        assert 2.5 < after / before < 6

    @pytest.mark.filterwarnings("ignore:The level of training series")
    @pytest.mark.parametrize("validated", [False, True])
    @pytest.mark.parametrize("name", ["pca", "multiscale"])
    def test_the_threshold_and_the_level_are_those_of_the_normal_state(self, name: str, validated: bool) -> None:
        options = {"statistic": "t2", "window_size": 12} if name == "pca" else {"window_size": 12}
        rows = noise(2000)
        rows[900:, :2] += 4
        train, newest = (rows[:1700], (rows[1700:], None)) if validated else (rows, None)
        detector = make_detector(name, **options, first_regime=True, baseline_size=50).fit(train, validation=newest)
        normal = detector.window_scores(rows[:900])[11:]
        assert detector.baseline_.level == pytest.approx(np.exp(np.log(normal).mean()))
        plain = make_detector(name, **options, first_regime=True).fit(train, validation=newest)
        assert plain.predict(noise(1000, seed=5))[12:].mean() < 0.05
        assert plain.predict(rows)[920:].mean() > 0.9

    def test_labelled_validation_rows_set_the_threshold_as_ever(self) -> None:
        rows, labels = stepped((250, 5.0)), np.zeros(400, dtype=int)
        labels[300:] = 1
        with pytest.warns(UserWarning, match="steps at row 250"):
            detector = PCADetector(statistic="t2", first_regime=True).fit(rows, validation=(rows, labels))
        assert detector.threshold_.name == "best_f1"

    @pytest.mark.filterwarnings("ignore:The level of training series 2")
    def test_only_series_without_a_step_are_held_out_from(self) -> None:
        series = [noise(seed=1), stepped((250, 5.0))]
        detector = PCADetector(statistic="t2", first_regime=True)
        kept, held_out = detector._split([Stretch(rows) for rows in series])
        assert [len(part.values) for part in kept] == [340, 400]
        assert [len(part.values) for part in held_out] == [60]

    @pytest.mark.filterwarnings("ignore:The level of training series")
    def test_other_states_score_as_far_however_many_there_are(self) -> None:
        series = [noise(600, 6, seed) for seed in range(4)]
        for channel, rows in enumerate(series):
            rows[300:, channel] += 30
        detector = PCADetector(statistic="t2", first_regime=True).fit(series, validation=(series, None))
        for rows in series:
            assert 2.5 < np.median(detector.decision_function(rows[300:])) < 6

    @pytest.mark.filterwarnings("ignore:The level of training series 2")
    def test_all_normal_parts_set_the_threshold(self) -> None:
        loud = noise(2000, seed=1) * 3
        stepping = noise(2000, seed=2)
        stepping[900:] += 9
        options = {"statistic": "t2", "first_regime": True, "threshold": "percentile=100"}
        detector = PCADetector(**options).fit([loud, stepping], validation=([loud], None))
        normal = detector.decision_function([loud, stepping[:900]])
        assert detector.threshold_.value_ == normal.max()

    @pytest.mark.filterwarnings("ignore:The level of training series")
    def test_labels_that_are_all_normal_change_nothing(self) -> None:
        rows = stepped((350, 6.0), n_steps=600)
        options = {"statistic": "t2", "first_regime": True}
        without = PCADetector(**options).fit(rows).threshold_
        assert PCADetector(**options).fit(rows, np.zeros(600)).threshold_.value_ == pytest.approx(without.value_)

    @pytest.mark.parametrize("name", ["spread", "first_regime"])
    def test_flags_are_flags(self, name: str) -> None:
        with pytest.raises(ValueError, match=f"{name} must be true or false; got 'no'"):
            PCADetector(statistic="t2", window_size=2, **{name: "no"}).fit(noise())
