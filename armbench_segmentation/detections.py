"""What a model found in the images of a data set, at their original size: read from a COCO results file, or worked out.

**Conventions**: masks are compressed COCO run-length encodings of the whole original image, boxes x, y, width, height
in its pixels, confidences in [0, 1]. Detections are sorted by falling confidence. A results file is checked entry by
entry: an unknown image or category, or a mask that is not one of its image, is an error, because scores computed from
half-understood input mislead. A mask without pixels is allowed: it finds nothing. Results for images that the
annotation file knows but that had to be set aside are left out.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from armbench_segmentation.coco import CocoFile, Id
from armbench_segmentation.samples import CocoSplit, Sample
from armbench_segmentation.segmentations import run_lengths, segmentation_box

Runs = dict[str, Any]


@dataclass(frozen=True)
class Detections:
    """The n objects found in one image.

    Attributes
    ----------
    runs : list of n dict
        Compressed run-length encodings, ``counts`` as bytes.
    boxes_xywh : (n, 4) float64
    class_ids : (n,) int64
        Positions in the list of categories.
    confidence : (n,) float64
    """

    runs: list[Runs]
    boxes_xywh: NDArray[np.float64]
    class_ids: NDArray[np.int64]
    confidence: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.runs)

    @classmethod
    def sorted(cls, runs: Sequence[Runs], boxes_xywh: Any, class_ids: Any, confidence: Any) -> "Detections":
        """Sort by falling confidence, equal ones in their order."""
        scores = np.asarray(confidence, np.float64)
        boxes = np.asarray(boxes_xywh, np.float64).reshape(-1, 4)
        found = cls(list(runs), boxes, np.asarray(class_ids, np.int64), scores)
        return found[np.argsort(-scores, kind="stable")]

    def __getitem__(self, rows: NDArray[np.int64]) -> "Detections":
        runs = [self.runs[i] for i in rows.tolist()]
        return Detections(runs, self.boxes_xywh[rows], self.class_ids[rows], self.confidence[rows])

    def most_confident(self, limit: int) -> "Detections":
        """Keep the first `limit` of every class.

        Examples
        --------
        >>> found = Detections.sorted([{}] * 4, np.zeros((4, 4)), [0, 0, 0, 1], [0.9, 0.8, 0.7, 0.1])
        >>> found.most_confident(2).confidence.tolist()
        [0.9, 0.8, 0.1]
        """
        rows = [np.flatnonzero(self.class_ids == class_id)[:limit] for class_id in np.unique(self.class_ids)]
        return self[np.sort(np.concatenate([np.zeros(0, np.int64), *rows]))]

    @classmethod
    def none(cls) -> "Detections":
        """No objects."""
        return cls([], np.zeros((0, 4)), np.zeros(0, np.int64), np.zeros(0))


def read_detections(path: Path, file: CocoFile, split: CocoSplit) -> dict[str, Detections]:
    """Read a COCO results file: a list of image_id, category_id, score, segmentation and optionally bbox.

    Parameters
    ----------
    path : Path
        The JSON file.
    file : CocoFile
        The annotation file: its ids are those of the results.
    split : CocoSplit
        The usable samples and the categories in the order of the class ids; results of other categories of the
        annotation file are left out.

    Returns
    -------
    dict
        Sample id -> detections, for every sample of the split.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file or an entry is malformed; the message names the entry.
    """
    samples = {sample.image_id: sample for sample in split.samples}
    known_images = {entry["id"] for entry in file.images}
    class_of = {key: split.categories.index(n) for key, n in file.categories.items() if n in split.categories}
    rows: dict[str, list[tuple[Runs, list[float], int, float]]] = {sample.sample_id: [] for sample in split.samples}
    for position, entry in enumerate(_read_entries(path)):
        try:
            image_id = _known(entry, "image_id", known_images)
            category_id = _known(entry, "category_id", file.categories)
            sample = samples.get(image_id)
            if sample is not None and category_id in class_of:
                rows[sample.sample_id].append(_row(entry, sample, class_of[category_id]))
        except ValueError as error:
            raise ValueError(f"{path}: entry {position}: {error}.") from error
    return {
        name: Detections.sorted(*zip(*found, strict=True)) if found else Detections.none()
        for name, found in rows.items()
    }


def coco_results(detections: Mapping[str, Detections], file: CocoFile, split: CocoSplit) -> list[dict[str, Any]]:
    """Turn detections into the entries of a COCO results file, with the ids of the annotation file."""
    category_of = {split.categories.index(n): key for key, n in file.categories.items() if n in split.categories}
    entries = []
    for sample in split.samples:
        found = detections[sample.sample_id]
        for runs, box, class_id, confidence in zip(
            found.runs, found.boxes_xywh.tolist(), found.class_ids.tolist(), found.confidence.tolist(), strict=True
        ):
            entries.append(
                {
                    "image_id": sample.image_id,
                    "category_id": category_of[class_id],
                    "segmentation": {"size": list(runs["size"]), "counts": runs["counts"].decode("ascii")},
                    "bbox": [round(side, 2) for side in box],
                    "score": round(confidence, 6),
                }
            )
    return entries


def encode(segmentation: Any, size: tuple[int, int]) -> Runs:
    """Compress polygons, or a run-length encoding of either kind, to one of the whole image.

    Parameters
    ----------
    segmentation : list or dict
        Known to be one of this image.
    size : (height, width)
        Of the image.

    Examples
    --------
    >>> encode([[0, 0, 2, 0, 2, 2, 0, 2]], (4, 4))["size"]
    [4, 4]
    """
    from pycocotools import mask as coco_mask

    height, width = size
    if isinstance(segmentation, dict):
        counts = segmentation["counts"]
        if isinstance(counts, str | bytes):
            return {"size": [height, width], "counts": counts.encode("ascii") if isinstance(counts, str) else counts}
        return dict(coco_mask.frPyObjects({"size": [height, width], "counts": list(counts)}, height, width))
    polygons = [np.asarray(polygon, np.float64) for polygon in segmentation]
    return dict(coco_mask.merge(coco_mask.frPyObjects(polygons, height, width)))


def encode_window(mask: NDArray[np.bool_], box_xyxy: NDArray[np.floating]) -> Runs:
    """Compress an (H, W) mask that has pixels only inside its box: only the box is looked at.

    Examples
    --------
    >>> from pycocotools import mask as coco_mask
    >>> mask = np.zeros((5, 4), bool)
    >>> mask[1:4, 1:3] = True
    >>> bool((coco_mask.decode(encode_window(mask, np.array([1, 1, 3, 4]))) == mask).all())
    True
    """
    height, width = mask.shape
    x1, y1 = np.floor(box_xyxy[:2]).astype(int).clip(0)
    x2, y2 = np.ceil(box_xyxy[2:]).astype(int) + 1
    window = mask[y1:y2, x1:x2].T
    edges = np.diff(np.pad(window.astype(np.int8), ((0, 0), (1, 1))), axis=1)
    starts, ends = (
        (columns + x1) * height + rows + y1 for columns, rows in (np.nonzero(edges == 1), np.nonzero(edges == -1))
    )
    # A run that reaches the bottom and goes on at the top of the next column is one run.
    joins = ends[:-1] == starts[1:]
    starts, ends = starts[np.append(True, ~joins)[: len(starts)]], ends[np.append(~joins, True)[: len(ends)]]
    borders = np.concatenate([[0], np.stack([starts, ends], 1).ravel(), [height * width]])
    return encode({"counts": np.diff(borders).tolist()}, (height, width))


def _read_entries(path: Path) -> list[Any]:
    if not path.is_file():
        raise FileNotFoundError(f"No predictions at {path}.")
    try:
        entries = json.loads(path.read_bytes())
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"{path} must be valid JSON: {error}.") from error
    if not isinstance(entries, list):
        raise ValueError(f"{path} must hold a list of COCO results; got {type(entries).__name__}.")
    return entries


def _known(entry: Any, key: str, known: "set[Id] | Mapping[Id, str]") -> Id:
    if not isinstance(entry, dict):
        raise ValueError(f"a result must be an object; got {type(entry).__name__}")
    value = entry.get(key)
    if not isinstance(value, int | str) or value not in known:
        raise ValueError(f"{key} must be one of the annotation file; got {value!r}")
    return value


def _row(entry: dict[str, Any], sample: Sample, class_id: int) -> tuple[Runs, list[float], int, float]:
    from pycocotools import mask as coco_mask

    score: Any = entry.get("score")
    if not _is_number(score) or not 0 <= score <= 1:
        raise ValueError(f"score must be a number in [0, 1]; got {score!r}")
    segmentation, (height, width) = entry.get("segmentation"), sample.size
    if isinstance(segmentation, dict):
        run_lengths(segmentation, width, height)
    else:
        segmentation_box(segmentation, width, height)
    runs = encode(segmentation, sample.size)
    box = entry.get("bbox")
    if box is None:
        box = coco_mask.toBbox(runs).tolist()
    if not isinstance(box, list) or len(box) != 4 or not all(_is_number(side) for side in box):
        raise ValueError(f"bbox must be four numbers x, y, width, height; got {box!r}")
    return runs, box, class_id, float(score)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
