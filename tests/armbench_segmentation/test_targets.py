import numpy as np
import pytest

from armbench_segmentation.instances import Instances
from armbench_segmentation.targets import from_arrays, to_arrays


@pytest.fixture
def two_objects():
    rng = np.random.default_rng(0)
    return Instances(
        np.array([[0, 0, 64, 32], [10, 20, 30, 60]], np.float32),
        np.ones(2, np.float32),
        np.array([1, 0]),
        rng.random((2, 16, 16)) > 0.5,
    )


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_there_and_back(two_objects, dtype):
    boxes, masks = to_arrays(two_objects, input_size=(64, 64), max_instances=5)
    back = from_arrays(boxes.astype(dtype), masks.astype(dtype), input_size=(64, 64))
    np.testing.assert_allclose(back.boxes_xyxy, two_objects.boxes_xyxy, atol=0.05)
    np.testing.assert_array_equal(back.class_ids, two_objects.class_ids)
    np.testing.assert_array_equal(back.masks, two_objects.masks)


def test_padding_rows_are_marked(two_objects):
    boxes, masks = to_arrays(two_objects, input_size=(64, 64), max_instances=4)
    assert boxes[:, 4].tolist() == [1, 0, -1, -1]
    assert boxes[0, :4].tolist() == [0.5, 0.25, 1.0, 0.5]
    assert not boxes[2:, :4].any()
    assert not masks[2:].any()


def test_no_objects_at_all():
    boxes, masks = to_arrays(Instances.empty((8, 8)), input_size=(32, 32), max_instances=3)
    assert len(from_arrays(boxes, masks, input_size=(32, 32))) == 0


def test_more_objects_than_rows_are_refused(two_objects):
    with pytest.raises(ValueError, match=r"instances must be at most max_instances = 1; got 2"):
        to_arrays(two_objects, input_size=(64, 64), max_instances=1)
