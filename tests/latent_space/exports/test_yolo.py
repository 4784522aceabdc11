"""Read back as the published layout says: data.yaml, and a text file per picture where Ultralytics looks for it."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from PIL import Image


def label_file(picture):
    """As Ultralytics' `img2label_paths`: the last /images/ becomes /labels/, the ending .txt."""
    before, after = str(picture).rsplit("/images/", 1)
    return Path(f"{before}/labels/{after}".rsplit(".", 1)[0] + ".txt")


def load(folder):
    """Return the classes, and by part the boxes of every picture."""
    content = yaml.safe_load((folder / "data.yaml").read_text(encoding="utf-8"))
    assert set(content) <= {"train", "val", "test", "names"}
    parts = {}
    for part in ("train", "val", "test"):
        if part in content:
            root = folder / content[part]
            files = sorted(file for file in root.rglob("*") if file.suffix in {".jpg", ".png"})
            parts[part] = {file.relative_to(root).as_posix(): read_boxes(label_file(file)) for file in files}
    return content["names"], parts


def read_boxes(file):
    rows = [line.split(" ") for line in file.read_text(encoding="utf-8").splitlines()]
    assert all(len(row) == 5 for row in rows)
    boxes = [(int(row[0]), *map(float, row[1:])) for row in rows]
    for _, x, y, w, h in boxes:
        assert x - w / 2 + 1e-6 >= 0
        assert x + w / 2 <= 1 + 1e-6
        assert y - h / 2 + 1e-6 >= 0
        assert y + h / 2 <= 1 + 1e-6
    return boxes


def read_outlines(file):
    """As Ultralytics reads a file with a line of more than six values: every line is an outline."""
    rows = [line.split(" ") for line in file.read_text(encoding="utf-8").splitlines()]
    assert all(len(row) >= 7 and len(row) % 2 == 1 for row in rows)
    outlines = [(int(row[0]), np.array(row[1:], float).reshape(-1, 2)) for row in rows]
    assert all(0 <= points.min() <= points.max() <= 1 for _, points in outlines)
    return outlines


def test_a_file_holds_outlines_or_boxes_and_the_head_says_which(export, export_outlines):
    out = export_outlines("yolo")
    assert (out / "data.yaml").read_text().startswith("# Outlines: yolo segment train data=data.yaml\n")
    (cup, triangle), (box, corners) = read_outlines(out / "labels" / "train" / "plain.txt")
    assert (cup, box) == (1, 0)
    assert triangle.tolist() == [[0.25, 0.5], [0.5, 0.5], [0.5, 1.0]]
    assert corners.tolist() == [[0, 0], [0.5, 0], [0.5, 1], [0, 1]], "a box among outlines is its corners"
    ((_, parts),) = read_outlines(out / "labels" / "val" / "images_" / "a.txt")
    canvas = np.zeros((16, 16), np.uint8)
    cv2.fillPoly(canvas, [np.floor(parts * 16).astype(np.int32)], 1)
    assert canvas[10, 2] == canvas[10, 7] == 1
    assert canvas[12, 5] == 0, "two parts, one line, as Ultralytics draws it"
    assert (export("yolo") / "data.yaml").read_text().startswith("# Boxes: yolo detect train data=data.yaml\n")


def test_every_picture_has_its_boxes(export):
    names, parts = load(export("yolo"))
    assert names == {0: "box & co", 1: "cup", 2: "unfound"}
    assert parts["train"] == {
        "plain.jpg": [(1, 0.375, 0.75, 0.25, 0.5), (0, 0.25, 0.5, 0.5, 1.0)],
        'with space/it\'s "quoted".png': [(1, 0.5, 0.5, 1.0, 1.0)],
        "図/тест ä & <script>.jpg": [(1, pytest.approx(0.2), pytest.approx(0.3), 0.2, 0.2)],
    }
    assert parts["val"] == {
        "images_/a.jpg": [(0, 0.25, 0.75, 0.5, 0.5)],
        "images_/a-2.png": [(1, 0.75, 0.25, 0.5, 0.5)],
    }, "two pictures do not share a text file, nor does a sub-folder mislead"
    assert parts["test"] == {"empty.jpg": []}


def test_one_part_stands_for_both_that_the_layout_wants(export):
    out = export("yolo", ["plain.jpg"])
    _, parts = load(out)
    assert parts["train"] == parts["val"]
    assert sorted(parts) == ["train", "val"]


def test_there_is_no_path_of_this_machine(export, tmp_path):
    out = export("yolo")
    assert str(tmp_path) not in (out / "data.yaml").read_text()
    assert "path" not in yaml.safe_load((out / "data.yaml").read_text())


def test_pictures_are_the_same_files_or_links_to_them(export, data):
    out = export("yolo", ["plain.jpg"], pictures="link")
    placed = out / "images" / "train" / "plain.jpg"
    assert placed.is_symlink()
    assert placed.read_bytes() == (data / "photos" / "plain.jpg").read_bytes()
    with Image.open(placed) as picture:
        assert picture.size == (40, 20)
    out = export("yolo", ["plain.jpg"], pictures="none")
    assert not (out / "images" / "train" / "plain.jpg").exists()
    assert len(read_boxes(out / "labels" / "train" / "plain.txt")) == 2
