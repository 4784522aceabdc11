"""The arm: currents that obey its equations, faults in the channels they belong to, and messages."""

import numpy as np
import pytest

from anomaly_detection.simulation.arm import ARM_CHANNELS, ARM_TYPES, simulate_arm

N_STEPS = 20_000
POSITION, VELOCITY, CURRENT = ARM_CHANNELS[:4], ARM_CHANNELS[4:8], ARM_CHANNELS[8:]


@pytest.fixture(scope="module")
def arm():
    return simulate_arm(N_STEPS)


@pytest.fixture(scope="module")
def normal():
    return simulate_arm(N_STEPS, anomaly_rate=0)


@pytest.fixture(scope="module")
def added(arm, normal):
    """What the faults add to the readings."""
    return (arm[list(ARM_CHANNELS)] - normal[list(ARM_CHANNELS)]).where(arm["label"] == 1)


def changed(added, arm, name, channels):
    """The largest change of each channel in the rows of a type."""
    return added.loc[arm["anomaly_type"] == name, list(channels)].abs().max()


def test_columns_and_times(arm):
    assert list(arm) == ["datetime", "machine", *ARM_CHANNELS, "operating_mode", "label", "anomaly_type"]
    assert ARM_CHANNELS[0] == "axis1_position_deg"
    assert arm["machine"].value_counts().to_dict() == {f"arm{k}": N_STEPS for k in range(1, 6)}
    for _, times in arm.groupby("machine")["datetime"]:
        assert (times.diff().dropna().dt.total_seconds() == 0.1).all()


def test_velocity_is_what_two_encoder_readings_say(normal):
    one = normal[normal["machine"] == "arm1"]
    derived = np.diff(one[list(POSITION)].to_numpy(), axis=0) / 0.1
    assert one[list(VELOCITY)].to_numpy()[1:] == pytest.approx(derived, abs=2e-3)
    assert np.abs(one[list(VELOCITY)].to_numpy()[0]).max() < 120


def test_an_arm_at_rest_holds_its_weight_and_nothing_else(normal):
    home = normal[(normal["operating_mode"] == "home") & (normal[list(VELOCITY)].abs().max(axis=1) < 1.5)]
    current = home[list(CURRENT)].median()
    upper, fore = np.cos(np.deg2rad(70)), np.cos(np.deg2rad(70 - 60))
    elbow = 9.81 * 5 * 0.35 / 2 * fore
    shoulder = 9.81 * (8 * 0.4 / 2 + 5 * 0.4) * upper + elbow
    assert current.tolist() == pytest.approx([0, shoulder / 15, elbow / 8, 0], abs=0.02)


def test_motors_work_with_the_motion_against_friction(normal):
    for axis in (0, 3):  # no weight to hold
        moving = normal[VELOCITY[axis]].abs() > 20
        assert np.corrcoef(normal.loc[moving, VELOCITY[axis]], normal.loc[moving, CURRENT[axis]])[0, 1] > 0.7


def test_rates_and_types_in_every_part_of_time(arm):
    assert arm.groupby("machine")["label"].mean().tolist() == pytest.approx([0.05] * 5, abs=0.005)
    step = np.tile(np.arange(N_STEPS), 5)
    for part in (step < 14_000, (step >= 14_000) & (step < 17_000), step >= 17_000):
        assert set(arm.loc[part, "anomaly_type"]) == {"normal", *ARM_TYPES}


def test_normal_rows_are_untouched_even_right_after_an_episode(arm, normal):
    is_normal = arm["label"] == 0
    assert arm.loc[is_normal, list(ARM_CHANNELS)].equals(normal.loc[is_normal, list(ARM_CHANNELS)])


def test_a_collision_is_seen_in_position_and_current(added, arm):
    assert changed(added, arm, "COLLISION", POSITION).max() > 1
    assert changed(added, arm, "COLLISION", CURRENT).max() > 1.5
    assert changed(added, arm, "COLLISION", (POSITION[3], CURRENT[3])).max() == 0


def test_motors_push_back_against_a_collision(added, arm):
    hit = (arm["anomaly_type"] == "COLLISION").to_numpy()
    for position, current in zip(POSITION[:3], CURRENT[:3], strict=True):
        assert np.corrcoef(added[position][hit], added[current][hit])[0, 1] < -0.5


def test_a_payload_is_carried_by_shoulder_and_elbow(added, arm):
    assert changed(added, arm, "PAYLOAD_CHANGE", POSITION + VELOCITY).max() == 0
    mine = added.loc[arm["anomaly_type"] == "PAYLOAD_CHANGE", list(CURRENT)]
    assert mine[CURRENT[1]].mean() > 0.3
    assert mine[CURRENT[2]].mean() > 0.3


def test_friction_works_against_the_motion_alone(added, arm, normal):
    assert changed(added, arm, "FRICTION_DRIFT", POSITION + VELOCITY).max() == 0
    mine = arm["anomaly_type"] == "FRICTION_DRIFT"
    for speed, current in zip(VELOCITY, CURRENT, strict=True):
        moving = mine & (normal[speed].abs() > 10)  # a derived speed lags: no matter well away from 0
        assert (added.loc[moving, current] * np.sign(normal.loc[moving, speed]) >= 0).all()
    assert changed(added, arm, "FRICTION_DRIFT", CURRENT).max() > 0.5


def test_an_encoder_glitch_leaves_the_motors_alone(added, arm):
    assert changed(added, arm, "ENCODER_GLITCH", CURRENT).max() == 0
    assert changed(added, arm, "ENCODER_GLITCH", POSITION).max() > 1.5
    assert changed(added, arm, "ENCODER_GLITCH", VELOCITY).max() > 15


@pytest.mark.parametrize("n_arms", [1, 6])
def test_an_arm_stays_as_it_is_when_others_join(n_arms):
    few, many = simulate_arm(3000, n_arms=n_arms, seed=2), simulate_arm(3000, n_arms=n_arms + 1, seed=2)
    assert few.equals(many.head(len(few)))
    assert not few.equals(simulate_arm(3000, n_arms=n_arms, seed=3))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n_steps": 0}, "n_steps must be at least 1; got 0"),
        ({"n_steps": 1999}, "n_steps must be at least 2000 for one episode of 100 rows"),
        ({"n_arms": 0}, "n_arms must be at least 1; got 0"),
        ({"seed": -1}, "seed must be 0 or more; got -1"),
        ({"types": ["RUST"]}, r"types must be different ones of COLLISION, .*; got \['RUST'\]"),
        ({"types": "COLLISION"}, "types must be different ones of .*; got 'COLLISION'"),
        ({"anomaly_rate": 1}, "anomaly_rate must be from 0 to 0.5; got 1"),
    ],
)
def test_bad_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        simulate_arm(**{"n_steps": 3000, **arguments})
