"""A tensor of an ONNX model as its latent space: how a feature map becomes a vector, and how the model gives it.

**Conventions**: a feature map has its batch first; its vector is the mean over all axes but batch and channels, in
float64, stored as float32. Boxes are ``x1, y1, x2, y2`` in 0..1 of the model's input.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Features = npt.NDArray[np.float32]


@dataclass(frozen=True)
class LatentTensor:
    """A tensor of an ONNX model that serves as its latent space.

    Attributes
    ----------
    name : str
        Of the tensor in the graph.
    shape : tuple of int
        For a batch of one.
    channel_axis : int
        The axis that pooling keeps.
    is_output : bool
        Whether it is an output of the model for want of a candidate.
    """

    name: str
    shape: tuple[int, ...]
    channel_axis: int
    is_output: bool = False

    @property
    def is_map(self) -> bool:
        """Whether there is a grid (height, width) in which boxes can be pooled."""
        return len(self.shape) == 4

    @property
    def n_features(self) -> int:
        """Length of the pooled vector."""
        return self.shape[self.channel_axis]

    def pool(self, features: Features) -> Features:
        """Mean over the grid: (1, ..., C, ...) -> (C,) float32."""
        axes = tuple(axis for axis in range(features.ndim) if axis != self.channel_axis)
        return np.asarray(features.mean(axes, dtype=np.float64), np.float32)

    def pool_boxes(self, features: Features, boxes_rel: npt.NDArray[np.float64]) -> Features:
        """Mean over the part of each grid cell that a box covers.

        Parameters
        ----------
        features : (1, C, H, W) or (1, H, W, C) float array
        boxes_rel : (n, 4) float array
            ``x1, y1, x2, y2`` in 0..1 of the model's input; clipped to it. A box without area takes its cell.

        Returns
        -------
        (n, C) float32 array

        Examples
        --------
        >>> tensor = LatentTensor("map", (1, 1, 2, 2), 1)
        >>> tensor.pool_boxes(np.array([[[[1.0, 2.0], [3.0, 4.0]]]]), np.array([[0, 0, 1, 0.5]])).tolist()
        [[1.5]]
        """
        grid = np.moveaxis(features, self.channel_axis, 1)[0].astype(np.float64)
        columns = _coverage(boxes_rel[:, 0], boxes_rel[:, 2], grid.shape[2])
        rows = _coverage(boxes_rel[:, 1], boxes_rel[:, 3], grid.shape[1])
        return np.asarray(np.einsum("nh,chw,nw->nc", rows, grid, columns, optimize=False), np.float32)


def _coverage(low: npt.NDArray[np.float64], high: npt.NDArray[np.float64], n_cells: int) -> npt.NDArray[np.float64]:
    """(n, n_cells) share of each interval that lies in each cell; every row sums to 1."""
    low, high = np.clip(low, 0, 1) * n_cells, np.clip(high, 0, 1) * n_cells
    edges = np.arange(n_cells)
    overlap = np.minimum(high[:, None], edges + 1) - np.maximum(low[:, None], edges)
    overlap = np.maximum(overlap, 0)
    point = np.clip(np.floor((low + high) / 2), 0, n_cells - 1)[:, None] == edges
    has_length = overlap.sum(1, keepdims=True) > 0
    overlap = np.where(has_length, overlap, point)
    return np.asarray(overlap / overlap.sum(1, keepdims=True), np.float64)


def add_outputs(model: Any, names: Sequence[str]) -> Any:
    """Copy a model with more of its tensors as outputs, after the old ones; names that are outputs already are left."""
    import onnx

    extended = onnx.ModelProto()
    extended.CopyFrom(model)
    known = {value.name for value in extended.graph.output}
    for name in names:
        if name not in known:
            extended.graph.output.append(onnx.ValueInfoProto(name=name))
    return extended
