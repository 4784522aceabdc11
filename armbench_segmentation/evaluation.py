"""Evaluate a segmentation model, or a file of its predictions, on a COCO data set.

**Conventions**: `comparison.py` says what is computed and how. Fractions lie in [0, 1], NaN where undefined (null in
`metrics.json`). Every input is checked before the long work, and nothing is written unless all of it has been done.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from armbench_segmentation.coco import CocoFile, read_coco
from armbench_segmentation.comparison import compare
from armbench_segmentation.dataset import load_coco
from armbench_segmentation.detections import Detections, coco_results, read_detections
from armbench_segmentation.inference import Detector, detect
from armbench_segmentation.resize import ResizeMode
from armbench_segmentation.samples import CocoSplit, SetAside
from latent_space.run_folder import replaced_files, write_json


@dataclass(frozen=True)
class EvaluationOptions:
    """How to evaluate; see `evaluate`."""

    confidence: float = 0.35
    tolerance: float | None = None
    resize: ResizeMode | None = None
    nms_iou: float = 0.5
    min_confidence: float = 0.001
    max_detections: int = 100
    image_size: int | None = None
    categories: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        for name in ("confidence", "nms_iou", "min_confidence"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie in [0, 1]; got {getattr(self, name)!r}.")
        if self.tolerance is not None and not 0.5 < self.tolerance <= 1:
            raise ValueError(f"tolerance must lie in (0.5, 1]; got {self.tolerance!r}.")
        if self.max_detections < 1:
            raise ValueError(f"max_detections must be at least 1; got {self.max_detections!r}.")
        if self.image_size is not None and self.image_size < 1:
            raise ValueError(f"image_size must be at least 1; got {self.image_size!r}.")
        if self.resize not in (None, "stretch", "letterbox"):
            raise ValueError(f"resize must be 'stretch' or 'letterbox'; got {self.resize!r}.")


_DEFAULT = EvaluationOptions()


def evaluate(
    annotations: Path | str,
    images: Path | str,
    *,
    predictions: Path | str | None = None,
    model: Path | str | None = None,
    confidence: float = _DEFAULT.confidence,
    tolerance: float | None = _DEFAULT.tolerance,
    resize: ResizeMode | None = _DEFAULT.resize,
    nms_iou: float = _DEFAULT.nms_iou,
    min_confidence: float = _DEFAULT.min_confidence,
    max_detections: int = _DEFAULT.max_detections,
    image_size: int | None = None,
    categories: tuple[str, ...] | None = None,
) -> dict[str, Any]:
    """Compare predictions, or what a model predicts now, with a ground truth.

    Parameters
    ----------
    annotations : Path
        COCO annotation file.
    images : Path
        Folder of its images.
    predictions : Path, optional
        COCO results file with masks. Either this or `model`.
    model : Path, optional
        ONNX file of a YOLO-seg model.
    confidence : float
        From which on a prediction counts for over- and under-segmentation, duplicates and panoptic quality.
    tolerance : float, optional
        T of both segmentation rules; by default .75 (hoover) and .8 (containment).
    resize : {"stretch", "letterbox"}, optional
        How images become model inputs; by default as the model's file says, else stretched.
    nms_iou : float
        Overlap above which the model's detections of one class are one object.
    min_confidence : float
        Of the model's detections that AP and TIDE see.
    max_detections : int
        The most confident of every image and class that are looked at; a warning counts the others. Of every image a
        model gives at most 300, or `max_detections` where that is more, over all classes.
    image_size : int, optional
        Side of the input of a model whose file does not fix it.
    categories : tuple of str, optional
        The annotation file's names in the order of the model's classes; others are left out. By default the model's
        own names, or all in file order.

    Returns
    -------
    dict
        `AP`, `AP50`, `AP75` of masks; `segm` and `bbox`, each with `AP`, `AP50`, `AP75`, `AR` and `per_class`;
        `hoover` and `containment`, each with the objects and images that are `over_segmented`, `under_segmented`,
        `duplicates`; `tide`, per type the `count` and `ap_regained`; `panoptic` with `PQ`, `SQ`, `RQ` and `per_class`;
        counts of what was looked at, options and `set_aside`.

    Raises
    ------
    FileNotFoundError
        If a file or folder is missing.
    ValueError
        If not exactly one of `predictions` and `model` is given, or an input does not make sense.
    """
    options = EvaluationOptions(
        confidence, tolerance, resize, nms_iou, min_confidence, max_detections, image_size, categories
    )
    return _evaluate(_Inputs.check(annotations, images, predictions, model), options)[0]


def evaluate_files(
    annotations: Path | str,
    images: Path | str,
    out: Path | str,
    *,
    predictions: Path | str | None = None,
    model: Path | str | None = None,
    options: EvaluationOptions = _DEFAULT,
) -> dict[str, Any]:
    """Do the same as `evaluate` and write `metrics.json`, and `predictions.json` when a model ran, to the folder `out`.

    Raises
    ------
    FileNotFoundError, ValueError
        As `evaluate`; nothing has been written then.
    """
    results, found = _evaluate(_Inputs.check(annotations, images, predictions, model), options)
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    with replaced_files() as temporary:
        if model is not None:
            write_json(temporary(folder / "predictions.json"), found)
        write_json(temporary(folder / "metrics.json"), results)
    return results


@dataclass(frozen=True)
class _Inputs:
    annotations: Path
    images: Path
    predictions: Path | None
    model: Path | None

    @classmethod
    def check(
        cls, annotations: Path | str, images: Path | str, predictions: Path | str | None, model: Path | str | None
    ) -> "_Inputs":
        """Exactly one of predictions and model, and every file where it should be."""
        if (predictions is None) == (model is None):
            got = "neither" if model is None else "both"
            raise ValueError(f"Exactly one of predictions and model must be given; got {got}.")
        if not Path(annotations).is_file():
            raise FileNotFoundError(f"No annotation file at {annotations}.")
        if not Path(images).is_dir():
            raise FileNotFoundError(f"No image folder at {images}.")
        if predictions is not None and not Path(predictions).is_file():
            raise FileNotFoundError(f"No predictions at {predictions}.")
        paths = (None if path is None else Path(path) for path in (predictions, model))
        return cls(Path(annotations), Path(images), *paths)


def _evaluate(inputs: _Inputs, options: EvaluationOptions) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the results, and the detections as entries of a COCO results file."""
    detector = None if inputs.model is None else _open(inputs.model, options)
    file = read_coco(inputs.annotations)
    names = _names(detector, file, options)
    split = load_coco(inputs.annotations, inputs.images, categories=names)
    found, unreadable = _find(inputs, detector, file, split)
    set_aside = [*split.set_aside, *unreadable]
    samples = tuple(sample for sample in split.samples if sample.sample_id in found)
    if not samples:
        raise ValueError(f"{inputs.images} must have a readable image; the first is not: {set_aside[0].reason}")
    split = CocoSplit(samples, split.categories, tuple(set_aside))
    results = compare(
        split,
        found,
        confidence=options.confidence,
        tolerance=options.tolerance,
        max_detections=options.max_detections,
    )
    results["set_aside"] = [{"sample_id": one.sample_id, "reason": one.reason} for one in set_aside]
    return results, coco_results(found, file, split)


