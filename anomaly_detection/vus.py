"""The volume under the surface: AUCs that forgive an alarm that is a little early or late, averaged over how little.

**Conventions**: labels bool (n,), scores float (n,), higher = more anomalous; both volumes lie in [0, 1], higher =
better, and are NaN where the labels have one class.

Variant: `RangeAUC_volume_opt` of the authors' packages (the same in vus 0.0.6 and TSB-AD 1.5), the figure "VUS-PR" and
"VUS-ROC" of the TSB-AD leaderboards:

- For every window w = 0 .. `window` rows, each event gets a buffer of ``w // 2`` rows on both sides. A row at distance
  d weighs ``sqrt(1 - d / w)``; where several buffers overlap, their sum, at most 1.
- At a threshold, TP is the number of flagged event rows plus the weights B of flagged buffer rows; the positives are
  the event rows P + B / 2; recall ``min(TP / (P + B / 2), 1)`` times the share of events (merged where their buffers
  touch) with a flagged row; FPR ``(flagged - TP) / (n - P - B / 2)``; precision ``TP / flagged``.
- `n_thresholds` scores, at evenly spaced ranks, serve as thresholds (flagged: score >= threshold). The ROC area is
  trapezoidal from (0, 0) to (1, 1), the PR area a sum of precision times the gain in recall.
- The volume is the mean area over all windows. Default window: 100 rows, TSB-AD's own default, the same for every data
  set; it depends neither on the labels nor on the detector.

Hence a constant score has a VUS-ROC above .5 (a buffer is half forgiven), and a perfect one reaches 1 exactly when its
scores jump at a sampled rank, e.g. when they are the labels.

Where it differs from them: series (`series_starts`) keep their buffers to themselves, and the result, equal to 1e-12,
comes from histograms instead of a loop over windows, thresholds and events: with at least two buffers the sum of
weights is over 1 always (each is at least sqrt(1/2)), so two distances per row say everything.

References
----------
J. Paparrizos, P. Boniol, T. Palpanas, R. S. Tsay, A. Elmore, M. J. Franklin: Volume Under the Surface: A New Accuracy
Evaluation Measure for Time-Series Anomaly Detection. PVLDB 15(11), 2022.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from anomaly_detection.events import find_ranges, row_numbers, series_starts
from anomaly_detection.scores import checked_labels, checked_scores

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
DEFAULT_WINDOW = 100


class VolumeUnderSurface(NamedTuple):
    """Volume under the ROC surface and under the precision-recall surface."""

    roc: float
    pr: float


def volume_under_surface(
    labels: ArrayLike,
    scores: ArrayLike,
    *,
    window: int = DEFAULT_WINDOW,
    n_thresholds: int = 250,
    series: ArrayLike | None = None,
) -> VolumeUnderSurface:
    """Average the range-aware areas under the ROC and precision-recall curves over all buffers up to `window`.

    Parameters
    ----------
    labels : (n,) 0 or 1
    scores : (n,) float
    window : int
        Largest window, in rows, at least 0; half of it lies on each side of an event.
    n_thresholds : int
        At least 2.
    series : (n,) ids or (m,) lengths, optional
        See `series_starts`.

    Examples
    --------
    >>> labels = np.repeat([0, 1, 0], [50, 20, 50])
    >>> volume_under_surface(labels, labels, window=10)
    VolumeUnderSurface(roc=1.0, pr=1.0)
    """
    values = checked_scores(scores)
    truth = checked_labels(labels, len(values))
    if not isinstance(window, int | np.integer) or window < 0:
        raise ValueError(f"window must be a whole number of rows, at least 0; got {window!r}.")
    if n_thresholds < 2:
        raise ValueError(f"n_thresholds must be at least 2; got {n_thresholds}.")
    if truth.all() or not truth.any():
        return VolumeUnderSurface(float("nan"), float("nan"))
    levels = _levels(values, n_thresholds)
    core = np.cumsum(np.bincount(levels[truth], minlength=n_thresholds))
    flagged = np.cumsum(np.bincount(levels, minlength=n_thresholds))
    line = _Line.lay_out(truth, levels, series_starts(series, len(truth)), int(window), n_thresholds)
    areas = [_areas(core, flagged, buffer, found) for buffer, found in _surfaces(line, int(window))]
    return VolumeUnderSurface(*(float(area) for area in np.mean(areas, axis=0)))


def _levels(scores: Floats, n_thresholds: int) -> Ints:
    """Return the index of the highest threshold that flags each row, (n,)."""
    ranked = np.sort(scores)[::-1]
    thresholds = ranked[np.linspace(0, len(scores) - 1, n_thresholds).astype(np.int64)]
    return np.searchsorted(-thresholds, -scores).astype(np.int64)


@dataclass(frozen=True)
class _Line:
    """All series on one line, so far apart that no buffer reaches the next one.

    Attributes
    ----------
    levels : (length,) int64
        Between the series `n_thresholds`: never flagged.
    first, last : (n_events,) int64
        Where each event begins and ends.
    nearest, second : (n_near,) int64
        Distance of every normal row within reach of a buffer to the nearest and the second nearest edge of an event
        that faces it.
    near_levels : (n_near,) int64
    n_thresholds : int
    """

    levels: Ints
    first: Ints
    last: Ints
    nearest: Ints
    second: Ints
    near_levels: Ints
    n_thresholds: int

    @classmethod
    def lay_out(cls, labels: Bools, levels: Ints, starts: Ints, window: int, n_thresholds: int) -> "_Line":
        """Place the rows and measure distances."""
        gap = window + 1
        n, reach = len(labels), window // 2
        place = np.arange(n) + gap * np.cumsum(row_numbers(starts, n) == 0)
        line = np.full(n + gap * (len(starts) + 1), n_thresholds, np.int64)
        line[place] = levels
        events = find_ranges(labels, starts)
        first, last = place[events[:, 0]], place[events[:, 1] - 1]
        normal = np.flatnonzero(~labels)
        nearest, second = _two_distances(place[normal], first, last)
        near = nearest <= reach
        return cls(line, first, last, nearest[near], second[near], levels[normal[near]], n_thresholds)


def _two_distances(places: Ints, first: Ints, last: Ints) -> tuple[Ints, Ints]:
    far = np.iinfo(np.int64).max // 4
    ended = np.searchsorted(last, places)
    ends = np.concatenate([[-far, -far], last])
    begins = np.concatenate([first, [far, far]])
    left, right = places - ends[ended + 1], begins[ended] - places
    left_next, right_next = places - ends[ended], begins[ended + 1] - places
    second = np.minimum(np.maximum(left, right), np.minimum(left_next, right_next))
    return np.minimum(left, right), second


def _surfaces(line: _Line, window: int) -> Iterator[tuple[Floats, Floats]]:
    """Yield, per window, the weight of flagged buffer rows and the share of events found, by threshold."""
    n_thresholds = line.n_thresholds
    once = np.zeros((window // 2 + 1, n_thresholds))  # rows in one buffer, by distance and level
    twice = np.zeros(n_thresholds)  # rows in several
    np.add.at(once, (line.nearest, line.near_levels), 1.0)
    order = np.argsort(line.second, kind="stable")
    bounds = np.searchsorted(line.second[order], np.arange(window // 2 + 2))
    met = np.minimum.reduceat(line.levels, np.stack([line.first, line.last + 1], axis=1).ravel())[::2]
    for reach in range(window // 2 + 1):
        rows = order[bounds[reach] : bounds[reach + 1]]
        np.subtract.at(once, (line.nearest[rows], line.near_levels[rows]), 1.0)
        np.add.at(twice, line.near_levels[rows], 1.0)
        met = np.minimum(met, np.minimum(line.levels[line.first - reach], line.levels[line.last + reach]))
        found = _found_share(met, line.first - reach, line.last + reach, n_thresholds)
        for width in range(2 * reach, min(2 * reach + 1, window) + 1):
            weights = np.sqrt(1 - np.arange(1, reach + 1) / max(width, 1))
            yield np.cumsum(weights @ once[1 : reach + 1] + twice), found


def _found_share(met: Ints, first: Ints, last: Ints, n_thresholds: int) -> Floats:
    """Merge the events whose buffers touch; return the share of them with a flagged row, by threshold."""
    groups = np.append(0, np.flatnonzero(first[1:] > last[:-1]) + 1)
    levels = np.minimum.reduceat(met, groups)
    return np.cumsum(np.bincount(levels, minlength=n_thresholds)[:n_thresholds]) / len(groups)


def _areas(core: Ints, flagged: Ints, buffer: Floats, found: Floats) -> tuple[float, float]:
    n, n_core = flagged[-1], core[-1]
    hits = core + buffer
    positives = n_core + buffer / 2
    recall = np.concatenate([[0.0], np.minimum(hits / positives, 1) * found, [1.0]])
    false_rate = np.concatenate([[0.0], (flagged - hits) / (n - positives), [1.0]])
    roc = np.sum(np.diff(false_rate) * (recall[1:] + recall[:-1]) / 2)
    return float(roc), float(np.sum(np.diff(recall[:-1]) * hits / flagged))
