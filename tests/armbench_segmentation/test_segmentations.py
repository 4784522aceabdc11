from array import array

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools import mask as coco_mask

from armbench_segmentation.detections import encode
from armbench_segmentation.segmentations import segmentation_box

SQUARE = [2, 3, 8, 3, 8, 9, 2, 9]


def test_the_box_is_the_hull_of_all_polygons():
    assert segmentation_box([SQUARE, [20, 1, 22, 1, 22, 2]], 30, 30) == (2.0, 1.0, 20.0, 8.0)
    assert segmentation_box([array("d", SQUARE)], 30, 30) == (2.0, 3.0, 6.0, 6.0)


def test_rounding_beyond_the_edge_is_clipped():
    assert segmentation_box([[-1.5, -2, 11.9, 0, 10, 12]], 10, 10) == (0.0, 0.0, 10.0, 10.0)


@pytest.mark.parametrize(
    ("segmentation", "reason"),
    [
        (None, "it has no segmentation"),
        ([], "it has no segmentation"),
        ("abc", "it has no segmentation"),
        ([[1, 1, 5, 5]], "at least 3 points; got 2"),
        ([SQUARE, [1, 1]], "at least 3 points; got 1"),
        ([[1, 1, 5, 5, 9]], "x, y pairs"),
        ([1, 2, 3, 4, 5, 6], "x, y pairs"),
        ([[1, 1, 5, 5, 9, float("nan")]], "not finite"),
        ([[1, 1, 5, 5, 9, float("inf")]], "not finite"),
        ([[1, 1, 5, 5, 9, "9"]], "numbers only"),
        ([[1, 1, 5, 5, 9, None]], "numbers only"),
        ([[1, 1, 5, 5, 9, 10**400]], "numbers only"),
        ([[1, 1, 15, 1, 9, 9]], r"spans x 1\.\.15, y 1\.\.9, outside the 10x10 image"),
        ([[-3, 1, 5, 1, 9, 9]], "outside the 10x10 image"),
        ([[4, 4, 4, 4, 4, 4]], "encloses no area"),
        ([[-1, 1, -1, 5, -2, 9]], "encloses no area"),
        ({"size": [5, 20], "counts": [0, 100]}, r"has the size \[5, 20\], its image \[10, 10\]"),
        ({"size": [10, 10], "counts": [0, 99]}, "covers 99 of 100 pixels"),
        ({"size": [10, 10], "counts": [5, -5, 100]}, "run-length encoding covers"),
        ({"size": [10, 10], "counts": [100]}, "is empty"),
        ({"size": [10, 10], "counts": [50, 0, 50]}, "is empty"),
        ({"size": [10, 10], "counts": [1.5, 98.5]}, "a string or a list of integers"),
        ({"size": [10, 10], "counts": [float("nan"), 100]}, "a string or a list of integers"),
        ({"size": [10, 10], "counts": [1e300]}, "a string or a list of integers"),
        ({"size": [10, 10]}, "a string or a list of integers"),
        ({"size": [10, 10], "counts": ""}, "not a COCO string"),
        ({"size": [10, 10], "counts": "o"}, "not a COCO string"),
        ({"size": [10, 10], "counts": "ü1"}, "pixels|not a COCO string"),
        ({"size": [10, 10], "counts": "oooooooooooooo1"}, "not a COCO string"),
        ({"counts": [100]}, "has the size None"),
    ],
)
def test_what_is_no_outline_is_refused_with_its_reason(segmentation, reason):
    with pytest.raises(ValueError, match=reason):
        segmentation_box(segmentation, 10, 10)


def test_whole_numbers_may_be_written_as_floats():
    runs = {"size": [10, 20], "counts": [100.0, 20, 80.0]}
    assert segmentation_box(runs, 20, 10) == (10.0, 0.0, 2.0, 10.0)
    assert coco_mask.area(encode(runs, (10, 20))) == 20
    assert segmentation_box({"size": [2, 1], "counts": [1.0, 1.0]}, 1, 2) == (0.0, 1.0, 1.0, 1.0)


@given(arrays(np.bool_, st.tuples(st.integers(1, 40), st.integers(1, 40))))
def test_boxes_of_runs_agree_with_the_pixels(mask):
    height, width = mask.shape
    packed = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    flat = mask.ravel(order="F").astype(int)
    edges = np.flatnonzero(np.diff(flat, prepend=0))
    counts = np.diff(np.concatenate([[0], edges, [flat.size]])).tolist()
    rows, columns = np.nonzero(mask)
    for runs in (packed["counts"].decode(), counts):
        segmentation = {"size": [height, width], "counts": runs}
        if not mask.any():
            with pytest.raises(ValueError, match="is empty"):
                segmentation_box(segmentation, width, height)
            continue
        x, y, w, h = segmentation_box(segmentation, width, height)
        assert (x, y, x + w, y + h) == (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)


def test_a_truncated_string_is_noticed():
    mask = np.zeros((60, 60), np.uint8, order="F")
    mask[10:30, 10:30] = 1
    packed = coco_mask.encode(mask)["counts"].decode()
    with pytest.raises(ValueError, match=r"covers .* of 3600 pixels|not a COCO string"):
        segmentation_box({"size": [60, 60], "counts": packed[:-2]}, 60, 60)
