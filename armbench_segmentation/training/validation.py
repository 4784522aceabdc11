"""How good a network in training is on images it does not learn from: COCO's mask average precision.

**Conventions**: masks are compared on the prototype grid, a quarter of the input, where both ground truth and
predictions are born; `evaluate` compares at the size of the originals. Average precision is in [0, 1], higher is
better, and None where the images hold no objects. Crowd regions are no part of the ground truth here.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from armbench_segmentation.average_precision import Truth, average_precision
from armbench_segmentation.decode import decode_predictions
from armbench_segmentation.detections import Detections
from armbench_segmentation.instances import Instances
from armbench_segmentation.training.examples import Example, collate
from armbench_segmentation.training.network import ExportForm, YoloSeg

_CONFIDENCE, _IOU, _MAX_DETECTIONS = 0.001, 0.6, 100
_BATCH_SIZE = 16


@dataclass(frozen=True)
class MaskPrecision:
    """Average precision of masks.

    Attributes
    ----------
    map50 : float or None
        At IoU .50.
    map50_95 : float or None
        Mean over IoU .50, .55, ..., .95.
    """

    map50: float | None
    map50_95: float | None

    @property
    def fitness(self) -> float:
        """What early stopping watches: a tenth of `map50` and nine tenths of `map50_95`, as in YOLOv5."""
        return 0.1 * (self.map50 or 0.0) + 0.9 * (self.map50_95 or 0.0)


def validate(network: YoloSeg, examples: Iterable[Example], *, image_size: int) -> MaskPrecision:
    """Run the network over the examples and compare its masks with theirs; training mode is restored."""
    was_training = network.training
    form = ExportForm(network, image_size).eval()
    truth: list[Instances] = []
    found: list[Instances] = []
    try:
        for chunk in _chunks(examples):
            truth += [example.instances for example in chunk]
            with torch.no_grad():
                outputs = [output.numpy() for output in form(collate(chunk).images)]
            found += decode_predictions(
                outputs,
                n_classes=network.n_classes,
                image_size=image_size,
                confidence=_CONFIDENCE,
                iou=_IOU,
                max_detections=_MAX_DETECTIONS,
            )
    finally:
        network.train(was_training)
    return mask_precision(truth, found, n_classes=network.n_classes)


def mask_precision(truth: Sequence[Instances], found: Sequence[Instances], *, n_classes: int) -> MaskPrecision:
    """Average precision over images.

    Parameters
    ----------
    truth, found : sequences of Instances
        One per image, on one grid.
    n_classes : int

    Examples
    --------
    >>> square = np.zeros((1, 8, 8), np.bool_)
    >>> square[0, :4, :4] = True
    >>> one = Instances(np.array([[0, 0, 16, 16.0]]), np.ones(1), np.zeros(1, np.int64), square)
    >>> round(mask_precision([one], [one], n_classes=1).map50, 6)
    1.0
    """
    if not any(len(objects) for objects in truth):
        return MaskPrecision(None, None)
    detections = [_detections(objects) for objects in found]
    ground = [
        Truth(objects.masks.shape[1:], one.runs, one.boxes_xywh, one.class_ids, np.zeros(len(one), np.bool_))
        for objects, one in zip(truth, map(_detections, truth), strict=True)
    ]
    names = [str(number) for number in range(n_classes)]
    scores = average_precision(ground, detections, names, max_detections=_MAX_DETECTIONS)["segm"]
    return MaskPrecision(scores["AP50"], scores["AP"])


def _detections(objects: Instances) -> Detections:
    from pycocotools import mask as coco_mask

    runs = coco_mask.encode(np.asfortranarray(objects.masks.transpose(1, 2, 0).astype(np.uint8)))
    corners = objects.boxes_xyxy.astype(np.float64)
    boxes = np.concatenate([corners[:, :2], corners[:, 2:] - corners[:, :2]], 1)
    return Detections(runs, boxes, objects.class_ids, objects.confidence.astype(np.float64))


def _chunks(examples: Iterable[Example]) -> Iterator[list[Example]]:
    chunk: list[Example] = []
    for example in examples:
        chunk.append(example)
        if len(chunk) == _BATCH_SIZE:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
