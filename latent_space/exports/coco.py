"""COCO: `annotations.json`, its file names relative to `images/`.

Published layout: https://cocodataset.org/#format-data. **Conventions**: boxes are x, y, width, height in pixels; ids of
annotations and categories count from 1; images keep the data's ids where those are integers and differ, and count from
1 otherwise. What the model found has its confidence as `score`. A picture of unknown size has no `width`, no `height`
and no boxes.
"""

from pathlib import Path
from typing import Any

from latent_space.exports.pictures import Pictures, place_picture
from latent_space.exports.selected import Selected
from latent_space.run_folder import write_json

FILE = "annotations.json"


def write(folder: Path, selected: Selected, pictures: Pictures) -> None:
    """Write the selection."""
    categories = {label: number for number, label in enumerate(selected.labels, 1)}
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for position, entry in enumerate(selected.entries, 1):
        place_picture(entry.picture, folder / "images" / entry.name, pictures)
        image_id = position if entry.image_id is None else entry.image_id
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
        images.append({key: value for key, value in facts.items() if value is not None})
        if entry.width is None or entry.height is None:
            continue
        for box in entry.boxes:
            x1, y1, x2, y2 = box.pixels(entry.width, entry.height)
            annotation = {
                "id": len(annotations) + 1,
                "image_id": image_id,
                "category_id": categories[box.label],
                "bbox": [x1, y1, x2 - x1, y2 - y1],
                "area": (x2 - x1) * (y2 - y1),
                "segmentation": [],
                "iscrowd": 0,
            }
            annotations.append(annotation if box.confidence is None else annotation | {"score": box.confidence})
    content = {
        "info": {"description": "Selected by Armscope; the annotations are the model's."},
        "licenses": [],
        "images": images,
        "annotations": annotations,
        "categories": [{"id": number, "name": label} for label, number in categories.items()],
    }
    write_json(folder / FILE, content)
