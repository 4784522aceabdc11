import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from pycocotools import mask as coco_mask

from armbench_segmentation.coco import read_coco
from armbench_segmentation.dataset import load_coco
from armbench_segmentation.detections import Detections, coco_results, encode, encode_window, read_detections

SQUARE = [[2, 2, 6, 2, 6, 6, 2, 6]]


@pytest.fixture
def data(tmp_path):
    """Two images of 12 x 8 pixels with odd ids, two categories; ``(file, split)``."""
    for name in ("a.png", "b.png"):
        Image.new("RGB", (12, 8)).save(tmp_path / name)
    content = {
        "images": [{"id": 7, "file_name": "b.png", "width": 12, "height": 8}, {"id": "x", "file_name": "a.png"}],
        "categories": [{"id": 30, "name": "tote"}, {"id": 10, "name": "object"}],
        "annotations": [{"id": 1, "image_id": 7, "category_id": 10, "segmentation": SQUARE}],
    }
    path = tmp_path / "gt.json"
    path.write_text(json.dumps(content))
    return read_coco(path), load_coco(path, tmp_path)


def results(tmp_path, entries):
    path = tmp_path / "results.json"
    path.write_text(entries if isinstance(entries, str) else json.dumps(entries))
    return path


def entry(**changes):
    return {"image_id": 7, "category_id": 10, "score": 0.5, "segmentation": SQUARE} | changes


def test_results_are_sorted_and_all_kept(tmp_path, data):
    entries = [entry(score=0.2), entry(score=0.9, category_id=30), entry(score=0.4), entry(image_id="x", score=0.1)]
    found = read_detections(results(tmp_path, entries), *data)
    assert set(found) == {"a.png", "b.png"}
    assert found["b.png"].confidence.tolist() == [0.9, 0.4, 0.2]
    assert found["b.png"].class_ids.tolist() == [0, 1, 1]
    assert found["a.png"].confidence.tolist() == [0.1]


def test_the_most_confident_of_every_class_stay(tmp_path, data):
    entries = [entry(score=score, bbox=[score, 0, 1, 1]) for score in (0.2, 0.9, 0.4)]
    entries += [entry(score=0.1, category_id=30)]
    found = read_detections(results(tmp_path, entries), *data)["b.png"]
    two = found.most_confident(2)
    assert two.confidence.tolist() == [0.9, 0.4, 0.1]
    assert two.boxes_xywh[:, 0].tolist() == [0.9, 0.4, 2]
    assert (len(two.runs), two.class_ids.tolist()) == (3, [1, 1, 0])
    assert found.most_confident(9).confidence.tolist() == found.confidence.tolist()
    assert len(Detections.none().most_confident(1)) == 0


def test_an_image_without_results_has_none(tmp_path, data):
    found = read_detections(results(tmp_path, []), *data)
    assert [len(one) for one in found.values()] == [0, 0]


def test_all_three_encodings_are_the_same_mask(tmp_path, data):
    mask = np.zeros((8, 12), np.uint8)
    mask[2:6, 2:6] = 1
    packed = coco_mask.encode(np.asfortranarray(mask))
    flat = mask.T.ravel()
    edges = np.flatnonzero(np.diff(flat)) + 1
    plain = np.diff([0, *edges, flat.size]).tolist()
    forms = [SQUARE, {"size": [8, 12], "counts": packed["counts"].decode()}, {"size": [8, 12], "counts": plain}]
    path = results(tmp_path, [entry(segmentation=form) for form in forms])
    found = read_detections(path, *data)["b.png"]
    assert [runs["counts"] for runs in found.runs] == [packed["counts"]] * 3
    assert found.boxes_xywh.tolist() == [[2, 2, 4, 4]] * 3


def test_a_box_in_the_file_wins_over_the_hull(tmp_path, data):
    path = results(tmp_path, [entry(bbox=[1, 2, 3.5, 4])])
    assert read_detections(path, *data)["b.png"].boxes_xywh.tolist() == [[1, 2, 3.5, 4]]


