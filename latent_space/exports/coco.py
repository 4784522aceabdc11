"""COCO: `annotations.json`, its file names relative to `images/`.

Published layout: https://cocodataset.org/#format-data. **Conventions**: boxes are x, y, width, height in pixels, as the
model found them; `segmentation` is the outline, a polygon per part in pixels to the hundredth, and `area` is that of
the outline, or of the box where there is none. pycocotools stops at an empty `segmentation`, so among outlines a box is
its four corners; where the whole selection has none, all are empty. Ids of annotations and categories count from 1;
images keep the data's ids where those are integers and differ, and count from 1 otherwise. What the model found has its
confidence as `score`. A picture of unknown size has no `width`, no `height` and no objects.
"""

from pathlib import Path
from typing import Any

from latent_space.exports.entries import Entry
from latent_space.exports.found import Box
from latent_space.exports.pictures import Pictures, place_picture
from latent_space.exports.selected import Selected
from latent_space.outlines import polygon_area
from latent_space.run_folder import write_json

FILE = "annotations.json"


def write(folder: Path, selected: Selected, pictures: Pictures) -> None:
    """Write the selection."""
    for entry in selected.entries:
        place_picture(entry.picture, folder / "images" / entry.name, pictures)
    write_json(folder / FILE, coco_content(selected))


def coco_content(selected: Selected) -> dict[str, Any]:
    """Return the selection as COCO's JSON."""
    categories = {label: number for number, label in enumerate(selected.labels, 1)}
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    has_outlines = selected.has_outlines
    for position, entry in enumerate(selected.entries, 1):
        image_id = position if entry.image_id is None else entry.image_id
        images.append(_image(image_id, entry))
        if entry.width is None or entry.height is None:
            continue
        for box in entry.boxes:
            ids = {"id": len(annotations) + 1, "image_id": image_id, "category_id": categories[box.label]}
            segmentation = _segmentation(box, entry.width, entry.height) if has_outlines else []
            annotations.append(ids | _annotation(box, entry.width, entry.height) | {"segmentation": segmentation})
    return {
        "info": {"description": "Selected by Armscope; the annotations are the model's."},
        "licenses": [],
        "images": images,
        "annotations": annotations,
        "categories": [{"id": number, "name": label} for label, number in categories.items()],
    }


def _image(image_id: int, entry: Entry) -> dict[str, Any]:
    facts = {
        "id": image_id,
        "file_name": entry.name,
        "width": entry.width,
        "height": entry.height,
        "sample_id": entry.sample_id,
        "split": entry.split,
        "loss": entry.loss,
        "reason": entry.reason,
    }
    return {key: value for key, value in facts.items() if value is not None}


def _annotation(box: Box, width: int, height: int) -> dict[str, Any]:
    x1, y1, x2, y2 = box.pixels(width, height)
    rings = box.rings(width, height)
    annotation = {
        "bbox": [x1, y1, x2 - x1, y2 - y1],
        "area": sum(polygon_area(ring) for ring in rings) if rings else (x2 - x1) * (y2 - y1),
        "iscrowd": 0,
    }
    return annotation if box.confidence is None else annotation | {"score": box.confidence}


def _segmentation(box: Box, width: int, height: int) -> list[list[float]]:
    rings = box.rings(width, height) or [box.polygon() * (width, height)]
    return [ring.ravel().tolist() for ring in rings]
