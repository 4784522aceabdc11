import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from armbench_segmentation.resize import PADDING_GRAY, Resize, resample

sides = st.integers(16, 600)


def test_stretch_maps_each_axis_by_itself():
    fit = Resize.plan((100, 200), (50, 50), "stretch")
    assert fit.to_input(np.array([[200.0, 100.0, 0.0, 0.0]])).tolist() == [[50.0, 50.0, 0.0, 0.0]]


def test_letterbox_centres_the_picture_on_gray():
    image = np.full((100, 200, 3), 255, np.uint8)
    fit = Resize.plan((100, 200), (64, 64), "letterbox")
    resized = fit.apply(image)
    assert resized.shape == (64, 64, 3)
    assert np.unique(resized[:16]).tolist() == [PADDING_GRAY]
    assert np.unique(resized[16:48]).tolist() == [255]
    assert np.unique(resized[48:]).tolist() == [PADDING_GRAY]


@pytest.mark.parametrize("mode", ["stretch", "letterbox"])
def test_a_dot_lands_where_its_coordinates_say(mode):
    image = np.zeros((300, 400, 3), np.uint8)
    image[90:110, 190:210] = 255
    fit = Resize.plan((300, 400), (128, 128), mode)
    rows, columns = np.nonzero(fit.apply(image)[..., 0] > 127)
    centre = fit.to_input(np.array([200.0, 100.0]))
    np.testing.assert_allclose([columns.mean() + 0.5, rows.mean() + 0.5], centre, atol=0.5)


@given(sides, sides, st.sampled_from(["stretch", "letterbox"]))
def test_there_and_back_is_the_identity(height, width, mode):
    fit = Resize.plan((height, width), (128, 96), mode)
    points = np.array([[0.0, 0.0, width, height], [1.5, 2.5, 3.0, 4.0]])
    np.testing.assert_allclose(fit.to_original(fit.to_input(points)), points, atol=1e-9)


@given(sides, sides)
def test_letterbox_stays_inside_and_keeps_the_aspect_ratio(height, width):
    fit = Resize.plan((height, width), (128, 128), "letterbox")
    inner_height, inner_width = fit.inner_size
    assert max(inner_height, inner_width) == 128
    assert 0 <= fit.offset_x <= 128 - inner_width
    assert 0 <= fit.offset_y <= 128 - inner_height
    assert inner_width / inner_height == pytest.approx(width / height, rel=0.5 / min(inner_height, inner_width) + 0.01)


@pytest.mark.parametrize(("height", "top"), [(61, 1), (63, 0), (59, 2)])
def test_of_odd_padding_the_smaller_half_comes_first(height, top):
    fit = Resize.plan((height, 64), (64, 64), "letterbox")
    assert (fit.offset_x, fit.offset_y) == (0, top)
    rows = np.flatnonzero((fit.apply(np.zeros((height, 64, 3), np.uint8)) == 0).all((1, 2)))
    assert (rows[0], len(rows)) == (top, height)


@pytest.mark.parametrize("size", [(1, 4000), (4000, 1)])
def test_a_line_is_still_a_line_in_a_letterbox(size):
    fit = Resize.plan(size, (64, 64), "letterbox")
    assert sorted(fit.inner_size) == [1, 64]
    resized = fit.apply(np.full((*size, 3), 255, np.uint8))
    assert (resized == 255).all(2).sum() == 64


@pytest.mark.parametrize("axis", [0, 1])
def test_an_axis_that_shrinks_averages_whatever_the_other_does(axis):
    stripes = np.zeros((300, 4000, 3), np.uint8)
    stripes[:, ::2] = 200
    image = stripes if axis else stripes.swapaxes(0, 1)
    resized = Resize.plan(image.shape[:2], (640, 640), "stretch").apply(image)
    assert resized.shape == (640, 640, 3)
    np.testing.assert_allclose(resized, 100, atol=17)  # an output pixel has 6.25 stripes
    np.testing.assert_allclose(resized.mean((0, 1)), 100, atol=1)


def test_growing_interpolates():
    assert resample(np.array([[0, 100]], np.uint8), (1, 4)).tolist() == [[0, 25, 75, 100]]


def test_an_unknown_mode_is_refused():
    with pytest.raises(ValueError, match=r"resize must be 'stretch' or 'letterbox'; got 'crop'"):
        Resize.plan((10, 10), (10, 10), "crop")
