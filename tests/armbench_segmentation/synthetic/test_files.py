"""The files load as COCO, the annotations are what is visible, the planted truth is true."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest
from pycocotools.coco import COCO

from armbench_segmentation.synthetic import write_totes
from armbench_segmentation.synthetic.drawing import FIRST_ITEM, draw_scene
from armbench_segmentation.synthetic.files import MIN_AREA, MIN_VISIBLE
from armbench_segmentation.synthetic.planning import plan_pictures
from armbench_segmentation.synthetic.scenes import CONDITION_VALUES, plan_scene
from armbench_segmentation.synthetic.totes import TOTE

SIZES = {"train": 60, "val": 20, "unlabeled": 20}
SIDE = 96


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    out = tmp_path_factory.mktemp("totes")
    write_totes(out, **SIZES, image_size=SIDE, seed=3)
    return out


@pytest.fixture(scope="module")
def files(root):
    return {name: json.loads((root / f"{name}.json").read_text()) for name in ("train", "val", "test", "truth")}


def picture(root, file_name):
    return cv2.imread(str(root / "images" / file_name))[..., ::-1].astype(np.float32)


def all_bytes(root):
    return {p.relative_to(root): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


class TestLayout:
    def test_every_image_is_there_and_no_other_file(self, root, files):
        named = {i["file_name"] for split in ("train", "val", "test") for i in files[split]["images"]}
        assert {p.name for p in (root / "images").iterdir()} == named
        assert len(named) == sum(SIZES.values())
        assert {p.name for p in root.iterdir()} == {"images", "train.json", "val.json", "test.json", "truth.json"}

    def test_test_split_has_images_only(self, files):
        assert "annotations" not in files["test"]
        assert [c["name"] for c in files["train"]["categories"]] == ["Object", "Tote"]

    @pytest.mark.parametrize("split", ["train", "val", "test"])
    def test_pycocotools_reads_it(self, root, split, capsys):
        coco = COCO(str(root / f"{split}.json"))
        capsys.readouterr()
        assert len(coco.getImgIds()) == SIZES["unlabeled" if split == "test" else split]

    def test_one_tote_per_image_and_unique_ids(self, files):
        for split in ("train", "val"):
            annotations = files[split]["annotations"]
            totes = [a["image_id"] for a in annotations if a["category_id"] == 2]
            assert sorted(totes) == sorted(i["id"] for i in files[split]["images"])
            assert len({a["id"] for a in annotations}) == len(annotations)

    def test_conditions_are_scalars_with_equal_keys(self, files):
        for split in ("train", "val", "test"):
            for image in files[split]["images"]:
                # How many objects there are is what labels tell: it would give the unlabelled away.
                assert set(image["conditions"]) == {*CONDITION_VALUES, *(["n_objects"] if split != "test" else [])}
                assert all(isinstance(v, str | int | bool) for v in image["conditions"].values())

    def test_number_of_objects_is_the_number_annotated(self, files):
        for image in files["train"]["images"]:
            found = [a for a in files["train"]["annotations"] if a["image_id"] == image["id"] and a["category_id"] == 1]
            assert image["conditions"]["n_objects"] == len(found)

    def test_pictures_have_the_size_they_claim(self, root, files):
        image = files["val"]["images"][0]
        assert picture(root, image["file_name"]).shape == (image["height"], image["width"], 3) == (SIDE, SIDE, 3)

    def test_our_own_reader_takes_it(self, root):
        from armbench_segmentation.dataset import load_coco

        split = load_coco(root / "train.json", root / "images")
        assert len(split.samples) == SIZES["train"]
        assert not split.set_aside
        assert split.categories == ("Object", "Tote")
        assert split.samples[0].conditions["tote_colour"] in ("blue", "yellow")


class TestMasks:
    def test_area_and_box_are_those_of_the_rasterised_annotation(self, root, files, capsys):
        coco = COCO(str(root / "val.json"))
        capsys.readouterr()
        for annotation in coco.dataset["annotations"]:
            mask = coco.annToMask(annotation)
            rows, columns = np.nonzero(mask)
            assert annotation["area"] == mask.sum()
            assert annotation["bbox"] == [
                columns.min(), rows.min(), columns.max() - columns.min() + 1, rows.max() - rows.min() + 1
            ]  # fmt: skip

    def test_masks_of_one_image_hardly_overlap(self, root, files, capsys):
        coco = COCO(str(root / "val.json"))
        capsys.readouterr()
        for image_id in coco.getImgIds():
            masks = np.stack([coco.annToMask(a) for a in coco.loadAnns(coco.getAnnIds(image_id))])
            overlap = (masks.sum(axis=0) > 1).sum()
            assert overlap <= 0.02 * masks.any(axis=0).sum()

    def test_annotations_are_the_visible_masks(self, root, files, capsys):
        """Draw the planned scene again: each annotation must be one owner's pixels, IoU at least .98."""
        coco = COCO(str(root / "val.json"))
        capsys.readouterr()
        plans = [p for p in plan_pictures({"train": 60, "val": 20, "test": 0}, 3) if p.split == "val" and not p.source]
        for plan in plans[:8]:
            image = next(i for i in coco.dataset["images"] if i["file_name"] == plan.file_name)
            scene = plan_scene(plan.conditions, plan.generator(3), wash=plan.wash)
            drawing = draw_scene(scene, SIDE)
            drawn = [coco.annToMask(a) > 0 for a in coco.loadAnns(coco.getAnnIds(image["id"]))]
            shown = [drawing.owner == TOTE]
            for i, whole in enumerate(drawing.full_area):
                mask = drawing.owner == FIRST_ITEM + i
                if mask.sum() >= max(MIN_VISIBLE * whole, MIN_AREA * SIDE * SIDE):
                    shown.append(mask)
            assert len(drawn) == len(shown)
            for a, b in zip(drawn, shown, strict=True):
                assert (a & b).sum() / (a | b).sum() >= 0.98


