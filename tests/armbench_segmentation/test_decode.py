import numpy as np

from armbench_segmentation.decode import decode_predictions


def test_end_to_end_by_hand():
    rows = np.zeros((1, 300, 38), np.float32)
    rows[0, 0, :7] = 4, 4, 12, 12, 0.9, 0, 1
    found = decode_predictions([rows, np.ones((1, 32, 8, 8), np.float32)], n_classes=1, image_size=32)[0]
    assert found.masks[0, 1:3, 1:3].all()
    assert found.masks.sum() == 4
