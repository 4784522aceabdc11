"""The plan of episodes: shares, limits, gaps, types in every part of time, and machines that do not disturb another."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomaly_detection.simulation.episodes import Episodes, plan_episodes

RIG_LENGTHS = [(20, 300)] * 4
SEEDS = st.integers(0, 10_000)


def plan(n_steps=20_000, n_machines=5, *, lengths=RIG_LENGTHS, anomaly_rate=0.05, seed=0):
    return plan_episodes(n_steps, n_machines, lengths=lengths, anomaly_rate=anomaly_rate, seed=seed)


def test_rows_and_codes_by_hand():
    episodes = Episodes(np.array([2, 6]), np.array([3, 1]), np.array([1, 0]))
    rows, number, elapsed = episodes.rows()
    assert rows.tolist() == [2, 3, 4, 6]
    assert number.tolist() == [0, 0, 0, 1]
    assert elapsed.tolist() == [0, 1, 2, 0]
    assert episodes.codes(8).tolist() == [0, 0, 2, 2, 2, 0, 1, 0]


@settings(deadline=None, max_examples=60)
@given(
    n_steps=st.integers(400, 30_000),
    n_machines=st.integers(1, 7),
    anomaly_rate=st.sampled_from([0.05, 0.2, 0.5]),
    seed=SEEDS,
)
def test_episodes_keep_their_limits_and_leave_normal_rows_around_them(n_steps, n_machines, anomaly_rate, seed):
    for episodes in plan(n_steps, n_machines, anomaly_rate=anomaly_rate, seed=seed):
        ends = episodes.onsets + episodes.lengths
        assert len(episodes.onsets) > 0
        assert ((episodes.lengths >= 20) & (episodes.lengths <= 300)).all()
        assert episodes.onsets[0] >= 1
        assert ends[-1] < n_steps
        assert (episodes.onsets[1:] > ends[:-1]).all()
        assert episodes.lengths.sum() == pytest.approx(anomaly_rate * n_steps, abs=1)


@settings(deadline=None, max_examples=60)
@given(seed=SEEDS)
def test_parts_cut_by_time_hold_all_types_about_equally_often(seed):
    codes = np.stack([each.codes(20_000) for each in plan(seed=seed)])
    for part in np.split(codes, [14_000, 17_000], axis=1):
        assert set(np.unique(part)) == {0, 1, 2, 3, 4}
    assert np.bincount(codes.ravel())[1:] == pytest.approx(1250, rel=0.15)


def test_a_single_machine_meets_all_types():
    for number in range(5):
        assert set(plan()[number].kinds) == {0, 1, 2, 3}


def test_lengths_are_uniform_where_there_are_many():
    lengths = np.concatenate([each.lengths for each in plan(500_000)])
    counts = np.histogram(lengths, bins=7, range=(20, 300))[0]
    assert counts == pytest.approx(len(lengths) / 7, rel=0.15)


@settings(deadline=None, max_examples=20)
@given(n_machines=st.integers(1, 12), seed=SEEDS)
def test_a_machine_stays_as_it_is_when_others_join(n_machines, seed):
    few, many = plan(4000, n_machines, seed=seed), plan(4000, n_machines + 6, seed=seed)
    for mine, same in zip(few, many, strict=False):
        assert mine.onsets.tolist() == same.onsets.tolist()
        assert mine.lengths.tolist() == same.lengths.tolist()
        assert mine.kinds.tolist() == same.kinds.tolist()


def test_types_may_have_limits_of_their_own():
    limits = [(5, 20), (100, 400)]
    episodes = plan(200_000, 1, lengths=limits)[0]
    for kind, (shortest, longest) in enumerate(limits):
        lengths = episodes.lengths[episodes.kinds == kind]
        assert len(lengths) > 10
        assert lengths.min() >= shortest
        assert lengths.max() <= longest
    assert episodes.lengths.sum() == pytest.approx(10_000, abs=1)


def test_seeds_differ_and_repeat():
    first, again, other = (plan(seed=seed)[0].onsets.tolist() for seed in (1, 1, 2))
    assert first == again != other


def test_no_rate_no_episodes():
    assert [len(each.onsets) for each in plan(10, 2, anomaly_rate=0)] == [0, 0]
    assert plan(10, 1, anomaly_rate=0)[0].codes(10).tolist() == [0] * 10


def test_rates_that_cannot_be_are_refused():
    with pytest.raises(ValueError, match=r"anomaly_rate must be from 0 to 0.5; got 0.6"):
        plan(anomaly_rate=0.6)
    with pytest.raises(ValueError, match=r"anomaly_rate must be from 0 to 0.5; got nan"):
        plan(anomaly_rate=float("nan"))
    with pytest.raises(ValueError, match=r"n_steps must be at least 400 .*; got 399. Take more steps"):
        plan(399)
