"""A robot arm of four axes at 10 Hz that picks and places, and sometimes fails.

Axes: base (turns about the vertical), shoulder and elbow (lift against gravity), wrist (turns about the vertical).
`motion` gives angles q, speeds v and accelerations a. With the mass p in the gripper, the torque of each axis is

    torque = inertia(p) a + gravity(q, p) + coulomb tanh(v / 0.02 rad/s) + viscous v

    gravity of the elbow    = 9.81 (m3 l3 / 2 + p l3) cos(q2 + q3)
    gravity of the shoulder = 9.81 (m2 l2 / 2 + m3 l2 + p l2) cos(q2) + that of the elbow
    inertia = base: J1 + (m3 + p) r^2; shoulder: J2 + p (l2^2 + l3^2); elbow: J3 + p l3^2; wrist: J4 + 0.01 p
    with the reach r = l2 cos(q2) + l3 cos(q2 + q3)

and its motor draws torque / (torque constant) ampere, with a noise of 0.05 A. Coupling between axes (Coriolis and
centrifugal torques) is left out: it is small at these speeds. Encoders have a noise of 0.02 degrees, and the speed is
the difference of two of their readings, as a controller derives it.

Anomalies, k being the rows since the onset and L the rows of the episode:

- COLLISION (0.5 to 2 s): something hits the arm. One axis mostly, two a little, are pushed off their path by
  d sin(pi (k + 1) / L), d from 1 to 4 degrees; the motors push back by 0.5 A per degree, on top of an impact of 1.5 to
  4 A that halves each row.
- PAYLOAD_CHANGE (6 to 24 s): an object of 0.8 to 2 kg sticks to the gripper, loaded or not.
- FRICTION_DRIFT (10 to 40 s): friction of one axis grows from its normal value by 5 to 15 % of it each second.
- ENCODER_GLITCH (1 to 6 s): the encoder of one axis is frozen, or jumps by up to 3 to 15 degrees at every third row.
  The motors do not react: they have a sensor of their own.

**Conventions**: channels are named axis, quantity and unit. Labels run from the onset to the end; the last row of a
glitch or collision is back on the path, so that the speed derived after it is normal again. Kinds of anomalies are
equally often as events, not as rows. Operating modes: home, move, pick, place.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from anomaly_detection.simulation.arm_faults import FAULT_ROWS, Faults, corrupt_encoders, draw_faults
from anomaly_detection.simulation.episodes import check_plan, plan_episodes
from anomaly_detection.simulation.motion import MODES, Motion, draw_motion
from anomaly_detection.simulation.table import Telemetry, build_table, step_times

if TYPE_CHECKING:
    import pandas as pd

Floats = npt.NDArray[np.float64]

ARM_TYPES = tuple(FAULT_ROWS)
ARM_CHANNELS = tuple(
    f"axis{axis}_{quantity}" for quantity in ("position_deg", "velocity_deg_s", "current_a") for axis in range(1, 5)
)
ARM_STEP_S = 0.1

_GRAVITY = 9.81  # m/s^2
_UPPER_KG, _FORE_KG = 8.0, 5.0
_UPPER_M, _FORE_M = 0.4, 0.35
_INERTIA = np.array([2.0, 4.0, 1.0, 0.1])  # kg m^2, motors included
_COULOMB = np.array([6.0, 7.0, 4.0, 0.8])  # N m
_VISCOUS = np.array([4.0, 5.0, 3.0, 0.5])  # N m s/rad
_STICTION_RAD_S = 0.02
_TORQUE_CONSTANT = np.array([12.0, 15.0, 8.0, 2.0])  # N m/A, gears included
_CURRENT_NOISE_A = 0.05
_ENCODER_NOISE_DEG = 0.02


def simulate_arm(
    n_steps: int,
    *,
    n_arms: int = 5,
    anomaly_rate: float = 0.05,
    types: Sequence[str] = ARM_TYPES,
    seed: int = 0,
    start: str | np.datetime64 = "2026-01-01",
) -> "pd.DataFrame":
    """Simulate robot arms that pick and place, at 10 Hz.

    Parameters
    ----------
    n_steps : int
        Rows per arm, 0.1 s apart. A cycle takes about 108 of them.
    n_arms : int
        Arms, called arm1, arm2, ... An arm stays as it is when others join.
    anomaly_rate : float
        Share of the rows of an arm that are anomalous, from 0 to 0.5; about so where episodes are few.
    types : sequence of str
        Of COLLISION, PAYLOAD_CHANGE, FRICTION_DRIFT and ENCODER_GLITCH; about as many episodes of each.
    seed : int
        Same seed, same table.
    start : str or datetime64
        Time of the first row.

    Returns
    -------
    DataFrame
        n_arms * n_steps rows with the columns datetime, machine, twelve channels (position in degrees, velocity in
        degrees per second and motor current in ampere of the four axes), operating_mode, label and anomaly_type.

    Raises
    ------
    ValueError
        If an argument is out of range.

    Examples
    --------
    >>> frame = simulate_arm(500, n_arms=2, anomaly_rate=0)
    >>> sorted(set(frame["operating_mode"]))
    ['home', 'move', 'pick', 'place']
    """
    check_plan(n_steps, {"n_arms": n_arms}, types=types, known=ARM_TYPES, seed=seed)
    times = step_times(start, n_steps, step_s=ARM_STEP_S)
    lengths = [FAULT_ROWS[name] for name in types]
    plan = plan_episodes(n_steps, n_arms, lengths=lengths, anomaly_rate=anomaly_rate, seed=seed)
    telemetry = []
    for number, episodes in enumerate(plan):
        rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(1, number)))
        motion = draw_motion(n_steps, step_s=ARM_STEP_S, rng=rng)
        noise = rng.standard_normal((2, n_steps, 4))
        faults = draw_faults(episodes, types, n_steps, rng)
        values = _measure(motion, faults, noise)
        telemetry.append(Telemetry(f"arm{number + 1}", values, episodes.codes(n_steps), motion.modes))
    return build_table(telemetry, times, channels=ARM_CHANNELS, types=types, modes=MODES)


def _measure(motion: Motion, faults: Faults, noise: Floats) -> Floats:
    """Return the readings of one arm, (n_steps, 12)."""
    true_deg = np.rad2deg(motion.position)
    position = true_deg + _ENCODER_NOISE_DEG * noise[0]
    position[faults.rows] -= faults.push_deg
    corrupt_encoders(position, faults)
    before = true_deg[:1] - np.rad2deg(motion.velocity[:1]) * ARM_STEP_S
    velocity = np.diff(position, axis=0, prepend=before) / ARM_STEP_S
    friction = _friction(motion.velocity)
    torque = _torque(motion, motion.object_kg + faults.extra_kg) + friction
    torque[faults.rows] += faults.more_friction * friction[faults.rows]
    current = torque / _TORQUE_CONSTANT + _CURRENT_NOISE_A * noise[1]
    current[faults.rows] += faults.push_a
    return np.concatenate([position, velocity, current], axis=1)


def _torque(motion: Motion, payload_kg: Floats) -> Floats:
    """Return what inertia and gravity ask of each axis with this mass in the gripper, in N m, (n_steps, 4)."""
    upper, fore = np.cos(motion.position[:, 1]), np.cos(motion.position[:, 1] + motion.position[:, 2])
    elbow = _GRAVITY * (_FORE_KG / 2 + payload_kg) * _FORE_M * fore
    shoulder = _GRAVITY * (_UPPER_KG / 2 + _FORE_KG + payload_kg) * _UPPER_M * upper + elbow
    reach = _UPPER_M * upper + _FORE_M * fore
    torque = _INERTIA * motion.acceleration
    torque[:, 0] += (_FORE_KG + payload_kg) * reach**2 * motion.acceleration[:, 0]
    torque[:, 1] += payload_kg * (_UPPER_M**2 + _FORE_M**2) * motion.acceleration[:, 1] + shoulder
    torque[:, 2] += payload_kg * _FORE_M**2 * motion.acceleration[:, 2] + elbow
    torque[:, 3] += 0.01 * payload_kg * motion.acceleration[:, 3]
    return torque


def _friction(velocity: Floats) -> Floats:
    """Return what friction asks of each axis at these speeds (rad/s), in N m."""
    friction: Floats = _COULOMB * np.tanh(velocity / _STICTION_RAD_S) + _VISCOUS * velocity
    return friction
