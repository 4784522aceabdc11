import gc
import json
from pathlib import Path

import pytest

from armbench_segmentation.coco import CocoFile, read_coco, read_folder, sample_names

IMAGE = {"id": 1, "file_name": "a.jpg", "width": 10, "height": 10}
CATEGORY = {"id": 1, "name": "Object"}
ANNOTATION = {"id": 1, "image_id": 1, "category_id": 1, "segmentation": [[1, 1, 5, 1, 5, 5]]}


def written(tmp_path, **changes):
    content = {"images": [IMAGE], "annotations": [ANNOTATION], "categories": [CATEGORY]} | changes
    path = tmp_path / "train.json"
    path.write_text(json.dumps(content))
    return path


def test_annotations_are_found_by_their_image(tmp_path):
    images = [IMAGE | {"id": -7}, IMAGE | {"id": 10**12}, IMAGE | {"id": "x"}]
    annotations = [ANNOTATION | {"id": k, "image_id": image} for k, image in enumerate([10**12, "x", 10**12])]
    file = read_coco(written(tmp_path, images=images, annotations=annotations))
    assert {image: [a["id"] for a in found] for image, found in file.annotations.items()} == {10**12: [0, 2], "x": [1]}
    assert file.categories == {1: "Object"}
    assert [list(polygon) for polygon in file.annotations["x"][0]["segmentation"]] == ANNOTATION["segmentation"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": [IMAGE, IMAGE]}, "image ids must be unique; 1 occurs twice"),
        ({"annotations": [ANNOTATION, ANNOTATION]}, "annotation ids must be unique; 1 occurs twice"),
        ({"categories": [CATEGORY, CATEGORY]}, "category ids must be unique; 1 occurs twice"),
        ({"annotations": [ANNOTATION | {"image_id": 9}]}, "annotation 1 has the image_id 9, which is not in the file"),
        ({"annotations": [ANNOTATION | {"category_id": 5}]}, "annotation 1 has the category_id 5, which is not in"),
        ({"annotations": [ANNOTATION | {"category_id": [1]}]}, r"annotation 1 has the category_id \[1\], which is not"),
        ({"annotations": [{"id": 1, "category_id": 1}]}, "annotation 1 has the image_id None"),
        ({"annotations": [{"image_id": 1}]}, "annotation number 0 must have an integer or string id; got None"),
        ({"images": [IMAGE | {"id": 1.5}]}, "image number 0 must have an integer or string id; got 1.5"),
        ({"images": {"1": IMAGE}}, "must have a list 'images'; got dict"),
        ({"images": [1]}, r"images\[0\] must be an object; got int"),
        ({"annotations": None}, "must have a list 'annotations'; got NoneType"),
        ({"categories": [{"id": 1}]}, "category 1 must have a name; got None"),
    ],
)
def test_a_meaningless_file_is_refused_by_file_and_id(tmp_path, changes, message):
    with pytest.raises(ValueError, match=rf"train\.json:? ?.*{message}"):
        read_coco(written(tmp_path, **changes))


@pytest.mark.parametrize("text", ["", "{", '{"images": [1,]}', "\x00\xff"])
def test_malformed_json_is_named(tmp_path, text):
    (tmp_path / "a.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(ValueError, match=r"a\.json must be valid JSON"):
        read_coco(tmp_path / "a.json")
    assert gc.isenabled()


def test_json_that_is_no_object_or_missing_is_named(tmp_path):
    (tmp_path / "a.json").write_text("[]")
    with pytest.raises(ValueError, match=r"a\.json must hold a COCO object .* got a list"):
        read_coco(tmp_path / "a.json")
    with pytest.raises(FileNotFoundError, match=r"No annotation file at .*b\.json"):
        read_coco(tmp_path / "b.json")


def test_an_unlabelled_file_needs_images_only(tmp_path):
    path = written(tmp_path, annotations=[{"broken": True}], categories=None)
    file = read_coco(path, is_labeled=False)
    assert (len(file.images), file.annotations, file.is_labeled) == (1, {}, False)


def test_a_byte_order_mark_is_no_obstacle(tmp_path):
    path = written(tmp_path)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert len(read_coco(path).images) == 1


def test_a_folder_lists_images_of_sub_folders_and_nothing_else(tmp_path):
    for name in ("b.JPG", "sub/a.png", "notes.txt", ".hidden/c.jpg", "sub/.d.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert [entry["file_name"] for entry in read_folder(tmp_path).images] == ["b.JPG", "sub/a.png"]
    with pytest.raises(FileNotFoundError, match=r"No image folder at .*nowhere"):
        read_folder(tmp_path / "nowhere")


def test_long_names_stay_unique_within_256_characters():
    images = [{"id": k, "file_name": f"{k}/" + "x" * 400 + ".jpg"} for k in range(3)]
    names = sample_names(CocoFile(Path("a.json"), images))
    assert len(set(names)) == 3
    assert {len(name) for name in names} == {256}
    assert all(type(name) is str and name.endswith("x.jpg") for name in names)


def test_names_do_not_depend_on_the_order_of_the_file():
    images = [{"id": 3, "file_name": "a.jpg"}, {"id": 4, "file_name": "a.jpg"}, {"id": 5, "file_name": "b\\c.jpg"}]
    names = sample_names(CocoFile(Path("a.json"), images))
    assert names == ["a.jpg#3", "a.jpg#4", "b/c.jpg"]
    assert sample_names(CocoFile(Path("a.json"), images[::-1])) == names[::-1]


@pytest.mark.parametrize("name", [None, "", 5])
def test_an_image_without_a_file_name_is_called_by_its_id(name):
    assert sample_names(CocoFile(Path("a.json"), [{"id": 3, "file_name": name}])) == ["image 3"]
