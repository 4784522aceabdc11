"""Pictures of one window: its channels, what the detector made of them, and which channel is to blame.

`draw_*` are pure functions of arrays; `show_*` put their results into what code-loader's visualizers return.

**Conventions**: pictures are (H, W, 3) uint8 RGB, time runs to the right, the newest row is the last. Every channel has
a lane of its own, the first on top; its grey line is the mean of normal training rows. Heights are standard deviations:
evenly up to `LINEAR`, then by their logarithm up to `LIMIT` at the edge of the lane, where what lies beyond is drawn
too. So the pictures of all samples compare. Rows that are labelled anomalous are red on a red ground. At most
`MOST_LANES` channels have a lane: those with the largest errors, in the order of the channels; the picture says how
many more there are. Names stand above their lanes. With many lanes a picture is higher than `HEIGHT`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from latent_space.lettering import fitted

if TYPE_CHECKING:
    from code_loader.contract.visualizer_classes import LeapGraph, LeapHorizontalBar, LeapImage

Array = NDArray[Any]
Picture = NDArray[np.uint8]
Color = tuple[int, int, int]

LINEAR, LIMIT = 3.0, 12.0
MOST_LANES = 8
MOST_BARS = 13
WIDTH, HEIGHT = 320, 200
LANE = 33  # pixels: at least so high, of which a third is for the name
_INK, _RED, _ORANGE, _GREY = (40, 90, 160), (200, 25, 25), (240, 130, 0), (205, 205, 205)
_TEXT = (60, 60, 60)
_RED_GROUND = (255, 226, 226)
_MARGIN = 6
_NAME_HEIGHT, _NAME_BASE, _NAME_SCALE = 11, 8, 0.34
_LEFT, _RIGHT = _MARGIN, WIDTH - _MARGIN  # of words
_UNITS = (("s", 1), ("min", 60), ("h", 3600), ("d", 86_400))
_LEAST_OF_A_UNIT = 3
_FINE = 8  # bits of a pixel's fraction in OpenCV's coordinates are 3: 1/8 of a pixel


@dataclass(frozen=True, eq=False)
class Course:
    """Rows to draw.

    Attributes
    ----------
    scaled : (n_rows, n_channels)
        In standard deviations from the training mean.
    labels : (n_rows,) bool or None
        Which rows are anomalous.
    names : sequence of str
        Of the channels, written above their lanes; none by default.
    errors : sequence of float or None
        By which the channels are chosen where not all have a lane; without them the first ones are.
    """

    scaled: Array
    labels: Array | None = None
    names: Sequence[str] = ()
    errors: Sequence[float] | None = None

    @property
    def n_more(self) -> int:
        """Channels that are not drawn."""
        return max(0, int(self.scaled.shape[1]) - MOST_LANES)

    @cached_property
    def shown(self) -> list[int]:
        """Channels that are drawn, from top to bottom."""
        n = int(self.scaled.shape[1])
        if self.errors is None or not self.n_more:
            return list(range(n - self.n_more))
        return sorted(
            np.argsort(-np.nan_to_num(np.asarray(self.errors, np.float64)), kind="stable")[:MOST_LANES].tolist()
        )

    @property
    def height(self) -> int:
        """Pixels of the picture: `HEIGHT`, more where lanes would be lower than `LANE`."""
        return max(HEIGHT, LANE * len(self.shown))

    def lanes(self) -> list[tuple[int, float, float]]:
        """Every channel that is drawn, with the upper and the lower edge of its lane."""
        height, above = self.height / len(self.shown), _NAME_HEIGHT + 1 if self.names or self.n_more else 2
        return [(channel, k * height + above, (k + 1) * height - 2) for k, channel in enumerate(self.shown)]


def draw_course(course: Course) -> Picture:
    """Draw every channel as a line.

    Examples
    --------
    >>> draw_course(Course(np.zeros((5, 2)))).shape
    (200, 320, 3)
    """
    canvas = _ground(course)
    for channel, *lane in course.lanes():
        column = course.scaled[:, channel]
        points = _points(np.arange(len(column)), column, len(column), lane)
        _line(canvas, points, _INK)
        if course.labels is not None:
            for start, stop in _runs(np.asarray(course.labels, bool)):
                _line(canvas, points[max(0, start - 1) : stop], _RED)
    return canvas


def draw_prediction(course: Course, predicted: Array, first: int) -> Picture:
    """Draw every channel as a line, and over it what the detector expected.

    Parameters
    ----------
    course : Course
    predicted : (n, n_channels)
        Scaled as the course.
    first : int
        Row of the course that the first of them is about; they may reach one row beyond the course.
    """
    n_columns = max(len(course.scaled), first + len(predicted))
    canvas = _ground(course, n_columns)
    steps = np.arange(first, first + len(predicted))
    for channel, *lane in course.lanes():
        column = course.scaled[:, channel]
        _line(canvas, _points(np.arange(len(column)), column, n_columns, lane), _INK)
        _line(canvas, _points(steps, predicted[:, channel], n_columns, lane), _ORANGE, dot=len(predicted) == 1)
    return canvas


def row_scores(course: Course, predicted: Array, first: int, score: float) -> Array:
    """Estimate the scores of the rows of a window, (n,), from how far each was from what the detector expected.

    A detector scores the newest row only. Its score is spread over the earlier ones in proportion to their mean squared
    error in standard deviations; the last value is the detector's own. Rows without a prediction are left out.
    """
    last = len(course.scaled)
    errors = np.square(course.scaled[first:last] - predicted[: last - first]).mean(axis=1)
    if not len(errors) or errors[-1] <= 0:
        return np.array([score])
    return np.asarray(np.append(errors[:-1] * (score / errors[-1]), score))


def show_picture(picture: Picture) -> "LeapImage":
    """Hand a picture to the platform."""
    from code_loader.contract.visualizer_classes import LeapImage

    return LeapImage(picture)


def show_bars(values: Sequence[float], names: Sequence[str]) -> "LeapHorizontalBar":
    """Show values as bars, the largest first; of more than `MOST_BARS` the last is the mean of those without one."""
    from code_loader.contract.visualizer_classes import LeapHorizontalBar

    known = np.asarray(values, np.float64)
    order = np.argsort(-np.nan_to_num(known), kind="stable")
    shown = order if len(order) <= MOST_BARS else order[: MOST_BARS - 1]
    body, labels = known[shown].tolist(), [names[k] for k in shown.tolist()]
    if rest := len(order) - len(shown):
        body.append(float(np.nan_to_num(known[order[len(shown) :]]).mean()))
        labels.append(f"+ {rest} more (mean)")
    return LeapHorizontalBar(np.array(body, np.float32), labels)


def show_scores(scores: Array, threshold: float | None, *, step_s: float | None = None) -> "LeapGraph":
    """Show scores of successive rows as a curve, and the threshold as a line; a single row as two lines.

    The legend says the newest score and the threshold as numbers. With the seconds from row to row, the axis tells the
    time before the newest row, in a fitting unit; else it counts rows.
    """
    from code_loader.contract.visualizer_classes import LeapGraph

    curve = np.repeat(scores, 2) if len(scores) == 1 else scores
    columns = [curve] if threshold is None else [curve, np.full(len(curve), threshold)]
    legend = [f"score {scores[-1]:.4g}"] + ([] if threshold is None else [f"threshold {threshold:.4g}"])
    span, unit = _span(len(curve) - 1, None if len(scores) == 1 else step_s)
    data = np.stack(columns, axis=1).astype(np.float32)
    x_label = "the newest row alone" if len(scores) == 1 else f"{unit} before the newest row"
    return LeapGraph(data, x_label=x_label, y_label="score", x_range=(-span, 0.0), legend=legend)


def _span(n_steps: int, step_s: float | None) -> tuple[float, str]:
    """Length of so many steps and its unit."""
    if step_s is None:
        return float(n_steps), "rows"
    seconds = n_steps * step_s
    unit, size = [(unit, size) for unit, size in _UNITS if size == 1 or seconds >= _LEAST_OF_A_UNIT * size][-1]
    return float(f"{seconds / size:.3g}"), unit


def _ground(course: Course, n_columns: int | None = None) -> Picture:
    """White, red where rows are anomalous, with the name and a line at the mean of every lane."""
    import cv2

    n_columns = n_columns or len(course.scaled)
    canvas = np.full((course.height, WIDTH, 3), 255, np.uint8)
    for start, stop in _runs(np.asarray(course.labels, bool)) if course.labels is not None else ():
        left, right = _x(np.array([start - 0.5, stop - 0.5]), n_columns).round().astype(int).clip(0, WIDTH)
        canvas[:, left:right] = _RED_GROUND
    for channel, top, bottom in course.lanes():
        y = round((top + bottom) / 2)
        cv2.line(canvas, (0, y), (WIDTH - 1, y), _GREY, 1)
        name = course.names[channel] if channel < len(course.names) else ""
        more = f"+ {course.n_more} more" if course.n_more and channel == course.shown[-1] else ""
        if name or more:
            y = round(top) - 1
            place = canvas[y - _NAME_HEIGHT : y, _LEFT:_RIGHT]
            np.minimum(place, _words(name, more), out=place)  # dark on whatever ground there is
    return canvas


@lru_cache(maxsize=512)
def _words(name: str, right: str) -> Picture:
    """Write a name, shortened in its middle where it is too long, and something at the right end."""
    import cv2

    canvas = np.full((_NAME_HEIGHT, _RIGHT - _LEFT, 3), 255, np.uint8)
    right, taken = fitted(right, canvas.shape[1], _NAME_SCALE)
    text, _ = fitted(name, canvas.shape[1] - (taken + 8 if right else 0), _NAME_SCALE)
    for x, part in ((0, text), (canvas.shape[1] - taken, right)):
        cv2.putText(canvas, part, (x, _NAME_BASE), cv2.FONT_HERSHEY_SIMPLEX, _NAME_SCALE, _TEXT, 1, cv2.LINE_AA)
    canvas.flags.writeable = False
    return canvas


def _x(columns: Array, n_columns: int) -> Array:
    width = WIDTH - 2 * _MARGIN
    return np.asarray(_MARGIN + width * (columns / (n_columns - 1) if n_columns > 1 else columns + 0.5))


def _points(columns: Array, values: Array, n_columns: int, lane: Sequence[float]) -> Array:
    top, bottom = lane
    share = 0.5 + 0.5 * _squeezed(values) / _squeezed(np.array([LIMIT]))
    return np.stack([_x(columns, n_columns), bottom - share * (bottom - top)], axis=1)


def _squeezed(values: Array) -> Array:
    """Leave values up to `LINEAR` as they are, and let larger ones grow by 1 when they double, up to `LIMIT`."""
    values = np.nan_to_num(np.asarray(values, np.float64)).clip(-LIMIT, LIMIT)
    beyond = np.log2(np.maximum(np.abs(values), LINEAR) / LINEAR)
    return np.asarray(values.clip(-LINEAR, LINEAR) + np.sign(values) * beyond)


def _line(canvas: Picture, points: Array, color: Color, *, dot: bool = False) -> None:
    import cv2

    fine = (points * _FINE).round().astype(np.int32).reshape(-1, 1, 2)
    if dot or len(points) == 1:
        x, y = fine[-1, 0].tolist()
        cv2.circle(canvas, (x, y), 4 * _FINE, color, -1, cv2.LINE_AA, 3)
    else:
        # Lines without soft edges have a single colour: the picture's file is half as large.
        cv2.polylines(canvas, [fine], False, color, 2, cv2.LINE_8, 3)


def _runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Start and end (not included) of every run of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))
