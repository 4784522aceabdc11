"""Faults of the arm by hand: what they add to which rows and axes."""

import numpy as np
import pytest

from anomaly_detection.simulation.arm_faults import (
    COLLISION,
    ENCODER_GLITCH,
    FRICTION_DRIFT,
    PAYLOAD_CHANGE,
    Faults,
    corrupt_encoders,
    draw_faults,
)
from anomaly_detection.simulation.episodes import Episodes

TYPES = (COLLISION, PAYLOAD_CHANGE, FRICTION_DRIFT, ENCODER_GLITCH)


def draw(name, *, seed=0, onset=5, length=10):
    episodes = Episodes(np.array([onset]), np.array([length]), np.array([TYPES.index(name)]))
    return draw_faults(episodes, TYPES, 30, np.random.default_rng(seed))


def touched(faults):
    """Names of the fields that do anything."""
    still = {"frozen_since": faults.rows[:, None]}
    fields = ("push_deg", "push_a", "extra_kg", "more_friction", "jump_deg", "frozen_since")
    return {name for name in fields if (getattr(faults, name) != still.get(name, 0)).any()}


@pytest.mark.parametrize("seed", range(5))
def test_a_collision_pushes_one_axis_mostly_and_the_motors_push_back(seed):
    faults = draw(COLLISION, seed=seed)
    assert touched(faults) == {"push_deg", "push_a"}
    size = np.abs(faults.push_deg).max(axis=0)
    assert size[3] == 0
    assert np.sort(size / size.max())[1:] == pytest.approx([0.2, 0.3, 1])
    assert 0.9 < size.max() <= 4
    assert faults.push_deg[-1] == pytest.approx(0)
    assert (np.sign(faults.push_deg[:-1]) == np.sign(faults.push_a[:-1])).all()
    axis = size.argmax()
    assert 1.5 < np.abs(faults.push_a[0, axis]) < 6
    assert np.abs(faults.push_a[4, axis] - 0.5 * faults.push_deg[4, axis]) < 4 / 2**4


def test_a_payload_sticks_for_the_whole_episode():
    faults = draw(PAYLOAD_CHANGE)
    assert touched(faults) == {"extra_kg"}
    assert len(set(faults.extra_kg[5:15])) == 1
    assert 0.8 <= faults.extra_kg[5] <= 2
    assert not faults.extra_kg[:5].any()
    assert not faults.extra_kg[15:].any()


def test_friction_grows_from_nothing_on_one_axis():
    faults = draw(FRICTION_DRIFT)
    assert touched(faults) == {"more_friction"}
    (axis,) = np.flatnonzero(faults.more_friction.any(axis=0))
    growth = faults.more_friction[1, axis]
    assert 0.005 <= growth <= 0.015
    assert faults.more_friction[:, axis] == pytest.approx(growth * np.arange(10))


def test_an_encoder_freezes_or_jumps_and_is_back_at_the_last_row():
    seen = set()
    for seed in range(20):
        faults = draw(ENCODER_GLITCH, seed=seed)
        (kind,) = touched(faults)
        seen.add(kind)
        if kind == "frozen_since":
            (axis,) = np.flatnonzero((faults.frozen_since != faults.rows[:, None]).any(axis=0))
            assert faults.frozen_since[:, axis].tolist() == [4] * 9 + [14]
        else:
            assert np.count_nonzero(faults.jump_deg.any(axis=0)) == 1
            assert not faults.jump_deg[-1].any()
            assert np.abs(faults.jump_deg[faults.jump_deg != 0]).min() >= 1.5
            assert np.abs(faults.jump_deg).max() <= 15
    assert seen == {"frozen_since", "jump_deg"}


def test_corrupt_encoders_by_hand():
    rows = np.array([1, 2])
    none, jump = np.zeros((2, 2)), np.array([[0, 5.0], [0, 0]])
    frozen = np.array([[0, 1], [0, 2]])
    position = np.array([[1.0, 2], [3, 4], [5, 6], [7, 8]])
    corrupt_encoders(position, Faults(rows, none, none, np.zeros(4), none, jump, frozen))
    assert position.tolist() == [[1, 2], [1, 9], [1, 6], [7, 8]]


def test_no_episodes_no_faults():
    nothing = np.zeros(0, np.int64)
    faults = draw_faults(Episodes(nothing, nothing, nothing), TYPES, 3, np.random.default_rng(0))
    assert faults.rows.shape == (0,)
    assert faults.extra_kg.tolist() == [0, 0, 0]
