"""Small pictures: what visualizers return, what inputs look like, and names for files."""

import io
from types import SimpleNamespace

import numpy as np
import pytest
from code_loader.contract.responsedataclasses import BoundingBox
from code_loader.contract.visualizer_classes import (
    LeapGraph,
    LeapHorizontalBar,
    LeapImage,
    LeapImageMask,
    LeapImageWithBBox,
    LeapImageWithHeatmap,
    LeapText,
    LeapVideo,
)
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from latent_space.engine.pictures import SIDE, curves, encode_picture, file_name, picture, picture_of_input, shrink

RED = np.zeros((40, 80, 3), np.uint8) + np.uint8([200, 10, 20])


PHOTOGRAPH = np.random.default_rng(0).integers(0, 256, (400, 800, 3), dtype=np.uint8)


def test_an_image_keeps_its_colours_and_its_size_up_to_the_limit():
    np.testing.assert_array_equal(picture(LeapImage(RED)), RED)
    assert picture(LeapImage(PHOTOGRAPH)).shape == (SIDE // 2, SIDE, 3)
    assert picture(LeapImage(np.tile(RED, (10, 10, 1)))).shape == (SIDE, 2 * SIDE, 3), "a drawing keeps its lines"
    gray = picture(LeapImage(np.full((9, 9, 1), 77, np.uint8)))
    assert gray.shape == (9, 9, 3)
    assert (gray == 77).all()


def test_floats_of_an_image_are_bytes_and_those_of_a_video_shares():
    np.testing.assert_array_equal(picture(LeapImage(np.full((8, 8, 3), 300.4, np.float32))), 255)
    video = np.stack([np.full((8, 8, 3), share, np.float32) for share in (0.0, 0.2, 1.0)])
    np.testing.assert_array_equal(picture(LeapVideo(video)), 51)


def test_boxes_are_drawn_by_their_centre():
    box = BoundingBox(x=0.5, y=0.5, width=0.5, height=0.5, confidence=1.0, label="a")
    drawn = picture(LeapImageWithBBox(RED, [box]))
    changed = (drawn != RED).any(2)
    ys, xs = np.nonzero(changed)
    assert (xs.min(), ys.min(), xs.max(), ys.max()) == (20, 10, 60, 30)
    assert not changed[15:25, 30:50].any(), "only the frame"


def test_a_box_that_is_nowhere_is_left_out():
    box = BoundingBox(x=float("nan"), y=0.5, width=0.5, height=0.5, confidence=1.0, label="a")
    np.testing.assert_array_equal(picture(LeapImageWithBBox(RED, [box])), RED)


def test_masks_colour_only_what_they_cover():
    mask = np.zeros((40, 80), np.uint8)
    mask[:, 40:] = 1
    image = np.tile(np.linspace(0, 1, 80, dtype=np.float32)[:, None], (40, 1, 3))
    drawn = picture(LeapImageMask(mask, image, ["a"]))
    np.testing.assert_array_equal(drawn[0, :40, 0], drawn[0, :40, 2])
    assert (drawn[:, 40:, 2] > drawn[:, 40:, 0]).any()


def test_heatmaps_and_graphs_have_pictures_and_text_has_none():
    image = np.random.default_rng(0).random((20, 30, 3)).astype(np.float32)
    assert picture(LeapImageWithHeatmap(image, image[None, :, :, 0], ["a"])).shape == (20, 30, 3)
    strip = picture(LeapGraph(np.random.default_rng(0).random((50, 2)).astype(np.float32)))
    assert strip.shape == (160, 320, 3)
    assert picture(LeapText(["a", "b"])) is None
    assert picture(SimpleNamespace(data=RED)) is None


@pytest.mark.parametrize("shape", [(3, 40, 80), (40, 80, 3), (1, 40, 80), (40, 80, 1), (4, 40, 80)])
def test_inputs_that_look_like_images_have_pictures(shape):
    assert picture_of_input(np.full(shape, 0.5, np.float32)).shape == (40, 80, 3)


def test_shares_and_bytes_of_an_input_give_the_same_picture():
    image = np.random.default_rng(0).integers(0, 256, (16, 16, 3))
    np.testing.assert_array_equal(
        picture_of_input((image / 255).astype(np.float32)), picture_of_input(image.astype(np.uint8))
    )


@pytest.mark.parametrize(
    ("shape", "is_drawn"), [((50,), True), ((50, 3), True), ((3, 50), True), ((2,), False), ((2, 2, 2, 2), False)]
)
def test_series_have_curves(shape, is_drawn):
    image = picture_of_input(np.random.default_rng(0).random(shape).astype(np.float32))
    assert (image is not None) == is_drawn
    assert image is None or image.shape == (48, 160, 3)


def test_curves_survive_what_cannot_be_drawn():
    values = np.full((20, 3), np.nan)
    values[:, 1] = 4.0
    values[3:9, 2] = np.arange(6)
    assert (curves(values) != 255).any()
    assert (curves(np.full((20, 1), np.nan)) == 255).all()


def test_photographs_are_jpeg():
    smooth = np.zeros((64, 64, 3), np.uint8) + np.arange(64, dtype=np.uint8)[:, None, None] * np.uint8([3, 2, 1])
    content, suffix = encode_picture(smooth)
    assert suffix == ".jpg"
    np.testing.assert_allclose(np.asarray(Image.open(io.BytesIO(content))), smooth, atol=8)


def test_drawings_are_png_and_keep_the_colours_of_their_grounds():
    drawing = np.full((48, 160, 3), 255, np.uint8)
    drawing[:, 100:] = [255, 226, 226]
    drawing[20:22] = [200, 25, 25]
    content, suffix = encode_picture(drawing)
    assert suffix == ".png"
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(content)).convert("RGB")), drawing)


