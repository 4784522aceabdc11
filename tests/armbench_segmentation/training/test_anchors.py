import numpy as np
import pytest

from armbench_segmentation.config import COCO_ANCHORS
from armbench_segmentation.training.anchors import coco_anchors, fit_anchors


def test_each_stride_is_fitted_to_the_objects_of_its_size():
    rng = np.random.default_rng(0)
    groups = np.array([[8, 16], [16, 8], [24, 24], [40, 80], [80, 40], [90, 90], [100, 200], [200, 100], [300, 300]])
    sizes = np.repeat(groups, 30, axis=0) * np.exp(rng.normal(0, 0.02, (270, 2)))
    fitted = np.array(fit_anchors(rng.permutation(sizes))).reshape(9, 2)
    for group in groups:
        assert np.abs(np.log(fitted / group)).max(axis=1).min() < 0.05, group
    areas = fitted.prod(axis=1).reshape(3, 3)
    assert (np.diff(areas, axis=1) > -0.1 * areas[:, 1:]).all()


def test_order_of_objects_does_not_matter():
    rng = np.random.default_rng(1)
    sizes = np.exp(rng.uniform(np.log(5), np.log(200), (200, 2)))
    assert fit_anchors(sizes) == fit_anchors(rng.permutation(sizes))


@pytest.mark.parametrize("sizes", [np.zeros((0, 2)), np.full((9, 2), 20.0), np.zeros((50, 2)), np.full((50, 2), 0.5)])
def test_too_few_usable_objects_keep_the_anchors_of_coco(sizes):
    assert fit_anchors(sizes) == coco_anchors() == tuple(tuple(map(float, row)) for row in COCO_ANCHORS)


def test_equal_objects_give_equal_anchors_not_nan():
    assert fit_anchors(np.full((50, 2), 20.0))[0] == (20.0,) * 6
