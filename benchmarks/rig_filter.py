"""The best that can be said of the simulated rig's episodes: a filter that knows all of its rules.

A hidden semi-Markov model: a machine is normal, or so many seconds into an episode of one of some shapes. After each
row Bayes' theorem gives the odds that the row is anomalous. No causal detector reaches a better expected F1 or AUC,
save by what the filter leaves out: readings stop at 0, and episodes are spread more evenly than by chance alone.

**Conventions**: mode "episodes" with default types. Shapes are drawn as the simulator draws them,
the growths of drifts evenly spaced.
"""

import numpy as np
import numpy.typing as npt

from anomaly_detection.simulation.rig import (
    DRIFT_PER_S,
    EPISODE_S,
    RIG_MEAN,
    RIG_STD,
    RIG_TYPES,
    held_amounts,
    moving_amounts,
)

Floats = npt.NDArray[np.float64]
_PER_TYPE = 16  # shapes
_LEAST = 1e-150  # probability that odds tell from 0


def filter_odds(series: list[Floats], *, anomaly_rate: float, drift_per_s: tuple[float, float] = DRIFT_PER_S) -> Floats:
    """Return the log-odds of an anomaly at every row, given the rows up to it, one series after the other.

    Parameters
    ----------
    series : list of (n_steps, n_channels) arrays
        Readings of machines, all of one length.
    anomaly_rate : float
        Share of rows in episodes.
    drift_per_s : (lowest, highest)
        Growth of a drift's offset.
    """
    shapes = _shapes(drift_per_s)
    half_square = 0.5 * np.square(shapes).sum(axis=2)
    lengths = np.arange(EPISODE_S[0], EPISODE_S[1] + 1)
    at_least = (lengths > np.arange(EPISODE_S[1] + 1)[:, None]).sum(axis=1)
    goes_on = at_least[1:] / at_least[:-1]  # after so many seconds
    onset = anomaly_rate / (1 - anomaly_rate) / lengths.mean()
    readings = (np.stack(series, axis=1) - RIG_MEAN) / RIG_STD
    failing = np.zeros((len(series), *half_square.shape))  # probability of each shape and second
    normal = np.ones((len(series), 1, 1))
    log_odds = np.empty(readings.shape[:2])
    for step, reading in enumerate(readings):
        lasting = failing * goes_on
        ended = (failing - lasting).sum(axis=(1, 2), keepdims=True)
        failing[:, :, 1:] = lasting[:, :, :-1]
        failing[:, :, :1] = normal * onset / len(shapes)
        normal = normal * (1 - onset) + ended
        log_ratio = np.tensordot(reading, shapes, axes=(1, 2)) - half_square  # of two normal densities
        highest = log_ratio.max(axis=(1, 2), keepdims=True)
        failing *= np.exp(log_ratio - highest)
        normal = np.maximum(normal * np.exp(-highest), _LEAST)
        total = np.maximum(failing.sum(axis=(1, 2), keepdims=True), _LEAST)
        log_odds[step] = np.log(total / normal).ravel()
        failing /= total + normal
        normal /= total + normal
    return log_odds.T.ravel()


def _shapes(drift_per_s: tuple[float, float]) -> Floats:
    """Return what episodes add in standard deviations of normal readings, (n_shapes, seconds, n_channels)."""
    names = np.repeat(RIG_TYPES, _PER_TYPE)
    growth = np.tile(np.linspace(*drift_per_s, _PER_TYPE), len(RIG_TYPES))
    seconds = np.arange(EPISODE_S[1])
    moving = [moving_amounts(names, growth * k, np.full(len(names), k)) for k in seconds]
    held = held_amounts(names, np.random.default_rng(0))
    shapes: Floats = (held[:, None] + np.stack(moving, axis=1)) / RIG_STD
    return shapes
