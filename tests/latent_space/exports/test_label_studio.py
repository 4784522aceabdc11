"""Loaded back by label-studio-sdk: its labelling interface takes the tasks and predictions, its converter the boxes."""

import json
import warnings
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.latent_space.exports.conftest import THERE

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # the SDK's own models still follow pydantic 1
    from label_studio_sdk.converter import Converter
    from label_studio_sdk.label_interface import LabelInterface


def load(folder):
    interface = LabelInterface((folder / "labeling_config.xml").read_text(encoding="utf-8"))
    interface.validate()
    tasks = json.loads((folder / "tasks.json").read_text(encoding="utf-8"))
    for task in tasks:
        assert interface.validate_task({"data": task["data"]})
        for prediction in task.get("predictions", []):
            assert interface.validate_prediction(prediction, return_errors=True) == []
    regions = [region["id"] for task in tasks for one in task.get("predictions", []) for region in one["result"]]
    assert len(set(regions)) == len(regions)
    assert len({task["id"] for task in tasks}) == len(tasks)
    return interface, tasks


def test_tasks_and_predictions_fit_the_interface(export):
    out = export("label-studio", reasons=["because"] * len(THERE))
    interface, tasks = load(out)
    assert [task["data"]["sample_id"] for task in tasks] == THERE
    assert interface.get_control("objects").labels == ["box & co", "cup", "unfound"]
    first, second = tasks[0]["predictions"][0]["result"]
    place = {"x": 25, "y": 50, "width": 25, "height": 50, "rotation": 0, "rectanglelabels": ["cup"]}
    assert first["value"] == place
    assert (first["original_width"], first["original_height"], first["score"]) == (40, 20, 0.75)
    assert second["value"]["x"] == 0, "clipped to the picture"
    assert tasks[0]["predictions"][0]["score"] == 0.625
    assert tasks[0]["data"]["reason"] == "because"
    assert "score" not in tasks[1]["predictions"][0]
    assert "predictions" not in tasks[-1], "nothing was found there"


def test_outlines_are_polygons_that_fit_the_interface(export_outlines):
    interface, tasks = load(export_outlines("label-studio"))
    assert interface.get_control("outlines").labels == interface.get_control("objects").labels
    triangle, box = tasks[0]["predictions"][0]["result"]
    points = [[25, 50], [50, 50], [50, 100]]
    assert triangle["value"] == {"points": points, "closed": True, "polygonlabels": ["cup"]}
    assert (triangle["type"], triangle["from_name"], triangle["score"]) == ("polygonlabels", "outlines", 0.75)
    assert (box["type"], box["from_name"]) == ("rectanglelabels", "objects")
    assert len(tasks[3]["predictions"][0]["result"]) == 1, "two parts are one object"


def test_an_interface_has_the_tools_that_are_needed(export_outlines):
    out = export_outlines("label-studio", ["images/a.jpg"])
    assert "RectangleLabels" not in (out / "labeling_config.xml").read_text()
    out = export_outlines("label-studio", ["empty.jpg"])
    assert "PolygonLabels" not in (out / "labeling_config.xml").read_text()


def test_addresses_lead_to_the_pictures_below_the_document_root(export):
    out = export("label-studio")
    for task in load(out)[1]:
        address = urlsplit(task["data"]["image"])
        assert address.path == "/data/local-files/"
        assert (out / parse_qs(address.query)["d"][0]).is_file()


def test_an_interface_that_expects_other_labels_refuses_them(export):
    interface, tasks = load(export("label-studio"))
    prediction = tasks[0]["predictions"][0]
    prediction["result"][0]["value"]["rectanglelabels"] = ["spoon"]
    assert not interface.validate_prediction(prediction), "so that the checks above mean something"


def converted(out, tmp_path):
    """Take the predictions for annotations and convert those to COCO."""
    tasks = json.loads((out / "tasks.json").read_text())
    for task in tasks:
        task["annotations"] = task.pop("predictions")
    (tmp_path / "annotated.json").write_text(json.dumps(tasks))
    converter = Converter((out / "labeling_config.xml").read_text(), str(tmp_path), download_resources=False)
    converter.convert_to_coco(str(tmp_path / "annotated.json"), str(tmp_path / "coco"), is_dir=False)
    return json.loads((tmp_path / "coco" / "result.json").read_text())["annotations"]


@pytest.mark.slow
def test_the_converter_brings_the_boxes_to_coco(export, tmp_path):
    boxes = converted(export("label-studio", ["plain.jpg"]), tmp_path)
    assert [box["bbox"] for box in boxes] == [[10, 10, 10, 10], [0, 0, 20, 20]]


@pytest.mark.slow
def test_the_converter_brings_the_outlines_to_coco(export_outlines, tmp_path):
    (frame,) = converted(export_outlines("label-studio", ['with space/it\'s "quoted".png']), tmp_path)
    assert frame["bbox"] == [0, 0, 30, 30]
    assert frame["area"] == pytest.approx(30 * 30 - 18 * 18, rel=0.01)
