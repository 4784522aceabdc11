"""Any mask survives the way into a COCO segmentation and back."""

import cv2
import numpy as np
import pytest

from armbench_segmentation.synthetic.outlines import decode, to_segmentation


class TestOutlines:
    def test_ring_keeps_its_hole(self):
        mask = np.zeros((20, 20), bool)
        mask[3:17, 3:17] = True
        mask[8:12, 8:12] = False
        assert isinstance(to_segmentation(mask), dict)
        assert np.array_equal(decode(to_segmentation(mask), (20, 20)), mask)

    def test_parts_become_polygons_each(self):
        mask = np.zeros((20, 30), bool)
        mask[2:9, 2:12] = mask[12:19, 15:29] = True
        segmentation = to_segmentation(mask)
        assert isinstance(segmentation, list)
        assert len(segmentation) == 2
        assert np.array_equal(decode(segmentation, (20, 30)), mask)

    @pytest.mark.parametrize("seed", range(5))
    def test_any_mask_survives(self, seed):
        rng = np.random.default_rng(seed)
        mask = cv2.GaussianBlur(rng.standard_normal((60, 80)), (0, 0), 1 + seed) > 0.02
        mask[:, 0] = mask[0] = True
        drawn = decode(to_segmentation(mask), mask.shape)
        assert (drawn & mask).sum() / (drawn | mask).sum() >= 0.98

    def test_single_pixel(self):
        mask = np.zeros((5, 6), bool)
        mask[4, 5] = True
        assert np.array_equal(decode(to_segmentation(mask), (5, 6)), mask)

    def test_empty_mask_is_refused(self):
        with pytest.raises(ValueError, match="mask must have at least one pixel"):
            to_segmentation(np.zeros((4, 4), bool))
