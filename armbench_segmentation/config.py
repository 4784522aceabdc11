"""The segmentation task's settings, checked once.

**Conventions**: sizes in pixels, thresholds in [0, 1], paths absolute.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, get_args

from armbench_segmentation.heads import HeadKind
from armbench_segmentation.matching import Rule
from armbench_segmentation.resize import ResizeMode
from latent_space.settings import Settings, load_settings

COCO_ANCHORS = ((10, 13, 16, 30, 33, 23), (30, 61, 62, 45, 59, 119), (116, 90, 156, 198, 373, 326))
_PATHS = ("data", "model", "images", "unlabeled")
_UNIT_INTERVAL = ("confidence", "nms_iou", "confusion_iou", "small_area")


@dataclass(frozen=True)
class SegmentationConfig:
    """What `settings.yaml` says under `segmentation`; see the comments there for each field."""

    data: Path
    model: Path
    images: Path | None = None
    fractions: Mapping[str, float] = field(default_factory=lambda: {"training": 0.7, "validation": 0.3})
    unlabeled: Path | None = None
    categories: tuple[str, ...] | None = None
    max_samples: Mapping[str, int | None] = field(default_factory=dict)
    max_instances: int | None = None
    image_size: int = 640
    head: HeadKind = "yolov5"
    resize: ResizeMode = "stretch"
    confidence: float = 0.35
    nms_iou: float = 0.5
    max_detections: int = 300
    anchors: tuple[tuple[float, ...], ...] = COCO_ANCHORS
    strides: tuple[int, ...] = (8, 16, 32)
    segmentation_rule: Rule = "hoover"
    tolerance: float | None = None
    confusion_iou: float = 0.25
    small_area: float = 3e-4
    seed: int = 0

    def __post_init__(self) -> None:
        if self.resize not in ("stretch", "letterbox"):
            raise ValueError(f"segmentation.resize must be 'stretch' or 'letterbox'; got {self.resize!r}.")
        if self.segmentation_rule not in ("hoover", "containment"):
            raise ValueError(
                f"segmentation.segmentation_rule must be 'hoover' or 'containment'; got {self.segmentation_rule!r}."
            )
        if self.head not in get_args(HeadKind):
            raise ValueError(f"segmentation.head must be one of {', '.join(get_args(HeadKind))}; got {self.head!r}.")
        for name in _UNIT_INTERVAL:
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"segmentation.{name} must lie in [0, 1]; got {getattr(self, name)!r}.")
        if self.tolerance is not None and not 0.5 < self.tolerance <= 1:
            raise ValueError(f"segmentation.tolerance must lie in (0.5, 1]; got {self.tolerance!r}.")
        if len(self.anchors) != len(self.strides) or any(len(row) % 2 for row in self.anchors):
            raise ValueError("segmentation.anchors must have one row of width, height pairs per stride.")
        if self.image_size < 32 or self.image_size % max(self.strides):
            raise ValueError(
                f"segmentation.image_size must be a multiple of the largest stride {max(self.strides)};"
                f" got {self.image_size}."
            )


def load_config(settings: Settings | None = None) -> SegmentationConfig:
    """Read the task's section of `settings.yaml`, or of the given `settings`.

    Raises
    ------
    ValueError
        If a key is unknown or a value is outside its range; the message names it.
    """
    settings = settings or load_settings()
    known = {f.name for f in fields(SegmentationConfig)} - {"seed"}
    unknown = sorted(set(settings.section) - known)
    if unknown:
        raise ValueError(
            f"settings.yaml has an unknown key segmentation.{unknown[0]}; known are {', '.join(sorted(known))}."
        )
    values: dict[str, Any] = {k: v for k, v in settings.section.items() if v is not None}
    values |= {key: settings.path(key) for key in _PATHS if values.get(key) is not None}
    if "categories" in values:
        values["categories"] = tuple(str(name) for name in values["categories"])
    if "anchors" in values:
        values["anchors"] = tuple(tuple(float(v) for v in row) for row in values["anchors"])
    if "strides" in values:
        values["strides"] = tuple(int(v) for v in values["strides"])
    return SegmentationConfig(seed=settings.seed, **values)
