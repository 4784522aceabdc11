import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pycocotools import mask as coco_mask

from latent_space.outlines import clip_ring, joined, polygon_area, trace_outline

SQUARE = np.array([[0.0, 0.0], [4.0, 0.0], [4.0, 4.0], [0.0, 4.0]])
MASKS = arrays(np.bool_, st.tuples(st.integers(1, 9), st.integers(1, 9)))


def drawn(rings, height, width):
    """Rasterise rings as COCO's own library does, four times finer than the mask."""
    if not rings:
        return np.zeros((height, width), bool)
    runs = coco_mask.frPyObjects([(4 * ring).ravel().tolist() for ring in rings], 4 * height, 4 * width)
    fine = coco_mask.decode(coco_mask.merge(runs))
    return fine.reshape(height, 4, width, 4).mean((1, 3)) > 0.5


def disc(size, radius, hole=0.0):
    ys, xs = np.mgrid[:size, :size] + 0.5 - size / 2
    far = np.hypot(xs, ys)
    return (far < radius) & (far >= hole)


@pytest.mark.parametrize("where", [(slice(0, 1), slice(0, 1)), (slice(2, 5), slice(1, 4)), (slice(0, 6), slice(3, 7))])
def test_a_rectangle_has_the_corners_of_its_pixels(where):
    mask = np.zeros((6, 7), bool)
    mask[where] = True
    (ring,) = trace_outline(mask)
    rows, columns = where
    assert (*ring.min(0), *ring.max(0)) == (columns.start, rows.start, columns.stop, rows.stop)
    assert len(ring) == 4
    assert polygon_area(ring) == mask.sum()


def test_an_empty_mask_has_no_rings():
    assert trace_outline(np.zeros((5, 4), bool)) == []


@given(MASKS)
@settings(max_examples=60, deadline=None)
def test_without_tolerance_the_rings_are_the_mask(mask):
    rings = trace_outline(mask, tolerance=0.0)
    assert (drawn(rings, *mask.shape) == mask).all()
    assert all(len(ring) >= 3 and polygon_area(ring) > 0 for ring in rings)
    assert all((ring >= 0).all() and (ring <= mask.shape[::-1]).all() for ring in rings)


def test_what_lies_in_a_hole_is_a_part():
    mask = np.ones((7, 7), bool)
    mask[1:6, 1:6] = False
    mask[3, 3] = True
    rings = trace_outline(mask, tolerance=0.0)
    assert [polygon_area(ring) for ring in rings] == [pytest.approx(24, abs=0.5), 1]


def test_a_part_as_large_as_the_smallest_stays():
    mask = np.zeros((3, 8), bool)
    mask[:, :3] = mask[:2, 4:6] = mask[0, 7] = True
    assert [polygon_area(ring) for ring in trace_outline(mask, smallest=4)] == [9, 4]


def test_a_hole_is_left_out_and_its_area_too():
    mask = disc(60, 28, hole=12)
    (ring,) = trace_outline(mask, tolerance=1.0)
    found = drawn([ring], 60, 60)
    assert not found[30, 30]
    assert (found & mask).sum() / (found | mask).sum() > 0.96
    assert polygon_area(ring) == pytest.approx(mask.sum(), rel=0.03)


def test_round_masks_need_few_corners():
    mask = disc(100, 45)
    (ring,) = trace_outline(mask)
    assert len(ring) < 60
    assert polygon_area(ring) == pytest.approx(np.pi * 45**2, rel=0.01)


def test_what_is_smaller_than_asked_is_not_drawn_but_something_is():
    mask = np.zeros((20, 20), bool)
    mask[2:12, 2:12] = True
    mask[6, 6] = False
    mask[15:17, 15:17] = True
    whole = trace_outline(mask)
    assert [polygon_area(ring) for ring in whole] == [pytest.approx(99, abs=0.5), 4], "the largest part first"
    (ring,) = trace_outline(mask, smallest=5)
    assert polygon_area(ring) == 100
    (ring,) = trace_outline(mask[13:], smallest=500)
    assert polygon_area(ring) == 4


def test_joined_rings_are_one_that_covers_the_same():
    mask = np.zeros((20, 30), bool)
    mask[2:8, 2:8] = mask[10:18, 12:14] = mask[3:6, 20:28] = True
    rings = trace_outline(mask)
    one = joined(rings)
    assert (drawn([one], 20, 30) == mask).all()
    assert polygon_area(one) == sum(polygon_area(ring) for ring in rings) == mask.sum()
    turned = joined([rings[0], rings[1][::-1], rings[2]])
    assert polygon_area(turned) == mask.sum(), "whichever way a ring runs"
    assert joined(rings[:1]) is rings[0]


class TestClip:
    def test_what_is_inside_stays(self):
        assert clip_ring(SQUARE, (0, 0, 4, 4)).tolist() == SQUARE.tolist()

    @pytest.mark.parametrize("frame", [(5, 0, 9, 4), (4, 0, 9, 4), (0, -3, 4, 0)])
    def test_what_is_outside_or_only_touches_is_nothing(self, frame):
        assert clip_ring(SQUARE, frame) is None

    def test_a_corner_of_the_frame_is_kept(self):
        triangle = np.array([[0.0, 0.0], [6.0, 0.0], [0.0, 6.0]])
        ring = clip_ring(triangle, (0, 0, 4, 4))
        assert sorted(ring.tolist()) == [[0, 0], [0, 4], [2, 4], [4, 0], [4, 2]]
        assert polygon_area(ring) == 14

    @given(arrays(np.float64, st.tuples(st.integers(3, 8), st.just(2)), elements=st.integers(-8, 16).map(float)))
    @settings(deadline=None)
    def test_nothing_is_left_outside_and_a_second_cut_changes_nothing(self, ring):
        cut = clip_ring(ring.copy(), (0, 0, 8, 8))
        if cut is not None:
            assert (cut >= 0).all()
            assert (cut <= 8).all()
            assert clip_ring(cut, (0, 0, 8, 8)).tolist() == cut.tolist()

    def test_the_argument_is_not_changed(self):
        ring = SQUARE - 1
        ring.flags.writeable = False
        assert polygon_area(clip_ring(ring, (0, 0, 9, 9))) == 9

    def test_a_corner_on_the_frame_stays_where_the_ring_leaves_it(self):
        ring = np.array([[0.0, 0.0], [2.0, 0.0], [2.0, 1.0], [-1.0, 1.0]])
        assert polygon_area(clip_ring(ring, (0, 0, 3, 3))) == 2

    def test_a_line_is_nothing(self):
        assert clip_ring(SQUARE[[0, 1, 0, 1]], (0, 0, 9, 9)) is None
