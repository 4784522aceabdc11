from pathlib import Path

import numpy as np
import pytest

from armbench_segmentation.instances import Instances
from armbench_segmentation.metadata import (
    category_keys,
    condition_types,
    image_metadata,
    image_types,
    object_metadata,
    object_types,
)
from armbench_segmentation.resize import Resize
from armbench_segmentation.samples import Annotation, Sample

CATEGORIES = ("Object", "Tote")
STRETCH = Resize.plan((100, 200), (64, 64), "stretch")
LETTERBOX = Resize.plan((100, 200), (64, 64), "letterbox")


def sample(**changes):
    return Sample(**({"sample_id": "a", "path": Path("in/a.jpg"), "width": 200, "height": 100} | changes))


def check_types(metadata, types):
    assert list(metadata) == list(types)
    for key, value in metadata.items():
        assert value is None or type(value) is types[key], key


@pytest.fixture
def pixels():
    image = np.full((64, 64, 3), 100, np.uint8)
    image[:, 32:] = 200
    return image


@pytest.fixture
def gt(objects):
    """A tote on the left half, holding two objects that share a corner; a third one apart, on the right."""
    masks = np.zeros((4, 16, 16), bool)
    masks[0, :, :8] = True
    masks[1, 0:4, 0:4] = True
    masks[2, 0:4, 2:6] = True
    masks[3, 8:12, 12:14] = True
    return objects(masks, class_ids=[1, 0, 0, 0])


def test_objects_by_hand(gt, pixels):
    found = object_metadata(sample(n_cut=2), gt, pixels, STRETCH, categories=CATEGORIES, small_area=0.04)
    check_types(found, object_types(CATEGORIES))
    shares = np.array([16, 16, 8]) / 256
    every_share = np.array([128, 16, 16, 8]) / 256
    expected = {
        "n_instances": 6,
        "n_cut": 2,
        "n_crowd": 0,
        "n_boxes": 4,
        "mean_area_share": every_share.mean(),
        "std_area_share": every_share.std(),
        "mean_box_area_share": every_share.mean(),
        # 16x8, 4x4, 4x4 and 4x2 grid pixels, each twice as wide as high in the original
        "mean_box_aspect_ratio": np.mean([0.5, 1, 1, 0.5]) * 2,
        "background_share": 1 - (128 + 8) / 256,
        "n_duplicate_boxes": 0,
        "n_small_boxes": 1,
        "n_box_overlaps": 1,
        "mean_box_overlaps": 0.5,
        "n_mask_overlaps": 1,
        "n_object": 3,
        "mean_area_share_object": shares.mean(),
        "std_area_share_object": shares.std(),
        "mean_brightness_object": (24 * 100 + 8 * 200) / 32,
        "std_brightness_object": np.std([100] * 24 + [200] * 8),
        "n_tote": 1,
        "mean_area_share_tote": 0.5,
        "std_area_share_tote": 0.0,
        "mean_brightness_tote": 100.0,
        "std_brightness_tote": 0.0,
    }
    assert found == pytest.approx(expected, rel=1e-6)


def test_repeated_boxes_are_counted_once_each(objects, pixels):
    mask = np.zeros((3, 16, 16), bool)
    mask[:, 2:5, 2:5] = True
    found = object_metadata(sample(), objects(mask), pixels, STRETCH, categories=CATEGORIES)
    assert (found["n_duplicate_boxes"], found["n_box_overlaps"], found["n_mask_overlaps"]) == (2, 3, 3)
    assert found["mean_box_overlaps"] == 2


def test_padding_is_neither_background_nor_picture(objects):
    pixels = LETTERBOX.apply(np.full((100, 200, 3), 250, np.uint8))
    masks = np.zeros((1, 16, 16), bool)
    masks[0, 4:12] = True
    found = object_metadata(sample(), objects(masks), pixels, LETTERBOX, categories=CATEGORIES)
    assert (found["background_share"], found["mean_area_share"]) == (0, 1)
    assert found["mean_box_area_share"] == pytest.approx(1)
    assert found["mean_box_aspect_ratio"] == pytest.approx(2)
    picture = image_metadata(sample(), pixels, LETTERBOX, conditions={})
    assert (picture["brightness"], picture["contrast"], picture["clutter"]) == (250, 0, 0)


