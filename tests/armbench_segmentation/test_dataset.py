import json

import numpy as np
import pytest
from PIL import Image

from armbench_segmentation.config import SegmentationConfig
from armbench_segmentation.dataset import load_coco, load_data, read_sample

NAN = float("nan")


def outline(x=2, y=3, side=5):
    return [[x, y, x + side, y, x + side, y + side, x, y + side]]


class Folder:
    """A data set of 20x10 pictures, written on disk entry by entry."""

    def __init__(self, root):
        self.root = root
        (root / "images").mkdir()

    def picture(self, name, size=(20, 10), **options):
        path = self.root / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", size, (10, 20, 30)).save(path, **options)

    def write(self, name, images, annotations=(), categories=("Object", "Tote")):
        """`images`: names or entries, numbered from 0; `annotations`: dicts completed with ids and an outline."""
        entries = []
        for k, image in enumerate(images):
            entry = {"id": k, "width": 20, "height": 10} | ({"file_name": image} if isinstance(image, str) else image)
            if isinstance(image, str) and not (self.root / "images" / image).exists():
                self.picture(image)
            entries.append(entry)
        complete = [
            {"id": 100 + k, "image_id": 0, "category_id": 1, "segmentation": outline(), "iscrowd": 0} | annotation
            for k, annotation in enumerate(annotations)
        ]
        content = {
            "images": entries,
            "annotations": complete,
            "categories": [{"id": k, "name": each} for k, each in enumerate(categories, 1)],
        }
        (self.root / name).write_text(json.dumps(content))
        return self.root / name

    def load(self, images, annotations=(), **options):
        return load_coco(self.write("one.json", images, annotations), self.root / "images", **options)

    def config(self, **options):
        return SegmentationConfig(**({"data": self.root, "model": self.root / "m.onnx"} | options))


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


