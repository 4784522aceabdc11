from pathlib import Path

import cv2
import numpy as np
import pytest
from pycocotools import mask as coco_mask

from armbench_segmentation.masks import gt_instances, rasterize
from armbench_segmentation.resize import Resize
from armbench_segmentation.samples import Annotation, Sample

HEIGHT, WIDTH = 480, 640
GRID = (80, 80)
MODES = ("stretch", "letterbox")


def star(rng, n_points=40):
    """A jagged closed outline around a random centre."""
    angles = np.linspace(0, 2 * np.pi, n_points, endpoint=False)
    radii = rng.uniform(60, 110, n_points)
    centre = rng.uniform([120, 120], [WIDTH - 120, HEIGHT - 120])
    return (centre + np.stack([radii * np.cos(angles), radii * np.sin(angles)], 1)).ravel().tolist()


def at_full_size(polygons):
    """Drawn by OpenCV on 8-fold enlarged pixels: an oracle with no code in common."""
    canvas = np.zeros((HEIGHT * 8, WIDTH * 8), np.uint8)
    for polygon in polygons:
        points = np.rint(np.reshape(polygon, (-1, 2)) * 8 - 0.5).astype(np.int32)
        cv2.fillPoly(canvas, [points], 1)
    return canvas


def area_of_each_pixel(enlarged, plan):
    """Share of every grid pixel that is covered, by transforming the enlarged canvas."""
    scale = np.array([plan.scale_x, plan.scale_y]) / 8 * 4
    # OpenCV counts from the centre of the first pixel, coordinates from its edge.
    offset = np.array([plan.offset_x, plan.offset_y]) * 4 + (scale - 1) / 2
    matrix = np.column_stack([np.diag(scale), offset])
    fine = cv2.warpAffine(enlarged * np.float32(1), matrix, (320 * 4, 320 * 4), flags=cv2.INTER_LINEAR)
    return fine.reshape(80, 16, 80, 16).mean((1, 3))


def iou(first, second):
    return (first & second).sum() / (first | second).sum()


@pytest.mark.parametrize("mode", MODES)
def test_polygons_agree_with_full_size_drawing(mode):
    rng = np.random.default_rng(0)
    plan = Resize.plan((HEIGHT, WIDTH), (320, 320), mode)
    overlaps = []
    for _ in range(8):
        polygon = star(rng)
        expected = area_of_each_pixel(at_full_size([polygon]), plan) > 0.5
        overlaps.append(iou(rasterize([polygon], (HEIGHT, WIDTH), plan, GRID), expected))
    assert min(overlaps) > 0.98
    assert np.mean(overlaps) > 0.99


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("compressed", [True, False])
def test_runs_agree_with_full_size_drawing(mode, compressed):
    rng = np.random.default_rng(1)
    plan = Resize.plan((HEIGHT, WIDTH), (320, 320), mode)
    polygon = star(rng)
    full = coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects([polygon], HEIGHT, WIDTH)))
    flat = full.ravel(order="F").astype(int)
    edges = np.flatnonzero(np.diff(flat, prepend=0))
    runs = {"size": [HEIGHT, WIDTH], "counts": np.diff([0, *edges, flat.size]).tolist()}
    if compressed:
        packed = coco_mask.encode(np.asfortranarray(full))
        runs = {"size": [HEIGHT, WIDTH], "counts": packed["counts"].decode()}
    enlarged = np.kron(full, np.ones((8, 8), np.uint8))
    expected = area_of_each_pixel(enlarged, plan) > 0.5
    assert iou(rasterize(runs, (HEIGHT, WIDTH), plan, GRID), expected) > 0.99


def test_polygons_and_runs_of_one_object_meet():
    polygon = star(np.random.default_rng(2))
    plan = Resize.plan((HEIGHT, WIDTH), (320, 320), "letterbox")
    packed = coco_mask.merge(coco_mask.frPyObjects([polygon], HEIGHT, WIDTH))
    runs = {"size": [HEIGHT, WIDTH], "counts": packed["counts"].decode()}
    drawn = [rasterize(outline, (HEIGHT, WIDTH), plan, GRID) for outline in ([polygon], runs)]
    assert iou(*drawn) > 0.98


def test_a_pixel_is_on_when_more_than_half_of_it_is_covered():
    plan = Resize.plan((80, 80), (80, 80), "stretch")
    for width, columns in ((13, 3), (13.5, 3), (14.5, 4), (16, 4)):
        drawn = rasterize([[0, 0, width, 0, width, 40, 0, 40]], (80, 80), plan, (20, 20))
        assert drawn[:10, :columns].all()
        assert drawn.sum() == 10 * columns


def test_several_polygons_are_united():
    plan = Resize.plan((8, 8), (8, 8), "stretch")
    left, right = [0, 0, 2, 0, 2, 8, 0, 8], [6, 0, 8, 0, 8, 8, 6, 8]
    assert rasterize([left, right], (8, 8), plan, (4, 4)).tolist() == [[True, False, False, True]] * 4


