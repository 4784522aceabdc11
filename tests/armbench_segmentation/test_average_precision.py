"""Against pycocotools, frozen in tests/reference/tide_masks.json, and one package against the other."""

import json
import math
import sys
from pathlib import Path

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from armbench_segmentation.average_precision import Truth, average_precision
from armbench_segmentation.detections import Detections, encode

REFERENCE = json.loads((Path(__file__).parents[1] / "reference" / "tide_masks.json").read_text())
NAMES = ("first", "second", "third")


def runs_of(entries):
    return [encode(one["runs"], (64, 64)) for one in entries]


def boxes_of(runs):
    return coco_mask.toBbox(runs).reshape(-1, 4) if runs else np.zeros((0, 4))


def truth_of(scene):
    runs = runs_of(scene["gt"])
    classes, crowd = ([one[key] for one in scene["gt"]] for key in ("class_id", "is_crowd"))
    return Truth((64, 64), runs, boxes_of(runs), np.array(classes, np.int64), np.array(crowd, bool))


def found_in(scene):
    runs = runs_of(scene["pred"])
    classes, confidence = ([one[key] for one in scene["pred"]] for key in ("class_id", "confidence"))
    return Detections.sorted(runs, boxes_of(runs), classes, confidence)


def sides(name):
    scenes = REFERENCE[name]["scenes"]
    return [truth_of(scene) for scene in scenes], [found_in(scene) for scene in scenes]


@pytest.mark.parametrize("package", ["faster-coco-eval", "pycocotools"])
@pytest.mark.parametrize("name", ["plain", "crowd"])
def test_scores_are_pycocotools(monkeypatch, package, name):
    if package == "pycocotools":
        monkeypatch.setitem(sys.modules, "faster_coco_eval", None)
    found = average_precision(*sides(name), NAMES)
    for kind, expected in REFERENCE[name]["coco"].items():
        assert {key: found[kind][key] for key in ("AP", "AP50", "AP75")} == pytest.approx(
            {key: expected[key] for key in ("AP", "AP50", "AP75")}, abs=1e-9
        )
        per_class = [found[kind]["per_class"][each]["AP"] for each in NAMES]
        assert per_class == pytest.approx(expected["per_class"], abs=1e-9)


def test_a_class_without_ground_truth_does_not_count():
    found = average_precision(*sides("plain"), [*NAMES, "fourth"])
    assert found["segm"]["AP"] == pytest.approx(REFERENCE["plain"]["coco"]["segm"]["AP"], abs=1e-9)
    assert math.isnan(found["segm"]["per_class"]["fourth"]["AP"])


@pytest.mark.parametrize("package", ["faster-coco-eval", "pycocotools"])
def test_without_predictions_all_is_zero(monkeypatch, package, capsys):
    if package == "pycocotools":
        monkeypatch.setitem(sys.modules, "faster_coco_eval", None)
    truth, _ = sides("plain")
    found = average_precision(truth, [Detections.none()] * len(truth), NAMES)
    assert found["segm"]["AP"] == found["bbox"]["AP50"] == 0.0
    assert capsys.readouterr().out == ""


def test_without_ground_truth_all_is_undefined():
    empty = Truth((64, 64), [], np.zeros((0, 4)), np.zeros(0, np.int64), np.zeros(0, bool))
    _, found = sides("plain")
    scores = average_precision([empty], found[:1], NAMES)
    assert math.isnan(scores["segm"]["AP"])
    assert math.isnan(scores["bbox"]["per_class"]["first"]["AP75"])
