"""The anomaly task as Tensorleap sees it: every function that its platform, or the local engine, calls.

**Conventions**: encoders return one sample without a batch axis; losses and metrics take batches and return one value
per sample, None where undefined; visualizers take a batch of one. Arrays may arrive as float16. The functions here
only translate: the meaning lives in `task`, `dataset`, `metadata`, `metrics` and `visualizers`.
"""

import warnings
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import onnxruntime
from code_loader.contract.datasetclasses import (
    ConfusionMatrixElement,
    PredictionTypeHandler,
    PreprocessResponse,
    SamplePreprocessResponse,
)
from code_loader.contract.enums import (
    ConfusionMatrixValue,
    DatasetMetadataType,
    DataStateType,
    LeapDataType,
    MetricDirection,
)
from code_loader.contract.visualizer_classes import LeapGraph, LeapHorizontalBar, LeapImage
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

from anomaly_detection import metadata, metrics, visualizers
from anomaly_detection.dataset import Sample
from anomaly_detection.series import NORMAL
from anomaly_detection.task import model_file, open_session, open_task

Array = NDArray[Any]
Floats = NDArray[np.float32]
Columns = dict[str, list[float | None]]
_DOWN, _UP = MetricDirection.Downward, MetricDirection.Upward
_KINDS = {float: DatasetMetadataType.float, str: DatasetMetadataType.string}
# Decorators want these when they are applied: the task is opened on import, once per process.
_TASK = open_task()
_FACTS, _DATA, _CHANNELS = _TASK.facts, _TASK.data, _TASK.channel_keys
# A window of one row is one row: code-loader takes its first axis for a batch that was added by mistake.
warnings.filterwarnings("ignore", r"encode_(window|labels) warning: Tensorleap will add a batch dimension")


def _metadata_types(types: metadata.Types) -> dict[str, DatasetMetadataType]:
    return {key: _KINDS[kind] for key, kind in types.items()}


@tensorleap_preprocess()
def preprocess() -> list[PreprocessResponse]:
    """List the samples of every split; their ids say machine and time."""
    return [
        PreprocessResponse(
            sample_ids=[sample.sample_id for sample in samples],
            data=split,
            state=DataStateType[split],
            sample_id_type=str,
        )
        for split, samples in _DATA.splits.items()
    ]


def _sample(sample_id: Any) -> Sample:
    return _TASK.samples[str(sample_id)]


@tensorleap_input_encoder("window", channel_dim=-1)
def encode_window(sample_id: str, _preprocess: PreprocessResponse) -> Floats:
    """Give the rows up to the one that is scored, (window_size, n_channels) in raw units."""
    return _sample(sample_id).window(_FACTS.window_size)


@tensorleap_gt_encoder("labels")
def encode_labels(sample_id: str, responses: PreprocessResponse) -> Floats:
    """Give the labels of these rows, (window_size,) of 0 and 1; see `AnomalyTask.truth` for samples without labels."""
    return _TASK.labels(_sample(sample_id), str(responses.data))


@tensorleap_gt_encoder("anomaly_type")
def encode_anomaly_type(sample_id: str, responses: PreprocessResponse) -> Floats:
    """Give what the newest row is, one-hot over normal and the types."""
    return _TASK.truth(_sample(sample_id), str(responses.data))


@tensorleap_metadata("window", metadata_type=_metadata_types(metadata.WINDOW_TYPES))
def describe_window(sample_id: str, _preprocess: PreprocessResponse) -> metadata.Metadata:
    """Say whose rows these are, when the newest was measured, and in which mode."""
    sample = _sample(sample_id)
    return metadata.window_metadata(sample.series, sample.rows(_TASK.context))


@tensorleap_metadata("channel", metadata_type=_metadata_types(metadata.channel_types(_CHANNELS)))
def describe_channels(sample_id: str, _preprocess: PreprocessResponse) -> metadata.Metadata:
    """Say how every channel went: mean, spread, slope, strongest frequency."""
    sample = _sample(sample_id)
    values = sample.series.values[sample.rows(_TASK.context)]
    return metadata.channel_metadata(values, _CHANNELS, step_s=_DATA.step_s)