def test_an_empty_mask_is_allowed(tmp_path, data):
    path = results(tmp_path, [entry(segmentation={"size": [8, 12], "counts": [96]})])
    assert len(read_detections(path, *data)["b.png"]) == 1


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ("[{", r"results.json must be valid JSON"),
        ("{}", r"results.json must hold a list of COCO results; got dict"),
        ([entry(), 5], r"entry 1: a result must be an object; got int"),
        ([entry(image_id=8)], r"entry 0: image_id must be one of the annotation file; got 8"),
        ([entry(image_id=[7])], r"entry 0: image_id must be one of the annotation file; got \[7\]"),
        ([entry(category_id=1)], r"entry 0: category_id must be one of the annotation file; got 1"),
        ([entry(score=1.5)], r"entry 0: score must be a number in \[0, 1\]; got 1.5"),
        ([entry(score=float("nan"))], r"entry 0: score must be a number in \[0, 1\]; got nan"),
        ([entry(score="high")], r"entry 0: score must be a number in \[0, 1\]; got 'high'"),
        ([entry(segmentation=None)], r"entry 0: it has no segmentation"),
        ([entry(segmentation=[[1, 2, 3, 4]])], r"entry 0: a polygon must have at least 3 points; got 2"),
        ([entry(segmentation={"size": [12, 8], "counts": [96]})], r"entry 0: .* has the size \[12, 8\], its image \[8"),
        ([entry(segmentation={"size": [8, 12], "counts": [90]})], r"entry 0: .* covers 90 of 96 pixels"),
        ([entry(segmentation={"size": [8, 12], "counts": "~"})], r"entry 0: .* is not a COCO string"),
        ([entry(bbox=[1, 2, 3])], r"entry 0: bbox must be four numbers x, y, width, height; got \[1, 2, 3\]"),
    ],
)
def test_malformed_results_are_named(tmp_path, data, entries, message):
    with pytest.raises(ValueError, match=message):
        read_detections(results(tmp_path, entries), *data)


def test_a_missing_file_is_named(tmp_path, data):
    with pytest.raises(FileNotFoundError, match=r"No predictions at .*none.json"):
        read_detections(tmp_path / "none.json", *data)


def test_results_survive_writing_and_reading(tmp_path, data):
    entries = [entry(score=0.25, bbox=[1, 2, 3, 4]), entry(image_id="x", category_id=30, score=0.75)]
    found = read_detections(results(tmp_path, entries), *data)
    written = coco_results(found, *data)
    assert [(one["image_id"], one["category_id"], one["score"]) for one in written] == [(7, 10, 0.25), ("x", 30, 0.75)]
    again = read_detections(results(tmp_path, written), *data)
    for name, one in found.items():
        assert again[name].runs == one.runs
        np.testing.assert_array_equal(again[name].boxes_xywh, one.boxes_xywh)


@settings(deadline=None, max_examples=80)
@given(st.integers(0, 9999))
def test_a_window_is_encoded_as_the_whole_mask_would_be(seed):
    rng = np.random.default_rng(seed)
    height, width = rng.integers(1, 14, 2)
    mask = np.zeros((height, width), bool)
    y1, x1 = rng.integers(0, height), rng.integers(0, width)
    y2, x2 = rng.integers(y1, height) + 1, rng.integers(x1, width) + 1
    mask[y1:y2, x1:x2] = rng.random((y2 - y1, x2 - x1)) < rng.choice([0.0, 0.5, 1.0])
    runs = encode_window(mask, np.array([x1, y1, x2, y2], np.float64))
    expected = coco_mask.encode(np.asfortranarray(mask.astype(np.uint8)))
    np.testing.assert_array_equal(coco_mask.decode(runs), mask)
    assert coco_mask.area(runs) == mask.sum()
    if mask.any():
        assert coco_mask.iou([runs], [expected], [False])[0, 0] == 1
    assert encode({"size": runs["size"], "counts": runs["counts"].decode()}, (height, width)) == runs
