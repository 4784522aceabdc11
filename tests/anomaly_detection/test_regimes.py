import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomaly_detection.pca import PCADetector
from anomaly_detection.regimes import STEP_LIMIT, regimes_of, split_regimes
from anomaly_detection.rows import Stretch


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
    train = [Stretch(noise(seed=1)), Stretch(stepped((250, 5.0)))]
    with pytest.warns(UserWarning, match=r"level of training series 2 steps at row 250 .* the 150 from there on"):
        series = regimes_of(train, 1)
    assert [len(regimes) for regimes in series] == [1, 2]


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
        from sklearn.covariance import ledoit_wolf

        rows = stepped((250, 5.0))
        detector = PCADetector(statistic="t2", first_regime=True).fit(rows, validation=(rows, None))
        step = rows[250:].mean(axis=0) - rows[:250].mean(axis=0)
        moved = np.concatenate([rows[:250], rows[250:] - step])
        scale = moved.std(axis=0)
        scaled = (moved - rows[:250].mean(axis=0)) / scale
        covariance = ledoit_wolf(scaled, assume_centered=True)[0] + 0.02 * np.outer(step / scale, step / scale)
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
