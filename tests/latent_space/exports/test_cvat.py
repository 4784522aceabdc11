"""Checked against the published schema of CVAT for images 1.1.

Source: https://docs.cvat.ai/docs/dataset_management/formats/format-cvat/ (annotations and their attributes).
"""

from xml.etree import ElementTree as Xml

import numpy as np
import pytest

from latent_space.exports import export_selection
from tests.latent_space.exports.conftest import THERE, pictures_population


def load(folder):
    """Return labels, and by name of the picture its size and boxes; every element as the schema says."""
    root = Xml.parse(folder / "annotations.xml").getroot()
    assert root.tag == "annotations"
    assert [child.tag for child in root][:2] == ["version", "meta"]
    assert root.findtext("version") == "1.1"
    labels = [label.findtext("name") for label in root.findall("meta/task/labels/label")]
    images = {}
    for number, image in enumerate(root.findall("image")):
        assert set(image.attrib) == {"id", "name", "width", "height"}
        assert int(image.get("id")) == number
        size = int(image.get("width")), int(image.get("height"))
        images[image.get("name")] = size, [read_box(box, labels, size) for box in image]
    assert len(images) == len(root.findall("image"))
    return labels, images


def read_box(box, labels, size):
    places = {"box": {"xtl", "ytl", "xbr", "ybr"}, "polygon": {"points"}}[box.tag]
    assert set(box.attrib) == {"label", "source", "occluded", "z_order"} | places
    assert box.get("label") in labels
    assert box.get("source") in {"manual", "auto"}
    assert box.get("occluded") in {"0", "1"}
    if box.tag == "polygon":
        points = [tuple(map(float, point.split(","))) for point in box.get("points").split(";")]
        assert len(points) >= 3
        assert all(0 <= x <= size[0] and 0 <= y <= size[1] for x, y in points)
        return box.get("label"), points
    left, top, right, bottom = (float(box.get(edge)) for edge in ("xtl", "ytl", "xbr", "ybr"))
    assert 0 <= left < right <= size[0]
    assert 0 <= top < bottom <= size[1]
    return box.get("label"), left, top, right, bottom


def test_every_picture_has_its_boxes(export):
    out = export("cvat")
    labels, images = load(out)
    assert labels == ["box & co", "cup", "unfound"]
    assert list(images) == THERE
    assert all((out / "images" / name).is_file() for name in images)
    assert images["plain.jpg"] == ((40, 20), [("cup", 10, 10, 20, 20), ("box & co", 0, 0, 20, 20)])
    assert images["図/тест ä & <script>.jpg"] == ((50, 10), [("cup", 5, 2, 15, 4)])
    assert images["empty.jpg"] == ((10, 10), [])


def test_an_outline_is_one_polygon_and_boxes_stay_boxes(export_outlines):
    _, images = load(export_outlines("cvat"))
    assert images["plain.jpg"][1] == [("cup", [(10, 10), (20, 10), (20, 20)]), ("box & co", 0, 0, 20, 20)]
    ((_, parts),) = images["images/a.jpg"][1]
    assert {(0, 8), (4, 16), (6, 8), (8, 16)} < set(parts)
    x, y = np.array([*parts, parts[0]]).T
    assert abs(x[:-1] @ y[1:] - x[1:] @ y[:-1]) / 2 == 48, "both parts, joined by a line"


def test_a_picture_without_a_size_is_refused_and_nothing_is_left(data, tmp_path):
    known = pictures_population(data, meta_image_width_px=np.nan)
    with (
        pytest.raises(ValueError, match=r"size of every picture; got none for 1, such as 'gone.jpg'"),
        pytest.warns(UserWarning, match="not there"),
    ):
        export_selection(known, ["gone.jpg", "plain.jpg"], format="cvat", out=tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data"]


def test_names_that_xml_does_not_know_are_refused(tmp_path):
    known = pictures_population(meta_image_file_name=[f"{number}\x01.jpg" for number in range(7)])
    with pytest.raises(ValueError, match=r"without control characters; got '0\\x01.jpg'"):
        export_selection(known, ["plain.jpg"], format="cvat", out=tmp_path / "out", pictures="none")
