"""The tail of a distribution: how far the highest values exceed a level.

**Conventions**: a generalised Pareto distribution has a shape and a scale; ``P(excess > x) = (1 + shape * x / scale) **
(-1 / shape)``, and ``exp(-x / scale)`` where the shape is 0. Location 0.

References
----------
S. D. Grimshaw: Computing Maximum Likelihood Estimates for the Generalized Pareto Distribution. Technometrics 35(2),
1993.
"""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

MIN_SHAPE = -0.5
_GOLDEN = (math.sqrt(5) - 1) / 2


def fit_generalised_pareto(excesses: NDArray[np.float64]) -> tuple[float, float]:
    """Fit shape and scale of a generalised Pareto distribution by maximum likelihood (Grimshaw's one-parameter form).

    With ``theta = shape / scale``, the best shape for a theta is the mean of ``log(1 + theta * excess)``, so the search
    has one dimension: a grid on both sides of 0 (the exponential distribution), then golden section. Shapes below -.5,
    where the likelihood has no maximum worth the name, are not considered.

    Parameters
    ----------
    excesses : (n,) float
        Greater than 0.

    Returns
    -------
    shape, scale : float
        Shape 0 is the exponential distribution.

    Raises
    ------
    ValueError
        If there is no excess, or one is not a positive number.

    Examples
    --------
    >>> shape, scale = fit_generalised_pareto(-np.log(np.linspace(0.0005, 0.9995, 1000)))
    >>> bool(abs(shape) < 0.01), bool(abs(scale - 1) < 0.01)
    (True, True)
    """
    if not len(excesses) or not (np.isfinite(excesses).all() and (excesses > 0).all()):
        raise ValueError("excesses must be finite and greater than 0, at least one; subtract the level first.")
    mean = float(excesses.mean())
    scaled = excesses / mean

    def cost(theta: float) -> float:
        if theta == 0:
            return 1.0
        shape = float(np.log1p(theta * scaled).mean())
        return math.log(shape / theta) + shape + 1 if shape >= MIN_SHAPE else math.inf

    lowest = -1 / float(scaled.max())
    grid = np.concatenate([lowest * (1 - np.geomspace(1e-9, 1, 60)), np.geomspace(1e-4, 1e4, 90)])
    costs = [cost(theta) for theta in grid.tolist()]
    best = int(np.argmin(costs))
    theta = _golden_section(cost, grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)])
    if cost(theta) > costs[best]:
        theta = float(grid[best])
    shape = float(np.log1p(theta * scaled).mean())
    return shape, mean * (shape / theta if theta else 1.0)


def _golden_section(cost: Callable[[float], float], low: float, high: float) -> float:
    """Where `cost` is lowest between `low` and `high`."""
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_left, at_right = cost(left), cost(right)
    for _ in range(80):
        if at_left < at_right:
            high, right, at_right = right, left, at_left
            left = high - _GOLDEN * (high - low)
            at_left = cost(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + _GOLDEN * (high - low)
            at_right = cost(right)
    return (low + high) / 2
