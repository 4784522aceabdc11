"""Read back as FiftyOne's documentation describes a FiftyOneImageDetectionDataset.

Source: https://docs.voxel51.com/user_guide/dataset_creation/datasets.html#fiftyoneimagedetectiondataset
"""

import json
from pathlib import PurePosixPath

import pytest

from tests.latent_space.exports.conftest import THERE


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