@tensorleap_metadata("label", metadata_type=_metadata_types(metadata.LABEL_TYPES))
def describe_labels(sample_id: str, _preprocess: PreprocessResponse) -> metadata.Metadata:
    """Say what is known to be wrong."""
    sample = _sample(sample_id)
    labels = sample.series.labels
    return metadata.label_metadata(sample.anomaly_type, None if labels is None else labels[sample.rows(_TASK.context)])


@tensorleap_load_model(
    [PredictionTypeHandler(name, labels, channel_dim=-1) for name, labels in _TASK.output_labels.items()]
)
def load_model() -> onnxruntime.InferenceSession:
    """Open the ONNX file that `settings.yaml` or ARMSCOPE_MODEL names."""
    return open_session(model_file(_TASK.config))


def _columns(columns: metrics.Columns) -> Columns:
    """One list per key, with None where a value is undefined: the platform knows no NaN."""
    return {key: [None if np.isnan(value) else float(value) for value in values] for key, values in columns.items()}


@tensorleap_custom_loss(f"{_FACTS.kind}_error")
def prediction_error(residual: Array) -> Floats:
    """Give the mean squared scaled residual of the newest row, (B,)."""
    return metrics.error_columns(residual, ())[metrics.ERROR].astype(np.float32)


@tensorleap_custom_metric(
    "errors", direction=dict.fromkeys([metrics.ERROR, *(f"{metrics.ERROR}_{key}" for key in _CHANNELS)], _DOWN)
)
def measure_errors(residual: Array) -> Columns:
    """Give the squared scaled residual of the newest row, in total and per channel."""
    return _columns(metrics.error_columns(residual, _CHANNELS))


@tensorleap_custom_metric(
    "scores",
    direction=dict.fromkeys([metrics.SCORE, metrics.MARGIN, metrics.IS_ANOMALY], _DOWN),
    compute_insights=dict.fromkeys([metrics.SCORE, metrics.MARGIN, metrics.IS_ANOMALY], False),
)
def judge(score: Array) -> Columns:
    """Give the score, its margin to the threshold, and the verdict."""
    return _columns(metrics.score_columns(score, _FACTS.threshold))


@tensorleap_custom_metric(
    "detection",
    direction={
        metrics.CORRECT: _UP,
        metrics.DETECTED: _UP,
        metrics.FALSE_ALARM: _DOWN,
        metrics.LATE_ALARM: _DOWN,
        **{f"{metrics.DETECTED}_{key}": _UP for key in _TASK.type_keys},
    },
)
def compare_with_labels(score: Array, labels: Array, anomaly_type: Array) -> Columns:
    """Say whether the flags are right, whether anomalies were found, by type, and whether normal rows were flagged."""
    return _columns(metrics.detection_columns(score, labels, anomaly_type, _FACTS.threshold, _TASK.type_keys))


@tensorleap_custom_metric("confusion_matrix", direction=_DOWN, compute_insights=False)
def confusion_matrix(score: Array, anomaly_type: Array) -> list[list[ConfusionMatrixElement]]:
    """Say what every row is, and how probable the detector finds an anomaly there."""
    if _FACTS.threshold is None or not anomaly_type.shape[-1]:
        return [[] for _ in range(len(score))]
    names = (NORMAL, *_DATA.types)
    probabilities = metrics.anomaly_probability(score, _FACTS.threshold)
    return [
        [
            ConfusionMatrixElement(
                label=names[int(np.argmax(truth))],
                expected_outcome=ConfusionMatrixValue.Positive if truth[0] < 0.5 else ConfusionMatrixValue.Negative,
                predicted_probability=float(probability),
            )
        ]
        if np.isfinite(truth).all()
        else []
        for truth, probability in zip(anomaly_type, probabilities, strict=True)
    ]