class TestOneFile:
    def test_everything_coco_allows(self, folder):
        runs = {"size": [10, 20], "counts": [5, 10, 185]}
        split = folder.load(
            ["a.jpg", "sub/b.png", "empty.jpg"],
            [
                {"segmentation": [*outline(1, 1, 2), *outline(10, 4, 3)], "category_id": 2},
                {"image_id": 1, "segmentation": runs, "iscrowd": 1},
                {"image_id": 1},
            ],
        )
        first, second, empty = split.samples
        assert [sample.sample_id for sample in split.samples] == ["a.jpg", "sub/b.png", "empty.jpg"]
        assert all(type(sample.sample_id) is str for sample in split.samples)
        assert (first.annotations[0].class_id, first.annotations[0].box_xywh) == (1, (1.0, 1.0, 12.0, 6.0))
        crowd, plain = second.annotations
        assert (crowd.is_crowd, crowd.segmentation, plain.is_crowd) == (True, runs, False)
        assert second.n_objects == 1
        assert (empty.annotations, empty.is_labeled, empty.size) == ((), True, (10, 20))
        assert split.categories == ("Object", "Tote")
        assert read_sample(second).shape == (10, 20, 3)

    def test_categories_are_mapped_by_name_in_the_order_asked_for(self, folder):
        annotations = [{"category_id": 1}, {"category_id": 2}, {"category_id": 3}]
        path = folder.write("a.json", ["a.jpg"], annotations, ("Object", "Tote", "Arm"))
        split = load_coco(path, folder.root / "images", categories=["Arm", "Object"])
        assert split.categories == ("Arm", "Object")
        assert [a.class_id for a in split.samples[0].annotations] == [1, 0]
        with pytest.raises(ValueError, match=r"among those of .*a\.json: Object, Tote, Arm; got 'Box'"):
            load_coco(path, folder.root / "images", categories=["Box"])
        with pytest.raises(ValueError, match="must be different names; got Arm, Arm"):
            load_coco(path, folder.root / "images", categories=["Arm", "Arm"])

    @pytest.mark.parametrize(
        ("segmentation", "reason"),
        [
            ([[1, 1, 5, 5]], "annotation 101: a polygon must have at least 3 points"),
            ([[1, 1, 5, 5, NAN, 2]], "annotation 101: .* not finite"),
            (outline(18, 3, 9), "annotation 101: .* outside the 20x10 image"),
            ({"size": [20, 10], "counts": [0, 200]}, "annotation 101: .* has the size"),
            ([], "annotation 101: it has no segmentation"),
        ],
    )
    def test_a_bad_annotation_sets_its_sample_aside(self, folder, segmentation, reason):
        annotations = [{}, {"image_id": 1, "segmentation": segmentation}, {"image_id": 1}]
        with pytest.warns(UserWarning, match=rf"1 of the 2 images of .*one\.json are set aside.*'b\.jpg': {reason}"):
            split = folder.load(["a.jpg", "b.jpg"], annotations)
        assert [sample.sample_id for sample in split.samples] == ["a.jpg"]
        assert [bad.sample_id for bad in split.set_aside] == ["b.jpg"]

    def test_a_bad_annotation_of_an_unused_category_harms_nobody(self, folder):
        split = folder.load(["a.jpg"], [{"segmentation": [[1, 1]]}, {"category_id": 2}], categories=["Tote"])
        assert split.samples[0].n_objects == 1

    @pytest.mark.parametrize(
        ("entry", "reason"),
        [
            ({"file_name": "gone.jpg"}, "no image file at .*gone.jpg"),
            ({"file_name": "text.jpg"}, "text.jpg cannot be read as an image"),
            ({"file_name": "a.jpg", "width": 21}, "is 20x10 pixels but its annotations say 21x10"),
            ({"file_name": "a.jpg", "width": 0}, "must be positive integers; got 0 and 10"),
            ({"file_name": "a.jpg", "width": "20"}, "must be positive integers"),
            ({"file_name": "a.jpg", "width": float("inf")}, "must be positive integers"),
            ({"file_name": "a.jpg", "width": None}, "must be positive integers"),
            ({"file_name": None}, "file_name must be a path inside the image folder; got None"),
            ({"file_name": "../images/a.jpg"}, r"inside the image folder; got '\.\./images/a\.jpg'"),
            ({"file_name": "sub\\..\\..\\a.jpg"}, r"inside the image folder; got 'sub"),
            ({"file_name": "C:\\a.jpg"}, r"inside the image folder; got 'C:"),
        ],
    )
    def test_a_bad_image_is_set_aside(self, folder, entry, reason):
        (folder.root / "images" / "text.jpg").write_text("no picture")
        with pytest.warns(UserWarning, match=rf"(?s)1 of the 2 images.*{reason}"):
            split = folder.load(["a.jpg", entry])
        assert len(split) == len(split.set_aside) == 1

    def test_sample_ids_never_carry_paths_of_the_machine(self, folder):
        folder.picture("a.jpg")
        outside = [{"file_name": str(folder.root / "images" / "a.jpg")}, {"file_name": "../images/a.jpg"}]
        with pytest.warns(UserWarning, match="2 of the 3 images"):
            split = folder.load([*outside, "sub/../a.jpg"])
        assert [sample.sample_id for sample in split.samples] == ["a.jpg"]
        assert [bad.sample_id for bad in split.set_aside] == ["image 0", "image 1"]

    @pytest.mark.parametrize(
        ("value", "expected"), [(0, False), (1, True), (False, False), (True, True), (None, False)]
    )
    def test_a_crowd_is_0_or_1(self, folder, value, expected):
        assert folder.load(["a.jpg"], [{"iscrowd": value}]).samples[0].annotations[0].is_crowd is expected

    @pytest.mark.parametrize("value", ["0", "1", "false", 2, -1, NAN, [1]])
    def test_anything_else_is_no_crowd_and_sets_the_sample_aside(self, folder, value):
        with pytest.warns(UserWarning, match=r"'a\.jpg': annotation 100: its iscrowd must be 0 or 1; got"):
            assert len(folder.load(["a.jpg", "b.jpg"], [{"iscrowd": value}])) == 1

    def test_nothing_usable_is_an_error(self, folder):
        with pytest.raises(
            ValueError, match=r"2 of the 2 images of .* set aside; the first is 'x\.jpg': no image file"
        ):
            folder.load([{"file_name": "x.jpg"}, {"file_name": "y.jpg"}])
        with pytest.raises(ValueError, match="must hold at least one image; got none"):
            folder.load([])

    def test_a_missing_size_is_read_from_the_file(self, folder):
        folder.picture("a.jpg", (7, 9))
        split = folder.load([{"file_name": "a.jpg", "width": None, "height": None}])
        assert split.samples[0].size == (9, 7)

    def test_the_size_tells_whether_the_orientation_counts(self, folder):
        exif = Image.Exif()
        exif[274] = 6
        folder.picture("turned.jpg", exif=exif)
        stored, upright = folder.load(
            [{"file_name": "turned.jpg"}, {"file_name": "turned.jpg", "width": 10, "height": 20}]
        ).samples
        assert (read_sample(stored).shape, read_sample(upright).shape) == ((10, 20, 3), (20, 10, 3))
        assert (stored.sample_id, upright.sample_id) == ("turned.jpg#0", "turned.jpg#1")

    def test_a_truncated_jpeg_shows_when_it_is_read(self, folder):
        noise = np.random.default_rng(0).integers(0, 255, (10, 20, 3), np.uint8)
        path = folder.root / "images" / "cut.jpg"
        Image.fromarray(noise).save(path, quality=95)
        path.write_bytes(path.read_bytes()[:-200])
        sample = folder.load(["cut.jpg"]).samples[0]
        with pytest.raises(ValueError, match=r"Sample 'cut\.jpg': .*cut\.jpg cannot be read as an image: .*truncated"):
            read_sample(sample)
        path.unlink()
        with pytest.raises(ValueError, match=r"Sample 'cut\.jpg': no image file"):
            read_sample(sample)

    def test_the_largest_objects_stay_and_the_cut_is_counted(self, folder):
        annotations = [{"segmentation": outline(side=side)} for side in (2, 6, 1, 5)]
        annotations += [{"segmentation": outline(side=1), "iscrowd": 1}, {"image_id": 1}]
        with pytest.warns(UserWarning, match="max_instances: 2 leaves out 2 objects in 1 images"):
            split = folder.load(["a.jpg", "b.jpg"], annotations, max_instances=2)
        assert [a.annotation_id for a in split.samples[0].annotations] == [101, 103, 104]
        assert [sample.n_cut for sample in split.samples] == [2, 0]

    def test_a_cap_chooses_by_seed_and_says_so(self, folder):
        names = [f"{k:02}.jpg" for k in range(12)]
        path = folder.write("a.json", names)

        def chosen(**options):
            with pytest.warns(UserWarning, match=r"max_samples: \d of the 12 images of .*a\.json are used"):
                return [sample.sample_id for sample in load_coco(path, folder.root / "images", **options).samples]

        five = chosen(max_samples=5)
        assert five == sorted(five) == chosen(max_samples=5)
        assert len(set(five)) == 5
        assert set(five) < set(chosen(max_samples=7))
        assert five != chosen(max_samples=5, seed=1)

    @pytest.mark.parametrize("options", [{"max_samples": 0}, {"max_instances": -1}, {"max_samples": "ten"}])
    def test_caps_are_positive(self, folder, options):
        with pytest.raises(ValueError, match="must be a positive integer or null"):
            folder.load(["a.jpg"], **options)

    def test_missing_files_and_folders_are_named(self, folder):
        path = folder.write("a.json", ["a.jpg"])
        with pytest.raises(FileNotFoundError, match=r"No annotation file at .*b\.json"):
            load_coco(folder.root / "b.json", folder.root / "images")
        with pytest.raises(FileNotFoundError, match=r"No image folder at .*nowhere for .*a\.json"):
            load_coco(path, folder.root / "nowhere")

    def test_conditions_are_scalars(self, folder):
        conditions = {"tote": "blue", "light": 0.5, "wet": True, "n": 3, "list": [1], "none": None}
        conditions |= {"nan": NAN, "up": float("inf"), "down": -float("inf")}
        folder.picture("a.jpg")
        given, none = folder.load([{"file_name": "a.jpg", "conditions": conditions}, "b.jpg"]).samples
        assert given.conditions == {"tote": "blue", "light": 0.5, "wet": True, "n": 3}
        assert none.conditions == {}


