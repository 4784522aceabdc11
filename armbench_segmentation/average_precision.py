"""COCO's average precision of masks and boxes, by faster-coco-eval where it is installed, else by pycocotools.

**Conventions**: fractions in [0, 1], NaN for a class without ground truth (it does not enter the mean). Boxes of the
ground truth are the hulls of the outlines, whatever `bbox` the annotation file holds. Crowd regions excuse predictions,
as in COCO. Both packages give the same numbers; faster-coco-eval takes about a third of the time.
"""

import contextlib
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from armbench_segmentation.detections import Detections, Runs


@dataclass(frozen=True)
class Truth:
    """The ground truth of one image.

    Attributes
    ----------
    size : (height, width)
        Pixels of the original.
    runs : list of n dict
        Compressed run-length encodings.
    boxes_xywh : (n, 4) float64
    class_ids : (n,) int64
    is_crowd : (n,) bool
    """

    size: tuple[int, int]
    runs: list[Runs]
    boxes_xywh: NDArray[np.float64]
    class_ids: NDArray[np.int64]
    is_crowd: NDArray[np.bool_]


def average_precision(
    truth: Sequence[Truth], found: Sequence[Detections], categories: Sequence[str], *, max_detections: int = 100
) -> dict[str, dict[str, Any]]:
    """Average precision of a data set, for masks and for boxes.

    Parameters
    ----------
    truth, found : sequences
        One of each per image.
    categories : sequence of str
        Names in the order of the class ids.
    max_detections : int
        Per image and class.

    Returns
    -------
    dict
        "segm" and "bbox", each with AP (mean over IoU .50:.05:.95), AP50, AP75, AR and `per_class`: a dict of AP, AP50,
        AP75 for every name.
    """
    classes = [{"id": index + 1, "name": name} for index, name in enumerate(categories)]
    images = [{"id": i, "height": one.size[0], "width": one.size[1]} for i, one in enumerate(truth)]
    dataset = {"info": {}, "images": images, "categories": classes, "annotations": _annotations(truth)}
    results = _results(found)
    return {kind: _scores(kind, dataset, results, categories, max_detections) for kind in ("segm", "bbox")}


def _scores(
    kind: str, dataset: Mapping[str, Any], results: list[dict[str, Any]], categories: Sequence[str], limit: int
) -> dict[str, Any]:
    coco_class, eval_class = _evaluators()
    # Both packages report their progress on standard output.
    with contextlib.redirect_stdout(io.StringIO()):
        truth, found = coco_class(), coco_class()
        for side, annotations in ((truth, dataset["annotations"]), (found, results)):
            side.dataset = {**dataset, "annotations": annotations}
            side.createIndex()
        run = eval_class(truth, found, kind)
        run.params.areaRng, run.params.areaRngLbl, run.params.maxDets = [[0, 1e10]], ["all"], [limit]
        run.evaluate()
        run.accumulate()
    precision = np.asarray(run.eval["precision"], np.float64)[:, :, :, 0, -1]
    recall = np.asarray(run.eval["recall"], np.float64)[:, :, 0, -1]
    per_class = {name: _summary(precision[:, :, [k]]) for k, name in enumerate(categories)}
    return {**_summary(precision), "AR": _mean(recall), "per_class": per_class}


def _evaluators() -> tuple[Any, Any]:
    try:
        from faster_coco_eval import COCO, COCOeval_faster
    except ImportError:
        from pycocotools.coco import COCO
        from pycocotools.cocoeval import COCOeval

        return COCO, COCOeval
    return COCO, COCOeval_faster


def _annotations(truth: Sequence[Truth]) -> list[dict[str, Any]]:
    rows = [
        (image, runs, box, class_id, crowd)
        for image, one in enumerate(truth)
        for runs, box, class_id, crowd in zip(
            one.runs, one.boxes_xywh.tolist(), one.class_ids.tolist(), one.is_crowd.tolist(), strict=True
        )
    ]
    return [
        {**_entry(number, *row[:4]), "iscrowd": int(row[4]), "ignore": int(row[4])}
        for number, row in enumerate(rows, start=1)
    ]


def _results(found: Sequence[Detections]) -> list[dict[str, Any]]:
    rows = [
        (image, runs, box, class_id, score)
        for image, one in enumerate(found)
        for runs, box, class_id, score in zip(
            one.runs, one.boxes_xywh.tolist(), one.class_ids.tolist(), one.confidence.tolist(), strict=True
        )
    ]
    return [
        {**_entry(number, *row[:4]), "iscrowd": 0, "score": float(row[4])} for number, row in enumerate(rows, start=1)
    ]


def _entry(number: int, image: int, runs: Runs, box: list[float], class_id: int) -> dict[str, Any]:
    return {
        "id": number,
        "image_id": image,
        "category_id": class_id + 1,
        "segmentation": runs,
        "bbox": box,
        "area": box[2] * box[3],
    }


def _summary(precision: NDArray[np.float64]) -> dict[str, float]:
    return {"AP": _mean(precision), "AP50": _mean(precision[0]), "AP75": _mean(precision[5])}


def _mean(values: NDArray[np.float64]) -> float:
    """Mean of what COCO computed; -1 marks classes without ground truth."""
    known = values[values > -1]
    return float(known.mean()) if len(known) else float("nan")
