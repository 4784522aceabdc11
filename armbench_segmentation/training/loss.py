"""The loss that trains a YOLOv5-seg network: box, objectness, class and mask, on raw logits.

**Conventions**: target boxes are cx, cy, w, h relative to the input; masks lie on the prototype grid; every part is a
scalar with its gain applied, lower is better, and 0 where a batch has no objects (objectness alone teaches on those).
An object is learned by every anchor whose width and height are within a factor of 4 of its own, in the cell of its
centre and in the up to two neighbouring cells that the centre is nearest to.

The formulas are those of Ultralytics YOLOv5 v7, so the parts equal those of `losses.py`, which computes them in numpy
from a model's decoded outputs: box = 1 - CIoU; objectness = cross-entropy against the CIoU, cut at 0, of the box that
the cell predicts; mask = cross-entropy inside the object's box divided by its area.

References
----------
Zheng et al., "Enhancing Geometric Factors in Model Learning and Inference for Object Detection and Instance
Segmentation", IEEE Transactions on Cybernetics, 2021 (CIoU).
Bolya et al., "YOLACT: Real-time Instance Segmentation", ICCV 2019 (prototypes and coefficients).
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, one_hot

from armbench_segmentation.training.network import STRIDES

ANCHOR_RATIO = 4.0
_BOX_GAIN, _OBJECTNESS_GAIN, _CLASS_GAIN = 0.05, 1.0, 0.5
_BALANCE = (4.0, 1.0, 0.4)
_NEIGHBOURS = ((0.0, 0.0), (0.5, 0.0), (0.0, 0.5), (-0.5, 0.0), (0.0, -0.5))
_EPSILON = 1e-7


@dataclass(frozen=True)
class Targets:
    """The objects of a batch, one after the other.

    Attributes
    ----------
    image : (n,) int64
        Position of each object's image in the batch.
    class_ids : (n,) int64
    boxes : (n, 4) float32
        cx, cy, w, h relative to the input.
    masks : (n, h, w) float32
        0 or 1 on the prototype grid.
    """

    image: Tensor
    class_ids: Tensor
    boxes: Tensor
    masks: Tensor


@dataclass(frozen=True)
class LossParts:
    """The four parts, gains applied."""

    box: Tensor
    objectness: Tensor
    classification: Tensor
    mask: Tensor

    @property
    def total(self) -> Tensor:
        """What training minimises."""
        return self.box + self.objectness + self.classification + self.mask


@dataclass(frozen=True)
class Assignment:
    """Which cell of one stride learns which object; m pairs.

    Attributes
    ----------
    target, anchor, row, column : (m,) int64
    """

    target: Tensor
    anchor: Tensor
    row: Tensor
    column: Tensor


def assign(boxes: Tensor, anchors: Tensor, grid: tuple[int, int]) -> Assignment:
    """Choose the anchors and cells of one stride that learn each object.

    Parameters
    ----------
    boxes : (n, 4)
        cx, cy, w, h relative to the input.
    anchors : (3, 2)
        Width, height in cells.
    grid : (rows, columns)

    Returns
    -------
    Assignment
        Ordered by neighbour, then anchor, then object: where two objects meet in a cell, the last one counts.

    Examples
    --------
    >>> found = assign(torch.tensor([[0.4, 0.6, 0.25, 0.25]]), torch.ones(1, 2), (4, 4))
    >>> sorted(zip(found.row.tolist(), found.column.tolist()))
    [(1, 1), (2, 1), (2, 2)]
    """
    size = boxes.new_tensor([grid[1], grid[0]])
    centres, extents = boxes[:, :2] * size, boxes[:, 2:] * size
    ratio = extents[None] / anchors[:, None]
    fits = torch.max(ratio, 1 / ratio).amax(2) < ANCHOR_RATIO
    anchor, target = fits.nonzero(as_tuple=True)
    centre = centres[target]
    from_end = size - centre
    near_start = ((centre % 1 < 0.5) & (centre > 1)).T
    near_end = ((from_end % 1 < 0.5) & (from_end > 1)).T
    chosen = torch.stack((torch.ones_like(near_start[0]), *near_start, *near_end))
    neighbour, pair = chosen.nonzero(as_tuple=True)
    cell = (centre[pair] - boxes.new_tensor(_NEIGHBOURS)[neighbour]).long()
    return Assignment(target[pair], anchor[pair], cell[:, 1].clamp(0, grid[0] - 1), cell[:, 0].clamp(0, grid[1] - 1))


def complete_iou(first: Tensor, second: Tensor) -> Tensor:
    """CIoU of n pairs of cx, cy, w, h boxes: IoU less what centres and aspect ratios differ; in (-1.5, 1].

    Examples
    --------
    >>> round(float(complete_iou(torch.tensor([[2.0, 2, 2, 2]]), torch.tensor([[3.0, 2, 2, 2]]))), 3)
    0.256
    """
    centre1, size1, centre2, size2 = first[..., :2], first[..., 2:], second[..., :2], second[..., 2:]
    low1, high1, low2, high2 = centre1 - size1 / 2, centre1 + size1 / 2, centre2 - size2 / 2, centre2 + size2 / 2
    intersection = (torch.min(high1, high2) - torch.max(low1, low2)).clamp(0).prod(-1)
    iou = intersection / (size1.prod(-1) + size2.prod(-1) - intersection + _EPSILON)
    hull = (torch.max(high1, high2) - torch.min(low1, low2)).square().sum(-1) + _EPSILON
    distance = (centre1 - centre2).square().sum(-1)
    angle1, angle2 = torch.atan(size1[..., 0] / size1[..., 1]), torch.atan(size2[..., 0] / size2[..., 1])
    aspect = 4 / math.pi**2 * (angle2 - angle1).square()
    with torch.no_grad():
        weight = aspect / (aspect - iou + 1 + _EPSILON)
    complete: Tensor = iou - (distance / hull + aspect * weight)
    return complete


class SegmentationLoss:
    """The loss of one network at one image size.

    Parameters
    ----------
    anchors : (3, 3, 2)
        Width, height in pixels of the input.
    n_classes : int
    image_size : int
        Side of the input; scales the objectness against the number of cells.
    """

    def __init__(self, anchors: Tensor, *, n_classes: int, image_size: int) -> None:
        self._anchors = [anchors[level] / stride for level, stride in enumerate(STRIDES)]
        self._n_classes = n_classes
        self._objectness_gain = _OBJECTNESS_GAIN * (image_size / 640) ** 2
        self._class_gain = _CLASS_GAIN * n_classes / 80

    def __call__(self, raw: list[Tensor], prototypes: Tensor, targets: Targets) -> LossParts:
        """Loss of a batch.

        Parameters
        ----------
        raw : list of (B, 3, rows, columns, 5 + n_classes + 32)
            Logits of each stride.
        prototypes : (B, 32, h, w)
        targets : Targets
        """
        levels = [self._level(level, logits, prototypes, targets) for level, logits in enumerate(raw)]
        box, objectness, classification, mask = (torch.stack(part).sum() for part in zip(*levels, strict=True))
        return LossParts(
            box * _BOX_GAIN,
            objectness * self._objectness_gain,
            classification * self._class_gain,
            mask * _BOX_GAIN / len(prototypes),
        )

    def _level(
        self, level: int, logits: Tensor, prototypes: Tensor, targets: Targets
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        zero = logits.new_zeros(())
        expected = torch.zeros_like(logits[..., 4])
        pairs = assign(targets.boxes, self._anchors[level], (logits.shape[2], logits.shape[3]))
        if not len(pairs.target):
            return zero, _BALANCE[level] * binary_cross_entropy_with_logits(logits[..., 4], expected), zero, zero
        where = (targets.image[pairs.target], pairs.anchor, pairs.row, pairs.column)
        chosen = logits[where]
        extents = (2 * chosen[:, 2:4].sigmoid()) ** 2 * self._anchors[level][pairs.anchor]
        predicted = torch.cat((2 * chosen[:, :2].sigmoid() - 0.5, extents), 1)
        overlap = complete_iou(predicted, _relative_to_cell(targets.boxes, pairs, logits.shape))
        expected[where] = overlap.detach().clamp(0)
        return (
            (1 - overlap).mean(),
            _BALANCE[level] * binary_cross_entropy_with_logits(logits[..., 4], expected),
            self._classification(chosen[:, 5 : 5 + self._n_classes], targets.class_ids[pairs.target]),
            _mask_loss(chosen[:, 5 + self._n_classes :], prototypes, targets, pairs.target),
        )

    def _classification(self, scores: Tensor, class_ids: Tensor) -> Tensor:
        if self._n_classes == 1:
            return scores.new_zeros(())
        return binary_cross_entropy_with_logits(scores, one_hot(class_ids, self._n_classes).to(scores.dtype))


def _relative_to_cell(boxes: Tensor, pairs: Assignment, shape: torch.Size) -> Tensor:
    """(m, 4) target boxes in cells, centres measured from the corner of the cell that learns them."""
    scale = boxes.new_tensor([shape[3], shape[2], shape[3], shape[2]])
    corner = torch.stack((pairs.column, pairs.row), 1).to(boxes.dtype)
    chosen = boxes[pairs.target] * scale
    return torch.cat((chosen[:, :2] - corner, chosen[:, 2:]), 1)


def _mask_loss(coefficients: Tensor, prototypes: Tensor, targets: Targets, target: Tensor) -> Tensor:
    """Sum over images of the mean over their pairs; image by image, which bounds the memory."""
    total = prototypes.new_zeros(())
    image = targets.image[target]
    for number in torch.bincount(image).nonzero()[:, 0].tolist():
        mine = image == number
        chosen = target[mine]
        predicted = torch.einsum("mc,chw->mhw", coefficients[mine], prototypes[number])
        wrong = binary_cross_entropy_with_logits(predicted, targets.masks[chosen], reduction="none")
        boxes = targets.boxes[chosen]
        inside = _inside(boxes, (wrong.shape[1], wrong.shape[2]))
        total = total + ((wrong * inside).mean((1, 2)) / boxes[:, 2:].prod(1)).mean()
    return total


def _inside(boxes: Tensor, grid: tuple[int, int]) -> Tensor:
    """(m, h, w) 1 where a pixel of the grid lies in the box."""
    height, width = grid
    scale = boxes.new_tensor([width, height])
    low, high = (boxes[:, :2] - boxes[:, 2:] / 2) * scale, (boxes[:, :2] + boxes[:, 2:] / 2) * scale
    x, y = torch.arange(width, dtype=boxes.dtype), torch.arange(height, dtype=boxes.dtype)
    columns = (x >= low[:, :1]) & (x < high[:, :1])
    rows = (y >= low[:, 1:]) & (y < high[:, 1:])
    return (rows[:, :, None] & columns[:, None, :]).to(boxes.dtype)
