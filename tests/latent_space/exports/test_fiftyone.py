"""Read back as FiftyOne's documentation describes a FiftyOneImageDetectionDataset and a COCODetectionDataset.

Source: https://docs.voxel51.com/user_guide/dataset_creation/datasets.html#fiftyoneimagedetectiondataset
and #cocodetectiondataset
"""

import json
from pathlib import PurePosixPath

import numpy as np
import pytest
from pycocotools.coco import COCO

from latent_space.exports import export_selection
from tests.latent_space.exports.conftest import THERE, outlined_population


def load(folder):
    """Return the classes, and the detections by picture, paired by path without its ending as the importer does."""
    content = json.loads((folder / "labels.json").read_text(encoding="utf-8"))
    assert set(content) == {"classes", "labels"}
    files = [file.relative_to(folder / "data").as_posix() for file in (folder / "data").rglob("*") if file.is_file()]
    pictures = {str(PurePosixPath(file).with_suffix("")): file for file in files}
    assert len(pictures) == len(files), "no two pictures of one key"
    assert set(pictures) == set(content["labels"])
    for detections in content["labels"].values():
        for detection in detections:
            assert {"label", "bounding_box"} <= set(detection) <= {"label", "bounding_box", "confidence"}
            assert detection["label"] in content["classes"]
            left, top, width, height = detection["bounding_box"]
            assert 0 <= left < left + width <= 1 + 1e-9
            assert 0 <= top < top + height <= 1 + 1e-9
    return content["classes"], {pictures[key]: found for key, found in content["labels"].items()}


def test_every_picture_has_its_detections(export):
    classes, found = load(export("fiftyone"))
    assert classes == ["box & co", "cup", "unfound"]
    assert set(found) == {*THERE, "images/a-2.png"} - {"images/a.png"}
    assert found["plain.jpg"] == [
        {"label": "cup", "bounding_box": [0.25, 0.5, 0.25, 0.5], "confidence": 0.75},
        {"label": "box & co", "bounding_box": [0.0, 0.0, 0.5, 1.0], "confidence": 0.5},
    ]
    assert "confidence" not in found['with space/it\'s "quoted".png'][0]
    assert found["empty.jpg"] == []


def test_labels_without_pictures_stay(export):
    with pytest.warns(UserWarning, match="gone"):
        out = export("fiftyone", ["gone.jpg"])
    assert list(json.loads((out / "labels.json").read_text())["labels"]) == ["gone"]


def load_masks(folder):
    """Return by picture the label, box in shares, confidence and mask in its box, as FiftyOne's COCO importer does."""
    coco = COCO(str(folder / "labels.json"))
    found = {}
    for image in coco.loadImgs(coco.getImgIds()):
        objects = found.setdefault(image["file_name"], [])
        for one in coco.loadAnns(coco.getAnnIds(imgIds=[image["id"]])):
            x, y, w, h = one["bbox"]
            box = [x / image["width"], y / image["height"], w / image["width"], h / image["height"]]
            mask = coco.annToMask(one)[round(y) : round(y + h), round(x) : round(x + w)]
            objects.append((coco.cats[one["category_id"]]["name"], box, one.get("score"), mask))
    return found


def test_with_outlines_it_is_a_coco_detection_dataset(export_outlines):
    out = export_outlines("fiftyone")
    found = load_masks(out)
    assert set(found) == {*THERE, "images/a-2.png"} - {"images/a.png"}
    assert all((out / "data" / name).is_file() for name in found)
    (label, box, confidence, mask), (_, _, _, whole) = found["plain.jpg"]
    assert (label, box, confidence) == ("cup", [0.25, 0.5, 0.25, 0.5], 0.75)
    assert mask.shape == (10, 10)
    assert 0.4 < mask.mean() < 0.6, "a triangle"
    assert whole.all(), "an object without an outline is its box"


def test_with_outlines_a_picture_of_unknown_size_is_left_out(data, tmp_path):
    known = outlined_population(data, meta_image_width_px=np.nan)
    with pytest.warns(UserWarning, match="gone"):
        out = export_selection(known, ["gone.jpg", "plain.jpg"], format="fiftyone", out=tmp_path / "out")
    assert list(load_masks(out)) == ["plain.jpg"]
