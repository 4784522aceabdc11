"""Ground truth as arrays of one shape, so that samples stack into a batch, and back.

**Conventions**: boxes (max_instances, 5) float32 hold cx, cy, w, h relative to the model input, and the class id;
rows beyond the objects have class -1 and zeros. Masks (max_instances, h, w) float32 are 0 or 1 on the prototype grid.
"""

import numpy as np
from numpy.typing import NDArray

from armbench_segmentation.instances import Instances
from armbench_segmentation.precision import to_float32

PADDING_CLASS = -1.0


def to_arrays(
    instances: Instances, *, input_size: tuple[int, int], max_instances: int
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Pad the objects of one image to `max_instances` rows.

    Parameters
    ----------
    instances : Instances
        At most `max_instances` objects.
    input_size : (height, width)
        Of the model input, pixels.
    max_instances : int
        Rows of the result.

    Returns
    -------
    boxes : (max_instances, 5) float32
    masks : (max_instances, h, w) float32

    Raises
    ------
    ValueError
        If there are more objects than rows.
    """
    n = len(instances)
    if n > max_instances:
        raise ValueError(f"instances must be at most max_instances = {max_instances}; got {n}.")
    height, width = input_size
    boxes = np.zeros((max_instances, 5), np.float32)
    boxes[:, 4] = PADDING_CLASS
    x1, y1, x2, y2 = instances.boxes_xyxy.T
    boxes[:n, :4] = np.stack([(x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height], 1)
    boxes[:n, 4] = instances.class_ids
    masks = np.zeros((max_instances, *instances.masks.shape[1:]), np.float32)
    masks[:n] = instances.masks
    return boxes, masks


def from_arrays(boxes: NDArray[np.floating], masks: NDArray[np.floating], *, input_size: tuple[int, int]) -> Instances:
    """Undo `to_arrays` for one image; float16 arrays are read as well.

    Examples
    --------
    >>> boxes = np.array([[0.5, 0.5, 0.2, 0.4, 1], [0, 0, 0, 0, -1]], np.float16)
    >>> found = from_arrays(boxes, np.ones((2, 8, 8), np.float16), input_size=(32, 64))
    >>> len(found), found.class_ids.tolist(), found.boxes_xyxy.round().tolist()
    (1, [1], [[26.0, 10.0, 38.0, 22.0]])
    """
    rows = to_float32(boxes)
    real = rows[:, 4] >= 0
    height, width = input_size
    cx, cy, w, h = rows[real, :4].T * np.array([[width], [height], [width], [height]], np.float32)
    corners = np.stack([cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2], 1)
    class_ids = rows[real, 4].round().astype(np.int64)
    return Instances(corners, np.ones(len(class_ids), np.float32), class_ids, to_float32(masks[real]) > 0.5)