def test_a_drawing_of_many_colours_loses_none():
    drawing = np.full((100, 100, 3), 255, np.uint8)
    drawing[:40] = np.random.default_rng(0).integers(0, 256, (40, 100, 3))
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(encode_picture(drawing)[0]))), drawing)


def test_curves_of_a_graph_share_their_axis():
    drawn = picture(LeapGraph(np.array([[0.0, 10.0], [1.0, 10.0]], np.float32)))
    rows = np.flatnonzero((drawn != 255).any(axis=(1, 2)))
    assert rows.min() <= 3, "10 is on top"
    lower = (drawn[:, :, 2] > drawn[:, :, 0]).any(axis=1)
    assert np.flatnonzero(lower).min() > 130, "the curve from 0 to 1 stays in the lowest tenth"


def test_bars_start_at_zero():
    drawn = picture(LeapHorizontalBar(np.array([4.0, 2.0, -2.0], np.float32), ["a", "b", "\N{GREEK SMALL LETTER PI}"]))
    blue = (drawn == [31, 119, 180]).all(axis=2)
    spans = [np.flatnonzero(blue[row]) for row in (16, 48, 80)]
    widths = [len(span) for span in spans]
    assert widths[0] == pytest.approx(2 * widths[1], abs=2)
    assert widths[1] == pytest.approx(widths[2], abs=2)
    assert spans[0].min() == spans[1].min() == spans[2].max()


def written(drawn, rows=slice(None)):
    """Columns in which there is dark writing."""
    return np.flatnonzero((drawn[rows] < 128).all(axis=2).any(axis=0))


def test_long_names_of_bars_lose_their_middle_and_leave_room_for_the_bars():
    names = ["axis4_velocity_deg_s", "pressure at the outlet of the hydraulic pump 1"]
    for name in names:
        drawn = picture(LeapHorizontalBar(np.array([4.0], np.float32), [name]))
        blue = np.flatnonzero((drawn == [31, 119, 180]).all(axis=2).any(axis=0))
        assert written(drawn).max() < blue.min()
        assert np.ptp(blue) > 140
        other = picture(LeapHorizontalBar(np.array([4.0], np.float32), [f"{name[:-1]}2"]))
        assert (other != drawn).any(), "the end of the name is there"


@pytest.mark.parametrize(("n", "n_bars"), [(12, 12), (13, 13), (14, 12), (40, 12)])
def test_where_not_all_bars_have_a_line_the_last_line_says_so(n, n_bars):
    drawn = picture(LeapHorizontalBar(np.ones(n, np.float32), ["x"] * n))
    blue = (drawn == [31, 119, 180]).all(axis=2).any(axis=1)
    assert (np.diff(blue.astype(int)) == 1).sum() + blue[0] == n_bars
    assert (written(drawn, slice(148, 160)).max() > 40) == (n_bars < n)


def test_a_graph_tells_its_legend_above_and_its_axis_below_the_curves():
    data = np.array([[0.0, 10.0], [1.0, 10.0]], np.float32)
    bare = picture(LeapGraph(data))
    told = picture(LeapGraph(data, x_label="s", x_range=(-5.9, 0.0), legend=["score 1", "threshold 10"]))
    assert told.shape == bare.shape
    assert (bare[:4] != 255).any(), "without a legend the curves have all of the height"
    header, footer = told[:14], told[-13:]
    saturation = np.ptp(header.astype(int), axis=2)
    assert (header[:, :60][saturation[:, :60] > 100][:, 2] > 150).all(), "the first is blue"
    assert (header[:, 60:][saturation[:, 60:] > 100][:, 0] > 150).all(), "the second is orange"
    columns = written(footer)
    assert columns.min() < 10
    assert columns.max() > 305
    assert ((columns > 140) & (columns < 180)).any()
    assert (np.ptp(footer.astype(int), axis=2) < 30).all(), "no curve runs through it"


def test_what_a_graph_has_no_room_for_is_shortened():
    drawn = picture(
        LeapGraph(np.zeros((9, 3), np.float32), x_label="x" * 200, x_range=(-1e9, 1 / 3), legend=["long" * 50] * 3)
    )
    assert drawn.shape == (160, 320, 3)
    assert (drawn[:14, -8:] > 200).all()


def test_bars_of_nothing_are_an_empty_picture():
    assert (picture(LeapHorizontalBar(np.zeros(0, np.float32), [])) == 255).all()


def test_small_pictures_are_not_enlarged():
    assert shrink(RED) is RED


@given(st.text(max_size=300), st.text(max_size=300))
def test_file_names_are_safe_and_tell_ids_apart(one, other):
    names = file_name(one), file_name(other)
    for name in names:
        assert 0 < len(name.encode()) <= 130
        assert "/" not in name
        assert not name.startswith(".")
    assert (names[0] == names[1]) == (one == other)
