"""Compare detections with the ground truth of a data set: AP, over- and under-segmentation, TIDE, panoptic quality.

**Conventions**: everything is computed at the size of the original photographs, from one matrix of shared pixels per
image, in run-length encodings. Everything looks only at the `max_detections` most confident of every image and class,
as COCO does, and a warning counts what that leaves out. AP and TIDE look at all of these; over- and under-segmentation,
duplicates and panoptic quality at those with at least `confidence`. A detection without a match of which at least half
lies in a crowd region of its class is excused (COCO's limit, so that TIDE's base AP is AP50; for panoptic quality it
must be more than half, as in its paper). Fractions lie in [0, 1], NaN where undefined. Panoptic quality is the mean
over the classes that occur in the ground truth or among the confident detections.
"""

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from armbench_segmentation.average_precision import Truth, average_precision
from armbench_segmentation.detections import Detections, encode
from armbench_segmentation.matching import Matching, Rule, match_overlaps
from armbench_segmentation.metrics import PanopticCounts, panoptic_pairs
from armbench_segmentation.overlaps import Overlaps
from armbench_segmentation.samples import CocoSplit, Sample
from armbench_segmentation.tide import FOREGROUND_IOU, TideImage, tide_table
from latent_space.progress import track

RULES: tuple[Rule, ...] = ("hoover", "containment")


def compare(
    split: CocoSplit,
    found: Mapping[str, Detections],
    *,
    confidence: float = 0.35,
    tolerance: float | None = None,
    max_detections: int = 100,
) -> dict[str, Any]:
    """Compare what was found in every sample of a split with its ground truth.

    Parameters
    ----------
    split : CocoSplit
        At least one sample, every one labelled.
    found : dict
        Sample id -> detections, for every sample.
    confidence : float
        From which on a detection counts for over- and under-segmentation, duplicates and panoptic quality.
    tolerance : float, optional
        T of both segmentation rules; by default each its own.
    max_detections : int
        Looked at per image and class.

    Returns
    -------
    dict
        As `evaluate` describes, without what it says of the files.
    """
    # COCO's order, which decides between equally confident detections of two images.
    samples = sorted(
        split.samples,
        key=lambda sample: (isinstance(sample.image_id, str), 0 if sample.image_id is None else sample.image_id),
    )
    truth = [_truth(sample) for sample in samples]
    detections = _cut([found[sample.sample_id] for sample in samples], max_detections)
    pairs = list(zip(truth, detections, strict=True))
    compared = [
        _ImageResult.of(*pair, confidence=confidence, tolerance=tolerance)
        for pair in track(pairs, "Comparing", total=len(pairs))
    ]
    scores = average_precision(truth, detections, split.categories, max_detections=max_detections)
    return {
        **{key: scores["segm"][key] for key in ("AP", "AP50", "AP75")},
        **scores,
        **{rule: _rule_counts([one.matchings[rule] for one in compared]) for rule in RULES},
        "tide": tide_table([one.tide for one in compared]),
        "panoptic": _panoptic([one.panoptic for one in compared], split.categories),
        "confidence": confidence,
        "n_images": len(truth),
        "n_objects": sum(int((~one.is_crowd).sum()) for one in truth),
        "n_predictions": sum(len(one) for one in detections),
        "n_confident_predictions": sum(int((one.confidence >= confidence).sum()) for one in detections),
    }


def _cut(found: Sequence[Detections], limit: int) -> list[Detections]:
    kept = [one.most_confident(limit) for one in found]
    n_found, n_kept = (sum(map(len, each)) for each in (found, kept))
    if n_kept < n_found:
        warnings.warn(
            f"max_detections: {n_found - n_kept} of the {n_found} predictions are left out,"
            f" being beyond the {limit} most confident of their image and class.",
            stacklevel=3,
        )
    return kept


def _truth(sample: Sample) -> Truth:
    return Truth(
        sample.size,
        [encode(annotation.segmentation, sample.size) for annotation in sample.annotations],
        np.array([annotation.box_xywh for annotation in sample.annotations], np.float64).reshape(-1, 4),
        np.array([annotation.class_id for annotation in sample.annotations], np.int64),
        np.array([annotation.is_crowd for annotation in sample.annotations], np.bool_),
    )


