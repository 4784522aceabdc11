"""Objects by hand: masks drawn as letters, read-only."""

import numpy as np
import pytest

from armbench_segmentation.instances import Instances


def build(masks, class_ids=None, confidence=None):
    """Instances of (n, h, w) masks; boxes are the hulls of the masks in grid pixels times 4."""
    masks = np.asarray(masks, bool)
    n = len(masks)
    boxes = np.zeros((n, 4), np.float32)
    for box, mask in zip(boxes, masks, strict=True):
        rows, columns = np.nonzero(mask)
        if len(rows):
            box[:] = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]) * 4
    found = Instances(
        boxes,
        np.asarray(np.ones(n) if confidence is None else confidence, np.float32),
        np.asarray(np.zeros(n) if class_ids is None else class_ids, np.int64),
        masks,
    )
    for array in (found.boxes_xyxy, found.confidence, found.class_ids, found.masks):
        array.flags.writeable = False
    return found


@pytest.fixture(scope="session")
def objects():
    """The builder of Instances."""
    return build


@pytest.fixture(scope="session")
def draw():
    """Turn rows of text into a mask: ``draw("##..", "##..")``; one mask per distinct letter with `letters`."""

    def drawn(*rows, letters="#"):
        grid = np.array([list(row) for row in rows])
        return np.stack([grid == letter for letter in letters])

    return drawn
