import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask

from armbench_segmentation.inference import Detector, detect
from armbench_segmentation.samples import Sample

ROWS = [[16, 16, 48, 32, 0.9, 0], [0, 32, 16, 64, 0.6, 1], [32, 32, 64, 64, 0.0005, 0]]


@pytest.fixture
def photos(tmp_path):
    """One 128 x 64 photograph, wider than high, and one that breaks off."""
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (64, 128, 3), dtype=np.uint8)).save(tmp_path / "good.jpg")
    (tmp_path / "short.jpg").write_bytes((tmp_path / "good.jpg").read_bytes()[:900])
    return [Sample(name, tmp_path / name, 128, 64) for name in ("good.jpg", "short.jpg")]


@pytest.mark.parametrize("batch", [1, 3])
def test_a_fixed_batch_of_any_size_is_served(tmp_path, constant_model, photos, batch):
    detector = Detector.open(constant_model(tmp_path / "m.onnx", ROWS, batch=batch))
    found, set_aside = detect(detector, photos, n_classes=2)
    assert list(found) == ["good.jpg"]
    assert [one.sample_id for one in set_aside] == ["short.jpg"]
    assert "short.jpg" in set_aside[0].reason
    objects = found["good.jpg"]
    assert objects.confidence == pytest.approx([0.9, 0.6], abs=1e-6)
    assert objects.class_ids.tolist() == [0, 1]
    # Stretched: input x doubles, y stays.
    assert objects.boxes_xywh.tolist() == [[32, 16, 64, 16], [0, 32, 32, 32]]
    mask = coco_mask.decode(objects.runs[0])
    assert mask.shape == (64, 128)
    assert mask.sum() == mask[16:32, 32:96].sum() == 64 * 16


def test_letterbox_is_undone(tmp_path, constant_model, photos):
    detector = Detector.open(constant_model(tmp_path / "m.onnx", ROWS), resize="letterbox")
    objects = detect(detector, photos[:1], n_classes=2)[0]["good.jpg"]
    # 64 pixels high inside 64 x 64 at scale 1/2: 16 rows of padding above.
    assert objects.boxes_xywh.tolist() == [[32, 0, 64, 32], [0, 32, 32, 32]]


def test_more_detections_than_asked_for_are_cut(tmp_path, constant_model, photos):
    detector = Detector.open(constant_model(tmp_path / "m.onnx", ROWS), max_detections=1)
    assert len(detect(detector, photos[:1], n_classes=2)[0]["good.jpg"]) == 1


def test_the_input_size_must_be_known_and_agree(tmp_path, constant_model):
    fixed = constant_model(tmp_path / "fixed.onnx", ROWS)
    assert Detector.open(fixed).input_size == (64, 64)
    with pytest.raises(ValueError, match=r"image_size must be the model's own \(64, 64\); got 32"):
        Detector.open(fixed, image_size=32)
    dynamic = constant_model(tmp_path / "dynamic.onnx", ROWS, size=None)
    with pytest.raises(ValueError, match=r"image_size must be given for .*dynamic.onnx"):
        Detector.open(dynamic)
    assert Detector.open(dynamic, image_size=64).input_size == (64, 64)


def test_a_model_of_another_number_of_classes_is_refused(tmp_path, constant_model, photos):
    detector = Detector.open(constant_model(tmp_path / "m.onnx", ROWS))
    with pytest.raises(ValueError, match="n_classes must cover the class ids of the outputs"):
        detect(detector, photos[:1], n_classes=1)
