import hashlib
import json

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from latent_space.exports import FORMATS, check_target, export_selection
from latent_space.population import Population
from tests.latent_space.exports.conftest import NAMES, THERE, pictures_population

PICTURE_FORMATS = [name for name in FORMATS if name != "csv"]


def contents(folder):
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


@pytest.mark.parametrize("name", FORMATS)
def test_an_export_lists_its_files_and_can_be_repeated_byte_for_byte(export, name):
    first = contents(export(name))
    known = json.loads(first.pop("export.json"))
    assert (known["format"], known["n_samples"]) == (name, 6)
    assert known["files"] == {file: hashlib.sha256(data).hexdigest() for file, data in first.items()}
    again = contents(export(name))
    again.pop("export.json")
    assert again == first


@pytest.mark.parametrize("name", FORMATS)
def test_nothing_names_a_place_on_this_machine(export, tmp_path, name):
    assert all(str(tmp_path).encode() not in data for data in contents(export(name)).values())


@pytest.mark.parametrize("name", FORMATS)
def test_outlines_change_neither_the_table_nor_the_repetition(export, export_outlines, name):
    first = contents(export_outlines(name))
    assert first == contents(export_outlines(name))
    if name == "csv":
        assert first["selection.csv"] == contents(export(name))["selection.csv"]


@pytest.mark.parametrize("name", PICTURE_FORMATS)
def test_pictures_are_copied_as_they_are(export, data, name):
    copied = {hashlib.sha256(file).digest() for file in contents(export(name)).values()}
    wanted = {hashlib.sha256((data / "photos" / picture).read_bytes()).digest() for picture in THERE}
    assert wanted <= copied


@pytest.mark.parametrize("name", PICTURE_FORMATS)
def test_a_run_without_instances_gives_pictures_without_boxes(data, tmp_path, name):
    whole = pictures_population(data)
    bare = Population(whole.samples, whole.latents, run=whole.run)
    out = export_selection(bare, THERE, format=name, out=tmp_path / "out")
    assert (out / "export.json").is_file()
    if name == "label-studio":
        assert "predictions" not in (out / "tasks.json").read_text()


def test_the_runs_thumbnails_stand_in_for_pictures_that_are_gone(tmp_path):
    run = tmp_path / "run"
    (run / "thumbnails").mkdir(parents=True)
    Image.new("RGB", (32, 16)).save(run / "thumbnails" / "7.png")
    Image.new("RGB", (32, 16)).save(tmp_path / "outside.png")
    thumbnails = ["thumbnails/7.png", "thumbnails/none.png", "../outside.png", None, None, None, None]
    known = pictures_population(thumbnail=thumbnails)
    with (
        pytest.warns(UserWarning, match=r"1 of 3 pictures are the run's thumbnails, such as 'plain.jpg.png'"),
        pytest.warns(UserWarning, match=r"2 of 3 pictures are not there"),
    ):
        out = export_selection(known, NAMES[:3], format="coco", out=tmp_path / "out", run_dir=run)
    assert [file.name for file in (out / "images").iterdir()] == ["plain.jpg.png"]
    content = json.loads((out / "annotations.json").read_text())
    assert (content["images"][0]["width"], content["images"][0]["height"]) == (32, 16)
    assert content["annotations"][0]["bbox"] == [8, 8, 8, 8]


def test_samples_that_are_no_files_take_their_ids_as_names(tmp_path):
    known = Population(pd.DataFrame({"sample_id": ["digit 1", "../../2"]}), np.zeros((2, 1)))
    out = export_selection(known, ["../../2", "digit 1"], format="csv", out=tmp_path / "out")
    assert pd.read_csv(out / "selection.csv", dtype=str)["file_name"].tolist() == ["2", "digit 1"]


def test_columns_can_be_named(data, tmp_path):
    known = pictures_population(data, where=[f"./{name}" for name in NAMES][::-1])
    out = export_selection(known, ["gone.jpg"], format="csv", out=tmp_path / "out", columns={"file_name": "where"})
    assert pd.read_csv(out / "selection.csv")["file_name"].tolist() == [NAMES[1]]
    with pytest.raises(ValueError, match="column for width must exist; got 'wide'"):
        export_selection(known, ["gone.jpg"], format="csv", out=tmp_path / "out", columns={"width": "wide"})


def test_two_samples_of_one_picture_get_a_name_each(data, tmp_path):
    known = pictures_population(data, meta_image_file_name=["plain.jpg", "plain.jpg", *NAMES[2:]])
    out = export_selection(known, NAMES[:2], format="coco", out=tmp_path / "out")
    images = json.loads((out / "annotations.json").read_text())["images"]
    assert [image["file_name"] for image in images] == ["plain.jpg", "plain-2.jpg"]
    assert len(list((out / "images").iterdir())) == 2


class TestRefusals:
    def test_nothing_chosen(self, export):
        with pytest.raises(ValueError, match="sample_ids must hold at least one sample; got none"):
            export("coco", [])

    def test_an_unknown_id(self, export):
        with pytest.raises(ValueError, match=r"one of the 7 of the run; got 'plain.jp'. Did you mean 'plain.jpg'\?"):
            export("coco", ["plain.jp"])

    def test_an_unknown_format(self, export):
        with pytest.raises(
            ValueError, match="format must be one of coco, yolo, label-studio, cvat, fiftyone, csv; got 'xls'"
        ):
            export("xls")

    def test_an_unknown_way_with_pictures(self, export):
        with pytest.raises(ValueError, match="pictures must be copy, link or none; got 'move'"):
            export("coco", pictures="move")

    def test_reasons_that_are_too_few(self, export):
        with pytest.raises(ValueError, match="reasons must be one per sample, 6; got 1"):
            export("coco", reasons=["why"])

    @pytest.mark.parametrize("name", ["coco", "yolo", "cvat", "fiftyone"])
    def test_windows_as_pictures(self, windows, tmp_path, name):
        with pytest.raises(ValueError, match=f"csv or label-studio for stretches of a recording; got '{name}'"):
            export_selection(windows, ["m 1:2026-01-01T00:00:19"], format=name, out=tmp_path / "out")


def test_a_repeated_id_is_exported_once(export):
    out = export("csv", ["plain.jpg", "empty.jpg", "plain.jpg"], reasons=["a", "b", "a"])
    assert pd.read_csv(out / "selection.csv")["reason"].tolist() == ["a", "b"]


def test_a_target_is_refused_before_anything_is_chosen(windows, data, tmp_path):
    (tmp_path / "mine.txt").write_text("notes")
    pictures = pictures_population(data)
    for name in FORMATS:
        check_target(pictures, format=name, out=tmp_path / "new", data=data)
    with pytest.raises(FileExistsError, match="out must be a new or empty folder"):
        check_target(pictures, format="csv", out=tmp_path)
    with pytest.raises(FileNotFoundError, match="data must be a folder or file; got nowhere"):
        check_target(pictures, format="csv", out=tmp_path / "new", data="nowhere")
    with pytest.raises(ValueError, match=r"format must be one of coco, .*; got 'word'"):
        check_target(pictures, format="word", out=tmp_path / "new")
    with pytest.raises(ValueError, match="format must be csv or label-studio for stretches of a recording; got 'coco'"):
        check_target(windows, format="coco", out=tmp_path / "new")
    check_target(windows, format="csv", out=tmp_path / "new")
    assert not (tmp_path / "new").exists()
