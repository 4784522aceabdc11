from dataclasses import replace

import numpy as np
import pytest

from anomaly_detection.visualizers import (
    HEIGHT,
    LANE,
    LIMIT,
    MOST_BARS,
    MOST_LANES,
    WIDTH,
    Course,
    draw_course,
    draw_prediction,
    row_scores,
    show_bars,
    show_picture,
    show_scores,
)

INK, RED, ORANGE, RED_GROUND = [40, 90, 160], [200, 25, 25], [240, 130, 0], [255, 226, 226]


def pixels(picture, color):
    """(rows, columns) of the pixels of a colour."""
    return np.nonzero((picture == color).all(axis=2))


def test_a_channel_at_its_mean_lies_in_the_middle_of_its_lane():
    rows, columns = pixels(draw_course(Course(np.zeros((10, 2)))), INK)
    assert set(rows // (HEIGHT // 2)) == {0, 1}
    assert abs(np.median(rows[rows < HEIGHT // 2]) - HEIGHT / 4) <= 2
    assert columns.max() - columns.min() > WIDTH * 0.9


def test_high_values_are_on_top_and_stay_in_their_lane():
    scaled = np.stack([np.full(10, 100.0), np.full(10, -100.0)], axis=1)
    rows, _ = pixels(draw_course(Course(scaled)), INK)
    assert rows[rows < HEIGHT // 2].max() < HEIGHT * 0.05
    assert rows[rows >= HEIGHT // 2].min() > HEIGHT * 0.95


@pytest.mark.parametrize(("value", "share"), [(0, 0), (1, 0.2), (3, 0.6), (6, 0.8), (12, 1), (1e6, 1)])
def test_heights_are_even_near_the_mean_and_squeezed_far_from_it(value, share):
    rows, _ = pixels(draw_course(Course(np.full((10, 1), float(value)))), INK)
    assert np.median(rows) == pytest.approx(HEIGHT / 2 - share * (HEIGHT / 2 - 2), abs=2)


def test_anomalous_rows_are_red_and_others_are_not():
    labels = np.zeros(20, bool)
    labels[10:] = True
    picture = draw_course(Course(np.zeros((20, 1)), labels))
    _, red = pixels(picture, RED)
    _, ink = pixels(picture, INK)
    _, ground = pixels(picture, RED_GROUND)
    assert red.min() > WIDTH * 0.45
    assert ink.max() < WIDTH * 0.5
    assert WIDTH * 0.45 < ground.min() < WIDTH * 0.55


@pytest.mark.parametrize("labels", [None, np.zeros(20, bool)])
def test_nothing_is_red_without_anomalies(labels):
    picture = draw_course(Course(np.zeros((20, 3)), labels))
    assert not len(pixels(picture, RED)[0])
    assert not len(pixels(picture, RED_GROUND)[0])


def test_a_single_anomalous_row_is_seen():
    labels = np.zeros(60, bool)
    labels[-1] = True
    assert len(pixels(draw_course(Course(np.zeros((60, 1)), labels)), RED)[0])


@pytest.mark.parametrize(
    ("shape", "height"), [((1, 1), HEIGHT), ((2, 6), HEIGHT), ((1, 7), 231), ((1, 12), 264), ((300, 60), 264)]
)
def test_the_size_of_a_picture_depends_on_the_lanes_alone(shape, height):
    scaled = np.full(shape, np.nan)
    scaled[0, 0] = 1
    course = Course(scaled, np.ones(len(scaled), bool))
    assert draw_course(course).shape == (height, WIDTH, 3)
    assert draw_prediction(course, scaled[-1:], len(scaled) - 1).shape == (height, WIDTH, 3)
    assert len(course.shown) == min(MOST_LANES, shape[1])
    assert height >= LANE * len(course.shown)


def test_a_prediction_lies_over_the_rows_it_is_about():
    picture = draw_prediction(Course(np.zeros((40, 1))), np.full((10, 1), LIMIT), 30)
    rows, columns = pixels(picture, ORANGE)
    assert rows.max() < HEIGHT * 0.1
    assert columns.min() > WIDTH * 0.7


def test_a_prediction_of_one_row_is_a_dot():
    _, columns = pixels(draw_prediction(Course(np.zeros((40, 1))), np.full((1, 1), 3.0), 39), ORANGE)
    assert 4 <= np.ptp(columns) <= 10
    assert columns.max() > WIDTH * 0.95


def test_a_forecast_reaches_beyond_the_newest_row():
    picture = draw_prediction(Course(np.zeros((10, 1))), np.full((10, 1), 3.0), 1)
    assert pixels(picture, INK)[1].max() < pixels(picture, ORANGE)[1].max() - WIDTH * 0.05


def test_inputs_are_not_written_to():
    scaled, labels = np.zeros((9, 2)), np.ones(9, bool)
    for array in (scaled, labels):
        array.flags.writeable = False
    draw_prediction(Course(scaled, labels), scaled, 0)


class TestRowScores:
    def test_rows_get_their_share_of_the_newest_score(self):
        course = Course(np.array([[9.0], [2.0], [1.0]]))
        assert row_scores(course, np.zeros((2, 1)), 1, 10.0).tolist() == [40, 10]

    def test_what_comes_after_the_newest_row_has_no_score(self):
        course = Course(np.array([[2.0], [1.0]]))
        assert row_scores(course, np.array([[0.0], [77.0]]), 1, 10.0).tolist() == [10]

    @pytest.mark.parametrize("predicted", [np.zeros((1, 1)), np.zeros((0, 1))])
    def test_where_nothing_can_be_told_there_is_the_newest_alone(self, predicted):
        assert row_scores(Course(np.zeros((1, 1))), predicted, 0, 3.0).tolist() == [3]


class TestPayloads:
    def test_bars_are_sorted_and_few(self):
        bars = show_bars([1.0, 3.0, np.nan, 2.0], ["a", "b", "c", "d"])
        assert bars.labels == ["b", "d", "a", "c"]
        assert bars.body.dtype == np.float32

    def test_of_many_bars_the_last_is_the_mean_of_the_others(self):
        names = [f"c{k}" for k in range(99)]
        assert show_bars(range(MOST_BARS), names[:MOST_BARS]).labels == names[:MOST_BARS][::-1], "all of them fit"
        bars = show_bars(range(99), names)
        n_rest = 99 - (MOST_BARS - 1)
        assert bars.labels == [*names[: n_rest - 1 : -1], f"+ {n_rest} more (mean)"]
        assert len(bars.body) == MOST_BARS
        assert bars.body[-1] == (n_rest - 1) / 2

    def test_scores_have_the_threshold_beside_them(self):
        graph = show_scores(np.array([1.0, 2.0, 5.0]), 3.0)
        assert graph.data.tolist() == [[1, 3], [2, 3], [5, 3]]
        assert graph.legend == ["score 5", "threshold 3"]
        assert (graph.x_range, graph.x_label) == ((-2, 0), "rows before the newest row")
        assert show_scores(np.array([0.123456, 12345.6]), None).legend == ["score 1.235e+04"]

    @pytest.mark.parametrize(
        ("step_s", "span", "unit"),
        [(0.1, 5.9, "s"), (3, 177, "s"), (4, 3.93, "min"), (600, 9.83, "h"), (9000, 6.15, "d")],
    )
    def test_the_axis_of_the_scores_is_time(self, step_s, span, unit):
        graph = show_scores(np.arange(60.0), None, step_s=step_s)
        assert (graph.x_range, graph.x_label) == ((-span, 0), f"{unit} before the newest row")

    def test_a_single_score_is_a_line(self):
        graph = show_scores(np.array([4.0]), None, step_s=0.1)
        assert graph.data.tolist() == [[4], [4]]
        assert (graph.x_range, graph.x_label) == ((-1, 0), "the newest row alone")

    def test_a_picture_is_an_image(self):
        assert show_picture(draw_course(Course(np.zeros((2, 1))))).data.dtype == np.uint8


class TestNames:
    COLUMNS = slice(6, WIDTH - 6)

    def names(self, course):
        """Rows above the lanes, from margin to margin."""
        picture = draw_course(course)
        return [picture[round(top) - 12 : round(top) - 1, self.COLUMNS] for _, top, _ in course.lanes()]

    def test_every_lane_bears_the_name_of_its_channel(self):
        shown = self.names(Course(np.zeros((10, 3)), names=("temperature", "Drück", "")))
        assert [bool((place < 128).any()) for place in shown] == [True, True, False]

    @pytest.mark.parametrize("n", [1, 4, 12, 40])
    def test_nothing_is_drawn_through_them(self, n):
        scaled = np.random.default_rng(n).normal(scale=20, size=(60, n))
        names = [f"axis{k}_velocity_deg_s" for k in range(n)]
        quiet, loud = Course(np.zeros((60, n)), names=names), Course(scaled, names=names)
        np.testing.assert_array_equal(self.names(loud), self.names(quiet))
        assert (np.stack(self.names(loud))[:, 0] > 128).all(), "no letter is cut at the top"

    def test_long_ones_lose_their_middle(self):
        long = "Line 4 / Station 12 / Hydraulic pump {} of the press, pressure at outlet {} (bar)"
        first, other, end = (
            self.names(Course(np.zeros((9, 1)), names=[long.format(*pair)]))[0] for pair in ("11", "21", "12")
        )
        assert (first < 128).any()
        np.testing.assert_array_equal(first, other)
        assert (first != end).any()

    def test_a_red_ground_stays_red_under_them(self):
        course = Course(np.zeros((9, 1)), np.ones(9, bool), ["x"])
        place = self.names(course)[0]
        assert (place[:, 100:] == RED_GROUND).all()
        assert (place < 128).all(axis=2).any()


class TestMoreChannelsThanLanes:
    def test_those_with_the_largest_errors_are_shown_in_their_order(self):
        errors = [*np.arange(1.0, 11), np.nan, 0.5]
        course = Course(np.zeros((5, 12)), errors=errors)
        assert course.shown == [2, 3, 4, 5, 6, 7, 8, 9]
        assert course.n_more == 4
        assert Course(np.zeros((5, 12))).shown == list(range(MOST_LANES))
        assert Course(np.zeros((5, 3)), errors=[1, 2, 3]).shown == [0, 1, 2]

    def test_each_has_its_own_course_prediction_and_name(self):
        scaled = np.zeros((20, 12))
        scaled[:, 11] = LIMIT
        course = Course(scaled, names=[f"c{k}" for k in range(12)], errors=np.arange(12.0))
        top = course.lanes()[-1][1]
        for picture, color in ((draw_course(course), INK), (draw_prediction(course, scaled[-9:], 11), ORANGE)):
            assert top - 2 <= pixels(picture, color)[0].max() <= top + 2
        alike = replace(course, names=[*["x"] * 4, *course.names[4:]])
        np.testing.assert_array_equal(draw_course(alike), draw_course(course))

    def test_the_picture_says_how_many_more_there_are(self):
        pictures = [draw_course(Course(np.zeros((5, n)))) for n in (9, 10, 10)]
        assert (pictures[0] != pictures[1]).any()
        np.testing.assert_array_equal(pictures[1], pictures[2])
        assert not (draw_course(Course(np.zeros((5, 8)))) == [60, 60, 60]).all(axis=2).any()
        rows, columns = np.nonzero((pictures[0] < 100).all(axis=2) & (pictures[0] == pictures[0][:, :, :1]).all(axis=2))
        assert rows.min() >= LANE * 7
        assert rows.max() < LANE * 7 + 12
        assert WIDTH / 2 < columns.min() < columns.max() < WIDTH - 5
