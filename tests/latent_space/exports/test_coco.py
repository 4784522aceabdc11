"""Loaded back by pycocotools."""

import numpy as np
import pytest
from pycocotools.coco import COCO

from latent_space.exports import export_selection
from tests.latent_space.exports.conftest import THERE, pictures_population


def load(folder):
    return COCO(str(folder / "annotations.json"))


def test_pycocotools_finds_every_picture_and_box(export):
    out = export("coco")
    coco = load(out)
    images = coco.loadImgs(coco.getImgIds())
    assert [image["file_name"] for image in images] == THERE
    assert [image["id"] for image in images] == [1, 2, 3, 4, 5, 6]
    assert all((out / "images" / image["file_name"]).is_file() for image in images)
    assert [(image["width"], image["height"]) for image in images][:2] == [(40, 20), (30, 30)]
    boxes = coco.loadAnns(coco.getAnnIds(imgIds=[1]))
    assert [box["bbox"] for box in boxes] == [[10, 10, 10, 10], [0, 0, 20, 20]]
    assert [box["score"] for box in boxes] == [0.75, 0.5]
    assert [coco.loadCats(box["category_id"])[0]["name"] for box in boxes] == ["cup", "box & co"]
    assert [box["area"] for box in boxes] == [100, 400]
    assert len({box["id"] for box in coco.dataset["annotations"]}) == len(coco.dataset["annotations"]) == 6
    assert "score" not in coco.loadAnns(coco.getAnnIds(imgIds=[2]))[0], "an unknown confidence is no number"
    assert coco.getAnnIds(imgIds=[6]) == []


def test_a_box_without_area_is_left_out(export):
    coco = load(export("coco"))
    assert [box["score"] for box in coco.loadAnns(coco.getAnnIds(imgIds=[3]))] == [0.25]


def test_it_can_be_evaluated_by_pycocotools(export):
    from pycocotools.cocoeval import COCOeval

    coco = load(export("coco"))
    found = coco.loadRes([{**box, "score": box.get("score", 1.0)} for box in coco.dataset["annotations"]])
    judge = COCOeval(coco, found, "bbox")
    judge.evaluate()
    judge.accumulate()
    judge.summarize()
    assert judge.stats[0] == pytest.approx(1)


def test_the_datas_own_image_ids_are_kept_if_they_differ(data, tmp_path):
    for name, ids, expected in (
        ("own", ["31", "7", "5", "4", "9", "2", "11"], [31, 7, 5, 4, 9, 11]),
        ("twice", ["7", "7", "5", "4", "9", "2", "11"], [1, 2, 3, 4, 5, 6]),
        ("words", ["a", "7", "5", "4", "9", "2", "11"], [1, 2, 3, 4, 5, 6]),
    ):
        known = pictures_population(data, meta_image_id=ids)
        coco = load(export_selection(known, THERE, format="coco", out=tmp_path / name))
        assert [image["id"] for image in coco.dataset["images"]] == expected


def test_a_picture_of_unknown_size_has_no_boxes(data, tmp_path):
    known = pictures_population(data, meta_image_width_px=np.nan)
    with pytest.warns(UserWarning, match=r"1 of 2 pictures are not there, such as 'gone.jpg'"):
        out = export_selection(known, ["gone.jpg", "plain.jpg"], format="coco", out=tmp_path / "out")
    coco = load(out)
    gone, plain = coco.dataset["images"]
    assert "width" not in gone
    assert (plain["width"], plain["height"]) == (40, 20), "the file says"
    assert {box["image_id"] for box in coco.dataset["annotations"]} == {2}


def test_the_reason_and_the_loss_go_along(export):
    coco = load(export("coco", ["plain.jpg", "empty.jpg"], reasons={"plain.jpg": "fails often"}))
    first, second = coco.dataset["images"]
    assert (first["reason"], first["loss"], first["split"]) == ("fails often", 0.5, "training")
    assert "reason" not in second


class TestOutlines:
    def test_pycocotools_draws_them(self, export_outlines):
        coco = load(export_outlines("coco"))
        cup, box = coco.loadAnns(coco.getAnnIds(imgIds=[1]))
        assert cup["segmentation"] == [[10, 10, 20, 10, 20, 20]]
        assert (cup["bbox"], cup["area"], cup["score"]) == ([10, 10, 10, 10], 50, 0.75)
        assert coco.annToMask(cup).sum() == pytest.approx(50, abs=6)
        assert (box["bbox"], box["area"]) == ([0, 0, 20, 20], 400)
        assert coco.annToMask(box).sum() == 400, "a box among outlines is its corners"

    def test_a_hole_is_left_out_and_parts_are_polygons(self, export_outlines):
        coco = load(export_outlines("coco"))
        (frame,) = coco.loadAnns(coco.getAnnIds(imgIds=[2]))
        assert len(frame["segmentation"]) == 1
        assert frame["area"] == pytest.approx(30 * 30 - 18 * 18, abs=0.01)
        mask = coco.annToMask(frame)
        assert mask.sum() == pytest.approx(frame["area"], rel=0.05)
        assert (mask[15, 15], mask[2, 2]) == (0, 1)
        (parts,) = coco.loadAnns(coco.getAnnIds(imgIds=[4]))
        assert parts["segmentation"] == [[0, 8, 4, 8, 4, 16, 0, 16], [6, 8, 8, 8, 8, 16, 6, 16]]
        assert parts["area"] == coco.annToMask(parts).sum() == 48

    def test_masks_can_be_evaluated_by_pycocotools(self, export_outlines):
        from pycocotools.cocoeval import COCOeval

        coco = load(export_outlines("coco"))
        found = coco.loadRes([{**one, "score": one.get("score", 1.0)} for one in coco.dataset["annotations"]])
        judge = COCOeval(coco, found, "segm")
        judge.evaluate()
        judge.accumulate()
        judge.summarize()
        assert judge.stats[0] == pytest.approx(1)

    def test_where_the_selection_has_none_there_is_no_segmentation(self, export_outlines):
        coco = load(export_outlines("coco", ["images/a.png"]))
        assert [box["segmentation"] for box in coco.dataset["annotations"]] == [[]]
