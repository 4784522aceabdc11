"""The segmentation task as Tensorleap sees it: every function that its platform, or the local engine, calls.

**Conventions**: encoders return one sample without a batch axis; losses and metrics take batches and return one value
per sample, None where undefined; visualizers take a batch of one. Arrays may arrive as float16. The functions here
only translate: the meaning lives in `task`, `matching`, `metrics`, `metadata` and `visualizers`.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import onnxruntime
from code_loader.contract.datasetclasses import ConfusionMatrixElement, PredictionTypeHandler, PreprocessResponse
from code_loader.contract.enums import (
    ConfusionMatrixValue,
    DatasetMetadataType,
    DataStateType,
    LeapDataType,
    MetricDirection,
)
from code_loader.contract.visualizer_classes import LeapImage, LeapImageMask, LeapImageWithBBox
from code_loader.inner_leap_binder.leapbinder_decorators import (
    tensorleap_custom_loss,
    tensorleap_custom_metric,
    tensorleap_custom_visualizer,
    tensorleap_gt_encoder,
    tensorleap_input_encoder,
    tensorleap_integration_test,
    tensorleap_load_model,
    tensorleap_metadata,
    tensorleap_preprocess,
)
from numpy.typing import NDArray

from armbench_segmentation import metadata, visualizers
from armbench_segmentation.heads import head_kind
from armbench_segmentation.instances import Instances
from armbench_segmentation.losses import LOSSES
from armbench_segmentation.matching import Matching, match_instances
from armbench_segmentation.metrics import (
    DIRECTIONS,
    PREDICTION_DIRECTIONS,
    confusion_pairs,
    prediction_metrics,
    segmentation_metrics,
)
from armbench_segmentation.model import open_session
from armbench_segmentation.object_rows import object_rows, predicted_outlines
from armbench_segmentation.targets import from_arrays, to_arrays
from armbench_segmentation.task import open_task

Array = NDArray[Any]
Floats = NDArray[np.float32]
Columns = dict[str, list[float | None]]
_BETTER = {"upward": MetricDirection.Upward, "downward": MetricDirection.Downward}
_KINDS = {
    bool: DatasetMetadataType.boolean,
    float: DatasetMetadataType.float,
    int: DatasetMetadataType.int,
    str: DatasetMetadataType.string,
}
# Decorators want these when they are applied: the task is opened on import, once per process.
_CATEGORIES = open_task().data.categories
_CONDITIONS = metadata.condition_types(open_task().samples.values())
_HEAD = open_task().config.head
_DETECTION_LABELS, _PROTOTYPE_LABELS = open_task().output_labels


def _metadata_types(types: metadata.Types) -> dict[str, DatasetMetadataType]:
    return {key: _KINDS[kind] for key, kind in types.items()}


@tensorleap_preprocess()
def preprocess() -> list[PreprocessResponse]:
    """List the samples of every split; their ids come from the data."""
    return [
        PreprocessResponse(
            sample_ids=[sample.sample_id for sample in split.samples],
            data=name,
            state=DataStateType[name],
            sample_id_type=str,
        )
        for name, split in open_task().data.splits.items()
    ]


# Encoders and metadata of one sample run one after the other: what they share is read once.
@lru_cache(maxsize=2)
def _pixels(sample_id: str) -> NDArray[np.uint8]:
    return open_task().image(open_task().samples[sample_id])


@lru_cache(maxsize=2)
def _ground_truth(sample_id: str) -> Instances:
    return open_task().ground_truth(open_task().samples[sample_id])


@lru_cache(maxsize=2)
def _targets(sample_id: str) -> tuple[Floats, Floats]:
    task = open_task()
    if not task.samples[sample_id].is_labeled:
        return np.array([], np.float32), np.array([], np.float32)
    arrays = to_arrays(_ground_truth(sample_id), input_size=task.input_size, max_instances=task.data.max_instances)
    for array in arrays:
        array.flags.writeable = False  # both encoders hand out what is kept here
    return arrays


@tensorleap_input_encoder("image", channel_dim=1)
def encode_image(sample_id: str, _preprocess: PreprocessResponse) -> Floats:
    """Give the picture at the model's size, (3, height, width) RGB in 0..1."""
    return np.ascontiguousarray(_pixels(sample_id).transpose(2, 0, 1), np.float32) / np.float32(255)


@tensorleap_gt_encoder("boxes")
def encode_boxes(sample_id: str, _preprocess: PreprocessResponse) -> Floats:
    """Give boxes and classes, (max_instances, 5); see `targets`."""
    return _targets(sample_id)[0]


@tensorleap_gt_encoder("masks")
def encode_masks(sample_id: str, _preprocess: PreprocessResponse) -> Floats:
    """Give masks on the prototype grid, (max_instances, h, w); see `targets`."""
    return _targets(sample_id)[1]


