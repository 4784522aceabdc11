import numpy as np
import pytest

from armbench_segmentation.instances import Instances


def test_selection_keeps_the_four_arrays_together():
    all_three = Instances(
        np.arange(12, dtype=np.float32).reshape(3, 4),
        np.array([0.1, 0.2, 0.3], np.float32),
        np.array([0, 1, 2]),
        np.eye(3, dtype=bool)[:, None, :],
    )
    last_two = all_three[np.array([False, True, True])]
    assert len(last_two) == 2
    assert last_two.class_ids.tolist() == [1, 2]
    assert last_two.masks[:, 0].argmax(axis=1).tolist() == [1, 2]


def test_arrays_that_disagree_are_refused():
    with pytest.raises(ValueError, match=r"Instances must have shapes"):
        Instances(
            np.zeros((2, 4), np.float32), np.zeros(1, np.float32), np.zeros(2, np.int64), np.zeros((2, 4, 4), bool)
        )
