"""Lasting steps in training rows: where a machine went over to another state and stayed there.

A recording starts in normal operation. Where its level steps later and does not come back, the rows after the step may
be a fault that nobody labelled; taught as normal along with the others, they turn the ranking over: the state in which
most rows lie looks normal, and the one the machine started in looks worse.

**Conventions**: rows are averaged in blocks of ten, so that what counts as a step is more than slow noise. The size of
a step is the distance of the means before and after it, each channel in standard deviations of its blocks within the
two sides, less what chance alone gives. The first regime has a quarter of the rows at least, what follows 30 rows. The
earliest step is sought: where there is one, the rows before it are searched again (binary segmentation, after Scott and
Knott, 1974, of the first side only). Two steps of like size hide each other. Where a series has rows labelled
anomalous, labels say what is normal, and no step is sought.

References
----------
Scott A. J., Knott M.: A cluster analysis method for grouping means in the analysis of variance. Biometrics 1974.
"""

import warnings

import numpy as np

from anomaly_detection.rows import Stretch

STEP_LIMIT = 6.0  # normal recordings of a water rig stay below 5
_BLOCK = 10
_LEAST_BLOCKS = 20  # of a series; fewer do not tell a step from chance
_LEAST_SHARE = 4  # of all rows in the first regime: one part in so many
_LEAST_LATER = 3  # blocks
_NEAR, _LEAST_NEAR = 5, 0.5  # blocks on each side of a step, and the part of it that they must show
_ROUNDING = 1e-9  # of a channel's values, that is no variation


def warn_of_steps(series: list[list[Stretch]]) -> None:
    """Tell in a warning which training series were cut into several regimes, and where."""
    for number, (first, *later) in enumerate(series, 1):
        if later:
            n_rows = len(first.values)
            warnings.warn(
                f"The level of training series {number} steps at row {n_rows} and stays: the rows before count as "
                f"normal, the {sum(len(regime.values) for regime in later)} from there on as another state. If both "
                "are normal, leave first_regime out.",
                stacklevel=5,
            )


def split_regimes(stretch: Stretch, window_size: int) -> list[Stretch]:
    """Cut a training series where it steps for good.

    Parameters
    ----------
    stretch : Stretch
        Rows (n_steps, n_channels) in the order of time.
    window_size : int
        The first regime has at least so many rows.

    Returns
    -------
    list of Stretch
        Regimes in the order of time; the series alone where there is no step.

    Examples
    --------
    >>> rows = np.random.default_rng(0).normal(size=(400, 2))
    >>> rows[250:, 1] += 5
    >>> [len(regime.values) for regime in split_regimes(Stretch(rows), window_size=1)]
    [250, 150]
    """
    if len(stretch.values) < _LEAST_BLOCKS * _BLOCK or (stretch.labels is not None and stretch.labels.any()):
        return [stretch]
    ends: list[int] = []
    blocks = _block_means(stretch.values)
    first = -(-max(len(stretch.values) // _LEAST_SHARE, window_size) // _BLOCK)
    while True:
        size, place = _largest_step(blocks, first)
        if size < STEP_LIMIT:
            return [Stretch(values) for values in np.split(stretch.values, ends[::-1])]
        blocks = blocks[:place]
        ends.append(place * _BLOCK)


def _block_means(values: np.ndarray) -> np.ndarray:
    """Means of ten rows each, (n_blocks, n_channels), centred; a variation that is rounding is taken for none."""
    n_blocks = len(values) // _BLOCK
    center = values.mean(axis=0, dtype=np.float64)
    means = values[: n_blocks * _BLOCK].reshape(n_blocks, _BLOCK, -1).mean(axis=1, dtype=np.float64) - center
    kept: np.ndarray = np.where(np.abs(means).max(axis=0, initial=0.0) > _ROUNDING * np.abs(center), means, 0.0)
    return kept


def _largest_step(blocks: np.ndarray, first: int) -> tuple[float, int]:
    """Return the size of the largest step that leaves `first` blocks before it, and the blocks before it."""
    n, n_channels = blocks.shape
    places = np.arange(first, n - _LEAST_LATER + 1)
    if not len(places):
        return 0.0, 0
    before, after = places[:, None], n - places[:, None]
    sums, squares = np.cumsum(np.vstack([np.zeros(n_channels), blocks]), axis=0), np.square(blocks).sum(axis=0)
    means = sums[places] / before, (sums[-1] - sums[places]) / after
    within = (squares - before * means[0] ** 2 - after * means[1] ** 2) / n
    within = np.maximum(within, np.maximum(1e-12 * squares / n, np.finfo(np.float64).tiny))  # 0 where all is step
    by_chance = n_channels * n / (before * after).ravel() * n / (n - 4)  # the mean of an F statistic
    sizes = ((means[1] - means[0]) ** 2 / within).sum(axis=1)
    # A trend or a slow swing differs as much from one half to the other, but not from one minute to the next.
    low, high = np.maximum(places - _NEAR, 0), np.minimum(places + _NEAR, n)
    near = (sums[high] - sums[places]) / (high - places)[:, None] - (sums[places] - sums[low]) / (places - low)[:, None]
    is_sudden = (near**2 / within).sum(axis=1) >= _LEAST_NEAR**2 * sizes
    sizes = np.where(is_sudden, sizes - by_chance, 0.0)
    best = int(sizes.argmax())
    return float(np.sqrt(max(sizes[best], 0.0))), int(places[best])