@tensorleap_metadata("image", metadata_type=_metadata_types(metadata.image_types(_CONDITIONS)))
def describe_image(sample_id: str, _preprocess: PreprocessResponse) -> metadata.Metadata:
    """Say what the picture shows without knowing its objects."""
    sample = open_task().samples[sample_id]
    return metadata.image_metadata(sample, _pixels(sample_id), open_task().resize(sample), conditions=_CONDITIONS)


@tensorleap_metadata("objects", metadata_type=_metadata_types(metadata.object_types(_CATEGORIES)))
def describe_objects(sample_id: str, _preprocess: PreprocessResponse) -> metadata.Metadata:
    """Say how many objects are annotated, how large, how bright and how crowded."""
    task, sample = open_task(), open_task().samples[sample_id]
    return metadata.object_metadata(
        sample,
        _ground_truth(sample_id),
        _pixels(sample_id),
        task.resize(sample),
        categories=_CATEGORIES,
        small_area=task.config.small_area,
    )


@tensorleap_load_model(
    [
        PredictionTypeHandler("detections", _DETECTION_LABELS, channel_dim=1 if _HEAD == "yolov8" else -1),
        PredictionTypeHandler("prototypes", _PROTOTYPE_LABELS, channel_dim=1),
    ]
)
def load_model() -> onnxruntime.InferenceSession:
    """Open the ONNX file that `settings.yaml` or ARMSCOPE_MODEL names."""
    return open_session(open_task().config.model)


def _instances(boxes: Array, masks: Array) -> list[Instances]:
    size = open_task().input_size
    return [from_arrays(row, mask, input_size=size) for row, mask in zip(boxes, masks, strict=True)]


def _compare(gt: Instances, pred: Instances) -> Matching:
    config = open_task().config
    return match_instances(gt, pred, rule=config.segmentation_rule, tolerance=config.tolerance)


def _columns(rows: Sequence[dict[str, float]]) -> Columns:
    """One list per key, with None where a value is undefined: the platform knows no NaN."""
    return {key: [None if np.isnan(row[key]) else float(row[key]) for row in rows] for key in rows[0]}


@tensorleap_custom_loss("segmentation_loss")
def segmentation_loss(detections: Array, prototypes: Array, boxes: Array, masks: Array) -> Floats:
    """Add up the components of the training loss, (B,)."""
    components = open_task().losses([detections, prototypes], boxes, masks)
    has_objectness = head_kind([detections, prototypes], open_task().n_classes) == "yolov5"
    # Heads without objectness have NaN there; NaN elsewhere means a broken output and must stay visible.
    return np.asarray(sum(components[name] for name in LOSSES if name != "objectness" or has_objectness), np.float32)


@tensorleap_custom_metric("losses", direction={f"{name}_loss": MetricDirection.Downward for name in LOSSES})
def loss_components(detections: Array, prototypes: Array, boxes: Array, masks: Array) -> Columns:
    """Give the components of the training loss one by one."""
    components = open_task().losses([detections, prototypes], boxes, masks)
    return {f"{name}_loss": [None if np.isnan(v) else float(v) for v in values] for name, values in components.items()}


@tensorleap_custom_metric("segmentation", direction={key: _BETTER[way] for key, way in DIRECTIONS.items()})
def compare_objects(detections: Array, prototypes: Array, boxes: Array, masks: Array) -> Columns:
    """Measure over- and under-segmentation, detection, panoptic quality and error types."""
    task = open_task()
    pairs = zip(_instances(boxes, masks), task.decode([detections, prototypes]), strict=True)
    small_area = task.config.small_area
    return _columns([segmentation_metrics(gt, pred, _compare(gt, pred), small_area=small_area) for gt, pred in pairs])


@tensorleap_custom_metric(
    "predictions",
    direction={key: _BETTER[way] for key, way in PREDICTION_DIRECTIONS.items()},
    compute_insights=dict.fromkeys(PREDICTION_DIRECTIONS, False),
)
def describe_predictions(detections: Array, prototypes: Array) -> Columns:
    """Measure what needs no ground truth, so that unlabelled samples have it too."""
    return _columns([prediction_metrics(found) for found in open_task().decode([detections, prototypes])])


@tensorleap_custom_metric("confusion_matrix", direction=MetricDirection.Downward, compute_insights=False)
def confusion_matrix(
    detections: Array, prototypes: Array, boxes: Array, masks: Array
) -> list[list[ConfusionMatrixElement]]:
    """List what every object was taken for, and what was seen where there is none."""
    task = open_task()
    names, found = [*_CATEGORIES, "background"], task.decode([detections, prototypes])
    return [
        [
            ConfusionMatrixElement(
                label=names[pair.class_id],
                expected_outcome=ConfusionMatrixValue.Positive if pair.is_positive else ConfusionMatrixValue.Negative,
                predicted_probability=pair.probability,
            )
            for pair in confusion_pairs(gt, pred, iou=task.config.confusion_iou, n_classes=task.n_classes)
        ]
        for gt, pred in zip(_instances(boxes, masks), found, strict=True)
    ]