@dataclass(frozen=True)
class _ImageResult:
    """What one image contributes."""

    tide: TideImage
    matchings: dict[Rule, Matching]
    panoptic: dict[int, PanopticCounts]

    @classmethod
    def of(cls, truth: Truth, found: Detections, *, confidence: float, tolerance: float | None) -> "_ImageResult":
        real = np.flatnonzero(~truth.is_crowd)
        overlaps = Overlaps.of_runs(found.runs, [truth.runs[i] for i in real])
        gt_class_ids = truth.class_ids[real]

        def match(rows: NDArray[np.int64], rule: Rule) -> Matching:
            return match_overlaps(
                overlaps.select_preds(rows),
                gt_class_ids,
                found.class_ids[rows],
                found.confidence[rows],
                rule=rule,
                tolerance=tolerance,
            )

        crowded = _share_in_crowd(match(np.arange(len(found)), "hoover"), truth, found)
        kept, confident = crowded < FOREGROUND_IOU, found.confidence >= confidence
        rows, all_kept = np.flatnonzero(kept & confident), np.flatnonzero(kept)
        panoptic = np.flatnonzero((crowded <= FOREGROUND_IOU) & confident)
        matchings = {rule: match(rows, rule) for rule in RULES}
        errors = match(all_kept, "hoover").errors
        return cls(
            TideImage(errors, found.confidence[all_kept], found.class_ids[all_kept], gt_class_ids),
            matchings,
            _panoptic_of_image(
                matchings["hoover"] if len(panoptic) == len(rows) else match(panoptic, "hoover"),
                found.confidence[panoptic],
                gt_class_ids,
                found.class_ids[panoptic],
            ),
        )


def _share_in_crowd(matching: Matching, truth: Truth, found: Detections) -> NDArray[np.float64]:
    """Share of every unmatched prediction that lies in one crowd region of its class; 0 of a matched one."""
    crowds = np.flatnonzero(truth.is_crowd)
    inside = Overlaps.of_runs(found.runs, [truth.runs[i] for i in crowds]).ioa_of_preds
    share = (inside * (found.class_ids[:, None] == truth.class_ids[crowds])).max(1, initial=0.0)
    share[matching.pairs[:, 0]] = 0.0
    return np.asarray(share, np.float64)


def _rule_counts(matchings: Sequence[Matching]) -> dict[str, Any]:
    flags = {
        "over_segmented": [matching.over_segmented for matching in matchings],
        "under_segmented": [matching.under_segmented for matching in matchings],
        "duplicates": [matching.duplicates for matching in matchings],
    }
    counts: dict[str, Any] = {
        name: {"objects": int(sum(flag.sum() for flag in found)), "images": sum(bool(flag.any()) for flag in found)}
        for name, found in flags.items()
    }
    return {"tolerance": matchings[0].tolerance, **counts}


def _panoptic_of_image(
    matching: Matching,
    confidence: NDArray[np.floating],
    gt_class_ids: NDArray[np.int64],
    pred_class_ids: NDArray[np.int64],
) -> dict[int, PanopticCounts]:
    preds, gts = panoptic_pairs(matching, confidence).T
    iou, classes = matching.iou[preds, gts], gt_class_ids[gts]
    return {
        int(k): PanopticCounts(
            float(iou[classes == k].sum()),
            int((classes == k).sum()),
            int((pred_class_ids == k).sum()),
            int((gt_class_ids == k).sum()),
        )
        for k in np.union1d(gt_class_ids, pred_class_ids)
    }


def _panoptic(images: Sequence[Mapping[int, PanopticCounts]], categories: Sequence[str]) -> dict[str, Any]:
    per_class = {}
    for class_id, name in enumerate(categories):
        counts = sum((image[class_id] for image in images if class_id in image), PanopticCounts())
        per_class[name] = {
            "PQ": counts.panoptic_quality,
            "SQ": counts.segmentation_quality,
            "RQ": counts.recognition_quality,
        }
    means = {}
    for key in ("PQ", "SQ", "RQ"):
        known = [scores[key] for scores in per_class.values() if not math.isnan(scores[key])]
        means[key] = float(np.mean(known)) if known else float("nan")
    return {**means, "per_class": per_class}