class TestTruth:
    def test_slice_and_decoy_name_the_images_that_have_the_conditions(self, files):
        truth = files["truth"]
        conditions = {i["file_name"]: i["conditions"] for s in ("train", "val", "test") for i in files[s]["images"]}
        both = truth["failure_slice"]["conditions"]
        assert len(both) == 2
        assert set(truth["failure_slice"]["file_names"]) == {
            name for name, values in conditions.items() if both.items() <= values.items()
        }
        name = truth["decoy"]["condition"]
        assert truth["decoy"]["file_names"] == [n for n, values in conditions.items() if values[name]]
        assert (truth["seed"], truth["image_size"]) == (3, SIDE)

    def test_nothing_of_it_is_told_elsewhere(self, root):
        for split in ("train", "val", "test"):
            text = (root / f"{split}.json").read_text()
            assert not any(word in text for word in ("slice", "decoy", "duplicate", "source", "wash"))

    def test_near_duplicates_are_nearly_equal_in_pixels_and_others_are_not(self, root, files):
        pairs = files["truth"]["near_duplicates"]
        assert pairs
        for pair in pairs:
            copy, source = picture(root, pair["file_name"]), picture(root, pair["source_file_name"])
            dx, dy = pair.get("dx", 0), pair.get("dy", 0)
            moved = np.roll(source, (dy, dx), axis=(0, 1)) * pair.get("gain", 1)
            assert np.abs(copy - moved)[4:-4, 4:-4].mean() < 8
            assert not np.array_equal(copy, source)
        names = sorted(i["file_name"] for i in files["val"]["images"])
        planted = {p["file_name"] for p in pairs}
        rest = [picture(root, n) for n in names if n not in planted]
        assert min(np.abs(a - b).mean() for i, a in enumerate(rest) for b in rest[:i]) > 12


