from pathlib import Path

import pytest

from armbench_segmentation.config import COCO_ANCHORS, SegmentationConfig, load_config
from latent_space.settings import Settings, load_settings


def config_of(**section) -> SegmentationConfig:
    section = {"data": "data", "model": "model.onnx"} | section
    return load_config(Settings("segmentation", 7, Path("/somewhere").absolute(), section))


def test_the_projects_own_settings_are_valid():
    config = load_config(load_settings())
    assert config.image_size == 640
    assert config.anchors == COCO_ANCHORS


def test_paths_start_at_the_settings_folder():
    config = config_of(unlabeled="more")
    assert config.data == Path("/somewhere").absolute() / "data"
    assert config.unlabeled == Path("/somewhere").absolute() / "more"
    assert config.seed == 7


@pytest.mark.parametrize(
    ("section", "message"),
    [
        ({"confidense": 0.3}, r"unknown key segmentation\.confidense"),
        ({"confidence": 1.3}, r"segmentation\.confidence must lie in \[0, 1\]; got 1\.3"),
        ({"tolerance": 0.5}, r"segmentation\.tolerance must lie in \(0\.5, 1\]; got 0\.5"),
        ({"resize": "crop"}, r"segmentation\.resize must be 'stretch' or 'letterbox'; got 'crop'"),
        ({"segmentation_rule": "x"}, r"must be 'hoover' or 'containment'; got 'x'"),
        ({"head": "detr"}, r"segmentation\.head must be one of yolov5, yolov8, end_to_end; got 'detr'"),
        ({"image_size": 100}, r"multiple of the largest stride 32; got 100"),
        ({"strides": [8, 16]}, r"one row of width, height pairs per stride"),
    ],
)
def test_bad_values_are_named(section, message):
    with pytest.raises(ValueError, match=message):
        config_of(**section)
