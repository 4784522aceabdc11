"""Real runs on tiny data, from Python and from the command line."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from armbench_segmentation import evaluate
from armbench_segmentation.evaluation import evaluate_files

ROOT = Path(__file__).resolve().parents[2]


def rectangle(x, y, width, height):
    return [[x, y, x + width, y, x + width, y + height, x, y + height]]


def packed(*box):
    runs = coco_mask.frPyObjects(rectangle(*box), 100, 100)[0]
    return {"size": runs["size"], "counts": runs["counts"].decode()}


TRUTH = [  # image, category, box
    ("a.jpg", 2, (10, 10, 30, 20)),
    ("a.jpg", 2, (50, 10, 20, 20)),
    ("a.jpg", 2, (70, 10, 20, 20)),
    ("a.jpg", 1, (10, 50, 80, 40)),
    ("b.jpg", 2, (0, 0, 40, 40)),
]
FOUND = [  # image, category, box, score
    ("a.jpg", 2, (10, 10, 15, 20), 0.9),  # left half of the first object
    ("a.jpg", 2, (25, 10, 15, 20), 0.8),  # right half
    ("a.jpg", 2, (50, 10, 40, 20), 0.7),  # the second and the third in one
    ("a.jpg", 1, (10, 50, 80, 40), 0.95),
    ("a.jpg", 1, (10, 50, 80, 36), 0.6),  # again
    ("b.jpg", 1, (0, 0, 40, 40), 0.5),  # wrong class
    ("b.jpg", 2, (60, 60, 9, 9), 0.2),  # nothing there, and not confident
]
IMAGE_IDS = {"a.jpg": 40, "b.jpg": 7}


@pytest.fixture
def data(tmp_path):
    (tmp_path / "images").mkdir()
    for name in IMAGE_IDS:
        Image.new("RGB", (100, 100), "gray").save(tmp_path / "images" / name)
    truth = {
        "images": [{"id": i, "file_name": n, "width": 100, "height": 100} for n, i in IMAGE_IDS.items()],
        "categories": [{"id": 1, "name": "Tote"}, {"id": 2, "name": "Object"}],
        "annotations": [
            {
                "id": number,
                "image_id": IMAGE_IDS[name],
                "category_id": category,
                "segmentation": rectangle(*box),
                "bbox": list(box),
                "area": box[2] * box[3],
                "iscrowd": 0,
            }
            for number, (name, category, box) in enumerate(TRUTH, start=1)
        ],
    }
    found = [
        {"image_id": IMAGE_IDS[name], "category_id": category, "segmentation": packed(*box), "score": score}
        for name, category, box, score in FOUND
    ]
    (tmp_path / "gt.json").write_text(json.dumps(truth))
    (tmp_path / "found.json").write_text(json.dumps(found))
    return tmp_path


def inputs(data):
    return {"annotations": data / "gt.json", "images": data / "images"}


def armscope(*arguments):
    command = [sys.executable, "-c", "from armscope.cli import main; main()", "segmentation", "evaluate"]
    return subprocess.run([*command, *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, check=False)


def options(data, **more):
    named = inputs(data) | {"out": data / "out"} | more
    return [word for key, value in named.items() for word in (f"--{key.replace('_', '-')}", value)]


def test_a_results_file_by_hand(data):
    results = evaluate(**inputs(data), predictions=data / "found.json")
    assert results["hoover"]["over_segmented"] == {"objects": 1, "images": 1}
    assert results["hoover"]["under_segmented"] == {"objects": 1, "images": 1}
    assert results["hoover"]["duplicates"] == {"objects": 1, "images": 1}
    assert results["containment"]["over_segmented"] == {"objects": 2, "images": 1}
    counts = {kind: found["count"] for kind, found in results["tide"].items() if kind != "base"}
    # The merged prediction has IoU .5 with the first of its objects: TIDE calls it right, and the other object missed.
    # Each half has IoU .5 with its object: the first is right, the second a bad localization.
    assert counts == {"class": 1, "localization": 1, "both": 0, "duplicate": 1, "background": 1, "miss": 1}
    assert (results["n_images"], results["n_objects"], results["n_predictions"]) == (2, 5, 7)
    assert results["n_confident_predictions"] == 6
    assert results["panoptic"]["per_class"]["Tote"] == pytest.approx({"PQ": 0.5, "SQ": 1.0, "RQ": 0.5})
    assert results["panoptic"]["per_class"]["Object"]["PQ"] == 0.0
    assert results["panoptic"]["PQ"] == pytest.approx(0.25)


def test_the_confidence_itself_counts(data):
    for confidence, n_totes in ((0.5, 3), (0.51, 2)):
        results = evaluate(**inputs(data), predictions=data / "found.json", confidence=confidence)
        assert results["panoptic"]["per_class"]["Tote"]["RQ"] == pytest.approx(2 / (1 + n_totes))


def test_average_precision_is_pycocotools_on_the_files(data):
    results = evaluate(**inputs(data), predictions=data / "found.json")
    truth = COCO(str(data / "gt.json"))
    for kind in ("segm", "bbox"):
        entries = json.loads((data / "found.json").read_text())
        run = COCOeval(truth, truth.loadRes(entries), kind)
        run.evaluate()
        run.accumulate()
        run.summarize()
        assert [results[kind][key] for key in ("AP", "AP50", "AP75")] == pytest.approx(run.stats[:3], abs=1e-9)
        assert results[kind]["AR"] == pytest.approx(run.stats[8], abs=1e-9)


def test_equal_scores_are_ordered_as_coco_does_by_image_id(data):
    found = json.loads((data / "found.json").read_text())
    (data / "found.json").write_text(json.dumps([one | {"score": 0.5} for one in found]))
    results = evaluate(**inputs(data), predictions=data / "found.json")
    truth = COCO(str(data / "gt.json"))
    run = COCOeval(truth, truth.loadRes(json.loads((data / "found.json").read_text())), "segm")
    run.evaluate()
    run.accumulate()
    run.summarize()
    assert [results[key] for key in ("AP", "AP50", "AP75")] == pytest.approx(run.stats[:3], abs=1e-9)
    assert results["tide"]["base"]["ap"] == pytest.approx(run.stats[1], abs=1e-9)


def test_a_crowded_class_does_not_push_out_another(data):
    """COCO looks at 100 detections of every image and class, not of every image."""
    tote = [one for one in json.loads((data / "found.json").read_text()) if one["category_id"] == 1]
    many = [
        {
            "image_id": 40,
            "category_id": 2,
            "segmentation": packed(i % 80, i // 80 * 30, 20, 20),
            "score": 0.99 - i / 1e3,
        }
        for i in range(120)
    ]
    (data / "found.json").write_text(json.dumps(many + tote))
    with pytest.warns(UserWarning, match=r"max_detections: 20 of the 123 predictions are left out"):
        results = evaluate(**inputs(data), predictions=data / "found.json")
    truth = COCO(str(data / "gt.json"))
    run = COCOeval(truth, truth.loadRes(json.loads((data / "found.json").read_text())), "segm")
    run.evaluate()
    run.accumulate()
    run.summarize()
    assert [results[key] for key in ("AP", "AP50", "AP75")] == pytest.approx(run.stats[:3], abs=1e-9)
    assert results["segm"]["per_class"]["Tote"]["AP50"] == pytest.approx(1.0)
    assert results["tide"]["base"]["ap"] == pytest.approx(results["AP50"])
    assert results["n_predictions"] == 103


def test_a_model_gives_more_than_one_class_may_use(data, constant_model):
    objects = [[0, 0, 25.6, 25.6, 0.9 - i / 1e3, 0] for i in range(120)]
    model = constant_model(data / "m.onnx", [*objects, [0, 0, 25.6, 25.6, 0.5, 1]], names=("Object", "Tote"))
    with pytest.warns(UserWarning, match=r"max_detections: 40 of the 242 predictions are left out"):
        results = evaluate(**inputs(data), model=model)
    assert results["n_predictions"] == 202


def test_ground_truth_as_prediction_is_perfect(data):
    truth = json.loads((data / "gt.json").read_text())
    (data / "same.json").write_text(json.dumps([one | {"score": 0.9} for one in truth["annotations"]]))
    results = evaluate(**inputs(data), predictions=data / "same.json")
    assert results["AP"] == results["bbox"]["AP"] == results["panoptic"]["PQ"] == pytest.approx(1.0)
    assert all(found["count"] == 0 for kind, found in results["tide"].items() if kind != "base")


def test_crowd_ground_truth_is_handled_as_coco_does(data):
    truth = json.loads((data / "gt.json").read_text())
    truth["annotations"][0]["iscrowd"] = 1
    (data / "crowd.json").write_text(json.dumps(truth))
    results = evaluate(data / "crowd.json", data / "images", predictions=data / "found.json")
    coco = COCO(str(data / "crowd.json"))
    run = COCOeval(coco, coco.loadRes(str(data / "found.json")), "segm")
    run.evaluate()
    run.accumulate()
    run.summarize()
    assert results["AP"] == pytest.approx(run.stats[0], abs=1e-9)
    assert results["n_objects"] == 4
    assert results["hoover"]["over_segmented"]["objects"] == 0
    assert results["tide"]["localization"]["count"] == results["tide"]["background"]["count"] - 1 == 0


def test_a_model_by_hand(data, constant_model):
    """The model finds the object of b.jpg (0, 0, 40, 40 of 100) in every image; its classes are in another order."""
    model = constant_model(data / "m.onnx", [[0, 0, 25.6, 25.6, 0.8, 0]], names=("Object", "Tote"))
    results = evaluate_files(**inputs(data), out=data / "out", model=model)
    assert results["segm"]["per_class"]["Tote"]["AP"] == 0.0
    assert results["segm"]["per_class"]["Object"]["AP50"] > 0
    found = json.loads((data / "out" / "predictions.json").read_text())
    assert [(one["image_id"], one["category_id"]) for one in found] == [(40, 2), (7, 2)]
    assert found[0]["bbox"] == pytest.approx([0, 0, 40, 40], abs=0.01)
    again = evaluate(**inputs(data), predictions=data / "out" / "predictions.json", categories=("Object", "Tote"))
    assert again["AP"] == pytest.approx(results["AP"])
    assert again["hoover"] == results["hoover"]
    assert json.loads((data / "out" / "metrics.json").read_text())["AP"] == results["AP"]


def test_unreadable_images_are_set_aside_and_counted(data, constant_model):
    whole = data / "images" / "a.jpg"
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (100, 100, 3), dtype=np.uint8)).save(whole)
    whole.write_bytes(whole.read_bytes()[:2000])
    model = constant_model(data / "m.onnx", [[0, 0, 25.6, 25.6, 0.8, 1]])
    results = evaluate(**inputs(data), model=model)
    assert [one["sample_id"] for one in results["set_aside"]] == ["a.jpg"]
    assert results["n_images"] == 1
    (data / "images" / "b.jpg").write_bytes(whole.read_bytes())
    with pytest.raises(ValueError, match=r"images must have a readable image; the first is not: .*a\.jpg"):
        evaluate(**inputs(data), model=model)


def test_class_names_must_be_the_categories(data, constant_model):
    model = constant_model(data / "m.onnx", [[0, 0, 9, 9, 0.8, 0]], names=("Object", "Bag"))
    with pytest.raises(ValueError, match=r"The model's classes Object, Bag must be the categories of .*Tote, Object"):
        evaluate(**inputs(data), model=model)
    assert evaluate(**inputs(data), model=model, categories=("Object", "Tote"))["n_images"] == 2
    with pytest.raises(ValueError, match=r"categories must name the model's 2 classes Object, Bag; got Object"):
        evaluate(**inputs(data), model=model, categories=("Object",))


def test_undefined_becomes_null_in_the_file(data):
    truth = json.loads((data / "gt.json").read_text())
    truth["annotations"] = [one for one in truth["annotations"] if one["category_id"] == 2]
    (data / "gt.json").write_text(json.dumps(truth))
    (data / "found.json").write_text("[]")
    evaluate_files(**inputs(data), out=data / "new" / "out", predictions=data / "found.json")
    metrics = json.loads((data / "new" / "out" / "metrics.json").read_text())
    assert metrics["segm"]["per_class"]["Tote"] == {"AP": None, "AP50": None, "AP75": None}
    assert metrics["AP"] == 0.0
    assert [path.name for path in (data / "new" / "out").iterdir()] == ["metrics.json"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"confidence": 1.5}, r"confidence must lie in \[0, 1\]; got 1.5"),
        ({"nms_iou": -1}, r"nms_iou must lie in \[0, 1\]; got -1"),
        ({"tolerance": 0.5}, r"tolerance must lie in \(0.5, 1\]; got 0.5"),
        ({"max_detections": 0}, r"max_detections must be at least 1; got 0"),
        ({"image_size": -5}, r"image_size must be at least 1; got -5"),
        ({"resize": "crop"}, r"resize must be 'stretch' or 'letterbox'; got 'crop'"),
        ({"predictions": None}, r"Exactly one of predictions and model must be given; got neither"),
        ({"model": "m.onnx"}, r"Exactly one of predictions and model must be given; got both"),
        ({"categories": ("Bag",)}, r"categories must be among those of .*; got 'Bag'"),
    ],
)
def test_bad_options_are_named(data, changes, message):
    with pytest.raises(ValueError, match=message):
        evaluate(**inputs(data), **{"predictions": data / "found.json"} | changes)


@pytest.mark.parametrize("missing", ["annotations", "images", "predictions", "model"])
def test_missing_files_are_named(data, missing):
    named = inputs(data) | {"predictions": data / "found.json"}
    if missing == "model":
        named["predictions"] = None
    with pytest.raises(FileNotFoundError, match=r"No .* at .*nowhere"):
        evaluate(**named | {missing: data / "nowhere"})


def test_the_command_prints_tables_and_writes_metrics(data):
    done = armscope(*options(data, predictions=data / "found.json"))
    assert (done.returncode, done.stderr) == (0, "")
    for word in ("objects cut", "hoover, T 0.75", "containment, T 0.8", "localization", "Tote", "Object"):
        assert word in done.stdout
    assert str(data / "out" / "metrics.json") in done.stdout.replace("\n", "")
    metrics = json.loads((data / "out" / "metrics.json").read_text())
    assert metrics["hoover"]["over_segmented"]["objects"] == 1
    as_json = armscope(*options(data, predictions=data / "found.json"), "--json")
    assert json.loads(as_json.stdout) == metrics


def test_bad_input_is_one_line_exit_2_and_writes_nothing(data):
    bad = data / "bad.json"
    bad.write_text('[{"image_id": 99}]')
    not_a_model = data / "bad.onnx"
    not_a_model.write_text("no model")
    for more, message in (
        ({"predictions": bad}, "entry 0: image_id must be one of the annotation file; got 99."),
        ({"model": not_a_model}, "must be an ONNX model that onnxruntime reads"),
        ({}, "Exactly one of predictions and model must be given; got neither."),
    ):
        done = armscope(*options(data, **more))
        assert done.returncode == 2, done
        assert message in done.stderr
        assert done.stderr.count("\n") == 1
        assert not (data / "out").exists()