class TestDeterminism:
    def test_same_arguments_same_bytes(self, tmp_path):
        for name in ("a", "b"):
            write_totes(tmp_path / name, train=22, val=3, unlabeled=2, image_size=64, seed=1)
        assert all_bytes(tmp_path / "a") == all_bytes(tmp_path / "b")

    def test_pictures_do_not_depend_on_the_size_of_other_splits(self, tmp_path):
        write_totes(tmp_path / "a", train=6, val=2, unlabeled=0, image_size=64)
        write_totes(tmp_path / "b", train=9, val=2, unlabeled=3, image_size=64)
        a, b = all_bytes(tmp_path / "a"), all_bytes(tmp_path / "b")
        assert all(b[path] == data for path, data in a.items() if path.suffix == ".jpg")
        assert a[Path("val.json")] == b[Path("val.json")]

    def test_another_seed_draws_other_pictures(self, tmp_path):
        for seed in (0, 1):
            write_totes(tmp_path / str(seed), train=2, val=0, unlabeled=0, image_size=64, seed=seed)
        assert all_bytes(tmp_path / "0") != all_bytes(tmp_path / "1")


class TestFolder:
    def test_an_earlier_output_is_replaced(self, tmp_path):
        write_totes(tmp_path, train=4, val=1, unlabeled=1, image_size=64)
        write_totes(tmp_path, train=2, val=0, unlabeled=0, image_size=64, seed=1)
        assert len(list((tmp_path / "images").iterdir())) == 2
        assert json.loads((tmp_path / "truth.json").read_text())["seed"] == 1

    def test_a_strangers_folder_is_refused_and_untouched(self, tmp_path):
        (tmp_path / "train.json").write_text("{}")
        with pytest.raises(ValueError, match="out must be empty or an earlier output"):
            write_totes(tmp_path, train=1, val=0, unlabeled=0)
        assert [p.name for p in tmp_path.iterdir()] == ["train.json"]

    def test_a_file_is_refused(self, tmp_path):
        path = tmp_path / "file"
        path.touch()
        with pytest.raises(ValueError, match="out must be a folder"):
            write_totes(path, train=1, val=0, unlabeled=0)

    def test_a_run_cut_short_leaves_no_json_and_is_replaced(self, tmp_path, monkeypatch):
        from armbench_segmentation.synthetic import files

        write_totes(tmp_path, train=3, val=0, unlabeled=0, image_size=64)
        monkeypatch.setattr(files, "_save", _stop_at_the_third())
        with pytest.raises(KeyboardInterrupt):
            write_totes(tmp_path, train=5, val=0, unlabeled=0, image_size=64)
        monkeypatch.undo()
        assert not list(tmp_path.glob("*.json"))
        write_totes(tmp_path, train=1, val=0, unlabeled=0, image_size=64)
        assert len(list((tmp_path / "images").iterdir())) == 1
        assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"train": -1}, "train must be a number of images"),
            ({"unlabeled": -2}, "unlabeled must be a number of images"),
            ({"train": 0, "val": 0, "unlabeled": 0}, "at least one image"),
            ({"image_size": 32}, "image_size must be at least 64"),
            ({"seed": -1}, "seed must not be negative"),
        ],
    )
    def test_bad_arguments_are_refused_before_anything_is_written(self, tmp_path, options, message):
        out = tmp_path / "new"
        with pytest.raises(ValueError, match=message):
            write_totes(out, **{"train": 1, "val": 1, "unlabeled": 1, **options})
        assert not out.exists()

    def test_report_says_what_was_written(self, tmp_path):
        report = write_totes(tmp_path, train=20, val=1, unlabeled=1, image_size=64)
        assert "22 totes (20 train, 1 val, 1 test)" in str(report)
        assert "tote_colour = yellow and stacked_equal_boxes = True" in str(report)
        assert str(tmp_path) in str(report)


def _stop_at_the_third():
    from armbench_segmentation.synthetic import files

    save, calls = files._save, []

    def interrupted(*arguments):
        calls.append(arguments)
        if len(calls) == 3:
            raise KeyboardInterrupt
        save(*arguments)

    return interrupted