def test_outlines_beyond_the_edge_do_not_reach_into_the_padding():
    plan = Resize.plan((320, 640), (320, 320), "letterbox")
    drawn = rasterize([[0, -2, 640, -2, 640, 322, 0, 322]], (320, 640), plan, GRID)
    assert drawn[20:60].all()
    assert drawn.sum() == 40 * 80


def test_outlines_beyond_the_edge_of_a_small_picture_do_not_reach_into_the_padding():
    plan = Resize.plan((20, 40), (320, 320), "letterbox")  # 2 pixels outside are 4 of the grid
    drawn = rasterize([[0, -2, 40, -2, 40, 22, 0, 22]], (20, 40), plan, GRID)
    assert drawn[20:60].all()
    assert drawn.sum() == 40 * 80
    upright = rasterize(
        [[-2, 0, 22, 0, 22, 40, -2, 40]], (40, 20), Resize.plan((40, 20), (320, 320), "letterbox"), GRID
    )
    np.testing.assert_array_equal(upright, drawn.T)


def test_runs_that_shrink_on_one_axis_only_are_averaged_there():
    plan = Resize.plan((300, 4000), (640, 500), "stretch")
    stripes = np.ones((300, 4000), np.uint8, order="F")
    for column in (3, 4, 5):  # of 8 that become one: the middle, where interpolation would look
        stripes[:, column::8] = 0
    for mask, expected in ((stripes, True), (1 - stripes, False)):
        runs = {"size": [300, 4000], "counts": coco_mask.encode(np.asfortranarray(mask))["counts"].decode()}
        assert (rasterize(runs, (300, 4000), plan, (160, 125)) == expected).all()


def test_a_small_picture_is_enlarged():
    plan = Resize.plan((16, 16), (320, 320), "stretch")
    mask = np.zeros((16, 16), np.uint8, order="F")
    mask[4:8, 8:12] = 1
    runs = {"size": [16, 16], "counts": coco_mask.encode(mask)["counts"].decode()}
    expected = np.zeros(GRID, bool)
    expected[20:40, 40:60] = True
    assert iou(rasterize(runs, (16, 16), plan, GRID), expected) > 0.95
    assert iou(rasterize([[8, 4, 12, 4, 12, 8, 8, 8]], (16, 16), plan, GRID), expected) == 1


def test_runs_of_another_size_are_refused():
    plan = Resize.plan((8, 8), (8, 8), "stretch")
    with pytest.raises(ValueError, match=r"must have the size \[8, 8\] of its image; got \[4, 16\]"):
        rasterize({"size": [4, 16], "counts": [0, 64]}, (8, 8), plan, (2, 2))


def sample(*annotations):
    return Sample("a.jpg", Path("a.jpg"), WIDTH, HEIGHT, tuple(annotations))


def square(x, y, side, *, class_id=0, is_crowd=False):
    outline = [[x, y, x + side, y, x + side, y + side, x, y + side]]
    return Annotation(1, class_id, outline, (x, y, side, side), is_crowd)


@pytest.mark.parametrize("mode", MODES)
def test_ground_truth_is_in_pixels_of_the_input_and_leaves_crowds_out(mode):
    plan = Resize.plan((HEIGHT, WIDTH), (320, 320), mode)
    crowd = square(0, 0, 300, is_crowd=True)
    found = gt_instances(sample(crowd, square(64, 48, 160, class_id=2), square(320, 240, 96)), plan, GRID)
    assert found.class_ids.tolist() == [2, 0]
    assert found.confidence.tolist() == [1, 1]
    top = 48 * 2 / 3 if mode == "stretch" else 48 / 2 + 40
    height = 160 * 2 / 3 if mode == "stretch" else 80
    np.testing.assert_allclose(found.boxes_xyxy[0], [32, top, 112, top + height], rtol=1e-6)
    rows, columns = np.nonzero(found.masks[0])
    hull = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]) * 4
    np.testing.assert_allclose(hull, found.boxes_xyxy[0], atol=2.1)


def test_an_object_too_small_for_the_grid_keeps_its_centre():
    plan = Resize.plan((HEIGHT, WIDTH), (320, 320), "stretch")
    found = gt_instances(sample(square(638.5, 478.5, 1.2), square(100, 120, 1)), plan, GRID)
    assert [tuple(np.argwhere(mask)[0]) for mask in found.masks] == [(79, 79), (20, 12)]
    assert found.masks.sum((1, 2)).tolist() == [1, 1]


def test_an_image_without_objects_has_empty_ground_truth():
    plan = Resize.plan((HEIGHT, WIDTH), (320, 320), "stretch")
    assert gt_instances(sample(), plan, GRID).masks.shape == (0, *GRID)