@lru_cache(maxsize=2)
def _course(sample_id: str) -> visualizers.Course:
    sample = _sample(sample_id)
    rows, labels = sample.rows(_TASK.context), sample.series.labels
    scaled = (sample.series.values[rows] - _DATA.center) / _DATA.scale
    return visualizers.Course(scaled, None if labels is None else labels[rows], _DATA.channels)


def _course_of(samples: SamplePreprocessResponse, residual: Array | None = None) -> visualizers.Course:
    course = _course(str(np.ravel(samples.sample_ids)[0]))
    return course if residual is None else replace(course, errors=_errors(residual))


def _errors(residual: Array) -> list[float]:
    """Give the error of each channel of a single sample."""
    errors = metrics.error_columns(residual.reshape(1, -1), _CHANNELS)
    return [float(errors[f"{metrics.ERROR}_{key}"][0]) for key in _CHANNELS]


def _expected(course: visualizers.Course, prediction: Array) -> tuple[Array, int]:
    """Scale what the detector expected; returns it with the row of the course that its first is about."""
    values = (np.asarray(prediction, np.float64).reshape(-1, len(_DATA.channels)) - _DATA.center) / _DATA.scale
    first = len(course.scaled) - len(values) + (_FACTS.kind == "forecast")
    return values[max(0, -first) :], max(0, first)


@tensorleap_custom_visualizer("sensors", LeapDataType.Image)
def show_sensors(window: Array, residual: Array, samples: SamplePreprocessResponse) -> LeapImage:
    """Draw the channels up to the scored row, red where labelled anomalous."""
    return visualizers.show_picture(visualizers.draw_course(_course_of(samples, residual)))


@tensorleap_custom_visualizer(f"sensors_and_{_FACTS.kind}", LeapDataType.Image)
def show_prediction(window: Array, prediction: Array, residual: Array, samples: SamplePreprocessResponse) -> LeapImage:
    """Draw over them what the detector made of them."""
    course = _course_of(samples, residual)
    return visualizers.show_picture(visualizers.draw_prediction(course, *_expected(course, prediction)))


@tensorleap_custom_visualizer("error_per_channel", LeapDataType.HorizontalBar)
def show_errors(residual: Array) -> LeapHorizontalBar:
    """Show which channel makes up the error."""
    return visualizers.show_bars(_errors(residual), _DATA.channels)


@tensorleap_custom_visualizer("scores", LeapDataType.Graph)
def show_scores(score: Array, prediction: Array, samples: SamplePreprocessResponse) -> LeapGraph:
    """Show the scores of the rows up to the newest, and the threshold.

    Where the model's file is not at hand, as on the platform, those before the newest are estimated.
    """
    scores = _TASK.row_scores(_sample(np.ravel(samples.sample_ids)[0]))
    if scores is None:
        course, newest = _course_of(samples), float(metrics.read_scores(np.ravel(score)[:1])[0])
        scores = visualizers.row_scores(course, *_expected(course, prediction), newest)
    return visualizers.show_scores(scores, _FACTS.threshold, step_s=_DATA.step_s)


@tensorleap_integration_test()
def integration_test(sample_id: str, responses: PreprocessResponse) -> None:
    """Wire every function to the sample's arrays and the model's outputs."""
    window = encode_window(sample_id, responses)
    labels, anomaly_type = encode_labels(sample_id, responses), encode_anomaly_type(sample_id, responses)
    describe_window(sample_id, responses)
    describe_channels(sample_id, responses)
    describe_labels(sample_id, responses)
    model = load_model()
    outputs = model.run(None, {model.get_inputs()[0].name: window})
    score, prediction, residual = outputs[0], outputs[1], outputs[3]
    samples = SamplePreprocessResponse(np.array([sample_id]), responses)
    prediction_error(residual)
    measure_errors(residual)
    judge(score)
    compare_with_labels(score, labels, anomaly_type)
    confusion_matrix(score, anomaly_type)
    show_sensors(window, residual, samples)
    show_prediction(window, prediction, residual, samples)
    show_errors(residual)
    show_scores(score, prediction, samples)