def test_what_is_undefined_is_none(pixels):
    nothing = Instances.empty((16, 16))
    found = object_metadata(sample(), nothing, pixels, STRETCH, categories=CATEGORIES)
    check_types(found, object_types(CATEGORIES))
    counts = {key: value for key, value in found.items() if value is not None}
    zeros = {"n_instances", "n_cut", "n_crowd", "n_boxes", "n_duplicate_boxes", "n_small_boxes", "n_object", "n_tote"}
    assert counts == dict.fromkeys(zeros | {"n_box_overlaps", "n_mask_overlaps"}, 0) | {"background_share": 1.0}


def test_nothing_is_known_of_the_objects_of_an_unlabelled_image(pixels):
    found = object_metadata(sample(is_labeled=False), Instances.empty((16, 16)), pixels, STRETCH, categories=CATEGORIES)
    assert found == dict.fromkeys(object_types(CATEGORIES))


def test_crowds_are_counted_apart(gt, pixels):
    crowd = Annotation(1, 0, [], (0, 0, 1, 1), is_crowd=True)
    found = object_metadata(sample(annotations=(crowd,)), gt, pixels, STRETCH, categories=CATEGORIES)
    assert (found["n_crowd"], found["n_instances"]) == (1, 4)


def test_the_picture_by_hand(pixels):
    found = image_metadata(sample(image_id=7), pixels, STRETCH, conditions={})
    check_types(found, image_types({}))
    assert found["id"] == "7"
    assert (found["file_name"], found["width_px"], found["height_px"]) == ("a.jpg", 200, 100)
    assert found["brightness"] == pytest.approx(150)
    assert found["contrast"] == pytest.approx(50)
    inside = sample(file_name="left/a.jpg")
    assert image_metadata(inside, pixels, STRETCH, conditions={})["file_name"] == "left/a.jpg"
    # One column of +100 beside one of -100, all other responses 0
    assert found["blur"] == pytest.approx(2 * 64 * 100**2 / 64**2)
    assert found["clutter"] == pytest.approx(1 / 64, rel=0.1)


def test_an_image_of_a_folder_has_no_id(pixels):
    assert image_metadata(sample(), pixels, STRETCH, conditions={})["id"] is None


def test_a_blurred_picture_scores_lower_and_a_fuller_one_more_cluttered():
    import cv2

    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    sharp = image_metadata(sample(), noise, STRETCH, conditions={})
    soft = image_metadata(sample(), cv2.GaussianBlur(noise, (9, 9), 3), STRETCH, conditions={})
    assert soft["blur"] < sharp["blur"] / 10
    assert soft["clutter"] < sharp["clutter"]


def test_conditions_have_one_type_and_every_sample_all_of_them(pixels):
    samples = [
        sample(conditions={"tote": "blue", "light": 1, "wet": True, "Mixed": 3}),
        sample(conditions={"light": 0.5, "Mixed": "three", "n": 4}),
    ]
    types = condition_types(samples)
    assert types == {"Mixed": str, "light": float, "n": int, "tote": str, "wet": bool}
    rows = [image_metadata(each, pixels, STRETCH, conditions=types) for each in samples]
    for row in rows:
        check_types(row, image_types(types))
    assert rows[0]["condition_light"] == 1.0
    assert (rows[0]["condition_mixed"], rows[0]["condition_wet"]) == ("3", True)
    assert (rows[1]["condition_tote"], rows[1]["condition_wet"], rows[1]["condition_n"]) == (None, None, 4)


def test_conditions_whose_names_look_alike_keep_apart(pixels):
    types = condition_types([sample(conditions={"light on": 1, "light-on": 2})])
    found = image_metadata(sample(conditions={"light on": 1, "light-on": 2}), pixels, STRETCH, conditions=types)
    assert (found["condition_light_on"], found["condition_light_on_2"]) == (1, 2)


@pytest.mark.parametrize(
    "names", [("a b", "a-b", "a b 2"), ("a", "A"), ("!", "?"), ("Boxes", "Cut"), ("Größe", "größe"), ("Instances",)]
)
def test_no_two_categories_share_a_key(names, pixels):
    keys = category_keys(names)
    assert len(set(keys)) == len(names)
    assert len(object_types(names)) == len(object_types(())) + 5 * len(names)
    found = object_metadata(sample(), Instances.empty((16, 16)), pixels, STRETCH, categories=names)
    assert len(found) == len(object_types(names))


def test_inputs_are_left_as_they_were(gt, pixels):
    pixels.flags.writeable = False
    before = pixels.copy()
    object_metadata(sample(), gt, pixels, STRETCH, categories=CATEGORIES)
    image_metadata(sample(), pixels, STRETCH, conditions={})
    np.testing.assert_array_equal(pixels, before)
