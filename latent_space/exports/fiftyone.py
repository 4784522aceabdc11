"""FiftyOne: `data/` and `labels.json`, a FiftyOneImageDetectionDataset, or with outlines a COCODetectionDataset.

Published layouts: https://docs.voxel51.com/user_guide/dataset_creation/datasets.html. **Conventions**: of boxes alone,
labels are found by the picture's path in `data/` without its ending, and boxes are left, top, width, height as shares
of the picture; that layout has no place for outlines. With outlines, `labels.json` is COCO's (see `coco`), of which
FiftyOne makes boxes, masks and confidences; it needs every picture's size, so pictures without one are left out. In
both, pictures that differ only in their ending get a number.
"""

from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from latent_space.exports.coco import coco_content
from latent_space.exports.entries import unique_names
from latent_space.exports.found import Box
from latent_space.exports.pictures import Pictures, place_picture
from latent_space.exports.selected import Selected
from latent_space.run_folder import write_json

FILE = "labels.json"


def write(folder: Path, selected: Selected, pictures: Pictures) -> None:
    """Write the selection."""
    (folder / "data").mkdir()
    names = unique_names([entry.name for entry in selected.entries], by_stem=True)
    entries = [replace(entry, name=name) for entry, name in zip(selected.entries, names, strict=True)]
    for entry in entries:
        place_picture(entry.picture, folder / "data" / entry.name, pictures)
    if selected.has_outlines:
        sized = tuple(entry for entry in entries if entry.width and entry.height)
        write_json(folder / FILE, coco_content(replace(selected, entries=sized)))
        return
    labels = {
        str(PurePosixPath(entry.name).with_suffix("")): [_detection(box) for box in entry.boxes] for entry in entries
    }
    write_json(folder / FILE, {"classes": list(selected.labels), "labels": labels})


def _detection(box: Box) -> dict[str, Any]:
    x1, y1, x2, y2 = box.corners
    detection: dict[str, Any] = {"label": box.label, "bounding_box": [x1, y1, x2 - x1, y2 - y1]}
    return detection if box.confidence is None else detection | {"confidence": box.confidence}
