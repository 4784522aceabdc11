"""What goes wrong with the arm, drawn for each episode and spread over its rows.

The module `arm` describes the four faults and where they enter its equations.

**Conventions**: arrays of faults have one row per anomalous row, in order of time, and one column per axis.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from anomaly_detection.simulation.episodes import Episodes

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

COLLISION, PAYLOAD_CHANGE = "COLLISION", "PAYLOAD_CHANGE"
FRICTION_DRIFT, ENCODER_GLITCH = "FRICTION_DRIFT", "ENCODER_GLITCH"
FAULT_ROWS = {COLLISION: (5, 20), PAYLOAD_CHANGE: (60, 240), FRICTION_DRIFT: (100, 400), ENCODER_GLITCH: (10, 60)}

_PUSH_DEG, _PUSH_BACK_A_PER_DEG, _IMPACT_A = (1.0, 4.0), 0.5, (1.5, 4.0)
_EXTRA_KG = (0.8, 2.0)
_FRICTION_PER_ROW = (0.005, 0.015)
_JUMP_DEG, _JUMP_CHANCE = (3.0, 15.0), 1 / 3


@dataclass(frozen=True, eq=False)
class Faults:
    """The faults of one arm.

    Attributes
    ----------
    rows : (n,) int64 array
        The anomalous rows.
    push_deg, push_a : (n, 4) float64 arrays
        How far a collision pushes each axis back, and the current that fights it.
    extra_kg : (n_steps,) float64 array
        Mass that sticks to the gripper, for all rows.
    more_friction : (n, 4) float64 array
        Growth of friction, as a share of the normal one.
    jump_deg : (n, 4) float64 array
        What an encoder adds to its reading.
    frozen_since : (n, 4) int64 array
        Row whose reading a frozen encoder repeats; its own row where it is not frozen.
    """

    rows: Ints
    push_deg: Floats
    push_a: Floats
    extra_kg: Floats
    more_friction: Floats
    jump_deg: Floats
    frozen_since: Ints


def draw_faults(episodes: Episodes, types: Sequence[str], n_steps: int, rng: np.random.Generator) -> Faults:
    """Draw the strength of each episode and the axis it befalls, and follow them over the rows."""
    rows, number, elapsed = episodes.rows()
    names = np.array(types)[episodes.kinds]
    is_last = elapsed == episodes.lengths[number] - 1
    push_deg, push_a = _draw_collisions(episodes, names == COLLISION, rng)
    extra_kg = np.zeros(n_steps)
    extra_kg[rows] = np.where(names == PAYLOAD_CHANGE, rng.uniform(*_EXTRA_KG, size=len(names)), 0)[number]
    growth = np.where(names == FRICTION_DRIFT, rng.uniform(*_FRICTION_PER_ROW, size=len(names)), 0)
    worn = _one_axis(len(names), rng)
    blind = _one_axis(len(names), rng) * (names == ENCODER_GLITCH)[:, None]
    is_frozen = rng.uniform(size=len(names)) < 0.5
    jumps = _draw_jumps(blind * ~is_frozen[:, None], number, rng) * ~is_last[:, None]
    freezes = (blind[number] > 0) & (is_frozen[number] & ~is_last)[:, None]
    return Faults(
        rows=rows,
        push_deg=push_deg,
        push_a=push_a,
        extra_kg=extra_kg,
        more_friction=(growth[number] * elapsed)[:, None] * worn[number],
        jump_deg=jumps,
        frozen_since=np.where(freezes, episodes.onsets[number][:, None] - 1, rows[:, None]),
    )


def corrupt_encoders(position: Floats, faults: Faults) -> None:
    """Let encoders jump and freeze, in place, in the readings (n_steps, 4)."""
    repeated = np.take_along_axis(position, faults.frozen_since, axis=0)
    position[faults.rows] = repeated + faults.jump_deg


def _one_axis(n_episodes: int, rng: np.random.Generator) -> Floats:
    """Return 1 for one axis of each episode, 0 for the others, (n_episodes, 4)."""
    axis: Floats = np.eye(4)[rng.integers(4, size=n_episodes)]
    return axis


def _draw_collisions(
    episodes: Episodes, is_mine: npt.NDArray[np.bool_], rng: np.random.Generator
) -> tuple[Floats, Floats]:
    """Return how far each row's collision pushes the axes, and the current that fights it; 0 for other episodes."""
    _, number, elapsed = episodes.rows()
    n_episodes = len(is_mine)
    hit = rng.permuted(np.tile([1.0, 0.3, 0.2], (n_episodes, 1)), axis=1)
    direction = np.pad(hit * rng.choice([-1.0, 1.0], size=hit.shape), ((0, 0), (0, 1))) * is_mine[:, None]
    size, impact = rng.uniform(*_PUSH_DEG, size=n_episodes), rng.uniform(*_IMPACT_A, size=n_episodes)
    push = size[number] * np.sin(np.pi * (elapsed + 1) / episodes.lengths[number])
    fight = _PUSH_BACK_A_PER_DEG * push + impact[number] * 0.5**elapsed
    return push[:, None] * direction[number], fight[:, None] * direction[number]


def _draw_jumps(jumping: Floats, number: Ints, rng: np.random.Generator) -> Floats:
    """Return what jumping encoders add at each row: up to the episode's size, either way, in a third of the rows."""
    size = rng.uniform(*_JUMP_DEG, size=len(jumping))
    share = rng.uniform(0.5, 1, size=len(number)) * rng.choice([-1.0, 1.0], size=len(number))
    share[rng.uniform(size=len(number)) >= _JUMP_CHANCE] = 0
    jumps: Floats = (size[number] * share)[:, None] * jumping[number]
    return jumps
