"""Pictures of one window: its channels, what the detector made of them, and which channel is to blame.

`draw_*` are pure functions of arrays; `show_*` put their results into what code-loader's visualizers return.

**Conventions**: pictures are (H, W, 3) uint8 RGB, time runs to the right, the newest row is the last. Every channel has
a lane of its own, the first on top; its grey line is the mean of normal training rows. Heights are standard deviations:
evenly up to `LINEAR`, then by their logarithm up to `LIMIT` at the edge of the lane, where what lies beyond is drawn
too. So the pictures of all samples compare. Rows that are labelled anomalous are red on a red ground. At most
`MOST_LANES` channels have a lane: the first ones.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from code_loader.contract.visualizer_classes import LeapGraph, LeapHorizontalBar, LeapImage

Array = NDArray[Any]
Picture = NDArray[np.uint8]
Color = tuple[int, int, int]

LINEAR, LIMIT = 3.0, 12.0
MOST_LANES = 8
MOST_BARS = 24
WIDTH, HEIGHT = 320, 200
_INK, _RED, _ORANGE, _GREY = (40, 90, 160), (200, 25, 25), (240, 130, 0), (205, 205, 205)
_TEXT = (110, 110, 110)
_RED_GROUND = (255, 226, 226)
_MARGIN = 6
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
        Of the channels, written into their lanes; none by default.
    """

    scaled: Array
    labels: Array | None = None
    names: Sequence[str] = ()

    @property
    def n_lanes(self) -> int:
        """Channels that are drawn."""
        return min(MOST_LANES, int(self.scaled.shape[1]))


def draw_course(course: Course) -> Picture:
    """Draw every channel as a line.

    Examples
    --------
    >>> draw_course(Course(np.zeros((5, 2)))).shape
    (200, 320, 3)
    """
    canvas = _ground(course)
    for lane in range(course.n_lanes):
        column = course.scaled[:, lane]
        points = _points(np.arange(len(column)), column, len(column), _lane(lane, course.n_lanes))
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
    for lane in range(course.n_lanes):
        place = _lane(lane, course.n_lanes)
        column = course.scaled[:, lane]
        _line(canvas, _points(np.arange(len(column)), column, n_columns, place), _INK)
        steps = np.arange(first, first + len(predicted))
        _line(canvas, _points(steps, predicted[:, lane], n_columns, place), _ORANGE, dot=len(predicted) == 1)
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
    """Show values as bars, the largest first, at most `MOST_BARS`."""
    from code_loader.contract.visualizer_classes import LeapHorizontalBar

    order = np.argsort(-np.nan_to_num(np.asarray(values, np.float64)), kind="stable")[:MOST_BARS].tolist()
    return LeapHorizontalBar(np.array([values[k] for k in order], np.float32), [names[k] for k in order])


def show_scores(scores: Array, threshold: float | None) -> "LeapGraph":
    """Show scores of successive rows as a curve, and the threshold as a line; a single row as two lines."""
    from code_loader.contract.visualizer_classes import LeapGraph

    curve = np.repeat(scores, 2) if len(scores) == 1 else scores
    columns = [curve] if threshold is None else [curve, np.full(len(curve), threshold)]
    legend = ["score"] if threshold is None else ["score", "threshold"]
    span = (float(1 - len(curve)), 0.0)
    data = np.stack(columns, axis=1).astype(np.float32)
    return LeapGraph(data, x_label="rows before the newest", y_label="score", x_range=span, legend=legend)


def _ground(course: Course, n_columns: int | None = None) -> Picture:
    """White, red where rows are anomalous, with the name and a line at the mean of every lane."""
    import cv2

    n_columns = n_columns or len(course.scaled)
    canvas = np.full((HEIGHT, WIDTH, 3), 255, np.uint8)
    for start, stop in _runs(np.asarray(course.labels, bool)) if course.labels is not None else ():
        left, right = _x(np.array([start - 0.5, stop - 0.5]), n_columns).round().astype(int).clip(0, WIDTH)
        canvas[:, left:right] = _RED_GROUND
    for lane in range(course.n_lanes):
        top, bottom = _lane(lane, course.n_lanes)
        y = round((top + bottom) / 2)
        cv2.line(canvas, (0, y), (WIDTH - 1, y), _GREY, 1)
        if lane < len(course.names):
            name = course.names[lane].encode("ascii", "replace").decode()  # OpenCV writes nothing else
            cv2.putText(canvas, name, (_MARGIN, round(top) + 9), cv2.FONT_HERSHEY_SIMPLEX, 0.33, _TEXT, 1)
    return canvas


def _lane(lane: int, n_lanes: int) -> tuple[float, float]:
    height = HEIGHT / n_lanes
    return lane * height + 2, (lane + 1) * height - 2


def _x(columns: Array, n_columns: int) -> Array:
    width = WIDTH - 2 * _MARGIN
    return np.asarray(_MARGIN + width * (columns / (n_columns - 1) if n_columns > 1 else columns + 0.5))


def _points(columns: Array, values: Array, n_columns: int, lane: tuple[float, float]) -> Array:
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
