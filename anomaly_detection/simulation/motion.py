"""How the arm moves: a pick-and-place cycle of ten segments, the same again and again with small variations.

Between two postures all axes move together along a minimum-jerk path (T. Flash and N. Hogan, "The coordination of arm
movements", Journal of Neuroscience, 1985): with u from 0 to 1 over the segment, s = 10 u^3 - 15 u^4 + 6 u^5. Duration
of each segment (4 %), postures above the tote and the shelf (1 degree) and the mass of the object (5 %) differ from
cycle to cycle; numbers in brackets are standard deviations.

**Conventions**: angles in radians, (n, 4) for base, shoulder, elbow and wrist. The shoulder's angle is that of the
upper arm above the horizontal, the elbow's is relative to the upper arm. Time in seconds.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

MODES = ("home", "move", "pick", "place")
OBJECT_KG = 2.0

_POSTURES_DEG = np.array(
    [
        [0, 70, -60, 0],  # home
        [-50, 50, -70, 30],  # above the tote
        [-50, 35, -80, 30],  # in the tote
        [55, 55, -75, -40],  # above the shelf
        [55, 40, -85, -40],  # on the shelf
    ],
    np.float64,
)
# Segments: stay home, go to the tote, down, grip, up, go to the shelf, down, release, up, go home.
_FROM = np.array([0, 0, 1, 2, 2, 1, 3, 4, 4, 3])
_TO = np.array([0, 1, 2, 2, 1, 3, 4, 4, 3, 0])
_DURATION_S = np.array([1.0, 1.6, 0.8, 0.6, 0.8, 2.2, 0.8, 0.6, 0.8, 1.6])
_MODE = np.array([0, 1, 2, 2, 2, 1, 3, 3, 3, 1], np.int8)
_GRIP, _RELEASE = 3, 7

_DURATION_STD = 0.04
_POSTURE_STD_DEG = 1.0
_OBJECT_STD = 0.05


@dataclass(frozen=True, eq=False)
class Motion:
    """Where the arm is, how it moves and what it carries at each step.

    Attributes
    ----------
    position, velocity, acceleration : (n_steps, 4) float64 arrays
        In rad, rad/s, rad/s^2.
    object_kg : (n_steps,) float64 array
        Mass in the gripper, 0 where it is empty.
    modes : (n_steps,) int8 array
        Positions in `MODES`.
    """

    position: Floats
    velocity: Floats
    acceleration: Floats
    object_kg: Floats
    modes: npt.NDArray[np.int8]


def draw_motion(n_steps: int, *, step_s: float, rng: np.random.Generator) -> Motion:
    """Draw cycles for `n_steps` steps, starting anywhere in a cycle.

    Parameters
    ----------
    n_steps : int
        Steps.
    step_s : float
        Seconds between two.
    rng : numpy Generator
        Source of the variations.

    Returns
    -------
    Motion
        At each step.

    Examples
    --------
    >>> motion = draw_motion(1000, step_s=0.1, rng=np.random.default_rng(0))
    >>> motion.position.shape
    (1000, 4)
    """
    # More cycles than the steps need, by far more than their durations vary
    n_cycles = int(1.1 * n_steps * step_s / _DURATION_S.sum()) + 3
    origin, travel = _draw_paths(n_cycles, rng)
    durations = _DURATION_S * (1 + _DURATION_STD * rng.standard_normal((n_cycles, len(_DURATION_S))).clip(-4, 4))
    masses = OBJECT_KG * (1 + _OBJECT_STD * rng.standard_normal(n_cycles))
    ends = np.cumsum(durations)
    times = rng.uniform(high=durations[0].sum()) + step_s * np.arange(n_steps)
    segment = np.searchsorted(ends, times, side="right")
    duration = durations.ravel()[segment]
    u = 1 - (ends[segment] - times) / duration
    place, pace, change = minimum_jerk(u)
    delta = travel[segment]
    cycle, part = np.divmod(segment, len(_DURATION_S))
    return Motion(
        position=origin[segment] + delta * place[:, None],
        velocity=delta * (pace / duration)[:, None],
        acceleration=delta * (change / duration**2)[:, None],
        object_kg=np.where(_is_loaded(part, u), masses[cycle], 0),
        modes=_MODE[part],
    )


def minimum_jerk(u: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the share of the path and its first two derivatives at the share `u` of the time.

    Examples
    --------
    >>> [float(each) for each in minimum_jerk(np.array(0.5))]
    [0.5, 1.875, 0.0]
    """
    place = u**3 * (10 + u * (6 * u - 15))
    pace = 30 * (u * (1 - u)) ** 2
    change = 60 * u * (1 - u) * (1 - 2 * u)
    return place, pace, change


def _draw_paths(n_cycles: int, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Return where each segment begins and how far it goes, (n_cycles * 10, 4) each."""
    postures = np.repeat(_POSTURES_DEG[None], n_cycles, axis=0)
    off = _POSTURE_STD_DEG * rng.standard_normal((n_cycles, 2, 4))
    postures[:, 1:] += np.repeat(off, 2, axis=1)  # above and in the tote alike, above and on the shelf alike
    postures = np.deg2rad(postures)
    origin, target = postures[:, _FROM], postures[:, _TO]
    return origin.reshape(-1, 4), (target - origin).reshape(-1, 4)


def _is_loaded(part: npt.NDArray[np.int64], u: Floats) -> npt.NDArray[np.bool_]:
    """Tell where the gripper holds the object: from the middle of the grip to the middle of the release."""
    loaded: npt.NDArray[np.bool_] = (part + u > _GRIP + 0.5) & (part + u < _RELEASE + 0.5)
    return loaded
