"""What one image of a data set is, once its annotations have been read and checked.

**Conventions**: sizes and coordinates are pixels of the image as its annotations see it: `width` and `height` are
those of the annotation file, and the EXIF orientation counts as applied exactly where that makes the file's size
agree. Class ids are 0-based positions in the list of categories.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

Scalar = str | int | float | bool


@dataclass(frozen=True)
class Annotation:
    """One object of an image.

    Attributes
    ----------
    annotation_id : int or str
        As in the file.
    class_id : int
        Position in the list of categories.
    segmentation : list or dict
        COCO polygons ``[[x, y, x, y, ...], ...]`` or a run-length encoding ``{"size", "counts"}``.
    box_xywh : (x, y, width, height)
        Hull of the whole segmentation, pixels of the original.
    is_crowd : bool
        A region of many objects: evaluation ignores it, ground truth leaves it out.
    """

    annotation_id: int | str
    class_id: int
    segmentation: list[Any] | dict[str, Any]
    box_xywh: tuple[float, float, float, float]
    is_crowd: bool = False


@dataclass(frozen=True)
class Sample:
    """One image with its objects.

    Attributes
    ----------
    sample_id : str
        Unique in the data set, at most 256 characters, made from the file name.
    path : Path
        The image.
    width, height : int
        Pixels.
    annotations : tuple of Annotation
        Empty for an image without objects and for an unlabelled one.
    n_cut : int
        Objects dropped because the image had more than `max_instances`.
    conditions : Mapping
        Named scalars, finite ones, that the annotation file records for this image; may be empty.
    image_id : int or str, optional
        The annotation file's id; None for an image of a folder without annotations.
    file_name : str, optional
        The image relative to its folder, with ``/``; by default the last part of `path`.
    is_labeled : bool
        Whether no annotations means no objects (True) or nothing known (False).
    """

    sample_id: str
    path: Path
    width: int
    height: int
    annotations: tuple[Annotation, ...] = ()
    n_cut: int = 0
    conditions: Mapping[str, Scalar] = field(default_factory=dict)
    image_id: int | str | None = None
    file_name: str | None = None
    is_labeled: bool = True

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) in pixels."""
        return self.height, self.width

    @property
    def n_objects(self) -> int:
        """Number of annotated objects, crowd regions not counted."""
        return sum(not annotation.is_crowd for annotation in self.annotations)


@dataclass(frozen=True)
class SetAside:
    """A sample that cannot be used, and why."""

    sample_id: str
    reason: str


@dataclass(frozen=True)
class CocoSplit:
    """The usable samples of one split, its categories, and the samples set aside."""

    samples: tuple[Sample, ...]
    categories: tuple[str, ...]
    set_aside: tuple[SetAside, ...] = ()

    def __len__(self) -> int:
        return len(self.samples)
