"""The comparison of a whole split, on the scenes that tidecv and pycocotools have judged."""

import json
from pathlib import Path

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from armbench_segmentation.comparison import compare
from armbench_segmentation.detections import Detections, encode
from armbench_segmentation.samples import Annotation, CocoSplit, Sample

REFERENCE = json.loads((Path(__file__).parents[1] / "reference" / "tide_masks.json").read_text())
NAMES = ("first", "second", "third")


def box(runs):
    return tuple(coco_mask.toBbox(runs).tolist())


def split_of(name, *, keep_gt=True):
    samples, found = [], {}
    for index, scene in enumerate(REFERENCE[name]["scenes"]):
        annotations = tuple(
            Annotation(i, one["class_id"], one["runs"], box(one["runs"]), one["is_crowd"])
            for i, one in enumerate(scene["gt"] if keep_gt else [])
        )
        samples.append(Sample(str(index), Path("none"), 64, 64, annotations, image_id=index))
        pred = scene["pred"]
        found[str(index)] = Detections.sorted(
            [encode(one["runs"], (64, 64)) for one in pred],
            [box(one["runs"]) for one in pred],
            [one["class_id"] for one in pred],
            [one["confidence"] for one in pred],
        )
    return CocoSplit(tuple(samples), NAMES), found


@pytest.fixture(scope="module")
def results():
    return compare(*split_of("plain"), confidence=0.3)


def test_tide_is_tidecvs(results):
    expected = REFERENCE["plain"]["expected"]
    for kind, count in expected["count"].items():
        assert results["tide"][kind]["count"] == count
        assert results["tide"][kind]["ap_regained"] == pytest.approx(expected["ap_regained"][kind], abs=1e-12)


@pytest.mark.parametrize("name", ["plain", "crowd"])
def test_average_precision_is_cocos_and_tides_base_is_its_ap50(name):
    results, expected = compare(*split_of(name)), REFERENCE[name]
    assert results["AP"] == results["segm"]["AP"] == pytest.approx(expected["coco"]["segm"]["AP"], abs=1e-9)
    assert results["bbox"]["AP"] == pytest.approx(expected["coco"]["bbox"]["AP"], abs=1e-9)
    assert results["tide"]["base"]["ap"] == pytest.approx(expected["expected"]["ap"], abs=1e-12)
    assert results["AP50"] == pytest.approx(results["tide"]["base"]["ap"], abs=1e-9)


def rectangle(rng, size):
    x, y = rng.integers(0, 40, 2)
    mask = np.zeros((60, 60), np.uint8, order="F")
    mask[y : y + size[1], x : x + size[0]] = 1
    return mask


def random_split(seed, *, n_images=40):
    """Rectangles of 60 x 60 images, found with small shifts, some in a wrong class; a tenth are crowd regions."""
    rng = np.random.default_rng(seed)
    samples, found = [], {}
    for index in range(n_images):
        annotations, rows = [], []
        for _ in range(rng.integers(0, 6)):
            mask, class_id = rectangle(rng, rng.integers(5, 20, 2)), int(rng.integers(3))
            runs = coco_mask.encode(mask)
            annotations.append(Annotation(len(annotations), class_id, runs, box(runs), bool(rng.random() < 0.1)))
            for _ in range(rng.integers(0, 3)):
                moved = coco_mask.encode(np.asfortranarray(np.roll(mask, rng.integers(-3, 4, 2), (0, 1))))
                other = class_id if rng.random() < 0.8 else int(rng.integers(3))
                rows.append((moved, box(moved), other, round(float(rng.random()), 1)))
        samples.append(Sample(str(index), Path("none"), 60, 60, tuple(annotations), image_id=index))
        found[str(index)] = Detections.sorted(*zip(*rows, strict=True)) if rows else Detections.none()
    return CocoSplit(tuple(samples), NAMES), found


@pytest.mark.parametrize("seed", range(6))
def test_tides_base_is_ap50_of_random_data(seed):
    results = compare(*random_split(seed))
    assert results["tide"]["base"]["ap"] == pytest.approx(results["AP50"], abs=1e-12)
    assert 0.1 < results["AP50"] < 0.9


