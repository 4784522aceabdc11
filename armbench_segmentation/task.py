"""The segmentation task put together: settings, data and what the model says of itself, opened once per process.

**Conventions**: the model's own input size, head, anchors, resizing and class names win over the settings, because a
model works with no others; on the platform, where the binder has no model file, the settings decide. Sizes are
(height, width).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache, cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from armbench_segmentation.config import SegmentationConfig, load_config
from armbench_segmentation.dataset import SegmentationData, load_data, read_sample
from armbench_segmentation.decode import decode_predictions
from armbench_segmentation.heads import PROTOTYPE_STRIDE, HeadKind, head_kind
from armbench_segmentation.instances import Instances
from armbench_segmentation.losses import segmentation_losses
from armbench_segmentation.masks import gt_instances
from armbench_segmentation.model import ModelFacts, open_session, output_shapes, read_facts
from armbench_segmentation.resize import Resize
from armbench_segmentation.samples import Sample

N_COEFFICIENTS = 32


@dataclass(frozen=True)
class SegmentationTask:
    """Settings, data and model facts that agree with each other.

    Attributes
    ----------
    config : SegmentationConfig
        With the model's head, anchors and resizing where it names them.
    data : SegmentationData
        Categories in the model's order.
    input_size : (height, width)
        Of the model input, pixels.
    """

    config: SegmentationConfig
    data: SegmentationData
    input_size: tuple[int, int]

    @cached_property
    def samples(self) -> dict[str, Sample]:
        """Every sample of every split by its id."""
        return {sample.sample_id: sample for split in self.data.splits.values() for sample in split.samples}

    @property
    def mask_size(self) -> tuple[int, int]:
        """(height, width) of the prototype grid."""
        return self.input_size[0] // PROTOTYPE_STRIDE, self.input_size[1] // PROTOTYPE_STRIDE

    @property
    def n_classes(self) -> int:
        """Number of categories."""
        return len(self.data.categories)

    @property
    def output_labels(self) -> tuple[list[str], list[str]]:
        """Names of the values of one detection in the head's order, and of the prototypes."""
        values: dict[HeadKind, list[str]] = {
            "yolov5": ["x", "y", "w", "h", "objectness", *self.data.categories],
            "yolov8": ["x", "y", "w", "h", *self.data.categories],
            "end_to_end": ["x1", "y1", "x2", "y2", "confidence", "class"],
        }
        coefficients = [f"mask_coefficient_{k}" for k in range(N_COEFFICIENTS)]
        return [*values[self.config.head], *coefficients], [f"mask_{k}" for k in range(N_COEFFICIENTS)]

    def resize(self, sample: Sample) -> Resize:
        """Plan how `sample` maps to the model input."""
        return Resize.plan(sample.size, self.input_size, self.config.resize)

    def image(self, sample: Sample) -> NDArray[np.uint8]:
        """Read the picture as the model sees it, (height, width, 3) uint8 RGB."""
        fit = self.resize(sample)
        return fit.apply(read_sample(sample, at_least=fit.inner_size))

    def ground_truth(self, sample: Sample) -> Instances:
        """Draw the annotated objects of `sample`."""
        return gt_instances(sample, self.resize(sample), self.mask_size)

    def decode(
        self, outputs: Sequence[NDArray[Any]], *, stretched_to: tuple[int, int] | None = None
    ) -> list[Instances]:
        """Find the objects in every sample of a batch, on the prototype grid or in the input stretched to a size."""
        return decode_predictions(
            outputs,
            n_classes=self.n_classes,
            image_size=self.input_size,
            original_sizes=None if stretched_to is None else [stretched_to] * len(outputs[0]),
            confidence=self.config.confidence,
            iou=self.config.nms_iou,
            max_detections=self.config.max_detections,
        )

    def losses(
        self, outputs: Sequence[NDArray[Any]], gt_boxes: NDArray[Any], gt_masks: NDArray[Any]
    ) -> dict[str, NDArray[np.float32]]:
        """Compute the components of the loss for every sample of a batch; see `segmentation_losses`."""
        return segmentation_losses(
            outputs,
            gt_boxes,
            gt_masks,
            n_classes=self.n_classes,
            image_size=self.input_size,
            anchors=self.config.anchors,
            strides=self.config.strides,
        )


@cache
def open_task() -> SegmentationTask:
    """Open the task that `settings.yaml` and the environment describe.

    Raises
    ------
    FileNotFoundError, ValueError
        If settings, data or model are missing or do not agree; the message says which.
    """
    config = load_config()
    if not config.model.is_file():
        return SegmentationTask(config, load_data(config), (config.image_size, config.image_size))
    session = open_session(config.model)
    facts = read_facts(session)
    size = facts.image_size or (config.image_size, config.image_size)
    data = _load_in_model_order(config, facts)
    head = head_kind(output_shapes(session, size), len(data.categories))
    config = replace(config, anchors=facts.anchors or config.anchors, head=head, resize=facts.resize or config.resize)
    return SegmentationTask(config, data, size)


def _load_in_model_order(config: SegmentationConfig, facts: ModelFacts) -> SegmentationData:
    data = load_data(config)
    names = facts.names
    if names is None or names == data.categories or (config.categories and len(names) == len(config.categories)):
        return data
    if config.categories is None and sorted(names) == sorted(data.categories):
        return load_data(replace(config, categories=names))
    raise ValueError(
        f"The model's classes {', '.join(names)} must be the data's categories {', '.join(data.categories)};"
        " name those to use, in the model's order, under segmentation.categories in settings.yaml."
    )