class TestLayouts:
    def test_three_files(self, folder):
        folder.write("train.json", ["a.jpg", "b.jpg"], [{}, {}, {"image_id": 1}])
        folder.write("val.json", ["c.jpg"], [{"category_id": 2}])
        folder.write("test.json", ["d.jpg"], [{"segmentation": "ignored", "category_id": "unknown"}])
        data = load_data(folder.config())
        assert {split: len(found) for split, found in data.splits.items()} == {
            "training": 2,
            "validation": 1,
            "unlabeled": 1,
        }
        assert (data.categories, data.max_instances) == (("Object", "Tote"), 2)
        unlabeled = data.splits["unlabeled"].samples[0]
        assert (unlabeled.annotations, unlabeled.is_labeled) == ((), False)

    def test_categories_keep_their_place_whatever_their_ids_in_each_file(self, folder):
        folder.write("train.json", ["a.jpg"], [{"category_id": 2}], ("Object", "Tote"))
        folder.write("val.json", ["b.jpg"], [{"category_id": 1}, {"category_id": 2}], ("Tote", "Arm"))
        data = load_data(folder.config())
        assert data.categories == ("Object", "Tote", "Arm")
        assert [a.class_id for a in data.splits["validation"].samples[0].annotations] == [1, 2]

    def test_the_unlabelled_split_may_be_absent_or_empty(self, folder):
        for name in ("train.json", "val.json"):
            folder.write(name, [f"{name}.jpg"])
        assert set(load_data(folder.config()).splits) == {"training", "validation"}
        folder.write("test.json", [])
        assert set(load_data(folder.config()).splits) == {"training", "validation"}

    def test_max_instances_is_at_least_one(self, folder):
        for name in ("train.json", "val.json"):
            folder.write(name, [f"{name}.jpg"])
        assert load_data(folder.config()).max_instances == 1

    def test_an_unlabelled_folder_replaces_test_json(self, folder, tmp_path):
        for name in ("train.json", "val.json", "test.json"):
            folder.write(name, [f"{name}.jpg"])
        folder.picture("../more/x.png")
        folder.picture("../more/deep/y.jpg", (5, 4))
        found = load_data(folder.config(unlabeled=tmp_path / "more")).splits["unlabeled"]
        assert [(s.sample_id, s.size, s.image_id, s.is_labeled) for s in found.samples] == [
            ("deep/y.jpg", (4, 5), None, False),
            ("x.png", (10, 20), None, False),
        ]

    def test_an_empty_unlabelled_folder_is_an_error(self, folder, tmp_path):
        for name in ("train.json", "val.json"):
            folder.write(name, [f"{name}.jpg"])
        (tmp_path / "more").mkdir()
        with pytest.raises(ValueError, match=r"more \(unlabeled\) must hold at least one image"):
            load_data(folder.config(unlabeled=tmp_path / "more"))

    def test_a_folder_alone_is_loaded_without_annotations(self, folder):
        folder.picture("a.jpg")
        split = load_coco(None, folder.root / "images")
        assert [sample.sample_id for sample in split.samples] == ["a.jpg"]
        assert (split.categories, split.samples[0].is_labeled) == ((), False)

    def test_one_file_is_split_by_seeded_fractions(self, folder):
        names = [f"{k:02}.jpg" for k in range(20)]
        annotations = [{"image_id": k} for k in range(20)]
        path = folder.write("all.json", names, annotations)
        fractions = {"training": 0.6, "validation": 0.25, "unlabeled": 0.15}
        config = folder.config(data=path, fractions=fractions)
        ids = {name: [s.sample_id for s in split.samples] for name, split in load_data(config).splits.items()}
        assert {name: len(found) for name, found in ids.items()} == {"training": 12, "validation": 5, "unlabeled": 3}
        assert sorted(name for found in ids.values() for name in found) == names
        again = load_data(config).splits
        assert {name: [s.sample_id for s in split.samples] for name, split in again.items()} == ids
        other = load_data(folder.config(data=path, fractions=fractions, seed=1)).splits["training"]
        assert [s.sample_id for s in other.samples] != ids["training"]
        assert all(not s.annotations and not s.is_labeled for s in again["unlabeled"].samples)

    @pytest.mark.parametrize(
        ("fractions", "message"),
        [
            ({"training": 0.7, "validation": 0.2}, "must sum to 1; got 0.9"),
            ({"training": 1.0}, "must give training and validation a share"),
            ({"training": 1.5, "validation": -0.5}, "must give training and validation a share"),
            ({"training": 0.5, "test": 0.5}, "must name training, validation, unlabeled; got 'test'"),
        ],
    )
    def test_fractions_make_sense(self, folder, fractions, message):
        path = folder.write("all.json", ["a.jpg", "b.jpg"])
        with pytest.raises(ValueError, match=message):
            load_data(folder.config(data=path, fractions=fractions))

    def test_a_split_that_gets_no_image_is_an_error(self, folder):
        path = folder.write("all.json", ["a.jpg"])
        with pytest.raises(ValueError, match=r"all\.json \(validation\) must hold at least one image; got none"):
            load_data(folder.config(data=path))

    def test_a_name_in_two_splits_gets_the_split_as_prefix(self, folder):
        folder.write("train.json", ["a.jpg", "b.jpg"])
        folder.write("val.json", ["a.jpg", "c.jpg"])
        data = load_data(folder.config())
        assert [s.sample_id for s in data.splits["training"].samples] == ["training:a.jpg", "b.jpg"]
        assert [s.sample_id for s in data.splits["validation"].samples] == ["validation:a.jpg", "c.jpg"]

    def test_a_cap_per_split_leaves_the_ids_as_they_are(self, folder):
        folder.write("train.json", ["a.jpg", "b.jpg", "c.jpg"])
        folder.write("val.json", ["a.jpg", "b.jpg", "c.jpg"])
        with pytest.warns(UserWarning, match=r"max_samples: 1 of the 3 images of .*train\.json"):
            data = load_data(folder.config(max_samples={"training": 1, "validation": None}))
        assert len(data.splits["validation"]) == 3
        assert data.splits["training"].samples[0].sample_id.startswith("training:")
        with pytest.raises(ValueError, match="must name training, validation, unlabeled; got 'train'"):
            load_data(folder.config(max_samples={"train": 1}))

    def test_a_category_that_no_file_has_is_an_error(self, folder):
        for name in ("train.json", "val.json"):
            folder.write(name, [f"{name}.jpg"])
        with pytest.raises(ValueError, match=r"among those of .*train\.json: Object, Tote; got 'Box'"):
            load_data(folder.config(categories=("Tote", "Box")))

    @pytest.mark.parametrize("name", [".", "images", "gone"])
    def test_a_folder_without_annotation_files_says_what_was_looked_for(self, folder, name):
        message = r"No train\.json and val\.json in .*; .* a folder that holds both, or one COCO annotation file\."
        with pytest.raises(FileNotFoundError, match=message):
            load_data(folder.config(data=folder.root / name))

    def test_a_missing_file_is_named(self, folder):
        folder.write("train.json", ["a.jpg"])
        with pytest.raises(FileNotFoundError, match=r"No annotation file at .*val\.json"):
            load_data(folder.config())