def _find(
    inputs: _Inputs, detector: Detector | None, file: CocoFile, split: CocoSplit
) -> tuple[dict[str, Detections], list[SetAside]]:
    if detector is not None:
        return detect(detector, split.samples, n_classes=len(split.categories))
    assert inputs.predictions is not None
    return read_detections(inputs.predictions, file, split), []


def _open(model: Path, options: EvaluationOptions) -> Detector:
    return Detector.open(
        model,
        image_size=options.image_size,
        resize=options.resize,
        confidence=options.min_confidence,
        nms_iou=options.nms_iou,
        max_detections=max(Detector.max_detections, options.max_detections),
    )


def _names(detector: Detector | None, file: CocoFile, options: EvaluationOptions) -> tuple[str, ...] | None:
    """Category names in the order of the model's classes, or None for all in file order."""
    model_names = detector.names if detector else None
    if options.categories is not None:
        if model_names and len(options.categories) != len(model_names):
            raise ValueError(
                f"categories must name the model's {len(model_names)} classes {', '.join(model_names)};"
                f" got {', '.join(options.categories)}."
            )
        return options.categories
    known = tuple(file.categories.values())
    if model_names is not None and sorted(model_names) != sorted(known):
        raise ValueError(
            f"The model's classes {', '.join(model_names)} must be the categories of {file.origin},"
            f" {', '.join(known)}; name those in the model's order as categories."
        )
    return model_names
