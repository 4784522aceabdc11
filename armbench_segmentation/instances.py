"""The objects of one image: what the ground truth holds, and what a model's decoded output becomes.

**Conventions**: boxes are ``x1, y1, x2, y2`` in pixels of the *model input* (width W, height H); masks are boolean
on the coarser grid (h, w) that the model's prototypes have (YOLO-seg: a quarter of the input), so ground truth
and prediction meet on one grid. Class ids are 0-based positions in the list of categories. An image without objects
has arrays of length 0, never None. A ground truth has confidence 1.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Instances:
    """The n objects of one image.

    Attributes
    ----------
    boxes_xyxy : (n, 4) float32
        Corners in pixels of the model input.
    confidence : (n,) float32
        In [0, 1]; 1 for ground truth.
    class_ids : (n,) int64
        Positions in the list of categories.
    masks : (n, h, w) bool
        On the prototype grid.

    Raises
    ------
    ValueError
        If the four arrays do not agree on n or have the wrong rank.

    Examples
    --------
    >>> len(Instances.empty((40, 40)))
    0
    """

    boxes_xyxy: NDArray[np.float32]
    confidence: NDArray[np.float32]
    class_ids: NDArray[np.int64]
    masks: NDArray[np.bool_]

    def __post_init__(self) -> None:
        n = len(self.boxes_xyxy)
        shapes = (self.boxes_xyxy.shape, self.confidence.shape, self.class_ids.shape, self.masks.shape)
        if shapes[:3] != ((n, 4), (n,), (n,)) or self.masks.ndim != 3 or len(self.masks) != n:
            raise ValueError(f"Instances must have shapes (n, 4), (n,), (n,), (n, h, w); got {shapes}.")

    def __len__(self) -> int:
        return len(self.boxes_xyxy)

    def __getitem__(self, index: NDArray[np.int64] | NDArray[np.bool_] | slice) -> "Instances":
        """Select objects by position, boolean mask or slice."""
        return Instances(self.boxes_xyxy[index], self.confidence[index], self.class_ids[index], self.masks[index])

    @classmethod
    def empty(cls, mask_size: tuple[int, int]) -> "Instances":
        """No objects, on a mask grid of ``mask_size`` = (h, w)."""
        return cls(
            np.zeros((0, 4), np.float32),
            np.zeros(0, np.float32),
            np.zeros(0, np.int64),
            np.zeros((0, *mask_size), np.bool_),
        )