@tensorleap_custom_visualizer("image", LeapDataType.Image)
def show_image(image: Array) -> LeapImage:
    """Show the picture."""
    return visualizers.show_image(image)


@tensorleap_custom_visualizer("true_boxes", LeapDataType.ImageWithBBox)
def show_true_boxes(image: Array, boxes: Array, masks: Array) -> LeapImageWithBBox:
    """Show the annotated boxes."""
    return visualizers.show_boxes(image, _instances(boxes, masks)[0], _CATEGORIES)


@tensorleap_custom_visualizer("predicted_boxes", LeapDataType.ImageWithBBox)
def show_predicted_boxes(image: Array, detections: Array, prototypes: Array) -> LeapImageWithBBox:
    """Show the boxes found."""
    return visualizers.show_boxes(image, open_task().decode([detections, prototypes])[0], _CATEGORIES)


@tensorleap_custom_visualizer("true_masks", LeapDataType.ImageMask)
def show_true_masks(image: Array, boxes: Array, masks: Array) -> LeapImageMask:
    """Show the annotated masks."""
    return visualizers.show_masks(image, _instances(boxes, masks)[0], _CATEGORIES)


@tensorleap_custom_visualizer("predicted_masks", LeapDataType.ImageMask)
def show_predicted_masks(image: Array, detections: Array, prototypes: Array) -> LeapImageMask:
    """Show the masks found."""
    return visualizers.show_masks(image, open_task().decode([detections, prototypes])[0], _CATEGORIES)


@tensorleap_custom_visualizer("over_segmentation", LeapDataType.Image)
def show_over_segmentation(image: Array, detections: Array, prototypes: Array, boxes: Array, masks: Array) -> LeapImage:
    """Show the objects that the model cut into several."""
    gt, pred = _instances(boxes, masks)[0], open_task().decode([detections, prototypes])[0]
    return visualizers.show_over_segmentation(image, gt, pred, _compare(gt, pred), _CATEGORIES)


@tensorleap_custom_visualizer("under_segmentation", LeapDataType.Image)
def show_under_segmentation(
    image: Array, detections: Array, prototypes: Array, boxes: Array, masks: Array
) -> LeapImage:
    """Show the detections that swallowed several objects."""
    gt, pred = _instances(boxes, masks)[0], open_task().decode([detections, prototypes])[0]
    return visualizers.show_under_segmentation(image, gt, pred, _compare(gt, pred), _CATEGORIES)


@tensorleap_integration_test()
def integration_test(sample_id: str, responses: PreprocessResponse) -> None:
    """Wire every function to the sample's arrays and the model's outputs."""
    picture = encode_image(sample_id, responses)
    boxes, masks = encode_boxes(sample_id, responses), encode_masks(sample_id, responses)
    describe_image(sample_id, responses)
    describe_objects(sample_id, responses)
    model = load_model()
    outputs = model.run(None, {model.get_inputs()[0].name: picture})
    detections, prototypes = outputs[0], outputs[1]
    segmentation_loss(detections, prototypes, boxes, masks)
    loss_components(detections, prototypes, boxes, masks)
    compare_objects(detections, prototypes, boxes, masks)
    describe_predictions(detections, prototypes)
    confusion_matrix(detections, prototypes, boxes, masks)
    show_image(picture)
    show_true_boxes(picture, boxes, masks)
    show_predicted_boxes(picture, detections, prototypes)
    show_true_masks(picture, boxes, masks)
    show_predicted_masks(picture, detections, prototypes)
    show_over_segmentation(picture, detections, prototypes, boxes, masks)
    show_under_segmentation(picture, detections, prototypes, boxes, masks)


def describe_instances(
    sample_id: str, inputs: dict[str, Array], gt: dict[str, Array], predictions: Sequence[Array]
) -> list[dict[str, Any]]:
    """Describe every annotated and every found object in a row, for the local engine.

    Parameters
    ----------
    sample_id : str
        Says how large the picture was.
    inputs, gt : dict
        The encoders' arrays without a batch axis; `gt` is empty for an unlabelled sample.
    predictions : sequence of arrays
        The model's outputs without a batch axis.

    Returns
    -------
    list of dict
        See `object_rows`; ``verdict`` is None where there is no ground truth to judge by.
    """
    task, outputs = open_task(), [output[None] for output in predictions]
    fit = task.resize(task.samples[sample_id])
    pred, outlines = task.decode(outputs)[0], predicted_outlines(task, outputs)
    if not gt:
        return object_rows("pred", pred, [None] * len(pred), fit=fit, categories=_CATEGORIES, outlines=outlines)
    true = _instances(gt["boxes"][None], gt["masks"][None])[0]
    matching = _compare(true, pred)
    verdicts = matching.pred_verdicts.tolist()
    found = object_rows("pred", pred, verdicts, fit=fit, categories=_CATEGORIES, outlines=outlines)
    return object_rows("gt", true, matching.gt_verdicts.tolist(), fit=fit, categories=_CATEGORIES) + found
