"""The arm's cycle: smooth paths, derivatives that fit, modes and loads at their place."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from anomaly_detection.simulation.motion import MODES, OBJECT_KG, draw_motion, minimum_jerk

FINE_S = 0.001


@pytest.fixture(scope="module")
def fine():
    """Three cycles, finely cut."""
    return draw_motion(33_000, step_s=FINE_S, rng=np.random.default_rng(1))


def test_minimum_jerk_starts_and_ends_at_rest():
    place, pace, change = minimum_jerk(np.array([0, 0.5, 1]))
    assert place.tolist() == [0, 0.5, 1]
    assert pace.tolist() == [0, 1.875, 0]
    assert change == pytest.approx(0)


@given(u=st.floats(0.01, 0.99))
def test_minimum_jerk_derivatives_are_those_of_the_path(u):
    h = 1e-5
    before, here, after = (minimum_jerk(np.array(each)) for each in (u - h, u, u + h))
    assert here[1] == pytest.approx((after[0] - before[0]) / (2 * h), abs=1e-6)
    assert here[2] == pytest.approx((after[1] - before[1]) / (2 * h), abs=1e-5)


def test_speed_and_acceleration_are_the_derivatives_of_the_position(fine):
    assert np.gradient(fine.position, FINE_S, axis=0)[1:-1] == pytest.approx(fine.velocity[1:-1], abs=1e-3)
    assert np.gradient(fine.velocity, FINE_S, axis=0)[1:-1] == pytest.approx(fine.acceleration[1:-1], abs=0.05)


def test_modes_follow_each_other_in_the_cycle(fine):
    changes = np.flatnonzero(np.diff(fine.modes, prepend=-1))
    order = [MODES[mode] for mode in fine.modes[changes]]
    following = {"home": {"move"}, "pick": {"move"}, "place": {"move"}, "move": {"pick", "place", "home"}}
    assert all(after in following[before] for before, after in pairwise(order))
    without_moves = [mode for mode in order if mode != "move"]
    first = without_moves.index("home")
    assert without_moves[first : first + 6] == ["home", "pick", "place"] * 2


def test_the_object_is_carried_from_the_tote_to_the_shelf(fine):
    loaded = fine.object_kg > 0
    assert not loaded[fine.modes == MODES.index("home")].any()
    grips, releases = (
        np.flatnonzero(np.diff(loaded.astype(int)) == 1),
        np.flatnonzero(np.diff(loaded.astype(int)) == -1),
    )
    assert set(fine.modes[grips]) == {MODES.index("pick")}
    assert set(fine.modes[releases]) == {MODES.index("place")}
    assert np.abs(fine.velocity[np.concatenate([grips, releases])]).max() == 0
    assert fine.object_kg[loaded] == pytest.approx(OBJECT_KG, rel=0.25)


def test_cycles_vary_a_little():
    motion = draw_motion(20_000, step_s=0.1, rng=np.random.default_rng(0))
    starts = np.flatnonzero(np.diff((motion.modes == MODES.index("home")).astype(int)) == 1)
    lengths = np.diff(starts) * 0.1
    assert lengths.mean() == pytest.approx(10.8, rel=0.01)
    assert 0.05 < lengths.std() < 0.4
    lowest = [part[:, 1].min() for part in np.split(motion.position, starts)[1:-1]]
    assert 0.3 < np.rad2deg(np.std(lowest)) < 2


@settings(deadline=None, max_examples=100)
@given(n_steps=st.integers(1, 3000), seed=st.integers(0, 10_000))
def test_there_are_always_cycles_enough(n_steps, seed):
    motion = draw_motion(n_steps, step_s=0.1, rng=np.random.default_rng(seed))
    assert motion.position.shape == (n_steps, 4)
    assert np.isfinite(motion.position).all()