def test_a_cut_is_per_image_and_class_and_the_same_for_everything():
    split, found = random_split(0)
    with pytest.warns(
        UserWarning, match=r"max_detections: \d+ of the \d+ predictions are left out, .* 1 most confident"
    ):
        results = compare(split, found, max_detections=1, confidence=0.0)
    assert results["tide"]["base"]["ap"] == pytest.approx(results["AP50"], abs=1e-12)
    expected = sum(len(np.unique(one.class_ids)) for one in found.values())
    assert results["n_predictions"] == results["n_confident_predictions"] == expected
    assert expected < sum(len(one) for one in found.values())


def test_half_in_a_crowd_region_is_excused_but_not_from_panoptic_quality():
    masks = np.zeros((2, 8, 8), np.uint8)
    masks[0, :, :4] = 1
    for last, errors, quality in ((6, 0, 0.0), (7, 1, 0.0), (5, 0, float("nan"))):  # half, two fifths, two thirds
        masks[1] = 0
        masks[1, :, 2:last] = 1
        crowd, pred = (coco_mask.encode(np.asfortranarray(mask)) for mask in masks)
        sample = Sample("a", Path("none"), 8, 8, (Annotation(1, 0, crowd, box(crowd), True),))
        results = compare(CocoSplit((sample,), ("one",)), {"a": Detections.sorted([pred], [box(pred)], [0], [0.9])})
        assert results["tide"]["background"]["count"] == errors
        assert results["panoptic"]["PQ"] == pytest.approx(quality, nan_ok=True)


def test_crowd_regions_excuse_predictions_from_every_count():
    results = compare(*split_of("crowd"), confidence=0.0)
    ours, reference = results["tide"], REFERENCE["crowd"]["expected"]["count"]
    kinds = ("class", "localization", "both", "duplicate", "background")
    assert sum(ours[kind]["count"] for kind in kinds) < sum(reference[kind] for kind in kinds)
    assert all(ours[kind]["count"] <= reference[kind] for kind in kinds)
    assert results["n_objects"] == sum(not gt["is_crowd"] for s in REFERENCE["crowd"]["scenes"] for gt in s["gt"])


def test_confidence_cuts_the_counts_but_not_ap_and_tide(results):
    strict = compare(*split_of("plain"), confidence=0.9)
    for key in ("AP", "tide", "segm", "n_predictions"):
        assert strict[key] == results[key]
    assert strict["n_confident_predictions"] < results["n_confident_predictions"] < results["n_predictions"]
    assert strict["hoover"]["duplicates"]["objects"] <= results["hoover"]["duplicates"]["objects"]


def test_the_predecessors_rule_flags_whatever_hoover_flags_and_more():
    counts = compare(*split_of("plain"), confidence=0.0, tolerance=0.8)
    for key in ("over_segmented", "under_segmented"):
        assert counts["containment"][key]["objects"] >= counts["hoover"][key]["objects"]
    assert counts["containment"]["over_segmented"]["objects"] > 0
    assert counts["hoover"]["tolerance"] == counts["containment"]["tolerance"] == 0.8


def test_order_of_samples_is_irrelevant(results):
    split, found = split_of("plain")
    turned = compare(CocoSplit(split.samples[::-1], NAMES), found, confidence=0.3)
    assert turned["hoover"] == results["hoover"]
    assert turned["AP"] == pytest.approx(results["AP"])
    assert turned["panoptic"]["PQ"] == pytest.approx(results["panoptic"]["PQ"])


def test_without_ground_truth_ratios_are_undefined_and_counts_zero():
    results = compare(*split_of("plain", keep_gt=False))
    assert np.isnan(results["AP"])
    assert np.isnan(results["tide"]["miss"]["ap_regained"])
    assert results["panoptic"]["PQ"] == 0.0
    assert results["hoover"]["over_segmented"] == {"objects": 0, "images": 0}
    assert results["tide"]["background"]["count"] == results["n_predictions"]
